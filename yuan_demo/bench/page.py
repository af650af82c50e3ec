"""The page in headless Chromium: what a visitor does with it, and what the probe saw of that.

playwright is needed for the tests and for this, not for the demo; it is imported when used.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from yuan_demo.bench import BenchError
from yuan_demo.ui.label_strings import LABELS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_PROBE = Path(__file__).with_name("probe.js")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_BOX = "#message-box textarea"
_PANEL = "#token-panel [data-seq]"
_SETTLE_MS = 500
_LOADING_MS = 2000


@dataclass(frozen=True, slots=True)
class Edit:
    """An `input` event of the message box: when, and what the box then held."""

    at_ms: float
    text: str


@dataclass(frozen=True, slots=True)
class Repaint:
    """The panel on the screen: since when, with what draft, how many tokens, how long it drew."""

    at_ms: float
    text: str
    tokens: int = 0
    drawing_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Recording:
    """What the probe saw. `request_ms`: how long the page waited for each answer of the server."""

    edits: tuple[Edit, ...]
    repaints: tuple[Repaint, ...]
    request_ms: tuple[float, ...]


@contextmanager
def chromium(executable: str | None) -> Iterator["Browser"]:
    """A headless Chromium.

    Args:
        executable: of the browser; None looks on the PATH.

    Raises:
        BenchError: playwright or the browser is not installed.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise BenchError(
            "The page is measured through playwright; it is not installed. "
            "Run `pip install -r tests/requirements.txt`."
        ) from error
    found = executable or next(filter(None, map(shutil.which, _BROWSERS)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=found, args=list(_FLAGS))
        except Error as error:
            raise BenchError(
                f"A Chromium must start; {found or 'none on the PATH'} did not "
                f"({error.message.splitlines()[0]}). "
                "Run `apt-get install chromium`, or name one with --browser."
            ) from error
        try:
            yield browser
        except Error as error:
            raise BenchError(
                "The page must do what a visitor asks of it; it did not: "
                f"{error.message.splitlines()[0]} Look at it, and at what app.py prints."
            ) from error
        finally:
            browser.close()


class DemoPage:
    """One visitor's page, in English, 1280 x 800, with the probe in it.

    Args:
        browser: opens it.
        url: of the app.
    """

    def __init__(self, browser: "Browser", url: str) -> None:
        self._page: Page = browser.new_page(locale="en-US", viewport={"width": 1280, "height": 800})
        self._page.add_init_script(path=_PROBE)
        self._page.goto(url)
        self._page.wait_for_selector(_PANEL)
        # What Gradio loads behind the page repaints the panel once more; it never tells when it is
        # done, and one connection stays open for good.
        self._page.wait_for_timeout(_LOADING_MS)

    def close(self) -> None:
        """Closes the page; the server then forgets the visitor."""
        self._page.close()

    def reserve(self, tokens: int) -> None:
        """Sets the longest answer, and so what the window keeps free of the prompt."""
        label, _ = LABELS["max_new_tokens"]
        self._page.get_by_role("button", name=LABELS["settings"][0]).click()
        number = self._page.locator(".block", has_text=label).last.locator("input[type=number]")
        number.fill(str(tokens))
        number.press("Tab")
        self._page.wait_for_selector(f"{_PANEL} [data-part=reserved] b >> text=/^{tokens}$/")

    def send(self, message: str) -> None:
        """Sends a message and waits for the whole answer."""
        sequence = self._panel("seq")
        self._page.fill(_BOX, message)
        self._wait(f"panel.dataset.seq > {sequence} && panel.dataset.mode === 'preview'")
        self._page.press(_BOX, "Enter")
        self._wait("panel.dataset.mode === 'sent' && !box.disabled && !box.value")

    def type(self, text: str, pace_ms: int) -> Recording:
        """Types a text into the message box, key by key."""
        return self._do([lambda key=key: self._page.keyboard.type(key) for key in text], pace_ms)

    def delete(self, keys: int, pace_ms: int) -> Recording:
        """Presses Backspace so many times."""
        return self._do([lambda: self._page.keyboard.press("Backspace")] * keys, pace_ms)

    def paste(self, text: str) -> Recording:
        """Puts a text into the message box in one edit."""
        return self._do([lambda: self._page.keyboard.insert_text(text)], 0)

    def clear(self) -> Recording:
        """Selects all of the message and deletes it."""
        self._page.press(_BOX, "Control+a")
        return self.delete(1, 0)

    def prompt_tokens(self) -> int:
        """Tokens that the panel shows now."""
        return int(
            self._page.evaluate(
                f"JSON.parse(document.querySelector('{_PANEL}').dataset.ids).length"
            )
        )

    def _do(self, keys: Sequence[Callable[[], None]], pace_ms: int) -> Recording:
        self._page.focus(_BOX)
        self._page.evaluate("yuanBench.forget()")
        for key in keys:
            key()
            self._page.wait_for_timeout(pace_ms)
        self._wait("yuanBench.isShown()")
        self._page.wait_for_timeout(_SETTLE_MS)
        seen = self._page.evaluate("yuanBench.seen()")
        return Recording(
            tuple(Edit(*edit) for edit in seen["edits"]),
            tuple(Repaint(*repaint) for repaint in seen["repaints"]),
            tuple(seen["requests"]),
        )

    def _panel(self, name: str) -> str:
        return str(self._page.locator(_PANEL).get_attribute(f"data-{name}"))

    def _wait(self, condition: str) -> None:
        # Asked ten times a second, not at every frame: the page is being timed.
        self._page.wait_for_function(
            f"""() => {{
                const panel = document.querySelector('{_PANEL}');
                const box = document.querySelector('{_BOX}');
                return {condition};
            }}""",
            polling=100,
        )
