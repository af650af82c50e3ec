"""Visitors of an engine: what each of them received, and when."""

import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from threading import Barrier
from time import perf_counter

import torch

from yuan_demo.bench import BenchError
from yuan_demo.core.generation import GenerationStep
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.engine import Engine

Run = Callable[[], float]
"""Does something and returns the seconds that count of it."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What one visitor received.

    Attributes:
        asked: `perf_counter()` when it was asked for.
        arrived: `perf_counter()` of each token.
        ids: the tokens.
    """

    asked: float
    arrived: tuple[float, ...]
    ids: tuple[int, ...]

    @property
    def first_seconds(self) -> float:
        """From the question to the first token."""
        return self.arrived[0] - self.asked

    @property
    def further_seconds(self) -> float:
        """From the first token to the last."""
        return self.arrived[-1] - self.arrived[0]

    @property
    def tokens_per_second(self) -> float:
        """Of the tokens after the first; at least two have arrived."""
        return (len(self.ids) - 1) / self.further_seconds


class Prompts:
    """Prompts that have no beginning in common, so that nothing of one is reused for another.

    Args:
        vocabulary: ids are below it.
        seed: other seeds give other prompts.
    """

    def __init__(self, vocabulary: int, seed: int = 0) -> None:
        self._ids = range(vocabulary)
        self._random = random.Random(seed)

    def next(self, tokens: int) -> list[int]:
        """Another prompt of so many tokens."""
        return self._random.choices(self._ids, k=tokens)


def visit(engine: Engine, prompt: Sequence[int], params: SamplingParams) -> Stream:
    """Asks and waits for the whole answer.

    Raises:
        EngineError: the engine could not.
        BenchError: the answer has not the length asked for.
    """
    asked = perf_counter()
    arrived, ids = [], []
    for step in engine.generate(prompt, params):
        if isinstance(step, GenerationStep) and step.token_id is not None:
            arrived.append(perf_counter())
            ids.append(step.token_id)
    if len(ids) != params.max_new_tokens:
        raise BenchError(
            f"Every answer must have {params.max_new_tokens} tokens to be timed; one has "
            f"{len(ids)}. Lower --contexts or --new-tokens, or look at what is printed above."
        )
    return Stream(asked, tuple(arrived), tuple(ids))


def visit_at_once(
    engine: Engine, prompts: Sequence[Sequence[int]], params: SamplingParams
) -> list[Stream]:
    """As many visitors as there are prompts, a thread for each, all of them asking at once."""
    start = Barrier(len(prompts))

    def run(prompt: Sequence[int]) -> Stream:
        start.wait()
        return visit(engine, prompt, params)

    with ThreadPoolExecutor(len(prompts)) as threads:
        return list(threads.map(run, prompts))


def overall_rate(streams: Sequence[Stream]) -> float:
    """Tokens per second of all, from the first question to the last token."""
    seconds = max(s.arrived[-1] for s in streams) - min(s.asked for s in streams)
    return sum(len(s.ids) for s in streams) / seconds


def steady_rate(streams: Sequence[Stream]) -> float | None:
    """Tokens per second of all while every one of them is being written.

    Returns:
        None if there is no such time, as where some stand in line until others are through.
    """
    since = max(stream.arrived[0] for stream in streams)
    until = min(stream.arrived[-1] for stream in streams)
    count = sum(since < at <= until for stream in streams for at in stream.arrived)
    return count / (until - since) if count and until > since else None


def in_turn(runs: Sequence[Run], repeat: int) -> list[tuple[float, ...]]:
    """Seconds of several runs, A B A B; the first round warms up and is left out.

    In turn and not one after the other, so that what else the machine does meets all alike.
    """
    return [tuple(run() for run in runs) for _ in range(repeat + 1)][1:]


def ratios(pairs: Iterable[Sequence[float]]) -> tuple[float, float, float]:
    """Median, least and greatest of the second over the first of each pair."""
    found = [second / first for first, second in pairs]
    return median(found), min(found), max(found)


def wait_for_device() -> None:
    """Lets everything end that was launched on an accelerator."""
    if torch.accelerator.is_available():
        for index in range(torch.accelerator.device_count()):
            torch.accelerator.synchronize(index)
