"""What fingers do to a sentence: openings and closings, slang, slips, missing marks.

Everything here leaves `{slots}` alone, so what an answer has to repeat is never damaged.
"""

import re
from collections.abc import Callable, Sequence
from random import Random

from assets.recipe.dialogues.knowledge import Language, read_json

_STATEMENT = re.compile(
    r"^(我|本人|大家|记住|其实|不对|My |I |I'm|Call |The |Actually|Sorry|No,|People )"
)
_OPENED = ("你好", "嗨", "请", "Hi", "Hello", "Please", "hi ", "hello", "please", "{")
_WORD = re.compile(r"(?<![{\w'])[a-zA-Z]{4,}(?![\w'}])")
# None, one or two things happen to a sentence; two thirds of all are as somebody careful types.
_COUNTS, _COUNT_WEIGHTS = (0, 1, 2, 3), (52, 31, 13, 4)
_NEIGHBOURS = {
    letter: row[max(0, at - 1) : at] + row[at + 1 : at + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for at, letter in enumerate(row)
}


def with_noise(
    rng: Random, language: Language, text: str, *, is_question: bool, is_statement: bool = False
) -> str:
    """`text` with none to three of the things that happen to a typed sentence."""
    for _ in range(rng.choices(_COUNTS, _COUNT_WEIGHTS)[0]):
        kind = rng.choices(("open", "close", "casual", "typo", "marks"), (30, 13, 27, 22, 8))[0]
        noise = read_json("noise")[language]
        if is_statement and kind in ("open", "close"):
            if kind == "open" and not text.startswith(_OPENED):
                text = rng.choice(noise["statement_prefixes"]) + text
        elif kind == "open":
            text = _opened(rng, language, text, noise, is_question=is_question)
        elif kind == "close":
            text = _closed(rng, text, noise)
        elif kind == "casual":
            text = _replaced(rng, text, noise["casual"])
        elif kind == "typo":
            text = _MISTYPED[language](rng, text)
        else:
            text = _without_marks(rng, language, text)
    return text


def _opened(rng: Random, language: Language, text: str, noise: dict, *, is_question: bool) -> str:
    if text.startswith(_OPENED):
        return text
    is_statement = _STATEMENT.match(text) and not is_question
    kind = "question" if is_question else "statement" if is_statement else "request"
    prefix = rng.choice(noise[f"{kind}_prefixes"])
    if language == "zh" or re.match(r"I\b", text):
        return prefix + text
    return prefix + text[0].lower() + text[1:]


def _closed(rng: Random, text: str, noise: dict) -> str:
    if _STATEMENT.match(text) or text.endswith("}"):
        return text
    return text + rng.choice(noise["suffixes"])


def _replaced(rng: Random, text: str, pairs: Sequence[Sequence[str]]) -> str:
    usable = [(old, new) for old, new in pairs if old in text]
    if not usable:
        return text
    old, new = rng.choice(usable)
    # What stands inside `{braces}` is the name of a slot.
    return re.sub(rf"{re.escape(old)}(?![^{{}}]*\}})", lambda _: new, text, count=1)


def _mistyped_zh(rng: Random, text: str) -> str:
    """A character of the same sound, as an input method offers it.

    Not right behind a slot, where it would be taken for a part of a name: 我改名叫小明乐.
    """
    pairs = read_json("noise")["zh"]["misspelled"]
    return _replaced(rng, text, [(old, new) for old, new in pairs if f"}}{old}" not in text])


def mistyped(rng: Random, text: str) -> str:
    """Swaps, drops, doubles or misses one letter inside one longer word."""
    words = list(_WORD.finditer(text))
    if not words:
        return text
    word = rng.choice(words)
    at = word.start() + rng.randrange(1, len(word.group()) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    near = _NEIGHBOURS.get(text[at].lower(), text[at]) if kind == 2 else text[at]
    return text[:at] + rng.choice(near) + text[at + (kind == 2) :]


def _without_marks(rng: Random, language: Language, text: str) -> str:
    """Commas and apostrophes left out, or a space where a comma would be."""
    if language == "zh":
        return text.replace("，", rng.choice((" ", "", ",")))
    return text.replace("'", "").replace(", ", " ")


_MISTYPED: dict[Language, Callable[[Random, str], str]] = {"zh": _mistyped_zh, "en": mistyped}
