import math
from typing import Any

import pytest

from yuan_demo.core.errors import SamplingError
from yuan_demo.core.sampling import MAX_COUNT, MAX_SEED, SamplingParams, in_range

EDGES = [
    ("max_new_tokens", 1, MAX_COUNT),
    ("temperature", 0.01, 5.0),
    ("top_k", 0, MAX_COUNT),
    ("top_p", 0.01, 1.0),
    ("repetition_penalty", 0.5, 3.0),
    ("seed", 0, MAX_SEED),
]


@pytest.mark.parametrize(("name", "low", "high"), EDGES)
def test_both_ends_of_a_range_are_allowed(name: str, low: float, high: float):
    for value in (low, high):
        assert getattr(SamplingParams(**{name: value}), name) == value
        assert in_range(name, value)


@pytest.mark.parametrize(("name", "low", "high"), EDGES)
def test_a_value_outside_is_refused_with_the_rule_and_the_value(name: str, low: float, high: float):
    step = 1 if isinstance(low, int) else 0.001
    for value in (low - step, high + step):
        with pytest.raises(SamplingError) as caught:
            SamplingParams(**{name: value})
        whole = name in ("max_new_tokens", "top_k", "seed")
        assert caught.value.code == ("setting_not_whole" if whole else "setting_out_of_range")
        assert caught.value.values == {"name": name, "value": value, "low": low, "high": high}
        assert not in_range(name, value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1", True, [1]], ids=repr)
@pytest.mark.parametrize("name", [name for name, _, _ in EDGES])
def test_what_is_no_number_is_refused(name: str, value: Any):
    with pytest.raises(SamplingError):
        SamplingParams(**{name: value})


@pytest.mark.parametrize("name", [name for name, _, _ in EDGES if name != "seed"])
def test_only_the_seed_may_be_left_open(name: str):
    assert SamplingParams(seed=None).seed is None
    with pytest.raises(SamplingError):
        SamplingParams(**{name: None})


@pytest.mark.parametrize("name", ["max_new_tokens", "top_k", "seed"])
def test_counts_are_whole(name: str):
    with pytest.raises(SamplingError):
        SamplingParams(**{name: 2.5})


def test_numbers_get_the_type_of_their_setting():
    # A page sends 2 for 2.0 and a program 40.0 for 40; transformers takes neither.
    params = SamplingParams(
        max_new_tokens=8.0, temperature=2, top_k=40.0, top_p=1, repetition_penalty=2, seed=7.0
    )

    assert params == SamplingParams(8, True, 2.0, 40, 1.0, 2.0, 7)
    kinds = {name: type(getattr(params, name)) for name, _, _ in EDGES}
    assert kinds == {name: type(low) for name, low, _ in EDGES} | {
        "repetition_penalty": float,
    }
