"""Sampling settings, checked once, where they enter."""

from dataclasses import dataclass

from yuan_demo.core.errors import SamplingError

MAX_SEED = 2**53 - 1
"""The largest whole number that a page's JavaScript holds exactly."""
MAX_COUNT = 1_000_000
"""More tokens than any window or vocabulary of the family has."""

_RANGES: dict[str, tuple[type, float, float]] = {
    "max_new_tokens": (int, 1, MAX_COUNT),
    "temperature": (float, 0.01, 5),
    "top_k": (int, 0, MAX_COUNT),
    "top_p": (float, 0.01, 1),
    "repetition_penalty": (float, 0.5, 3),
    "seed": (int, 0, MAX_SEED),
}


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the next token is chosen.

    Numbers come out of a page or a JSON file as it pleases them, 2 for 2.0 and 40.0 for 40; here
    they get the type below, which transformers insists on.

    Attributes:
        max_new_tokens: the answer may have at most this many tokens; so many are reserved.
        greedy: always take the most likely token; temperature, top_k and top_p are then unused.
        temperature: logits are divided by it; [0.01, 5].
        top_k: keep only the k most likely tokens; 0 keeps all.
        top_p: keep the smallest set of tokens whose probabilities reach it; [0.01, 1].
        repetition_penalty: divides positive and multiplies negative logits of tokens that have
            occurred (Keskar et al. 2019); 1 changes nothing; [0.5, 3].
        seed: makes a sampled answer repeatable; None draws one.
        stop_at_loop: end an answer that repeats itself (`core.loops`).

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
    stop_at_loop: bool = False

    def __post_init__(self) -> None:
        for name, (kind, low, high) in _RANGES.items():
            value = getattr(self, name)
            if name == "seed" and value is None:
                continue
            if not in_range(name, value):
                if kind is int:
                    raise SamplingError(
                        "setting_not_whole", name=name, value=value, low=low, high=high
                    )
                raise SamplingError(
                    "setting_out_of_range", name=name, value=value, low=low, high=high
                )
            object.__setattr__(self, name, kind(value))


def in_range(name: str, value: object) -> bool:
    """Whether a value can be the setting `name`: a number within its range, whole for a count."""
    kind, low, high = _RANGES[name]
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    # The range first: NaN and infinity fail it, and neither has an int.
    return low <= value <= high and kind(value) == value
