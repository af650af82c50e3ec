"""Links: what one copies another opens, and no server sees a word of it."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Server, link_to, load

SAID = ("My secret is PLATYPUS <b>", "I keep it, Ada! 👩‍🚀")
DRAFT = "And what is PLATYPUS? "
SETTINGS = {
    "format": "custom",
    "turn_template": "PLATYPUS {user}\\n{assistant}\\n",
    "question_template": "{user}\\n<sep>",
    "raw": True,
    "policy": "keep_first",
    "window": 500,
    "max_new_tokens": 16,
    "pinned": [1],
}


def copied_link(demo) -> str:
    demo.page.get_by_role("button", name="Copy link").click()
    expect(demo.page.locator("dialog h2")).to_have_text("Link copied")
    link = demo.page.evaluate("navigator.clipboard.readText()")
    assert demo.page.locator("dialog input").input_value() == link
    demo.page.locator(".hd-close").click()
    return link


def test_a_copied_link_opens_the_same_page_elsewhere_and_nothing_of_it_is_logged(open_page):
    server = Server()
    try:
        first = open_page(url=server.url + link_to(SAID, DRAFT, SETTINGS))
        link = copied_link(first)
        second = open_page(url=link)

        assert second.ids() == first.ids() != []
        assert second.messages == first.messages == list(SAID)
        assert second.box.input_value() == DRAFT
        assert second.bar() == first.bar()
        # Every setting came along: the same link comes out of it.
        assert copied_link(second) == link
        preview = second.ids()
        second.box.press("Enter")
        second.wait_idle()
        assert second.ids()[: len(preview)] == preview
        # The address is clean, so that a reload does not undo what was said since.
        assert "#" not in second.page.url
        said = second.messages
        second.page.reload()
        load(second)
        assert second.messages == said
        for demo in (first, second):
            assert not [address for address in demo.requests if "#s=" in address]
            assert demo.errors == []
        fragment = link.partition("#")[2]
        assert "PLATYPUS" not in server.log()
        assert fragment[:40] not in server.log()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("#s=broken!", "cannot be opened"),
        (link_to(settings={"format": "custom", "question_template": "PLATYPUS <b>"}), "<b>"),
    ],
    ids=["cut off", "bad setting"],
)
def test_a_broken_link_says_so_and_leaves_ones_own_conversation(page, server, link, reason):
    page.ask("Hello!")
    before = page.messages
    page.page.goto(server.url + link)
    page.page.wait_for_load_state()
    load(page)

    expect(page.page.locator("[data-testid=toast-body]")).to_contain_text(reason)
    assert page.messages == before
    expect(page.page.locator("#lesson-banner h3")).to_have_count(0)
    assert page.ask("Again!")
    assert "PLATYPUS" not in server.log()
    assert page.errors == []


def test_settings_that_this_model_has_not_are_told_and_lock_nothing(open_page, server):
    settings = {"window": 50_000, "temperature": 5, "top_k": 5000}
    demo = open_page(url=server.url + link_to(SAID, "Hello", settings))

    expect(demo.page.locator(".tp-notice")).to_contain_text("between 64 and 2,048, but is 50,000")
    demo.box.press("Enter")
    expect(demo.page.locator("#message-box")).to_contain_text("but is 50,000")
    assert demo.box.input_value() == "Hello"
    demo.open_prompt_settings()
    number = demo.page.locator("#prompt-settings input[type=number]")
    demo.edit(lambda: (number.fill("1000"), number.press("Tab")))
    demo.box.press("Enter")
    demo.wait_idle()
    assert len(demo.messages) == 4


def test_a_conversation_too_long_for_a_link_is_explained_and_nothing_is_copied(page):
    # Digits of no pattern, which compress badly.
    text = "".join(str((number * number * 7919) % 99991) for number in range(6000))
    page.edit(lambda: page.box.fill(text))
    page.page.evaluate("navigator.clipboard.writeText('before')")
    page.page.get_by_role("button", name="Copy link").click()

    dialog = page.page.locator("dialog")
    expect(dialog).to_contain_text("Too long for a link")
    expect(dialog).to_contain_text("at most 8,000 characters")
    assert dialog.locator("input").count() == 0
    assert page.page.evaluate("navigator.clipboard.readText()") == "before"
    page.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.edit(lambda: page.box.fill("short"))
    copied_link(page)
