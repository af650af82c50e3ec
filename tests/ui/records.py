"""Answers as a page keeps them and sends them back, without a page."""

import json
from typing import Any

from yuan_demo.core.messages import Message
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.chat import Answer, ChatModel
from yuan_demo.engine.model_facts import ModelFacts
from yuan_demo.ui.answer_view import answer_scores
from yuan_demo.ui.cells import cells_of
from yuan_demo.ui.views import _work


def answered(chat: ChatModel, params: SamplingParams, *said: str) -> Answer:
    """The whole answer to the last of some messages in turn."""
    roles = ("user", "assistant") * len(said)
    messages = [Message(role, text) for role, text in zip(roles, said, strict=False)]
    *_, answer = chat.answer(messages, params)
    return answer


def record_of(chat: ChatModel, answer: Answer) -> dict[str, Any]:
    """What `assets/answer_store.js` makes of the view of an answer."""
    record = answer_scores(answer, chat.tokenizer, is_whole=True) | {
        "finish": answer.finish_reason,
        "seed": answer.seed,
        "cells": cells_of(chat.spell(answer)),
        "prompt": cells_of(answer.fitted.prompt),
        "question": "?",
        "work": _work(answer.timings),
        "speed": answer.timings.tokens_per_second,
        "model": ModelFacts(chat).mark,
        "number": 1,
    }
    return json.loads(json.dumps(record))
