"""People make themselves known: several things in a sentence, put right, and those around them.

An introduction tells two to five things at once and asks for one, some or all of them. A correction
puts something told right, tersely or not, once or more, at once or much later. Company tells of
friends, family and animals, often by the way, and asks who is who. In all of them also something
like what was told is asked that was not, and then the answer is that it was not.
"""

from collections.abc import Sequence
from random import Random

from assets.recipe.dialogues.grammar import capitalised
from assets.recipe.dialogues.knowledge import Language, read_json
from assets.recipe.dialogues.memory import Filler, ask_about, both, everything
from assets.recipe.dialogues.telling import Fact, correct, introduce, new_fact, tell_aside
from assets.recipe.dialogues.wording import Turn, chosen_from, template_from, worded

# What people tell of themselves, the usual first.
_ATTRIBUTES = {
    "name": 12,
    "age": 9,
    "city": 9,
    "job": 6,
    "hobby": 6,
    "pet": 4,
    "friend": 2,
    "relative": 3,
    "like": 2,
    "food": 2,
    "color": 2,
    "birthday": 1.5,
    "number": 1,
    "code_word": 1,
    "favorite": 1,
    "fact": 1.5,
}
_COMPANY = ("relative", "relative", "relative", "pet", "pet", "friend", "friend", "name")
_PREFERENCES = frozenset({"like", "food", "color", "hobby", "favorite"})
_DISTANCES, _DISTANCE_WEIGHTS = [0, 1, 2, 3, 5, 7, 10, 16], [40, 19, 13, 10, 7, 5, 4, 2]
# Their values read the same in both languages, so they may be told in one and asked in the other.
_IN_ANY_LANGUAGE = frozenset({"name", "age", "city", "friend", "number"})
_OTHER_LANGUAGE_SHARE = 0.05


def introductions(rng: Random, language: Language, filler: Filler) -> list[Turn]:
    """Several things in one sentence; then one, some or all of them are asked."""
    count = rng.choices([2, 3, 4, 5], [36, 36, 21, 7])[0]
    turn, told = introduce(rng, language, _different(rng, language, count))
    facts, turns = list(told), [turn]
    if rng.random() < 0.3:
        turns.append(_put_right(rng, language, facts, is_at_once=True))
    elif rng.random() < 0.06:
        # Told and asked in one breath.
        at = rng.randrange(len(facts))
        question = _ask(rng, language, facts[at], facts, is_told=True)
        separator = rng.choice(("。", "，", " ") if language == "zh" else (". ", ". ", " "))
        text = turn.user.rstrip("。.!！~?？") + separator + question.user
        turns = [Turn(text, question.assistant)]
    turns += _time(rng, language, filler)
    return turns + _questions(rng, language, facts, filler)


def corrections(rng: Random, language: Language, filler: Filler) -> list[Turn]:
    """Something told is put right, once or more; what counts is what was said last."""
    facts = _different(rng, language, rng.choices([1, 2, 3, 4], [42, 28, 20, 10])[0])
    turns: list[Turn] = []
    if rng.random() < 0.55:
        turn, told = introduce(rng, language, facts)
        facts, turns = list(told), [turn]
    else:
        for at, fact in enumerate(facts):
            if at and rng.random() < 0.4:
                turns += filler(rng, language, rng.choice((1, 1, 2)))
            turns.append(_single(rng, language, fact))
    between = rng.choices([0, 1, 2, 4, 8], [52, 20, 14, 9, 5])[0]
    turns += filler(rng, language, between)
    for _ in range(rng.choices([1, 2, 3], [70, 24, 6])[0]):
        turns.append(_put_right(rng, language, facts, is_at_once=not between))
        between = rng.choice([0, 0, 0, 1, 2])
        turns += filler(rng, language, between)
    turns += _time(rng, language, filler)
    return turns + _questions(rng, language, facts, filler, first=facts[-1])


