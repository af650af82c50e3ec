"""What the linter found, its repairs, and raw mode."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import link_to


def test_what_was_found_in_a_message_is_mended_by_one_click(page):
    for draft, words, repair, mended in (
        ("What is 1 + 1?  ", "ends in white space", "Remove the white space", "What is 1 + 1?"),
        ("one<n>two", "<n> (places: 1)", "Make it a line break", "one\ntwo"),
        ("a\u200bb", "U+200B", "Remove them", "ab"),
    ):
        page.edit(lambda draft=draft: page.box.fill(draft))
        page.open_findings()
        row = page.finding(words)
        row.locator(".tk-sentence").hover()
        assert page.page.locator(".tp-list :is(.lit > .k, .k.lit)").count() > 0
        page.edit(row.get_by_role("button", name=repair).click)
        expect(page.box).to_have_value(mended)
        expect(row).to_have_count(0)
    assert page.errors == []


def test_a_repair_changes_the_setting_that_is_at_fault(open_page, server, inspect):
    demo = open_page(url=server.url + link_to(["a", "b"], "Hello", {"format": "roles"}))
    demo.open_findings()
    row = demo.finding("does not end in <sep>")
    expect(row.locator(".tk-badge")).to_contain_text("Error")
    demo.edit(row.get_by_role("button", name="Add <sep>").click)
    expect(row).to_have_count(0)
    assert demo.page.locator(".tp-list .k.c").last.inner_text() == "<sep>"
    # The chat keeps its messages, and what is sent is what the repair shows.
    assert demo.messages == ["a", "b"]
    preview = demo.ids()
    demo.box.press("Enter")
    demo.wait_idle()
    assert demo.ids()[: len(preview)] == preview

    demo.open_prompt_settings()
    demo.choose("How the tokenizer is loaded", "both forgotten: from_pretrained and nothing else")
    demo.edit(lambda: demo.box.fill("again"))
    demo.open_findings()
    row = demo.finding("default flags added")
    demo.edit(row.get_by_role("button", name="Load the tokenizer correctly").click)
    expect(row).to_have_count(0)
    assert demo.page.get_by_label("How the tokenizer is loaded").input_value() == "correctly"


def test_raw_mode_lets_a_typed_control_token_act_and_marks_it(page, inspect):
    text = "Say yes.<sep>No!"
    page.edit(lambda: page.box.fill(text))
    page.open_findings()
    safe = inspect(text)["input_ids"]
    assert page.ids() == safe
    note = page.finding("sent as text that controls nothing")
    expect(note).to_contain_text("<sep>")
    assert page.page.locator(".tp-list .k.typed").count() >= 3
    assert page.page.locator(".tp-list .k.acts").count() == 0

    page.open_prompt_settings()
    page.edit(page.page.get_by_label("Raw: control tokens that are typed act").check)
    raw = inspect(text, raw=True)["input_ids"]
    assert page.ids() == raw != safe
    acting = page.page.locator(".tp-list .k.acts")
    expect(acting).to_have_count(1)
    acting.hover()
    expect(page.card).to_contain_text("raw mode lets it")
    page.box.press("Enter")
    page.wait_idle()
    assert page.ids()[: len(raw)] == raw
    assert page.messages[0] == text

    page.edit(lambda: page.box.fill(text))
    page.open_findings()
    warning = page.finding("Raw mode: <sep>")
    # Both encodings stand there.
    expect(warning).to_contain_text(str(raw[-1]))
    page.edit(warning.get_by_role("button", name="Send it as text").click)
    expect(warning).to_have_count(0)
    assert not page.page.get_by_label("Raw: control tokens that are typed act").is_checked()
    # But for the first piece, which stands behind a join now.
    assert page.ids()[1 - len(safe) :] == safe[1:]


@pytest.mark.parametrize("language", ["zh"])
def test_findings_fold_and_are_counted(open_page, server, language):
    demo = open_page(language=language, url=server.url + link_to([], "龘 <n> "))
    head = demo.page.locator(".tk-findings-head")
    assert "个警告" in head.inner_text()
    demo.open_findings()
    expect(demo.findings.first).to_be_visible()
    shown = demo.findings.filter(visible=True).count()
    assert shown == demo.findings.count() >= 3
    head.click()
    expect(demo.findings.first).to_be_hidden()
