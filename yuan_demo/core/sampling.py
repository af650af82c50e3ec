"""Sampling settings, checked once, where they enter."""

import math
from dataclasses import dataclass

from yuan_demo.core.errors import SamplingError

MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the next token is chosen.

    Attributes:
        max_new_tokens: the answer may have at most this many tokens; so many are reserved.
        greedy: always take the most likely token; temperature, top_k and top_p are then unused.
        temperature: logits are divided by it; (0, 5].
        top_k: keep only the k most likely tokens; 0 keeps all.
        top_p: keep the smallest set of tokens whose probabilities reach it; (0, 1].
        repetition_penalty: divides positive and multiplies negative logits of tokens that have
            occurred (Keskar et al. 2019); 1 changes nothing; [0.5, 3].
        seed: makes a sampled answer repeatable; None draws one.

    Raises:
        SamplingError: a value is outside its range.
    """

    max_new_tokens: int = 256
    greedy: bool = True
    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.9
    repetition_penalty: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        _require("max_new_tokens", self.max_new_tokens, 1, math.inf, whole=True)
        _require("temperature", self.temperature, 0.01, 5)
        _require("top_k", self.top_k, 0, math.inf, whole=True)
        _require("top_p", self.top_p, 0.01, 1)
        _require("repetition_penalty", self.repetition_penalty, 0.5, 3)
        if self.seed is not None:
            _require("seed", self.seed, 0, MAX_SEED, whole=True)


def _require(name: str, value: float, low: float, high: float, *, whole: bool = False) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # `not low <= value` rather than `value < low`: NaN must be refused too.
    if not is_number or not low <= value <= high or (whole and value != int(value)):
        raise SamplingError("setting_out_of_range", name=name, value=value, low=low, high=high)
