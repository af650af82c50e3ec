"""The page as a whole: both sizes, both languages, no request leaves the machine."""

import json

import pytest

from tests.browser.conftest import load

BOTH = pytest.mark.parametrize(
    ("size", "language"),
    [(size, language) for size in ("1280x800", "390x844") for language in ("en", "zh")],
)


@BOTH
def test_page_loads_whole_in_the_browsers_language(open_page, size, language):
    demo = open_page(size, language)
    text = demo.page.locator("body").inner_text()

    assert demo.errors == []
    assert demo.foreign_requests == []
    assert demo.has_no_sideways_scroll()
    assert ("上下文窗口" in text) == (language == "zh")
    assert ("Context window" in text) == (language == "en")
    assert "__i18n__" not in text


@BOTH
def test_conversation_looks_right_with_an_answer_on_it(open_page, size, language):
    demo = open_page(size, language)
    demo.ask("你好" if language == "zh" else "Hello")
    chat = demo.page.locator("#conversation").bounding_box()
    panel = demo.page.locator("#token-panel").bounding_box()

    assert demo.has_no_sideways_scroll()
    assert demo.errors == []
    if size == "1280x800":
        assert chat["x"] + chat["width"] <= panel["x"]
    else:
        assert chat["y"] + chat["height"] <= panel["y"]


def test_language_switch_changes_every_word_and_keeps_what_was_typed(page):
    page.ask("Hello!")
    page.box.fill("a draft")
    with page.page.expect_navigation():
        page.page.get_by_role("button", name="中文").click()
    load(page)

    text = page.page.locator("body").inner_text()
    assert page.box.input_value() == "a draft"
    assert page.mode() == "preview"
    assert len(page.messages) == 2
    assert "采样设置" in text
    assert "Sampling settings" not in text
    page.page.reload()
    load(page)
    assert "采样设置" in page.page.locator("body").inner_text()


def test_error_speaks_the_language_of_the_page(open_page):
    demo = open_page(language="zh")
    demo.edit(lambda: demo.box.fill("   "))
    demo.box.press("Enter")

    demo.page.wait_for_selector("#message-box :text('可见字符')")


def test_healthz_tells_the_model_and_the_window(server):
    health = json.loads(server.get("healthz"))

    assert health["status"] == "ok"
    assert health["context_window"] > 0
    assert health["model"]
