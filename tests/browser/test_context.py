"""The context card: a budget that adds up, what is dropped and how that is told, policies, pins."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import link_to, load

FOX = "the quick brown fox jumps over the lazy dog. " * 3
SAID = (f"one {FOX}", "first answer", f"two {FOX}", "second answer")
DRAFT = f"three {FOX}"
# Room for two of the three turns.
TIGHT = {"window": 160, "max_new_tokens": 32}


def numbers_of(text: str) -> list[int]:
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", text)]


def lit(demo) -> int:
    return demo.page.locator(".tp-list :is(.lit > .k, .k.lit)").count()


def test_every_grouping_adds_up_to_the_window_and_lights_its_tokens(open_page, server, inspect):
    demo = open_page(url=server.url + link_to(SAID, DRAFT, TIGHT | {"window": 500}))
    budget = inspect(DRAFT, SAID, max_new_tokens=32, window=500)["budget"]
    assert {name: demo.bar()[name] for name in ("history", "message", "free")} == {
        name: budget[name] for name in ("history", "message", "free")
    }
    for name in ("Parts", "Turns", "Origin"):
        demo.page.locator(".cx-switch").get_by_role("button", name=name).click()
        bar = demo.bar()
        assert sum(bar.values()) == 500
        in_prompt = {key for key in bar if key not in ("answer", "reserved", "free")}
        assert sum(bar[key] for key in in_prompt) == len(demo.ids())
        for key in in_prompt:
            demo.page.locator(f".tp-legend [data-part='{key}']").hover()
            assert lit(demo) == bar[key]
            expect(demo.page.locator(f".cx-bar [data-key='{key}']")).to_have_class(re.compile("on"))
        demo.page.mouse.move(5, 5)
        assert lit(demo) == 0

    # The other way round: a token lights its stretch up.
    demo.page.locator(".tp-list .k.a").first.hover()
    expect(demo.page.locator(".tp-legend .on")).to_have_attribute("data-part", "origin-a")
    demo.page.locator(".tp-list .k.c").hover()
    expect(demo.page.locator(".tp-legend .on")).to_have_attribute("data-part", "origin-c")
    # Clicked, it stays.
    demo.page.locator(".tp-legend [data-part='origin-a']").click()
    demo.page.mouse.move(5, 5)
    assert lit(demo) == demo.bar()["origin-a"] > 0
    assert numbers_of(demo.page.locator(".cx-own").inner_text()) == [500, 2048]


def test_what_sending_drops_is_told_before_and_after_and_survives_a_reload(open_page, server):
    demo = open_page(url=server.url + link_to(SAID, DRAFT, TIGHT))
    notice = demo.page.locator(".tp-notice").inner_text()
    turn, before, after = numbers_of(notice)
    assert (turn, after) == (1, len(demo.ids()))
    assert demo.left_out == [text.strip() for text in SAID[:2]]
    assert [SAID[0].startswith(text) for text in demo.missing] == [True]
    strike = "node => getComputedStyle(node).textDecorationLine"
    assert "line-through" in demo.page.locator(".tk-missing s").evaluate(strike)
    preview, missing, grey = demo.ids(), demo.missing, demo.left_out

    demo.box.press("Enter")
    demo.wait_idle()
    event = demo.messages[-2]
    assert event == f"Context full: {before} → {after} tokens, turn 1 left out"
    assert demo.ids()[: len(preview)] == preview
    assert (demo.missing, demo.left_out) == (missing, grey)
    said = demo.messages

    # Another answer to the same question is one more event in place of the first.
    demo.retry()
    assert demo.messages == said
    demo.page.reload()
    load(demo)
    assert demo.messages == said
    assert demo.errors == []
    # The event was never said: the model does not get it.
    assert "Context full" not in demo.page.locator(".tp-list").inner_text()


def test_every_policy_shows_what_it_would_send(open_page, server, inspect):
    demo = open_page(url=server.url + link_to(SAID, DRAFT, TIGHT))
    names = {
        "keep_first": "keep the first turn and the newest",
        "shrink_answer": "shrink the answer first",
        "left_cut": "cut off the beginning, at a token",
        "drop_oldest": "drop the oldest turns",
    }
    # From what has to go to the setting that decides it.
    demo.page.locator(".cx-way").click()
    seen = []
    for policy, name in names.items():
        demo.edit(lambda name=name: demo.choose("When the window is full", name))
        sent = inspect(DRAFT, SAID, policy=policy, **TIGHT)
        assert demo.ids() == sent["input_ids"]
        assert sum(demo.bar().values()) == 160
        gone = [SAID[2 * (turn - 1)].strip() for turn in sent["dropped_turns"]]
        # A turn of which only a part is left is greyed, too.
        cut = SAID[0].strip() if policy == "left_cut" else None
        assert [text for text in demo.left_out[::2] if text != cut] == gone
        seen.append(demo.ids())

    assert seen[0] != seen[3]
    assert len({tuple(ids) for ids in seen}) == 3 + (seen[1] != seen[3])


def test_the_policy_to_stop_refuses_with_the_reason_and_keeps_the_text(open_page, server):
    demo = open_page(url=server.url + link_to(SAID, DRAFT, TIGHT | {"policy": "stop"}))
    assert demo.mode() == "blocked"
    assert sum(demo.bar().values()) == 160
    demo.box.press("Enter")
    expect(demo.page.locator("#message-box")).to_contain_text("The context window is full")

    assert demo.box.input_value() == DRAFT
    assert demo.box.is_enabled()
    assert demo.messages == [text.strip() for text in SAID]
    demo.page.locator(".cx-way").click()
    demo.edit(lambda: demo.choose("When the window is full", "drop the oldest turns"))
    assert demo.mode() == "preview"
    demo.box.press("Enter")
    demo.wait_idle()
    assert len(demo.messages) == len(SAID) + 3


def test_a_pinned_turn_stays_and_another_goes(open_page, server):
    demo = open_page(url=server.url + link_to(SAID, DRAFT, TIGHT))
    demo.page.locator(".cx-fold").click()
    pin = demo.page.get_by_role("button", name="Pin turn 1")
    demo.edit(pin.click)

    assert pin.get_attribute("aria-pressed") == "true"
    assert demo.left_out == [text.strip() for text in SAID[2:]]
    assert "first" in demo.page.locator(".tp-list").inner_text()
    preview = demo.ids()
    demo.box.press("Enter")
    demo.wait_idle()
    assert demo.ids()[: len(preview)] == preview
    assert "turn 2 left out" in demo.messages[-2]
    # Let go, it is dropped again.
    demo.edit(lambda: demo.box.fill(DRAFT))
    demo.edit(pin.click)
    assert SAID[0].strip() in demo.left_out


def test_a_window_that_is_typed_is_taken_or_refused_with_the_reason(page):
    page.edit(lambda: page.box.fill("Hello"))
    page.open_prompt_settings()
    number = page.page.locator("#prompt-settings input[type=number]")
    # On its way it is 4 and 40, which no window can be.
    number.fill("")
    page.edit(lambda: number.press_sequentially("400"))
    assert sum(page.bar().values()) == 400
    number.fill("")
    page.edit(lambda: number.press_sequentially("99999"))
    expect(page.page.locator(".tp-notice")).to_contain_text("between 64 and 2,048, but is 99,999")
    # Left alone, the box goes to the nearest window there is.
    page.edit(lambda: number.press("Tab"))
    assert sum(page.bar().values()) == 2048
    assert page.mode() == "preview"
