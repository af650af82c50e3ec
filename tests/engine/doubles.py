"""Doubles for the engine: a network that can be watched and broken, a stepper that runs ahead, and
visitors in threads of their own."""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import sleep
from typing import Any

import torch

from yuan_demo.core.errors import PageError
from yuan_demo.core.generation import GenerationStep, InLine
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.engine import Engine
from yuan_demo.engine.requests import Request
from yuan_demo.engine.stepper import Choice, Network, Pending, Stepper

PATIENCE = 60.0
"""Seconds after which a visitor who still waits has been forgotten."""


@dataclass(frozen=True)
class Pass:
    """A forward pass: a part of a prompt in one slot, or one more token in several.

    Attributes:
        kind: "prefill" or "decode".
        slots: that it writes.
        starts: position of its first token in each of them.
        ids: of the tokens, in the order of the slots.
    """

    kind: str
    slots: tuple[int, ...]
    starts: tuple[int, ...]
    ids: tuple[int, ...]


class WatchedNetwork:
    """A `SlotModel` whose passes are kept, and fail where a test wants them to.

    Attributes:
        passes: all so far, the failed ones too.
        before: called in the engine's thread before every pass, with its number and the pass; what
            it raises fails the pass, which leaves nonsense behind where it would have written.
        before_copy: the same for copies, without arguments.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        self.slots, self.positions = network.slots, network.positions
        self.vocab_size, self.rewind_block = network.vocab_size, network.rewind_block
        self.head_device = network.head_device
        self.passes: list[Pass] = []
        self.before: Callable[[int, Pass], None] = lambda number, made: None
        self.before_copy: Callable[[], None] = lambda: None

    def prefill(self, slot: int, start: int, ids: Sequence[int], keep: int = 1) -> torch.Tensor:
        self._look(Pass("prefill", (slot,), (start,), tuple(ids)))
        return self._network.prefill(slot, start, ids, keep)

    def decode(
        self, slots: Sequence[int], positions: Sequence[int], ids: torch.Tensor
    ) -> torch.Tensor:
        self._look(Pass("decode", tuple(slots), tuple(positions), tuple(ids.tolist())))
        return self._network.decode(slots, positions, ids)

    def copy(self, source: int, target: int, count: int) -> None:
        self.before_copy()
        self._network.copy(source, target, count)

    def _look(self, made: Pass) -> None:
        self.passes.append(made)
        try:
            self.before(len(self.passes) - 1, made)
        except Exception:
            self._spoil(made)
            raise

    def _spoil(self, made: Pass) -> None:
        """As a pass that breaks off leaves it: the first layers written, and with nonsense."""
        nonsense = torch.full((1,), 3, dtype=torch.int64)
        if made.kind == "prefill":
            self._network.prefill(made.slots[0], made.starts[0], [3] * len(made.ids))
        else:
            for slot, start in zip(made.slots, made.starts, strict=True):
                self._network.decode([slot], [start], nonsense)


class LatePending(Pending):
    """Tokens that nobody may look at before the next step is launched, but at the end of a batch.

    Args:
        stepper: is told when they are looked at.
    """

    def __init__(self, packed: torch.Tensor, stepper: "AheadStepper") -> None:
        super().__init__(packed)
        self._stepper = stepper

    def wait(self) -> list[Choice]:
        self._stepper.under_way -= 1
        return super().wait()


class AheadStepper(Stepper):
    """Launches a step before the tokens of the last one are known, as the one of a GPU does.

    Until `simplify` its tokens are kept where a captured graph has them, and what the plain way of
    stepping would go on with is nonsense.

    Attributes:
        is_simple: it steps one by one.
        under_way: steps launched whose tokens were not looked at.
        most_under_way: the most of these.
        simplified: calls of `simplify`.
    """

    def __init__(self, network: Network, *, can_simplify: bool = False) -> None:
        super().__init__(network)
        self.is_simple, self._can_simplify = False, can_simplify
        self.under_way = self.most_under_way = self.simplified = 0
        self._captured = torch.zeros(0, dtype=torch.int64)

    @property
    def depth(self) -> int:  # type: ignore[override]
        return 0 if self.is_simple else 1

    def start(self, requests: Sequence[Request]) -> None:
        super().start(requests)
        # The steps before are through, or were given up.
        self.under_way = 0
        self._captured = self._ids

    def launch(self) -> Pending:
        if self.is_simple:
            return super().launch()
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        self._ids = self._captured
        packed = super().launch()._packed
        self._captured, self._ids = self._ids, torch.full_like(self._ids, 2)
        return LatePending(packed, self)

    def simplify(self, error: Exception) -> bool:
        self.simplified += 1
        if not self._can_simplify or self.is_simple:
            return False
        self.is_simple = True
        return True


class Visitor:
    """Somebody who asks, in a thread of their own.

    Attributes:
        items: all that came.
        error: that ended it.
    """

    def __init__(
        self,
        engine: Engine,
        prompt: Sequence[int],
        params: SamplingParams,
        client: str | None = None,
        leaves_after: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.prompt, self.params = list(prompt), params
        self.cancelled = threading.Event()
        self.items: list[GenerationStep | InLine] = []
        self.error: Exception | None = None
        self._steps = engine.generate(self.prompt, params, self.cancelled, client, **kwargs)
        self._leaves_after = leaves_after
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for item in self._steps:
                self.items.append(item)
                if self._leaves_after is not None and len(self.ids) >= self._leaves_after:
                    self._steps.close()
                    return
        except Exception as error:
            self.error = error

    def join(self) -> "Visitor":
        """Waits for the end; nobody may wait for ever."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "a visitor was forgotten"
        return self

    @property
    def ids(self) -> list[int]:
        """Tokens so far."""
        steps = [item for item in self.items if isinstance(item, GenerationStep)]
        return [step.token_id for step in steps if step.token_id is not None]

    @property
    def places(self) -> list[int]:
        """In line, as they were told."""
        return [item.place for item in self.items if isinstance(item, InLine)]

    @property
    def outcome(self) -> str | None:
        """The finish reason, or the code of the error."""
        if self.error is not None:
            return self.error.code if isinstance(self.error, PageError) else repr(self.error)
        last = self.items[-1] if self.items else None
        return last.finish_reason if isinstance(last, GenerationStep) else None


def random_prompt(length: int, seed: int) -> list[int]:
    """Ids of ordinary pieces of the trained vocabulary."""
    return random.Random(seed).choices(range(270, 480), k=length)


def random_params(rng: random.Random, tokens: int) -> SamplingParams:
    """Settings of one visitor; those who draw have a seed."""
    return SamplingParams(
        max_new_tokens=tokens,
        greedy=rng.random() < 0.4,
        temperature=rng.choice([0.8, 2, 5]),
        top_k=rng.choice([0, 3, 40, 100]),
        top_p=rng.choice([0.5, 0.95, 1]),
        repetition_penalty=rng.choice([1, 1, 1.3]),
        seed=rng.randrange(1000),
    )


def until(condition: Callable[[], bool]) -> None:
    """Waits for something that another thread does."""
    for _ in range(int(PATIENCE * 1000)):
        if condition():
            return
        sleep(0.001)
    raise AssertionError("it did not happen")
