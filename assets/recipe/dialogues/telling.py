"""How people tell about themselves: several things in one breath, by the way, and put right.

`knowledge/telling.json` has the parts of sentences, for each attribute one or more ways to be told:

- `tails` (Chinese, behind `我`), `be` and `does` (English, behind `I'm` and `I`) and `says` (whole
  clauses) are put together to sentences of several facts; `label` for a list such as `age: 30`;
- `asides` tell a fact in a sentence about something else: `my dog, Rex, is barking`;
- `bare` is a value alone, as in `sorry, 41`; `changes` say that things are different now;
- `fact` is what the answer says: `you are 30 years old`. An answer repeats what was understood, so
  that a person sees it, and so that a model learns to take a sentence apart where it hears it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from assets.recipe.dialogues.grammar import capitalised
from assets.recipe.dialogues.knowledge import Language, read_json
from assets.recipe.dialogues.values import Slots, is_typical, likely_value, value_of
from assets.recipe.dialogues.wording import Turn, chosen_from, template_from, worded

_SLOT = re.compile(r"\{(\w+)\}")
_TOLD_OF_SOMETHING = {
    "pet": "animal",
    "relative": "thing",
    "favorite": "thing",
    "fact": "thing",
}
# What the next part of a Chinese sentence may go on from without another `我`.
_OF_ONESELF = frozenset({"name", "age", "city", "job", "hobby", "like", "food"})
# Attributes whose bare values look alike: `no wait, Rex` could be any of one kind.
_KINDS = {
    **dict.fromkeys(("age", "number"), "number"),
    **dict.fromkeys(("name", "friend", "relative", "pet"), "name"),
}
_TEMPLATE_SHARE, _LABEL_SHARE, _SELF_CORRECTION_SHARE = 0.3, 0.08, 0.06
_NAME_FIRST_SHARE = 0.65
_CHANGE_SHARE, _NAMES_THE_OLD_SHARE, _TERSE_SHARE = 0.22, 0.33, 0.75


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a person tells about themselves.

    Attributes:
        attribute: a key of `memory.json` and `telling.json`.
        slots: the value in all of its forms.
        way: which of the ways of `telling.json` it is told in: lives in a city, comes from it.
    """

    attribute: str
    slots: Slots
    way: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """What the fact is about; a second fact with the same key would replace the first."""
        return self.attribute, self.slots.get(_TOLD_OF_SOMETHING.get(self.attribute, ""), "")

    @property
    def value(self) -> str:
        return self.slots["value"]


def new_fact(rng: Random, language: Language, attribute: str, *, is_likely: bool = True) -> Fact:
    """A fact with a value of its own, told in any way; `is_likely` as for `value_of`."""
    ways = read_json("telling")[attribute][language]
    slots = value_of(rng, language, attribute, is_likely=is_likely)
    return Fact(attribute, slots, rng.randrange(len(ways)))


def restated(language: Language, fact: Fact) -> str:
    """The fact as the model says it: `you are 30 years old`."""
    return _way(language, fact)["fact"].format(**fact.slots)


def listed(language: Language, facts: Sequence[Fact]) -> str:
    """One sentence for each fact, the answer to `what do you know about me`."""
    sentences = [restated(language, fact) for fact in facts]
    if language == "zh":
        return "".join(f"{sentence}。" for sentence in sentences)
    return " ".join(f"{capitalised(sentence)}." for sentence in sentences)


def introduce(
    rng: Random, language: Language, facts: Sequence[Fact], *, is_corrected: bool = True
) -> tuple[Turn, tuple[Fact, ...]]:
    """All of `facts` in one message.

    Args:
        rng: source of every choice.
        language: language of the message.
        facts: one or more.
        is_corrected: the sentence may correct itself on the way: `I am 30, no, 31`.

    Returns:
        The turn, and the facts in the order in which they were told, as they are in the end: a
        sentence may correct itself.
    """
    told = _Sentence(rng, language, facts, is_corrected=is_corrected)
    return Turn(told.worded(), acknowledged(rng, language, told.facts)), tuple(told.facts)


def tell_aside(rng: Random, language: Language, fact: Fact) -> Turn:
    """A fact in a sentence about something else, or a clause if it has none of these."""
    way = _way(language, fact)
    template = template_from(rng, way["asides"] or way["says"])
    text = worded(rng, language, template, exact=True, is_statement=True, **fact.slots)
    return Turn(text, acknowledged(rng, language, [fact]))


