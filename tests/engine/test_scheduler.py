"""Many visitors, one loop: each gets what he would get alone, in a fair order, and can leave."""

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from threading import Thread
from time import sleep
from typing import Any

import pytest
import torch

from tests.engine.doubles import (
    PATIENCE,
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
from yuan_demo.engine.stepper import Stepper

GREEDY = SamplingParams(max_new_tokens=20)
both_steppers = pytest.mark.parametrize(
    "stepper", [Stepper, AheadStepper], ids=["in step", "one step ahead"]
)

Watched = Callable[..., WatchedNetwork]
EngineOver = Callable[..., Engine]
Alone = Callable[[Sequence[int], SamplingParams], list[int]]


def crowd(
    engine: Engine, network: WatchedNetwork, requests: Sequence[tuple[Any, ...]]
) -> list[Any]:
    """Visitors who come one after the other while the first pass of the first of them is made."""
    visitors: list[Visitor] = []

    def before(number: int, made: Pass) -> None:
        if number == 0:
            until(lambda: len(visitors) == len(requests))

    network.before = before
    visitors.append(Visitor(engine, *requests[0]))
    until(lambda: network.passes)
    for request in requests[1:]:
        waiting = engine.status.waiting
        visitor = Visitor(engine, *request)
        until(lambda: engine.status.waiting > waiting)  # noqa: B023 - it is called at once
        visitors.append(visitor)
    return visitors


def order_of(network: WatchedNetwork, visitors: Sequence[Visitor]) -> list[int]:
    """In which order visitors came to their first pass."""
    firsts = [made.ids for made in network.passes if made.kind == "prefill"]
    return sorted(range(len(visitors)), key=lambda n: firsts.index(tuple(visitors[n].prompt[:16])))


def slots_of(network: WatchedNetwork, kind: str) -> list[int]:
    return [slot for made in network.passes if made.kind == kind for slot in made.slots]


# --- each as if alone ---------------------------------------------------------------------------


@both_steppers
@pytest.mark.parametrize("seed", [1, 2])
def test_many_visitors_on_few_slots_get_what_each_gets_alone(
    watched: Watched, engine_over: EngineOver, alone: Alone, stepper: type[Stepper], seed: int
):
    rng = random.Random(seed)
    asked = [
        (random_prompt(rng.choice([1, 2, 15, 16, 17, 40, 100]), n), random_params(rng, tokens))
        for n, tokens in enumerate(rng.choices(range(1, 50), k=16))
    ]
    expected = [alone(*request) for request in asked]
    network = watched(4)
    engine = engine_over(network, stepper)

    found = [visitor.join() for visitor in [Visitor(engine, *request) for request in asked]]

    assert [visitor.ids for visitor in found] == expected
    assert max(len(made.slots) for made in network.passes) == 4


@both_steppers
def test_greedy_answers_are_those_of_transformers_in_company_too(
    watched: Watched, engine_over: EngineOver, tiny_loaded: Any, stepper: type[Stepper]
):
    engine = engine_over(watched(5), stepper)
    prompts = [random_prompt(length, length) for length in (1, 3, 17, 60, 130)]

    visitors = [Visitor(engine, prompt, GREEDY) for prompt in prompts]

    for visitor in visitors:
        output = tiny_loaded.model.generate(
            torch.tensor([visitor.prompt]), do_sample=False, eos_token_id=None, max_new_tokens=20
        )
        assert visitor.join().ids == output[0, len(visitor.prompt) :].tolist()


@both_steppers
@pytest.mark.parametrize("at", [3, 16, 25])
def test_who_joins_and_who_leaves_changes_nothing_for_the_others(
    watched: Watched, engine_over: EngineOver, alone: Alone, stepper: type[Stepper], at: int
):
    params = SamplingParams(max_new_tokens=60, greedy=False, temperature=2, top_k=0, seed=4)
    network = watched(3)
    engine = engine_over(network, stepper)
    joined: list[Visitor] = []

    def join(number: int, made: Pass) -> None:
        if number in (at, at + 4):
            joined.append(Visitor(engine, random_prompt(50, number), params, leaves_after=3))
            until(lambda: engine.status.waiting + engine.status.running >= len(joined) + 1)

    network.before = join
    staying = Visitor(engine, random_prompt(20, 1), params).join()

    assert staying.ids == alone(staying.prompt, params)
    for visitor in joined:
        assert visitor.join().ids == alone(visitor.prompt, params)[: len(visitor.ids)]
    assert len(joined) == 2


def test_a_step_is_launched_before_the_tokens_of_the_last_one_are_known(
    watched: Watched, engine_over: EngineOver
):
    network = watched(2)
    stepper = AheadStepper(network)

    Visitor(engine_over(network, stepper), random_prompt(5, 1), GREEDY).join()

    assert stepper.most_under_way == 2, "the tests above would say nothing about a GPU"


@both_steppers
def test_an_answer_fills_the_window_to_the_last_token(
    watched: Watched, engine_over: EngineOver, stepper: type[Stepper]
):
    engine = engine_over(watched(2, 64), stepper)
    params = SamplingParams(max_new_tokens=100, greedy=False, seed=1, repetition_penalty=1.2)

    visitors = [Visitor(engine, random_prompt(n, n), params).join() for n in (20, 63)]

    assert [len(visitor.ids) for visitor in visitors] == [44, 1]
    assert {visitor.outcome for visitor in visitors} == {"context"}


class WishfulNetwork:
    """Wants token 7 most and token 8 next, whatever it reads."""

    slots, positions, vocab_size, rewind_block = 2, 65, 20, 16
    head_device = torch.device("cpu")

    def prefill(self, slot: int, start: int, ids: Sequence[int], keep: int = 1) -> torch.Tensor:
        return self.decode([slot], [start], torch.zeros(1))

    def decode(
        self, slots: Sequence[int], positions: Sequence[int], ids: torch.Tensor
    ) -> torch.Tensor:
        logits = torch.zeros(len(slots), self.vocab_size)
        logits[:, 7], logits[:, 8] = 3.0, 2.0
        return logits


@both_steppers
def test_the_very_first_token_is_penalized_from_then_on(
    engine_over: EngineOver, stepper: type[Stepper]
):
    params = SamplingParams(max_new_tokens=5, repetition_penalty=2)

    for prompt, expected in (([1], [7, 8, 7, 7, 7]), ([7], [8, 7, 7, 7, 7])):
        visitor = Visitor(engine_over(WishfulNetwork(), stepper), prompt, params)
        assert visitor.join().ids == expected


# --- the line -----------------------------------------------------------------------------------


def test_places_in_line_are_told_and_only_go_down(watched: Watched, engine_over: EngineOver):
    network = watched(1)
    requests = [(random_prompt(9, n), GREEDY, str(n)) for n in range(5)]

    visitors = crowd(engine_over(network), network, requests)

    # All four arrive within one pass, so each is told its place once the pass is over.
    places = [visitor.join().places for visitor in visitors]
    assert places == [[], [1], [2, 1], [3, 2, 1], [4, 3, 2, 1]]
    queued = [visitor.items[-1].timings.queue_seconds for visitor in visitors]
    assert queued == sorted(queued)


def test_who_has_none_under_way_comes_before_who_has(watched: Watched, engine_over: EngineOver):
    network = watched(2)
    long = SamplingParams(max_new_tokens=200)
    requests = [(random_prompt(16, 0), long, "a")]
    clients = ["a", "a", "b", None, None]
    requests += [(random_prompt(16, n), GREEDY, client) for n, client in enumerate(clients, 1)]

    visitors = crowd(engine_over(network), network, requests)
    for visitor in visitors[1:]:
        visitor.join()

    # The first a has a slot all the time: b, and those who gave no name, come before its others.
    assert order_of(network, visitors) == [0, 3, 4, 5, 1, 2]


def test_slots_that_become_free_at_once_do_not_all_go_to_one_client(
    watched: Watched, engine_over: EngineOver
):
    network = watched(2)
    engine = engine_over(network)
    long = SamplingParams(max_new_tokens=200)
    holding = [Visitor(engine, random_prompt(9, 20 + n), long) for n in range(2)]
    until(lambda: any(len(made.slots) == 2 for made in network.passes))
    visitors: list[Visitor] = []

    def before(number: int, made: Pass) -> None:
        network.before = lambda number, made: None
        for n, client in enumerate(["a", "a", "a", "b"]):
            visitors.append(Visitor(engine, random_prompt(16, n), GREEDY, client))
            until(lambda: engine.status.waiting == len(visitors))
        for visitor in holding:
            visitor.cancelled.set()

    network.before = before
    until(lambda: len(visitors) == 4)
    for visitor in visitors:
        visitor.join()

    assert order_of(network, visitors)[:2] == [0, 3]


def test_readings_come_after_answers(watched: Watched, engine_over: EngineOver):
    network = watched(1)
    engine = engine_over(network)
    prompts = [random_prompt(16, number) for number in range(3)]
    readings: list[Any] = []
    reader = Thread(target=lambda: readings.append(engine.read(prompts[1], [5, 6], 3)), daemon=True)
    visitors: list[Visitor] = []

    def before(number: int, made: Pass) -> None:
        if number == 0:
            reader.start()
            until(lambda: engine.status.waiting == 1)
            visitors.append(Visitor(engine, prompts[2], GREEDY))
            until(lambda: engine.status.waiting == 2)

    network.before = before
    Visitor(engine, prompts[0], GREEDY).join()
    visitors[0].join()
    reader.join(PATIENCE)

    order = [made.ids for made in network.passes if made.kind == "prefill"]
    assert order[:3] == [tuple(prompts[0]), tuple(prompts[2]), tuple(prompts[1])]
    assert len(readings[0].logprobs) == 2


# --- long prompts -------------------------------------------------------------------------------


@both_steppers
def test_a_long_prompt_holds_up_the_streams_by_a_chunk_at_a_time(
    watched: Watched, engine_over: EngineOver, stepper: type[Stepper]
):
    network = watched(3)
    engine = engine_over(network, stepper)
    params = SamplingParams(max_new_tokens=60)
    writing = [Visitor(engine, random_prompt(5, n), params) for n in range(2)]
    until(lambda: any(len(made.slots) == 2 for made in network.passes))

    Visitor(engine, random_prompt(200, 9), GREEDY).join()

    chunks = [n for n, made in enumerate(network.passes) if len(made.ids) == 16]
    assert len(chunks) == 200 // 16
    between = [network.passes[a + 1 : b] for a, b in pairwise(chunks)]
    assert [[made.kind for made in passes] for passes in between] == [["decode"]] * len(between)
    assert all(len(made.slots) == 2 for passes in between for made in passes)
    assert all(len(visitor.join().ids) == 60 for visitor in writing)


def test_prompts_take_turns_chunk_by_chunk(watched: Watched, engine_over: EngineOver):
    network = watched(2)
    requests = [(random_prompt(80, n), SamplingParams(max_new_tokens=1)) for n in range(2)]

    for visitor in crowd(engine_over(network), network, requests):
        visitor.join()

    # The second came within the first pass of the first, whose turn it was still.
    turns = slots_of(network, "prefill")[1:-1]
    assert len(turns) == 8
    assert all(before != after for before, after in pairwise(turns))


# --- leaving ------------------------------------------------------------------------------------


def test_cancelled_in_line_leaves_the_line(watched: Watched, engine_over: EngineOver):
    network = watched(1)
    engine = engine_over(network)
    first = Visitor(engine, random_prompt(5, 1), SamplingParams(max_new_tokens=200))
    until(lambda: engine.status.running == 1)
    second, third = (Visitor(engine, random_prompt(5, n), GREEDY) for n in (2, 3))
    until(lambda: second.places and third.places)
    second.cancelled.set()

    assert second.join().outcome == "cancelled"
    assert second.ids == []
    first.cancelled.set()
    assert third.join().outcome == "length"
    assert engine.status.waiting == 0


@both_steppers
@pytest.mark.parametrize("at", [2, 6, 12])
def test_cancelled_the_slot_is_free_with_the_next_pass(
    watched: Watched, engine_over: EngineOver, stepper: type[Stepper], at: int
):
    # 80 tokens are 5 chunks: the numbers are within the prompt, and within the answer.
    network = watched(1)
    engine = engine_over(network, stepper)
    visitors: list[Visitor] = []

    def cancel(number: int, made: Pass) -> None:
        if number == at:
            visitors.append(Visitor(engine, random_prompt(16, 2), GREEDY))
            until(lambda: engine.status.waiting == 1)
            visitors[0].cancelled.set()

    network.before = cancel
    visitors.append(Visitor(engine, random_prompt(80, 1), SamplingParams(max_new_tokens=100)))

    assert visitors[0].join().outcome == "cancelled"
    assert visitors[1].join().outcome == "length"
    assert network.passes[at + 1].ids == tuple(visitors[1].prompt)
    assert visitors[0].items[-1].timings.generated_tokens == len(visitors[0].ids)


@both_steppers
def test_a_closed_generator_frees_its_slot(
    watched: Watched, engine_over: EngineOver, stepper: type[Stepper]
):
    network = watched(1)
    engine = engine_over(network, stepper)
    left = Visitor(engine, random_prompt(5, 1), SamplingParams(max_new_tokens=200), leaves_after=2)
    left.join()

    assert Visitor(engine, random_prompt(5, 2), GREEDY).join().outcome == "length"
    assert len(slots_of(network, "decode")) < 200


def test_a_deadline_ends_it_in_line_and_under_way(watched: Watched, engine_over: EngineOver):
    network = watched(1)
    engine = engine_over(network, answer_seconds=0.2)

    def wait_for_both_deadlines(number: int, made: Pass) -> None:
        # Otherwise the one in line may get the slot in what is left between the two.
        if number == 0:
            until(lambda: engine.status.waiting == 1)
            sleep(0.3)

    network.before = wait_for_both_deadlines
    long = SamplingParams(max_new_tokens=200)

    visitors = [Visitor(engine, random_prompt(5, n), long) for n in range(2)]

    assert [visitor.join().outcome for visitor in visitors] == ["deadline", "deadline"]
    assert sorted(bool(visitor.ids) for visitor in visitors) == [False, True]


@both_steppers
def test_closing_ends_everything_and_refuses_more(
    watched: Watched, engine_over: EngineOver, stepper: type[Stepper]
):
    network = watched(2)
    engine = engine_over(network, stepper)
    long = SamplingParams(max_new_tokens=200)
    visitors = [Visitor(engine, random_prompt(5, n), long) for n in range(4)]
    until(lambda: engine.status.running == 2 and engine.status.waiting == 2)

    engine.close(grace_seconds=0.0)

    assert [visitor.join().outcome for visitor in visitors] == ["shutdown"] * 4
    late = Visitor(engine, random_prompt(5, 9), GREEDY).join()
    assert (late.ids, late.outcome) == ([], "shutdown")
    assert engine.read(random_prompt(5, 9), [3], 1) is None
    assert (engine.status.running, engine.status.waiting) == (0, 0)
    assert engine._scheduler._thread is None


def test_closing_lets_those_under_way_come_to_their_end(watched: Watched, engine_over: EngineOver):
    network = watched(1)
    engine = engine_over(network)
    visitors = [Visitor(engine, random_prompt(5, n), GREEDY) for n in range(2)]
    until(lambda: engine.status.running == 1)

    engine.close(grace_seconds=60.0)

    assert [visitor.join().outcome for visitor in visitors] == ["length", "length"]
