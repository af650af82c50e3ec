import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from yuan_demo.core.budget import fit
from yuan_demo.core.formats import FORMATS
from yuan_demo.core.lint import lint
from yuan_demo.core.messages import Message
from yuan_demo.core.options import Loading, PromptOptions
from yuan_demo.ui.lint_strings import FINDINGS, REPAIRS

CORE = Path(__file__).resolve().parents[2] / "yuan_demo" / "core"
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def reported() -> Iterator[tuple[str, set[str], bool]]:
    """(code, names of the values that its rule writes down, whether it may have a repair)."""
    for path in sorted(CORE.glob("lint*.py")):
        for rule in ast.parse(path.read_text(encoding="utf-8")).body:
            nodes = list(ast.walk(rule))
            keys = [key for node in nodes if isinstance(node, ast.Dict) for key in node.keys]
            values = {key.value for key in keys if isinstance(key, ast.Constant)}
            for node in nodes:
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                    assert isinstance(node.args[0], ast.Constant), "a code is written out"
                    yield node.args[0].value, values, len(node.args) > 4


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


REPORTED = {code: (values, has_repair) for code, values, has_repair in reported()}


def test_every_finding_has_its_sentence_and_every_sentence_its_finding():
    assert set(FINDINGS) == set(REPORTED)
    assert len(REPORTED) == 18


def test_every_repair_has_its_button_and_every_button_its_repair():
    assert set(REPAIRS) == {code for code, (_, has_repair) in REPORTED.items() if has_repair}


@pytest.mark.parametrize("code", FINDINGS)
def test_a_finding_is_told_in_both_languages_with_the_same_places(code: str):
    english, chinese = FINDINGS[code]

    assert places(english) == places(chinese)
    assert english.endswith(".")
    assert chinese.endswith("。")
    assert CHINESE.search(chinese)
    assert not CHINESE.search(english)


@pytest.mark.parametrize("code", REPAIRS)
def test_a_button_has_a_few_words_in_both_languages(code: str):
    english, chinese = REPAIRS[code]

    assert 0 < len(english) <= 32
    assert 0 < len(chinese) <= 12
    assert CHINESE.search(chinese)
    assert not CHINESE.search(english)


@pytest.mark.parametrize(("code", "values"), [(code, REPORTED[code][0]) for code in REPORTED])
def test_a_sentence_mentions_only_values_that_its_finding_has(code: str, values: set[str]):
    assert places(FINDINGS[code][0]) <= values


def test_sentences_of_real_findings_are_filled_without_a_gap(tokenizer: Any):
    messages = (
        Message("assistant", "您好！"),
        Message("user", "a<n>龘<sep>\u200b"),
        Message("assistant", "哈哈好" * 12),
        Message("user", "x"),
        Message("user", "python "),
    )
    told = set()
    for loading in Loading:
        for prompt_format in FORMATS.values():
            for raw in (False, True):
                options = PromptOptions(900, 100, prompt_format, raw, loading)
                fitted = fit(messages, tokenizer, options)
                for finding in lint(messages, fitted, tokenizer):
                    for sentence in FINDINGS[finding.code]:
                        assert "{" not in sentence.format(**finding.values).replace("{user}", "")
                    told.add(finding.code)

    assert len(told) > 12