def correct(
    rng: Random,
    language: Language,
    fact: Fact,
    others: Sequence[Fact],
    *,
    is_at_once: bool,
    is_latest: bool,
) -> tuple[Turn, Fact]:
    """A fact put right, or changed by time.

    Args:
        rng: source of every choice.
        language: language of the conversation.
        fact: what was told.
        others: what else was told; a value alone must not be able to mean one of these.
        is_at_once: nothing else was talked of since; else a number alone could mean a sum.
        is_latest: `fact` was the last of what was told, so that a value alone can mean it.

    Returns:
        The turn, and the fact that holds from now on.
    """
    frames, way = read_json("telling_frames")[language], _way(language, fact)
    is_change = bool(way["changes"]) and rng.random() < _CHANGE_SHARE
    new = _other_value(rng, language, fact, is_change=is_change)
    is_clear = is_at_once and (is_latest or _is_unmistakable(language, new, others))
    bare = way["bare"][0]
    if is_change:
        template = template_from(rng, way["changes"])
    elif rng.random() < _NAMES_THE_OLD_SHARE:
        template = rng.choice(frames["terse_old"]).replace("%", bare)
    elif is_clear and rng.random() < _TERSE_SHARE:
        frame = template_from(rng, frames["terse"])
        bare = rng.choice(way["bare"]) if frame == frames["terse"][0] else bare
        template = frame.replace("%", bare)
    else:
        template = template_from(rng, frames["clear"]).replace("%", template_from(rng, way["says"]))
    old = fact.slots["a_value" if "{a_value}" in bare else "value"]
    text = worded(rng, language, template, exact=True, is_statement=True, **new.slots, old=old)
    kind = "renamed" if fact.attribute == "name" else "noted" if is_change else "corrected"
    answer = rng.choice(frames[kind]).format(fact=restated(language, new), value=new.value)
    return Turn(text, answer), new


def acknowledged(rng: Random, language: Language, facts: Sequence[Fact]) -> str:
    """The answer to something told: a greeting if it was a name, and what was understood."""
    names = [fact for fact in facts if fact.attribute == "name"]
    others = [fact for fact in facts if fact.attribute != "name"]
    if names and not others:
        entry = read_json("memory")["name"][language]
        return rng.choice(entry["acknowledgements"]).format(**names[0].slots)
    frames, together = read_json("telling_frames")[language], _together(language, others)
    if not names:
        return frames["without_name"].format(facts=together)
    greeting = frames["greeting"].format(name=names[0].value)
    return greeting + frames["together"].format(facts=together, Facts=capitalised(together))


def _together(language: Language, facts: Sequence[Fact]) -> str:
    """`you are 30 years old, you live in Oslo and you like chess`."""
    texts = [restated(language, fact) for fact in facts]
    if language == "en":
        return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))
    for at in range(1, len(facts)):
        if facts[at - 1].attribute in _OF_ONESELF and facts[at].attribute in _OF_ONESELF:
            texts[at] = texts[at].removeprefix("你")
    return "，".join(texts)


def _way(language: Language, fact: Fact) -> dict:
    return read_json("telling")[fact.attribute][language][fact.way]


def _other_value(rng: Random, language: Language, fact: Fact, *, is_change: bool) -> Fact:
    """The same fact with another value; who is a year older is a year older."""
    kept = {key: fact.slots[key] for key in ("animal", "an_animal", "thing")}
    slots = likely_value(rng, language, fact.attribute, kept)
    while slots["value"] == fact.value:
        slots = likely_value(rng, language, fact.attribute, kept)
    if is_change and fact.attribute == "age":
        slots["value"] = str(int(fact.value) + 1)
    return Fact(fact.attribute, slots, fact.way)


def _is_unmistakable(language: Language, new: Fact, others: Sequence[Fact]) -> bool:
    """Whether the value alone tells what it is of: `41` is an age if no number was told."""
    kind = _KINDS.get(new.attribute, new.attribute)
    return is_typical(language, new.attribute, new.value) and all(
        _KINDS.get(other.attribute, other.attribute) != kind for other in others
    )


