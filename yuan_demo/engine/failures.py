"""What an exception out of a forward pass means for the requests that were in it."""

from enum import StrEnum

import torch


class Failure(StrEnum):
    """Kinds of failure.

    MEMORY: the device had too little for this pass; others may still fit.
    LOST: the device is gone until the process is started again.
    BROKEN: the pass itself is wrong, perhaps for these requests only.
    """

    MEMORY = "out_of_memory"
    LOST = "device_lost"
    BROKEN = "engine_failed"


def failure_of(error: Exception) -> Failure:
    """The kind of an exception."""
    text = str(error)
    # A CPU raises a bare RuntimeError, told from others by its text alone (torch 2.13).
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in text:
        return Failure.MEMORY
    # After an illegal access or a lost device every later call of CUDA fails the same way.
    if "CUDA error" in text and "out of memory" not in text:
        return Failure.LOST
    return Failure.BROKEN
