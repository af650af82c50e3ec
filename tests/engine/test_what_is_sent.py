"""The ids that the panel shows are the ids that the model reads: for every format, policy, way to
load the tokenizer, and both safety modes, over the reference texts."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from yuan_demo.core.formats import FORMATS, PromptFormat
from yuan_demo.core.messages import Message
from yuan_demo.core.options import Loading, Policy, PromptOptions
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.chat import ChatModel
from yuan_demo.ui.views import PromptView, Surroundings

OWN = PromptFormat("custom", "问：{user}<sep>\n答：{assistant}<eod>", "\n{user} <FIM_PREFIX>\n")
WAYS = list(product([*FORMATS.values(), OWN], (False, True), Policy))
"""Formats, safe and raw, and what is done when the window is full."""
WINDOW = 160


@pytest.fixture(params=["trained", "real"])
def chat(request: pytest.FixtureRequest, tiny_loaded: Any) -> ChatModel:
    """A model that remembers what it read, with either tokenizer."""
    loaded = replace(tiny_loaded, model=Reading(tiny_loaded.model.config))
    if request.param == "real":
        loaded = replace(loaded, tokenizer=request.getfixturevalue("real_tokenizer"))
    # Enough for the id of `<eod>`, whose probability is told.
    loaded.model.columns = loaded.tokenizer.eod_token_id + 1
    return ChatModel(loaded)


class Reading:
    """Stands for the model: reads any ids, also those that the tiny one has no room for, and finds
    the first token of the vocabulary the most likely."""

    def __init__(self, config: Any) -> None:
        self.device = torch.device("cpu")
        self.config = config
        self.columns = 8
        self.ids: list[int] = []

    def __call__(self, *, input_ids: torch.Tensor, **_: Any) -> Any:
        self.ids += input_ids[0].tolist()
        return SimpleNamespace(logits=torch.zeros(1, 1, self.columns))


def conversations(texts: list[str]) -> Iterator[tuple[Message, ...]]:
    """Every text as a question, behind a history of others."""
    rng = random.Random(31)
    for text in texts:
        history: list[Message] = []
        for _ in range(rng.randint(0, 3)):
            history.append(Message("user", rng.choice(texts)))
            history.append(Message("assistant", rng.choice(texts)))
        if text.strip():
            yield (*history, Message("user", text))


def shown_ids(chat: ChatModel, answer: Any) -> list[int]:
    """The ids that the panel gets."""
    view = json.loads(
        PromptView(answer.fitted, Surroundings(8192)).answer(answer, chat.spell(answer))
    )
    return view["cells"]["i"] + view["answer"]["i"]


def options_of(chat: ChatModel, way: tuple[PromptFormat, bool, Policy], loading: Any) -> Any:
    prompt_format, raw, policy = way
    return PromptOptions(WINDOW, 1, prompt_format, raw, loading, policy, frozenset({1}))


def test_over_all_reference_texts(
    chat: ChatModel, golden_lines: list[dict[str, Any]], request: pytest.FixtureRequest
):
    params = SamplingParams(max_new_tokens=1)
    sent = refused = cut = 0
    texts = [line["text"] for line in golden_lines]
    # The texts were made for the real tokenizer; of the trained one a part of them tells as much.
    texts = texts if request.node.callspec.params["chat"] == "real" else texts[::4]
    for number, messages in enumerate(conversations(texts)):
        # Every text in every format and mode; policies and loadings take turns.
        for offset in range(len(WAYS) // len(Policy)):
            way = WAYS[offset * len(Policy) + (number + offset) % len(Policy)]
            loading = list(Loading)[number % len(Loading)]
            reading = chat.loaded.model
            reading.ids.clear()
            options = options_of(chat, way, loading)
            fitted = chat.fit(messages, options)
            if fitted.fault:
                refused += 1
                continue
            *_, answer = chat.answer(messages, params, options)

            assert reading.ids == shown_ids(chat, answer)[: len(reading.ids)]
            assert reading.ids == list(answer.fitted.prompt.input_ids)
            assert len(reading.ids) + answer.fitted.budget.reserved <= WINDOW
            assert answer.fitted == fitted
            text = "".join(segment.text for segment in fitted.prompt.segments)
            assert text == fitted.prompt.text
            sent += 1
            cut += bool(fitted.dropped_tokens)
    assert sent > 12 * len(texts)
    assert cut > len(texts) / 2
    assert refused > len(texts) / 40


@pytest.mark.parametrize("policy", Policy)
def test_what_the_preview_drops_is_what_sending_drops(
    tiny_loaded: Any, policy: Policy, random_conversation: Callable[[random.Random], Any]
):
    chat = ChatModel(tiny_loaded)
    rng = random.Random(32)
    dropped = 0
    for _ in range(30):
        messages = random_conversation(rng)
        options = PromptOptions(rng.randint(80, 200), 4, policy=policy)
        preview = chat.fit(messages, options)
        if preview.fault:
            continue
        sent = next(chat.answer(messages, SamplingParams(max_new_tokens=4), options)).fitted

        assert (sent.dropped, sent.prompt, sent.budget) == (
            preview.dropped,
            preview.prompt,
            preview.budget,
        )
        dropped += bool(sent.dropped_tokens)
    assert dropped > 3 or policy is Policy.STOP
