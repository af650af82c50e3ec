"""What the server remembers of an open page while it is open.

The conversation itself lives in the page. Here is what must outlive one event: how to stop the
answer that is being computed, and the last answer, so that a stopped one can still be shown.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from yuan_demo.core.messages import Message
from yuan_demo.core.prompt import PromptToken
from yuan_demo.engine.chat import Answer
from yuan_demo.ui.page_settings import PageSettings
from yuan_demo.ui.strings import Language
from yuan_demo.ui.views import PromptView

MAX_VISITORS = 1000
"""Pages remembered; the one unused for longest is forgotten first."""


@dataclass(slots=True)
class Visitor:
    """One open page.

    Attributes:
        language: of the page.
        is_page: a browser told its language; a program never does.
        settings: as the page last sent them; None until it has.
        previews: how often the panel was asked for while nothing was being answered.
        history: the conversation behind which the next message will stand, as last seen.
        cancelled: set to stop the answer that is being computed.
        is_answering: from the moment a message is accepted until its answer has ended or was told
            to stop.
        is_writing: from the beginning of an answer until its last step is out.
        is_branching: the last answer goes on from a place of an earlier one.
        messages: the conversation that `answer` answers.
        view: the prompt of `answer` as the panel draws it.
        answer: the last answer as far as it came.
        sent: the tokens of the last prompt and of its answer, once that has ended.
    """

    language: Language
    is_page: bool = False
    settings: PageSettings | None = None
    previews: int = 0
    history: tuple[Message, ...] = ()
    cancelled: threading.Event = field(default_factory=threading.Event)
    is_answering: bool = False
    is_writing: bool = False
    is_branching: bool = False
    messages: tuple[Message, ...] = ()
    view: PromptView | None = None
    answer: Answer | None = None
    sent: tuple[PromptToken, ...] | None = None

    def begin(self) -> threading.Event:
        """Starts an answer; stops the one before it, should it still run."""
        self.cancelled.set()
        self.cancelled = threading.Event()
        self.is_answering = self.is_writing = True
        self.is_branching = False
        self.forget()
        return self.cancelled

    def forget(self) -> None:
        """Another answer stands on the page than the last one that was written."""
        self.messages = ()
        self.view = None
        self.answer = None

    def record(self, answer: Answer, cancelled: threading.Event) -> None:
        """Keeps the answer that `begin` gave this event for, unless a newer one has begun."""
        if self.cancelled is cancelled:
            self.answer = answer

    def end(self, cancelled: threading.Event) -> None:
        """Ends the answer that `begin` gave this event for; a newer one goes on."""
        cancelled.set()
        if self.cancelled is cancelled:
            self.is_answering = self.is_writing = False

    def has_asked(self, messages: tuple[Message, ...]) -> bool:
        """Whether a conversation is the one that was asked, with at most its answer behind it."""
        asked = self.messages
        return messages[: len(asked)] == asked and len(messages) <= len(asked) + 1


class Visitors:
    """Open pages by Gradio's session hash."""

    def __init__(self) -> None:
        self._pages: OrderedDict[str, Visitor] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, session_hash: str | None, default_language: Language) -> Visitor:
        """The page of a session; a new one if it is not known. No session, no memory."""
        if session_hash is None:
            return Visitor(default_language)
        with self._lock:
            visitor = self._pages.setdefault(session_hash, Visitor(default_language))
            self._pages.move_to_end(session_hash)
            while len(self._pages) > MAX_VISITORS:
                self._pages.popitem(last=False)[1].cancelled.set()
            return visitor

    def stop(self, session_hash: str) -> None:
        """Nobody listens to the answer of a page any more: stop it, and keep the page."""
        with self._lock:
            visitor = self._pages.get(session_hash)
        if visitor:
            visitor.cancelled.set()

    def leave(self, session_hash: str | None) -> None:
        """The page was closed: stop its answer and forget it."""
        with self._lock:
            visitor = self._pages.pop(session_hash or "", None)
        if visitor:
            visitor.cancelled.set()
