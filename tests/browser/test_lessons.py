"""Lessons: each loads, its panel follows, and one's own conversation comes back."""

from playwright.sync_api import expect

from tests.browser.conftest import link_to, load
from yuan_demo.ui.lessons import LESSONS

SAID = ("My own <b>question", "its answer")


def open_lesson(demo, name: str) -> None:
    demo.open_tab("lessons")
    demo.edit(demo.page.locator(f"#ls-load-{name}").click)


def own_page(open_page, server):
    """A page with a conversation that no link brought, so that nothing is set aside yet."""
    demo = open_page(url=server.url + link_to(SAID))
    demo.page.evaluate("localStorage.removeItem('yuan-demo-set-aside')")
    demo.page.reload()
    load(demo)
    expect(demo.page.locator("#lesson-banner h3")).to_have_count(0)
    return demo


def test_every_lesson_loads_and_one_click_brings_ones_own_page_back(open_page, server, inspect):
    demo = own_page(open_page, server)
    demo.open_tab("formats")
    demo.edit(lambda: demo.choose("The chat uses", "User: / Assistant: roles"))
    demo.edit(lambda: demo.box.fill("my draft"))
    mine = demo.ids()

    for name, lesson in LESSONS.items():
        open_lesson(demo, name)
        expect(demo.page.locator("#lesson-banner h3")).to_have_text(lesson.title[0])
        expect(demo.page.locator("#lesson-list .open")).to_have_attribute("data-name", name)
        expect(demo.page.locator(".ls-table table")).to_be_visible()
        assert demo.mode() == ("blocked" if name == "fourth_question" else "preview")
        assert demo.box.input_value()
        assert not set(demo.messages) & {text.strip() for text in SAID}
        bar = demo.bar()
        if name == "fourth_question":
            notice = demo.page.locator(".tp-notice").inner_text()
            assert "the prompt has 1,038 tokens" in notice
            assert "in a window of 1,024" in notice
            assert sum(bar.values()) == 1024
            demo.box.press("Enter")
            expect(demo.page.locator("#message-box")).to_contain_text("1,038")
        else:
            assert bar["history"] + bar["message"] == len(demo.ids())
        assert demo.errors == []

    demo.edit(demo.page.locator(".lb-back").click)
    assert demo.messages == [text.strip() for text in SAID]
    assert demo.box.input_value() == "my draft"
    assert demo.ids() == mine == inspect("my draft", SAID, format="roles")["input_ids"]
    expect(demo.page.locator("#lesson-banner h3")).to_have_count(0)
    expect(demo.page.locator("#lesson-list .open")).to_have_count(0)


def test_ones_own_conversation_survives_a_reload_in_the_middle_of_a_lesson(open_page, server):
    demo = own_page(open_page, server)
    open_lesson(demo, "sep_injection")
    demo.box.press("Enter")
    demo.wait_idle()
    lesson = demo.messages
    assert len(lesson) == 2
    demo.page.reload()
    load(demo)

    assert demo.messages == lesson
    expect(demo.page.locator("#lesson-banner h3")).to_have_text(
        "Your own conversation is set aside"
    )
    demo.edit(demo.page.locator(".lb-back").click)
    assert demo.messages == [text.strip() for text in SAID]
    demo.page.reload()
    load(demo)
    assert demo.messages == [text.strip() for text in SAID]
    expect(demo.page.locator("#lesson-banner h3")).to_have_count(0)


def test_a_lesson_waits_for_the_answer_that_is_being_written(page):
    page.send("Tell me a long story about a river.")
    page.open_tab("lessons")
    page.page.locator("#ls-load-roles").click()
    toast = page.page.locator("[data-testid=toast-body]")
    if page.mode() == "answering":
        expect(toast).to_contain_text("An answer is being written")
        page.wait_idle()
        assert page.messages[0] == "Tell me a long story about a river."
    page.wait_idle()
    open_lesson(page, "repeats")
    assert page.mode() == "preview"
    page.edit(page.page.locator(".lb-back").click)
    assert page.messages[0] == "Tell me a long story about a river."
