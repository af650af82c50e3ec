"""Nothing is computed twice: what the next turn, a regenerated or edited one, or another visitor
takes over, and that it changes no answer."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.engine.doubles import Pass, Visitor, WatchedNetwork, random_prompt, until
from yuan_demo.core.messages import Message
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.chat import Answer, ChatModel
from yuan_demo.engine.engine import Engine
from yuan_demo.engine.slots import MIN_REUSED
from yuan_demo.model.slot_rows import BLOCK

GREEDY = SamplingParams(max_new_tokens=40)
DRAWN = replace(GREEDY, greedy=False, temperature=2.0, seed=3, repetition_penalty=1.2)
LONG = "The quick brown fox jumps over the lazy dog. 你好，今天天气很好，我们去公园散步吧。" * 2

Watched = Callable[..., WatchedNetwork]
EngineOver = Callable[..., Engine]
Conversation = tuple[Message, ...]


@pytest.fixture
def chat_of(tiny_loaded: Any) -> Iterator[Callable[..., ChatModel]]:
    """Chat models over the tiny model, with so many slots."""
    chats: list[ChatModel] = []

    def build(slots: int = 4) -> ChatModel:
        chats.append(ChatModel(tiny_loaded, slots=slots))
        return chats[-1]

    yield build
    for chat in chats:
        chat.engine.close(0.0)


def ask(chat: ChatModel, messages: Conversation, params: SamplingParams = GREEDY) -> Answer:
    """The whole answer, and what may be asked for next computed."""
    *_, last = chat.answer(messages, params)
    until(lambda: chat.engine._scheduler._thread is None or is_idle(chat.engine))
    return last


def is_idle(engine: Engine) -> bool:
    scheduler = engine._scheduler
    parts = (scheduler._arrived, scheduler._spare, scheduler._waiting, scheduler._reading)
    return not any(parts) and not scheduler._writing


def turn(messages: Conversation, answer: Answer, question: str) -> Conversation:
    return (*messages, Message("assistant", answer.text), Message("user", question))


def common(a: Answer, b: Answer) -> int:
    """Tokens that two prompts begin with."""
    pairs = zip(a.fitted.prompt.input_ids, b.fitted.prompt.input_ids, strict=False)
    return next((n for n, (x, y) in enumerate(pairs) if x != y), len(a.fitted.prompt.input_ids))


def reused(answer: Answer) -> int:
    assert answer.timings is not None
    return answer.timings.reused_tokens


# --- conversations ------------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [1, 2, 4])
@pytest.mark.parametrize("params", [GREEDY, DRAWN], ids=["greedy", "drawn"])
def test_the_next_turn_computes_its_question_only(
    chat_of: Callable[..., ChatModel], slots: int, params: SamplingParams
):
    chat = chat_of(slots)
    messages: Conversation = (Message("user", LONG),)
    first = ask(chat, messages, params)
    assert reused(first) == 0
    for number in range(3):
        messages = turn(messages, first, f"好？{number}")

        answer = ask(chat, messages, params)

        prompt = answer.fitted.prompt
        question = sum(token.turn == prompt.tokens[-1].turn for token in prompt.tokens)
        # What was prepared ends where the question begins.
        assert len(prompt.input_ids) - reused(answer) <= question + 1
        fresh = ask(chat_of(1), messages, params)
        assert reused(fresh) == 0
        assert answer.token_ids == fresh.token_ids
        first = answer


def test_without_preparation_the_answer_is_read_again(chat_of: Callable[..., ChatModel]):
    # Shows what the test above would see if nothing were prepared.
    chat = chat_of()
    chat.engine.prepare = lambda input_ids: None  # type: ignore[method-assign]
    messages: Conversation = (Message("user", LONG),)
    first = ask(chat, messages)

    answer = ask(chat, turn(messages, first, "好？"))

    shared = common(first, answer)
    assert reused(answer) == shared // BLOCK * BLOCK
    assert len(answer.fitted.prompt.input_ids) - reused(answer) > len(first.token_ids)


def test_a_regenerated_answer_reuses_its_prompt(chat_of: Callable[..., ChatModel]):
    chat = chat_of()
    messages: Conversation = (Message("user", LONG),)
    first = ask(chat, messages, DRAWN)

    again = ask(chat, messages, DRAWN)
    other = ask(chat, messages, replace(DRAWN, seed=4))

    prompt = len(first.fitted.prompt.input_ids)
    assert reused(again) == reused(other) == (prompt - 1) // BLOCK * BLOCK
    assert again.token_ids == first.token_ids != other.token_ids


def test_an_edited_question_reuses_what_comes_before_it(chat_of: Callable[..., ChatModel]):
    chat = chat_of()
    messages: Conversation = (Message("user", LONG),)
    first = ask(chat, messages)
    asked = turn(messages, first, LONG)
    second = ask(chat, asked)

    edited = ask(chat, turn(messages, first, LONG[:60] + "!" + LONG[60:]))

    shared = common(second, edited)
    assert shared // BLOCK * BLOCK <= reused(edited) <= shared
    assert (
        edited.token_ids
        == ask(chat_of(1), turn(messages, first, LONG[:60] + "!" + LONG[60:])).token_ids
    )
    # And the branch that was left is still there.
    assert reused(ask(chat, asked)) >= shared // BLOCK * BLOCK


def test_two_visitors_with_the_same_beginning_share_it(chat_of: Callable[..., ChatModel]):
    chat = chat_of()
    first = ask(chat, (Message("user", LONG + "a"),))

    second = ask(chat, (Message("user", LONG + "b?"),))

    assert reused(second) == common(first, second) // BLOCK * BLOCK > MIN_REUSED
    assert second.token_ids == ask(chat_of(1), (Message("user", LONG + "b?"),)).token_ids


@pytest.mark.parametrize("params", [GREEDY, DRAWN], ids=["greedy", "drawn"])
def test_a_beginning_is_shared_while_it_is_being_written(
    watched: Watched, engine_over: EngineOver, alone: Any, params: SamplingParams
):
    network = watched(3)
    engine = engine_over(network)
    shared = random_prompt(70, 1)
    first = Visitor(engine, [*shared, 300], replace(params, max_new_tokens=150))
    until(lambda: bool(first.ids))

    others = [Visitor(engine, [*shared, 301 + n, 9], params) for n in range(2)]

    for visitor in others:
        assert visitor.join().ids == alone(visitor.prompt, params)
        assert visitor.items[-1].timings.reused_tokens == 64
    assert first.join().ids == alone(first.prompt, first.params)


# --- what is prepared ---------------------------------------------------------------------------


def test_what_is_prepared_is_there_for_the_next_prompt(watched: Watched, engine_over: EngineOver):
    network = watched(2)
    engine = engine_over(network)
    beginning = random_prompt(45, 1)
    engine.prepare(beginning)
    until(lambda: len(network.passes) == 3 and is_idle(engine))

    visitor = Visitor(engine, [*beginning, 300, 301], GREEDY).join()

    assert visitor.items[-1].timings.reused_tokens == 45
    assert network.passes[3].ids == (300, 301)


def test_preparing_makes_way_as_soon_as_somebody_waits(watched: Watched, engine_over: EngineOver):
    network = watched(1)
    engine = engine_over(network)
    visitors: list[Visitor] = []

    def before(number: int, made: Pass) -> None:
        if number == 1:
            visitors.append(Visitor(engine, random_prompt(16, 2), GREEDY))
            until(lambda: engine.status.waiting == 1)

    network.before = before
    engine.prepare(random_prompt(200, 1))
    until(lambda: bool(visitors))
    visitors[0].join()

    assert network.passes[2].ids == tuple(visitors[0].prompt)
    assert visitors[0].places == []


def test_nothing_is_prepared_while_somebody_is_answered(watched: Watched, engine_over: EngineOver):
    network = watched(3)
    engine = engine_over(network)
    beginning = random_prompt(30, 5)

    def before(number: int, made: Pass) -> None:
        if number == 2:
            engine.prepare(beginning)

    network.before = before
    Visitor(engine, random_prompt(9, 1), GREEDY).join()
    until(lambda: is_idle(engine))

    kinds = [made.kind for made in network.passes]
    assert kinds == ["prefill"] + ["decode"] * 39 + ["prefill"] * 2
    assert network.passes[-2].ids + network.passes[-1].ids == tuple(beginning)


def test_only_so_much_is_prepared_as_there_are_slots(watched: Watched, engine_over: EngineOver):
    network = watched(2)
    engine = engine_over(network)
    beginnings = [random_prompt(16, n) for n in range(6)]

    def before(number: int, made: Pass) -> None:
        if number == 2:
            for beginning in beginnings:
                engine.prepare(beginning)

    network.before = before
    Visitor(engine, random_prompt(9, 9), GREEDY).join()
    until(lambda: is_idle(engine))

    # The latest first: it is the likeliest to be asked for.
    prepared = [made.ids for made in network.passes if made.kind == "prefill"][1:]
    assert prepared == [tuple(beginnings[5]), tuple(beginnings[4])]


def test_nothing_is_prepared_without_a_way_back(recording: Any, engine_over: EngineOver):
    from yuan_demo.engine.networks import network_of

    engine = engine_over(network_of(recording, 256))
    engine.prepare(random_prompt(30, 1))

    Visitor(engine, random_prompt(9, 1), GREEDY).join()

    assert recording.ids[:9] == random_prompt(9, 1)


# --- readings -----------------------------------------------------------------------------------


def test_a_reading_takes_over_what_was_answered_and_says_the_same(
    watched: Watched, engine_over: EngineOver
):
    network = watched(2)
    engine = engine_over(network)
    prompt = random_prompt(50, 1)
    fresh = engine.read(prompt, [300, 301, 302], 4)
    Visitor(engine, prompt, GREEDY).join()
    passes = len(network.passes)

    again = engine.read(prompt, [300, 301, 302], 4)

    assert fresh is not None
    assert again is not None
    assert [token for token, _ in again.best] == [token for token, _ in fresh.best]
    assert again.logprobs == pytest.approx(fresh.logprobs, abs=1e-4)
    computed = sum(len(made.ids) for made in network.passes[passes:])
    assert computed == 50 - 48 + 2
