"""What happens on every event of the page: plain values in, plain values out.

No handler lets an exception out. Gradio 6.31 does not run `.then()` after a failed event, so an
exception in the chat function would leave the message box locked until the page is loaded anew;
and a failed `.change` handler drops the deferred last keystroke.
"""

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import gradio as gr

from yuan_demo.core.budget import FittedPrompt
from yuan_demo.core.errors import PageError
from yuan_demo.core.messages import Message
from yuan_demo.core.options import PromptOptions
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.chat import Answer, ChatModel
from yuan_demo.ui import views
from yuan_demo.ui.checks import clean, require_length, require_message
from yuan_demo.ui.history import conversation_of, notice
from yuan_demo.ui.strings import EXAMPLES, Language, error_text, language_of
from yuan_demo.ui.visitors import Visitor, Visitors

logger = logging.getLogger(__name__)

PANEL_INTERVAL_SECONDS = 0.1
"""The panel follows a streaming answer ten times a second; the text follows every token."""

RANDOM_SEED = -1
"""Stands for "draw one"; a number and not None, so that programs may leave the seed out."""


class PageHandlers:
    """The handlers of one page, bound to the model that serves it."""

    def __init__(self, model: ChatModel) -> None:
        self.model = model
        self._visitors = Visitors()

    # --- chat -----------------------------------------------------------------------------------

    def chat(
        self,
        message: str,
        history: list[dict[str, Any]],
        max_new_tokens: int,
        greedy: bool,
        temperature: float,
        top_k: int,
        top_p: float,
        repetition_penalty: float,
        seed: int,
        request: gr.Request,
    ) -> Iterator[tuple[Any, Any]]:
        """Answers a message; yields (answer so far, view of the panel)."""
        visitor = self._visitor(request)
        cancelled = visitor.begin()
        try:
            visitor.messages = (
                *conversation_of(history),
                Message("user", require_message(message)),
            )
            params = SamplingParams(
                max_new_tokens,
                greedy,
                temperature,
                top_k,
                top_p,
                repetition_penalty,
                None if seed == RANDOM_SEED else seed,
            )
            yield from self._stream(visitor, params, cancelled)
        except PageError as error:
            yield notice(error_text(error, visitor.language)), _error_view(error)
        except Exception:
            logger.exception("the chat handler failed")
            error = PageError("unexpected")
            yield notice(error_text(error, visitor.language)), _error_view(error)
        finally:
            visitor.end(cancelled)

    def _stream(
        self, visitor: Visitor, params: SamplingParams, cancelled: threading.Event
    ) -> Iterator[tuple[str, Any]]:
        painted = 0.0
        for answer in self.model.answer(visitor.messages, params, cancelled=cancelled):
            visitor.record(answer, cancelled)
            is_due = perf_counter() - painted >= PANEL_INTERVAL_SECONDS
            if is_due or answer.finish_reason:
                painted = perf_counter()
                yield answer.text, self._answer_view(answer)
            else:
                yield answer.text, gr.skip()

    def validate(self, message: str, request: gr.Request) -> Any:
        """Refuses a message that cannot be sent; it stays in the box, with the reason beside it."""
        visitor = self._visitor(request)
        try:
            text = require_message(message)
            if visitor.reserved is not None:
                self.model.fit([Message("user", text)], self._options(visitor)).require_fit()
        except PageError as error:
            return gr.validate(False, error_text(error, visitor.language))
        visitor.is_answering = True
        return gr.validate(True, "")

    def stop(self, request: gr.Request) -> None:
        """Ends the answer of this page before its next forward pass."""
        self._visitor(request).cancelled.set()

    def leave(self, request: gr.Request) -> None:
        """The page was closed."""
        self._visitors.leave(request.session_hash)

    # --- panel ----------------------------------------------------------------------------------

    def preview(
        self,
        draft: str,
        history: list[dict[str, Any]],
        max_new_tokens: int,
        request: gr.Request,
    ) -> Any:
        """The panel while nothing is being answered: the prompt that Enter would send."""
        visitor = self._visitor(request)
        visitor.reserved = max_new_tokens
        # Sending clears the box, which is no edit: the answer paints the panel from here on.
        if visitor.is_answering:
            return gr.skip()
        try:
            return self._draft_view(visitor, draft or "", conversation_of(history))
        except PageError as error:
            return _error_view(error)
        except Exception:
            logger.exception("the panel handler failed")
            return gr.skip()

    def _draft_view(self, visitor: Visitor, draft: str, messages: tuple[Message, ...]) -> str:
        if draft:
            # Before it is encoded: ten million pasted characters would take a minute.
            require_length(draft)
            fitted = self.model.fit(
                [*messages, Message("user", clean(draft))], self._options(visitor)
            )
            error = _fault_of(draft, fitted)
            mode = "blocked" if error else "preview"
            return views.draft_view(fitted, mode, error and _sentences(error))
        if visitor.answer and visitor.has_asked(messages):
            return self._answer_view(visitor.answer, is_stopped=True)
        fitted = self.model.fit(messages, self._options(visitor), open_question=False)
        return views.draft_view(fitted, "history")

    def _answer_view(self, answer: Answer, *, is_stopped: bool = False) -> str:
        return views.answer_view(answer, self.model.spell(answer), is_stopped=is_stopped)

    # --- the page -------------------------------------------------------------------------------

    def first_view(self, reserved: int) -> str:
        """The panel of a page that has not told anything yet."""
        options = replace(self.model.default_options, reserved=reserved)
        return views.draft_view(self.model.fit([], options, open_question=False), "empty")

    def greet(self, language: Language, request: gr.Request) -> Any:
        """The page has loaded and tells its language; its examples come in that language."""
        visitor = self._visitor(request)
        visitor.language = "zh" if language == "zh" else "en"
        return gr.update(examples=[{"text": text} for text in EXAMPLES[visitor.language]])

    def _options(self, visitor: Visitor) -> PromptOptions:
        return replace(self.model.default_options, reserved=visitor.reserved)

    def _visitor(self, request: gr.Request) -> Visitor:
        default = language_of(request.headers.get("accept-language"))
        return self._visitors.of(request.session_hash, default)


def _fault_of(draft: str, fitted: FittedPrompt) -> PageError | None:
    """Why a draft cannot be sent, or None."""
    try:
        require_message(draft)
        fitted.require_fit()
    except PageError as error:
        return error
    return None


def _sentences(error: PageError) -> dict[str, str]:
    return {"en": error_text(error, "en"), "zh": error_text(error, "zh")}


def _error_view(error: PageError) -> str:
    return views.error_view(_sentences(error))
