"""A string of one's own, rated behind any token: against one plain forward pass."""

import threading
from typing import Any

import pytest
import torch

from yuan_demo.core.spelling import piece_bytes
from yuan_demo.engine.asked import ask_string, string_ids
from yuan_demo.engine.chat import ChatModel


@pytest.fixture
def chat(tiny_loaded: Any) -> ChatModel:
    return ChatModel(tiny_loaded)


def sep(chat: ChatModel) -> int:
    return chat.tokenizer.control_token_id("<sep>")


@pytest.mark.parametrize("text", ["天气", " 天气很好", "quick brown", "龘", "\n", "<eod>", "  x"])
def test_a_string_is_as_likely_as_one_forward_pass_says(chat: ChatModel, text: str):
    before = [*chat.tokenizer.encode("你好"), sep(chat), *chat.tokenizer.encode("今天")]

    asked = ask_string(chat, before, text)

    ids = string_ids(text, before, chat.tokenizer)
    with torch.inference_mode():
        logits = chat.loaded.model(torch.tensor([before + ids]), use_cache=False).logits[0]
    rows = logits[len(before) - 1 : -1].log_softmax(-1)
    own = [row[token_id] for row, token_id in zip(rows, ids, strict=True)]
    assert asked.pieces == tuple(chat.tokenizer.convert_ids_to_tokens(ids))
    for logprob, rank, value, row in zip(asked.logprobs, asked.ranks, own, rows, strict=True):
        assert torch.tensor(logprob).exp().item() == pytest.approx(value.exp().item(), abs=1e-5)
        assert rank == (row > value).sum().item() + 1


@pytest.mark.parametrize("text", ["天气很好", "quick", " quick brown fox", "龘龘", "x = f(y)"])
def test_the_tokens_spell_the_string_and_nothing_else(chat: ChatModel, text: str):
    before = [sep(chat), *chat.tokenizer.encode("今天")]

    behind = chat.tokenizer.decode([*before[1:], *string_ids(text, before, chat.tokenizer)])

    assert behind == "今天" + text
    # Behind a control token it begins a text, whose first mark writes nothing.
    pieces = chat.tokenizer.convert_ids_to_tokens(string_ids(text, before[:1], chat.tokenizer))
    assert b"".join(map(piece_bytes, pieces)) == (" " + text).encode()


def test_a_control_token_is_meant_only_if_it_stands_alone(chat: ChatModel):
    before = [sep(chat)]

    assert string_ids("<sep>", before, chat.tokenizer) == [sep(chat)]
    assert sep(chat) not in string_ids("a<sep>", before, chat.tokenizer)


def test_it_can_be_cancelled(chat: ChatModel):
    cancelled = threading.Event()
    cancelled.set()

    assert ask_string(chat, [sep(chat)], "天气", cancelled) is None
