import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from yuan_demo.core.control_tokens import CUT_TOKENS
from yuan_demo.core.errors import PromptError, SamplingError
from yuan_demo.core.messages import Message
from yuan_demo.core.options import PromptOptions
from yuan_demo.core.prompt import Origin
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.chat import MIN_PROMPT_ROOM, ChatModel
from yuan_demo.model.checkpoint import GenerationDefaults

HELLO = (Message("user", "你好"),)
WILD = SamplingParams(max_new_tokens=60, greedy=False, temperature=5, top_k=0, top_p=1, seed=1)


def options(reserved: Any) -> PromptOptions:
    return PromptOptions(1024, reserved)


@pytest.fixture
def chat(tiny_loaded: Any) -> ChatModel:
    return ChatModel(tiny_loaded)


@pytest.fixture
def writing(
    tiny_loaded: Any, scripted: Callable[[Sequence[int]], Any]
) -> Callable[[Sequence[int]], ChatModel]:
    """A chat model that writes the ids given."""
    return lambda ids: ChatModel(replace(tiny_loaded, model=scripted(ids)))


# --- what the panel shows is what the model gets ------------------------------------------------


def test_the_ids_shown_are_the_ids_that_the_model_reads(
    tiny_loaded: Any, recording: Any, random_conversation: Callable[[random.Random], Any]
):
    chat = ChatModel(replace(tiny_loaded, model=recording), context_window=180)
    params = SamplingParams(max_new_tokens=20)
    rng = random.Random(21)
    dropped = 0
    for _ in range(20):
        recording.passes.clear()

        *_, answer = chat.answer(random_conversation(rng), params)

        shown = answer.fitted.prompt.input_ids + chat.spell(answer).input_ids
        read = recording.ids
        assert list(shown[: len(read)]) == read
        assert len(shown) - len(read) == 1  # the last token, which nothing follows
        dropped += len(answer.fitted.dropped)
    assert dropped > 10


def test_what_is_fitted_beforehand_is_what_is_sent(
    chat: ChatModel, random_conversation: Callable[[random.Random], Any]
):
    rng = random.Random(22)
    for _ in range(20):
        messages = random_conversation(rng)

        sent = next(chat.answer(messages, SamplingParams(max_new_tokens=900))).fitted

        assert sent == chat.fit(messages, options(900))


def test_a_typed_control_token_never_reaches_the_model_as_one(tiny_loaded: Any, recording: Any):
    chat = ChatModel(replace(tiny_loaded, model=recording))
    typed = "a".join(CUT_TOKENS)
    messages = (Message("user", typed), Message("assistant", typed), Message("user", typed))

    list(chat.answer(messages, SamplingParams(max_new_tokens=1)))

    control_ids = {chat.tokenizer.control_token_id(name) for name in CUT_TOKENS}
    assert [token_id for token_id in recording.ids if token_id in control_ids] == [
        chat.tokenizer.control_token_id("<sep>")
    ]


def test_the_prompt_comes_before_the_model_reads_it(tiny_loaded: Any, recording: Any):
    answers = ChatModel(replace(tiny_loaded, model=recording)).answer(HELLO, WILD)

    first = next(answers)

    assert first.fitted.prompt.text == "你好<sep>"
    assert (first.token_ids, first.text, first.finish_reason) == ((), "", None)
    assert recording.passes == []


# --- text ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_streamed_text_only_grows_and_is_the_decoded_ids(chat: ChatModel, seed: int):
    answers = list(chat.answer(HELLO, replace(WILD, seed=seed)))

    for before, after in pairwise(answers):
        assert after.text.startswith(before.text)
        assert after.token_ids[: len(before.token_ids)] == before.token_ids
    last = answers[-1]
    ids = [i for i in last.token_ids if i != chat.tokenizer.eod_token_id]
    assert last.text == chat.tokenizer.decode(ids, skip_special_tokens=True)
    assert [answer.finish_reason for answer in answers[:-1]] == [None] * (len(answers) - 1)
    assert last.finish_reason


def test_a_character_of_several_bytes_arrives_whole(
    chat: ChatModel, writing: Callable[[Sequence[int]], ChatModel]
):
    ids = [*chat.tokenizer.encode("好龘"), chat.tokenizer.eod_token_id]

    texts = [answer.text for answer in writing(ids).answer(HELLO, WILD)]

    assert texts[-1] == "好龘"
    assert {"", "好", "好龘"} >= set(texts)


def test_bytes_that_are_no_character_come_out_at_the_end(
    chat: ChatModel, writing: Callable[[Sequence[int]], ChatModel]
):
    ids = [chat.tokenizer.convert_tokens_to_ids("<0xE9>"), chat.tokenizer.eod_token_id]

    assert [answer.text for answer in writing(ids).answer(HELLO, WILD)] == ["", "", "\ufffd"]


def test_eod_is_among_the_ids_and_not_in_the_text(
    chat: ChatModel, writing: Callable[[Sequence[int]], ChatModel]
):
    ids = [*chat.tokenizer.encode("好"), chat.tokenizer.eod_token_id]

    *_, last = writing(ids).answer(HELLO, WILD)

    assert list(last.token_ids) == ids
    assert (last.text, last.finish_reason) == ("好", "stop")


