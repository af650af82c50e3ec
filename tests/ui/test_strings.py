import ast
import re
from collections import ChainMap
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from yuan_demo.core.control_tokens import CONTROL_TOKENS
from yuan_demo.core.errors import EngineError, PageError, PromptError, SamplingError
from yuan_demo.engine.failures import Failure
from yuan_demo.ui.label_strings import LABELS
from yuan_demo.ui.panel import WORDS
from yuan_demo.ui.strings import (
    ENDINGS,
    ERRORS,
    EXAMPLES,
    GRADIO_OWN,
    IN_LINE,
    LEFT_LINE,
    UNANSWERED,
    error_text,
    language_of,
)

PROJECT = Path(__file__).resolve().parents[2]
TABLES: dict[str, dict[str, tuple[str, str]]] = {
    **{f"WORDS {number}": table for number, table in enumerate(WORDS)},
    "LABELS": LABELS,
    "ERRORS": ERRORS,
    "ENDINGS": ENDINGS,
    "LINE": {"in": IN_LINE, "left": LEFT_LINE, "unanswered": UNANSWERED},
}
PAGE_ERRORS = {kind.__name__ for kind in (PageError, PromptError, SamplingError, EngineError)}
REWORKED = {
    code: {"over"}
    for code in ("message_too_long", "message_beyond_window", "pinned_too_long", "window_full")
}
"""Places that `error_text` fills from the other values."""


def raised_errors() -> Iterator[tuple[str, set[str], str]]:
    """(code, names of its values, where) of every page error made anywhere in the package."""
    for path in sorted((PROJECT / "yuan_demo").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if is_call and node.func.id in PAGE_ERRORS:
                names, where = {word.arg for word in node.keywords}, f"{path.name}:{node.lineno}"
                if isinstance(node.args[0], ast.Constant):
                    yield node.args[0].value, names, where
                    continue
                assert path.name == "scheduler.py", "a code is written out"
                # Memory alone fails with a number: an engine that stopped cannot tell one.
                for failure in Failure:
                    if names or failure is not Failure.MEMORY:
                        yield str(failure), names, where


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


RAISED = list(raised_errors())


@pytest.mark.parametrize(("code", "values", "where"), RAISED, ids=[r[2] for r in RAISED])
def test_a_raised_error_has_its_sentence_and_the_values_that_it_mentions(
    code: str, values: set[str], where: str
):
    for sentence in ERRORS[code]:
        assert places(sentence) <= values | REWORKED.get(code, set())


def test_every_error_sentence_is_for_an_error_that_is_raised():
    assert set(ERRORS) == {code for code, _, _ in RAISED}


@pytest.mark.parametrize("table", TABLES)
def test_every_string_is_there_in_both_languages_with_the_same_places(table: str):
    for key, (english, chinese) in TABLES[table].items():
        assert english.strip(), key
        assert chinese.strip(), key
        assert places(english) == places(chinese), key
        assert not re.search(r"[\u4e00-\u9fff]", english), key


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_is_a_sentence_in_chinese_too(code: str):
    english, chinese = ERRORS[code]

    assert english.endswith(".")
    assert chinese.endswith("。")
    assert re.search(r"[\u4e00-\u9fff]", chinese)


def test_gradio_words_are_chinese():
    assert all(re.search(r"[\u4e00-\u9fff]", word) for word in GRADIO_OWN.values())


def test_both_languages_have_examples():
    assert len(EXAMPLES["en"]) == len(EXAMPLES["zh"]) > 2
    assert not any(re.search(r"[\u4e00-\u9fff]", text) for text in EXAMPLES["en"])
    assert all(re.search(r"[\u4e00-\u9fff]", text) for text in EXAMPLES["zh"])


def test_values_are_filled_in():
    error = PromptError("message_too_long", tokens=130, limit=100, window=200, reserved=100)

    assert "130 tokens" in error_text(error, "en")
    assert "Shorten it by 30," in error_text(error, "en")
    assert "请缩短 30 个词元" in error_text(error, "zh")


def test_a_value_with_braces_is_text():
    error = SamplingError("setting_out_of_range", name="top_k", value="{low}", low=0, high=9)

    assert "but is {low}." in error_text(error, "en")


def test_an_error_without_a_sentence_is_still_answered():
    assert error_text(PageError("no_such_code"), "en") == ERRORS["unexpected"][0]
    assert error_text(PageError("no_such_code"), "zh") == ERRORS["unexpected"][1]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (" ZH", "zh"),
        ("zh-Hant-TW", "zh"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("fr", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_the_first_language_of_a_browser_counts(header: str | None, language: str):
    assert language_of(header) == language


KEYS_IN_JS = re.compile(r"say\((?:[^()']*\? )?'(\w+)'(?: : '(\w+)')?")


def test_every_word_that_the_page_asks_for_is_there():
    words = ChainMap(*WORDS, LABELS)
    scripts = sorted((PROJECT / "assets").glob("*.js"))
    source = "\n".join(script.read_text(encoding="utf-8") for script in scripts)
    asked = {key for match in KEYS_IN_JS.findall(source) for key in match if key}
    asked |= set(re.findall(r"'(origin_\w+)'", source))

    assert len(asked) > 40
    for key in asked:
        assert key in words or any(word.startswith(key) for word in words), key
    for mode in ("empty", "history", "preview", "blocked", "answering", "sent"):
        assert f"state_{mode}" in words
    for reason in ("stop", "length", "context", "cancelled"):
        assert f"finish_{reason}" in words


def test_the_panel_explains_every_symbol_in_both_languages():
    assert all(token.meaning_en and token.meaning_zh for token in CONTROL_TOKENS.values())


def test_no_word_of_the_page_hides_another_of_the_same_name():
    assert sum(map(len, WORDS)) == len(ChainMap(*WORDS))
