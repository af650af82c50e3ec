"""Memory of this process and of its GPUs."""

import os

import psutil
import torch

from yuan_demo.bench.server import memory_of


def peaks(name: str) -> dict[str, float]:
    """The most that was taken until now, in bytes; GPUs begin to count anew.

    Args:
        name: of the time until now, for the keys.
    """
    found: dict[str, float] = {}
    if process := memory_of(os.getpid()):
        found[f"process, {name}"] = process.peak
    if gpus := range(torch.cuda.device_count()):
        found[f"GPUs, {name}"] = sum(map(torch.cuda.max_memory_allocated, gpus))
        for gpu in gpus:
            torch.cuda.reset_peak_memory_stats(gpu)
    return found


def in_use(device: torch.device) -> int:
    """Bytes taken now: of all GPUs if the device is one of them, else of this process."""
    if device.type == "cuda":
        return sum(map(torch.cuda.memory_allocated, range(torch.cuda.device_count())))
    return int(psutil.Process().memory_info().rss)
