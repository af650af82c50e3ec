"""Greedy answers to evaluation lists, and checks that can fail.

`evaluation/items.jsonl` is written by hand in wordings that the generator does not produce:
paraphrases, missing punctuation, typing errors. `others.jsonl` was written by another hand that had
seen neither the dialogues nor the other lists: it tells what a visitor meets. An item is one
conversation; the model answers every turn itself and the last answer is checked.
"""

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from assets.recipe.tokenizer import JOIN, SEP_TOKEN, Encoder
from yuan_demo.core.control_tokens import EOD_TOKEN, PAD_TOKEN
from yuan_demo.model.modeling_yuan import YuanForCausalLM

_FOLDER = Path(__file__).resolve().parent / "evaluation"
ITEMS, NOT_TOLD = _FOLDER / "items.jsonl", _FOLDER / "not_told.jsonl"
OTHERS = _FOLDER / "others.jsonl"
# Each report and the lists that it answers.
REPORTS = {"evaluation.json": (ITEMS, NOT_TOLD), "evaluation_others.json": (OTHERS,)}
_PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
# "You are called Ann" when nobody said so: what the 'not told' conversations must never hold.
_CLAIM = re.compile(
    r"(你|您)(\w{0,8}叫|的名字|的\w+是|是一名|今年\d|喜欢|说过)|它叫|数字是|^是“"
    r"|\byour? [\w ]+?('s name)? is\b|\byou (are|like|said)\b"
    r"|\bit is called\b|\bthe (word|number) is\b",
    re.IGNORECASE,
)
_ADMITTED = re.compile(
    r"没有告诉|没告诉|没有说过|not told|haven't told|don't know|do not know|不知道"
)
_SORT_CHECK = """
functions = [value for value in list(globals().values()) if type(value).__name__ == "function"]
numbers = [5, -3, 9, 0, 5, 12, 1]
result = functions[0](list(numbers))
assert result == sorted(numbers), result
"""
_RETURN_CHECK = """
import contextlib, io
functions = [
    value for name, value in list(globals().items())
    if type(value).__name__ == "function" and {0!r} in name.lower()
]
results = [function(*{1!r}) for function in functions]
assert any(list(result) in {2!r} if type(result).__name__ == "generator" else result in {2!r}
           for result in results), results
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One conversation and what its last answer must be.

    Attributes:
        family: row of the result table.
        turns: what the person says, in order.
        check: `any`, `all`, `none`: texts of which one, every one, none is in the answer, in upper
            or lower case; `exact`: texts that are all in it, letter by letter;
            `words`: texts of which one is in it as words of their own (`hi` is not in `which`);
            `last_number`: the number that it ends with;
            `sorts`: its Python code defines a function that sorts; `prints`: what its code prints;
            `outputs`: texts that are all in what its code prints;
            `returns`: part of a function's name, its arguments, the results that are right;
            `compiles`: it holds Python code without a syntax error;
            `not_told`: it says that it was not told.
        is_document: the turns are one text that holds control tokens; no `<sep>` follows.
    """

    family: str
    turns: tuple[str, ...]
    check: dict[str, Any]
    is_document: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answers to one item, and whether the last one is right."""

    item: Item
    answers: tuple[str, ...]
    is_right: bool


def read_items(path: Path = ITEMS) -> list[Item]:
    """The evaluation list."""
    with path.open(encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    return [
        Item(
            record["family"],
            tuple(record["turns"]),
            record["check"],
            is_document=record.get("form") == "document",
        )
        for record in records
    ]


def evaluate(model: YuanForCausalLM, encoder: Encoder, items: Sequence[Item]) -> list[Outcome]:
    """Holds all conversations side by side, turn by turn, and checks them."""
    answers: list[list[str]] = [[] for _ in items]
    for turn in range(max(len(item.turns) for item in items)):
        asked = [index for index, item in enumerate(items) if len(item.turns) > turn]
        prompts = [
            items[index].turns[0]
            if items[index].is_document
            else prompt_text(items[index].turns[: turn + 1], answers[index])
            for index in asked
        ]
        for index, answer in zip(asked, greedy_answers(model, encoder, prompts), strict=True):
            answers[index].append(answer)
    return [
        Outcome(item, tuple(given), is_right(given[-1], item.check))
        for item, given in zip(items, answers, strict=True)
    ]


def prompt_text(questions: Sequence[str], answers: Sequence[str]) -> str:
    """A conversation in Yuan2's format, ready for the next answer."""
    earlier = "".join(f"{q}{JOIN}{a}{JOIN}" for q, a in zip(questions[:-1], answers, strict=True))
    return f"{earlier}{questions[-1]}{SEP_TOKEN}"


