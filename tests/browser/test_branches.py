"""Branches of an answer and two settings side by side, by mouse, thumb and keyboard."""

from playwright.sync_api import expect

from tests.browser.conftest import load
from tests.browser.test_answer import open_answer, records
from tests.browser.test_readable import _CONTRASTS, _SMALL_TARGETS, assert_none
from yuan_demo.ui.branch_strings import BRANCHES, DUEL, PAIR
from yuan_demo.ui.trace_strings import TRACE


def names(demo) -> list[str]:
    return demo.page.locator(".br-name").all_inner_texts()


def shown_node(demo) -> str:
    return demo.page.locator(".br-name[aria-current]").inner_text()


def press(demo, button) -> None:
    """Presses what lets an answer go on, and waits until it does."""
    before = demo.panel.get_attribute("data-seq")
    button.click()
    demo.page.wait_for_function(
        "seq => document.querySelector('#token-panel [data-seq]').dataset.seq !== seq", arg=before
    )


def go_on(demo, token: int, candidate: int) -> None:
    """Puts a candidate in the place of a token."""
    demo.page.locator(".an-k").nth(token).click()
    press(demo, candidates(demo).nth(candidate).locator(".br-go"))


def candidates(demo):
    return demo.page.locator(".an-details tbody tr")


def other_candidate(demo, record, token: int) -> int:
    """Place of a candidate that is neither the one chosen nor the end of the answer."""
    eod = demo.page.evaluate("yuanDemo.glossary.find(each => each.name === '<eod>').ids[0]")
    ids = [each[0] for each in record["rows"][token][4]]
    return next(
        place for place, each in enumerate(ids) if each not in (eod, record["cells"]["i"][token])
    )


def test_an_answer_goes_on_from_a_candidate_and_what_was_stays(open_page, server):
    demo = open_answer(open_page, server, max_new_tokens=24)
    demo.ask("Write a bubble sort in Python")
    demo.ask("My name is Ada.")
    whole = demo.messages
    first = records(demo)[0]
    demo.page.locator(".an-which select").select_option(index=0)
    place = other_candidate(demo, first, 3)
    chosen = first["rows"][3][4][place]
    go_on(demo, 3, place)
    demo.wait_idle()

    # By ids: the prompt, the answer's ids before, the chosen one.
    branch = records(demo)[-1]
    assert branch["prompt"]["i"] == first["prompt"]["i"]
    assert branch["cells"]["i"][:4] == [*first["cells"]["i"][:3], chosen[0]]
    assert branch["seed"] == first["seed"]
    # The heat map is complete, with the numbers that the candidate had.
    assert branch["rows"][:3] == first["rows"][:3]
    assert branch["rows"][3][0] == chosen[1]
    assert branch["rows"][3][2:] == first["rows"][3][2:]
    assert all(branch["rows"])
    expect(demo.page.locator(".an-k")).to_have_count(len(branch["rows"]))
    expect(demo.page.locator(".an-k.forced")).to_have_count(1)
    # In the place of the answer; later turns went with the other one.
    assert len(demo.messages) == 2
    assert demo.messages[0] == whole[0]
    assert demo.messages[1] != whole[1]
    assert names(demo)[0] == "as it was"
    assert shown_node(demo).startswith("4: “")

    # The conversation goes on from here; and back, as it stood.
    demo.ask("My name is Ada.")
    gone_on = demo.messages
    demo.edit(demo.page.locator(".br-name").first.click)
    assert demo.messages == whole
    assert shown_node(demo) == "as it was"
    expect(demo.page.locator(".an-which option")).to_have_count(2)
    expect(demo.page.locator(".an-k.forced")).to_have_count(0)
    demo.edit(demo.page.locator(".br-name").last.click)
    assert demo.messages == gone_on

    # A name of one's own, and all of it over a reload.
    demo.page.locator(".br-rename").last.click()
    demo.page.keyboard.type("<img src=x onerror=window.hacked=1>")
    demo.page.keyboard.press("Enter")
    demo.page.evaluate("history.replaceState(null, '', location.pathname)")
    demo.page.reload()
    load(demo)
    demo.open_tab("answer")
    assert names(demo) == ["as it was", "<img src=x onerror=window.hacked=1>"]
    assert shown_node(demo) == names(demo)[1]
    demo.edit(demo.page.locator(".br-name").first.click)
    assert demo.messages == whole
    assert demo.page.evaluate("window.hacked") is None
    assert demo.errors == []


def stop(demo) -> None:
    """Stops an answer once it has come some way."""
    demo.page.wait_for_function("document.querySelectorAll('.an-k').length > 6")
    demo.page.locator("#message-box .stop-button").evaluate("button => button.click()")
    demo.wait_idle()


