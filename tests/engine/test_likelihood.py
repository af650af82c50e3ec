"""What the model says next and how likely it finds an answer, against one plain forward pass."""

import threading
from dataclasses import replace
from typing import Any

import pytest
import torch

from yuan_demo.core.errors import EngineError, PromptError
from yuan_demo.core.formats import FORMATS, PromptFormat
from yuan_demo.core.messages import Message
from yuan_demo.core.options import Loading
from yuan_demo.engine.chat import ChatModel
from yuan_demo.engine.likelihood import NEXT_TOKENS, likelihood

TALK = (Message("user", "你好"), Message("assistant", "您好。"), Message("user", "天气？"))
ANSWER = "天气很好，明月。" * 60


@pytest.fixture
def chat(tiny_loaded: Any) -> ChatModel:
    return ChatModel(tiny_loaded)


def plain_logprobs(chat: ChatModel, ids: list[int]) -> torch.Tensor:
    """Row t: log-probabilities of the token behind the first t + 1 ids."""
    with torch.inference_mode():
        return chat.loaded.model(torch.tensor([ids])).logits[0].log_softmax(-1)


@pytest.mark.parametrize("name", FORMATS)
def test_an_answer_is_as_likely_as_one_forward_pass_says(chat: ChatModel, name: str):
    fitted = chat.fit(TALK, replace(chat.default_options, format=FORMATS[name]))

    rated = likelihood(chat, fitted, ANSWER)

    answer = chat.tokenizer.convert_tokens_to_ids(list(rated.pieces))
    prompt = list(fitted.prompt.input_ids)
    rows = plain_logprobs(chat, prompt + answer)
    expected = [rows[len(prompt) - 1 + i, token].item() for i, token in enumerate(answer)]
    assert len(answer) > 256, "the answer is read in several chunks"
    assert rated.pieces[-1] == "<eod>"
    assert list(rated.logprobs) == pytest.approx(expected, abs=1e-4)
    assert rated.mean_logprob == pytest.approx(sum(expected) / len(expected), abs=1e-4)

    best = rows[len(prompt) - 1].exp().topk(NEXT_TOKENS)
    assert [c.token_id for c in rated.candidates] == best.indices.tolist()
    assert [c.probability for c in rated.candidates] == pytest.approx(
        best.values.tolist(), abs=1e-5
    )


def test_the_rated_ids_are_those_that_follow_the_prompt_in_one_encoding(chat: ChatModel):
    def first_piece(prompt_format: PromptFormat) -> str:
        fitted = chat.fit(TALK, replace(chat.default_options, format=prompt_format))
        return likelihood(chat, fitted, "天气").pieces[0]

    # Behind a control token a stretch begins, with a space mark of its own.
    assert first_piece(FORMATS["n_join"]).startswith("▁")
    # Behind text it goes on: there is none.
    tight = PromptFormat("custom", "U:{user}\nA:{assistant}\n", "U:{user}\nA:")
    assert not first_piece(tight).startswith("▁")
    # Earlier answers stand behind `Assistant: `; the blank is part of the answer.
    assert first_piece(FORMATS["roles"]).startswith("▁")


@pytest.mark.parametrize("loading", Loading)
def test_every_way_to_load_the_tokenizer_can_be_rated(chat: ChatModel, loading: Loading):
    rated = likelihood(chat, chat.fit(TALK, replace(chat.default_options, loading=loading)), "好")

    assert len(rated.logprobs) == len(rated.pieces) > 1


def test_without_an_answer_only_the_next_token_is_told(chat: ChatModel):
    rated = likelihood(chat, chat.fit(TALK, chat.default_options))

    assert len(rated.candidates) == NEXT_TOKENS
    assert (rated.pieces, rated.logprobs, rated.mean_logprob) == ((), (), None)


def test_an_answer_longer_than_the_window_is_rated_as_far_as_it_fits(chat: ChatModel):
    fitted = chat.fit(TALK, chat.default_options)

    rated = likelihood(chat, fitted, "天气很好" * 2000)

    assert len(rated.logprobs) == chat.context_window - len(fitted.prompt.tokens)


def test_what_cannot_be_sent_is_not_rated(chat: ChatModel):
    fitted = chat.fit((Message("user", "好" * 2000),), chat.default_options)

    with pytest.raises(PromptError):
        likelihood(chat, fitted, "好")
    with pytest.raises(EngineError):
        chat.engine.read([], [], 1)


def test_a_stop_ends_the_reading(chat: ChatModel):
    cancelled = threading.Event()
    cancelled.set()

    assert likelihood(chat, chat.fit(TALK, chat.default_options), "好", cancelled) is None