def company(rng: Random, language: Language, filler: Filler) -> list[Turn]:
    """Who is who: names of the person, of friends, family and animals, each asked for."""
    facts: list[Fact] = []
    for attribute in rng.sample(_COMPANY, rng.choice([1, 2, 2, 3, 3, 4])):
        fact = new_fact(rng, language, attribute)
        names = {other.value for other in facts}
        if fact.key not in {other.key for other in facts} and fact.value not in names:
            facts.append(fact)
    turns: list[Turn] = []
    if len(facts) > 1 and rng.random() < 0.25:
        turn, told = introduce(rng, language, facts)
        facts, turns = list(told), [turn]
    else:
        for fact in facts:
            turns.append(_single(rng, language, fact, aside=0.55))
            turns += filler(rng, language, rng.choice([0, 0, 0, 1, 2]))
    if rng.random() < 0.12:
        turns.append(_put_right(rng, language, facts, is_at_once=False))
    turns += _time(rng, language, filler)
    return turns + _questions(rng, language, facts, filler)


def _different(rng: Random, language: Language, count: int) -> list[Fact]:
    """Facts of different attributes, no two of which answer the same question."""
    names, weights = list(_ATTRIBUTES), list(_ATTRIBUTES.values())
    chosen: list[str] = []
    while len(chosen) < count:
        attribute = rng.choices(names, weights)[0]
        likes = _PREFERENCES.intersection({attribute, *chosen})
        if attribute not in chosen and not ("like" in likes and len(likes) > 1):
            chosen.append(attribute)
    return [new_fact(rng, language, attribute) for attribute in chosen]


def _single(rng: Random, language: Language, fact: Fact, *, aside: float = 0.25) -> Turn:
    """One fact, by the way or for its own sake, now and then in the other language."""
    language = _perhaps_other(rng, language, fact.attribute)
    if rng.random() < aside:
        return tell_aside(rng, language, fact)
    turn, _ = introduce(rng, language, [fact], is_corrected=False)
    return turn


def _put_right(rng: Random, language: Language, facts: list[Fact], *, is_at_once: bool) -> Turn:
    """One of `facts` corrected, which then is the last of them: the one just talked of."""
    at = rng.choice((len(facts) - 1, rng.randrange(len(facts))))
    old, is_last = facts.pop(at), at == len(facts)
    turn, new = correct(rng, language, old, facts, is_at_once=is_at_once, is_latest=is_last)
    facts.append(new)
    return turn


def _time(rng: Random, language: Language, filler: Filler) -> list[Turn]:
    return filler(rng, language, rng.choices(_DISTANCES, _DISTANCE_WEIGHTS)[0])


def _questions(
    rng: Random,
    language: Language,
    facts: Sequence[Fact],
    filler: Filler,
    *,
    first: Fact | None = None,
) -> list[Turn]:
    if len(facts) > 1 and rng.random() < 0.15:
        return [everything(rng, language, facts)]
    asked = rng.sample(list(facts), min(len(facts), rng.choice([1, 1, 2, 2, 3])))
    if first and rng.random() < 0.8:
        asked = [first] + [fact for fact in asked if fact.key != first.key]
    questions = [_ask(rng, language, fact, facts, is_told=True) for fact in asked]
    for attribute in _untold(rng, facts):
        fact = new_fact(rng, language, attribute)
        if fact.key not in {other.key for other in facts}:
            question = _ask(rng, language, fact, facts, is_told=False)
            questions.insert(rng.randint(0, len(questions)), question)
    if 2 <= len(asked) <= 3 and rng.random() < 0.18:
        together = _asked_together(rng, language, asked, facts)
        if together:
            return [together]
    if rng.random() < 0.06:
        questions.extend(_confirmation(rng, language, facts))
    if len(questions) == 2 and rng.random() < 0.2:
        return [both(rng, language, *questions)]
    turns: list[Turn] = []
    for question in questions:
        turns.append(question)
        if rng.random() < 0.12:
            turns += filler(rng, language, 1)
    return turns


def _ask(
    rng: Random, language: Language, fact: Fact, facts: Sequence[Fact], *, is_told: bool
) -> Turn:
    attribute = fact.attribute
    told = {other.attribute for other in facts}
    if attribute == "hobby" and is_told and told.isdisjoint({"like", "food"}):
        # `I like chess` also answers `What do I like?`
        attribute = rng.choice(("hobby", "hobby", "like"))
    language = _perhaps_other(rng, language, attribute)
    is_named = "pet" in told and (not is_told or sum(f.attribute == "pet" for f in facts) > 1)
    return ask_about(rng, language, attribute, fact.slots, is_told=is_told, is_named=is_named)


