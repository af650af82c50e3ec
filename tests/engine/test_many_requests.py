"""Two thousand requests: right to the last one, and nothing grows. And what is counted."""

import gc
import random
import threading
import tracemalloc
from collections.abc import Callable
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
from yuan_demo.core.generation import GenerationStep
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.engine import Engine
from yuan_demo.engine.networks import network_of
from yuan_demo.engine.requests import Request
from yuan_demo.engine.stepper import Stepper

VISITORS = 10
SLOTS = 4
GREEDY = SamplingParams(max_new_tokens=4)

Watched = Callable[..., WatchedNetwork]
EngineOver = Callable[..., Engine]


class Crowd:
    """Visitors who each ask again and again.

    Attributes:
        found: greedy answers of a sample: (prompt, ids).
        asked: requests that came to their end.
    """

    def __init__(self, engine: Engine, model: Any) -> None:
        self._engine, self._model = engine, model
        self.found: list[tuple[list[int], list[int]]] = []
        self.asked = self.most_threads = 0
        self._lock = threading.Lock()

    def ask(self, count: int) -> None:
        """Has `count` more requests answered."""
        each = count // VISITORS
        seeds = [self.asked + visitor * each for visitor in range(VISITORS)]
        threads = [
            threading.Thread(target=self._ask, args=(range(seed, seed + each),), daemon=True)
            for seed in seeds
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5 * PATIENCE)
            assert not thread.is_alive(), "somebody was forgotten"

    def _ask(self, seeds: range) -> None:
        for seed in seeds:
            rng = random.Random(seed)
            prompt = random_prompt(rng.randint(1, 30), seed % 300)  # some come again
            is_sample = seed % 20 == 0
            params = GREEDY if is_sample else random_params(rng, rng.randint(1, 4))
            steps = self._engine.generate(prompt, params, client=str(seed % 3))
            ids = [step.token_id for step in steps if isinstance(step, GenerationStep)]
            with self._lock:
                self.asked += 1
                self.most_threads = max(self.most_threads, threading.active_count())
                if is_sample:
                    self.found.append((prompt, ids))

    def tracked(self) -> tuple[int, int]:
        """Requests in memory, and objects of any kind."""
        until(lambda: self._engine.status.running == 0)
        gc.collect()
        objects = gc.get_objects()
        return sum(type(item) is Request for item in objects), len(objects)