def test_an_answer_is_spelled_behind_its_prompt(
    chat: ChatModel, writing: Callable[[Sequence[int]], ChatModel]
):
    ids = [*chat.tokenizer.encode("好"), chat.tokenizer.eod_token_id]
    model = writing(ids)
    *_, last = model.answer((Message("user", "a"), Message("assistant", "b"), *HELLO), WILD)

    spelled = model.spell(last)

    assert list(spelled.input_ids) == ids
    assert spelled.tokens[0].position == len(last.fitted.prompt.tokens)
    assert {token.turn for token in spelled.tokens} == {2}
    assert spelled.tokens[-1].origin is Origin.CONTROL


def test_a_stopped_answer_keeps_its_text(chat: ChatModel):
    cancelled = threading.Event()
    answers = []
    for answer in chat.answer(HELLO, WILD, cancelled=cancelled):
        answers.append(answer)
        if len(answer.token_ids) == 5:
            cancelled.set()

    last = answers[-1]
    assert last.finish_reason == "cancelled"
    # What was computed before the stop was noticed is kept as well.
    assert 5 <= len(last.token_ids) < WILD.max_new_tokens
    assert last.text == chat.tokenizer.decode(last.token_ids, skip_special_tokens=True)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("messages", [(), (Message("user", " \n\t"),), (Message("user", ""),)])
def test_nothing_visible_is_refused(chat: ChatModel, messages: tuple[Message, ...]):
    with pytest.raises(PromptError) as caught:
        next(chat.answer(messages, WILD))
    assert caught.value.code == "empty_message"


def test_a_message_too_long_is_refused_before_the_model_reads(tiny_loaded: Any, recording: Any):
    chat = ChatModel(replace(tiny_loaded, model=recording), context_window=100)

    with pytest.raises(PromptError) as caught:
        list(chat.answer((Message("user", "好" * 100),), SamplingParams(max_new_tokens=20)))

    assert caught.value.code == "message_beyond_window"
    assert recording.passes == []


def test_a_reservation_must_leave_room_for_a_prompt(chat: ChatModel):
    assert chat.max_reserved == 1024 - MIN_PROMPT_ROOM
    chat.fit(HELLO, options(chat.max_reserved))

    with pytest.raises(PromptError) as caught:
        chat.fit(HELLO, options(chat.max_reserved + 1))
    assert caught.value.values == {"reserved": 993, "limit": 992, "window": 1024}


@pytest.mark.parametrize("reserved", [0, -5, 1.5, float("nan"), "20", None])
def test_a_reservation_is_a_number_of_tokens(chat: ChatModel, reserved: Any):
    with pytest.raises(SamplingError) as caught:
        chat.fit(HELLO, options(reserved))
    assert caught.value.code == "setting_not_whole"


def test_a_whole_reservation_may_come_as_a_float(chat: ChatModel):
    assert chat.fit(HELLO, options(20.0)) == chat.fit(HELLO, options(20))
    assert isinstance(chat.fit(HELLO, options(20.0)).budget.reserved, int)


def test_an_answer_that_was_begun_never_runs_out_of_window(chat: ChatModel):
    # As much is reserved as the question leaves, to the token.
    tokens = chat.fit((Message("user", "好" * 500),), options(100)).budget.message
    room = chat.context_window - tokens
    params = SamplingParams(max_new_tokens=room, greedy=False, temperature=5, top_k=0, seed=3)

    *_, last = chat.answer((Message("user", "好" * 500),), params)

    assert last.fitted.budget.free == 0
    assert last.finish_reason in ("length", "stop")


# --- window and settings ------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "given"), [(None, 1024), (100, 100), (5000, 1024)])
def test_the_window_is_no_larger_than_the_model_allows(
    tiny_loaded: Any, asked: int | None, given: int
):
    assert ChatModel(tiny_loaded, asked).context_window == given


def with_defaults(loaded: Any, window: int | None = None, **values: Any) -> SamplingParams:
    loaded = replace(loaded, generation_defaults=GenerationDefaults(**values))
    return ChatModel(loaded, window).default_params


def test_settings_begin_where_the_model_asks(tiny_loaded: Any):
    asked = {
        "temperature": 1.2,
        "top_k": 5,
        "top_p": 0.8,
        "repetition_penalty": 1.1,
        "max_new_tokens": 99,
    }

    assert with_defaults(tiny_loaded, do_sample=True, **asked) == SamplingParams(
        greedy=False, **asked
    )
    assert with_defaults(tiny_loaded, do_sample=False).greedy
    assert with_defaults(tiny_loaded) == SamplingParams()


def test_a_default_that_no_setting_can_have_is_left_out(tiny_loaded: Any):
    params = with_defaults(tiny_loaded, temperature=0, top_k=-1, top_p=0.8, do_sample=False)

    assert params == SamplingParams(top_p=0.8)


def test_the_longest_answer_leaves_most_of_a_small_window_to_the_prompt(tiny_loaded: Any):
    assert with_defaults(tiny_loaded, window=64, max_new_tokens=1000).max_new_tokens == 16
