"""What happens on the events of the Answer tab.

The page sends ids: it keeps the answers, and so nothing has to be remembered here.
"""

import threading
from collections import OrderedDict
from dataclasses import asdict, fields
from typing import Any

from yuan_demo.core.errors import PageError
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.asked import ask_string
from yuan_demo.engine.sampler_steps import trace_choice
from yuan_demo.ui.answer_view import prompt_rows, sampler_view
from yuan_demo.ui.asks import AskHandlers, Sent, tells
from yuan_demo.ui.checks import require_text
from yuan_demo.ui.handlers import PageHandlers

MAX_KEPT = 16
"""Tokens whose logits are kept, of all visitors: 9 MB with Yuan2's vocabulary."""


class AnswerHandlers(AskHandlers):
    """The handlers of one page's Answer tab."""

    def __init__(self, pages: PageHandlers) -> None:
        super().__init__(pages)
        self._kept: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    @tells("prompt")
    def rate(self, sent: Sent, cancelled: threading.Event) -> dict[str, Any]:
        """How likely the model finds every token of a prompt.

        Returns:
            `rows` (`answer_view.prompt_rows`).
        """
        ids = self.checked_ids(sent.get("ids"))
        reading = self.model.engine.read(ids[:1], ids[1:], 1, cancelled)
        return {} if reading is None else {"rows": prompt_rows(reading)}

    @tells("sampler", can_be_stopped=False)
    def open_sampler(self, sent: Sent, cancelled: threading.Event) -> dict[str, Any]:
        """How the settings that were sent choose the token behind some ids.

        The model reads them once; moving a slider asks only what is kept of that.

        Returns:
            `sampler` (`answer_view.sampler_view`).
        """
        ids = self.checked_ids(sent.get("ids"))
        params, place = _params(sent.get("settings")), sent.get("place")
        if type(place) is not int or place not in range(len(ids)):
            raise PageError("bad_token_ids", least=2, high=self._highest_id)
        trace = trace_choice(self._logits_behind(ids), ids, params, place)
        return {"sampler": sampler_view(trace, self.model.tokenizer)}

    @tells("asked")
    def ask_string(self, sent: Sent, cancelled: threading.Event) -> dict[str, Any]:
        """How likely a string is behind some ids.

        Returns:
            `text` as it was sent, and of its tokens what `AskedString` has.
        """
        text = require_text(sent.get("text"))
        if not text:
            raise PageError("empty_message")
        asked = ask_string(self.model, self.checked_ids(sent.get("ids")), text, cancelled)
        return {} if asked is None else {"text": text, **asdict(asked)}

    def _logits_behind(self, ids: list[int]) -> Any:
        key = tuple(ids)
        with self._lock:
            kept = self._kept.get(key)
        if kept is None:
            reading = self.model.engine.read(ids, (), 1, wants_logits=True)
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
