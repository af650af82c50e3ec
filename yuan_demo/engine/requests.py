"""What one visitor asked of the engine, and how far it has come."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from time import perf_counter
from typing import Literal

import torch

from yuan_demo.core.errors import PageError
from yuan_demo.core.generation import FinishReason, GenerationStep, InLine, Timings, TokenScores
from yuan_demo.core.sampling import SamplingParams

Kind = Literal["answer", "read", "prepare"]
"""`answer`: generates. `read`: rates given tokens. `prepare`: computes a beginning before it is
asked for, while nobody waits."""


_NOTHING_YET = Timings(0, 0.0)


@dataclass(frozen=True, slots=True)
class Reading:
    """Of a prompt that was read, and of what was to follow it.

    Attributes:
        best: (id, probability) of the tokens most likely to follow the prompt, best first.
        logprobs: of each token of the continuation, given all before it.
        ranks: of each of them; 1 is the most likely.
        entropies: of the distribution that each of them comes from, in nats.
        logits: after the prompt, (V,) float32 on the CPU; None unless they were wanted.
    """

    best: tuple[tuple[int, float], ...]
    logprobs: tuple[float, ...]
    ranks: tuple[int, ...] = ()
    entropies: tuple[float, ...] = ()
    logits: torch.Tensor | None = None


Item = GenerationStep | InLine | Reading | PageError | None
"""What a request sends to whoever waits for it; None means that a reading was cancelled."""


@dataclass(eq=False, slots=True)
class Request:
    """One request; all but `outbox`, `cancelled` and `is_closed` belongs to the engine's thread.

    Attributes:
        kind: what is wanted.
        prompt: its ids.
        params: how tokens are chosen.
        limit: tokens that prompt and answer may have together.
        eos_token_id: ends an answer.
        cancelled: set by whoever wants it to end.
        client: who asks; those who already have an answer under way come after others.
        deadline: `perf_counter()` at which it ends; None for never.
        continuation: for a reading, ids to be rated.
        best: for a reading, how many of the most likely next tokens are wanted.
        wants_logits: for a reading, whether the logits after the prompt are.
        is_kept: what it computed stays in its slot for whoever begins alike.
        generated: ids so far; at first those that the answer is to begin with.
        begun: how many of them were given.
        is_aside: it is nobody's chat, and so comes after all that are.
        outbox: from the engine to whoever waits.
        is_closed: nobody waits any more.
        slot: where it is computed; -1 in line.
        computed: tokens that the slot holds.
        has_ended: nothing more will be sent.
        place: in line, as last told.
        logprobs, ranks, entropies, candidates: of a reading, so far.
        timings: so far.
        submitted: `perf_counter()` at which it came.
    """

    kind: Kind
    prompt: list[int]
    params: SamplingParams
    limit: int
    eos_token_id: int
    cancelled: threading.Event
    client: str | None = None
    deadline: float | None = None
    continuation: Sequence[int] = ()
    best: int = 0
    wants_logits: bool = False
    is_kept: bool = True
    generated: list[int] = field(default_factory=list)
    begun: int = 0
    is_aside: bool = False
    outbox: SimpleQueue[Item] = field(default_factory=SimpleQueue)
    is_closed: bool = False
    slot: int = -1
    computed: int = 0
    has_ended: bool = False
    place: int = 0
    logprobs: list[float] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    candidates: tuple[tuple[int, float], ...] = ()
    timings: Timings = _NOTHING_YET
    submitted: float = field(default_factory=perf_counter)
    _began: float = 0.0
    _first: float = 0.0
    _last_logits: torch.Tensor | None = None
    _kept_logits: torch.Tensor | None = None

    @property
    def ids(self) -> list[int]:
        """Prompt and answer, or prompt and continuation but for its last token."""
        if self.kind == "read":
            return [*self.prompt, *self.continuation[:-1]]
        return self.prompt + self.generated

    @property
    def given(self) -> list[int]:
        """What stands before the first token that is chosen or rated."""
        return self.prompt + self.generated[: self.begun]

    @property
    def is_cancelled(self) -> bool:
        """Whether it should end at once."""
        return self.is_closed or self.cancelled.is_set()

    def seat(self, slot: int, reused: int) -> None:
        """It has a place now."""
        self.slot, self.computed = slot, reused
        if self._began:
            # It had one before: its times go on.
            return
        self._began = perf_counter()
        self.timings = Timings(
            len(self.given),
            0.0,
            reused_tokens=reused,
            queue_seconds=self._began - self.submitted,
        )

    def stand(self, place: int) -> None:
        """It waits at this place of the line."""
        if place != self.place:
            self.place = place
            self.outbox.put(InLine(place))

    def stand_back(self) -> None:
        """It has no place any more, and waits for another."""
        self.slot, self.computed, self.place = -1, 0, 0

    def add(self, token_id: int, scores: TokenScores) -> FinishReason | None:
        """Takes the next token; returns why it was the last one, or None."""
        now = perf_counter()
        if not self._first:
            self._first = now
        self.generated.append(token_id)
        self.timings = self._timings(now)
        reason = self._finish_reason(token_id)
        self.outbox.put(GenerationStep(token_id, reason, self.timings, scores))
        self.has_ended = reason is not None
        return reason

    def end(self, reason: FinishReason) -> None:
        """Ends it without a token."""
        self.has_ended = True
        if self.kind == "answer":
            self.timings = self._timings(perf_counter())
            self.outbox.put(GenerationStep(None, reason, self.timings))
        else:
            self.outbox.put(None)

    def fail(self, error: PageError) -> None:
        """Ends it with a sentence."""
        self.has_ended = True
        self.outbox.put(error)

    # --- reading --------------------------------------------------------------------------------

    def chunk_end(self, chunk: int) -> int:
        """Where the next pass ends: a chunk on, but never across the end of what was given."""
        given = len(self.given)
        end = given if self.computed < given else len(self.ids)
        return min(end, self.computed + chunk)

    def logits_wanted(self, end: int) -> int:
        """Of how many of the last tokens of a pass that ends there."""
        is_rated = self.kind == "read" and self.computed >= len(self.prompt)
        return end - self.computed if is_rated else 1

    def rate(self, logits: torch.Tensor) -> None:
        """Takes the logits of a pass of a reading."""
        if self.computed < len(self.prompt):
            return
        if self.computed == len(self.prompt) and self._last_logits is None:
            best = logits[0].softmax(-1).topk(min(self.best, logits.shape[-1]))
            ids, probabilities = best.indices.tolist(), best.values.tolist()
            self.candidates = tuple(zip(ids, probabilities, strict=True))
            self._last_logits = logits
            if self.wants_logits:
                # A copy: the network may write the next pass into the same place.
                self._kept_logits = logits[0].float().cpu().clone()
            return
        self._rate(torch.cat([self._last_logits, logits[:-1]]))
        self._last_logits = logits[-1:]

    def finish_reading(self) -> None:
        """Sends what was read; a beginning that was prepared is just there."""
        if self.kind == "read" and self.continuation:
            self._rate(self._last_logits)
        self.has_ended = True
        rated = (tuple(each) for each in (self.logprobs, self.ranks, self.entropies))
        self.outbox.put(Reading(self.candidates, *rated, self._kept_logits))

    def _rate(self, rows: torch.Tensor) -> None:
        """Row t of `rows` rates the token of the continuation that comes after those rated."""
        done = len(self.logprobs)
        wanted = torch.tensor(self.continuation[done : done + len(rows)], device=rows.device)
        logprobs = rows[: len(wanted)].log_softmax(-1)
        own = logprobs.gather(-1, wanted[:, None])
        self.logprobs += own[:, 0].tolist()
        self.ranks += ((logprobs > own).sum(-1) + 1).tolist()
        self.entropies += (-(logprobs.exp() * logprobs).sum(-1)).tolist()

    def restart(self, block: int | None) -> None:
        """Goes back to what no failed pass can have touched: whole blocks before the last token.

        The last token has not been computed, or is computed again.
        """
        if self.kind == "read":
            self.logprobs, self.ranks, self.entropies, self._last_logits = [], [], [], None
        known = len(self.prompt if self.kind == "read" else self.ids) - 1
        self.computed = min(self.computed, known) // block * block if block else 0

    # --- how it goes ----------------------------------------------------------------------------

    def _timings(self, now: float) -> Timings:
        first = self._first or now
        began = self._began or now
        return Timings(
            len(self.given),
            first - began,
            len(self.generated) - self.begun,
            now - first,
            self.timings.reused_tokens,
            began - self.submitted,
        )

    def _finish_reason(self, token_id: int) -> FinishReason | None:
        if token_id == self.eos_token_id:
            return "stop"
        # Before "context": an answer that uses up exactly what was reserved ended at its length.
        if len(self.generated) >= self.params.max_new_tokens:
            return "length"
        if len(self.prompt) + len(self.generated) >= self.limit:
            return "context"
        return None
