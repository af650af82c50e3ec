"""What was told is remembered, what was not told is not invented.

A memory dialogue tells one to four things, one by one or in one breath, talks about something else
for a while and asks for some of them, and often for one that was never told. Some are told anew:
then the new one counts. A forgetting dialogue asks without any telling: that is what the model sees
when the turn that told it has fallen out of the context. A contrast asks for both names, the
person's and the model's, so that one is not taken for the other.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Protocol

from assets.recipe.dialogues.knowledge import Language, read_json, wordings
from assets.recipe.dialogues.numbers import one_sum
from assets.recipe.dialogues.telling import Fact, correct, introduce, listed, new_fact
from assets.recipe.dialogues.values import Slots, value_of
from assets.recipe.dialogues.wording import (
    Turn,
    ask_template,
    chosen_from,
    exchange,
    template_from,
    worded,
)

# Shares tuned on what visitors try: a name first, and then whether it can be put right.
_RENAME_SHARE, _CORRECTION_SHARE = 0.22, 0.16
_IN_ONE_BREATH_SHARE, _ASKS_AT_ONCE_SHARE = 0.22, 0.07
_DISTANCES = [0, 1, 2, 3, 5, 8, 12, 18, 30, 50]
_DISTANCE_WEIGHTS = [28, 17, 13, 11, 10, 8, 7, 3.5, 1.7, 0.8]
_PREFERENCES = frozenset({"like", "food", "color", "hobby"})
_ANY_PET: dict[Language, str] = {"zh": "宠物", "en": "pet"}


class Filler(Protocol):
    """Makes turns of other talk; `calm` ones hold no sums."""

    def __call__(
        self, rng: Random, language: Language, count: int, *, calm: bool = False
    ) -> list[Turn]: ...


def remembered(rng: Random, language: Language, filler: Filler) -> list[Turn]:
    """Things are told, time passes, things are asked."""
    facts = [
        new_fact(rng, language, attribute, is_likely=rng.random() < 0.3)
        for attribute in _chosen_attributes(rng)
    ]
    turns: list[Turn] = []
    if len(facts) > 1 and rng.random() < _IN_ONE_BREATH_SHARE:
        turn, told = introduce(rng, language, facts)
        facts = list(told)
        turns.append(turn)
    else:
        for fact in facts:
            turns.append(_tell(rng, language, fact.attribute, fact.slots))
            if rng.random() < _ASKS_AT_ONCE_SHARE:
                turns[-1] = _and_asks(rng, language, turns[-1], filler)
            if rng.random() < 0.5:
                turns += filler(rng, language, rng.choice([0, 1, 1, 2]))
    names = [at for at, fact in enumerate(facts) if fact.attribute == "name"]
    if names and rng.random() < _RENAME_SHARE:
        turn, facts[names[0]] = _rename(rng, language, facts[names[0]])
        turns.append(turn)
    elif rng.random() < _CORRECTION_SHARE:
        turns.append(_corrected(rng, language, facts))
    turns += filler(rng, language, rng.choices(_DISTANCES, _DISTANCE_WEIGHTS)[0])
    return turns + list(_questions(rng, language, facts, filler))


def results(rng: Random, language: Language, filler: Filler) -> list[Turn]:
    """A sum, other talk, and the question what came out; sometimes without any sum.

    Something told among it, such as an age, must not be taken for the result.
    """
    entry = wordings("last_result", language)
    is_told = rng.random() < 0.75
    turns, result = [], 0
    for _ in range(rng.choice((1, 1, 2)) if is_told else 0):
        turn, result = one_sum(rng, language)
        turns.append(turn)
    about: list[Turn] = []
    if is_told and rng.random() < 0.3:
        attribute = rng.choice(("name", "age", "age", "city", "hobby"))
        statement, (fact,) = introduce(rng, language, [new_fact(rng, language, attribute)])
        turns.insert(rng.randint(0, len(turns)), statement)
        about.append(ask_about(rng, language, attribute, fact.slots, is_told=True))
    turns += filler(
        rng, language, rng.choices([0, 1, 2, 3, 6, 12], [40, 22, 14, 12, 7, 5])[0], calm=True
    )
    question = worded(rng, language, ask_template(rng, language, entry))
    answer = rng.choice(entry["answers" if is_told else "unknown"]).format(result=result)
    questions = [Turn(question, answer), *about]
    return turns + rng.sample(questions, len(questions))


def forgotten(rng: Random, language: Language, filler: Filler) -> list[Turn]:
    """A thing is asked that was never told in what is left of the conversation."""
    roll = rng.random()
    attribute = "name" if roll < 0.45 else "fact" if roll < 0.6 else rng.choice(_attributes())
    turns = filler(rng, language, rng.choice([0, 0, 0, 1, 1, 2, 3, 4, 8, 16]))
    if rng.random() < 0.04:
        entry = wordings("all_facts", language)
        return [
            *turns,
            Turn(
                worded(rng, language, template_from(rng, entry["asks"])),
                rng.choice(entry["unknown"]),
            ),
        ]
    slots = value_of(rng, language, attribute)
    return [*turns, ask_about(rng, language, attribute, slots, is_told=False)]


def contrasted(rng: Random, language: Language, filler: Filler) -> list[Turn]:
    """`Who am I?` beside `Who are you?`, with the name told or not."""
    slots, is_told = value_of(rng, language, "name"), rng.random() < 0.6
    turns = filler(rng, language, rng.choice([0, 0, 0, 1, 2]))
    if is_told:
        turns.append(_tell(rng, language, "name", slots))
        turns += filler(rng, language, rng.choice([0, 0, 1, 2, 4]))
    is_about_me = rng.random() < 0.5
    for number in range(rng.choice([2, 2, 3])):
        is_follow_up = bool(number) and rng.random() < 0.6
        turns.append(
            _own_name(rng, language, slots, is_told=is_told, is_follow_up=is_follow_up)
            if is_about_me
            else _model_name(rng, language, is_follow_up=is_follow_up)
        )
        is_about_me = not is_about_me
    return turns


def _own_name(
    rng: Random, language: Language, slots: Slots, *, is_told: bool, is_follow_up: bool
) -> Turn:
    turn = ask_about(rng, language, "name", slots, is_told=is_told)
    return exchange(rng, language, "and_me", answer=turn.assistant) if is_follow_up else turn


def _model_name(rng: Random, language: Language, *, is_follow_up: bool) -> Turn:
    entry = read_json("identity")[language][0]
    answer = rng.choice(entry["answers"])
    if is_follow_up:
        return exchange(rng, language, "and_you", answer=answer)
    return Turn(worded(rng, language, ask_template(rng, language, entry)), answer)


def _attributes() -> list[str]:
    return [key for key in read_json("memory") if key != "new_name"]


def _chosen_attributes(rng: Random) -> list[str]:
    chosen = rng.sample(_attributes(), rng.choice([1, 1, 2, 2, 3, 4]))
    if "name" not in chosen and rng.random() < 0.45:
        chosen[0] = "name"
    if "like" in chosen and {"food", "color", "hobby"} & {*chosen}:
        # "I like tea" and "I like red" have one question between them.
        chosen.remove("like")
    return chosen


def _tell(rng: Random, language: Language, attribute: str, slots: Slots) -> Turn:
    entry = read_json("memory")[attribute][language]
    template = template_from(rng, entry["tells"])
    statement = worded(rng, language, template, exact=True, is_statement=True, **slots)
    return Turn(statement, rng.choice(entry["acknowledgements"]).format(**slots))


def _and_asks(rng: Random, language: Language, told: Turn, filler: Filler) -> Turn:
    """Something told and something else asked in the same message: the question is answered."""
    (other,) = filler(rng, language, 1)
    separator = rng.choice(("，", "。", " ") if language == "zh" else (". ", ", ", " "))
    return Turn(told.user.rstrip("。.!！~") + separator + other.user, other.assistant)


def ask_about(
    rng: Random,
    language: Language,
    attribute: str,
    slots: Slots,
    *,
    is_told: bool,
    is_named: bool = False,
) -> Turn:
    """One question about the person, with the answer, or with `you have not told me`.

    Args:
        rng: source of every choice.
        language: language of both.
        attribute: what is asked; a key of `memory.json`.
        slots: the value, and what it is of.
        is_told: it was told.
        is_named: several animals are talked of, so the question must say which one it means.
    """
    entry = read_json("memory")[attribute][language]
    template = ask_template(rng, language, entry)
    while is_named and attribute == "pet" and "{animal}" not in template:
        template = ask_template(rng, language, entry)
    if attribute == "pet" and not is_told and "{animal}" not in template:
        slots = slots | {"animal": _ANY_PET[language]}
    answer = rng.choice(entry["answers" if is_told else "unknown"])
    return Turn(worded(rng, language, template, **slots), answer.format(**slots))


def _rename(rng: Random, language: Language, fact: Fact) -> tuple[Turn, Fact]:
    slots = value_of(rng, language, "name")
    turn = _tell(rng, language, "new_name", slots | {"old": fact.value})
    return turn, Fact("name", slots)


def _corrected(rng: Random, language: Language, facts: list[Fact]) -> Turn:
    """One of the things told anew, with or without a word that it is a correction."""
    at = rng.randrange(len(facts))
    old = facts[at]
    if rng.random() < 0.6:
        others = facts[:at] + facts[at + 1 :]
        turn, facts[at] = correct(rng, language, old, others, is_at_once=False, is_latest=False)
        return turn
    # The animal and the kind of favourite stay what they were; their value is the new one.
    kept = {key: old.slots[key] for key in ("animal", "an_animal", "thing")}
    slots = value_of(rng, language, old.attribute) | kept
    facts[at] = Fact(old.attribute, slots, old.way)
    return _tell(rng, language, old.attribute, slots)


def _questions(
    rng: Random, language: Language, facts: list[Fact], filler: Filler
) -> Iterator[Turn]:
    told = {fact.attribute: fact.slots for fact in facts}
    asked = list(told)
    if rng.random() < 0.35:
        asked.append(
            rng.choice([attribute for attribute in _attributes() if attribute not in told])
        )
    if "name" not in told and rng.random() < 0.25:
        asked.append("name")
    rng.shuffle(asked)
    if rng.random() < 0.06:
        yield everything(rng, language, facts)
    asked = list(dict.fromkeys(asked[: rng.choice([1, 1, 2, 3])]))
    if _PREFERENCES & told.keys():
        # What was liked could answer these as well, so they are asked only when they were told.
        asked = [
            attribute
            for attribute in asked
            if attribute in told or attribute not in _PREFERENCES | {"favorite"}
        ]
    answers = [
        ask_about(
            rng,
            language,
            attribute,
            told.get(attribute) or value_of(rng, language, attribute),
            is_told=attribute in told,
        )
        for attribute in asked
    ]
    if len(answers) == 2 and rng.random() < 0.25:
        yield both(rng, language, *answers)
        return
    for turn in answers:
        yield turn
        if rng.random() < 0.15:
            yield from filler(rng, language, 1)


def both(rng: Random, language: Language, first: Turn, second: Turn) -> Turn:
    """Two questions in one message, answered one after the other."""
    space = "" if language == "zh" else " "
    questions = {
        "first": first.user.rstrip("？?。.!！~"),
        "second": second.user if language == "zh" else second.user[0].lower() + second.user[1:],
    }
    template = template_from(rng, wordings("two_questions", language)["asks"])
    question = chosen_from(rng, template).format(**questions)
    return Turn(question, first.assistant + space + second.assistant)


def everything(rng: Random, language: Language, facts: Sequence[Fact]) -> Turn:
    """`What do you know about me?`"""
    return exchange(rng, language, "all_facts", answers=listed(language, facts))
