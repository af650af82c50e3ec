"""Which tokens a pass through `slot_model` is about, and how they reach the past of their slots.

Shapes: S slots, C positions in each, R tokens of the pass, n heads of size d.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

BLOCK = 16
"""Positions that share an entry of the filter's states. Smaller blocks lose fewer tokens when a
conversation branches; an entry takes as much memory as 0.75 tokens of keys and values, or 1.5 in
half precision."""


@dataclass(frozen=True, slots=True)
class Heads:
    """Query, key and value of R tokens, each (R, n, d), the first two rotated."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor


class Rows(Protocol):
    """R tokens and their way to the past.

    Attributes:
        cos, sin: of their rotary angles, (R, 1, d / 2), float32.
    """

    cos: torch.Tensor
    sin: torch.Tensor

    def exchange(self, state: torch.Tensor, current: torch.Tensor) -> torch.Tensor:
        """Puts down what the next tokens need, and takes up what these need.

        Args:
            state: entries of all slots, (S, C / BLOCK, width), float32.
            current: of these tokens, (R, width).

        Returns:
            The same of the token before each of them, (R, width) in float32; zeros before the first
            token of a conversation.
        """

    def attend(
        self, heads: Heads, keys: torch.Tensor, values: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        """Writes keys and values of these tokens and returns what they see, (R, n, d).

        Args:
            heads: of these tokens.
            keys, values: of all slots, (S, n, C, d).
            scaling: of the scores.
        """


class Stretch:
    """Tokens that follow each other in one slot: a part of a prompt, or one more token.

    Args:
        slot: where the conversation is.
        start: position of the first of them.
        count: how many they are.
        rotary: cosines and sines of all positions, (2, C, d / 2).
    """

    def __init__(self, slot: int, start: int, count: int, rotary: torch.Tensor) -> None:
        self._slot, self._start, self._end = slot, start, start + count
        self.cos, self.sin = rotary[:, start : self._end, None]
        self._visible: torch.Tensor | None = None
        # A single token, which is what a step for one visitor is, sees everything and is in one
        # block: plain numbers instead of tensors of them save 1 ms of 7 in a step of 8 layers.
        self._blocks: int | torch.Tensor = start // BLOCK
        self._last_of_block: slice | torch.Tensor = slice(0, 1)
        if count > 1:
            device = rotary.device
            blocks = torch.arange(start // BLOCK, (self._end - 1) // BLOCK + 1, device=device)
            self._blocks = blocks
            self._last_of_block = (blocks * BLOCK + BLOCK - 1).clamp(max=self._end - 1) - start
            all_visible = torch.ones(count, self._end, dtype=torch.bool, device=device)
            self._visible = all_visible.tril(start)

    def exchange(self, state: torch.Tensor, current: torch.Tensor) -> torch.Tensor:
        """See `Rows`."""
        current = current.to(state.dtype)
        if self._start:
            before = state[self._slot, (self._start - 1) // BLOCK][None]
        else:
            before = torch.zeros_like(state[0, :1])
        previous = torch.cat([before, current[:-1]])
        state[self._slot, self._blocks] = current[self._last_of_block]
        return previous

    def attend(
        self, heads: Heads, keys: torch.Tensor, values: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        """See `Rows`."""
        keys, values = keys[self._slot, :, : self._end], values[self._slot, :, : self._end]
        keys[:, self._start :] = heads.key.transpose(0, 1)
        values[:, self._start :] = heads.value.transpose(0, 1)
        if self._visible is None:
            return _seen_by_one(heads.query[0], keys, values, scaling)[None]
        seen = F.scaled_dot_product_attention(
            heads.query.transpose(0, 1)[None],
            keys[None],
            values[None],
            attn_mask=self._visible,
            scale=scaling,
        )
        return seen[0].transpose(0, 1)


class Batch:
    """One token in each of several slots, all different.

    Args:
        slots: where the conversations are.
        positions: of the tokens.
        rotary: cosines and sines of all positions, (2, C, d / 2).
    """

    def __init__(
        self, slots: Sequence[int], positions: Sequence[int], rotary: torch.Tensor
    ) -> None:
        device = rotary.device
        self._ends = [(slot, position + 1) for slot, position in zip(slots, positions, strict=True)]
        self._slots = torch.tensor(slots, device=device)
        self._positions = torch.tensor(positions, device=device)
        self.cos, self.sin = rotary[:, self._positions, None]
        self._block = self._positions // BLOCK
        self._block_before = (self._positions - 1).clamp(min=0) // BLOCK
        self._is_first = (self._positions == 0)[:, None] if 0 in positions else None

    def exchange(self, state: torch.Tensor, current: torch.Tensor) -> torch.Tensor:
        """See `Rows`."""
        previous = state[self._slots, self._block_before]
        if self._is_first is not None:
            previous = previous.masked_fill(self._is_first, 0.0)
        state[self._slots, self._block] = current.to(state.dtype)
        return previous

    def attend(
        self, heads: Heads, keys: torch.Tensor, values: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        """See `Rows`. Row by row: each reads the filled part of its own slot and nothing else."""
        keys[self._slots, :, self._positions] = heads.key
        values[self._slots, :, self._positions] = heads.value
        seen = [
            _seen_by_one(query, keys[slot, :, :end], values[slot, :, :end], scaling)
            for query, (slot, end) in zip(heads.query, self._ends, strict=True)
        ]
        return torch.stack(seen)


def _seen_by_one(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scaling: float
) -> torch.Tensor:
    """What one token (n, d) sees of all T positions (n, T, d), (n, d)."""
    query = query[:, None]
    if query.device.type != "cpu" or query.dtype == torch.float32:
        seen = F.scaled_dot_product_attention(query[None], keys[None], values[None], scale=scaling)[
            0
        ]
    else:
        # A CPU's attention in half precision takes 2.7 ms for one query over 1,000 positions of 32
        # heads, two products in float32 0.7 ms with the conversion (torch 2.13, AVX-512, 1 thread).
        scores = torch.matmul(query.float(), keys.float().transpose(-1, -2)) * scaling
        seen = torch.matmul(scores.softmax(-1), values.float()).to(values.dtype)
    return seen[:, 0]
