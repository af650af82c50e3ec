"""How fast a decode step could be at most: its bytes over what the memory gives.

A step for B rows reads every weight once, whatever B is, and of each row the keys and values of the
tokens before. What else it reads and writes is less than a hundredth of that.
"""

from collections.abc import Callable, Sequence
from time import perf_counter

import torch

from yuan_demo.model.configuration_yuan import YuanConfig

_BYTES = {"cpu": 2**28, "cuda": 2**30}
"""Far more than a cache holds, and far less than the engine leaves free."""
_SECONDS = 1.0
_PASSES = 5


def weights_per_step(config: YuanConfig) -> int:
    """Weights that a decode step multiplies with; of the embedding it reads a row per token."""
    width, inner = config.hidden_size, config.intermediate_size
    # Attention's four products, the filter's two convolutions over two tokens, feed-forward.
    matrices = 4 * width**2 + 2 * width**2 + 3 * width * inner
    # Three norms and the filter's two biases.
    vectors = 3 * width + width // 2 + width
    return config.num_hidden_layers * (matrices + vectors) + width + config.vocab_size * width


def bytes_per_position(config: YuanConfig, itemsize: int) -> int:
    """Keys and values of one token in all layers, in bytes."""
    return 2 * config.num_hidden_layers * config.hidden_size * itemsize


def step_bytes(config: YuanConfig, filled: Sequence[float], itemsize: int) -> float:
    """Bytes that must move for one decode step.

    Args:
        config: of the model.
        filled: tokens that each row attends to.
        itemsize: bytes of a weight, of a key and of a value.
    """
    weights = weights_per_step(config) * itemsize
    return weights + sum(filled) * bytes_per_position(config, itemsize)


def tokens_per_second(bytes_of_step: float, rows: int, bandwidth: float) -> float:
    """Tokens per second of all rows if nothing but bytes took time; bandwidth in bytes/s."""
    return rows * bandwidth / bytes_of_step


def measured_bandwidth(device: torch.device) -> float:
    """The most bytes per second that a large sum or a large copy moves on a device.

    Of several passes the fastest counts: what is looked for is what the memory can do. Layers on
    several devices work one after the other, so one device's bandwidth is that of all.
    """
    numbers = _BYTES.get(device.type, _BYTES["cpu"]) // 4
    source = torch.ones(numbers, device=device)
    target = torch.empty_like(source)
    read = _fastest(source.sum, device)
    moved = _fastest(lambda: target.copy_(source), device)
    return max(source.nbytes / read, 2 * source.nbytes / moved)


def _fastest(run: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest of several runs."""
    seconds: list[float] = []
    while len(seconds) < _PASSES or sum(seconds) < _SECONDS:
        started = perf_counter()
        run()
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        seconds.append(perf_counter() - started)
    return min(seconds)
