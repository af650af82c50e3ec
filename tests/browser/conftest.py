"""The real app in a real browser: `app.py` in a process of its own, Debian's Chromium in front."""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"1280x800": (1280, 800), "390x844": (390, 844)}
LANGUAGES = {"en": "en-US", "zh": "zh-CN"}
TABS = ("prompt", "answer", "why", "formats", "lessons")
"""Of the panel, in their order."""
_CHROMIUM_FLAGS = [
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`python app.py` on a port of its own."""

    def __init__(self, *flags: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._flags = flags
        # A file and not a pipe, which nobody empties: a full one would stop the server.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self.start()

    def start(self) -> None:
        env = {k: v for k, v in os.environ.items() if not k.startswith("YUAN_DEMO_")}
        # A proxy that nobody listens on: the demo must neither need nor ask it.
        env |= dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
        self._process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(self.port), *self._flags],
            cwd=ROOT,
            env=env,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.get("healthz")
                return
            except OSError:
                time.sleep(0.1)
        self._process.kill()
        pytest.fail(f"app.py did not start:\n{self.log()}")

    def log(self) -> str:
        """Everything that the server has printed."""
        self._log.seek(0)
        return self._log.read().decode()

    def get(self, path: str) -> bytes:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.url + path, timeout=10) as response:
            return response.read()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


def link_to(
    said: Sequence[str] = (), draft: str = "", settings: dict[str, Any] | None = None
) -> str:
    """The end of the address of a page on which a conversation, a draft and settings stand.

    Args:
        said: questions and answers in turn.
        draft: what stands in the message box.
        settings: where they differ from the defaults.
    """
    scene = {"m": [["ua"[place % 2], text] for place, text in enumerate(said)]}
    scene |= {"d": draft} if draft else {}
    scene |= {"s": settings} if settings else {}
    squeeze = zlib.compressobj(wbits=-15)
    packed = squeeze.compress(json.dumps(scene).encode()) + squeeze.flush()
    return "#s=" + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def open_chromium(playwright: Playwright) -> Browser:
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.fail("the browser tests need Chromium: `make test` installs Debian's")
    return playwright.chromium.launch(executable_path=executable, args=_CHROMIUM_FLAGS)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = open_chromium(playwright)
        yield browser
        browser.close()


@dataclass
class DemoPage:
    """One visitor's page, and what a test wants to know of it."""

    page: Page
    language: str
    errors: list[str]
    requests: list[str]

    @property
    def box(self):
        return self.page.locator("#message-box textarea")

    @property
    def panel(self):
        return self.page.locator("#token-panel [data-seq]")

    @property
    def messages(self) -> list[str]:
        bubbles = self.page.locator("#conversation [data-testid=user], [data-testid=bot]")
        return [text.strip() for text in bubbles.all_inner_texts()]

    @property
    def tokens(self):
        """Every box of the token list."""
        return self.page.locator(".tp-list .k")

    @property
    def card(self):
        """The details of one token."""
        return self.page.locator("#token-card")

    @property
    def findings(self):
        return self.page.locator(".tk-findings-list li")

    @property
    def missing(self) -> list[str]:
        """The first messages of the turns that stand struck out above the token list."""
        return self.page.locator(".tk-missing s").all_inner_texts()

    @property
    def left_out(self) -> list[str]:
        """The greyed messages of the chat."""
        return [text.strip() for text in self.page.locator(".left-out").all_inner_texts()]

    def open_tab(self, name: str) -> None:
        """Opens a tab of the panel, one of `TABS`."""
        tab = self.page.locator("#panel-tabs [role=tab]").nth(TABS.index(name))
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")

    def open_prompt_settings(self) -> None:
        fold = self.page.locator("#prompt-settings button.label-wrap")
        if "open" not in fold.get_attribute("class"):
            fold.click()

    def choose(self, label: str, choice: str) -> None:
        """Chooses from a list of Gradio's, both by what is written there."""
        self.page.get_by_label(label, exact=True).click()
        options = self.page.get_by_role("option", name=choice, exact=True)
        # A list of the page's own, as of two settings side by side, may name the same.
        options.and_(self.page.locator("li")).click()

    def open_findings(self) -> None:
        head = self.page.locator(".tk-findings-head")
        if head.get_attribute("aria-expanded") != "true":
            head.click()

    def finding(self, words: str):
        """The row of the finding that says this."""
        return self.findings.filter(has_text=words)

    def ids(self) -> list[int]:
        return self.panel.evaluate("element => JSON.parse(element.dataset.ids)")

    def mode(self) -> str:
        return self.panel.get_attribute("data-mode")

    def bar(self) -> dict[str, int]:
        rows = self.page.locator(".tp-legend [data-part]")
        return rows.evaluate_all(
            "rows => Object.fromEntries(rows.map(row => [row.dataset.part, "
            "+row.querySelector('b').textContent.replace(/\\D/g, '')]))"
        )

    def wait_mode(self, *modes: str, timeout: float = 30) -> None:
        selector = ",".join(f"#token-panel [data-seq][data-mode={mode}]" for mode in modes)
        self.page.wait_for_selector(selector, state="attached", timeout=timeout * 1000)

    def edit(self, change) -> None:
        """Does something that repaints the panel, and waits until it has settled."""
        before = self.panel.get_attribute("data-seq")
        change()
        self.page.wait_for_function(
            "before => document.querySelector('#token-panel [data-seq]').dataset.seq !== before",
            arg=before,
            timeout=30_000,
        )
        self.settle()

    def settle(self) -> None:
        """Waits until nothing is asked of the server and the panel stands still."""
        self.page.wait_for_function(
            """() => {
              const seq = document.querySelector('#token-panel [data-seq]').dataset.seq;
              const isMoving = window.lastSeq !== seq || window.asked > 0;
              if (isMoving) { window.lastSeq = seq; window.stillSince = Date.now(); }
              return Date.now() - window.stillSince > 200;
            }""",
            polling=50,
            timeout=30_000,
        )

    def send(self, text: str) -> None:
        self.box.fill(text)
        self.settle()
        self.box.press("Enter")
        self.wait_mode("answering", "sent")

    def ask(self, text: str) -> str:
        """Sends a message and waits for its answer to end."""
        self.send(text)
        self.wait_idle()
        return self.messages[-1]

    def retry(self) -> None:
        """Asks for another answer, and waits for its end."""
        self.edit(self.page.get_by_label("Retry").last.click)
        self.wait_idle()

    def wait_idle(self) -> None:
        self.wait_mode("sent")
        self.page.wait_for_selector("#message-box textarea:not([disabled])", timeout=10_000)
        self.page.wait_for_selector("#message-box .submit-button", timeout=10_000)
        self.settle()

    @property
    def foreign_requests(self) -> list[str]:
        """Addresses outside this machine that were asked for."""
        own = re.compile(r"http://127\.0\.0\.1:|data:|blob:")
        return [address for address in self.requests if not own.match(address)]

    def has_no_sideways_scroll(self) -> bool:
        return self.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )


