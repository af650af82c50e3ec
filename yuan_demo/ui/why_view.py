"""What the Why tab draws, as plain data for JSON."""

from collections.abc import Sequence
from typing import Any

from yuan_demo.core.parts import Part, Range, spelled
from yuan_demo.core.prompt import Prompt

DIGITS = 6
"""Decimal places of an effect, in nats."""


def part_view(part: Part) -> dict[str, Any]:
    """`k` kind, `n` number of its turn, `r` role, `t` text, `s` its tokens [first, one past the
    last], `p` what it falls into; a part without such falls into words."""
    return {
        "k": part.kind,
        "n": part.turn,
        "r": part.role,
        "t": part.text,
        "s": list(part.tokens),
        "p": [part_view(each) for each in part.parts],
    }


def answer_word_views(answer: Prompt, places: Sequence[Range], start: int) -> list[dict[str, Any]]:
    """Words of the answer so far, as `part_view` gives those of the prompt.

    Args:
        answer: as it is spelled.
        places: tokens of each word.
        start: tokens in front of the answer.
    """
    return [
        {
            "k": "word",
            "n": None,
            "r": None,
            "t": spelled(answer.tokens[first:past], answer.text),
            "s": [start + first, start + past],
            "p": [],
        }
        for first, past in places
    ]


def effects_view(effects: dict[Range, float], ranges: Sequence[Range]) -> list[list[Any]]:
    """[first part, one past the last, effect] of each range."""
    return [[start, end, round(effects[start, end], DIGITS)] for start, end in ranges]
