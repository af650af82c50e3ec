"""Inside the model, in the Why tab: depths, attention and filter at one token of an answer."""

import math

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import link_to
from tests.browser.test_answer import WILD, records
from tests.browser.test_readable import _CONTRASTS, _SMALL_TARGETS, assert_none
from yuan_demo.ui.inside_strings import INSIDE

SAID = ("My name is Ada.", "Hello Ada.", "我喜欢苹果。", "好的。")


def open_why(open_page, server, size="1280x800", language="en", theme="light", said=SAID):
    settings = WILD | {"max_new_tokens": 12}
    demo = open_page(
        size, language, url=f"{server.url}?__theme={theme}" + link_to(said, "", settings)
    )
    demo.open_tab("why")
    return demo


def part(demo, name):
    return demo.page.locator(f".in-part[data-part={name}]")


def look(demo, *names) -> None:
    """Looks inside and unfolds the cards of these names."""
    demo.page.locator(".in-ask button").click()
    expect(demo.page.locator(".in-depths")).to_have_count(1)
    for name in names:
        part(demo, name).locator(".in-fold").click()
        expect(part(demo, name).locator(".in-list")).to_have_count(1)


def least_likely(demo) -> int:
    """Of the stretch that is selected above, the token that the model was least sure of."""
    start, end = demo.page.evaluate(
        "() => { let chosen; window.yuanDemo.subscribe('stretch', news => { chosen = news; });"
        " return [chosen.start, chosen.end]; }"
    )
    rows = records(demo)[-1]["rows"]
    return min(range(start, end), key=lambda token: rows[token][0])


def shown(percent: str) -> float:
    return 0.0 if "<" in percent else float(percent.rstrip("%"))


def expect_chosen_as_recorded(demo, token: int) -> None:
    """At the last layer stands the probability that the answer has for its token."""
    logprob, rank, *_ = records(demo)[-1]["rows"][token]
    last = part(demo, "lens").locator("tbody tr").last.locator("td").nth(1)
    expect(last.locator("small")).to_have_text(f"rank {rank:,}")
    own = last.evaluate("cell => cell.firstChild.data")
    assert shown(own) == pytest.approx(100 * math.exp(logprob), abs=0.11)


def test_the_last_depth_is_what_the_answer_says_and_the_view_follows_its_token(open_page, server):
    demo = open_why(open_page, server)
    expect(demo.page.locator(".in-ask button")).to_be_hidden()
    demo.ask("Write a bubble sort in Python")
    expect(part(demo, "lens")).to_be_hidden()
    look(demo)
    rows = records(demo)[-1]["rows"]
    least = least_likely(demo)
    expect(demo.page.locator(".in-token")).to_contain_text(f"Token {least + 1} of {len(rows)}")
    expect_chosen_as_recorded(demo, least)
    depths = part(demo, "lens").locator("tbody th").all_inner_texts()
    assert depths[0] == "Embedding"
    assert depths[1:] == [f"Layer {n}" for n in range(1, len(depths))]
    # The tab above selects another token, and no button is needed any more.
    demo.page.locator(".wy-k").nth(2).click()
    expect(demo.page.locator(".in-token")).to_contain_text("Token 3 of")
    demo.page.wait_for_function("!document.querySelector('.in-part.old')")
    expect_chosen_as_recorded(demo, 2)
    # The arrows go on from there, by keyboard as well.
    demo.page.get_by_role("button", name="Next token").focus()
    demo.page.keyboard.press("Enter")
    expect(demo.page.locator(".in-token")).to_contain_text("Token 4 of")
    demo.page.wait_for_function("!document.querySelector('.in-part.old')")
    expect_chosen_as_recorded(demo, 3)
    # As it was read, the next token of the answer is the one that is chosen.
    demo.page.get_by_role("button", name="As it was read").click()
    demo.page.wait_for_function("!document.querySelector('.in-part.old')")
    expect_chosen_as_recorded(demo, 4)
    # Another answer costs nothing before it is asked for.
    demo.ask("And yours?")
    expect(part(demo, "lens")).to_be_hidden()
    assert demo.errors == []


