"""What people tell about themselves: a value for each attribute, mostly one that must be copied.

A model that is told from a list learns the list; drawn from an open set, it learns to copy.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from random import Random

from assets.recipe.dialogues.grammar import capitalised, ordinal, plural, with_article
from assets.recipe.dialogues.knowledge import (
    Language,
    category,
    pair,
    read_json,
    unknown_terms,
    vocabulary,
)
from assets.recipe.dialogues.people import code, invented_characters, invented_word, person

Slots = dict[str, str]
_RARE_VALUE_SHARE = 0.5


def value_of(rng: Random, language: Language, attribute: str, *, is_likely: bool = False) -> Slots:
    """What is told about one attribute, in all the forms that its templates use.

    Args:
        rng: source of every choice.
        language: language of the value.
        attribute: a key of `memory.json`.
        is_likely: a value that makes sense, such as a dish for a food; else it may be anything,
            so that nothing but what was told gives it away.
    """
    index = 0 if language == "zh" else 1
    kinds = people_pairs("pet_kinds") if rng.random() < 0.8 else category("animal")[:24]
    animal = rng.choice(kinds)[index]
    table = {"fact": "facts", "relative": "relatives"}.get(attribute, "favorites")
    thing = _thing(rng, language, table)
    if is_likely and attribute in read_json("people")["typed"]:
        thing, value = _typed(rng, language, attribute)
    else:
        make = _LIKELY_VALUES.get(attribute) if is_likely else None
        value = (make or _VALUES[attribute])(rng, language)
    return {
        "value": value,
        "Value": capitalised(value),
        "a_value": with_article(value),
        "animal": animal,
        "an_animal": with_article(animal),
        "thing": thing,
    }


def likely_value(rng: Random, language: Language, attribute: str, kept: Mapping[str, str]) -> Slots:
    """Another value of something told: of the same animal, the same thing, the same kind."""
    slots = value_of(rng, language, attribute, is_likely=True)
    if attribute in read_json("people")["typed"]:
        while slots["thing"] != kept["thing"]:
            if kept["thing"] not in _typed_things(language, attribute):
                return value_of(rng, language, attribute) | kept
            slots = value_of(rng, language, attribute, is_likely=True)
    return slots | kept


@cache
def people_pairs(table: str) -> tuple[tuple[str, str], ...]:
    """A table of translations in `people.json`."""
    return tuple(map(pair, read_json("people")[table]))


@cache
def _typed_things(language: Language, attribute: str) -> frozenset[str]:
    index = 0 if language == "zh" else 1
    return frozenset(pair(thing)[index] for thing, _ in read_json("people")["typed"][attribute])


def _typed(rng: Random, language: Language, attribute: str) -> tuple[str, str]:
    """A thing and a value of its kind: a person for a singer, digits for a telephone."""
    thing, kind = rng.choice(read_json("people")["typed"][attribute])
    index = 0 if language == "zh" else 1
    make = _TYPES.get(kind)
    value = make(rng, language) if make else rng.choice(category(kind))[index]
    return pair(thing)[index], value


def is_typical(language: Language, attribute: str, value: str) -> bool:
    """Whether somebody who hears nothing but the value knows what it is of: a number, a city."""
    if attribute in ("age", "number", "birthday", "color", "hobby", "job"):
        return True
    people = read_json("people")
    if attribute == "city":
        return value in people["cities"][language]
    return attribute in ("name", "friend", "relative") and value.split(" ")[0] in people["names"]


def _thing(rng: Random, language: Language, table: str) -> str:
    """What something is told of: of a list, or any word, so that it must be copied too."""
    index = 0 if language == "zh" else 1
    if table == "relatives" or rng.random() < 0.75:
        return pair(rng.choice(read_json("people")[table]))[index]
    return rng.choice(vocabulary())[index]


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
    if rng.random() < 0.3:
        return _anything(rng, language)
    chinese, english = rng.choice(category(rng.choice(["fruit", "food", "vegetable", "drink"])))
    return chinese if language == "zh" else rng.choice((english, plural(english)))


def _anything(rng: Random, language: Language) -> str:
    """A word or two of any kind: taught, never taught, or invented."""
    roll = rng.random()
    if roll < 0.35:
        word = rng.choice(vocabulary())[0 if language == "zh" else 1]
    elif roll < 0.75:
        word = rng.choice(unknown_terms(language))
    else:
        word = _rare(rng, language, (2, 2, 3)).lower()
    if rng.random() < 0.25:
        before = rng.choice(vocabulary())[0 if language == "zh" else 1]
        return f"{before}{word}" if language == "zh" else f"{before} {word}"
    return word


def _color(rng: Random, language: Language) -> str:
    if rng.random() < 0.3:
        return rng.choice(read_json("people")["shades"][language])
    return _word_of("color")(rng, language)


def _fact(rng: Random, language: Language) -> str:
    makers = (person, _anything, _number, lambda rng_, _: code(rng_), _city)
    return rng.choices(makers, (30, 28, 22, 10, 10))[0](rng, language)


def _number(rng: Random, language: Language) -> str:
    digits = str(rng.randrange(10 ** rng.randint(1, 8)))
    if language == "en" and len(digits) > 5 and rng.random() < 0.2:
        return f"{digits[:3]}-{digits[3:]}"
    return digits


def _hobby(rng: Random, language: Language) -> str:
    if rng.random() < 0.3:
        return rng.choice(read_json("people")["more_hobbies"][language])
    return pair(rng.choice(read_json("words")["hobbies"]))[0 if language == "zh" else 1]


def _job(rng: Random, language: Language) -> str:
    if rng.random() < 0.4:
        return rng.choice(read_json("people")["more_jobs"][language])
    return _word_of("job")(rng, language)


def _birthday(rng: Random, language: Language) -> str:
    month, day = rng.randrange(12), rng.randint(1, 28)
    if language == "zh":
        return f"{month + 1}月{day}{rng.choice('日日号')}"
    name = category("month")[month][1]
    return rng.choice(
        (f"{name} {day}", f"{name} {day}", f"{day} {name}", f"the {ordinal(day)} of {name}")
    )


def _code_word(rng: Random, language: Language) -> str:
    if rng.random() < 0.25:
        return code(rng)
    word = _anything(rng, language)
    if rng.random() < 0.3:
        other = _anything(rng, language)
        return f"{word}{other}" if language == "zh" else f"{word} {other}"
    return word.upper() if language == "en" and rng.random() < 0.1 else word


def _favorite(rng: Random, language: Language) -> str:
    return rng.choices((_anything, person, _city, _number), (60, 20, 10, 10))[0](rng, language)


def _height(rng: Random, language: Language) -> str:
    centimetres = rng.randint(140, 205)
    return f"{centimetres}厘米" if language == "zh" else f"{centimetres} cm"


def _likely_age(rng: Random, _: Language) -> str:
    return str(rng.randint(18, 85) if rng.random() < 0.9 else rng.randint(3, 99))


def _from_people(table: str) -> Callable[[Random, Language], str]:
    return lambda rng, language: rng.choice(read_json("people")[table][language])


# How the values of `typed` in `people.json` are made; other kinds are categories of words.
_TYPES: dict[str, Callable[[Random, Language], str]] = {
    "title": _anything,
    "person": person,
    "city": _city,
    "color": _color,
    "dish": _from_people("dishes"),
    "small": lambda rng, _: str(rng.randrange(1, 1000)),
    "long": lambda rng, _: str(rng.randrange(10**4, 10 ** rng.randint(5, 9))),
    "shoe": lambda rng, _: str(rng.randint(34, 47)),
    "code": lambda rng, _: code(rng),
    "height": _height,
    "blood": lambda rng, _: rng.choice(("A", "B", "AB", "O")),
    "zodiac": lambda rng, language: rng.choice(people_pairs("zodiac"))[language == "en"],
}
_LIKELY_VALUES: dict[str, Callable[[Random, Language], str]] = {
    "age": _likely_age,
    "food": _from_people("dishes"),
    "like": lambda rng, language: rng.choice(
        read_json("people")[rng.choice(("liked", "liked", "dishes"))][language]
    ),
}
_VALUES: dict[str, Callable[[Random, Language], str]] = {
    "name": person,
    "friend": person,
    "relative": person,
    "age": lambda rng, _: str(rng.randint(3, 99)),
    "city": _city,
    "color": _color,
    "food": _food,
    "hobby": _hobby,
    "job": _job,
    "pet": _pet_name,
    "number": _number,
    "birthday": _birthday,
    "code_word": _code_word,
    "favorite": _favorite,
    "fact": _fact,
    "like": _anything,
    "subject": _word_of("school subject"),
}
