"""`bench ui`: from an edit of the message box to the panel that shows it, in headless Chromium.

The clock runs in the page (`probe.js`): from the `input` event to the second animation frame after
the panel has drawn that text or a later one. Two frames are 33 ms, so nothing can be faster. The
same for the Prompt tab, from the click that opens it.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradio_client import Client

from yuan_demo.bench import BenchError
from yuan_demo.bench.page import DemoPage, Edit, Recording, Repaint, chromium
from yuan_demo.bench.report import Cell, Report, median, percentile, share_within
from yuan_demo.bench.server import running_app, widened
from yuan_demo.model.locate import EMBEDDED_FOLDER
from yuan_demo.settings import load_settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EDIT_LIMITS_MS = {2000: 150.0, 8000: 250.0}
"""By the length of the prompt: how soon LIMIT_SHARE of the edits are to be on the screen."""
LIMIT_SHARE = 0.9

OPENING_LIMIT_MS = 1000.0
"""How soon the tab with all tokens of OPENING_TOKENS is to be there when it is opened."""
OPENING_TOKENS = 8192

ANSWER_ROOM = 64
"""Tokens that a widened window has beside the longest prompt."""

DRAFT = "请用一两句话来解释 attention，再给我一个 example of it。"
"""40 characters in the two languages of the demo."""

PASSAGE = (
    "源2.0 是一个开源的大语言模型，它在注意力之前加了一层局部过滤，让相邻的词先互相看一眼。"
    "A language model reads a text as tokens and writes the next one, again and again. "
    "def add(a, b): return a + b  # 加法 "
)

MESSAGE_TOKENS = 250
"""Length of the messages of a history."""

JOIN_TOKENS = 4
"""What a message costs at most beside its text: `<n>`, and a piece where the two meet."""

SETTINGS = {"max_new_tokens": 1}
"""Of the page: nothing is asked, so next to nothing is reserved."""


def limit_ms(tokens: int) -> float:
    """The limit for a prompt of so many tokens: that of the next greater length."""
    return next(
        (limit for length, limit in EDIT_LIMITS_MS.items() if tokens <= length),
        max(EDIT_LIMITS_MS.values()),
    )


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
    flags: Sequence[str],
    *,
    sizes: Sequence[int],
    pace_ms: int,
    pastes: int,
    openings: int,
    browser: str | None,
) -> Report:
    """Pastes, types and deletes at prompts of several lengths, and opens the tab of the tokens.

    Args:
        flags: of app.py.
        sizes: tokens of the prompt when the draft is complete; those beyond the context window
            are left out, and the report says so.
        pace_ms: pause between two keys.
        pastes: how often a text of that length is pasted and cleared.
        openings: how often the tab is opened, in as many pages.
        browser: executable of a Chromium; None looks for one.

    Raises:
        BenchError: no app, no browser, no playwright, or a panel that does not follow.
    """
    rows: list[dict[str, Cell]] = []
    samples: dict[str, list[float]] = {}
    with (
        _roomy(flags, max(*sizes, OPENING_TOKENS) + ANSWER_ROOM) as (roomy_flags, notes),
        running_app(roomy_flags) as app,
        chromium(browser) as opened,
    ):
        app.wait_for("/", "/healthz")
        window = json.loads(app.get("/healthz") or b"{}")["context_window"]
        passages = Passages(Client(app.url, verbose=False))
        for size in (size for size in sizes if size < window):
            session = Session(opened, app.url, passages, size)
            for name, recordings in session.edits(pace_ms, pastes):
                values = [ms for seen in recordings for ms in latencies(seen.edits, seen.repaints)]
                rows.append(_edit_row(name, recordings, values))
                samples[f"{name} at {size} tokens, ms"] = values
        if window > OPENING_TOKENS:
            session = Session(opened, app.url, passages, OPENING_TOKENS)
            for name, values in session.openings(openings):
                rows.append(_row(name, OPENING_TOKENS, values, OPENING_LIMIT_MS))
                samples[f"{name} with {OPENING_TOKENS} tokens, ms"] = values
    left_out = [str(size) for size in (*sizes, OPENING_TOKENS) if size >= window]
    if left_out:
        notes.append(f"Left out: {', '.join(left_out)} tokens; the window holds {window}.")
    return Report(f"edit to repainted panel, {pace_ms} ms between keys", rows, samples, notes)


@contextmanager
def _roomy(flags: Sequence[str], window: int) -> Iterator[tuple[list[str], list[str]]]:
    """Flags of an app with room for so many tokens, if its model is ours; and notes on that."""
    settings = load_settings(flags, os.environ)
    is_ours = Path(settings.model).expanduser().resolve() == EMBEDDED_FOLDER
    if not is_ours or settings.context_window:
        yield [*flags], []
        return
    with widened(EMBEDDED_FOLDER, window) as folder:
        note = (
            f"The embedded model with a window of {window} tokens, for which it was not trained; "
            "nothing is generated here."
        )
        yield (
            [*(flag for flag in flags if not flag.startswith("--model=")), f"--model={folder}"],
            [note],
        )


class Passages:
    """Texts of so many tokens, counted by the app itself.

    Args:
        client: of the app.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def text(self, tokens: int) -> str:
        """A text of so many tokens, or one less where that many would end inside a character."""
        # With numbers, for no two stretches of what people write are alike.
        text = "".join(f"{number}. {PASSAGE}" for number in range(1, 2 + tokens // 20))
        return text[: self._offset(text, tokens)]

    def conversation(self, tokens: int) -> list[list[str]]:
        """A history of so many tokens, the draft behind it counted in."""
        messages: list[list[str]] = []
        text, missing = self.text(tokens), tokens - self._prompt_tokens([])
        while missing > 2 * JOIN_TOKENS:
            cut = self._offset(text, min(missing, MESSAGE_TOKENS) - JOIN_TOKENS)
            messages.append(["ua"[len(messages) % 2], text[:cut]])
            text = text[cut:]
            missing = tokens - self._prompt_tokens(messages)
        return messages

    def _offset(self, text: str, tokens: int) -> int:
        """Characters of a text that its first tokens cover."""
        offsets = self._client.predict(text, api_name="/tokenize")["offsets"]
        return offsets[tokens][0] if tokens < len(offsets) else len(text)

    def _prompt_tokens(self, messages: Sequence[Sequence[str]]) -> int:
        """Tokens of the prompt with the draft behind these messages."""
        roles = {"u": "user", "a": "assistant"}
        history = [{"role": roles[role], "content": text} for role, text in messages]
        seen = self._client.predict(DRAFT, history, 1, api_name="/inspect")
        return len(seen["input_ids"])


class Session:
    """What is done at one length of the prompt.

    Args:
        browser: opens the pages.
        url: of the app.
        passages: what is said in them.
        size: tokens of the prompt.
    """

    def __init__(self, browser: "Browser", url: str, passages: Passages, size: int) -> None:
        self._browser = browser
        self._url = url
        self._passages = passages
        self._size = size

    def edits(self, pace_ms: int, pastes: int) -> Iterator[tuple[str, list[Recording]]]:
        """Pastes a message of that length; then types and deletes the draft behind a history."""
        text = self._passages.text(self._size - 1)  # and the <sep> behind it
        pasted, cleared = [], []
        with self._page() as page:
            for _ in range(pastes):
                pasted.append(page.paste(text))
                cleared.append(page.clear())
        yield "paste", pasted
        yield "clear", cleared
        with self._page(m=self._passages.conversation(self._size)) as page:
            yield "type", [page.type(DRAFT, pace_ms)]
            yield "delete", [page.delete(len(DRAFT), pace_ms)]

    def openings(self, times: int) -> Iterator[tuple[str, list[float]]]:
        """Opens pages with a whole prompt, and in each of them the tab with its tokens."""
        messages = self._passages.conversation(self._size)
        first, again = [], []
        for _ in range(times):
            with self._page(m=messages, d=DRAFT) as page:
                first.append(page.first_draw_ms())
                again.append(page.open_prompt_tab())
                if page.prompt_tokens() < self._size - JOIN_TOKENS:
                    raise BenchError(
                        f"The list must hold {self._size} tokens; it has {page.prompt_tokens()}. "
                        "Look at the page, and at what app.py prints."
                    )
        yield "first draw", first
        yield "open tab", again

    @contextmanager
    def _page(self, **scene: Any) -> Iterator[DemoPage]:
        page = DemoPage(self._browser, self._url, {"m": [], "s": SETTINGS} | scene)
        yield page
        page.close()


def _edit_row(
    name: str, recordings: Sequence[Recording], values: Sequence[float]
) -> dict[str, Cell]:
    repaints = [repaint for seen in recordings for repaint in seen.repaints]
    tokens = max(repaint.tokens for repaint in repaints)
    return {
        **_row(name, tokens, values, limit_ms(tokens)),
        "request ms": median(ms for seen in recordings for ms in seen.request_ms),
        "drawing ms": median(repaint.drawing_ms for repaint in repaints),
    }


def _row(name: str, tokens: int, values: Sequence[float], limit: float) -> dict[str, Cell]:
    share = share_within(values, limit)
    return {
        "": name,
        "tokens": tokens,
        "times": len(values),
        "median ms": median(values),
        "p90 ms": percentile(values, LIMIT_SHARE),
        "worst ms": max(values),
        "limit ms": limit,
        "% within": 100 * share,
        "held": "yes" if share >= LIMIT_SHARE else "NO",
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
