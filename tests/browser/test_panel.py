"""The panel shows what would be sent, however the text got into the box."""

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


def test_preview_shows_the_ids_that_would_be_sent(page, inspect):
    for text in TEXTS.values():
        page.edit(lambda text=text: page.box.fill(text))

        assert page.mode() == "preview"
        assert page.ids() == inspect(text)["input_ids"]
    assert page.page.evaluate("window.hacked") is None
    assert page.errors == []


def test_panel_follows_keys_paste_cut_and_deletion(page, inspect):
    def shown() -> list[int]:
        return page.ids()

    def expected(text: str) -> list[int]:
        return inspect(text)["input_ids"]

    page.edit(lambda: page.box.press_sequentially("Hello wor"))
    assert shown() == expected("Hello wor")
    page.edit(lambda: page.box.press("Backspace"))
    assert shown() == expected("Hello wo")
    page.page.evaluate("navigator.clipboard.writeText('粘贴的文字')")
    page.edit(lambda: page.box.press("Control+v"))
    assert shown() == expected("Hello wo粘贴的文字")
    page.edit(lambda: (page.box.press("Control+a"), page.box.press("Control+x")))
    assert page.mode() == "empty"


def test_panel_follows_a_chinese_input_method(page, inspect):
    page.box.click()
    session = page.page.context.new_cdp_session(page.page)
    compose = {"selectionStart": 2, "selectionEnd": 2}
    page.edit(lambda: session.send("Input.imeSetComposition", {"text": "ni", **compose}))
    page.edit(lambda: session.send("Input.insertText", {"text": "你好"}))

    assert page.ids() == inspect("你好")["input_ids"]


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

    def lower() -> None:
        # Within half a second of an edit elsewhere Gradio 6.31 may put the old number back (6 of 25
        # times with 0.35 s between; none of 12 with 0.6 s). Nobody types so fast.
        for _ in range(10):
            number.fill("100")
            number.press("Tab")
            page.page.wait_for_timeout(200)
            if number.input_value() == "100":
                return

    page.edit(lower)

    assert before["message"] == len(page.ids())
    assert page.bar()["reserved"] == 100
    assert sum(page.bar().values()) == window


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