@pytest.mark.parametrize("stepper", [None, AheadStepper], ids=["in step", "one step ahead"])
def test_two_thousand_requests_leave_nothing_behind(
    tiny_loaded: Any, engine_over: EngineOver, stepper: Any
):
    model = tiny_loaded.model
    # The second way of stepping is here for what it leaves, not for the ids.
    count = 2_000 if stepper is None else 400
    network = network_of(model, 64, SLOTS)
    engine = engine_over(network, **({"stepper": stepper} if stepper else {}))
    crowd = Crowd(engine, model)
    threads = threading.active_count()
    crowd.ask(count // 4)
    requests_before, objects_before = crowd.tracked()

    crowd.ask(count // 4)
    tracemalloc.start()
    try:
        bytes_before, _ = tracemalloc.get_traced_memory()
        crowd.ask(count // 2)
        requests_after, objects_after = crowd.tracked()
        bytes_after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert crowd.asked == count
    # The last batch may be held until the next one starts.
    assert requests_after - requests_before <= SLOTS
    assert objects_after - objects_before < 500
    # The samples of the test, and the last tokens of each slot.
    assert bytes_after - bytes_before < 200_000
    assert crowd.most_threads <= threads + VISITORS + 1
    assert engine.status.kept_tokens <= SLOTS * network.positions
    for prompt, ids in crowd.found[:: 1 + len(crowd.found) // 25]:
        output = model.generate(
            torch.tensor([prompt]), do_sample=False, eos_token_id=None, max_new_tokens=4
        )
        assert ids == output[0, len(prompt) :].tolist()


def test_the_thread_ends_when_nobody_asks_and_starts_again(
    watched: Watched, engine_over: EngineOver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("yuan_demo.engine.scheduler.IDLE_SECONDS", 0.01)
    engine = engine_over(watched(2))
    for number in range(5):
        assert len(Visitor(engine, random_prompt(9, number), GREEDY).join().ids) == 4
        until(lambda: engine._scheduler._thread is None)
    assert engine.status.kept_tokens > 0


# --- what is counted ----------------------------------------------------------------------------


def counted(engine: Engine) -> dict[str, float]:
    """All samples of the registry, by name and labels."""
    return {
        " ".join([sample.name.removeprefix("yuan_demo_"), *sorted(sample.labels.values())]): (
            sample.value
        )
        for metric in engine.metrics.registry.collect()
        for sample in metric.samples
        if not sample.name.endswith(("_bucket", "_created"))
    }


def test_what_happened_is_counted(watched: Watched, engine_over: EngineOver):
    network = watched(2)
    engine = engine_over(network)
    prompt = random_prompt(40, 1)

    Visitor(engine, prompt, GREEDY).join()
    Visitor(engine, prompt, GREEDY).join()
    left = Visitor(engine, random_prompt(20, 2), SamplingParams(max_new_tokens=200), leaves_after=1)
    left.join()
    until(lambda: engine.status.running == 0)
    engine.read(random_prompt(17, 3), [300, 301], 2)
    steps = sum(made.kind == "decode" for made in network.passes)

    def fail(number: int, made: Pass) -> None:
        network.before = lambda number, made: None
        raise torch.OutOfMemoryError

    network.before = fail
    Visitor(engine, random_prompt(9, 4), GREEDY).join()
    engine.prepare(random_prompt(30, 5))
    until(lambda: counted(engine).get("requests_total prepare stop") == 1)

    found = counted(engine)
    assert found["requests_total answer length"] == 2
    assert found["requests_total answer cancelled"] == 1
    assert found["requests_total answer out_of_memory"] == 1
    assert found["requests_total read stop"] == 1
    assert found["failures_total out_of_memory"] == 1
    assert found["prompt_tokens_total reused"] == 32
    assert found["prompt_tokens_total computed"] == 40 + 8 + 20 + 17 + 9 + 30
    assert found["decode_steps_total"] == steps
    # Nobody else was in the batch: a first token each, and one a step.
    assert found["generated_tokens_total"] == 3 + steps
    assert found["queue_seconds_count"] == 6
    assert found["first_token_seconds_count"] == 3
    assert found["token_seconds_count"] in (2, 3)
    text = engine.metrics.text().decode()
    assert "# HELP yuan_demo_requests_total" in text


@pytest.mark.parametrize("stepper", [Stepper, AheadStepper], ids=["in step", "one step ahead"])
def test_every_answer_and_every_token_is_counted_once(
    watched: Watched, engine_over: EngineOver, stepper: type[Stepper]
):
    engine = engine_over(watched(3), stepper)
    rng = random.Random(1)
    requests = [(random_prompt(9, n), random_params(rng, 3 + 4 * n)) for n in range(6)]

    visitors = [visitor.join() for visitor in [Visitor(engine, *request) for request in requests]]
    engine.close(0.0)

    found = counted(engine)
    ended = sum(value for name, value in found.items() if name.startswith("requests_total"))
    assert ended == len(visitors)
    # A step that was under way when its answer ended gave nothing.
    assert found["generated_tokens_total"] == sum(len(visitor.ids) for visitor in visitors)


def test_the_gauges_say_what_is_going_on(watched: Watched, engine_over: EngineOver):
    network = watched(1)
    engine = engine_over(network)
    visitors = [
        Visitor(engine, random_prompt(9, n), SamplingParams(max_new_tokens=150)) for n in range(3)
    ]

    until(lambda: counted(engine)["waiting_requests"] == 2)
    assert counted(engine)["running_requests"] == 1
    for visitor in visitors:
        visitor.cancelled.set()
        visitor.join()
    until(lambda: counted(engine)["running_requests"] == 0)
    assert counted(engine)["waiting_requests"] == 0
    assert counted(engine)["kept_tokens"] == engine.status.kept_tokens > 0
