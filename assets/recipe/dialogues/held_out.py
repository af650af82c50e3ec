"""Questions of the evaluation list that no dialogue may ask in the very same words.

Wordings are composed, so now and then one comes out as somebody wrote it for the evaluation. Such a
dialogue is made anew. Short ones are let through: `Tell me a joke` is what everybody says.
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from assets.recipe.dialogues.wording import Turn

_LIST = Path(__file__).resolve().parents[1] / "evaluation" / "items.jsonl"
_LONGEST_SHORT = 12
_NOT_A_LETTER = re.compile(r"[\W_]+")


def asks_held_out(turns: Iterable[Turn]) -> bool:
    """Whether one of the questions is of the evaluation list, marks and capitals aside."""
    held_out = _held_out()
    return any(bare(turn.user) in held_out for turn in turns)


def bare(text: str) -> str:
    """Letters and digits of a text, in lower case."""
    return _NOT_A_LETTER.sub("", text.lower())


@cache
def _held_out() -> frozenset[str]:
    with _LIST.open(encoding="utf-8") as file:
        conversations = [json.loads(line)["turns"] for line in file]
    texts = {bare(turns[0]) for turns in conversations if len(turns) == 1}
    return frozenset(text for text in texts if len(text) > _LONGEST_SHORT)
