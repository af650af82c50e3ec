"""What happens when somebody looks inside the model.

A look costs a forward pass over everything up to its token. What was seen is kept for a while: the
page asks for a layer, a head or another part of it without a second pass, and is sent only that.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any

from yuan_demo.core.errors import PageError
from yuan_demo.engine.aside import Cancelled
from yuan_demo.engine.inside import Inside, look_inside
from yuan_demo.ui.asks import AskHandlers, Sent, tells
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.inside_view import attention_view, filter_view, lens_view

MAX_KEPT_BYTES = 64_000_000
"""Tables kept of all visitors: two looks at 8,192 tokens of Yuan2-2B, or 130 at 1,900 tokens of the
embedded model."""
NEWS_SECONDS = 0.4
"""How often the page is told of the layers that are done."""

_Key = tuple[tuple[int, ...], int | None]


class InsideHandlers(AskHandlers):
    """The handlers of one page's view of the inside."""

    def __init__(self, pages: PageHandlers) -> None:
        super().__init__(pages)
        self._seen: OrderedDict[_Key, Inside] = OrderedDict()

    @tells("inside")
    def look_inside(self, sent: Sent, cancelled: threading.Event) -> Iterator[dict[str, Any]]:
        """What is inside the model at the last of some `ids`, behind which came `chosen`.

        Yields:
            `done` of `layers` while it computes; then `layers`, `heads` and those parts that were
            sent for: `lens` (true), `attention` ({layer, head}), `filter` ({layer}); a layer or
            head is a number from 0, or None for the mean.
        """
        ids, chosen = self.checked_ids(sent.get("ids"), 1), sent.get("chosen")
        if chosen is not None:
            self.checked_ids([chosen], 1)
        key = (tuple(ids), chosen)
        seen = self._recall(key)
        if seen is None:
            try:
                seen = yield from self._look(key, cancelled)
            except Cancelled:
                yield {}
                return
            self._keep(key, seen)
        yield self._parts(seen, sent)

    def _look(
        self, key: _Key, cancelled: threading.Event
    ) -> Iterator[dict[str, Any]]:  # and returns an Inside
        """Looks in a thread of its own, whose hooks cannot yield, and tells how far it is."""
        done, look = 0, Future()

        def count(layers_done: int) -> None:
            nonlocal done
            done = layers_done

        def run() -> None:
            try:
                look.set_result(look_inside(self.model, *key, cancelled, count))
            except BaseException as error:
                look.set_exception(error)

        # A daemon: a server that is told to end waits for no layer.
        threading.Thread(target=run, name="look inside", daemon=True).start()
        layers = self.model.loaded.model.config.num_hidden_layers
        while True:
            try:
                return look.result(NEWS_SECONDS)
            except NotYet:
                yield {"done": done, "layers": layers}

    def _parts(self, seen: Inside, sent: Sent) -> dict[str, Any]:
        told: dict[str, Any] = {"layers": seen.layers, "heads": seen.heads}
        if sent.get("lens"):
            told["lens"] = lens_view(seen, self.model.tokenizer)
        if isinstance(wanted := sent.get("attention"), dict):
            layer = _index("layer", wanted.get("layer"), seen.layers)
            head = _index("head", wanted.get("head"), seen.heads)
            told["attention"] = attention_view(seen, layer, head)
        if isinstance(wanted := sent.get("filter"), dict):
            told["filter"] = filter_view(seen, _index("layer", wanted.get("layer"), seen.layers))
        return told

    def _recall(self, key: _Key) -> Inside | None:
        with self._lock:
            if key in self._seen:
                self._seen.move_to_end(key)
            return self._seen.get(key)

    def _keep(self, key: _Key, seen: Inside) -> None:
        with self._lock:
            self._seen[key] = seen
            # The newest stays in any case: its page is about to ask for more of it.
            while len(self._seen) > 1 and _bytes(self._seen) > MAX_KEPT_BYTES:
                self._seen.popitem(last=False)


def _bytes(kept: OrderedDict[_Key, Inside]) -> int:
    return sum(seen.nbytes for seen in kept.values())


def _index(name: str, value: Any, count: int) -> int | None:
    """A layer or a head, from 0; None for the mean over all.

    Raises:
        PageError: there is none of that number.
    """
    if value is None or (type(value) is int and 0 <= value < count):
        return value
    raise PageError("unknown_choice", name=name, known=f"0 … {count - 1}", value=str(value)[:40])
