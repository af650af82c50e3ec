import random
from time import perf_counter

import pytest

from yuan_demo.core.loops import LEAST_TOKENS, MAX_PERIOD, Loop, LoopFinder


def found(ids: list[int]) -> LoopFinder:
    finder = LoopFinder()
    for token_id in ids:
        finder.add(token_id)
    return finder


@pytest.mark.parametrize("period", [1, 2, 5, 40, MAX_PERIOD])
def test_a_loop_is_found_with_its_place_and_length(period: int):
    times = max(3, -(-LEAST_TOKENS // period))
    stretch = list(range(100, 100 + period))

    finder = found([1, 2, 3, *stretch * times, 4])

    assert finder.loops == (Loop(3, period, 3 + period * times),)
    assert finder.loops[0].times == times
    assert finder.loops[0].first_repeated == 3 + period


def test_it_is_told_as_soon_as_it_is_there_and_grows():
    finder = LoopFinder()
    seen = []
    for token_id in [9, *[5, 6, 7, 8] * 4]:
        finder.add(token_id)
        seen.append(finder.loops)

    assert seen[:12] == [()] * 12
    assert seen[12] == (Loop(1, 4, 13),)
    assert seen[16] == (Loop(1, 4, 17),)


@pytest.mark.parametrize(
    "ids",
    [[], [1], [1] * (LEAST_TOKENS - 1), [*range(10), *range(10)], list(range(500)), [1, 2, 3] * 3],
    ids=["nothing", "one", "short", "twice", "none", "short thrice"],
)
def test_what_is_no_loop_is_none(ids: list[int]):
    assert found(ids).loops == ()


def test_two_loops_with_something_between_are_two():
    ids = [1, 2] * 8 + [50, 51, 52] + [7] * 15

    assert found(ids).loops == (Loop(0, 2, 16), Loop(19, 1, 34))


def test_a_loop_of_loops_is_the_larger_one():
    stretch = [1, 2] * 7 + [3, 4]

    assert found(stretch * 3).loops == (Loop(0, 16, 48),)


def test_what_is_meant_to_repeat_is_asked_for_once_and_not_told():
    asked = []
    finder = LoopFinder(lambda ids: asked.append(list(ids)) or True)
    for token_id in [5, 6] * 20:
        finder.add(token_id)

    assert asked == [[5, 6]]
    assert finder.loops == ()
    assert not finder.is_stuck


def test_stuck_is_four_times_and_24_tokens_and_only_while_it_lasts():
    assert not found([1, *range(20, 30), *range(20, 30), *range(20, 30)]).is_stuck
    assert found(list(range(20, 30)) * 4).is_stuck
    assert not found([7] * 23).is_stuck
    assert found([7] * 24).is_stuck
    assert not found([*[7] * 24, 8]).is_stuck


def test_random_loops_are_found_by_whoever_looks_at_the_whole():
    rng = random.Random(4)
    for _ in range(60):
        period, times = rng.randint(1, 9), rng.randint(3, 8)
        before = [rng.randint(1000, 9999) for _ in range(rng.randint(0, 30))]
        stretch = [rng.randint(0, 9) for _ in range(period)]
        ids = before + stretch * times
        loops = found(ids).loops

        # Every loop told is one, whatever else it is.
        for start, size, end in loops:
            assert all(ids[i] == ids[i - size] for i in range(start + size, end))
            assert end - start >= max(LEAST_TOKENS, 3 * size)
        assert bool(loops) or period * times < LEAST_TOKENS


def test_a_long_answer_costs_little():
    rng = random.Random(1)
    ids = [rng.randint(0, 50) for _ in range(4000)]
    started = perf_counter()
    found(ids)

    # 10 us a token measured; a token of the smallest model takes 5,000.
    assert perf_counter() - started < 4000 * 200e-6
