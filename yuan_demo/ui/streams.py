"""Who listens to an answer, and who has gone away in the middle of one.

Gradio 6.31 sees that a client is gone, but ends its generator only when that yields next: in line,
or while a long prompt is read, the generator may not yield for a minute, and keeps its slot.
"""

import re
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STREAM_PATH = re.compile(r"/(?:queue/data|call/(?:v2/)?[^/]+/(?P<event>[^/]+))/?$")
"""Where pages and the Python client listen, and where programs that speak plain HTTP do."""


class Streams:
    """The streams that are open.

    Attributes:
        dropped: called with the session of a stream that its listener left before its end.
        open: how many there are.
    """

    def __init__(self, dropped: Callable[[str], None]) -> None:
        self.dropped = dropped
        self.open = 0


class WatchStreams:
    """Tells `Streams` of every stream of events that passes."""

    def __init__(self, app: ASGIApp, streams: Streams) -> None:
        self._app = app
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on; notes when the listener has gone before the end."""
        session = _session_of(scope)
        if session is None:
            await self._app(scope, receive, send)
            return
        has_ended = False

        async def watched_send(message: Message) -> None:
            nonlocal has_ended
            await send(message)
            # Only behind the send: an end that could not be sent is none.
            if message["type"] == "http.response.body" and not message.get("more_body"):
                has_ended = True

        async def watched_receive() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and not has_ended:
                self._streams.dropped(session)
            return message

        self._streams.open += 1
        try:
            await self._app(scope, watched_receive, watched_send)
        finally:
            self._streams.open -= 1


def _session_of(scope: Scope) -> str | None:
    """The session that a request listens for, or None if it is no stream.

    The session of a program that named none is the id of its event (Gradio 6.31).
    """
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    found = _STREAM_PATH.search(scope["path"])
    if found is None:
        return None
    if found["event"]:
        return found["event"]
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return query.get("session_hash", [None])[0]
