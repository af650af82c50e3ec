"""The Formats tab: the chosen format is the one that is sent; any two side by side."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import link_to
from yuan_demo.core.formats import FORMATS
from yuan_demo.ui.label_strings import LABELS

SAID = ("My name is Ada.", "Hello Ada!")
DRAFT = "What is my name? python"


def test_choosing_a_format_changes_what_is_sent(open_page, server, inspect):
    demo = open_page(url=server.url + link_to(SAID, DRAFT, {"max_new_tokens": 16}))
    demo.open_tab("formats")
    for name in [*list(FORMATS)[1:], "n_join"]:
        label = LABELS[f"format_{name}"][0]
        # Two of them may write the same prompt, and then nothing is painted.
        demo.choose("The chat uses", label)
        demo.settle()
        assert demo.ids() == inspect(DRAFT, SAID, format=name, max_new_tokens=16)["input_ids"]
        # The other side is never the same one.
        sides = demo.page.locator("#format-comparison h3")
        expect(sides.first).to_have_text(label)
        expect(sides.last).not_to_have_text(label)
        cost = demo.page.locator("#format-comparison .fc-cost").first
        expect(cost).to_contain_text(f"{len(demo.ids())} prompt tokens")

    demo.edit(lambda: demo.choose("The chat uses", "User: / Assistant: roles"))
    preview = demo.ids()
    demo.box.press("Enter")
    demo.wait_idle()
    assert demo.ids()[: len(preview)] == preview
    assert demo.errors == []


def test_an_own_template_with_a_mistake_gets_a_sentence_and_locks_nothing(page, inspect):
    page.edit(lambda: page.box.fill("Hello"))
    page.open_tab("formats")
    page.choose("The chat uses", "your own")
    # In the tab: the reason beside the message box says "template", too.
    tab = page.page.locator("#panel-tabs")
    question = tab.get_by_label("Template of the newest question")
    turn = tab.get_by_label("Template of an earlier turn")
    for box, wrong in (
        (question, "no place"),
        (question, "{user}{user}"),
        (turn, "{assistant} {user}"),
        (question, "x" * 600),
        (question, "${window.hacked=1}<img src=x onerror=window.hacked=1>"),
    ):
        right = box.input_value()
        page.edit(lambda box=box, wrong=wrong: box.fill(wrong))
        notice = page.page.locator(".tp-notice")
        expect(notice).to_contain_text("template")
        page.box.press("Enter")
        expect(page.page.locator("#message-box")).to_contain_text("template")
        assert page.box.input_value() == "Hello"
        page.edit(lambda box=box, right=right: box.fill(right))
        assert page.mode() == "preview"

    page.edit(lambda: question.fill("Q: {user}\\nA:<sep>"))
    sent = inspect("Hello", format="custom", question_template="Q: {user}\\nA:<sep>")
    assert page.ids() == sent["input_ids"]
    assert sent["text"] == "Q: Hello\nA:<sep>"
    assert page.ask("Hello")
    assert page.page.evaluate("window.hacked") is None
    assert page.errors == []


def test_two_formats_are_compared_in_tokens_and_by_the_model(open_page, server, inspect):
    demo = open_page(url=server.url + link_to(SAID, DRAFT))
    demo.open_tab("formats")
    compared = demo.page.locator("#format-comparison")
    counts = [len(inspect(DRAFT, SAID, format=name)["input_ids"]) for name in ("n_join", "roles")]
    less = counts[1] - counts[0]
    expect(compared.locator(".fc-cost").first).to_have_text(f"{counts[0]} prompt tokens (−{less})")
    expect(compared.locator(".fc-cost").last).to_have_text(f"{counts[1]} prompt tokens (+{less})")
    only = [int(n) for n in re.findall(r"\d+", compared.locator(".fc-summary").inner_text())]
    assert only[1] - only[0] == less
    drawn = [
        compared.locator(".fc-side").nth(side).locator(".k.differs").count() for side in (0, 1)
    ]
    assert drawn == only
    expect(compared.locator(".fc-row")).to_have_count(0)

    demo.page.get_by_label("Reference answer (optional)").fill("Your name is Ada.")
    demo.page.get_by_role("button", name="Compare: ask the model").click()
    expect(compared.locator(".fc-mean")).to_have_count(2, timeout=30_000)
    expect(compared.locator(".fc-row")).to_have_count(10)
    means = compared.locator(".fc-mean").all_inner_texts()
    first, second = (float(re.search(r"-\d+\.\d+", mean)[0]) for mean in means)
    assert ["likelier here" in mean for mean in means] == [first > second, second > first]
    pieces = compared.locator(".fc-side").first.locator(".fc-rated > span").all_inner_texts()
    assert "".join(pieces).replace("·", " ").strip().startswith("Your name is Ada.")
    assert pieces[-1] == "<eod>"

    # The same prompt on both sides is said to be the same.
    demo.choose("Compare with", "<n>, adds punctuation · YuanChat")
    expect(compared.locator(".fc-summary")).to_contain_text("same tokens")
    # Nothing to compare with is a sentence, too.
    demo.edit(lambda: demo.box.fill(""))
    demo.edit(lambda: demo.page.get_by_label("Clear").last.click())
    demo.page.get_by_role("button", name="Compare: ask the model").click()
    expect(compared.locator(".fc-error")).to_contain_text("no question")
    assert demo.errors == []