def _asked_together(
    rng: Random, language: Language, asked: Sequence[Fact], facts: Sequence[Fact]
) -> Turn | None:
    """`My name, age and city, please`; now and then one of these was not told."""
    frames = read_json("telling_frames")[language]
    told = {fact.attribute for fact in facts}
    wanted = [(fact, True) for fact in asked if fact.attribute in frames["nouns"]]
    untold = [key for key in ("name", "age", "city", "job", "birthday") if key not in told]
    if untold and rng.random() < 0.3:
        wanted.append((new_fact(rng, language, rng.choice(untold)), False))
    if len(wanted) < 2:
        return None
    rng.shuffle(wanted)
    # `My name and my cat's name`; the other way round the second would be the cat's too.
    wanted.sort(key=lambda one: one[0].attribute in ("pet", "friend", "relative"))
    nouns = [frames["nouns"][fact.attribute].format(**fact.slots) for fact, _ in wanted]
    last = rng.choice(frames["noun_separators"]) + nouns.pop()
    template = template_from(rng, frames["noun_asks"])
    answers = [
        ask_about(rng, language, fact.attribute, fact.slots, is_told=is_told, is_named=True)
        for fact, is_told in wanted
    ]
    return Turn(
        worded(rng, language, template, nouns=frames["noun_comma"].join(nouns) + last),
        ("" if language == "zh" else " ").join(answer.assistant for answer in answers),
    )


def _confirmation(rng: Random, language: Language, facts: Sequence[Fact]) -> list[Turn]:
    """`Is my name Ann?`: yes, or what it is, or that it was not told; nothing if nothing fits."""
    frames = read_json("telling_frames")[language]
    told = [fact for fact in facts if fact.attribute in frames["confirmations"]]
    names = {fact.attribute for fact in told}
    untold = [key for key in ("name", "age", "city", "job") if key not in names]
    if untold and rng.random() < 0.25:
        fact, is_told = new_fact(rng, language, rng.choice(untold)), False
    elif told:
        fact, is_told = rng.choice(told), True
    else:
        return []
    is_right = is_told and rng.random() < 0.5
    guess = fact if is_right else new_fact(rng, language, fact.attribute)
    kept = {key: fact.slots[key] for key in ("animal", "an_animal", "thing")}
    question = chosen_from(rng, template_from(rng, frames["confirmations"][fact.attribute]))
    answer = ask_about(
        rng, language, fact.attribute, fact.slots, is_told=is_told, is_named=True
    ).assistant
    if is_told:
        key = "yes" if guess.value == fact.value else "no"
        answer = frames[key].format(answer=answer)
    # No slips of the finger: without its `is` or 吗 it would tell and not ask.
    question = question if rng.random() < 0.5 else capitalised(question)
    ending = rng.choice(("？", "?", "") if language == "zh" else ("?", "?", ""))
    return [Turn(question.format(**guess.slots | kept) + ending, answer)]


def _perhaps_other(rng: Random, language: Language, attribute: str) -> Language:
    if attribute in _IN_ANY_LANGUAGE and rng.random() < _OTHER_LANGUAGE_SHARE:
        return "en" if language == "zh" else "zh"
    return language


def _untold(rng: Random, facts: Sequence[Fact]) -> list[str]:
    """Attributes to ask for that were not told, rather such as are like what was."""
    told = {fact.attribute for fact in facts}
    chosen: list[str] = []
    if "name" not in told and rng.random() < 0.3:
        chosen.append("name")
    if told & {"friend", "relative", "pet"} and rng.random() < 0.2:
        # Another one of the family, another animal: not the one that was told of.
        chosen.append(rng.choice(("friend", "relative", "relative", "pet")))
    if rng.random() < 0.14:
        chosen.append(rng.choice([key for key in read_json("memory") if key != "new_name"]))
    is_open = _PREFERENCES.isdisjoint(told)
    return [
        attribute
        for attribute in dict.fromkeys(chosen)
        if (attribute not in told or attribute in ("relative", "pet"))
        and (is_open or attribute not in _PREFERENCES)
    ]
