"""The Formats tab: two formats of the same conversation side by side."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from yuan_demo.core.budget import FittedPrompt
from yuan_demo.core.diff import diff
from yuan_demo.core.errors import PageError, PromptError
from yuan_demo.core.formats import N_JOIN, format_named
from yuan_demo.core.messages import Message
from yuan_demo.engine.chat import ChatModel
from yuan_demo.engine.likelihood import Likelihood, likelihood
from yuan_demo.ui.cells import cells_of
from yuan_demo.ui.checks import clean, require_length, require_text
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.history import conversation_of
from yuan_demo.ui.page_settings import PageSettings, as_meant
from yuan_demo.ui.strings import error_text

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Side:
    """One format of the comparison.

    Attributes:
        name: of the format.
        fitted: the conversation in it.
        rated: how the model goes on after it; None until it was asked.
    """

    name: str
    fitted: FittedPrompt
    rated: Likelihood | None = None


def question_and_reference(
    messages: Sequence[Message], draft: str, reference: str
) -> tuple[tuple[Message, ...], str]:
    """The conversation to be compared, which ends in a question, and the answer to be rated.

    The draft is the question; without one it is the last question that was asked, and the answer
    that it got is rated unless another is given.

    Raises:
        PromptError: there is no question.
    """
    if draft.strip():
        return (*messages, Message("user", clean(draft))), reference
    asked = len(messages)
    while asked and messages[asked - 1].role != "user":
        asked -= 1
    if not asked:
        raise PromptError("nothing_to_compare")
    got = messages[asked].content if asked < len(messages) else ""
    return tuple(messages[:asked]), reference or got


class CompareHandlers:
    """The handlers of the Formats tab.

    Args:
        pages: the handlers of the chat, which know the visitors.
    """

    def __init__(self, pages: PageHandlers) -> None:
        self._pages = pages
        self._model: ChatModel = pages.model

    def other_than(self, chosen: str, other: str) -> str:
        """What to compare a newly chosen format with."""
        if other != chosen:
            return other
        return "roles" if chosen == N_JOIN.name else N_JOIN.name

    def tokens(
        self,
        draft: str,
        history: list[dict[str, Any]],
        reference: str,
        other: str,
        request: gr.Request,
        *settings: Any,
    ) -> str:
        """Both prompts and their differences, without asking the model."""
        return next(self.ask(draft, history, reference, other, request, *settings))

    def ask(
        self,
        draft: str,
        history: list[dict[str, Any]],
        reference: str,
        other: str,
        request: gr.Request,
        *settings: Any,
    ) -> Iterator[str]:
        """Both prompts, then how the model goes on after each."""
        visitor = self._pages.visitor(request)
        try:
            require_length(draft or "")
            messages, answer = question_and_reference(
                conversation_of(history), draft or "", require_text(reference or "")
            )
            chosen = PageSettings(*settings)
            sides = [self._side(name, messages, chosen) for name in (chosen.format, other)]
            yield compare_view(sides, answer)
            for index, side in enumerate(sides):
                side.fitted.require_fit()
                rated = likelihood(self._model, side.fitted, answer)
                sides[index] = replace(side, rated=rated)
                yield compare_view(sides, answer)
        except PageError as error:
            yield json.dumps({"error": error_text(error, visitor.language)})
        except Exception:
            logger.exception("the comparison failed")
            yield json.dumps({"error": error_text(PageError("unexpected"), visitor.language)})

    def _side(self, name: str, messages: Sequence[Message], settings: PageSettings) -> Side:
        chosen = format_named(
            name, as_meant(settings.turn_template), as_meant(settings.question_template)
        )
        options = replace(settings.options(), format=chosen)
        return Side(name, self._model.fit(messages, options))


def compare_view(sides: Sequence[Side], answer: str) -> str:
    """What the tab draws, as JSON.

    Returns:
        `sides`: for each `name`, `turn` and `question` templates, `tokens`, `dropped` turns,
        `cells` (see `yuan_demo.ui.cells`), and once the model was asked `next` [piece,
        probability], `answer` [piece, logprob] and `mean`; `runs`: [kind, start and end in the
        first, start and end in the second]; `reference`: the answer that is rated.
    """
    changes = diff(*(side.fitted.prompt.input_ids for side in sides))
    return json.dumps(
        {
            "sides": [_side_view(side) for side in sides],
            "runs": [
                [c.kind, c.before_start, c.before_end, c.after_start, c.after_end] for c in changes
            ],
            "reference": answer,
        },
        separators=(",", ":"),
    )


def _side_view(side: Side) -> dict[str, Any]:
    fitted, rated = side.fitted, side.rated
    view = {
        "name": side.name,
        "turn": fitted.options.format.turn,
        "question": fitted.options.format.question,
        "tokens": len(fitted.prompt.tokens),
        "dropped": [turn.number for turn in fitted.dropped],
        "cells": cells_of(fitted.prompt),
    }
    if rated:
        view |= {
            "next": [[c.piece, c.probability] for c in rated.candidates],
            "answer": list(zip(rated.pieces, rated.logprobs, strict=True)),
            "mean": rated.mean_logprob,
        }
    return view
