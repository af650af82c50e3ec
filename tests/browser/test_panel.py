"""The panel shows what would be sent, however the text got into the box."""

import pytest
from gradio_client import Client

SIZES = ["1280x800", "390x844"]
TEXTS = {
    "english": "Hello, how are you?",
    "chinese": "你好，你是谁？",
    "control tokens": "a<sep>b<eod><FIM_PREFIX><s></s><n>c",
    "html": '<b>bold</b><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>',
    "right to left": "שלום עולם مرحبا بالعالم",
    "emoji families": "👨‍👩‍👧‍👦👍🏽🏳️‍🌈",
    "spaces and tabs": "  a \t b  ",
    "rare": "𠮷野家で螢を見た",
    "line breaks around": "\n\nx\n y\n",
    "template injection": "${window.hacked=1}{{constructor}} C:\\new",
}


@pytest.fixture(scope="module")
def api(server) -> Client:
    return Client(server.url, verbose=False)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_preview_shows_the_ids_that_would_be_sent(page, api, text):
    page.edit(lambda: page.box.fill(text))

    assert page.mode() == "preview"
    assert page.ids() == api.predict(text, api_name="/inspect")["input_ids"]
    assert page.page.evaluate("window.hacked") is None
    assert page.errors == []


def test_panel_follows_keys_paste_cut_and_deletion(page, api):
    def shown() -> list[int]:
        return page.ids()

    def expected(text: str) -> list[int]:
        return api.predict(text, api_name="/inspect")["input_ids"]

    page.edit(lambda: page.box.press_sequentially("Hello wor"))
    assert shown() == expected("Hello wor")
    page.edit(lambda: page.box.press("Backspace"))
    assert shown() == expected("Hello wo")
    page.page.evaluate("navigator.clipboard.writeText('粘贴的文字')")
    page.edit(lambda: page.box.press("Control+v"))
    assert shown() == expected("Hello wo粘贴的文字")
    page.edit(lambda: (page.box.press("Control+a"), page.box.press("Control+x")))
    assert page.mode() == "empty"


def test_panel_follows_a_chinese_input_method(page, api):
    page.box.click()
    session = page.page.context.new_cdp_session(page.page)
    compose = {"selectionStart": 2, "selectionEnd": 2}
    page.edit(lambda: session.send("Input.imeSetComposition", {"text": "ni", **compose}))
    page.edit(lambda: session.send("Input.insertText", {"text": "你好"}))

    assert page.ids() == api.predict("你好", api_name="/inspect")["input_ids"]


def test_a_draft_of_line_breaks_only_is_blocked_and_not_the_draft_before_it(page):
    page.edit(lambda: page.box.fill("abc"))
    page.edit(lambda: page.box.fill("\n\n"))

    assert page.mode() == "blocked"
    assert "abc" not in page.page.locator(".tp-list").inner_text()
    assert "visible character" in page.page.locator(".tp-notice").inner_text()


def test_bar_adds_up_and_follows_the_reservation(page):
    page.edit(lambda: page.box.fill("How much fits?"))
    before = page.bar()
    window = sum(before.values())
    page.page.get_by_role("button", name="Sampling settings").click()
    number = page.page.locator("input[type=number]").first
    page.edit(lambda: (number.fill("100"), number.press("Tab")))

    assert before["message"] == len(page.ids())
    assert page.bar()["reserved"] == 100
    assert sum(page.bar().values()) == window


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", SIZES)
def test_tooltip_explains_a_control_token_on_hover_and_on_tap(open_page, size, language):
    demo = open_page(size, language)
    demo.edit(lambda: demo.box.fill("hi"))
    token = demo.page.locator(".tp-list .k.c")
    (token.tap if size == "390x844" else token.hover)()

    tip = demo.page.locator(".tp-tip")
    assert tip.is_visible()
    text = tip.inner_text()
    assert "<sep>" in text
    assert ("编号" if language == "zh" else "id") in text
    assert ("回答" if language == "zh" else "answer") in text
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= demo.page.viewport_size["width"]


def test_ids_are_shown_on_demand(page):
    page.edit(lambda: page.box.fill("hi there"))
    first = page.page.locator(".tp-list .k u").first
    assert not first.is_visible()
    page.page.get_by_role("button", name="IDs").click()

    assert first.is_visible()
    drawn = page.page.locator(".tp-list .k u").all_inner_texts()
    assert [int(part) for text in drawn for part in text.split()] == page.ids()


def test_whitespace_is_visible_and_one_character_is_one_group(page):
    page.edit(lambda: page.box.fill("a  b\tc 👨‍👩‍👧"))
    text = page.page.locator(".tp-list").inner_text()
    family = page.page.locator(".tp-list .k.many", has_text="👨‍👩‍👧")

    assert "·" in text
    assert "⇥" in text
    assert family.count() == 1
    assert "�" not in text


def test_glossary_lists_every_special_token_with_its_id(page):
    page.page.locator("#token-panel summary").click()
    names = page.page.locator(".tp-glossary code").all_inner_texts()

    assert len(names) == 20
    assert {"<eod>", "<sep>", "<n>", "<FIM_PREFIX>", "</s>"} <= set(names)
    assert all(page.page.locator(".tp-glossary dd").all_inner_texts())
