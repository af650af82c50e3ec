"""Answers as files: saved, opened, generated again, and copied as Python."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_answer import open_answer, records
from tests.browser.test_readable import _CONTRASTS, _SMALL_TARGETS, assert_none
from yuan_demo.core.trace_reading import read_trace
from yuan_demo.ui.trace_strings import TRACE

ASKED = 'Who are you? """<sep>\\ 你好'


def button(demo, key: str):
    words = TRACE[f"tr_{key}"][demo.language == "zh"]
    return demo.page.locator(".tr").get_by_role("button", name=words)


def save(demo, folder: Path) -> Path:
    with demo.page.expect_download() as download:
        button(demo, "save").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def open_file(demo, path: Path) -> None:
    demo.page.locator(".tr input[type=file]").set_input_files(path)


def said(demo):
    return demo.page.locator(".tr-said")


def drop(demo, name: str, text: str) -> None:
    """Drops a file onto the tokens of the answer."""
    demo.page.locator(".an-what").evaluate(
        """(target, [name, text]) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([text], name));
          const about = { dataTransfer, bubbles: true, cancelable: true };
          for (const type of ['dragover', 'drop']) target.dispatchEvent(new DragEvent(type, about));
        }""",
        [name, text],
    )


def test_an_answer_is_saved_opened_and_generated_again(open_page, server, tmp_path):
    demo = open_answer(open_page, server, max_new_tokens=12)
    expect(said(demo)).to_be_hidden()
    expect(button(demo, "open")).to_be_visible()
    expect(button(demo, "save")).to_be_hidden()
    demo.ask(ASKED)
    demo.ask("Hello")
    # An earlier answer is saved as well as the last one.
    demo.page.locator(".an-which select").select_option(index=0)
    path = save(demo, tmp_path)
    trace = read_trace(path.read_text(encoding="ascii"))
    first = records(demo)[0]
    assert path.name == f"yuan-trace-{trace.created[:10]}-turn1.json"
    assert list(trace.answer.ids) == first["cells"]["i"]
    assert trace.messages[-1].content == ASKED
    assert trace.settings.seed == first["seed"]
    assert len(trace.model.files) == 3

    button(demo, "replay").click()
    expect(said(demo)).to_contain_text(f"All {len(trace.answer.ids)} ids agree.")

    tokens = demo.page.locator(".an-k").all_inner_texts()
    demo.page.reload()
    demo.page.wait_for_selector("html[data-loaded]", state="attached")
    demo.open_tab("answer")
    open_file(demo, path)
    expect(demo.page.locator(".tr-file")).to_contain_text(path.name)
    expect(demo.page.locator(".an-what")).to_contain_text("From a file")
    assert demo.page.locator(".an-k").all_inner_texts() == tokens
    # Its model is the one that is loaded: nothing is left out.
    for part in (".an-rate", ".an-sampler", ".an-asked", ".an-report"):
        expect(demo.page.locator(part)).to_be_visible()
    demo.page.locator(".tr-file summary").first.click()
    cells = demo.page.locator(".tr-body > .k")
    expect(cells).to_have_count(len(trace.prompt.texts))
    origins = cells.evaluate_all("all => all.map(cell => cell.classList[1]).join('')")
    assert origins == trace.prompt.origins
    button(demo, "replay").click()
    expect(said(demo)).to_contain_text("The model's files are the same.")
    # A new answer takes its place, the file stays in the list.
    demo.ask("Hello again")
    expect(demo.page.locator(".tr-file")).to_be_hidden()
    demo.page.locator(".an-which select").select_option(index=0)
    button(demo, "close").click()
    expect(demo.page.locator(".an-which option")).to_have_count(3)
    assert demo.errors == []


def test_the_script_is_copied(open_page, server):
    demo = open_answer(open_page, server, max_new_tokens=6)
    demo.ask(ASKED)
    button(demo, "script").click()
    expect(said(demo)).to_contain_text("Copied")

    script = demo.page.evaluate("navigator.clipboard.readText()")
    compile(script, "script", "exec")
    assert "SeededDraw(7, len(ANSWER_IDS))" in script
    assert demo.errors == []


@pytest.mark.parametrize(
    ("size", "language"), [("1280x800", "en"), ("390x844", "zh")], ids=["en", "zh"]
)
def test_a_file_of_another_model_is_shown_and_says_what_is_left_out(
    open_page, server, tmp_path, size, language
):
    demo = open_answer(open_page, server, size, language, max_new_tokens=8)
    demo.ask("Hello")
    plain = json.loads(save(demo, tmp_path).read_text())
    plain["model"]["files"][0]["sha256"] = "0" * 64
    plain["model"]["name"] = "<img src=x onerror=window.hacked=1>"
    plain["prompt"]["origins"] = "?" * len(plain["prompt"]["origins"])
    name = "<b>other</b>.json"
    drop(demo, name, json.dumps(plain))

    part = demo.page.locator(".tr-file")
    expect(part).to_contain_text(name)
    expect(part).to_contain_text(TRACE["tr_foreign"][language == "zh"])
    expect(part).to_contain_text("<img")
    for hidden in (".an-rate", ".an-sampler", ".an-asked"):
        expect(demo.page.locator(hidden)).to_be_hidden()
    for there in (".an-list", ".an-details table", ".an-report"):
        expect(demo.page.locator(there)).to_be_visible()
    for fold in demo.page.locator(".tr-file summary").all():
        fold.click()
    assert demo.page.evaluate("window.hacked") is None
    assert demo.has_no_sideways_scroll()
    files = demo.page.locator("#answer-files")
    assert_none(tuple(text) for text in files.evaluate(_CONTRASTS) if text[0] < 4.5)
    if size == "390x844":
        assert_none(files.evaluate(_SMALL_TARGETS))
    assert demo.errors == []


def test_what_is_no_such_file_gets_a_sentence_and_nothing_locks(open_page, server, tmp_path):
    demo = open_answer(open_page, server, max_new_tokens=8)
    demo.ask("Hello")
    text = save(demo, tmp_path).read_text()
    wrong = {
        "must be whole JSON": text[: len(text) // 2],
        "a newer demo wrote it": text.replace('"version": 1', '"version": 7'),
        "another kind of file": '{"messages": []}',
        "finish must be one of": text.replace('"finish": "', '"finish": "not '),
        "at most 16 MB, but this one has 17 MB": " " * 16_500_000,
        "from line 1, column 1": "\0\ufffd\udc00"[:2],
    }
    path = tmp_path / "wrong.json"
    for sentence, content in wrong.items():
        path.write_text(content, encoding="utf-8")
        open_file(demo, path)
        expect(said(demo)).to_contain_text(sentence)
        expect(demo.page.locator(".tr-file")).to_be_hidden()
    path.write_text(text)
    open_file(demo, path)
    expect(demo.page.locator(".tr-file")).to_be_visible()
    assert demo.errors == []
