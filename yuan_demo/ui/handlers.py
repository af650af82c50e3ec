"""What happens on every event of the chat and its panel: plain values in, plain values out.

No handler lets an exception out. Gradio 6.31 does not run `.then()` after a failed event, so an
exception in the chat function would leave the message box locked until the page is loaded anew;
and a failed `.change` handler drops the deferred last keystroke.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gradio as gr

from yuan_demo.core.budget import FittedPrompt
from yuan_demo.core.errors import PageError
from yuan_demo.core.lint import lint
from yuan_demo.core.messages import Message
from yuan_demo.core.prompt import PromptToken
from yuan_demo.engine.chat import Answer, ChatModel
from yuan_demo.ui.answer_view import answer_scores
from yuan_demo.ui.checks import clean, require_length, require_message
from yuan_demo.ui.history import event, in_line, notice, placed_messages, settled
from yuan_demo.ui.pace import Pace
from yuan_demo.ui.page_settings import PageSettings
from yuan_demo.ui.strings import (
    EXAMPLES,
    Language,
    ending_text,
    error_text,
    event_heading,
    event_text,
    language_of,
    left_line_text,
    line_text,
    sentences,
)
from yuan_demo.ui.views import Mode, PromptView, Surroundings, error_view
from yuan_demo.ui.visitors import Visitor, Visitors

logger = logging.getLogger(__name__)

Placed = list[tuple[int, Message]]
"""Messages, each with its place in the chat."""


class PageHandlers:
    """The handlers of one page, bound to the model that serves it."""

    def __init__(self, model: ChatModel) -> None:
        self.model = model
        self.defaults = PageSettings.defaults(model)
        self._visitors = Visitors()

    # --- chat -----------------------------------------------------------------------------------

    def chat(
        self,
        message: str,
        history: list[dict[str, Any]],
        request: gr.Request,
        *settings: Any,
    ) -> Iterator[tuple[Any, Any]]:
        """Answers a message; yields (answer so far, view of the panel)."""
        visitor = self.visitor(request)
        with self.writing(visitor) as (previous, cancelled):
            try:
                placed = placed_messages(history)
                placed.append((len(history), Message("user", require_message(message))))
                visitor.messages = tuple(said for _, said in placed)
                answers = self._answers(visitor, PageSettings(*settings), cancelled, request)
                yield from self.stream(visitor, placed, answers, previous, cancelled)
            except PageError as error:
                yield notice(error_text(error, visitor.language)), _error_view(error)
            except Exception:
                logger.exception("the chat handler failed")
                error = PageError("unexpected")
                yield notice(error_text(error, visitor.language)), _error_view(error)

    @contextmanager
    def writing(
        self, visitor: Visitor
    ) -> Iterator[tuple[Sequence[PromptToken] | None, threading.Event]]:
        """While an answer of a page is written; the one before it ends.

        Gives the tokens that were sent last, and what stops the answer.
        """
        previous = visitor.sent
        cancelled = visitor.begin()
        try:
            yield previous, cancelled
        finally:
            is_newest = visitor.cancelled is cancelled
            # One that left the line was never sent.
            if is_newest and visitor.answer and visitor.answer.token_ids:
                visitor.sent = self._tokens(visitor.answer)
            visitor.end(cancelled)

    def _answers(
        self,
        visitor: Visitor,
        settings: PageSettings,
        cancelled: threading.Event,
        request: gr.Request,
    ) -> Iterator[Answer]:
        params, options = settings.params(), settings.options()
        client = client_of(visitor, request)
        return self.model.answer(visitor.messages, params, options, cancelled, client)

    def stream(
        self,
        visitor: Visitor,
        placed: Placed,
        answers: Iterator[Answer],
        previous: Sequence[PromptToken] | None,
        cancelled: threading.Event,
    ) -> Iterator[tuple[Any, Any]]:
        """An answer as the page is told of it, step by step: (answer so far, view of the panel)."""
        pace, told = Pace(), 0
        events: list[Any] = []
        for answer in answers:
            if visitor.view is None:
                visitor.view = self._prompt_view(placed, answer.fitted, previous)
                events = _events(answer.fitted, visitor)
            visitor.record(answer, cancelled)
            writes, paints = pace.due(answer, self.model.engine.status.running)
            if not writes:
                continue
            said = self._said(answer, visitor, events)
            if paints:
                # While it streams only what is new; at its end everything, should a part be lost.
                scores = answer_scores(answer, self.model.tokenizer, told)
                told = len(answer.scores)
                yield said, visitor.view.answer(answer, self.model.spell(answer), scores=scores)
            else:
                yield said, gr.skip()

    def _said(self, answer: Answer, visitor: Visitor, events: list[Any]) -> Any:
        """What stands in the chat; for a program, its text alone."""
        ending = ending_text(answer.finish_reason, self.model.answer_seconds, visitor.language)
        if not visitor.is_page:
            return "\n\n".join(filter(None, [answer.text, ending]))
        if answer.place:
            return [*events, in_line(line_text(answer.place, visitor.language))]
        if ending:
            # Nothing written: the notice alone, as for a question that was refused.
            return [*events, *filter(None, [answer.text]), notice(ending)]
        return [*events, answer.text] if events else answer.text

    def _tokens(self, answer: Answer) -> tuple[PromptToken, ...]:
        return (*answer.fitted.prompt.tokens, *self.model.spell(answer).tokens)

    def validate(self, message: str, request: gr.Request) -> Any:
        """Refuses a message that cannot be sent; it stays in the box, with the reason beside it."""
        visitor = self.visitor(request)
        try:
            text = require_message(message)
            if visitor.settings is not None:
                visitor.settings.params()
                messages = [*visitor.history, Message("user", text)]
                self.model.fit(messages, visitor.settings.options()).require_fit()
        except PageError as error:
            return gr.validate(False, error_text(error, visitor.language))
        visitor.is_answering = True
        return gr.validate(True, "")

    def stop(self, request: gr.Request) -> None:
        """Ends the answer of this page before its next forward pass."""
        visitor = self.visitor(request)
        visitor.cancelled.set()
        # Its end may be seen only after the page has asked for the panel: it would stay as it was.
        visitor.is_answering = False

    def hang_up(self, session_hash: str) -> None:
        """Whoever listened to the answer of a session is gone."""
        self._visitors.stop(session_hash)

    def settle(self, shown: list[dict[str, Any]], request: gr.Request) -> list[Any]:
        """The chat after a stop, in all three places where Gradio keeps it.

        Gradio's own stop only cancels: what the page shows would be missing from the state that
        the next message is sent with (6.31).
        """
        visitor = self.visitor(request)
        # A branch tells its end itself, which may be newer than what the page showed just now.
        if visitor.is_branching:
            return [gr.skip()] * 3
        after = settled(shown, left_line_text(visitor.language))
        return [gr.skip() if after == shown else after, after, after]

    def leave(self, request: gr.Request) -> None:
        """The page was closed."""
        self._visitors.leave(request.session_hash)

    # --- panel ----------------------------------------------------------------------------------

    def preview(
        self, draft: str, history: list[dict[str, Any]], request: gr.Request, *settings: Any
    ) -> Any:
        """The panel while nothing is being answered: the prompt that Enter would send."""
        visitor = self.visitor(request)
        visitor.settings = PageSettings(*settings)
        visitor.previews += 1
        number = visitor.previews
        # Sending clears the box, which is no edit: the answer paints the panel from here on.
        if visitor.is_answering:
            return gr.skip()
        try:
            placed = placed_messages(history)
            visitor.history = tuple(message for _, message in placed)
            view = self._draft_view(visitor, draft or "", placed)
        except PageError as error:
            view = _error_view(error)
        except Exception:
            logger.exception("the panel handler failed")
            return gr.skip()
        # Events run beside each other: what came later must not be painted over.
        return view if number == visitor.previews else gr.skip()

    def _draft_view(self, visitor: Visitor, draft: str, placed: Placed) -> str:
        if not draft and visitor.answer and visitor.view and visitor.has_asked(visitor.history):
            return visitor.view.answer(
                visitor.answer,
                self.model.spell(visitor.answer),
                is_stopped=True,
                pinned=visitor.settings.options().pinned,
                scores=answer_scores(visitor.answer, self.model.tokenizer, is_whole=True),
            )
        options = visitor.settings.options()
        mode: Mode = "history"
        error = None
        if draft:
            # Before it is encoded: ten million pasted characters would take a minute.
            require_length(draft)
            placed = [*placed, (-1, Message("user", clean(draft)))]
            fitted = self.model.fit([message for _, message in placed], options)
            error = _fault_of(draft, fitted)
            mode = "blocked" if error else "preview"
        else:
            fitted = self.model.fit(visitor.history, options, open_question=False)
        view = self._prompt_view(placed, fitted, visitor.sent, open_question=bool(draft))
        return view.draft(mode, error and sentences(error))

    def _prompt_view(
        self,
        placed: Placed,
        fitted: FittedPrompt,
        last_sent: Sequence[PromptToken] | None,
        *,
        open_question: bool = True,
    ) -> PromptView:
        messages = [message for _, message in placed]
        findings = lint(messages, fitted, self.model.tokenizer, open_question=open_question)
        around = Surroundings(
            self.model.loaded.context_length, [place for place, _ in placed], findings, last_sent
        )
        return PromptView(fitted, around)

    # --- the page -------------------------------------------------------------------------------

    def first_view(self) -> str:
        """The panel of a page that has not told anything yet."""
        fitted = self.model.fit([], self.defaults.options(), open_question=False)
        return self._prompt_view([], fitted, None, open_question=False).draft("empty")

    def greet(self, language: Language, request: gr.Request) -> Any:
        """The page has loaded and tells its language; its examples come in that language."""
        visitor = self.visitor(request)
        visitor.is_page = True
        visitor.language = "zh" if language == "zh" else "en"
        return gr.update(examples=[{"text": text} for text in EXAMPLES[visitor.language]])

    def visitor(self, request: gr.Request) -> Visitor:
        """What is remembered of the page that a request comes from."""
        default = language_of(request.headers.get("accept-language"))
        return self._visitors.of(request.session_hash, default)


def client_of(visitor: Visitor, request: gr.Request) -> str | None:
    """Who is one and the same visitor to the line: a page, or all programs of an address.

    A program may name a new session with every call, which must bring it no further ahead.
    """
    address = getattr(getattr(request, "client", None), "host", None)
    return request.session_hash if visitor.is_page or not address else address


def _events(fitted: FittedPrompt, visitor: Visitor) -> list[Any]:
    """What the chat tells before the answer; a program reads it in the view."""
    if not visitor.is_page or not fitted.dropped_tokens:
        return []
    return [event(event_heading(visitor.language), event_text(fitted, visitor.language))]


def _fault_of(draft: str, fitted: FittedPrompt) -> PageError | None:
    """Why a draft cannot be sent, or None."""
    try:
        require_message(draft)
        fitted.require_fit()
    except PageError as error:
        return error
    return None


def _error_view(error: PageError) -> str:
    return error_view(sentences(error))
