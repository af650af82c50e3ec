"""What a page asks for beside its chat, and is told as JSON.

Such an ask comes with what the page sends, and anybody may send anything. Its answer says what it
is (`is`) and which ask it belongs to (`ask`, a number of the page's own), and holds what was found
out, or `error` by language, or neither if it was stopped. No handler lets an exception out.
"""

import inspect
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gradio as gr

from yuan_demo.core.errors import PageError
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.strings import sentences

logger = logging.getLogger(__name__)

Sent = Mapping[str, Any]
"""What came with an event."""


class AskHandlers:
    """Handlers of one part of a page, which asks one long question at a time.

    Args:
        pages: the handlers of the chat.
    """

    def __init__(self, pages: PageHandlers) -> None:
        self.pages = pages
        self.model = pages.model
        self._highest_id = self.model.loaded.model.config.vocab_size - 1
        self._under_way: dict[str | None, threading.Event] = {}
        self._lock = threading.Lock()

    def stop(self, request: gr.Request) -> None:
        """Ends what this page has asked for before the next forward pass."""
        with self._lock:
            if cancelled := self._under_way.get(request.session_hash):
                cancelled.set()

    def leave(self, request: gr.Request) -> None:
        """The page was closed."""
        self.stop(request)

    def checked_ids(self, ids: Any, least: int = 2) -> list[int]:
        """The value if it is a list of token ids.

        Raises:
            PageError: it is none, or has fewer than `least`.
        """
        high = self._highest_id
        is_list = isinstance(ids, list) and len(ids) >= least
        if not is_list or not all(type(each) is int and 0 <= each <= high for each in ids):
            raise PageError("bad_token_ids", least=least, high=high)
        return ids

    def _begin(self, session: str | None) -> threading.Event:
        """A new ask takes the place of the one before it."""
        cancelled = threading.Event()
        with self._lock:
            if before := self._under_way.get(session):
                before.set()
            self._under_way[session] = cancelled
        return cancelled

    def _end(self, session: str | None, cancelled: threading.Event) -> None:
        with self._lock:
            if self._under_way.get(session) is cancelled:
                del self._under_way[session]


def tells(kind: str, *, can_be_stopped: bool = True) -> Callable[..., Any]:
    """Makes a handler of Gradio's out of a method `(self, sent, cancelled, *inputs)`.

    The method returns what is told beside `is` and `ask`, or yields it as often as there is news.
    The inputs are the values of the components that the event is wired with, if any.

    Args:
        kind: what `is` says.
        can_be_stopped: by `stop`, and by the page's next ask of such a kind.
    """

    def decorate(method: Callable[..., Any]) -> Callable[..., Any]:
        def run(
            self: AskHandlers, request: gr.Request, evt: gr.EventData, *inputs: Any
        ) -> Iterator[str]:
            sent = evt._data if isinstance(evt._data, dict) else {}
            ask = sent.get("ask")
            head = {"is": kind, "ask": ask if type(ask) is int else 0}
            session = request.session_hash
            cancelled = self._begin(session) if can_be_stopped else threading.Event()
            try:
                for told in _each(method(self, sent, cancelled, *inputs)):
                    yield _packed(head | told)
            except PageError as error:
                yield _packed(head | {"error": sentences(error)})
            except Exception:
                logger.exception("%s failed", method.__name__)
                yield _packed(head | {"error": sentences(PageError("unexpected"))})
            finally:
                # Whoever closes this generator waits no longer.
                cancelled.set()
                self._end(session, cancelled)

        def once(self: AskHandlers, request: gr.Request, evt: gr.EventData, *inputs: Any) -> str:
            [told] = run(self, request, evt, *inputs)
            return told

        handler = run if inspect.isgeneratorfunction(method) else once
        # Not all that `wraps` copies: Gradio reads from the signature what it is to hand over.
        handler.__name__, handler.__doc__ = method.__name__, method.__doc__
        return handler

    return decorate


def _each(told: Any) -> Iterator[dict[str, Any]]:
    return told if inspect.isgenerator(told) else iter([told])


def _packed(told: dict[str, Any]) -> str:
    return json.dumps(told, separators=(",", ":"))