def test_it_is_stopped_like_every_answer_and_branches_again(open_page, server):
    # What was said becomes likelier with every time: it goes on in circles until it is stopped.
    demo = open_answer(
        open_page, server, theme="dark", greedy=True, repetition_penalty=0.5, max_new_tokens=900
    )
    demo.send("Tell me a story")
    stop(demo)
    first = records(demo)[-1]
    go_on(demo, 2, other_candidate(demo, first, 2))
    expect(demo.box).to_be_disabled()
    demo.page.locator(".br-name").first.click()
    note = demo.page.locator(".br [role=status]")
    expect(note).to_have_text(BRANCHES["br_wait"][0])
    stop(demo)
    expect(note).to_have_text("")
    expect(demo.box).to_be_enabled()
    expect(demo.page.locator("#message-box .stop-button")).to_have_count(0)
    branch = records(demo)[-1]
    assert branch["finish"] == "cancelled"
    assert len(branch["rows"]) == len(branch["cells"]["i"]) < 900
    go_on(demo, 1, other_candidate(demo, branch, 1))
    stop(demo)
    assert len(names(demo)) == 3
    depths = demo.page.locator(".br li").evaluate_all(
        "all => all.map(one => one.style.getPropertyValue('--depth'))"
    )
    assert depths == ["0", "1", "2"]

    # Two side by side: one distribution, two choices, the common beginning dimmed.
    picks = demo.page.locator(".br-pick")
    picks.nth(0).click()
    picks.nth(2).click()
    pair = demo.page.locator(".br-pair")
    expect(pair.locator("h3")).to_have_text("Turn 1: they part at token 2")
    expect(pair.locator(".pr-verdict")).to_have_text(PAIR["pr_dimmed"][0])
    expect(pair.locator(".pr-k.apart")).to_have_count(2)
    expect(pair.locator(".pr-said")).to_contain_text(PAIR["pr_same_place"][0])
    for side in (0, 1):
        tokens = pair.locator(".pr-tokens").nth(side)
        expect(tokens.locator(".pr-k.same")).to_have_count(1)
    expect(pair.locator(".pr-table .pr-badge[role=img]")).to_have_count(2)
    texts = demo.page.locator("#answer-tokens").evaluate(_CONTRASTS)
    assert_none(tuple(text) for text in texts if text[0] < 4.5)
    assert demo.errors == []


def test_a_string_goes_on_too_and_the_chosen_token_does_not(open_page, server):
    demo = open_answer(open_page, server, "390x844", max_new_tokens=20, repetition_penalty=1.2)
    demo.ask("Write a bubble sort in Python")
    first = records(demo)[-1]
    ids = first["cells"]["i"]
    token = next(
        token for token, row in enumerate(first["rows"]) if ids[token] in [c[0] for c in row[4]]
    )
    own = [each[0] for each in first["rows"][token][4]].index(ids[token])
    demo.page.locator(".an-k").nth(token).click()
    expect(candidates(demo).nth(own)).to_have_class("chosen")
    expect(candidates(demo).nth(own).locator(".br-go")).to_have_count(0)

    field = demo.page.locator(".an-asked input")
    demo.page.locator(".an-k").nth(1).click()
    field.fill("${1}<b> 北京")
    field.press("Enter")
    press(demo, demo.page.locator(".br-go-on"))
    demo.wait_idle()
    record = records(demo)[-1]
    assert "${1}<b> 北京" in "".join(record["cells"]["t"])
    assert all(record["rows"])
    expect(demo.page.locator(".an-k.forced").first).to_be_visible()
    # What was typed is looked at; of its later tokens no candidates are known.
    details = demo.page.locator(".an-details")
    expect(details).to_have_attribute("data-token", "1")
    demo.page.locator(".an-k").nth(2).click()
    expect(details).to_contain_text(BRANCHES["br_typed"][0])
    picks = demo.page.locator(".br-pick")
    picks.first.click()
    picks.last.click()
    expect(demo.page.locator(".br-pair .pr-k.apart")).to_have_count(2)
    assert demo.has_no_sideways_scroll()
    assert_none(demo.page.locator("#answer-tokens").evaluate(_SMALL_TARGETS))
    one, two = demo.page.locator(".br-pair .pr-side").all()
    assert two.bounding_box()["y"] > one.bounding_box()["y"] + 20
    assert demo.errors == []


