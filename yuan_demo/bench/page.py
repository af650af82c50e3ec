"""The page in headless Chromium: what a visitor does with it, and what the probe saw of that.

playwright is needed for the tests and for this, not for the demo; it is imported when used.
"""

import base64
import json
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
_LOADING_LIMIT_MS = 60_000


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
        scene: what stands on the page, as `yuan_demo.ui.scenes.pack` writes it.
    """

    def __init__(self, browser: "Browser", url: str, scene: Mapping[str, Any]) -> None:
        self._page: Page = browser.new_page(locale="en-US", viewport={"width": 1280, "height": 800})
        self._page.add_init_script(path=_PROBE)
        self._page.goto(url + link_fragment(scene))
        self._page.wait_for_selector(
            "html[data-loaded]", state="attached", timeout=_LOADING_LIMIT_MS
        )
        # What Gradio loads behind the page repaints the panel once more; it never tells when it is
        # done, and one connection stays open for good.
        self._page.wait_for_timeout(_LOADING_MS)

    def close(self) -> None:
        """Closes the page; the server then forgets the visitor."""
        self._page.close()

    def first_draw_ms(self) -> float:
        """From the page being ready to the first panel with tokens on the screen."""
        self._wait("yuanBench.firstDrawMs() !== null")
        return float(self._page.evaluate("yuanBench.firstDrawMs()"))

    def open_prompt_tab(self) -> float:
        """Goes from the lessons to the prompt; milliseconds from the click to its tokens."""
        self._tab("tab_lessons")
        self._page.wait_for_timeout(_SETTLE_MS)
        self._page.evaluate("yuanBench.forget()")
        self._tab("tab_prompt")
        self._wait("yuanBench.openingMs() !== null")
        return float(self._page.evaluate("yuanBench.openingMs()"))

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

    def _tab(self, name: str) -> None:
        self._page.get_by_role("tab", name=LABELS[name][0], exact=True).click()

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

    def _wait(self, condition: str) -> None:
        # Asked ten times a second, not at every frame: the page is being timed.
        self._page.wait_for_function(f"() => {condition}", polling=100)


def link_fragment(scene: Mapping[str, Any]) -> str:
    """What stands behind the address of a page to put a scene up; see assets/link.js."""
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)  # without a header: deflate-raw
    packed = squeeze.compress(json.dumps(scene).encode()) + squeeze.flush()
    return "#s=" + base64.urlsafe_b64encode(packed).decode().rstrip("=")
