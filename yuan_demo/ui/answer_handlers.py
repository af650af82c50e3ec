"""What happens on the events of the Answer tab.

The page sends ids: it keeps the answers, and so nothing has to be remembered here. Anybody may send
anything, so they are checked. No handler lets an exception out.
"""

import json
import logging
import threading
from collections import OrderedDict
from dataclasses import asdict, fields
from typing import Any

import gradio as gr

from yuan_demo.core.errors import PageError
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.asked import ask_string
from yuan_demo.engine.sampler_steps import trace_choice
from yuan_demo.ui.answer_view import prompt_rows, sampler_view
from yuan_demo.ui.checks import require_text
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.strings import error_text

logger = logging.getLogger(__name__)

MAX_KEPT = 16
"""Tokens whose logits are kept, of all visitors: 9 MB with Yuan2's vocabulary."""


class AnswerHandlers:
    """The handlers of one page's Answer tab.

    Args:
        pages: the handlers of the chat.
    """

    def __init__(self, pages: PageHandlers) -> None:
        self._model = pages.model
        self._high = self._model.loaded.model.config.vocab_size - 1
        self._kept: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._readings: dict[str | None, threading.Event] = {}
        self._lock = threading.Lock()

    def rate(self, request: gr.Request, evt: gr.EventData) -> str:
        """How likely the model finds every token of a prompt; one reading a page.

        Returns:
            JSON: `is` "prompt", `ask` as it was sent, and `rows` (`answer_view.prompt_rows`), or
            `error` by language, or neither if it was stopped.
        """
        ask = _sent(evt, "ask")
        told: dict[str, Any] = {"is": "prompt", "ask": ask if isinstance(ask, int) else 0}
        cancelled = self._begin(request.session_hash)
        try:
            ids = self._checked(_sent(evt, "ids"))
            reading = self._model.engine.read(ids[:1], ids[1:], 1, cancelled)
            if reading is not None:
                told["rows"] = prompt_rows(reading)
        except PageError as error:
            told["error"] = _sentences(error)
        except Exception:
            logger.exception("a prompt could not be rated")
            told["error"] = _sentences(PageError("unexpected"))
        finally:
            self._end(request.session_hash, cancelled)
        return json.dumps(told, separators=(",", ":"))

    def open_sampler(self, request: gr.Request, evt: gr.EventData) -> str:
        """How the settings that were sent choose the token behind some ids.

        The model reads them once; moving a slider asks only what is kept of that.

        Returns:
            JSON: `is` "sampler", `ask` as it was sent, and `sampler` (`answer_view.sampler_view`),
            or `error` by language.
        """
        ask = _sent(evt, "ask")
        told: dict[str, Any] = {"is": "sampler", "ask": ask if isinstance(ask, int) else 0}
        try:
            ids = self._checked(_sent(evt, "ids"))
            params, place = _params(_sent(evt, "settings")), _sent(evt, "place")
            if type(place) is not int or place not in range(len(ids)):
                raise PageError("bad_token_ids", high=self._high)
            logits = self._logits_behind(ids)
            trace = trace_choice(logits, ids, params, place)
            told["sampler"] = sampler_view(trace, self._model.tokenizer)
        except PageError as error:
            told["error"] = _sentences(error)
        except Exception:
            logger.exception("the sampler could not be opened")
            told["error"] = _sentences(PageError("unexpected"))
        return json.dumps(told, separators=(",", ":"))

    def ask_string(self, request: gr.Request, evt: gr.EventData) -> str:
        """How likely a string is behind some ids.

        Returns:
            JSON: `is` "asked", `ask` and `text` as they were sent, and `pieces`, `logprobs` and
            `ranks` of its tokens, or `error` by language, or neither if it was stopped.
        """
        ask = _sent(evt, "ask")
        told: dict[str, Any] = {"is": "asked", "ask": ask if isinstance(ask, int) else 0}
        cancelled = self._begin(request.session_hash)
        try:
            text = require_text(_sent(evt, "text"))
            if not text:
                raise PageError("empty_message")
            ids = self._checked(_sent(evt, "ids"))
            asked = ask_string(self._model, ids, text, cancelled)
            if asked is not None:
                told |= {"text": text, **asdict(asked)}
        except PageError as error:
            told["error"] = _sentences(error)
        except Exception:
            logger.exception("a string could not be rated")
            told["error"] = _sentences(PageError("unexpected"))
        finally:
            self._end(request.session_hash, cancelled)
        return json.dumps(told, separators=(",", ":"))

    def _logits_behind(self, ids: list[int]) -> Any:
        key = tuple(ids)
        with self._lock:
            kept = self._kept.get(key)
        if kept is None:
            reading = self._model.engine.read(ids, (), 1, wants_logits=True)
            # Nobody can cancel it; it ends early only with the server.
            if reading is None:
                raise PageError("unexpected")
            kept = reading.logits
        with self._lock:
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return kept

    def stop(self, request: gr.Request) -> None:
        """Ends the reading of this page before its next forward pass."""
        with self._lock:
            if cancelled := self._readings.get(request.session_hash):
                cancelled.set()

    def leave(self, request: gr.Request) -> None:
        """The page was closed."""
        self.stop(request)

    def _checked(self, ids: Any) -> list[int]:
        is_list = isinstance(ids, list) and len(ids) > 1
        if not is_list or not all(type(each) is int and 0 <= each <= self._high for each in ids):
            raise PageError("bad_token_ids", high=self._high)
        return ids

    def _begin(self, session: str | None) -> threading.Event:
        cancelled = threading.Event()
        with self._lock:
            if before := self._readings.get(session):
                before.set()
            self._readings[session] = cancelled
        return cancelled

    def _end(self, session: str | None, cancelled: threading.Event) -> None:
        with self._lock:
            if self._readings.get(session) is cancelled:
                del self._readings[session]


def _sent(evt: gr.EventData, name: str) -> Any:
    return evt._data.get(name) if isinstance(evt._data, dict) else None


def _params(settings: Any) -> SamplingParams:
    """Settings as the page sends them; names that are none of them are passed over.

    Raises:
        SamplingError: a value is outside its range.
    """
    names = {field.name for field in fields(SamplingParams)}
    given = settings if isinstance(settings, dict) else {}
    values = {name: value for name, value in given.items() if name in names}
    # A draw needs a number: the same token must come again while a slider is moved.
    seed = values.get("seed")
    return SamplingParams(**values | {"seed": 0 if seed is None else seed})


def _sentences(error: PageError) -> dict[str, str]:
    return {"en": error_text(error, "en"), "zh": error_text(error, "zh")}
