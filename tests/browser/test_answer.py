"""The Answer tab: probabilities, candidates and earlier answers, by mouse, thumb and keyboard."""

import math

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import link_to
from tests.browser.test_readable import _CONTRASTS, _SMALL_TARGETS, assert_none
from yuan_demo.ui.answer_strings import ANSWER

WILD = {"greedy": False, "temperature": 1.9, "top_k": 0, "top_p": 1, "seed": 7}


def open_answer(open_page, server, size="1280x800", language="en", theme="light", **changes):
    settings = WILD | {"max_new_tokens": 60} | changes
    url = f"{server.url}?__theme={theme}" + link_to((), "", settings)
    demo = open_page(size, language, url=url)
    demo.open_tab("answer")
    return demo


def records(demo):
    """What the page keeps of all answers."""
    return demo.page.evaluate("JSON.parse(sessionStorage.getItem('yuan-demo-answers'))")


def percents(locator) -> list[float]:
    """Numbers as they are shown; what is below a tenth is taken for half of it."""
    texts = [text.strip() for text in locator.all_inner_texts()]
    return [0.05 if "<" in t else float(t.rstrip("%").strip()) for t in texts if "%" in t]


def test_every_token_of_the_answer_stands_there_and_the_candidates_make_a_hundred(
    open_page, server
):
    demo = open_answer(open_page, server)
    expect(demo.page.locator(".an-what")).to_contain_text("Ask something")
    demo.ask("Write a bubble sort in Python")

    record = records(demo)[-1]
    boxes = demo.page.locator(".an-k")
    expect(boxes).to_have_count(len(record["rows"]))
    assert len(record["rows"]) == len(record["cells"]["i"])
    least = min(range(len(record["rows"])), key=lambda token: record["rows"][token][0])
    # At first the one that the model was least sure of.
    details = demo.page.locator(".an-details")
    expect(details).to_have_attribute("data-token", str(least))
    for token in (0, least, len(record["rows"]) - 1):
        boxes.nth(token).click()
        expect(details).to_have_attribute("data-token", str(token))
        logprob, rank, entropy, eos_logprob, candidates = record["rows"][token]
        facts = details.locator("dd").all_inner_texts()
        assert facts[1] == f"{rank:,}"
        assert facts[2].startswith(f"{max(0, entropy):.2f}")
        # What is shown is the number itself, rounded.
        for text, value in ((facts[0], logprob), (facts[3], eos_logprob)):
            shown = math.exp(value)
            certain = "100%" if shown >= 0.9995 else f"{shown:.1%}"
            assert text == (certain if shown >= 0.0005 else "< 0.1%")
        before = percents(details.locator("tbody td:nth-of-type(1)"))
        assert len(before) == len(candidates) + 1 + (rank > 10)
        assert sum(before) == pytest.approx(100, abs=0.7)
        assert details.locator("tr.chosen").count() == 1
    assert demo.errors == []


def test_mouse_keyboard_and_measure(open_page, server):
    demo = open_answer(open_page, server)
    demo.ask("Write a bubble sort in Python")
    details, boxes = demo.page.locator(".an-details"), demo.page.locator(".an-k")
    boxes.nth(3).hover()
    expect(details).to_have_attribute("data-token", "3")
    boxes.nth(3).click()
    demo.page.mouse.move(5, 5)
    expect(details).to_have_attribute("data-token", "3")
    demo.page.keyboard.press("ArrowRight")
    demo.page.keyboard.press("ArrowRight")
    expect(details).to_have_attribute("data-token", "5")
    focused = demo.page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith("Token 6: ")
    demo.page.keyboard.press("End")
    expect(details).to_have_attribute("data-token", str(boxes.count() - 1))
    # The last token is scrolled to within the list, and the page stays.
    assert demo.page.evaluate("scrollY") == 0
    heat = boxes.evaluate_all("all => all.map(one => one.style.getPropertyValue('--heat'))")
    demo.page.get_by_role("button", name="Entropy").click()
    other = boxes.evaluate_all("all => all.map(one => one.style.getPropertyValue('--heat'))")
    assert heat != other
    assert demo.errors == []


def test_earlier_answers_stay_over_a_retry_and_a_reload_and_go_with_their_conversation(
    open_page, server
):
    demo = open_answer(open_page, server, max_new_tokens=8)
    demo.ask("Hello")
    first = demo.page.locator(".an-k").all_inner_texts()
    demo.ask("My name is Ada.")
    second = demo.page.locator(".an-k").all_inner_texts()
    assert first != second
    chooser = demo.page.locator(".an-which select")
    chooser.select_option(label="Turn 1: Hello")
    assert demo.page.locator(".an-k").all_inner_texts() == first
    # A new draft and a reload change nothing of it.
    demo.edit(lambda: demo.box.fill("and"))
    assert demo.page.locator(".an-k").all_inner_texts() == first
    demo.page.evaluate("history.replaceState(null, '', location.pathname)")
    demo.page.reload()
    demo.page.wait_for_selector("html[data-loaded]", state="attached")
    demo.settle()
    demo.open_tab("answer")
    expect(demo.page.locator(".an-k")).to_have_count(len(second))
    assert demo.page.locator(".an-k").all_inner_texts() == second
    expect(chooser.locator("option")).to_have_count(2)
    demo.page.locator("#conversation").get_by_label("Clear").click()
    expect(demo.page.locator(".an-k")).to_have_count(0)
    assert demo.errors == []


