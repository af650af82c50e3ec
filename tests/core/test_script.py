import ast
from dataclasses import replace

import pytest

from tests.traces import NASTY, make_trace, tokens_of
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.core.script import literal, python_script

GREEDY = SamplingParams(8, True, repetition_penalty=1.1)


@pytest.mark.parametrize(
    "text",
    ["", "a", NASTY, NASTY * 40, "\n", "\n\n", "a\n", "'" * 200, '"""', "\\", "龘" * 300, "\udc00"],
)
def test_a_text_is_a_literal_of_itself(text: str):
    assert ast.literal_eval(literal(text)) == text


def test_lines_stand_one_below_the_other():
    assert literal("a\nb") == "(\n    'a\\n'\n    'b'\n)"


def assigned(script: str) -> dict[str, object]:
    """What a script's names are, where they are literals."""
    found = {}
    for node in ast.parse(script).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


@pytest.mark.parametrize("settings", [GREEDY, make_trace().settings], ids=["greedy", "sampled"])
def test_whatever_was_said_the_script_is_one(settings: SamplingParams):
    prompt = tokens_of(*range(400), text=NASTY)
    script = python_script(make_trace(prompt=prompt, settings=settings), NASTY, NASTY)

    names = assigned(script)
    assert names["PROMPT"] == NASTY
    assert names["PROMPT_IDS"] == list(range(400))
    assert names["ANSWER_IDS"] == [7, 499, 9]
    assert "assert tokenizer.encode(PROMPT) == PROMPT_IDS" in script
    # All of it can be kept as a file, and a line is never longer than a screen.
    assert all(len(line) < 500 for line in script.encode().decode().split("\n"))


def test_without_a_text_that_gives_the_ids_none_is_checked():
    script = python_script(make_trace(), "m", None)

    assert assigned(script)["PROMPT"] == "".join(make_trace().prompt.texts)
    assert "assert " not in script


def test_greedy_needs_nothing_but_generate():
    script = python_script(make_trace(settings=GREEDY), "m", "a")

    assert "class " not in script
    assert "logits_processor" not in script
    assert "repetition_penalty=1.1" in script


def test_settings_that_change_nothing_are_left_out():
    plain = SamplingParams(8, False, 1.0, 0, 1.0, 1.0, 5)
    script = python_script(make_trace(settings=plain), "m", "a")

    assert "Warper" not in script
    assert "SeededDraw(5, len(ANSWER_IDS))" in script


def test_what_a_file_says_of_its_model_cannot_become_code():
    model = replace(
        make_trace().model, torch="2\nimport os", dtype="x\ny", quantize="q\rprint(1)", device="d'"
    )
    tree = ast.parse(python_script(make_trace(model=model), "m", "a"))

    names = {
        alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names
    }
    assert names == {"sys", "torch"}
    assert "print(1)" not in ast.unparse(tree)
