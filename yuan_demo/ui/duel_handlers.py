"""Two settings, formats or seeds against each other: both answer the same question side by side.

Neither answer is written into the chat. Both stand behind everybody's chats in the engine's line.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from queue import SimpleQueue
from time import perf_counter
from typing import Any

from yuan_demo.core.errors import PageError
from yuan_demo.core.messages import Message
from yuan_demo.engine.chat import Answer
from yuan_demo.engine.sampler import draw_seed
from yuan_demo.ui.answer_view import answer_scores
from yuan_demo.ui.asks import AskHandlers, Sent, tells
from yuan_demo.ui.cells import cells_of
from yuan_demo.ui.checks import require_length
from yuan_demo.ui.compare import question_and_reference
from yuan_demo.ui.history import conversation_of
from yuan_demo.ui.page_settings import RANDOM_SEED, PageSettings

INTERVAL_SECONDS = 0.1
"""Between two drawings of answers that grow."""
CHANGEABLE = (
    "format",
    "greedy",
    "temperature",
    "top_k",
    "top_p",
    "repetition_penalty",
    "seed",
)
"""Settings in which the second side may differ from the page's."""


class DuelHandlers(AskHandlers):
    """The handlers of one page's two settings against each other."""

    @tells("duel")
    def duel(
        self,
        sent: Sent,
        cancelled: threading.Event,
        compared: str,
        draft: str,
        history: list[dict[str, Any]],
        *settings: Any,
    ) -> Iterator[dict[str, Any]]:
        """Lets both sides answer the draft, or the last question if there is none.

        Where nothing is given to differ in, they differ in the format: `compared` is the one that
        the tab compares with the chat's.

        Yields:
            `sides`: for each, `place` in line, `finish`, `seed`, `cells` of the answer, `scores`
            (`answer_view.answer_scores`) of what is new, and at first and last the `prompt` cells;
            `question`; `changes`, by the names of settings.
        """
        require_length(draft or "")
        messages, _ = question_and_reference(conversation_of(history), draft or "", "")
        page = PageSettings(*settings)
        changes = _changes(sent.get("changes"), page, compared)
        pair = _sides(page, changes)
        for side in pair:
            # Both, before either is asked: a setting that cannot be has its sentence at once.
            side.params()
            self.model.fit(messages, side.options()).require_fit()
        told = [0, 0]
        for answers, is_first in self._both(messages, pair, cancelled):
            sides = [self._side(each, told, n, is_first) for n, each in enumerate(answers)]
            yield {"question": messages[-1].content, "changes": changes, "sides": sides}

    def _both(
        self, messages: Sequence[Message], pair: Sequence[PageSettings], cancelled: threading.Event
    ) -> Iterator[tuple[list[Answer], bool]]:
        """Both answers as far as they have come, now and then; and whether it is the first time."""
        with ExitStack() as stack:
            # Whatever ends this ends both, and each thread ends with its answer.
            stack.callback(cancelled.set)
            news: SimpleQueue[tuple[int, Answer | Exception]] = SimpleQueue()
            streams = [
                self.model.answer(messages, side.params(), side.options(), cancelled, is_aside=True)
                for side in pair
            ]
            answers = [next(stream) for stream in streams]
            yield list(answers), True
            for number, stream in enumerate(streams):
                threading.Thread(target=_pull, args=(number, stream, news), daemon=True).start()
            drawn = perf_counter()
            while any(answer.finish_reason is None for answer in answers):
                number, came = news.get()
                if isinstance(came, Exception):
                    raise came
                answers[number] = came
                if came.finish_reason or perf_counter() - drawn >= INTERVAL_SECONDS:
                    drawn = perf_counter()
                    yield list(answers), False

    def _side(self, answer: Answer, told: list[int], number: int, is_first: bool) -> dict[str, Any]:
        scores = answer_scores(answer, self.model.tokenizer, told[number])
        told[number] = len(answer.scores)
        side = {
            "place": answer.place,
            "finish": answer.finish_reason,
            "seed": answer.seed,
            "cells": cells_of(self.model.spell(answer)),
            "scores": scores,
        }
        # Twice: a page may pass over what it is told while it draws.
        if is_first or answer.finish_reason:
            side["prompt"] = cells_of(answer.fitted.prompt)
        return side


def _sides(page: PageSettings, changes: Mapping[str, Any]) -> tuple[PageSettings, PageSettings]:
    """The page's settings, and the same with some changes.

    Where a seed is to be drawn, one is drawn for both: they differ in what was changed alone.
    """
    if page.seed == RANDOM_SEED:
        page = page._replace(seed=draw_seed())
    return page, page.changed(changes)


def _changes(sent: Any, page: PageSettings, compared: Any) -> Mapping[str, Any]:
    """What was sent of the settings that may be changed, or else the other format.

    Raises:
        PageError: nothing was, so both would answer the same.
    """
    given = sent if isinstance(sent, dict) else {}
    changes = {name: given[name] for name in CHANGEABLE if given.get(name) is not None}
    if not changes and compared and compared != page.format:
        return {"format": compared}
    if not changes:
        raise PageError("nothing_changed")
    return changes


def _pull(number: int, answers: Iterator[Answer], news: "SimpleQueue[Any]") -> None:
    """Pulls an answer to its end, or until it fails."""
    try:
        for answer in answers:
            news.put((number, answer))
    except Exception as error:
        news.put((number, error))
