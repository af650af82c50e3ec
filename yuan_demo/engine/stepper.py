"""One token for every row of a batch: a pass of the network and the choice behind it."""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from yuan_demo.core.generation import TokenScores
from yuan_demo.engine.requests import Request
from yuan_demo.engine.sampler import SamplingRows, draws, is_wide, sample, unpack

Choice = tuple[int, TokenScores]
"""A chosen token and what the model thought of it."""


class Network(Protocol):
    """A model over a pool of slots; `model.slot_model.SlotModel` says what each part means."""

    slots: int
    positions: int
    vocab_size: int
    rewind_block: int | None

    @property
    def head_device(self) -> torch.device:
        """Where logits come out."""

    def prefill(self, slot: int, start: int, ids: Sequence[int], keep: int = 1) -> torch.Tensor:
        """Reads tokens into a slot behind `start`; logits (keep, V) after the last of them."""

    def decode(
        self, slots: Sequence[int], positions: Sequence[int], ids: torch.Tensor
    ) -> torch.Tensor:
        """Reads a token in each of several slots; logits (B, V) after each."""

    def copy(self, source: int, target: int, count: int) -> None:
        """Copies the first `count` tokens of a slot to another one."""


class Pending:
    """Tokens that are being computed."""

    def __init__(self, packed: torch.Tensor, ready: torch.cuda.Event | None = None) -> None:
        self._packed, self._ready = packed, ready

    def wait(self) -> list[Choice]:
        """The choice of every row, once it is there."""
        if self._ready is not None:
            self._ready.synchronize()
        return unpack(self._packed)


class Stepper:
    """Steps through a batch operation by operation: on every device, with every network.

    Which requests are in the batch is told once, by `start`; their tokens, positions and what they
    have seen stay on the device and go on by themselves with every `launch`.

    Attributes:
        depth: steps that may be launched before the choice of the one before them is known.
    """

    depth = 0

    def __init__(self, network: Network, *, spare_slots: int = 0) -> None:
        self._network = network
        self._all_slots = network.slots + spare_slots
        device = network.head_device
        # By position, not by step: whatever is computed again draws the same number again.
        self._draws = torch.zeros(self._all_slots, network.positions + 1, device=device)
        self._seen: torch.Tensor | None = None
        self._ids = torch.zeros(0, dtype=torch.int64, device=device)
        self._slots: list[int] = []
        self._at: list[int] = []
        self._rows: SamplingRows | None = None
        self._is_wide = self._is_penalized = False

    def seat(self, request: Request) -> None:
        """Gets what drawing for a request takes to its slot; `request.slot` is set."""
        params = request.params
        if not params.greedy:
            count = min(params.max_new_tokens, request.limit - len(request.prompt))
            numbers = draws(params, count).to(self._draws.device)
            start = len(request.prompt)
            self._draws[request.slot, start : start + count] = numbers
        if params.repetition_penalty != 1:
            seen = self._seen_tokens()
            seen[request.slot] = False
            seen[request.slot, torch.tensor(request.ids, device=seen.device)] = True

    def first(self, request: Request, logits: torch.Tensor) -> Choice:
        """Chooses the token behind all that a request has; logits (1, V)."""
        params, slot = request.params, request.slot
        is_penalized = params.repetition_penalty != 1
        packed = sample(
            logits,
            SamplingRows.of([params], logits.device),
            self._draws[slot, None, len(request.prompt) + len(request.generated)],
            request.eos_token_id,
            seen=self._seen[slot, None] if is_penalized else None,
            wide=is_wide(params),
        )
        if is_penalized:
            self._seen[slot, packed[0, 0].long()] = True
        return unpack(packed)[0]

    def start(self, requests: Sequence[Request]) -> None:
        """Sets who is in the batch; each has computed all its ids but the last."""
        device = self._draws.device
        self._slots = [request.slot for request in requests]
        self._at = [request.computed for request in requests]
        self._ids = torch.tensor([request.generated[-1] for request in requests], device=device)
        params = [request.params for request in requests]
        self._rows = SamplingRows.of(params, device)
        self._is_wide = any(map(is_wide, params))
        self._is_penalized = any(row.repetition_penalty != 1 for row in params)
        self._eos = requests[0].eos_token_id

    def launch(self) -> Pending:
        """Computes the next token of every row of the batch."""
        logits = self._network.decode(self._slots, self._at, self._ids)
        slots = torch.tensor(self._slots, device=logits.device)
        self._at = [position + 1 for position in self._at]
        packed = sample(
            logits,
            self._rows,
            self._draws[slots, torch.tensor(self._at, device=logits.device)],
            self._eos,
            seen=self._seen[slots] if self._is_penalized else None,
            wide=self._is_wide,
        )
        self._ids = packed[:, 0].long()
        if self._is_penalized:
            self._seen[slots, self._ids] = True
        return Pending(packed)

    def _seen_tokens(self) -> torch.Tensor:
        """Which tokens each slot has, (S, V) bool; made when a row first asks for it."""
        if self._seen is None:
            shape = (self._all_slots, self._network.vocab_size)
            self._seen = torch.zeros(shape, dtype=torch.bool, device=self._draws.device)
        return self._seen

    def warm_up(self, report: Callable[[str], None]) -> None:
        """Prepares for batches of every size; there is nothing to prepare here."""

    def simplify(self, error: Exception) -> bool:
        """After a step that failed: gives up what may be at fault for it.

        Returns:
            Whether a step is now taken in another way, so that it is worth to be tried again.
        """
        return False
