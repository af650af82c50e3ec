"""A model that cannot be put into slots, behind the same interface: slow, and right.

Weights that accelerate keeps on a CPU or on a disk come to the device for the forward pass of their
own module, so their products cannot be joined beforehand. Such a model runs as it is, row by row,
over a cache of transformers per slot.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache


class CachedModel:
    """A causal language model over slots, each a cache that only grows.

    Args:
        model: called as transformers' models are; its configuration makes the caches.
        slots: conversations held.
        positions: tokens that each can have.
    """

    rewind_block: int | None = None
    """A cache with convolution states can not go back, so every prompt is computed anew."""

    def __init__(self, model: Any, slots: int, positions: int) -> None:
        self._model = model
        self.slots, self.positions = slots, positions
        self.vocab_size = model.config.vocab_size
        self._caches: list[DynamicCache | None] = [None] * slots

    @property
    def head_device(self) -> torch.device:
        """Where logits come out."""
        return self._model.device

    @property
    def bytes_of_slots(self) -> int:
        """Nothing is set aside beforehand."""
        return 0

    def prefill(self, slot: int, start: int, ids: Sequence[int], keep: int = 1) -> torch.Tensor:
        """Reads tokens behind `start` into a slot: logits (keep, V) in float32 after the last."""
        if start == 0:
            self._caches[slot] = DynamicCache(config=self._model.config)
        tokens = torch.tensor([list(ids)], device=self._model.device)
        output = self._model(
            input_ids=tokens,
            past_key_values=self._caches[slot],
            use_cache=True,
            logits_to_keep=keep,
        )
        return output.logits[0].float()

    def decode(
        self, slots: Sequence[int], positions: Sequence[int], ids: torch.Tensor
    ) -> torch.Tensor:
        """Reads a token in each of several slots, one after the other: logits (B, V)."""
        rows = zip(slots, positions, ids.tolist(), strict=True)
        return torch.cat([self.prefill(slot, max(start, 1), [i]) for slot, start, i in rows])

    def copy(self, source: int, target: int, count: int) -> None:
        """Is never asked for, as nothing can be reused."""
        raise NotImplementedError("a cache with convolution states cannot be cut")
