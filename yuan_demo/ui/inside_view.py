"""What was seen inside the model, as plain data for JSON: whole numbers of small units."""

from collections.abc import Iterable
from typing import Any

from yuan_demo.core.tokens import Tokenizer
from yuan_demo.engine.inside import Depth, Inside

WEIGHT_UNIT = 1e-5
"""Attention weights are told in these, off by half of one at most: 8,192 tokens may share them."""
CHANGE_UNIT = 1e-3
"""Changes by the filter are told in these."""


def lens_view(seen: Inside, tokenizer: Tokenizer) -> dict[str, Any]:
    """`depths`, the embedding first: [[id, probability] each, entropy, probability and rank of the
    chosen token or None]; `pieces` spelling by id."""
    ids = sorted({each for depth in seen.depths for each in depth.token_ids})
    return {
        "depths": [_depth(depth) for depth in seen.depths],
        "pieces": dict(zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True)),
    }


def attention_view(seen: Inside, layer: int | None, head: int | None) -> dict[str, Any]:
    """`weights` over all tokens in `WEIGHT_UNIT`, of `layer` and `head`, or means where None."""
    weights = _units(seen.attention_over(layer, head), WEIGHT_UNIT)
    return {"layer": layer, "head": head, "weights": weights}


def filter_view(seen: Inside, layer: int | None) -> dict[str, Any]:
    """In `CHANGE_UNIT`: `rows` over all tokens (changed, by the token before, by the one before
    that) of a `layer` or their mean, and `here`, the same three of the position by layer."""
    return {
        "layer": layer,
        "rows": [_units(row, CHANGE_UNIT) for row in seen.mixing_over(layer)],
        "here": [_units(numbers, CHANGE_UNIT) for numbers in seen.mixing_here()],
    }


def _depth(depth: Depth) -> list[Any]:
    best = zip(depth.token_ids, depth.probabilities, strict=True)
    own = None if depth.probability is None else _chance(depth.probability)
    return [[[each, _chance(p)] for each, p in best], round(depth.entropy, 4), own, depth.rank]


def _chance(value: float) -> float:
    return float(f"{value:.5g}")


def _units(values: Iterable[float], unit: float) -> list[int]:
    return [round(value / unit) for value in values]
