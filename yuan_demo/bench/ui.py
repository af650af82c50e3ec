"""`bench ui`: from an edit of the message box to the panel that shows it, in headless Chromium.

The clock runs in the page (`probe.js`): from the `input` event to the second animation frame after
the panel has drawn that text or a later one. Two frames are 33 ms, so nothing can be faster.
"""

import json
from collections.abc import Iterator, Sequence

from gradio_client import Client

from yuan_demo.bench import BenchError
from yuan_demo.bench.page import DemoPage, Edit, Recording, Repaint, chromium
from yuan_demo.bench.report import Cell, Report, median, percentile, share_within
from yuan_demo.bench.server import running_app

LIMIT_MS = 150.0
LIMIT_SHARE = 0.9
"""This share of the edits is to be on the screen after LIMIT_MS."""

DRAFT = "请用一两句话来解释 attention，再给我一个 example of it。"
"""40 characters in the two languages of the demo."""

PASSAGE = (
    "源2.0 是一个开源的大语言模型，它在注意力之前加了一层局部过滤，让相邻的词先互相看一眼。"
    "A language model reads a text as tokens and writes the next one, again and again. "
    "def add(a, b): return a + b  # 加法 "
)

MESSAGE_TOKENS = 250
"""Length of the messages that fill a history."""

JOIN_TOKENS = 8
"""About what a turn costs beside its message: two joins `<n>` and an answer of one token."""


def latencies(edits: Sequence[Edit], repaints: Sequence[Repaint]) -> list[float]:
    """Milliseconds per edit until the panel showed it, or a later edit that had replaced it.

    Args:
        edits: in the order of time.
        repaints: in the order of time; those of other texts are passed over.

    Raises:
        BenchError: the panel never showed one of them.
    """
    return [_shown_at(index, edits, repaints) - edit.at_ms for index, edit in enumerate(edits)]


def _shown_at(index: int, edits: Sequence[Edit], repaints: Sequence[Repaint]) -> float:
    since = edits[index:]
    for repaint in repaints:
        if any(edit.at_ms < repaint.at_ms and edit.text == repaint.text for edit in since):
            return repaint.at_ms
    raise BenchError(
        f"The panel must show every edit; it never showed {since[0].text[-60:]!r}. "
        "Look at the page, and at what app.py prints."
    )


def measure(
    flags: Sequence[str], *, sizes: Sequence[int], pace_ms: int, pastes: int, browser: str | None
) -> Report:
    """Pastes, types and deletes at prompts of several lengths.

    Args:
        flags: of app.py.
        sizes: tokens of the prompt when the draft is complete; those beyond the context window
            are left out, and the report says so.
        pace_ms: pause between two keys.
        pastes: how often a text of that length is pasted and cleared.
        browser: executable of a Chromium; None looks for one.

    Raises:
        BenchError: no app, no browser, no playwright, or a panel that does not follow.
    """
    rows: list[dict[str, Cell]] = []
    samples: dict[str, list[float]] = {}
    with running_app(flags) as app, chromium(browser) as opened:
        app.wait_for("/", "/healthz")
        window = json.loads(app.get("/healthz") or b"{}")["context_window"]
        passages = Passages(Client(app.url, verbose=False))
        for size in (size for size in sizes if size < window):
            page = DemoPage(opened, app.url)
            for name, recordings in _session(page, passages, size, pace_ms, pastes):
                values = [ms for seen in recordings for ms in latencies(seen.edits, seen.repaints)]
                rows.append(_row(name, recordings, values))
                samples[f"{name} at {size} tokens, ms"] = values
            page.close()
    left_out = [str(size) for size in sizes if size >= window]
    notes = [f"Left out: {', '.join(left_out)} tokens; the window holds {window}."] * bool(left_out)
    return Report(f"edit to repainted panel, {pace_ms} ms between keys", rows, samples, notes)


class Passages:
    """Texts of so many tokens, counted by the app itself.

    Args:
        client: of the app.
    """

    def __init__(self, client: Client) -> None:
        self._tokenize = lambda text: client.predict(text, api_name="/tokenize")
        self._tokens_per_passage = self.count(PASSAGE)

    def count(self, text: str) -> int:
        """Tokens of a text that stands alone."""
        return len(self._tokenize(text)["ids"])

    def text(self, tokens: int) -> str:
        """A text of so many tokens, or one less where that many would end inside a character."""
        text = PASSAGE * (2 + tokens // self._tokens_per_passage)
        return text[: self._tokenize(text)["offsets"][tokens][0]]


def _session(
    page: DemoPage, passages: Passages, size: int, pace_ms: int, pastes: int
) -> Iterator[tuple[str, list[Recording]]]:
    """What is done in one page, with its name."""
    page.reserve(1)
    text = passages.text(size - 1)  # and the <sep> behind it
    pasted, cleared = [], []
    for _ in range(pastes):
        pasted.append(page.paste(text))
        cleared.append(page.clear())
    yield "paste", pasted
    yield "clear", cleared
    _fill_history(page, passages, size - passages.count(DRAFT))
    yield "type", [page.type(DRAFT, pace_ms)]
    yield "delete", [page.delete(len(DRAFT), pace_ms)]


def _fill_history(page: DemoPage, passages: Passages, tokens: int) -> None:
    """Asks until the conversation has about so many tokens."""
    while (missing := tokens - page.prompt_tokens() - JOIN_TOKENS) > 0:
        page.send(passages.text(min(missing, MESSAGE_TOKENS)))


def _row(name: str, recordings: Sequence[Recording], values: Sequence[float]) -> dict[str, Cell]:
    repaints = [repaint for seen in recordings for repaint in seen.repaints]
    share = share_within(values, LIMIT_MS)
    return {
        "": name,
        "tokens": max(repaint.tokens for repaint in repaints),
        "edits": len(values),
        "median ms": median(values),
        "p90 ms": percentile(values, LIMIT_SHARE),
        "worst ms": max(values),
        f"% in {LIMIT_MS:.0f} ms": 100 * share,
        "held": "yes" if share >= LIMIT_SHARE else "NO",
        "request ms": median(ms for seen in recordings for ms in seen.request_ms),
        "drawing ms": median(repaint.drawing_ms for repaint in repaints),
    }
