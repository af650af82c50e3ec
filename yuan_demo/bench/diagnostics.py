"""What the page's figures about every token cost: probability, rank, entropy and candidates.

The same network steps twice, in turn: as the app does, and with a sampler that chooses the same
tokens and tells nothing of them. What is left out is the computing, the copy to the host, and the
objects that are made of it there.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import perf_counter

import torch

from yuan_demo.bench.streams import Prompts, in_turn, steady_rate, visit_at_once
from yuan_demo.bench.subject import NEVER
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine import graphs, stepper
from yuan_demo.engine.engine import Engine
from yuan_demo.engine.networks import stepper_of
from yuan_demo.engine.sampler import SamplingRows, choose, sample, unpack

PROMPT_TOKENS = 16

_UNTOLD = 4
"""Columns between the id and the candidates: log-probability, rank, entropy, that of the end."""


def choose_only(
    logits: torch.Tensor,
    rows: SamplingRows,
    draw: torch.Tensor,
    eos_token_id: int,
    *,
    seen: torch.Tensor | None = None,
    wide: bool = False,
) -> torch.Tensor:
    """`sampler.sample` without what it tells: (B, 5), the chosen id and four zeros."""
    chosen = choose(logits, rows, draw, seen=seen, wide=wide).ids
    return torch.nn.functional.pad(chosen.float(), (0, _UNTOLD))


def step_pairs(
    engine: Engine,
    visitors: int,
    prompts: Prompts,
    params: SamplingParams,
    repeat: int,
) -> list[tuple[float, ...]]:
    """Seconds of a step with and without, in turn.

    Args:
        engine: steps as the app does.
        visitors: rows of the batch; not more than there are slots.
        prompts: where prompts come from.
        params: for everybody.
        repeat: pairs.
    """
    lean = Engine(
        engine.network,
        engine.context_window,
        NEVER,
        stepper=stepper_of(engine.network, NEVER),
    )

    def step_seconds(of: Engine) -> float:
        streams = visit_at_once(of, [prompts.next(PROMPT_TOKENS) for _ in range(visitors)], params)
        rate = steady_rate(streams)
        # Answers too short for all to be written at once: the longest tells as much.
        return visitors / rate if rate else max(s.further_seconds for s in streams)

    def without() -> float:
        with _choosing_only():
            return step_seconds(lean)

    pairs = in_turn([lambda: step_seconds(engine), without], repeat)
    lean.close(0.0)
    return pairs


@torch.inference_mode()
def sampler_pairs(
    visitors: int, vocabulary: int, params: SamplingParams, repeat: int
) -> list[tuple[float, ...]]:
    """Seconds of a step's choice with and without, in turn, on a CPU and without the network.

    What it costs is a hundredth of a step, which whole steps show on a quiet machine only.

    Args:
        visitors: rows of the batch.
        vocabulary: tokens to choose from.
        params: for everybody.
        repeat: pairs.
    """
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(visitors, vocabulary, generator=generator)
    draw = torch.rand(visitors, generator=generator)
    rows = SamplingRows.of([params] * visitors, logits.device)

    def seconds(of: Callable[..., torch.Tensor]) -> float:
        started = perf_counter()
        unpack(of(logits, rows, draw, NEVER))
        return perf_counter() - started

    return in_turn([partial(seconds, sample), partial(seconds, choose_only)], repeat)


@contextmanager
def _choosing_only() -> Iterator[None]:
    """Steppers that run or are captured meanwhile choose only."""
    users: Sequence[object] = (stepper, graphs)
    whole = stepper.sample
    for module in users:
        module.sample = choose_only  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in users:
            module.sample = whole  # type: ignore[attr-defined]
