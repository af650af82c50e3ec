"""A busy server: the line, who leaves it, what a prompt cost; and one that failed."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import DemoPage, Server, link_to, load
from tests.running_app import LONG, ask

LINE = {
    "en": "You are number 1 in line; others are being answered.",
    "zh": "你排在第 1 位，正在为其他人生成回答。",
}
WAITING = {"en": "Number 1 in line", "zh": "排在第 1 位"}
BUSY = {"en": "1 of 1 answering, 1 in line", "zh": "回答中 1 / 1，排队 1"}
WORK = {
    "en": r"Prompt: [1-9]\d* reused, [1-9]\d* computed · first token [\d.]+ s · [\d.]+ tokens/s",
    "zh": r"提示：复用 [1-9]\d* 个，计算 [1-9]\d* 个 · 首个词元 [\d.]+ 秒 · [\d.]+ 词元/秒",
}
QUEUE = {"en": r"[\d.]+ s in line$", "zh": r"排队 [\d.]+ 秒$"}
LEFT = {"en": "left the line", "zh": "离开了队列"}
HELLO = {"en": "My name is Ada.", "zh": "我叫小明。"}


@pytest.fixture(scope="module")
def small() -> Iterator[Server]:
    """A server that answers one at a time."""
    running = Server("--slots", "1")
    yield running
    running.stop()


def health(server: Server) -> dict:
    return json.loads(server.get("healthz"))


def wait_until(demo: DemoPage, server: Server, **facts: int) -> None:
    for _ in range(100):
        if facts.items() <= health(server).items():
            return
        demo.page.wait_for_timeout(50)
    pytest.fail(f"{health(server)} is not {facts}")


def stand_in_line(demo: DemoPage, server: Server):
    """Takes the slot for a program, and sends a question of the page."""
    holder = ask(server.port, *LONG)
    wait_until(demo, server, running=1)
    demo.send(HELLO[demo.language])
    expect(demo.page.locator("#conversation [data-testid=bot]").last).to_have_text(
        LINE[demo.language]
    )
    return holder


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_place_in_line_stands_in_the_chat_until_the_answer_does(open_page, small, language):
    demo = open_page(language=language, url=small.url)
    holder = stand_in_line(demo, small)
    expect(demo.page.locator(".tp-state")).to_contain_text(WAITING[language])
    expect(demo.page.locator(".cx-busy")).to_have_text(BUSY[language])

    holder.hang_up()
    demo.wait_idle()

    assert demo.messages[0] == HELLO[language]
    assert len(demo.messages) == 2
    assert LINE[language][:6] not in demo.messages[1]
    assert re.search(QUEUE[language], demo.page.locator(".tk-work").inner_text())
    assert demo.errors == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_panel_says_what_was_reused_and_how_fast_it_was(open_page, small, language):
    demo = open_page(language=language, url=small.url)
    for _ in range(3):
        demo.ask(HELLO[language])

    assert re.search(WORK[language], demo.page.locator(".tk-work").inner_text())


def test_stopping_in_line_says_so_and_retry_asks_again(open_page, small):
    demo = open_page(url=small.url)
    holder = stand_in_line(demo, small)
    demo.page.locator("#message-box .stop-button").click()
    expect(demo.page.locator("#conversation [data-testid=bot]")).to_contain_text(LEFT["en"])
    wait_until(demo, small, waiting=0)
    expect(demo.box).to_be_enabled()
    holder.hang_up()
    demo.settle()
    demo.retry()

    assert len(demo.messages) == 2
    assert "Ada" in demo.messages[1]
    assert demo.bar()["history"] == 0


def test_a_page_that_is_loaded_anew_in_line_has_lost_its_place(open_page, small):
    demo = open_page(language="zh", url=small.url)
    holder = stand_in_line(demo, small)
    demo.page.reload()
    load(demo)
    wait_until(demo, small, waiting=0)
    holder.hang_up()

    assert LEFT["zh"] in demo.messages[1]
    assert demo.bar()["history"] == 0


def test_a_closed_page_frees_its_slot(open_page, small):
    message, settings = LONG
    settings = {**settings, "greedy": False, "top_k": 0, "top_p": 1.0}
    demo = open_page(url=small.url + link_to(draft=message, settings=settings))
    demo.box.press("Enter")
    expect(demo.page.locator("#conversation [data-testid=bot]")).to_contain_text(re.compile(r"\w"))
    assert health(small)["running"] == 1

    other = open_page(url=small.url)
    demo.page.close()

    wait_until(other, small, running=0)


@pytest.mark.parametrize(
    ("language", "words"), [("en", "must be started anew"), ("zh", "需要重新启动")]
)
def test_a_server_that_failed_says_so_at_the_top(open_page, small, language, words):
    demo = open_page(language=language, url=small.url)
    failed = {"status": "failed", "fault": "device_lost", "running": 0, "waiting": 0, "slots": 1}
    demo.page.route("**/healthz", lambda route: route.fulfill(status=503, json=failed))

    expect(demo.page.locator(".cx-busy.bad")).to_contain_text(words, timeout=10_000)