class _Sentence:
    """One message of several facts, put together part by part."""

    def __init__(
        self, rng: Random, language: Language, facts: Sequence[Fact], *, is_corrected: bool
    ) -> None:
        self._rng, self._language = rng, language
        self._frames = read_json("telling_frames")[language]
        self._slots: Slots = {}
        self.facts = self._ordered(facts)
        self._may_correct = is_corrected
        roll = rng.random()
        start = self._from_template() if roll < _TEMPLATE_SHARE else ""
        if not start and roll > 1 - _LABEL_SHARE and len(facts) > 1:
            self._text = self._labelled()
            return
        used = len(_SLOT.findall(start))
        self._text = self._joined(start, used)

    def worded(self) -> str:
        """The message as somebody might type it."""
        opening, closing = (self._rng.choice(self._frames[at]) for at in ("openings", "closings"))
        if len(self.facts) == 1 and self.facts[0].attribute != "name":
            opening = ""
        text = self._text
        if not opening and text[0] != "{" and self._rng.random() < 0.6:
            text = capitalised(text)
        return worded(
            self._rng,
            self._language,
            opening + text + closing,
            exact=True,
            is_statement=True,
            **self._slots,
        )

    def _ordered(self, facts: Sequence[Fact]) -> list[Fact]:
        ordered = self._rng.sample(list(facts), len(facts))
        if self._rng.random() < _NAME_FIRST_SHARE:
            ordered.sort(key=lambda fact: fact.attribute != "name")
        return ordered

    def _from_template(self) -> str:
        """A whole sentence for some of the facts, which then come first; empty if there is none."""
        attributes = {fact.attribute for fact in self.facts}
        fitting = [entry for entry in self._frames["templates"] if attributes.issuperset(entry[0])]
        if not fitting:
            return ""
        template = self._rng.choice(self._rng.choice(fitting)[1])
        first = []
        for name in _SLOT.findall(template):
            attribute = "city" if name == "from" else name.removeprefix("a_")
            fact = next(fact for fact in self.facts if fact.attribute == attribute)
            way = {"city": 0, "from": 1}.get(name, fact.way)
            form = "a_value" if name.startswith("a_") else "value"
            template = template.replace(
                f"{{{name}}}", self._filled(f"{{{form}}}", fact, len(first))
            )
            first.append(Fact(attribute, fact.slots, way))
        told = {fact.key for fact in first}
        self.facts = first + [fact for fact in self.facts if fact.key not in told]
        return template

    def _labelled(self) -> str:
        """`name: Ann, age: 30`."""
        sign = self._rng.choice(("：", "：", ":", " ") if self._language == "zh" else (": ", " "))
        separator = self._rng.choice(self._frames["label_separators"])
        return separator.join(
            self._filled(
                f"{self._rng.choice(_way(self._language, fact)['label'])}{sign}{{value}}", fact, at
            )
            for at, fact in enumerate(self.facts)
        )

    def _joined(self, text: str, used: int) -> str:
        add = self._chinese_part if self._language == "zh" else self._english_part
        before = "i" if text else ""
        for at in range(used, len(self.facts)):
            part, kind = add(self.facts[at], before, is_first=at == 0)
            part = self._filled(chosen_from(self._rng, part), self.facts[at], at)
            part += self._self_correction(at)
            separator = self._separator(kind, is_last=at == len(self.facts) - 1) if text else ""
            if separator == ". " and part[0] != "{":
                part = capitalised(part)
            text, before = text + separator + part, kind
        return text

    def _separator(self, kind: str, *, is_last: bool) -> str:
        if kind == "be_more":
            return self._rng.choice((", ", ", ", ", ", " and "))
        if kind == "does_more":
            return self._rng.choice((" and ", ", and ", ", "))
        name = "last_separators" if is_last and self._language == "en" else "separators"
        return self._rng.choice(self._frames[name])

    def _english_part(self, fact: Fact, before: str, *, is_first: bool) -> tuple[str, str]:
        """A part, and what it is: `be`, `does` and their continuations, or `says`."""
        rng, way = self._rng, _way("en", fact)
        is_name_later = fact.attribute == "name" and not is_first
        if way["be"] and before in ("be", "be_more") and not is_name_later and rng.random() < 0.75:
            return rng.choice(way["be"]), "be_more"
        if way["does"] and before in ("be", "be_more", "does", "does_more") and rng.random() < 0.4:
            # `am` cannot follow `I'm ..., and`.
            verbs = [text for text in way["does"] if not text.startswith("am ")]
            return rng.choice(verbs), "does_more"
        roll = rng.random()
        if way["be"] and roll < (0.6 if is_first else 0.3):
            return rng.choice(("I'm ", "I'm ", "I am ", "im ")) + rng.choice(way["be"]), "be"
        if way["does"] and roll < 0.7:
            return "I " + rng.choice(way["does"]), "does"
        return template_from(rng, way["says"]), "says"

    def _chinese_part(self, fact: Fact, before: str, *, is_first: bool) -> tuple[str, str]:
        """A part, and whether the next one may leave out its `我`: `i`, or `other`."""
        rng, way = self._rng, _way("zh", fact)
        kind = "i" if fact.attribute in _OF_ONESELF else "other"
        tails = [text for text in way["tails"] if is_first or not text.startswith("是{value}")]
        if not tails or rng.random() < 0.25:
            says = [text for text in way["says"] if before == "i" or is_first or "我" in text]
            return rng.choice(says or way["says"]), kind
        tail = rng.choice(tails)
        needs_subject = is_first or before != "i" or tail.startswith("的") or rng.random() < 0.3
        return (f"我{tail}" if needs_subject else tail), kind

    def _self_correction(self, at: int) -> str:
        """`, no, 31`, after which the fact is another one."""
        if not self._may_correct or self._rng.random() > _SELF_CORRECTION_SHARE:
            return ""
        self._may_correct = False
        old = self.facts[at]
        new = _other_value(self._rng, self._language, old, is_change=False)
        self.facts[at] = new
        bare = _way(self._language, new)["bare"][0]
        frame = self._rng.choice(self._frames["self_corrections"])
        return frame.replace("{new}", self._filled(bare, new, 100 + at))

    def _filled(self, template: str, fact: Fact, number: int) -> str:
        """`template` with slots of its own, so that two facts do not share `{value}`."""
        self._slots |= {f"{name}_{number}": value for name, value in fact.slots.items()}
        return _SLOT.sub(lambda match: f"{{{match[1]}_{number}}}", template)
