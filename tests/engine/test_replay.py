import threading
from dataclasses import replace
from typing import Any

import pytest

from tests.engine.conftest import RecordingModel
from tests.traces import make_trace, tokens_of
from yuan_demo.core.messages import Message
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.core.trace import Trace, TraceScore
from yuan_demo.engine.chat import Answer, ChatModel
from yuan_demo.engine.replay import Replay, replay, text_of

WILD = SamplingParams(
    30, greedy=False, temperature=1.5, top_k=20, top_p=0.95, repetition_penalty=1.2, seed=5
)
NO_SCORE = TraceScore(-1.0, 1, 0.0, 0.0, ())


@pytest.fixture
def chat(tiny_loaded: Any) -> ChatModel:
    return ChatModel(tiny_loaded)


def answered(chat: ChatModel, params: SamplingParams) -> Answer:
    *_, answer = chat.answer([Message("user", "你好")], params)
    return answer


def trace_of(answer: Answer, **changes: Any) -> Trace:
    scores = tuple(TraceScore(each.logprob, 1, 0.0, 0.0, ()) for each in answer.scores)
    return make_trace(
        prompt=tokens_of(*answer.fitted.prompt.input_ids),
        answer=tokens_of(*answer.token_ids),
        scores=scores,
        settings=replace(answer.params, **changes),
    )


def again(chat: ChatModel, answer: Answer, **changes: Any) -> list[Replay]:
    return list(replay(chat.engine, trace_of(answer, **changes), threading.Event()))


@pytest.mark.parametrize("params", [WILD, SamplingParams(30)], ids=["sampled", "greedy"])
def test_the_same_model_and_settings_give_the_same_ids(chat: ChatModel, params: SamplingParams):
    answer = answered(chat, params)

    *_, end = again(chat, answer)

    assert (end.agreed, end.finish, end.token_id) == (len(answer.token_ids), "stop", None)
    assert end.largest_change < 1e-4


def test_another_seed_is_told_at_the_first_token_that_differs(chat: ChatModel):
    answer = answered(chat, WILD)
    other = answered(chat, replace(WILD, seed=6))
    pairs = zip(answer.token_ids, other.token_ids, strict=False)
    first = next(place for place, (one, two) in enumerate(pairs) if one != two)

    *before, end = again(chat, answer, seed=6)

    assert (end.agreed, end.token_id, end.finish) == (first, other.token_ids[first], "stop")
    assert end.scores.logprob == pytest.approx(other.scores[first].logprob, abs=1e-5)
    assert [each.agreed for each in before if not each.is_waiting] == list(range(1, first + 1))


def test_an_answer_that_was_stopped_is_generated_as_far_as_it_had_come(chat: ChatModel):
    whole = answered(chat, WILD)
    part = replace(whole, token_ids=whole.token_ids[:7], scores=whole.scores[:7])

    *_, end = again(chat, part)

    assert (end.agreed, end.finish) == (7, "stop")


def test_it_is_cut_short_by_no_shorter_limit(chat: ChatModel):
    *_, end = again(chat, answered(chat, WILD), max_new_tokens=3)

    assert end.agreed == 30


def test_stopping_ends_it_before_the_next_pass(tiny_loaded: Any):
    model = RecordingModel(tiny_loaded.model)
    chat = ChatModel(replace(tiny_loaded, model=model))
    answer = answered(chat, WILD)
    cancelled = threading.Event()
    passes = len(model.passes)
    model.before_pass = lambda number: cancelled.set() if number == passes + 4 else None

    *_, end = replay(chat.engine, trace_of(answer), cancelled)

    assert end.finish == "cancelled"
    assert end.agreed < 30


@pytest.mark.parametrize("params", [WILD, SamplingParams(30)], ids=["sampled", "greedy"])
def test_what_a_branch_was_given_is_given_again_and_not_generated(
    chat: ChatModel, params: SamplingParams
):
    asked = [Message("user", "你好")]
    *_, branch = chat.answer(asked, params, begun=(270, 277, 284))
    trace = replace(trace_of(branch), scores=(NO_SCORE,) * 3 + trace_of(branch).scores, begun=3)

    first, *_, end = replay(chat.engine, trace, threading.Event())

    assert first.agreed == 4
    assert (end.agreed, end.finish) == (len(branch.token_ids), "stop")


def test_the_text_of_ids_is_that_of_the_chat(chat: ChatModel):
    for seed in range(8):
        answer = answered(chat, replace(WILD, seed=seed))
        assert text_of(answer.token_ids, chat.tokenizer) == answer.text
