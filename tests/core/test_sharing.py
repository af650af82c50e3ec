"""How passes are shared out: never too many, and where the effect is."""

import random

import pytest

from yuan_demo.core.sharing import finest, measuring_plan


def carry_out(weights: list[float], passes: int) -> dict[tuple[int, int], float]:
    """What is measured where parts simply add up."""
    plan, known = measuring_plan(len(weights), passes), {}
    try:
        place = next(plan)
        while True:
            known[place] = sum(weights[slice(*place)])
            place = plan.send(known[place])
    except StopIteration:
        return known


def test_with_enough_passes_each_part_is_measured_alone():
    assert carry_out([1.0, 2.0, 3.0], 3) == {(0, 1): 1.0, (1, 2): 2.0, (2, 3): 3.0}


@pytest.mark.parametrize("passes", [0, 1, 2, 3, 7, 64])
def test_never_more_than_allowed_and_nothing_is_left_out(passes: int):
    rng = random.Random(passes)
    for _ in range(40):
        weights = [rng.uniform(-1, 3) for _ in range(rng.randint(0, 500))]
        known = carry_out(weights, passes)
        assert len(known) <= passes
        if weights and passes:
            ranges = finest(known)
            assert [place for start, end in ranges for place in range(start, end)] == list(
                range(len(weights))
            )


def test_the_part_with_the_effect_is_found_among_many():
    weights = [0.0] * 300
    weights[123], weights[290] = 5.0, -2.0

    known = carry_out(weights, 48)

    assert known[123, 124] == 5.0
    assert known[290, 291] == -2.0
    # Where nothing is, nothing is spent.
    assert len(known) < 48


def test_a_group_of_which_one_half_is_unknown_is_still_told_as_one():
    assert finest([(0, 8), (0, 4), (4, 8), (0, 2)]) == [(0, 4), (4, 8)]
    assert finest([(0, 8), (8, 16), (8, 12), (12, 16), (12, 14)]) == [(0, 8), (8, 12), (12, 16)]