def test_the_panel_follows_a_stream_and_the_text_does_not_wait_for_it(open_page, server):
    demo = open_answer(open_page, server, greedy=True, max_new_tokens=200)
    demo.page.evaluate(
        """() => {
          window.draws = [];
          new MutationObserver(news => news.forEach(({ target }) =>
            window.draws.push([performance.now(), +target.dataset.drawMs])
          )).observe(document.querySelector('#answer-tokens'),
            { attributes: true, attributeFilter: ['data-draw-ms'], subtree: true });
        }"""
    )
    demo.ask("Write a bubble sort in Python")
    times = demo.page.evaluate("window.draws")
    speed = float(demo.page.locator(".cx-model").inner_text().split(" tokens/s")[0].split()[-1])
    seconds = len(records(demo)[-1]["rows"]) / speed
    assert len(times) / seconds > 6
    assert sorted(ms for _, ms in times)[len(times) // 2] < 25


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_can_be_read(open_page, server, theme):
    demo = open_answer(open_page, server, theme=theme)
    demo.ask("Write a bubble sort in Python")
    part = demo.page.locator("#answer-tokens")
    texts = part.evaluate(_CONTRASTS)
    assert len(texts) > 60
    demo.page.get_by_role("button", name="Rank").click()
    texts += part.evaluate(_CONTRASTS)
    assert_none(tuple(text) for text in texts if text[0] < 4.5)


def test_a_phone_in_chinese(open_page, server):
    demo = open_answer(open_page, server, "390x844", "zh")
    assert ANSWER["an_none"][1] in demo.page.locator(".an-what").inner_text()
    demo.ask("你好")
    demo.ask("写一个冒泡排序")
    # A phone has no mouse; that which opened the tab would rest on a token.
    demo.page.mouse.move(1, 1)
    demo.page.locator(".an-k").nth(2).tap()
    expect(demo.page.locator(".an-details")).to_have_attribute("data-token", "2")
    assert demo.has_no_sideways_scroll()
    part = demo.page.locator("#answer-tokens")
    assert_none(part.evaluate(_SMALL_TARGETS))
    assert "probab" not in part.inner_text().lower()
    assert demo.errors == []


def test_what_the_model_writes_stays_text(open_page, server):
    demo = open_answer(open_page, server)
    demo.ask("${window.hacked=1}<img src=x onerror=window.hacked=1>")
    demo.ask("<img src=x onerror=window.hacked=1>")
    assert demo.page.locator(".an-which option").count() == 2
    assert demo.page.evaluate("window.hacked") is None
    assert demo.errors == []


def test_a_loop_is_marked_explained_and_stopped(open_page, server):
    # What was said becomes likelier with every time: the embedded model goes in circles.
    demo = open_answer(
        open_page, server, greedy=True, repetition_penalty=0.5, stop_at_loop=True, max_new_tokens=90
    )
    demo.ask("Tell me a story")
    record = records(demo)[-1]
    assert record["finish"] == "loop"
    start, period, _ = record["loops"][-1]
    expect(demo.page.locator(".an-loop")).to_contain_text(f"{period} tokens, 4 times in a row")
    expect(demo.page.locator(".an-loop")).to_contain_text("0.5 rewards")
    why = demo.page.locator(".an-why", has_text="repeated itself and was stopped")
    expect(why).to_have_count(1)
    first = demo.page.locator(".an-k.turns")
    assert first.evaluate("box => box.token") == start + period
    demo.page.locator(".an-loop button").click()
    expect(demo.page.locator(".an-details")).to_have_attribute("data-token", str(start + period))
    # The line: one point a step, its marker at the token that is shown.
    line = demo.page.locator(".an-line")
    points = line.locator("polyline").get_attribute("points").split()
    assert len(points) == len(record["rows"])
    marker = float(line.locator("line").get_attribute("x1"))
    assert abs(float(points[start + period].split(",")[0]) - marker) < 0.1
    line.click(position={"x": 6, "y": 20})
    expect(demo.page.locator(".an-details")).to_have_attribute("data-token", "0")
    assert_none(
        tuple(text)
        for text in demo.page.locator("#answer-tokens").evaluate(_CONTRASTS)
        if text[0] < 4.5
    )
    assert demo.errors == []


def test_an_answer_that_ends_by_itself_says_so(open_page, server):
    demo = open_answer(open_page, server, greedy=True)
    demo.ask("What is the capital of France?")
    expect(demo.page.locator(".an-why", has_text="ended by itself")).to_have_count(1)
    expect(demo.page.locator(".an-loop")).to_have_count(0)


def test_the_prompt_is_rated_on_request(open_page, server, inspect):
    demo = open_answer(open_page, server, "390x844", greedy=True)
    demo.ask("My name is Ada.")
    answer = demo.page.locator(".an-k").count()
    sent = inspect("My name is Ada.", max_new_tokens=60)
    demo.page.get_by_role("button", name="Rate the prompt").click()
    boxes = demo.page.locator(".an-k")
    expect(boxes).to_have_count(len(sent["input_ids"]))
    expect(boxes.first.locator("small")).to_have_text("–")
    boxes.first.click()
    expect(demo.page.locator(".an-details")).to_contain_text("Nothing stands before")
    boxes.nth(2).click()
    expect(demo.page.locator(".an-details dd")).to_have_count(3)
    expect(demo.page.locator(".an-report")).to_be_hidden()
    assert demo.has_no_sideways_scroll()
    part = demo.page.locator("#answer-tokens")
    assert_none(part.evaluate(_SMALL_TARGETS))
    assert_none(tuple(text) for text in part.evaluate(_CONTRASTS) if text[0] < 4.5)
    # The answer is still there beside it.
    demo.page.locator(".an-which select").select_option(index=0)
    expect(boxes).to_have_count(answer)
    expect(demo.page.locator(".an-report")).to_be_visible()
    assert demo.errors == []


@pytest.mark.parametrize("size", ["1280x800", "390x844"])
def test_the_sampler_opens_and_follows_its_sliders(open_page, server, size):
    demo = open_answer(open_page, server, size, top_k=40, top_p=0.9, repetition_penalty=1.1)
    demo.ask("Write a bubble sort in Python")
    demo.page.locator(".an-fold").click()
    sampled = demo.page.locator(".an-sampled")
    expect(sampled).to_contain_text("as in the answer")
    head = sampled.locator("tr").first.locator("th").all_inner_texts()
    assert head == ["Token", "Model", "Penalty", "Temp.", "Top-k", "Top-p"]
    left = sampled.locator(".left td").all_inner_texts()
    assert left[:3] == [left[0]] * 3
    assert left[3] == "40"
    # A setting is moved: who is left changes at once, and what the page shows is what was asked.
    demo.page.locator(".an-knobs input[name=top_k]").evaluate(
        "box => { box.value = 3; box.dispatchEvent(new Event('input')); }"
    )
    expect(sampled.locator(".left td").nth(3)).to_have_text("3")
    demo.page.locator(".an-knobs input[name=greedy]").check()
    expect(sampled).to_contain_text("Greedy takes the most likely")
    # Another token is opened by choosing it.
    before = sampled.inner_text()
    demo.page.locator(".an-k").nth(1).click()
    expect(sampled).not_to_have_text(before)
    assert demo.has_no_sideways_scroll()
    part = demo.page.locator("#answer-tokens")
    assert_none(tuple(text) for text in part.evaluate(_CONTRASTS) if text[0] < 4.5)
    if size == "390x844":
        assert_none(part.evaluate(_SMALL_TARGETS))
    assert demo.errors == []


@pytest.mark.parametrize("size", ["1280x800", "390x844"])
def test_any_string_is_rated_in_the_place_of_a_token(open_page, server, size):
    demo = open_answer(open_page, server, size, greedy=True)
    demo.ask("What is the capital of France?")
    boxes = demo.page.locator(".an-k")
    boxes.nth(2).click()
    chosen = demo.page.locator(".an-details dd").first.inner_text()
    piece = records(demo)[-1]["cells"]["p"][2].replace("▁", " ")
    field, rows = demo.page.locator(".an-asked input"), demo.page.locator(".an-asked-list li")
    # The answer's own token gets the probability that it has there.
    field.fill(piece)
    field.press("Enter")
    expect(rows).to_have_count(1)
    expect(rows.first.locator("b")).to_have_text(chosen)
    field.fill("<img src=x onerror=window.hacked=1> 北京")
    demo.page.locator(".an-asked-form button").click()
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("rank")
    assert demo.page.evaluate("window.hacked") is None
    part = demo.page.locator("#answer-tokens")
    assert_none(tuple(text) for text in part.evaluate(_CONTRASTS) if text[0] < 4.5)
    if size == "390x844":
        assert_none(part.evaluate(_SMALL_TARGETS))
    assert demo.has_no_sideways_scroll()
    # What was asked belongs to its place.
    boxes.nth(3).click()
    expect(rows).to_have_count(0)
    assert demo.errors == []