def test_two_candidates_at_once_make_one_branch_and_lock_nothing(open_page, server, tmp_path):
    demo = open_answer(open_page, server, max_new_tokens=16)
    demo.ask("Write a bubble sort in Python")
    whole, first = demo.messages, records(demo)[-1]
    place = other_candidate(demo, first, 3)
    demo.page.locator(".an-k").nth(3).click()
    button = candidates(demo).nth(place).locator(".br-go")
    demo.edit(
        lambda: button.evaluate(
            "one => { one.click(); one.click(); "
            "[...document.querySelectorAll('.an-details .br-go')].forEach(each => each.click()); }"
        )
    )
    demo.wait_idle()
    assert names(demo)[0] == "as it was"
    assert len(names(demo)) == 2
    assert shown_node(demo) == names(demo)[1]
    gone_on = demo.messages
    # Nothing that is pressed moves: what grows stands below.
    below = demo.page.locator("section.br").bounding_box()["y"]
    assert below > demo.page.locator(".an-details").bounding_box()["y"]

    # The very same again is put up, not made again.
    demo.edit(demo.page.locator(".br-name").first.click)
    assert demo.messages == whole
    demo.page.locator(".an-k").nth(3).click()
    demo.edit(candidates(demo).nth(place).locator(".br-go").click)
    assert demo.messages == gone_on
    assert len(names(demo)) == 2

    # One of them is forgotten by itself, all of them after a question.
    go_on(demo, 5, other_candidate(demo, records(demo)[-1], 5))
    demo.wait_idle()
    expect(demo.page.locator(".br-drop")).to_have_count(0)
    demo.edit(demo.page.locator(".br-name").first.click)
    demo.page.locator(".br-drop").click()
    assert len(names(demo)) == 2
    demo.page.locator(".br-clear").click()
    expect(demo.page.locator(".br-ask")).to_contain_text("(1)")
    demo.page.locator(".br-ask").get_by_text("No").click()
    assert len(names(demo)) == 2
    demo.page.locator(".br-clear").click()
    demo.page.locator(".br-ask").get_by_text("Yes").click()
    expect(demo.page.locator("section.br")).to_be_hidden()
    assert demo.messages == whole

    # An answer from a file is looked at; nothing in it offers to go on.
    with demo.page.expect_download() as download:
        demo.page.locator(".tr").get_by_role("button", name=TRACE["tr_save"][0]).click()
    path = tmp_path / "answer.json"
    download.value.save_as(path)
    demo.page.locator(".tr input[type=file]").set_input_files(path)
    expect(demo.page.locator(".an-what")).to_contain_text("From a file")
    expect(candidates(demo).first).to_be_visible()
    expect(demo.page.locator(".br-go, .br-tip")).to_have_count(0)
    assert demo.errors == []


def test_what_is_refused_is_said_where_it_was_asked(open_page, server):
    demo = open_answer(open_page, server, max_new_tokens=12)
    demo.ask("Hello")
    # As if the page had kept what no server makes.
    demo.page.evaluate("yuanDemo.forged = JSON.parse(sessionStorage['yuan-demo-answers'])")
    demo.page.evaluate(
        """() => {
          const kept = yuanDemo.forged;
          kept[0].prompt.i = [5, 6];
          sessionStorage.setItem('yuan-demo-answers', JSON.stringify(kept));
        }"""
    )
    messages = demo.messages
    demo.page.evaluate("history.replaceState(null, '', location.pathname)")
    demo.page.reload()
    load(demo)
    demo.open_tab("answer")
    demo.page.locator(".an-details .br-go").first.click()
    expect(demo.page.locator(".br [role=status]")).to_contain_text("cannot be made again")
    expect(demo.page.locator(".br-name")).to_have_count(0)
    assert demo.messages == messages
    expect(demo.box).to_be_enabled()
    assert demo.ask("Still there?")
    assert demo.errors == []


def test_two_settings_answer_the_same_question(open_page, server):
    demo = open_answer(open_page, server, "390x844", "zh", max_new_tokens=40)
    demo.ask("Write a bubble sort in Python")
    messages = demo.messages
    demo.open_tab("formats")
    ask, status = demo.page.locator(".du-ask"), demo.page.locator(".du-status")
    # Nothing given: the format that is compared above, which is "roles" at first.
    ask.click()
    expect(ask).to_have_text(DUEL["du_ask"][1], timeout=20_000)
    result = demo.page.locator(".du-result")
    expect(result.locator(".pr-side")).to_have_count(2)
    expect(status).to_contain_text("bubble sort")
    expect(result.locator(".pr-said")).to_contain_text(PAIR["pr_other_place"][1])
    # It stands beside the chat, not in it.
    assert demo.messages == messages
    part = demo.page.locator("#duel")
    assert_none(tuple(text) for text in part.evaluate(_CONTRASTS) if text[0] < 4.5)
    assert demo.has_no_sideways_scroll()
    assert_none(part.evaluate(_SMALL_TARGETS))
    demo.page.locator(".du input[name=temperature]").fill("hot")
    ask.click()
    expect(status).to_contain_text("hot")
    assert demo.errors == []