# Counts the questions to the server that are not answered yet, for `DemoPage.settle`.
_COUNT_QUESTIONS = """
window.asked = 0;
const fetch_ = window.fetch;
window.fetch = (...request) => {
  const isQuestion = request[1]?.method === 'POST';
  if (isQuestion) window.asked++;
  return fetch_(...request).finally(() => { if (isQuestion) window.asked--; });
};
"""


def watch(page: Page, language: str) -> DemoPage:
    """Wraps a page that has not been loaded yet."""
    page.set_default_timeout(30_000)
    page.add_init_script(_COUNT_QUESTIONS)
    demo = DemoPage(page, language, [], [])
    page.on("pageerror", lambda error: demo.errors.append(str(error)))
    page.on("request", lambda request: demo.requests.append(request.url))
    return demo


@pytest.fixture
def open_page(chromium: Browser, server: Server) -> Iterator:
    contexts = []

    def open_(size: str = "1280x800", language: str = "en", url: str | None = None) -> DemoPage:
        width, height = SIZES[size]
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            locale=LANGUAGES[language],
            has_touch=width < 600,
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        demo = watch(context.new_page(), language)
        demo.page.goto(url or server.url)
        load(demo)
        return demo

    yield open_
    for context in contexts:
        context.close()


def load(demo: DemoPage) -> None:
    """Waits until a page is ready to type in."""
    demo.page.wait_for_selector("#message-box textarea")
    demo.page.wait_for_selector("#token-panel [data-seq]", state="attached")
    # Set when the kept conversation is back; the network never falls idle, Gradio keeps a stream.
    demo.page.wait_for_selector("html[data-loaded]", state="attached")
    demo.settle()


@pytest.fixture
def page(open_page) -> DemoPage:
    return open_page()


@pytest.fixture(scope="session")
def inspect(server: Server) -> Callable[..., dict[str, Any]]:
    """`/inspect`: what sending a message after a conversation, with settings, would give the
    model."""
    client = Client(server.url, verbose=False)

    def ask(message: str, said: Sequence[str] = (), **settings: Any) -> dict[str, Any]:
        roles = ("user", "assistant") * len(said)
        history = [{"role": role, "content": text} for role, text in zip(roles, said, strict=False)]
        return client.predict(message, history, None, settings, api_name="/inspect")

    return ask
