"""Serves the page, and `/healthz` beside it."""

import os
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from yuan_demo import __version__
from yuan_demo.engine.chat import ChatModel
from yuan_demo.settings import Settings
from yuan_demo.ui.panel import page_script, page_styles
from yuan_demo.ui.theme import THEME
from yuan_demo.ui.words import I18N


def launch(demo: gr.Blocks, model: ChatModel, settings: Settings) -> None:
    """Starts the server and returns once it answers; `demo.block_thread()` keeps it running."""
    # Gradio asks its own address after starting; behind an http_proxy that question would leave
    # the machine, and the launch would fail.
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost"]))
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
        app_kwargs={
            "routes": [Route("/healthz", _healthz(model))],
            "middleware": [Middleware(FirstScript, script=page_script(model))],
        },
    )


def _healthz(model: ChatModel) -> Any:
    facts = {
        "status": "ok",
        "version": __version__,
        "model": model.loaded.name,
        "device": model.loaded.device,
        "context_window": model.context_window,
    }

    def healthz(_: Request) -> JSONResponse:
        return JSONResponse(facts)

    return healthz


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
