"""How people word things: templates filled with slots, then the noise of real typing.

A template may hold choices: `[so|and] who am I[ again|]`; an empty one leaves nothing.
A visitor drops punctuation, writes in lower case, is polite, mistypes. The noise is put on the
template before the slots are filled, so that a name or a number that the answer must repeat is
never damaged.
"""

import re
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from assets.recipe.dialogues.knowledge import Language, read_json, wordings

_QUESTION_ZH = re.compile("[吗呢谁哪几]|什么|多少|怎|如何|多大|为什么|是不是|啥|何")
_QUESTION_EN = re.compile(
    r"^(what|who|whose|where|when|why|which|how|is|are|am|do|does|did|can|could|will|would|have|has|may|"
    r"d'you|and|in which)\b",
    re.IGNORECASE,
)
_STATEMENT = re.compile(
    r"^(我|本人|大家|记住|其实|不对|My |I |I'm|Call |The |Actually|Sorry|No,|People )"
)
_WORD = re.compile(r"(?<![{\w'])[a-zA-Z]{4,}(?![\w'}])")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_OUTSIDE_SLOTS = re.compile(r"[^{}]+(?![^{]*\})")
_NOISE_SHARE, _LOWER_CASE_SHARE = 0.34, 0.35


class Turn(NamedTuple):
    """One question and its answer."""

    user: str
    assistant: str


def exchange(
    rng: Random, language: Language, key: str, /, *, exact: bool = False, **slots: object
) -> Turn:
    """One turn from the templates of `key`.

    Args:
        rng: source of every choice.
        language: language of the question and of the answer.
        key: name of the wording in `knowledge/wordings/`.
        exact: keep the case of the question, because the answer repeats a part of it.
        **slots: values of the `{slots}` in both templates.
    """
    templates = wordings(key, language)
    question = worded(rng, language, template_from(rng, templates["asks"]), exact=exact, **slots)
    return Turn(question, rng.choice(templates["answers"]).format(**slots))


def worded(
    rng: Random, language: Language, template: str, /, *, exact: bool = False, **slots: object
) -> str:
    """`template` as somebody might type it, with its slots filled."""
    chosen = chosen_from(rng, template)
    text, ending = _without_ending(chosen), _ending(language, chosen)
    if rng.random() < _NOISE_SHARE:
        text = _with_noise(rng, language, text, is_question=ending in "？?")
    if language == "en" and rng.random() < _LOWER_CASE_SHARE:
        # What the answer repeats keeps its case, the words around it do not.
        lowered = _OUTSIDE_SLOTS.sub(lambda match: match[0].lower(), text)
        text = lowered.format(**slots) if exact else text.format(**slots).lower()
    else:
        text = text.format(**slots)
    if text[-1] in "？。！?!.":
        return text
    return text + rng.choice(_endings(language, ending))


def chosen_from(rng: Random, template: str) -> str:
    """`template` with one alternative of every `[a|b]`, and single spaces."""
    if "[" not in template:
        return template
    text = _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), template)
    return " ".join(text.split())


def template_from(rng: Random, templates: Sequence[str]) -> str:
    """One of `templates`; of two drawn, the one with more choices, as it stands for more texts."""
    first, second = rng.choice(templates), rng.choice(templates)
    return first if first.count("[") >= second.count("[") else second


def _without_ending(template: str) -> str:
    return template.rstrip("？。！?!.") or template


def _ending(language: Language, template: str) -> str:
    if language == "zh":
        return "？" if _QUESTION_ZH.search(template) else "。"
    return "?" if _QUESTION_EN.search(template) else "."


def _endings(language: Language, ending: str) -> Sequence[str]:
    if language == "en":
        return (ending, ending, "", "!") if ending == "." else (ending, ending, "")
    return (ending, ending, "", "", {"？": "?", "。": "！"}[ending])


def _with_noise(rng: Random, language: Language, text: str, *, is_question: bool) -> str:
    noise = read_json("noise")[language]
    kind = rng.choices(["prefix", "suffix", "casual", "typo"], [40, 12, 28, 20])[0]
    if kind == "prefix":
        return _prefixed(rng, language, text, noise, is_question=is_question)
    if kind == "suffix" and not _STATEMENT.match(text) and not text.endswith("}"):
        return text + rng.choice(noise["suffixes"])
    if kind == "casual":
        return _replaced(rng, text, noise["casual"])
    if kind == "typo" and language == "en":
        return _mistyped(rng, text)
    return _replaced(rng, text, noise["misspelled"]) if kind == "typo" else text


def _prefixed(rng: Random, language: Language, text: str, noise: dict, *, is_question: bool) -> str:
    if text.startswith(("你好", "嗨", "请", "Hi", "Hello", "Please", "{")):
        return text
    is_statement = _STATEMENT.match(text) and not is_question
    kind = "question" if is_question else "statement" if is_statement else "request"
    prefix = rng.choice(noise[f"{kind}_prefixes"])
    if language == "zh" or re.match(r"I\b", text):
        return prefix + text
    return prefix + text[0].lower() + text[1:]


def _replaced(rng: Random, text: str, pairs: Sequence[Sequence[str]]) -> str:
    usable = [(old, new) for old, new in pairs if old in text and "{" not in old]
    if not usable:
        return text
    old, new = rng.choice(usable)
    return text.replace(old, new, 1)


def _mistyped(rng: Random, text: str) -> str:
    """Swaps, drops or doubles one letter inside one longer word."""
    words = list(_WORD.finditer(text))
    if not words:
        return text
    word = rng.choice(words)
    at = word.start() + rng.randrange(1, len(word.group()) - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :] if kind == 1 else text[:at] + text[at] + text[at:]
