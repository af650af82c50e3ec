"""Many short requests: nothing grows, nothing slows down, and the ids are right to the end."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock
from time import perf_counter

from yuan_demo.bench.against import Rival
from yuan_demo.bench.report import Cell
from yuan_demo.bench.streams import Prompts, visit
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.engine import Engine

VISITORS = 8
"""Asking at the same time, each again as soon as it has its answer."""
CHECKED = 10
"""Requests whose ids are compared."""

_PROMPT_TOKENS = (4, 40)
_ANSWER_TOKENS = (4, 16)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of a soak that has ended.

    Attributes:
        prompt, params: what was asked.
        ids: what was answered.
        ended: `perf_counter()` when it was.
        memory: bytes in use then.
    """

    prompt: Sequence[int]
    params: SamplingParams
    ids: Sequence[int]
    ended: float
    memory: int


@dataclass(frozen=True, slots=True)
class Soak:
    """All requests of a soak in the order in which they ended, and when the first was sent."""

    started: float
    asked: Sequence[Asked]

    def rows(self) -> list[dict[str, Cell]]:
        """The first and the last tenth."""
        tenth = max(1, len(self.asked) // 10)
        first = _row("first tenth", self.started, self.asked[:tenth])
        last = _row("last tenth", self.asked[-tenth - 1].ended, self.asked[-tenth:])
        speed = last["tokens/s"] / first["tokens/s"]
        return [first, last | {"speed, last to first": speed}]

    def wrong(self, rival: Rival) -> tuple[list[int], int]:
        """Of a sample of the greedy answers, those that another implementation does not give.

        Returns:
            Their numbers in the order of ending, and the size of the sample.
        """
        greedy = [index for index, one in enumerate(self.asked) if one.params.greedy]
        step = max(1, len(greedy) // CHECKED)
        sample = greedy[::-step][:CHECKED]
        wrong = [index for index in sample if not _agrees(self.asked[index], rival)]
        return wrong, len(sample)


def soak(
    engine: Engine,
    count: int,
    prompts: Prompts,
    params: SamplingParams,
    memory: Callable[[], int],
) -> Soak:
    """Sends so many requests, several at once; every other one is greedy.

    Args:
        engine: answers.
        count: requests, at least 2.
        prompts: where prompts come from.
        params: of those that are not greedy.
        memory: tells the bytes in use.
    """
    draw = random.Random(0)
    plan = []
    for number in range(count):
        chosen = replace(
            params,
            greedy=number % 2 == 0,
            seed=number,
            max_new_tokens=draw.randint(*_ANSWER_TOKENS),
        )
        plan.append((prompts.next(draw.randint(*_PROMPT_TOKENS)), chosen))
    waiting, lock, asked = iter(plan), Lock(), []

    def visitor(_: int) -> None:
        while True:
            with lock:
                prompt, chosen = next(waiting, (None, params))
            if prompt is None:
                return
            stream = visit(engine, prompt, chosen)
            with lock:
                asked.append(Asked(prompt, chosen, stream.ids, stream.arrived[-1], memory()))

    started = perf_counter()
    with ThreadPoolExecutor(VISITORS) as threads:
        list(threads.map(visitor, range(VISITORS)))
    return Soak(started, sorted(asked, key=lambda one: one.ended))


def _row(name: str, since: float, asked: Sequence[Asked]) -> dict[str, Cell]:
    return {
        "": name,
        "requests": len(asked),
        "tokens/s": sum(len(one.ids) for one in asked) / (asked[-1].ended - since),
        "memory MB": max(one.memory for one in asked) / 1e6,
    }


def _agrees(one: Asked, rival: Rival) -> bool:
    first = rival.prefill(list(one.prompt))[1]
    further = len(one.ids) - 1
    rest = rival.decode(further)[1] if further else []
    return [first, *rest] == list(one.ids)
