"""A pass that fails ends as few answers as it can; the others get what they would have got."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from tests.engine.doubles import (
    AheadStepper,
    Pass,
    Visitor,
    WatchedNetwork,
    random_params,
    random_prompt,
    until,
)
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.engine import Engine
from yuan_demo.engine.requests import Request
from yuan_demo.engine.stepper import Stepper

GREEDY = SamplingParams(max_new_tokens=40)
MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
BROKEN = RuntimeError("shapes cannot be multiplied")
LOST = RuntimeError("CUDA error: an illegal memory access was encountered")
both_steppers = pytest.mark.parametrize(
    "stepper", [Stepper, AheadStepper], ids=["in step", "one step ahead"]
)

Watched = Callable[..., WatchedNetwork]
EngineOver = Callable[..., Engine]
Alone = Callable[[Sequence[int], SamplingParams], list[int]]


def fail(
    network: WatchedNetwork, error: Exception, when: Callable[[Pass], bool], times: int = 1
) -> list[Pass]:
    """Has the first passes of a kind fail; returns where they are put down."""
    failed: list[Pass] = []

    def before(number: int, made: Pass) -> None:
        if len(failed) < times and when(made):
            failed.append(made)
            raise error

    network.before = before
    return failed


def mixed_requests(count: int) -> list[tuple[list[int], SamplingParams]]:
    """Short and long prompts; greedy, drawn and penalized answers of 40 tokens."""
    rng = random.Random(7)
    lengths = [5, 16, 37, 64, 20, 90]
    return [(random_prompt(lengths[n], n), random_params(rng, 40)) for n in range(count)]


def visit(engine: Engine, network: WatchedNetwork, requests: Sequence[Any]) -> list[Visitor]:
    """Visitors who all come before the first pass, in this order."""
    visitors: list[Visitor] = []
    inner = network.before

    def before(number: int, made: Pass) -> None:
        until(lambda: len(visitors) == len(requests))
        inner(number, made)

    network.before = before
    for request in requests:
        visitors.append(Visitor(engine, *request))
        here = len(visitors)
        until(lambda: engine.status.running + engine.status.waiting >= here)  # noqa: B023
    return [visitor.join() for visitor in visitors]


# --- too little memory --------------------------------------------------------------------------


@both_steppers
@pytest.mark.parametrize("start", [0, 16, 48])
def test_too_little_memory_for_a_prompt_ends_its_answer_only(
    watched: Watched, engine_over: EngineOver, alone: Alone, stepper: type[Stepper], start: int
):
    network = watched(3)
    requests = mixed_requests(4)
    prompt = requests[3][0]
    asked = tuple(prompt[start : start + 16])
    failed = fail(network, MEMORY, lambda made: made.ids == asked)

    visitors = visit(engine_over(network, stepper), network, requests)

    assert len(failed) == 1
    assert [visitor.outcome for visitor in visitors] == ["length"] * 3 + ["out_of_memory"]
    assert visitors[3].error.values == {"tokens": start}
    for visitor in visitors[:3]:
        assert visitor.ids == alone(visitor.prompt, visitor.params)


@both_steppers
@pytest.mark.parametrize("at", [20, 40, 60])
def test_too_little_memory_for_a_step_ends_the_latest_only(
    watched: Watched, engine_over: EngineOver, alone: Alone, stepper: type[Stepper], at: int
):
    network = watched(3)
    failed = fail(network, MEMORY, lambda made: made.kind == "decode" and max(made.starts) >= at)

    visitors = visit(engine_over(network, stepper), network, mixed_requests(3))

    assert len(failed) == 1
    outcomes = [visitor.outcome for visitor in visitors]
    assert sorted(outcomes) == ["length", "length", "out_of_memory"]
    for visitor in visitors:
        expected = alone(visitor.prompt, visitor.params)
        assert visitor.ids == expected[: len(visitor.ids)]
        assert visitor.outcome == "out_of_memory" or visitor.ids == expected


def test_too_little_memory_again_and_again_does_not_stop_the_engine(
    watched: Watched, engine_over: EngineOver, alone: Alone
):
    network = watched(1)
    engine = engine_over(network)
    failed = fail(network, MEMORY, lambda made: True, times=5)

    outcomes = [Visitor(engine, random_prompt(9, n), GREEDY).join().outcome for n in range(5)]

    # Every time somebody's prompt was too long: the next one's may not be.
    assert outcomes == ["out_of_memory"] * 5
    assert len(failed) == 5
    assert engine.status.state == "ok"
    assert Visitor(engine, random_prompt(9, 9), GREEDY).join().ids == alone(
        random_prompt(9, 9), GREEDY
    )


@pytest.mark.parametrize("error", [MEMORY, BROKEN], ids=["memory", "broken"])
def test_a_copy_that_fails_ends_only_who_it_was_for(
    watched: Watched, engine_over: EngineOver, alone: Alone, error: Exception
):
    network = watched(2)
    engine = engine_over(network)
    shared = random_prompt(40, 1)
    first = Visitor(engine, [*shared, 300], SamplingParams(max_new_tokens=150))
    until(lambda: bool(first.ids))

    def before_copy() -> None:
        network.before_copy = lambda: None
        raise error

    network.before_copy = before_copy
    second = Visitor(engine, [*shared, 301], GREEDY).join()
    third = Visitor(engine, [*shared, 302], GREEDY).join()

    assert second.outcome == ("out_of_memory" if error is MEMORY else "engine_failed")
    assert first.join().ids == alone(first.prompt, first.params)
    # Its slot is not lost, and what it would have held is not taken for what it holds.
    assert third.ids == alone(third.prompt, GREEDY)
    assert (engine.status.running, engine._scheduler._pool.free) == (0, 2)


class ForgetfulStepper(Stepper):
    """Has no memory for one request's random numbers.

    Attributes:
        fails: whether `seat` fails the next time.
    """

    fails = False

    def seat(self, request: Request) -> None:
        if self.fails:
            self.fails = False
            raise MEMORY
        super().seat(request)


def test_a_seat_that_cannot_be_given_ends_only_who_it_was_for(
    watched: Watched, engine_over: EngineOver, alone: Alone
):
    network = watched(2)
    stepper = ForgetfulStepper(network)
    engine = engine_over(network, stepper)
    first = Visitor(engine, random_prompt(9, 1), SamplingParams(max_new_tokens=150))
    until(lambda: bool(first.ids))
    stepper.fails = True

    assert Visitor(engine, random_prompt(9, 2), GREEDY).join().outcome == "out_of_memory"

    assert Visitor(engine, random_prompt(9, 3), GREEDY).join().outcome == "length"
    assert first.join().ids == alone(first.prompt, first.params)
    assert engine._scheduler._pool.free == 2


def test_a_seat_that_cannot_be_given_again_ends_one_and_nobody_waits_for_ever(
    watched: Watched, engine_over: EngineOver
):
    network = watched(2)
    stepper = ForgetfulStepper(network)
    engine = engine_over(network, stepper)

    def before(number: int, made: Pass) -> None:
        if made.kind == "decode" and len(made.slots) == 2 and not stepper.fails:
            network.before = lambda number, made: None
            stepper.fails = True
            raise MEMORY

    network.before = before
    visitors = [Visitor(engine, random_prompt(9, n), GREEDY) for n in range(2)]

    assert [visitor.join().outcome for visitor in visitors] == ["out_of_memory"] * 2
    assert Visitor(engine, random_prompt(9, 3), GREEDY).join().outcome == "length"


# --- broken passes ------------------------------------------------------------------------------


@both_steppers
def test_a_broken_step_ends_who_was_in_it_and_the_others_go_on(
    watched: Watched, engine_over: EngineOver, alone: Alone, stepper: type[Stepper]
):
    network = watched(3)
    failed = fail(network, BROKEN, lambda made: made.kind == "decode" and len(made.slots) == 2)

    visitors = visit(engine_over(network, stepper), network, mixed_requests(6))

    assert len(failed) == 1
    outcomes = [visitor.outcome for visitor in visitors]
    assert outcomes.count("engine_failed") == 2
    for visitor in visitors:
        expected = alone(visitor.prompt, visitor.params)
        assert visitor.ids == expected[: len(visitor.ids)]
        assert visitor.outcome == "engine_failed" or visitor.ids == expected


@both_steppers
def test_a_broken_prompt_ends_its_answer_only(
    watched: Watched, engine_over: EngineOver, alone: Alone, stepper: type[Stepper]
):
    network = watched(3)
    requests = mixed_requests(4)
    asked = tuple(requests[3][0][16:32])
    fail(network, BROKEN, lambda made: made.ids == asked)

    visitors = visit(engine_over(network, stepper), network, requests)

    assert [visitor.outcome for visitor in visitors] == ["length"] * 3 + ["engine_failed"]
    for visitor in visitors[:3]:
        assert visitor.ids == alone(visitor.prompt, visitor.params)


def test_a_broken_prompt_is_no_reason_to_step_in_another_way(
    watched: Watched, engine_over: EngineOver, alone: Alone
):
    network = watched(3)
    stepper = AheadStepper(network, can_simplify=True)
    requests = mixed_requests(4)
    asked = tuple(requests[3][0][48:64])
    fail(network, BROKEN, lambda made: made.ids == asked)

    visitors = visit(engine_over(network, stepper), network, requests)

    # A prompt is not read by the stepper, and the batch is in the middle of its way of stepping.
    assert (stepper.simplified, stepper.is_simple) == (0, False)
    assert visitors[3].outcome == "engine_failed"
    for visitor in visitors[:3]:
        assert visitor.ids == alone(visitor.prompt, visitor.params)


@pytest.mark.parametrize("at", [6, 20, 33, 70, 100])
def test_a_step_that_can_be_taken_in_another_way_is_taken_again(
    watched: Watched, engine_over: EngineOver, alone: Alone, at: int
):
    network = watched(4)
    stepper = AheadStepper(network, can_simplify=True)
    failed = fail(network, BROKEN, lambda made: made.kind == "decode" and max(made.starts) >= at)

    visitors = visit(engine_over(network, stepper), network, mixed_requests(6))

    assert (len(failed), stepper.is_simple) == (1, True)
    # Also those who draw, and those whose tokens are penalized.
    for visitor in visitors:
        assert visitor.outcome == "length"
        assert visitor.ids == alone(visitor.prompt, visitor.params)


@pytest.mark.parametrize("at", [3, 12, 40])
@pytest.mark.parametrize("error", [ZeroDivisionError(), MEMORY], ids=["broken", "memory"])
def test_an_error_of_the_loop_itself_leaves_nobody_waiting(
    watched: Watched, engine_over: EngineOver, alone: Alone, at: int, error: Exception
):
    network = watched(3)
    engine = engine_over(network, AheadStepper(network))
    seat, rounds = engine._scheduler._seat, []

    def seat_or_fail() -> None:
        rounds.append(len(network.passes))
        if len(rounds) == at:
            raise error
        seat()

    engine._scheduler._seat = seat_or_fail
    visitors = visit(engine, network, mixed_requests(5))

    failure = "out_of_memory" if error is MEMORY else "engine_failed"
    assert {visitor.outcome for visitor in visitors} == {"length", failure}
    # A step that was under way is not counted on by those who are computed again.
    for visitor in visitors:
        expected = alone(visitor.prompt, visitor.params)
        assert visitor.ids == expected[: len(visitor.ids)]
        assert visitor.outcome == failure or visitor.ids == expected
    assert engine._scheduler._pool.free == 3


# --- the end of it ------------------------------------------------------------------------------


@both_steppers
@pytest.mark.parametrize("kind", ["prefill", "decode"])
def test_a_lost_device_ends_all_and_is_said(
    watched: Watched, engine_over: EngineOver, stepper: type[Stepper], kind: str
):
    network = watched(3)
    engine = engine_over(network, stepper)
    when = {
        "prefill": lambda made: made.starts[0] == 16 and len(made.ids) > 1,
        "decode": lambda made: made.kind == "decode" and len(made.slots) == 2,
    }
    fail(network, LOST, when[kind], times=1000)

    visitors = visit(engine, network, mixed_requests(6))

    assert {visitor.outcome for visitor in visitors} == {"device_lost"}
    status = engine.status
    assert (status.state, status.fault) == ("failed", "device_lost")
    assert (status.running, status.waiting) == (0, 0)
    passes = len(network.passes)
    assert Visitor(engine, [3], GREEDY).join().outcome == "device_lost"
    engine.prepare(random_prompt(40, 1))
    until(lambda: engine._scheduler._thread is None)
    assert len(network.passes) == passes


def test_three_failures_in_a_row_are_the_end(watched: Watched, engine_over: EngineOver):
    network = watched(1)
    engine = engine_over(network)
    fail(network, BROKEN, lambda made: True, times=3)

    outcomes = [Visitor(engine, random_prompt(9, n), GREEDY).join().outcome for n in range(4)]

    assert outcomes == ["engine_failed"] * 4
    assert engine.status.fault == "engine_failed"
    assert len(network.passes) == 3


def test_failures_with_a_success_between_them_are_not(watched: Watched, engine_over: EngineOver):
    network = watched(1)
    engine = engine_over(network)
    for number in range(4):
        fail(network, BROKEN, lambda made: True)
        assert Visitor(engine, random_prompt(9, number), GREEDY).join().outcome == "engine_failed"
        assert Visitor(engine, random_prompt(9, number), GREEDY).join().outcome == "length"

    assert engine.status.state == "ok"
