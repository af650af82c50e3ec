"""Serves the page, `/healthz` and `/metrics` beside it, and ends without cutting anybody off."""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict
from time import perf_counter, sleep

import gradio as gr
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yuan_demo import __version__
from yuan_demo.engine.chat import ChatModel
from yuan_demo.engine.engine import GRACE_SECONDS
from yuan_demo.settings import Settings
from yuan_demo.ui.demo import MAX_ANSWERS_AT_ONCE
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.panel import page_script, page_styles
from yuan_demo.ui.streams import Streams, WatchStreams
from yuan_demo.ui.theme import THEME
from yuan_demo.ui.words import I18N

SPARE_THREADS = 64
"""For keystrokes while everybody streams."""
LAST_WORDS_SECONDS = 2.0
"""How long the end of an answer may take from the engine to its reader."""


def launch(demo: gr.Blocks, handlers: PageHandlers, settings: Settings) -> Streams:
    """Starts the server and returns once it answers; `serve` keeps it running."""
    # Gradio asks its own address after starting; behind an http_proxy that question would leave
    # the machine, and the launch would fail.
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost"]))
    model, streams = handlers.model, Streams(handlers.hang_up)
    demo.launch(
        server_name=settings.host,
        server_port=settings.port,
        share=settings.share,
        auth=settings.auth,
        theme=THEME,
        css=page_styles(),
        i18n=I18N,
        footer_links=["api"],
        run_history=False,
        prevent_thread_lock=True,
        # An answer has a thread of its own from the moment it is asked for.
        max_threads=MAX_ANSWERS_AT_ONCE + SPARE_THREADS,
        app_kwargs={
            "routes": [Route("/healthz", _healthz(model)), Route("/metrics", _metrics(model))],
            "middleware": [
                Middleware(WatchStreams, streams=streams),
                Middleware(FirstScript, script=page_script(model)),
            ],
        },
    )
    return streams


def serve(model: ChatModel, streams: Streams) -> None:
    """Waits until the process is told to end, then lets answers under way come to theirs."""
    is_told = threading.Event()

    def stop(*_: object) -> None:
        is_told.set()
        # Whoever asks a second time does not want to wait.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    # In steps: on Windows no signal ends a wait.
    while not is_told.wait(1.0):
        pass
    print(f"Stopping; answers under way get {GRACE_SECONDS:.0f} seconds.", flush=True)
    model.engine.close(GRACE_SECONDS)
    # Their last words are on their way through Gradio's queue.
    deadline = perf_counter() + LAST_WORDS_SECONDS
    while streams.open and perf_counter() < deadline:
        sleep(0.05)


def _healthz(model: ChatModel) -> Callable[[Request], Response]:
    facts = {
        "version": __version__,
        "model": model.loaded.name,
        "device": model.loaded.device,
        "context_window": model.context_window,
    }

    def healthz(_: Request) -> Response:
        status = asdict(model.engine.status)
        state = status.pop("state")
        # A probe reads the code alone.
        return JSONResponse(
            {"status": state, **status, **facts},
            status_code=200 if state == "ok" else 503,
            headers={"cache-control": "no-store"},
        )

    return healthz


def _metrics(model: ChatModel) -> Callable[[Request], Response]:
    def metrics(_: Request) -> Response:
        return Response(model.engine.metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})

    return metrics


class FirstScript:
    """Puts a script before all others of the page.

    Gradio's own `head` argument comes too late: it is read from the configuration by the very
    script that has by then picked the language of the page (6.31).
    """

    def __init__(self, app: ASGIApp, script: str) -> None:
        self._app = app
        self._head = f"<head><script>{script}</script>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on; a page of HTML gets the script."""
        start: Message | None = None
        body = b""

        async def rewrite(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_html(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    page = body.replace(b"<head>", self._head, 1)
                    await send(_with_length(start, len(page)))
                    await send({"type": "http.response.body", "body": page})

        is_page = scope["type"] == "http" and scope["method"] == "GET"
        await self._app(scope, receive, rewrite if is_page else send)


def _is_html(start: Message) -> bool:
    return dict(start["headers"]).get(b"content-type", b"").startswith(b"text/html")


def _with_length(start: Message, length: int) -> Message:
    headers = [pair for pair in start["headers"] if pair[0] != b"content-length"]
    return {**start, "headers": [*headers, (b"content-length", str(length).encode())]}
