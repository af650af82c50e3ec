"""The endpoint `/trace`: a file of an answer checked, and generated again."""

import threading
from typing import Any

import gradio as gr

from yuan_demo.core.errors import PageError
from yuan_demo.core.trace_reading import read_trace
from yuan_demo.engine.replay import Replay
from yuan_demo.ui.strings import error_text
from yuan_demo.ui.trace_handlers import TraceHandlers


def add_trace_api(traces: TraceHandlers) -> None:
    """Adds the endpoint to the page that is being built."""

    def trace(file: str, replay: bool = True) -> dict[str, Any]:
        """Checks the text of a file that was saved in the Answer tab, and replays it.

        Returns valid and error; and if it is valid turn, tokens, finish, model (same, other or
        unknown, by the files of the one that is loaded) and, unless replay is false, agreed (how
        many ids are the same), agrees, and where they differ at, expected and got.
        """
        try:
            if not isinstance(file, str):
                raise PageError("trace_other_kind")
            read = read_trace(file)
        except PageError as error:
            return {"valid": False, "error": error_text(error, "en")}
        while traces.facts.whole(1.0) is None:
            pass
        told = {
            "valid": True,
            "error": None,
            "turn": read.turn,
            "tokens": len(read.answer.ids),
            "finish": read.finish,
            "model": traces.replayed(read, Replay(len(read.answer.ids)))["model"],
        }
        if not replay:
            return told
        try:
            *_, end = traces.replay(read, threading.Event())
        except PageError as error:
            raise gr.Error(error_text(error, "en")) from error
        result = traces.replayed(read, end)
        found = {name: result.get(name) for name in ("agreed", "at", "expected", "got", "reason")}
        return told | found | {"agrees": result["isSame"]}

    gr.api(trace, api_name="trace")
