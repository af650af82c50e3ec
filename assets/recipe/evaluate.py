"""Greedy answers to an evaluation list, and checks that can fail.

The list, `evaluation/items.jsonl`, is written by hand in wordings that the generator does not
produce: paraphrases, missing punctuation, typing errors. An item is one conversation; the model
answers every turn itself and the last answer is checked.
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

ITEMS = Path(__file__).resolve().parent / "evaluation" / "items.jsonl"
_PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
_SORT_CHECK = """
functions = [value for value in list(globals().values()) if type(value).__name__ == "function"]
numbers = [5, -3, 9, 0, 5, 12, 1]
result = functions[0](list(numbers))
assert result == sorted(numbers), result
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One conversation and what its last answer must be.

    Attributes:
        family: row of the result table.
        turns: what the person says, in order.
        check: `any`, `all`, `none`: texts of which one, every one, none is in the answer, in upper
            or lower case; `exact`: texts that are all in it, letter by letter;
            `sorts`: its Python code defines a function that sorts; `prints`: what its code prints.
    """

    family: str
    turns: tuple[str, ...]
    check: dict[str, Any]


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
    return [Item(record["family"], tuple(record["turns"]), record["check"]) for record in records]


def evaluate(model: YuanForCausalLM, encoder: Encoder, items: Sequence[Item]) -> list[Outcome]:
    """Holds all conversations side by side, turn by turn, and checks them."""
    answers: list[list[str]] = [[] for _ in items]
    for turn in range(max(len(item.turns) for item in items)):
        asked = [index for index, item in enumerate(items) if len(item.turns) > turn]
        prompts = [prompt_text(items[index].turns[: turn + 1], answers[index]) for index in asked]
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
        "prints": lambda expected: _run_python(answer) == expected,
    }
    return all(parts[kind](value) for kind, value in check.items())


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
    report = {"families": families, "outcomes": answers}
    path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for family, (right, asked) in families.items():
        print(f"{family}: {right} of {asked}")
