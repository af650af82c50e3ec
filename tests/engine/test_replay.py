import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.engine.conftest import RecordingModel
from tests.traces import make_trace, tokens_of
from yuan_demo.core.generation import GenerationStep, InLine, Timings, TokenScores
from yuan_demo.core.messages import Message
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.core.trace import Trace, TraceScore
from yuan_demo.engine.chat import Answer, ChatModel
from yuan_demo.engine.replay import MAX_RETREATS, Replay, replay, text_of

WILD = SamplingParams(
    30, greedy=False, temperature=1.5, top_k=20, top_p=0.95, repetition_penalty=1.2, seed=5
)


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


TENFOLD = make_trace(answer=tokens_of(*[7] * 10), scores=(TraceScore(-1.0, 1, 0.0, 0.0, ()),) * 10)
SCORES = TokenScores(-1.0, 1, 0.0, -9.0, (), (), ())


class Crowded:
    """An engine in whose line somebody stands whenever it has given so many tokens."""

    def __init__(self, tokens: int) -> None:
        self._tokens = tokens
        self.begun = self.looks = 0
        self._waiting = False

    @property
    def status(self) -> Any:
        self.looks += 1
        waits, self._waiting = self._waiting, False
        return SimpleNamespace(waiting=int(waits), running=0, slots=1)

    def generate(self, *_: Any, begun: Any = ()) -> Any:
        self.begun += 1
        self.given = begun
        yield InLine(1)
        for number in range(10):
            self._waiting = number == self._tokens
            yield GenerationStep(7, "length" if number == 9 else None, Timings(1, 0.0), SCORES)


def test_it_makes_way_for_others_and_begins_anew_but_not_for_ever():
    engine = Crowded(tokens=4)

    told = list(replay(engine, TENFOLD, threading.Event()))

    assert engine.begun == MAX_RETREATS + 1
    assert (told[-1].agreed, told[-1].finish) == (10, "stop")
    assert any(each.is_waiting for each in told)


def test_what_a_branch_was_given_is_given_again_and_not_generated():
    engine = Crowded(tokens=-1)
    branch = replace(
        TENFOLD,
        answer=tokens_of(5, 6, *[7] * 10),
        scores=(*TENFOLD.scores[:2], *TENFOLD.scores),
        begun=2,
    )

    *_, end = replay(engine, branch, threading.Event())

    assert engine.given == (5, 6)
    assert (end.agreed, end.finish) == (12, "stop")


@pytest.mark.parametrize(("waiting", "running"), [(1, 0), (0, 2)])
def test_it_does_not_begin_while_others_need_the_slots(waiting: int, running: int):
    cancelled = threading.Event()
    status = SimpleNamespace(waiting=waiting, running=running, slots=2)
    engine = SimpleNamespace(status=status, generate=None)

    steps = replay(engine, TENFOLD, cancelled)
    assert next(steps) == Replay(is_waiting=True)
    assert next(steps) == Replay(is_waiting=True)
    steps.close()


def test_the_text_of_ids_is_that_of_the_chat(chat: ChatModel):
    for seed in range(8):
        answer = answered(chat, replace(WILD, seed=seed))
        assert text_of(answer.token_ids, chat.tokenizer) == answer.text
