"""An answer that begins with given ids goes on as if the model had written these itself."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.engine.conftest import RecordingModel
from tests.engine.doubles import (
    AheadStepper,
    Visitor,
    WatchedNetwork,
    random_params,
    random_prompt,
    until,
)
from yuan_demo.core.errors import EngineError, PromptError
from yuan_demo.core.messages import Message
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.chat import Answer, ChatModel
from yuan_demo.engine.engine import Engine
from yuan_demo.engine.stepper import Stepper

HELLO = (Message("user", "你好"),)
GREEDY = SamplingParams(max_new_tokens=40)
WILD = SamplingParams(
    40, greedy=False, temperature=1.6, top_k=0, top_p=0.95, repetition_penalty=1.3, seed=5
)
EITHER = pytest.mark.parametrize("params", [GREEDY, WILD], ids=["greedy", "sampled"])


@pytest.fixture
def chat(tiny_loaded: Any) -> ChatModel:
    return ChatModel(tiny_loaded)


def last(chat: ChatModel, params: SamplingParams, begun: Sequence[int] = ()) -> Answer:
    *_, answer = chat.answer(HELLO, params, begun=begun)
    return answer


@EITHER
@pytest.mark.parametrize("kept", [1, 2, 17, 39])
def test_the_very_tokens_chosen_give_the_same_answer_again(
    chat: ChatModel, params: SamplingParams, kept: int
):
    whole = last(chat, params)
    assert len(whole.token_ids) == 40

    branch = last(chat, params, whole.token_ids[:kept])

    assert branch.token_ids == whole.token_ids
    assert (branch.text, branch.loops) == (whole.text, whole.loops)
    assert (branch.finish_reason, branch.seed) == ("length", whole.seed)
    assert branch.begun == kept
    assert [each.rank for each in branch.scores] == [each.rank for each in whole.scores[kept:]]


@EITHER
def test_a_branch_is_what_generating_from_its_ids_afresh_gives(
    tiny_loaded: Any, params: SamplingParams
):
    """Against transformers-shaped full passes, without a cache, with the engine's random numbers.

    The sampled one has a penalty, which counts the tokens of the beginning as well.
    """
    from yuan_demo.engine.sampler import SamplingRows, draws, sample

    chat = ChatModel(tiny_loaded)
    whole = last(chat, params)
    other = next(
        each for each in whole.scores[3].candidate_ids[1:] if each != chat.tokenizer.eod_token_id
    )
    begun = [*whole.token_ids[:3], other]

    branch = last(chat, params, begun)

    prompt, ids = branch.fitted.prompt.input_ids, list(begun)
    numbers = draws(params, params.max_new_tokens)
    rows = SamplingRows.of([params], torch.device("cpu"))
    while len(ids) < 40 and ids[-1] != chat.tokenizer.eod_token_id:
        with torch.inference_mode():
            every = torch.tensor([[*prompt, *ids]])
            logits = tiny_loaded.model(input_ids=every, use_cache=False).logits[0, -1:]
        seen = torch.zeros_like(logits, dtype=torch.bool)
        seen[0, every[0]] = True
        seen = seen if params.repetition_penalty != 1 else None
        draw = numbers[len(ids), None]
        packed = sample(logits, rows, draw, 1, seen=seen, wide=not params.greedy)
        ids.append(int(packed[0, 0]))
    assert list(branch.token_ids) == ids
    assert branch.token_ids[:4] != whole.token_ids[:4]


def test_branches_are_the_same_whoever_else_is_there(
    watched: Callable[..., WatchedNetwork], engine_over: Callable[..., Engine]
):
    rng = random.Random(8)
    asked = []
    for number in range(12):
        prompt, params = random_prompt(rng.randint(2, 60), number), random_params(rng, 24)
        asked.append((prompt, params, tuple(random_prompt(rng.randint(1, 20), 90 + number))))

    def ids_of(engine: Engine, prompt: Any, params: Any, begun: Any) -> list[int]:
        return [step.token_id for step in engine.generate(prompt, params, begun=begun)]

    lonely = [ids_of(engine_over(watched(1), chunk=512), *each) for each in asked]
    engine = engine_over(watched(3))
    visitors = [Visitor(engine, *each[:2], begun=each[2]) for each in asked]

    assert [each.join().ids for each in visitors] == lonely
    assert [len(ids) for ids in lonely] == [24 - len(begun) for *_, begun in asked]


def test_only_what_follows_is_computed_and_counted(tiny_loaded: Any):
    model = RecordingModel(tiny_loaded.model)
    chat = ChatModel(replace(tiny_loaded, model=model))
    whole = last(chat, GREEDY)
    prompt = len(whole.fitted.prompt.input_ids)
    model.passes.clear()

    branch = last(chat, GREEDY, whole.token_ids[:30])

    read = [token_id for ids in model.passes for token_id in ids]
    assert read[: prompt + 30] == [*whole.fitted.prompt.input_ids, *whole.token_ids[:30]]
    assert branch.timings.generated_tokens == 10
    assert branch.timings.prompt_tokens == prompt + 30
    assert branch.timings.prompt_seconds > 0


def test_the_cache_of_the_answer_is_reused(chat: ChatModel):
    whole = last(chat, GREEDY)
    branch = last(chat, GREEDY, whole.token_ids[:32])

    reused = branch.timings.reused_tokens
    assert 16 <= reused < len(whole.fitted.prompt.input_ids) + 32


def test_the_end_chosen_ends_it_at_once(tiny_loaded: Any):
    model = RecordingModel(tiny_loaded.model)
    chat = ChatModel(replace(tiny_loaded, model=model))
    begun = [*last(chat, GREEDY).token_ids[:5], chat.tokenizer.eod_token_id]
    model.passes.clear()

    answers = list(chat.answer(HELLO, GREEDY, begun=begun))

    assert [each.finish_reason for each in answers] == ["stop"]
    assert answers[0].token_ids == tuple(begun)
    assert answers[0].text == chat.tokenizer.decode(begun, skip_special_tokens=True)
    assert model.passes == []


def test_a_beginning_as_long_as_the_answer_may_be_ends_it_and_a_longer_one_is_refused(
    chat: ChatModel,
):
    ids = last(chat, GREEDY).token_ids

    assert last(chat, replace(GREEDY, max_new_tokens=5), ids[:5]).finish_reason == "length"
    with pytest.raises(PromptError, match="beginning_too_long"):
        last(chat, replace(GREEDY, max_new_tokens=5), ids[:6])


def test_text_of_the_beginning_stands_there_from_the_first_on(chat: ChatModel):
    ids = [*chat.tokenizer.encode("天气好龘"), 300]

    first, *_, end = chat.answer(HELLO, WILD, begun=ids)

    assert (first.token_ids, first.scores, first.begun) == (tuple(ids), (), len(ids))
    assert first.text.startswith("天气好龘")
    told = [each for each in end.token_ids if each != chat.tokenizer.eod_token_id]
    assert end.text == chat.tokenizer.decode(told, skip_special_tokens=True)


def test_a_loop_that_begins_in_the_beginning_is_found(chat: ChatModel):
    stretch = chat.tokenizer.encode("天气好你")
    begun = (stretch * 8)[:30]

    looping = last(chat, replace(GREEDY, stop_at_loop=True), begun)
    assert looping.loops[0].start == 0
    assert looping.finish_reason == "loop"
    assert looping.token_ids == tuple(begun)


def test_a_beginning_that_fills_the_window_is_refused(
    watched: Callable[..., WatchedNetwork], engine_over: Callable[..., Engine]
):
    engine = engine_over(watched(1))
    with pytest.raises(EngineError, match="prompt_fills_window"):
        next(engine.generate([300] * 10, SamplingParams(900), begun=[300] * 247))


def test_a_failed_pass_is_computed_again_with_the_beginning(
    watched: Callable[..., WatchedNetwork], engine_over: Callable[..., Engine]
):
    prompt, begun, params = random_prompt(30, 1), random_prompt(20, 2), replace(WILD, seed=3)
    expected = list(engine_over(watched(1)).generate(prompt, params, begun=begun))
    network = watched(1)

    def fail(number: int, made: Any) -> None:
        if made.kind == "decode" and number == 9:
            raise RuntimeError("cannot be stepped so")

    network.before = fail
    # This one gives up its way of stepping, and all are computed again.
    engine = engine_over(network, AheadStepper(network, can_simplify=True))

    visitor = Visitor(engine, prompt, params, begun=begun).join()

    assert visitor.ids == [step.token_id for step in expected]
    assert engine._stepper.simplified == 1


def test_what_is_no_chat_waits_behind_chats(
    watched: Callable[..., WatchedNetwork], engine_over: Callable[..., Engine]
):
    network = watched(1)
    engine = engine_over(network)
    holding, go_on = Visitor(engine, random_prompt(20, 1), GREEDY), []
    network.before = lambda number, made: until(lambda: bool(go_on)) if number > 3 else None
    until(lambda: len(holding.ids) > 0)
    aside = Visitor(engine, random_prompt(20, 2), GREEDY, is_aside=True)
    until(lambda: engine.status.waiting == 1)
    chat = Visitor(engine, random_prompt(20, 3), GREEDY)
    until(lambda: engine.status.waiting == 2)
    go_on.append(True)

    for visitor in (holding, chat, aside):
        visitor.join()
    assert aside.places[-1] == 1
    assert max(aside.places) == 2
    assert chat.places == [1]


@pytest.mark.parametrize("stepper", [Stepper, AheadStepper])
def test_what_is_no_chat_gives_its_slot_back_and_goes_on_where_it_was(
    watched: Callable[..., WatchedNetwork],
    engine_over: Callable[..., Engine],
    alone: Callable[..., list[int]],
    stepper: type[Stepper],
):
    network = watched(2)
    engine = engine_over(network, stepper)
    go_on: list[bool] = []

    def hold(number: int, made: Any) -> None:
        # Both begin together, and neither is done before the chats have come.
        if number == 0:
            until(lambda: engine.status.waiting + engine.status.running >= 2)
        if number > 12:
            until(lambda: bool(go_on))

    network.before = hold
    asides = [
        Visitor(engine, random_prompt(20, number), replace(WILD, seed=number), is_aside=True)
        for number in (1, 2)
    ]
    until(lambda: all(aside.ids for aside in asides))
    chats = [
        Visitor(engine, random_prompt(30, number), replace(WILD, seed=number))
        for number in (3, 4, 5)
    ]
    until(lambda: engine.status.waiting + engine.status.running >= 5)
    go_on.append(True)

    for visitor in (*chats, *asides):
        visitor.join()
    for visitor in (*chats, *asides):
        assert visitor.ids == alone(visitor.prompt, visitor.params)
    # They were put back in line, and the chats did not wait for them.
    assert all(aside.places for aside in asides)
    ended = {id(each): each.items[-1].timings for each in (*chats, *asides)}
    assert all(timings.prompt_seconds >= 0 for timings in ended.values())
    assert chats[0].places in ([], [1])


def test_what_is_no_chat_keeps_its_slot_for_another_of_its_kind(
    watched: Callable[..., WatchedNetwork], engine_over: Callable[..., Engine]
):
    engine = engine_over(watched(1))
    one = Visitor(engine, random_prompt(20, 1), GREEDY, is_aside=True)
    until(lambda: len(one.ids) > 0)
    two = Visitor(engine, random_prompt(20, 2), GREEDY, is_aside=True)

    assert len(one.join().ids) == len(two.join().ids) == 40
    assert one.places == []


@pytest.mark.parametrize("is_aside", [False, True])
def test_nothing_is_prepared_behind_what_is_no_chat(
    chat: ChatModel, monkeypatch: pytest.MonkeyPatch, is_aside: bool
):
    prepared: list[Any] = []
    monkeypatch.setattr(chat.engine, "prepare", prepared.append)

    list(chat.answer(HELLO, GREEDY, is_aside=is_aside))

    assert len(prepared) == (not is_aside)