@torch.inference_mode()
def greedy_answers(
    model: YuanForCausalLM, encoder: Encoder, prompts: Sequence[str], *, max_new_tokens: int = 256
) -> list[str]:
    """The most probable answer to each prompt, in one left-padded batch."""
    rows = [encoder.encode(prompt) for prompt in prompts]
    width = max(map(len, rows))
    pad, eod = encoder.control_id(PAD_TOKEN), encoder.control_id(EOD_TOKEN)
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=model.device)
    mask = torch.tensor(
        [[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device
    )
    output = model.generate(
        ids,
        attention_mask=mask,
        do_sample=False,
        max_new_tokens=max_new_tokens,
        eos_token_id=eod,
        pad_token_id=eod,
    )
    return [_until_eod(encoder, row, eod) for row in output[:, width:].tolist()]


def _until_eod(encoder: Encoder, ids: list[int], eod: int) -> str:
    return encoder.decode(ids[: ids.index(eod)] if eod in ids else ids)


def is_right(answer: str, check: dict[str, Any]) -> bool:
    """Whether an answer passes every part of a check."""
    text = answer.lower()
    parts = {
        "any": lambda wanted: any(word.lower() in text for word in wanted),
        "all": lambda wanted: all(word.lower() in text for word in wanted),
        "none": lambda unwanted: not any(word.lower() in text for word in unwanted),
        "exact": lambda wanted: all(word in answer for word in wanted),
        "sorts": lambda _: _run_python(answer, _SORT_CHECK) is not None,
        "words": lambda wanted: any(_has_word(text, word.lower()) for word in wanted),
        "last_number": lambda expected: re.findall(r"-?\d+", answer)[-1:] == [str(expected)],
        "prints": lambda expected: _run_python(answer) == expected,
        "outputs": lambda wanted: all(word in (_run_python(answer) or "") for word in wanted),
        "returns": lambda wanted: _run_python(answer, _RETURN_CHECK.format(*wanted)) is not None,
        "compiles": lambda _: _compiles(answer),
        "not_told": lambda _: bool(_ADMITTED.search(answer)),
    }
    return all(parts[kind](value) for kind, value in check.items())


def _has_word(text: str, word: str) -> bool:
    """Whether neither a Latin letter nor a digit stands beside the word: `今年28岁` has `28`."""
    return bool(re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", text))


def is_leak(answer: str) -> bool:
    """Whether an answer claims to know what it was not told."""
    return not _ADMITTED.search(answer) and bool(_CLAIM.search(answer))


def _run_python(answer: str, more: str = "") -> str | None:
    """What the Python block of an answer prints, in a process of its own; None if it fails."""
    block = _PYTHON_BLOCK.search(answer)
    if block is None:
        return None
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", block[1] + more],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip()


def _compiles(answer: str) -> bool:
    block = _PYTHON_BLOCK.search(answer)
    try:
        return block is not None and bool(compile(block[1], "answer", "exec"))
    except SyntaxError:
        return False


def write_report(outcomes: Sequence[Outcome], path: Path) -> None:
    """Right and asked by family, and every answer, as JSON."""
    families: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for outcome in outcomes:
        families[outcome.item.family][0] += outcome.is_right
        families[outcome.item.family][1] += 1
    answers = [
        {
            "family": o.item.family,
            "turns": o.item.turns,
            "answers": o.answers,
            "is_right": o.is_right,
        }
        for o in outcomes
    ]
    leaks = sum("not_told" in o.item.check and is_leak(o.answers[-1]) for o in outcomes)
    report = {"families": families, "leaks": leaks, "outcomes": answers}
    path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for family, (right, asked) in families.items():
        print(f"{family}: {right} of {asked}")
    print(f"claims of what was not told: {leaks}")
