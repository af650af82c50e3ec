"""The token list: four views, details of every token by mouse, thumb and keyboard, search, copy."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import link_to

SAID = ("My name is Ada.", "Hello Ada!")
DRAFT = "What is é 👩‍🚀 龘?\n  x = 1"


@pytest.fixture
def talk(open_page, server):
    return open_page(url=server.url + link_to(SAID, DRAFT))


def test_every_view_shows_every_token(talk, inspect):
    sent = inspect(DRAFT, SAID)
    pieces = [token["piece"] for token in sent["tokens"]]
    show = talk.page.locator(".tk-tools")

    assert talk.ids() == sent["input_ids"]
    show.get_by_role("button", name="Pieces").click()
    assert " ".join(talk.tokens.all_text_contents()) == " ".join(pieces)
    show.get_by_role("button", name="IDs").click()
    drawn = talk.page.locator(".tp-list .k u").all_text_contents()
    assert [int(token_id) for cell in drawn for token_id in cell.split()] == sent["input_ids"]
    show.get_by_role("button", name="Bytes").click()
    drawn = talk.page.locator(".tp-list .k:not(.c) u").all_text_contents()
    assert bytes.fromhex("".join(drawn)).decode() == sent["text"].replace("<sep>", "")
    show.get_by_role("button", name="Text").click()
    assert talk.page.locator(".tp-list .k u").count() == 0


def test_the_keyboard_reaches_every_token_and_its_details(talk, inspect):
    sent = inspect(DRAFT, SAID)["tokens"]
    talk.page.locator(".tk-tools button").last.focus()
    talk.page.keyboard.press("Tab")
    talk.page.keyboard.press("Home")
    reached, ids = [], []
    for _ in range(talk.tokens.count()):
        focused = talk.page.evaluate(
            "[document.activeElement.ariaPosInSet, document.activeElement.ariaLabel,"
            " document.querySelector('#token-card dl').innerText]"
        )
        reached.append(int(focused[0]))
        facts = focused[2].split("\n")
        ids += [int(token_id) for token_id in facts[facts.index("id") + 1].split()]
        assert focused[1].startswith("Token ")
        talk.page.keyboard.press("ArrowRight")

    assert reached == list(range(1, talk.tokens.count() + 1))
    assert ids == [token["id"] for token in sent]
    on = talk.page.locator(".tp-list .k:focus")
    talk.page.keyboard.press("End")
    expect(on).to_have_attribute("aria-posinset", str(talk.tokens.count()))
    talk.page.keyboard.press("ArrowUp")
    above = int(on.get_attribute("aria-posinset"))
    assert above < talk.tokens.count() - 1
    talk.page.keyboard.press("ArrowDown")
    assert int(on.get_attribute("aria-posinset")) > above + 1

    assert talk.card.is_visible()
    talk.page.keyboard.press("Enter")
    talk.page.mouse.move(5, 5)
    expect(talk.card).to_have_class("tp-tip kept")
    talk.page.keyboard.press("Escape")
    expect(talk.card).to_be_hidden()
    assert talk.errors == []


@pytest.mark.parametrize(("size", "language"), [("1280x800", "en"), ("390x844", "zh")])
def test_details_of_a_token_on_hover_and_on_tap(open_page, server, size, language):
    demo = open_page(size, language, server.url + link_to(SAID, DRAFT))
    is_phone = size == "390x844"
    sep, group = demo.page.locator(".tp-list .k.c"), demo.tokens.filter(has_text="👩‍🚀")
    position = len(demo.ids()) - 1

    (sep.tap if is_phone else sep.hover)()
    expect(demo.card).to_be_visible()
    text = demo.card.inner_text()
    assert "<sep>" in text
    assert f"{'编号' if language == 'zh' else 'id'}\n{demo.ids()[-1]}" in text
    assert f"{'位置' if language == 'zh' else 'position'}\n{position}" in text
    assert ("第 2 轮" if language == "zh" else "turn 2") in text
    assert ("回答" if language == "zh" else "answer") in text
    (group.tap if is_phone else group.hover)()
    expect(demo.card).to_contain_text("F0 9F 91 A9 E2 80 8D F0 9F 9A 80")
    expect(demo.card).to_contain_text("U+1F469 U+200D U+1F680")
    box, screen = demo.card.bounding_box(), demo.page.viewport_size
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= screen["width"]
    assert box["y"] + box["height"] <= screen["height"]
    if is_phone:
        token = group.bounding_box()
        assert token["y"] + token["height"] <= box["y"]
        demo.page.locator(".tp-close").tap()
    else:
        demo.page.mouse.move(5, 5)
    expect(demo.card).to_be_hidden()


def test_search_finds_text_pieces_and_ids(talk, inspect):
    sent = inspect(DRAFT, SAID)["tokens"]
    talk.page.locator(".tk-find").click()
    query, found = talk.page.locator(".tk-search input"), talk.page.locator(".tk-search output")
    here = talk.page.locator(".tp-list .here")

    # Over the edges of tokens, in any case.
    query.fill("name IS")
    expect(found).to_have_text("1 of 1")
    assert "".join(talk.page.locator(".tp-list .hit").all_text_contents()).count("name") == 1
    query.fill("Ada")
    expect(found).to_have_text("1 of 2")
    first = here.first.bounding_box()
    query.press("Enter")
    expect(found).to_have_text("2 of 2")
    assert here.first.bounding_box() != first
    talk.page.get_by_role("button", name="Next").click()
    expect(found).to_have_text("1 of 2")
    talk.page.get_by_role("button", name="Previous").click()
    expect(found).to_have_text("2 of 2")
    query.fill(str(sent[0]["id"]))
    same = [token for token in sent if token["id"] == sent[0]["id"]]
    expect(found).to_have_text(f"1 of {len(same)}")
    query.fill("<0xF0")
    expect(found).not_to_have_text("none")
    query.fill("no such thing")
    expect(found).to_have_text("none")
    query.press("Escape")
    expect(query).to_be_hidden()
    assert talk.page.locator(".hit, .here").count() == 0


def test_tokens_are_copied_as_text_ids_and_json(talk, inspect):
    sent = inspect(DRAFT, SAID)
    copied = {}
    for name in ("as text", "as ids", "as JSON"):
        talk.page.locator(".tk-copy").click()
        talk.page.locator(".tk-menu").get_by_role("button", name=name).click()
        expect(talk.page.locator(".tk-said")).to_have_text("Copied")
        copied[name] = talk.page.evaluate("navigator.clipboard.readText()")
        talk.page.wait_for_function("!document.querySelector('.tk-said').textContent")

    assert copied["as text"] == sent["text"]
    assert json.loads(copied["as ids"]) == sent["input_ids"]
    rows = json.loads(copied["as JSON"])
    for name in ("position", "id", "piece", "origin", "turn"):
        assert [row[name] for row in rows] == [token[name] for token in sent["tokens"]]
    assert "".join(row["text"] for row in rows) == sent["text"]


NASTY = '<img src=x onerror="window.hacked=1">${window.hacked=2}{{constructor}}'


def test_what_was_written_stays_text_in_every_place(open_page, server):
    template = "<img src=x onerror=window.hacked=3>${window.hacked=4}"
    settings = {
        "window": 300,
        "max_new_tokens": 16,
        "format": "custom",
        "turn_template": template + "{user}<n>{assistant}<n>",
        "question_template": template + "{user}",
    }
    demo = open_page(url=server.url + link_to([NASTY] * 6, NASTY + "<n><sep> ", settings))
    text = demo.page.locator("#token-panel")

    # Chips of dropped turns, the list of turns, findings.
    assert demo.missing
    assert all(NASTY.startswith(shown) for shown in demo.missing)
    demo.page.locator(".cx-fold").click()
    assert NASTY[:60] in demo.page.locator(".cx-turns").inner_text()
    demo.open_findings()
    assert demo.findings.count() >= 3
    demo.tokens.last.hover()
    # Formats side by side, and what the model says of them.
    demo.open_tab("formats")
    demo.page.get_by_label("Reference answer (optional)").fill(NASTY)
    demo.page.get_by_role("button", name="Compare: ask the model").click()
    expect(demo.page.locator("#format-comparison .fc-mean")).to_have_count(2)
    assert "window.hacked=3" in text.inner_text()
    # The link, the event and its title, the banner of a lesson.
    demo.page.get_by_role("button", name="Copy link").click()
    expect(demo.page.locator("dialog")).to_be_visible()
    demo.page.locator(".hd-close").click()
    demo.box.press("Enter")
    demo.wait_idle()
    assert any(message.startswith("Context full") for message in demo.messages)
    demo.page.reload()
    demo.page.wait_for_selector("html[data-loaded]", state="attached")
    demo.settle()

    assert demo.page.locator("img[src=x]").count() == 0
    assert demo.page.evaluate("window.hacked") is None
    assert demo.errors == []
