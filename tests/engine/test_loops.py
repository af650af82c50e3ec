"""An answer that repeats itself: told while it comes, and stopped where that is asked for."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from yuan_demo.core.loops import STUCK_TOKENS, Loop
from yuan_demo.core.messages import Message
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.chat import Answer, ChatModel

HELLO = (Message("user", "你好"),)
PERIOD = [300, 301, 302, 303, 304]


@pytest.fixture
def writing(
    tiny_loaded: Any, scripted: Callable[[Sequence[int]], Any]
) -> Callable[[Sequence[int]], ChatModel]:
    """A chat model that writes the ids given."""
    return lambda ids: ChatModel(replace(tiny_loaded, model=scripted(ids)))


def answers(chat: ChatModel, **settings: Any) -> list[Answer]:
    return list(chat.answer(HELLO, SamplingParams(**{"max_new_tokens": 60} | settings)))


def test_a_loop_is_told_at_the_token_that_closes_it(writing: Any):
    told = answers(writing([290, 291, *PERIOD * 20]))

    first = next(answer for answer in told if answer.loops)
    assert len(first.token_ids) == 2 + 15
    assert first.loops == (Loop(2, 5, 17),)
    # Without the setting it goes on, and the loop grows.
    assert told[-1].finish_reason == "length"
    assert told[-1].loops == (Loop(2, 5, 60),)


def test_it_stops_there_if_it_is_asked_to_and_the_text_is_whole(writing: Any):
    chat = writing([290, 291, *PERIOD * 20])

    answer = answers(chat, stop_at_loop=True)[-1]

    assert answer.finish_reason == "loop"
    assert len(answer.token_ids) == len(answer.scores) == 2 + STUCK_TOKENS
    assert answer.text == chat.tokenizer.decode(answer.token_ids)


def test_the_next_answer_finds_the_engine_free(tiny_loaded: Any, writing: Any):
    chat = writing([*PERIOD * 5, 300, 301, 302, tiny_loaded.tokenizer.eod_token_id] + [310] * 60)
    answers(chat, stop_at_loop=True)

    assert answers(chat)[-1].finish_reason in ("stop", "length")
    assert chat.engine.status.waiting == 0


def test_lines_and_indentation_are_meant_to_repeat(tiny_loaded: Any, writing: Any):
    dash = tiny_loaded.tokenizer.encode("-")
    answer = answers(writing(dash[-1:] * 60), stop_at_loop=True)[-1]

    assert answer.loops == ()
    assert answer.finish_reason == "length"
