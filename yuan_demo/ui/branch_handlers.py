"""What happens when an answer is to go on otherwise from one of its tokens.

By ids alone: the prompt is made again from what the page kept of the answer (`answer_view`), and
must come out as the very ids that the answer was generated from; text is never encoded anew. What
stood in the chat before is the page's to keep (`assets/branches.js`).
"""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from yuan_demo.core.errors import PageError
from yuan_demo.core.messages import Message
from yuan_demo.core.options import PromptOptions
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.ui.asks import AskHandlers
from yuan_demo.ui.checks import require_text
from yuan_demo.ui.handlers import client_of
from yuan_demo.ui.history import notice, placed_messages, restored
from yuan_demo.ui.strings import error_text, event_heading, left_line_text, sentences
from yuan_demo.ui.views import error_view
from yuan_demo.ui.visitors import Visitor

logger = logging.getLogger(__name__)

Chat = list[dict[str, Any]]
"""Messages as Gradio's chat has them."""


@dataclass(frozen=True, slots=True)
class Branch:
    """An answer that begins with given ids.

    Attributes:
        before: the chat up to the question, notices and events included.
        placed: the messages that the model gets, each with its place in the chat.
        params, options: as the answer was made with that it branches from.
        begun: ids.
    """

    before: Chat
    placed: list[tuple[int, Message]]
    params: SamplingParams
    options: PromptOptions
    begun: list[int]


class BranchHandlers(AskHandlers):
    """The handlers of one page's branches."""

    def branch(
        self, shown: Chat, request: gr.Request, evt: gr.EventData
    ) -> Iterator[tuple[Any, Any, Any, Any]]:
        """Lets an answer begin with ids and go on, in the place of the one that stands there.

        Yields the chat, the view of the panel, the message box, and what the Answer tab is told:
        `is` "branch", `ask` as it was sent, once it has begun; if it failed `error` by language
        with its `code`, and `has_begun` if the chat shows it already.
        """
        visitor = self.pages.visitor(request)
        sent = evt._data if isinstance(evt._data, dict) else {}
        try:
            self._claim(visitor)
        except PageError as error:
            yield gr.skip(), gr.skip(), gr.skip(), _told(sent, error)
            return
        try:
            branch = self._checked(sent, shown)
        except Exception as error:
            visitor.is_answering = False
            yield gr.skip(), gr.skip(), gr.skip(), _told(sent, _page_error(error, "branch"))
            return
        chat, told = branch.before, _told(sent)
        with self.pages.writing(visitor) as (previous, cancelled):
            visitor.is_branching = True
            visitor.messages = tuple(message for _, message in branch.placed)
            try:
                answers = self.model.answer(
                    visitor.messages,
                    branch.params,
                    branch.options,
                    cancelled,
                    client_of(visitor, request),
                    begun=branch.begun,
                )
                steps = self.pages.stream(visitor, branch.placed, answers, previous, cancelled)
                for said, view in steps:
                    chat = [*branch.before, *_messages(said)]
                    yield chat, view, _LOCKED, told
                    told = gr.skip()
            except Exception as error:
                failed = _page_error(error, "branch")
                chat = [*chat, notice(error_text(failed, visitor.language))]
                told = _told(sent, failed, has_begun=True)
                yield chat, error_view(sentences(failed)), gr.skip(), told

    def finish(self, shown: Chat, request: gr.Request) -> list[Any]:
        """The chat after a branch in the other two places where Gradio keeps it, and the box.

        Also called for one that was refused, which may end before the one under way or after it:
        whoever comes last unlocks the box, and twice does no harm.
        """
        visitor = self.pages.visitor(request)
        if not visitor.is_branching or visitor.is_writing:
            return [gr.skip()] * 3
        return [shown, shown, _UNLOCKED]

    def put_up(self, request: gr.Request, evt: gr.EventData) -> list[Any]:
        """A conversation that the page kept, in all three places, and what the tab is told."""
        visitor = self.pages.visitor(request)
        sent = evt._data if isinstance(evt._data, dict) else {}
        try:
            if visitor.is_answering:
                raise PageError("answer_running")
            language = visitor.language
            history = restored(sent.get("shown"), event_heading(language), left_line_text(language))
            if not placed_messages(history):
                raise PageError("bad_history", index=0)
        except Exception as error:
            return [*[gr.skip()] * 3, _told(sent, _page_error(error, "put_up"))]
        visitor.forget()
        return [history, history, history, _told(sent)]

    def _claim(self, visitor: Visitor) -> None:
        """Takes the page for one answer: of two asked for at once one gets it.

        Raises:
            PageError: an answer is being written.
        """
        with self._lock:
            if visitor.is_answering:
                raise PageError("answer_running")
            visitor.is_answering = True

    def _checked(self, sent: Mapping[str, Any], shown: Chat) -> Branch:
        """What was sent, which may be anything.

        Raises:
            PageError: it is no branch of an answer in this chat.
        """
        prompt = self.checked_ids(sent.get("prompt"), 1)
        begun = self.checked_ids(sent.get("begun"), 1)
        if self.model.tokenizer.eod_token_id in begun[:-1]:
            raise PageError("behind_the_end")
        messages = _sent_messages(sent.get("messages"))
        placed = placed_messages(shown)
        if [message for _, message in placed[: len(messages)]] != messages:
            raise PageError("other_conversation")
        settings = self.pages.defaults.changed(_settings(sent.get("settings")))
        settings = settings.changed(_settings(sent.get("options")))
        params, options = settings.params(), settings.options()
        fitted = self.model.fit(messages, options)
        fitted.require_fit()
        if list(fitted.prompt.input_ids) != prompt:
            raise PageError("other_prompt")
        if len(begun) > fitted.budget.reserved:
            limit = fitted.budget.reserved
            raise PageError("beginning_too_long", tokens=len(begun), limit=limit)
        placed = placed[: len(messages)]
        return Branch(shown[: placed[-1][0] + 1], placed, params, options, begun)


_LOCKED = gr.update(interactive=False, submit_btn=False, stop_btn=True)
_UNLOCKED = gr.update(interactive=True, submit_btn=True, stop_btn=False)
"""The message box as Gradio's own chat has it while an answer is written, and after it."""


def _messages(said: Any) -> Chat:
    """What `PageHandlers.stream` yields, as messages of the chat."""
    every = said if isinstance(said, list) else [said]
    return [each if isinstance(each, dict) else _answer(each) for each in every]


def _answer(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def _sent_messages(sent: Any) -> list[Message]:
    """[role, text] pairs that end in a question."""
    if not isinstance(sent, list) or not sent:
        raise PageError("bad_history", index=0)
    messages = []
    for index, each in enumerate(sent):
        is_pair = isinstance(each, list) and len(each) == 2 and each[0] in ("user", "assistant")
        if not is_pair or (index == len(sent) - 1 and each[0] != "user"):
            raise PageError("bad_history", index=index)
        messages.append(Message(each[0], require_text(each[1])))
    return messages


def _settings(sent: Any) -> dict[str, Any]:
    return sent if isinstance(sent, dict) else {}


def _page_error(error: Exception, what: str) -> PageError:
    if isinstance(error, PageError):
        return error
    logger.error("%s failed", what, exc_info=error)
    return PageError("unexpected")


def _told(
    sent: Mapping[str, Any], error: PageError | None = None, *, has_begun: bool = False
) -> str:
    ask = sent.get("ask")
    told: dict[str, Any] = {"is": "branch", "ask": ask if type(ask) is int else 0}
    if error:
        told |= {"error": sentences(error), "code": error.code, "has_begun": has_begun}
    return json.dumps(told)
