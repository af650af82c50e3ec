"""How people word things: templates filled with slots, then the noise of real typing.

A template may hold choices, one inside another: `[so|[oh |]and] who am I[ again|]`; an empty one
leaves nothing. An entry may also list parts of sentences: `things` (the capital of France),
`clauses` (what my name is) and `deeds` (write a poem); `knowledge/frames.json` has the sentences
around them, with a `%` in their place. So one new frame is a new wording of every family.

A visitor drops punctuation, writes in lower case, is polite, mistypes, mixes languages. The noise
is put on the template before the slots are filled, so that a name or a number that the answer must
repeat is never damaged.
"""

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from assets.recipe.dialogues.knowledge import Language, read_json, wordings
from assets.recipe.dialogues.noise import with_noise

_QUESTION_ZH = re.compile("[吗呢谁哪几么]|什么|多少|怎|如何|多大|为什么|是不是|啥|何|[能可]不")
_QUESTION_EN = re.compile(
    r"^(what|who|whose|where|when|why|which|how|is|are|am|do|does|did|can|could|will|would|have|has|may|"
    r"d'you|and|in which|any|wat|wats)\b",
    re.IGNORECASE,
)
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_OUTSIDE_SLOTS = re.compile(r"[^{}]+(?![^{]*\})")
_LOWER_CASE_SHARE, _UPPER_CASE_SHARE, _FRAME_SHARE = 0.38, 0.015, 0.6
_PARTS = {"things": "thing", "clauses": "clause", "deeds": "deed"}


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
    entry = wordings(key, language)
    question = worded(rng, language, ask_template(rng, language, entry), exact=exact, **slots)
    return Turn(question, rng.choice(entry["answers"]).format(**slots))


def ask_template(rng: Random, language: Language, entry: Mapping[str, Any]) -> str:
    """A template of an entry: one of its `asks`, or one of its parts inside a frame."""
    parts = [name for name in _PARTS if name in entry]
    asks = entry.get("asks", ())
    if not parts or (asks and rng.random() > _FRAME_SHARE):
        return template_from(rng, asks)
    part = rng.choice(parts)
    frame = rng.choice(read_json("frames")[language][_PARTS[part]])
    return frame.replace("%", template_from(rng, entry[part]))


def worded(
    rng: Random,
    language: Language,
    template: str,
    /,
    *,
    exact: bool = False,
    is_statement: bool = False,
    **slots: object,
) -> str:
    """`template` as somebody might type it, with its slots filled.

    Args:
        rng: source of every choice.
        language: language of the sentence.
        template: with choices and slots.
        exact: keep the case of what fills the slots, because the answer repeats it.
        is_statement: it tells something, so nothing is put before or behind it that asks.
        **slots: values of the `{slots}`.
    """
    chosen = chosen_from(rng, template)
    text, ending = _without_ending(chosen), _ending(language, chosen)
    is_question = ending in "？?" and not is_statement
    text = with_noise(rng, language, text, is_question=is_question, is_statement=is_statement)
    case = rng.random()
    if language == "en" and case < _LOWER_CASE_SHARE:
        # What the answer repeats keeps its case, the words around it do not.
        lowered = _OUTSIDE_SLOTS.sub(lambda match: match[0].lower(), text)
        text = lowered.format(**slots) if exact else text.format(**slots).lower()
    else:
        text = text.format(**slots)
        if case > 1 - _UPPER_CASE_SHARE and not exact:
            text = text.upper()
        elif language == "en" and not exact and rng.random() < 0.7:
            text = text[:1].upper() + text[1:]
    if text[-1] in "？。！?!.~":
        return text
    return text + rng.choice(_endings(language, ending))


def chosen_from(rng: Random, template: str) -> str:
    """`template` with one alternative of every `[a|b]`, and single spaces."""
    if "[" not in template:
        return template
    text = template
    # The innermost choices first: what is left of an outer one holds none.
    while "[" in text:
        text = _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), text)
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
        return (ending, ending, "", "", "!") if ending == "." else (ending, ending, "", "", "??")
    return (ending, ending, "", "", "", {"？": "?", "。": "！"}[ending], "~")
