"""One choice of the sampler, step by step, for whoever wants to see who is cut where.

The engine applies its settings to a whole batch at once (`sampler`); here transformers' own
processors do the same to one row, one after another. A test holds the two to each other: the same
tokens left, the same probabilities, the same token for the same random number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from transformers import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.sampler import NARROW, draws, is_wide

StepName = Literal["raw", "penalty", "temperature", "top_k", "top_p"]


@dataclass(frozen=True, slots=True)
class SamplerStep:
    """After one step.

    Attributes:
        name: of the step; `raw` is the model alone.
        left: tokens that can still be drawn.
        probabilities: of the tokens shown, as they stand now; 0 for those cut.
    """

    name: StepName
    left: int
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SamplerTrace:
    """How one token is chosen.

    Attributes:
        token_ids: the tokens shown: the most likely by the model alone, those most likely after
            all steps, and the chosen one; in the order in which the last step has them.
        steps: in order; greedy choice ends after the penalty.
        starts: of each token shown, where its stretch of [0, 1) begins; the chosen one's holds the
            random number.
        chosen: the id.
        draw: the random number; None if nothing is drawn.
    """

    token_ids: tuple[int, ...]
    steps: tuple[SamplerStep, ...]
    starts: tuple[float, ...]
    chosen: int
    draw: float | None


def trace_choice(
    logits: torch.Tensor, seen: Sequence[int], params: SamplingParams, place: int, shown: int = 10
) -> SamplerTrace:
    """Chooses a token as the engine does, and notes every step.

    Args:
        logits: of the model, (V,) float32.
        seen: ids of the prompt and of the answer so far.
        params: a seed included, unless greedy.
        place: number of the token in its answer, from 0: it has a random number of its own.
        shown: how many of the best are shown, before and after.
    """
    ids = torch.tensor([list(seen)], device=logits.device)
    scores = logits.float()[None]
    rows: list[tuple[StepName, torch.Tensor]] = [("raw", scores)]
    for name, process in _steps(params):
        scores = process(ids, scores)
        rows.append((name, scores))
    weighed = rows[1][1] if params.repetition_penalty != 1 else rows[0][1]
    order = _order(weighed[0], params)
    weights = scores[0].softmax(-1)[order]
    sums = weights.cumsum(-1)
    number = None if params.greedy else draws(params, place + 1)[place].item()
    if number is None:
        chosen_place = 0
    else:
        chosen_place = int((sums <= number * sums[-1]).sum())
        chosen_place = min(chosen_place, int((weights > 0).sum()) - 1)
    best = logits.topk(min(shown, len(logits))).indices.tolist()
    places = {token_id: at for at, token_id in enumerate(order.tolist())}
    chosen = int(order[chosen_place])
    wanted = {*best, *order[:shown].tolist(), chosen}
    tokens = sorted(wanted, key=lambda each: places.get(each, len(places)))
    return SamplerTrace(
        tuple(tokens),
        tuple(_noted(name, row[0], tokens) for name, row in rows),
        tuple(
            (sums[places[t]] - weights[places[t]]).item() if t in places else 1.0 for t in tokens
        ),
        chosen,
        number,
    )


def _steps(params: SamplingParams) -> list[tuple[StepName, object]]:
    """The processors that these settings ask for, in transformers' order."""
    steps: list[tuple[StepName, object]] = []
    if params.repetition_penalty != 1:
        steps.append(("penalty", RepetitionPenaltyLogitsProcessor(params.repetition_penalty)))
    if params.greedy:
        return steps
    steps.append(("temperature", TemperatureLogitsWarper(params.temperature)))
    if params.top_k:
        steps.append(("top_k", TopKLogitsWarper(params.top_k)))
    if params.top_p < 1:
        steps.append(("top_p", TopPLogitsWarper(params.top_p)))
    return steps


def _order(weighed: torch.Tensor, params: SamplingParams) -> torch.Tensor:
    """Ids, best first, as the engine sorts them: temperature changes nothing of that."""
    if params.greedy:
        first = weighed.argmax(-1, keepdim=True)
        rest = weighed.topk(min(NARROW, len(weighed))).indices
        return torch.cat([first, rest[rest != first]])
    if is_wide(params):
        return weighed.sort(-1, descending=True).indices
    return weighed.topk(min(NARROW, len(weighed))).indices


def _noted(name: StepName, scores: torch.Tensor, tokens: Sequence[int]) -> SamplerStep:
    probabilities = scores.softmax(-1)
    left = int((scores > float("-inf")).sum())
    return SamplerStep(name, left, tuple(probabilities[list(tokens)].tolist()))
