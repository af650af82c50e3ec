import random
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch

from yuan_demo.core.errors import EngineError
from yuan_demo.core.generation import GenerationStep
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.engine import PREFILL_CHUNK, Engine
from yuan_demo.engine.networks import network_of

GREEDY = SamplingParams(max_new_tokens=24)
NO_EOS = -1
LONG_PROMPT = 2 * PREFILL_CHUNK + 70


def prompt(length: int, seed: int = 0) -> list[int]:
    """Ids of ordinary pieces of the trained vocabulary."""
    return random.Random(seed).choices(range(270, 480), k=length)


def ids_of(steps: Iterable[GenerationStep]) -> list[int]:
    return [step.token_id for step in steps if step.token_id is not None]


def engine_over(model: Any, window: int = 1024) -> Engine:
    return Engine(network_of(model, window), window, NO_EOS)


@pytest.fixture
def engine(tiny_loaded: Any) -> Engine:
    return engine_over(tiny_loaded.model)


def generate_by_transformers(model: Any, input_ids: list[int], **kwargs: Any) -> list[int]:
    output = model.generate(
        torch.tensor([input_ids]), do_sample=False, eos_token_id=None, max_new_tokens=24, **kwargs
    )
    return output[0, len(input_ids) :].tolist()


# --- what is generated --------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 3, 17, PREFILL_CHUNK, PREFILL_CHUNK + 1, LONG_PROMPT])
def test_greedy_ids_are_those_of_transformers(engine: Engine, tiny_loaded: Any, length: int):
    expected = generate_by_transformers(tiny_loaded.model, prompt(length))

    assert ids_of(engine.generate(prompt(length), GREEDY)) == expected


def test_greedy_ids_with_a_repetition_penalty_are_those_of_transformers(
    engine: Engine, tiny_loaded: Any
):
    params = SamplingParams(max_new_tokens=24, repetition_penalty=1.5)

    generated = ids_of(engine.generate(prompt(40), params))

    expected = generate_by_transformers(tiny_loaded.model, prompt(40), repetition_penalty=1.5)
    assert generated == expected
    assert generated != ids_of(engine.generate(prompt(40), GREEDY))


def test_a_seed_repeats_a_sampled_answer_and_another_seed_does_not(engine: Engine):
    def sample(seed: int | None) -> list[int]:
        params = SamplingParams(max_new_tokens=24, greedy=False, temperature=2, seed=seed)
        return ids_of(engine.generate(prompt(5), params))

    assert sample(3) == sample(3)
    assert sample(3) != sample(4)
    assert sample(None) != sample(None)


def test_the_model_reads_every_id_once_and_in_order(recording: Any):
    steps = list(engine_over(recording).generate(prompt(LONG_PROMPT), GREEDY))

    # The last token is not read: nothing follows it.
    assert recording.ids == prompt(LONG_PROMPT) + ids_of(steps)[:-1]
    assert max(map(len, recording.passes)) == PREFILL_CHUNK


def test_a_pass_keeps_no_gradients_and_leaves_no_mode_behind_in_the_thread(recording: Any):
    modes = []
    recording.before_pass = lambda number: modes.append(torch.is_inference_mode_enabled())
    steps = engine_over(recording).generate(prompt(5), GREEDY)
    next(steps)

    assert modes
    assert all(modes)
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()


# --- why it ends --------------------------------------------------------------------------------


def test_eos_stops(scripted_engine: Callable[..., Engine]):
    steps = list(scripted_engine(300, 301, 1, 302).generate(prompt(5), GREEDY))

    assert ids_of(steps) == [300, 301, 1]
    assert [step.finish_reason for step in steps] == [None, None, "stop"]


def test_eos_as_the_last_token_allowed_is_a_stop(scripted_engine: Callable[..., Engine]):
    params = SamplingParams(max_new_tokens=2)

    steps = list(scripted_engine(300, 1, window=7).generate(prompt(5), params))

    assert steps[-1].finish_reason == "stop"


def test_length_ends_after_exactly_so_many_tokens(engine: Engine):
    steps = list(engine.generate(prompt(5), SamplingParams(max_new_tokens=3)))

    assert [step.finish_reason for step in steps] == [None, None, "length"]


def test_an_answer_that_uses_up_what_was_reserved_ended_at_its_length(tiny_loaded: Any):
    engine = engine_over(tiny_loaded.model, 8)

    steps = list(engine.generate(prompt(5), SamplingParams(max_new_tokens=3)))

    assert steps[-1].finish_reason == "length"


def test_a_full_window_ends_it_without_one_token_too_many(tiny_loaded: Any):
    engine = engine_over(tiny_loaded.model, 8)

    steps = list(engine.generate(prompt(5), GREEDY))

    assert [step.finish_reason for step in steps] == [None, None, "context"]


def test_cancelled_before_the_start_reads_nothing(recording: Any):
    cancelled = threading.Event()
    cancelled.set()

    steps = list(engine_over(recording).generate(prompt(5), GREEDY, cancelled))

    assert [(step.token_id, step.finish_reason) for step in steps] == [(None, "cancelled")]
    assert recording.passes == []