def test_attention_and_filter_by_layer_and_head(open_page, server):
    demo = open_why(open_page, server)
    demo.ask("What is my name? <img src=x onerror=window.hacked=1>")
    look(demo, "attention", "filter")
    attention, filtered = part(demo, "attention"), part(demo, "filter")
    weights = attention.locator(".in-k small")
    count = weights.count()
    numbers = [0.05 if "<" in text else shown(text) for text in weights.all_inner_texts()]
    assert sum(numbers) == pytest.approx(100, abs=0.06 * count)
    best = attention.locator(".in-best li")
    expect(best).to_have_count(10)
    strongest = [shown(text) for text in best.locator(".in-number").all_inner_texts()]
    assert strongest == sorted(numbers, reverse=True)[:10]
    # One of the ten is shown among all.
    best.nth(1).locator("button").click()
    expect(attention.locator(".in-k.on")).to_have_count(1)
    expect(attention.locator(".in-k.on small")).to_have_text(f"{strongest[1]:.1f}%")
    for label, choice in (("Layer", "Layer 2"), ("Head", "Head 1")):
        before = attention.locator(".in-said").inner_text()
        attention.get_by_label(label).select_option(choice)
        expect(attention.locator(".in-said")).not_to_have_text(before, use_inner_text=True)
    # The filter: one number per token and measure, the position's own in words.
    changes = filtered.locator(".in-k small")
    assert changes.count() == count
    words = filtered.locator(".in-said p")
    last = changes.last.inner_text()
    expect(words).to_contain_text(f"would differ by {last}")
    filtered.get_by_role("button", name="Changed in all").click()
    expect(words).to_contain_text(f"changed the input by {changes.last.inner_text()}")
    filtered.locator("summary").click()
    of_layer = filtered.locator(".in-layers tbody tr").nth(1).locator("td").first.inner_text()
    filtered.get_by_label("Layer").select_option("Layer 2")
    expect(words).to_contain_text(f"changed the input by {of_layer}")
    assert demo.page.evaluate("window.hacked") is None
    assert demo.errors == []


def test_a_long_prompt_is_drawn_a_page_at_a_time(open_page, server):
    said = ("the quick brown fox jumps over the lazy dog. " * 60, "first answer")
    demo = open_why(open_page, server, said=said)
    demo.ask("What is my name?")
    look(demo, "attention")
    attention, record = part(demo, "attention"), records(demo)[-1]
    boxes, pages = attention.locator(".in-k"), attention.locator(".in-pages")
    length = len(record["prompt"]["i"]) + least_likely(demo)
    assert length > 600
    start = (length - 1) // 200 * 200
    expect(pages).to_contain_text(f"Tokens {start + 1} to {length:,} of {length:,}")
    expect(boxes).to_have_count(length - start)
    expect(pages.get_by_role("button", name="Later")).to_be_disabled()
    pages.get_by_role("button", name="Earlier").click()
    expect(boxes).to_have_count(200)
    expect(pages).to_contain_text(f"Tokens {start - 199} to {start}")
    assert demo.errors == []


@pytest.mark.parametrize(
    ("size", "language", "theme"), [("1280x800", "en", "dark"), ("390x844", "zh", "light")]
)
def test_it_can_be_read_and_used(open_page, server, size, language, theme):
    demo = open_why(open_page, server, size, language, theme)
    inside = demo.page.locator("#model-inside")
    expect(inside).to_contain_text(INSIDE["in_none"][language == "zh"])
    demo.ask("我叫什么名字？")
    look(demo, "attention", "filter")
    part(demo, "filter").locator("summary").click()
    texts = inside.evaluate(_CONTRASTS)
    assert len(texts) > 100
    assert_none(tuple(text) for text in texts if text[0] < 4.5)
    assert demo.has_no_sideways_scroll()
    if language == "zh":
        assert_none(inside.evaluate(_SMALL_TARGETS))
        assert "layer" not in inside.inner_text().lower()
    assert demo.errors == []
