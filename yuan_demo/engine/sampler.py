"""Chooses the next token of every row of a batch, each row by its own settings.

The settings mean what they mean in transformers, whose processors come in this order: repetition
penalty, temperature, top-k, top-p (a test holds every row to them). They are applied to all rows
at once here, without waiting for the device, so that a step can be captured in a graph; one
processor object a row would cost 1.6 ms for 16 visitors, more than half of their step.

A row's draw depends on nothing but its logits, its settings and its own random number, so it is the
same whoever else is in the batch.

Shapes: B rows, V vocabulary, K tokens that are looked at, C candidates.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from yuan_demo.core.generation import TokenScores
from yuan_demo.core.sampling import MAX_SEED, SamplingParams

CANDIDATES = 10
"""Tokens that every step names beside the chosen one."""
NARROW = 64
"""The most likely tokens that are looked at where top-k keeps no more; otherwise all are sorted."""

_FIXED_COLUMNS = 5
_NO_LIMIT = 2**31 - 1


def draw_seed() -> int:
    """A fresh seed for a request that names none, so that its answer can still be repeated."""
    return random.SystemRandom().randint(0, MAX_SEED)


def draws(params: SamplingParams, count: int) -> torch.Tensor:
    """The random numbers of an answer, (count,) in [0, 1), float32: one per token.

    They come from the seed alone, so an answer can be repeated, whatever else is computed.
    """
    generator = torch.Generator().manual_seed(draw_seed() if params.seed is None else params.seed)
    return torch.rand(count, generator=generator)


def is_wide(params: SamplingParams) -> bool:
    """Whether these settings look at more than the `NARROW` most likely tokens."""
    return not params.greedy and not 0 < params.top_k <= NARROW


@dataclass(frozen=True, slots=True)
class SamplingRows:
    """The settings of B rows as columns (B, 1).

    Attributes:
        temperature, top_k, top_p, penalty: as in `SamplingParams`; no top_k is a huge one.
        greedy: rows that take the most likely token, (B,).
    """

    temperature: torch.Tensor
    top_k: torch.Tensor
    top_p: torch.Tensor
    penalty: torch.Tensor
    greedy: torch.Tensor

    @classmethod
    def of(cls, rows: Sequence[SamplingParams], device: torch.device) -> "SamplingRows":
        """The settings of these rows, on a device."""

        def column(values: list[float], dtype: torch.dtype) -> torch.Tensor:
            return torch.tensor(values, dtype=dtype).unsqueeze(-1).to(device)

        return cls(
            column([1.0 if row.greedy else row.temperature for row in rows], torch.float32),
            column([row.top_k or _NO_LIMIT for row in rows], torch.int64),
            column([row.top_p for row in rows], torch.float32),
            column([row.repetition_penalty for row in rows], torch.float32),
            torch.tensor([row.greedy for row in rows]).to(device),
        )

    def copy_(self, other: "SamplingRows") -> None:
        """Takes over the settings of as many other rows, in place."""
        for name in self.__slots__:
            getattr(self, name).copy_(getattr(other, name))


@dataclass(frozen=True, slots=True)
class Chosen:
    """The tokens of B rows, and from what they were chosen.

    Attributes:
        ids: (B, 1) int64.
        order: the K tokens looked at, best first, (B, K).
        weights: their probabilities after the settings, (B, K).
    """

    ids: torch.Tensor
    order: torch.Tensor
    weights: torch.Tensor


def choose(
    logits: torch.Tensor,
    rows: SamplingRows,
    draw: torch.Tensor,
    *,
    seen: torch.Tensor | None = None,
    wide: bool = False,
) -> Chosen:
    """Chooses a token per row, and says nothing about it; arguments as those of `sample`."""
    weighed = logits if seen is None else _penalized(logits, seen, rows.penalty)
    if wide:
        best, order = weighed.sort(-1, descending=True)
    else:
        best, order = _top(weighed, min(NARROW, logits.shape[-1]))
    weights = _weights(best / rows.temperature, rows)
    greedy = weighed.argmax(-1, keepdim=True)
    drawn = order.gather(-1, _draw(weights, draw))
    ids = torch.where(rows.greedy[:, None], greedy, drawn)
    weights = torch.where(rows.greedy[:, None], (order == greedy).float(), weights)
    return Chosen(ids, order, weights)


def sample(
    logits: torch.Tensor,
    rows: SamplingRows,
    draw: torch.Tensor,
    eos_token_id: int,
    *,
    seen: torch.Tensor | None = None,
    wide: bool = False,
) -> torch.Tensor:
    """Chooses a token per row; no operation waits for the device.

    Args:
        logits: (B, V), float32.
        rows: settings.
        draw: a random number per row, (B,) in [0, 1).
        eos_token_id: the token whose probability is told.
        seen: (B, V) bool, the tokens that have occurred; None if no row has a penalty.
        wide: sort all tokens; needed if `is_wide` holds for a row.

    Returns:
        (B, 5 + 3 C) float32, to be read by `unpack`; column 0 is the chosen id, which float32 holds
        exactly below 2^24.
    """
    log_total = logits.logsumexp(-1, keepdim=True)
    choice = choose(logits, rows, draw, seen=seen, wide=wide)
    chosen = choice.ids
    if seen is None:
        candidates = choice.order[:, :CANDIDATES]
    else:
        candidates = _top(logits, min(CANDIDATES, logits.shape[-1]))[1]
    own = logits.gather(-1, chosen)
    entropy = log_total - ((logits - log_total).exp() * logits).sum(-1, keepdim=True)
    return torch.cat(
        [
            chosen.float(),
            own - log_total,
            (logits > own).sum(-1, keepdim=True) + 1.0,
            entropy,
            logits[:, eos_token_id, None] - log_total,
            candidates.float(),
            logits.gather(-1, candidates) - log_total,
            _weights_of(candidates, choice.order, choice.weights, logits.shape[-1]),
        ],
        dim=-1,
    )


def unpack(packed: torch.Tensor) -> list[tuple[int, TokenScores]]:
    """What `sample` returned, (id, scores) per row; waits for the device."""
    count = (packed.shape[1] - _FIXED_COLUMNS) // 3
    ends = [_FIXED_COLUMNS + count * part for part in range(4)]
    found = []
    for row in packed.tolist():
        ids, logprobs, after = (tuple(row[a:b]) for a, b in pairwise(ends))
        scores = TokenScores(
            row[1], int(row[2]), row[3], row[4], tuple(map(int, ids)), logprobs, after
        )
        found.append((int(row[0]), scores))
    return found


def _penalized(logits: torch.Tensor, seen: torch.Tensor, penalty: torch.Tensor) -> torch.Tensor:
    """Divides positive and multiplies negative logits of tokens that have occurred."""
    return torch.where(seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def _top(values: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`topk`, in two rounds where one would keep a GPU's single block busy with a whole row."""
    width = values.shape[-1]
    groups = 32
    if values.device.type != "cuda" or width < groups * count * 2:
        return values.topk(count, dim=-1)
    size = -(-width // groups)
    padded = torch.nn.functional.pad(values, (0, size * groups - width), value=float("-inf"))
    first, place = padded.unflatten(-1, (groups, size)).topk(count, dim=-1)
    place = place + torch.arange(groups, device=values.device)[:, None] * size
    best, where = first.flatten(1).topk(count, dim=-1)
    return best, place.flatten(1).gather(-1, where)


def _weights(scores: torch.Tensor, rows: SamplingRows) -> torch.Tensor:
    """Probabilities of tokens with these scores, best first (B, K), after top-k and top-p."""
    last = (rows.top_k - 1).clamp(max=scores.shape[-1] - 1)
    # By value, as in transformers: tokens as good as the k-th stay.
    scores = scores.masked_fill(scores < scores.gather(-1, last), float("-inf"))
    weights = scores.softmax(-1)
    before = weights.cumsum(-1) - weights
    weights = weights.masked_fill((before >= rows.top_p) & (rows.top_p < 1), 0.0)
    return weights / weights.sum(-1, keepdim=True)


def _weights_of(
    tokens: torch.Tensor, order: torch.Tensor, weights: torch.Tensor, vocabulary: int
) -> torch.Tensor:
    """The weights (B, C) of some tokens, where (B, K) are those of the tokens in `order`."""
    if order.shape[-1] == vocabulary:
        return torch.zeros_like(weights).scatter_(-1, order, weights).gather(-1, tokens)
    return ((tokens[:, :, None] == order[:, None]) * weights[:, None]).sum(-1)


def _draw(weights: torch.Tensor, draw: torch.Tensor) -> torch.Tensor:
    """Places (B, 1) at which the running sums of the weights pass the random numbers."""
    sums = weights.cumsum(-1)
    place = (sums <= draw[:, None] * sums[:, -1:]).sum(-1, keepdim=True)
    # Rounding may leave the last sum at the number itself: the last token of any weight is meant.
    return place.minimum((weights > 0).sum(-1, keepdim=True) - 1)
