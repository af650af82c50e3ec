"""The Why tab: a stretch of an answer is selected, and the turn that it owes to is found."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import link_to
from tests.browser.test_readable import _CONTRASTS, _SMALL_TARGETS, assert_none

SAID = (
    "My name is Ada. <img src=x onerror=window.hacked=1>",
    "Okay, Ada. I will remember.",
    "Hello",
    "Hello!",
)
_WATCH = """
window.stretches = [];
window.yuanDemo.subscribe('stretch', news =>
  window.stretches.push(news && [news.start, news.end, news.answer.turn]));
"""


def open_why(open_page, server, size="1280x800", language="en", theme="light", **changes):
    """A page with an answer to the third question of a conversation."""
    settings = {"max_new_tokens": 12} | changes
    url = f"{server.url}?__theme={theme}" + link_to(SAID, "", settings)
    demo = open_page(size, language, url=url)
    demo.ask("What is my name?")
    demo.open_tab("why")
    demo.page.evaluate(_WATCH)
    return demo


def find(demo) -> None:
    demo.page.locator(".wy-find").click()
    expect(demo.page.locator(".wy-line")).not_to_be_empty()
    # It says "stop" as long as something is under way.
    demo.page.wait_for_selector(".wy-find:has-text('Find'), .wy-find:has-text('查找')")


def row(demo, *path: int):
    return demo.page.locator(f".wy-row[data-path='{','.join(map(str, path))}']")


def spent(demo) -> int:
    return int(demo.page.locator(".wy-spent").inner_text().split()[0])


def stretch(demo) -> list[int]:
    return demo.page.evaluate("window.stretches.at(-1)")


def test_turns_sentences_and_words_are_measured(open_page, server):
    demo = open_why(open_page, server)
    tokens = demo.page.locator(".wy-k")
    # At first the whole answer, without what ends it.
    ended = tokens.last.inner_text() == "<eod>"
    assert stretch(demo) == [0, tokens.count() - ended, 3]

    find(demo)
    for turn in range(3):
        expect(row(demo, turn).locator("b").first).to_contain_text(f"Turn {turn + 1}")
    first = spent(demo)
    assert 4 <= first <= 64
    assert row(demo, 0, 0).count() + row(demo, 1, 0).count() > 0 or first == 4
    # Turns that are there to be opened: its messages and their sentences, then words.
    if row(demo, 0).get_attribute("aria-expanded") == "false":
        row(demo, 0).click()
    expect(row(demo, 0, 0, 1)).to_contain_text("<img src=x onerror")
    expect(row(demo, 0, 1, 0)).to_contain_text("Okay, Ada.")
    # Once everything that is there is measured nothing says that it is not.
    expect(demo.page.locator(".wy-row small", has_text="not measured")).to_have_count(0)
    before = spent(demo)
    row(demo, 0, 0, 0).focus()
    demo.page.keyboard.press("Enter")
    expect(row(demo, 0, 0, 0, 3)).to_contain_text("Ada")
    expect(demo.page.locator(".wy-row small", has_text="not measured")).to_have_count(0)
    assert spent(demo) == before + 4
    # The keyboard is where it was, and closes it again.
    demo.page.keyboard.press("Enter")
    expect(row(demo, 0, 0, 0, 3)).to_have_count(0)
    # It can be stopped, and asked again.
    demo.page.evaluate(
        "{ const find = document.querySelector('.wy-find'); find.click(); find.click(); }"
    )
    expect(demo.page.locator(".wy-said")).to_contain_text("Stopped")
    find(demo)
    assert spent(demo) == first
    assert demo.page.evaluate("window.hacked") is None
    assert demo.errors == []


def test_a_stretch_is_selected_by_mouse_and_keyboard_and_published(open_page, server):
    demo = open_why(open_page, server)
    tokens = demo.page.locator(".wy-k")
    tokens.nth(1).hover()
    demo.page.mouse.down()
    tokens.nth(3).hover()
    demo.page.mouse.up()
    assert stretch(demo) == [1, 4, 3]
    tokens.nth(0).click(modifiers=["Shift"])
    assert stretch(demo) == [0, 2, 3]
    tokens.nth(2).click()
    demo.page.keyboard.press("Shift+ArrowLeft")
    assert stretch(demo) == [1, 3, 3]
    demo.page.keyboard.press("ArrowRight")
    assert stretch(demo) == [2, 3, 3]
    assert tokens.nth(2).get_attribute("aria-selected") == "true"
    demo.page.keyboard.press("Escape")
    assert stretch(demo)[0] == 0
    demo.page.get_by_role("button", name="Least likely word").click()
    start, end, _ = stretch(demo)
    assert 0 <= start < end <= tokens.count()
    find(demo)
    # What was found belongs to the stretch; another one is another question.
    tokens.nth(1 if (start, end) != (1, 2) else 2).click()
    expect(demo.page.locator(".wy-found")).to_be_hidden()
    # While another answer is written there is no stretch, then there is one of it.
    demo.ask("Hello")
    assert stretch(demo)[2] == 4
    assert None in demo.page.evaluate("window.stretches")
    demo.page.locator(".wy-which select").select_option(index=0)
    assert stretch(demo)[2] == 3
    assert demo.errors == []


def test_one_token_against_another(open_page, server):
    demo = open_why(open_page, server)
    demo.page.locator(".wy-k").nth(1).click()
    rivals = demo.page.locator(".wy-against select")
    rivals.select_option(index=1)
    find(demo)
    expect(row(demo, 0).locator("small")).to_contain_text("odds")
    # A typed string, and the token itself, which is no other one.
    rivals.select_option(label="another, typed …")
    field = demo.page.locator(".wy-against input")
    field.fill("龘")
    field.press("Enter")
    expect(row(demo, 0).locator("small")).to_contain_text("odds")
    own = demo.page.evaluate(
        "JSON.parse(sessionStorage.getItem('yuan-demo-answers')).at(-1).cells.p[1]"
    )
    field.fill(own.replace("▁", " "))
    field.press("Enter")
    expect(demo.page.locator(".wy-said")).to_contain_text("must be another one")
    expect(demo.page.locator(".wy-find")).to_be_enabled()
    assert field.input_value()
    assert demo.errors == []


@pytest.mark.parametrize(
    ("size", "language", "theme"), [("390x844", "zh", "dark"), ("1280x800", "en", "light")]
)
def test_by_gradients_with_thumbs_and_readable(open_page, server, size, language, theme):
    demo = open_why(open_page, server, size, language, theme)
    tokens = demo.page.locator(".wy-k")
    if size == "390x844":
        # The first tap begins a stretch, the second one ends it.
        tokens.nth(3).tap()
        tokens.nth(1).tap()
        assert stretch(demo) == [1, 4, 3]
        tokens.nth(2).tap()
        assert stretch(demo) == [2, 3, 3]
    find(demo)
    part = demo.page.locator("#answer-causes")
    assert_none(tuple(text) for text in part.evaluate(_CONTRASTS) if text[0] < 4.5)
    demo.page.locator(".wy-head button").nth(1).click()
    heat = demo.page.locator(".wy-h")
    expect(heat.first).to_be_visible()
    assert "Ada" in demo.page.locator(".wy-heat").inner_text()
    assert heat.evaluate_all("all => all.some(one => +one.style.getPropertyValue('--heat') === 1)")
    expect(row(demo, 2)).to_have_count(1)
    assert_none(tuple(text) for text in part.evaluate(_CONTRASTS) if text[0] < 4.5)
    if size == "390x844":
        assert_none(part.evaluate(_SMALL_TARGETS))
    assert demo.has_no_sideways_scroll()
    assert demo.errors == []