def test_cancelled_within_the_prompt_reads_no_further_chunk(recording: Any):
    cancelled = threading.Event()
    recording.before_pass = lambda number: cancelled.set() if number == 1 else None

    steps = list(engine_over(recording).generate(prompt(LONG_PROMPT), GREEDY, cancelled))

    assert [(step.token_id, step.finish_reason) for step in steps] == [(None, "cancelled")]
    assert list(map(len, recording.passes)) == [PREFILL_CHUNK, PREFILL_CHUNK]


def test_cancelled_while_decoding_keeps_what_was_written(recording: Any):
    cancelled = threading.Event()
    steps = []

    for step in engine_over(recording).generate(prompt(5), GREEDY, cancelled):
        steps.append(step)
        if len(steps) == 3:
            cancelled.set()

    written = ids_of(steps)
    assert [step.finish_reason for step in steps] == [None] * len(written) + ["cancelled"]
    assert steps[-1].token_id is None
    # The engine may be a token or two ahead of who reads.
    assert 3 <= steps[-1].timings.generated_tokens == len(written) < GREEDY.max_new_tokens
    assert len(recording.passes) <= len(written) + 1


# --- many at a time -----------------------------------------------------------------------------


def test_interleaved_answers_equal_each_alone(engine: Engine):
    prompts = [prompt(LONG_PROMPT, seed=1), prompt(9, seed=2)]
    sampled = SamplingParams(max_new_tokens=24, greedy=False, temperature=2, seed=5)
    alone = [ids_of(engine.generate(ids, sampled)) for ids in prompts]

    pairs = zip(*(engine.generate(ids, sampled) for ids in prompts), strict=True)

    assert [ids_of(steps) for steps in zip(*pairs, strict=True)] == alone
    assert alone[0] != alone[1]


def test_answers_of_several_threads_equal_each_alone(engine: Engine):
    prompts = [prompt(length, seed=length) for length in (LONG_PROMPT, 3, 40, 300)]
    together: dict[int, list[int]] = {}

    def work(index: int) -> None:
        together[index] = ids_of(engine.generate(prompts[index], GREEDY))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(prompts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert together == {i: ids_of(engine.generate(p, GREEDY)) for i, p in enumerate(prompts)}


def test_an_answer_that_is_left_does_not_hold_up_the_next(engine: Engine):
    left, open_ = (engine.generate(prompt(LONG_PROMPT), GREEDY) for _ in range(2))
    next(left)
    next(open_)
    left.close()

    finished = threading.Event()
    threading.Thread(
        target=lambda: (list(engine.generate(prompt(5), GREEDY)), finished.set()), daemon=True
    ).start()

    assert finished.wait(60)


def test_an_error_in_one_pass_does_not_hold_up_the_next(recording: Any):
    def fail_once(number: int) -> None:
        recording.before_pass = lambda number: None
        raise ZeroDivisionError

    engine = engine_over(recording)
    recording.before_pass = fail_once
    with pytest.raises(EngineError, match="engine_failed"):
        list(engine.generate(prompt(5), GREEDY))

    assert len(ids_of(engine.generate(prompt(5), GREEDY))) == 24


# --- errors and timings -------------------------------------------------------------------------


def test_an_empty_prompt_is_refused(engine: Engine):
    with pytest.raises(EngineError) as caught:
        next(engine.generate([], GREEDY))
    assert caught.value.code == "empty_prompt"


@pytest.mark.parametrize("length", [8, 9])
def test_a_prompt_without_room_for_an_answer_is_refused(tiny_loaded: Any, length: int):
    with pytest.raises(EngineError) as caught:
        next(engine_over(tiny_loaded.model, 8).generate(prompt(length), GREEDY))
    assert caught.value.code == "prompt_fills_window"
    assert caught.value.values == {"tokens": length, "window": 8}


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
    ids=["accelerator", "cpu"],
)
def test_a_full_memory_is_said_with_the_tokens_that_were_read(recording: Any, error: RuntimeError):
    def fail(number: int) -> None:
        if number == 1:
            raise error

    recording.before_pass = fail
    with pytest.raises(EngineError) as caught:
        list(engine_over(recording).generate(prompt(LONG_PROMPT), GREEDY))
    assert caught.value.code == "out_of_memory"
    assert caught.value.values == {"tokens": PREFILL_CHUNK}


def test_another_error_of_torch_is_not_taken_for_a_full_memory(recording: Any):
    def fail(number: int) -> None:
        raise RuntimeError("shapes cannot be multiplied")

    recording.before_pass = fail
    with pytest.raises(EngineError, match="engine_failed"):
        list(engine_over(recording).generate(prompt(5), GREEDY))


def test_timings_count_tokens_and_only_grow(engine: Engine):
    steps = list(engine.generate(prompt(5), GREEDY))
    timings = [step.timings for step in steps]

    assert [timing.generated_tokens for timing in timings] == list(range(1, 25))
    assert {timing.prompt_tokens for timing in timings} == {5}
    assert timings[0].prompt_seconds > 0
    seconds = [timing.generation_seconds for timing in timings]
    assert seconds == sorted(seconds)
    assert timings[0].tokens_per_second is None
    assert timings[-1].tokens_per_second == pytest.approx(23 / seconds[-1])
