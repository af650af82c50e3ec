"""What was told is remembered, what was not told is not invented.

A memory dialogue tells one to four things, talks about something else for a while and asks for some
of them, and often for one that was never told. A forgetting dialogue asks without any telling: that
is what the model sees when the turn that told it has fallen out of the context. A contrast asks
for both names, the person's and the model's, so that one is not taken for the other.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random

from assets.recipe.dialogues.grammar import capitalised, plural, with_article
from assets.recipe.dialogues.knowledge import Language, category, pair, read_json, vocabulary
from assets.recipe.dialogues.people import code, invented_characters, invented_word, person
from assets.recipe.dialogues.wording import Turn, exchange, template_from, worded

Filler = Callable[[Random, Language, int], list[Turn]]
Slots = dict[str, str]

# Shares tuned on what visitors try: a name first, and then whether it can be put right.
_RENAME_SHARE = 0.25
_RARE_VALUE_SHARE = 0.5
_DISTANCES = [0, 1, 2, 3, 5, 8, 12, 18, 30, 50]
_DISTANCE_WEIGHTS = [28, 18, 14, 12, 11, 8, 4, 2.5, 1.7, 0.8]


def remembered(rng: Random, language: Language, filler: Filler) -> list[Turn]:
    """Things are told, time passes, things are asked."""
    attributes = _chosen_attributes(rng)
    told: dict[str, Slots] = {}
    turns: list[Turn] = []
    for attribute in attributes:
        told[attribute] = _value(rng, language, attribute)
        turns.append(_tell(rng, language, attribute, told[attribute]))
        if rng.random() < 0.5:
            turns += filler(rng, language, rng.choice([0, 1, 1, 2]))
    if "name" in told and rng.random() < _RENAME_SHARE:
        turns.append(_rename(rng, language, told))
    turns += filler(rng, language, rng.choices(_DISTANCES, _DISTANCE_WEIGHTS)[0])
    return turns + list(_questions(rng, language, told, filler))


def forgotten(rng: Random, language: Language, filler: Filler) -> list[Turn]:
    """A thing is asked that was never told in what is left of the conversation."""
    attribute = "name" if rng.random() < 0.5 else rng.choice(_attributes())
    turns = filler(rng, language, rng.choice([0, 0, 0, 1, 1, 2, 3, 4, 8, 16]))
    return [*turns, _ask(rng, language, attribute, _value(rng, language, attribute), is_told=False)]


def contrasted(rng: Random, language: Language, filler: Filler) -> list[Turn]:
    """`Who am I?` beside `Who are you?`, with the name told or not."""
    slots, is_told = _value(rng, language, "name"), rng.random() < 0.6
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
    turn = _ask(rng, language, "name", slots, is_told=is_told)
    return exchange(rng, language, "and_me", answer=turn.assistant) if is_follow_up else turn


def _model_name(rng: Random, language: Language, *, is_follow_up: bool) -> Turn:
    entry = read_json("identity")[language][0]
    answer = rng.choice(entry["answers"])
    if is_follow_up:
        return exchange(rng, language, "and_you", answer=answer)
    return Turn(worded(rng, language, template_from(rng, entry["asks"])), answer)


def _attributes() -> list[str]:
    return [key for key in read_json("memory") if key != "new_name"]


def _chosen_attributes(rng: Random) -> list[str]:
    chosen = rng.sample(_attributes(), rng.choice([1, 1, 2, 2, 3, 4]))
    if "name" not in chosen and rng.random() < 0.45:
        chosen[0] = "name"
    return chosen


def _tell(rng: Random, language: Language, attribute: str, slots: Slots) -> Turn:
    entry = read_json("memory")[attribute][language]
    statement = worded(rng, language, template_from(rng, entry["tells"]), exact=True, **slots)
    return Turn(statement, rng.choice(entry["acknowledgements"]).format(**slots))


def _ask(rng: Random, language: Language, attribute: str, slots: Slots, *, is_told: bool) -> Turn:
    entry = read_json("memory")[attribute][language]
    answer = rng.choice(entry["answers" if is_told else "unknown"])
    return Turn(
        worded(rng, language, template_from(rng, entry["asks"]), **slots), answer.format(**slots)
    )


def _rename(rng: Random, language: Language, told: dict[str, Slots]) -> Turn:
    slots = _value(rng, language, "name") | {"old": told["name"]["value"]}
    told["name"] = slots
    return _tell(rng, language, "new_name", slots)


def _questions(
    rng: Random, language: Language, told: dict[str, Slots], filler: Filler
) -> Iterator[Turn]:
    asked = list(told)
    if rng.random() < 0.35:
        asked.append(
            rng.choice([attribute for attribute in _attributes() if attribute not in told])
        )
    if "name" not in told and {"pet", "friend"} & told.keys() and rng.random() < 0.4:
        asked.append("name")
    rng.shuffle(asked)
    for attribute in dict.fromkeys(asked[: rng.choice([1, 1, 2, 3])]):
        slots = told.get(attribute) or _value(rng, language, attribute)
        yield _ask(rng, language, attribute, slots, is_told=attribute in told)
        if rng.random() < 0.15:
            yield from filler(rng, language, 1)


def _value(rng: Random, language: Language, attribute: str) -> Slots:
    """What is told about one attribute, in all the forms that its templates use."""
    value = _VALUES[attribute](rng, language)
    index = 0 if language == "zh" else 1
    animal = rng.choice(category("animal")[:11])[index]
    return {
        "value": value,
        "Value": capitalised(value),
        "a_value": with_article(value),
        "animal": animal,
        "an_animal": with_article(animal),
        "thing": pair(rng.choice(read_json("people")["favorites"]))[index],
    }


def _word_of(*names: str) -> Callable[[Random, Language], str]:
    def choose(rng: Random, language: Language) -> str:
        return rng.choice(category(rng.choice(names)))[0 if language == "zh" else 1]

    return choose


def _rare(rng: Random, language: Language, lengths: Sequence[int]) -> str:
    """A word that stands in no table, so that it can only be copied."""
    if language == "zh" and rng.random() < 0.85:
        return invented_characters(rng, lengths)
    return invented_word(rng).capitalize()


def _city(rng: Random, language: Language) -> str:
    if rng.random() < _RARE_VALUE_SHARE:
        return _rare(rng, language, (2, 2, 3))
    return rng.choice(read_json("people")["cities"][language])


def _pet_name(rng: Random, language: Language) -> str:
    if rng.random() < _RARE_VALUE_SHARE:
        word = _rare(rng, language, (1, 2))
        return word * 2 if len(word) == 1 else word
    return rng.choice(read_json("people")["pets"][language])


def _food(rng: Random, language: Language) -> str:
    chinese, english = rng.choice(category(rng.choice(["fruit", "food"])))
    return chinese if language == "zh" else plural(english)


def _hobby(rng: Random, language: Language) -> str:
    return pair(rng.choice(read_json("words")["hobbies"]))[0 if language == "zh" else 1]


def _birthday(rng: Random, language: Language) -> str:
    month, day = rng.randrange(12), rng.randint(1, 28)
    return f"{month + 1}月{day}日" if language == "zh" else f"{category('month')[month][1]} {day}"


def _any_word(rng: Random, language: Language) -> str:
    if rng.random() < _RARE_VALUE_SHARE:
        return code(rng) if rng.random() < 0.3 else _rare(rng, language, (2, 3, 4)).lower()
    return rng.choice(vocabulary())[0 if language == "zh" else 1]


def _favorite(rng: Random, language: Language) -> str:
    if language == "en" and rng.random() < 0.5:
        return f"{_rare(rng, language, ())} {rng.choice(vocabulary())[1]}"
    return _rare(rng, language, (2, 3, 4))


_VALUES: dict[str, Callable[[Random, Language], str]] = {
    "name": person,
    "friend": person,
    "age": lambda rng, _: str(rng.randint(5, 80)),
    "city": _city,
    "color": _word_of("color"),
    "food": _food,
    "hobby": _hobby,
    "job": _word_of("job"),
    "pet": _pet_name,
    "number": lambda rng, _: str(rng.randrange(10 ** rng.randint(1, 6))),
    "birthday": _birthday,
    "code_word": _any_word,
    "favorite": _favorite,
    "subject": _word_of("school subject"),
}
