"""Serves the page, and `/healthz` beside it."""

import os
from typing import Any

import gradio as gr

from yuan_demo import __version__
from yuan_demo.engine.chat import ChatModel
from yuan_demo.settings import Settings
from yuan_demo.ui.demo import I18N
from yuan_demo.ui.panel import ASSETS, page_head
from yuan_demo.ui.theme import THEME


def launch(demo: gr.Blocks, model: ChatModel, settings: Settings) -> None:
    """Starts the server and returns once it answers; `demo.block_thread()` keeps it running."""
    # Gradio checks its own address after starting; behind an http_proxy that check would leave
    # the machine and fail the launch.
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1,localhost"]))
    app, _, _ = demo.launch(
        server_name=settings.host,
        server_port=settings.port,
        share=settings.share,
        auth=settings.auth,
        theme=THEME,
        css=(ASSETS / "page.css").read_text(encoding="utf-8"),
        head=page_head(),
        i18n=I18N,
        footer_links=["api"],
        run_history=False,
        prevent_thread_lock=True,
        quiet=True,
    )

    def healthz() -> dict[str, Any]:
        return {
            "status": "ok",
            "version": __version__,
            "model": model.loaded.name,
            "device": model.loaded.device,
            "context_window": model.context_window,
        }

    app.add_api_route("/healthz", healthz, methods=["GET"])
