"""Chatting: streaming, stop, retry, undo, edit, clear; nothing is lost and nothing locks."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Server, link_to, load


def test_answer_streams_and_the_panel_shows_the_ids_the_model_got(page):
    page.edit(lambda: page.box.fill("Hello!"))
    preview = page.ids()
    answer = page.ask("Hello!")

    assert answer
    assert page.ids()[: len(preview)] == preview
    assert len(page.ids()) > len(preview)
    assert page.bar()["answer"] == len(page.ids()) - len(preview)
    assert page.box.input_value() == ""
    assert page.box.is_enabled()


def test_second_turn_is_sent_with_the_first(page):
    first = page.ask("My name is Ada.")
    page.edit(lambda: page.box.fill("What is my name?"))

    assert page.bar()["history"] > 0
    text = page.page.locator(".tp-list").inner_text()
    assert "Ada" in text
    assert first.split()[0] in text


def test_stop_keeps_what_was_said_and_frees_the_box(page):
    page.send("Tell me a long story about a river.")
    page.page.locator("#message-box .stop-button").click()
    page.wait_idle()
    partial = page.messages[-1]
    page.edit(lambda: page.box.fill("go on"))

    assert len(page.messages) in (1, 2)
    assert page.bar()["history"] > 0
    if len(page.messages) == 2:
        assert partial.split()[0] in page.page.locator(".tp-list").inner_text()


def test_retry_undo_and_clear(page):
    page.ask("Hello!")
    page.retry()
    assert page.messages[0] == "Hello!"
    assert len(page.messages) == 2

    page.edit(lambda: page.page.get_by_label("Undo").last.click())
    assert page.box.input_value() == "Hello!"
    assert page.messages == []

    page.ask("Hello!")
    page.edit(lambda: page.page.get_by_label("Clear").last.click())
    assert page.messages == []
    assert page.mode() == "empty"


def test_edit_starts_from_the_message_itself_and_sends_the_changed_one(page):
    page.ask("<b>Hello!")
    page.page.get_by_label("Edit").first.click()
    editor = page.page.locator("#conversation textarea")
    expect(editor).to_have_value("<b>Hello!")
    editor.fill("Good morning!")
    page.page.get_by_label("Submit").first.click()
    expect(page.page.locator("#conversation [data-testid=user]")).to_have_text("Good morning!")
    # Until then the panel shows the answer before, which has been "sent" as well.
    expect(page.page.locator(".tp-list")).to_contain_text("Good")
    page.wait_idle()

    assert page.messages[0] == "Good morning!"


def test_copy_puts_the_message_itself_on_the_clipboard(page):
    text = "<b>bold</b> &amp; plain"
    answer = page.ask(text)
    copied = []
    for button in page.page.get_by_label("Copy message").all():
        page.page.evaluate("navigator.clipboard.writeText('')")
        button.click()
        page.page.wait_for_function("async () => await navigator.clipboard.readText()")
        copied.append(page.page.evaluate("navigator.clipboard.readText()"))

    assert copied == [text, answer]


def test_conversation_survives_a_reload_and_goes_on(page):
    page.ask("My name is Ada. <i>&amp;")
    before = page.messages
    page.page.reload()
    load(page)

    assert page.messages == before
    assert page.bar()["history"] > 0
    page.retry()
    assert len(page.messages) == 2


def test_conversation_survives_a_page_that_is_left_while_it_loads(page):
    page.ask("Hello!")
    before = page.messages
    for _ in range(4):
        page.page.reload(wait_until="commit")
        page.page.wait_for_timeout(400)
    page.page.reload()
    load(page)

    assert page.messages == before


def test_conversation_survives_a_restart_of_the_server(open_page):
    server = Server()
    try:
        demo = open_page(url=server.url)
        demo.ask("Hello!")
        before = demo.messages
        server.stop()
        server.start()
        demo.page.reload()
        load(demo)
        assert demo.messages == before
        assert demo.ask("Hello again!")
    finally:
        server.stop()


def test_oldest_turns_are_dropped_and_named(open_page, server):
    settings = {"window": 200, "max_new_tokens": 32}
    demo = open_page(url=server.url + link_to(settings=settings))
    for number in range(4):
        demo.ask(f"Message {number}: " + "the quick brown fox jumps over the lazy dog. " * 3)
        assert sum(demo.bar().values()) == 200
    notice = demo.page.locator(".tp-notice")
    assert notice.is_visible()
    assert "Dropped" in notice.inner_text()
    assert "Message 0" not in demo.page.locator(".tp-list").inner_text().replace("·", " ")
    assert demo.messages[0].startswith("Message 0")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("   ", "visible character"), ("长" * 100_000, "only")],
    ids=["only whitespace", "100,000 characters"],
)
def test_message_that_cannot_be_sent_stays_in_the_box_with_the_reason(page, text, reason):
    page.edit(lambda: page.box.fill(text))
    page.box.press("Enter")
    page.page.wait_for_selector(f"#message-box :text('{reason}')")

    assert page.box.input_value() == text
    assert page.box.is_enabled()
    assert page.messages == []
    assert page.ask("Hello!")


def test_empty_message_is_not_sent(page):
    page.box.press("Enter")
    page.settle()

    assert page.messages == []
    assert page.box.is_enabled()
    assert page.ask("Hello!")


TEXTS = [
    '<img src=x onerror="window.hacked=1">',
    "<script>window.hacked=1</script><b>x</b>",
    "a<sep>b<eod>c<n>d",
    "[x](javascript:window.hacked=1) **not bold** `code`",
    "${window.hacked=1} {{value}}",
    "&lt;b&gt; &amp;amp; <!-- comment -->",
    "def f():\n    return 1\n\n\n        deep",
]


def test_what_was_typed_stands_in_the_chat_letter_by_letter(page):
    for number, text in enumerate(TEXTS):
        page.ask(text)
        assert page.messages[2 * number] == text

    assert page.page.evaluate("window.hacked") is None
    assert page.errors == []


def test_lone_surrogate_is_refused_with_its_place(page):
    page.box.evaluate(
        """box => { box.value = 'ab\\ud83d';
                    box.dispatchEvent(new Event('input', { bubbles: true })); }"""
    )
    page.settle()
    page.box.press("Enter")
    expect(page.page.locator("#message-box")).to_contain_text("half a character (U+D83D")

    assert page.box.is_enabled()
    assert page.messages == []
    page.box.fill("")
    assert page.ask("Hello!")
