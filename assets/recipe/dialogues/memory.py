"""What was told is remembered, what was not told is not invented.

A memory dialogue tells one to four things, talks about something else for a while and asks for some
of them, and often for one that was never told. A forgetting dialogue asks without any telling: that
is what the model sees when the turn that told it has fallen out of the context.
"""

from collections.abc import Callable, Iterator
from random import Random

from assets.recipe.dialogues.grammar import capitalised, plural, with_article
from assets.recipe.dialogues.knowledge import Language, category, pair, read_json, vocabulary
from assets.recipe.dialogues.people import invented_word, person
from assets.recipe.dialogues.wording import Turn, worded

Filler = Callable[[Random, Language, int], list[Turn]]
Slots = dict[str, str]

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
    if "name" in told and rng.random() < 0.12:
        turns.append(_rename(rng, language, told))
    turns += filler(rng, language, rng.choices(_DISTANCES, _DISTANCE_WEIGHTS)[0])
    return turns + list(_questions(rng, language, told, filler))


def forgotten(rng: Random, language: Language, filler: Filler) -> list[Turn]:
    """A thing is asked that was never told in what is left of the conversation."""
    attribute = "name" if rng.random() < 0.5 else rng.choice(_attributes())
    turns = filler(rng, language, rng.choice([0, 0, 0, 1, 1, 2, 3, 4, 8, 16]))
    return [*turns, _ask(rng, language, attribute, _value(rng, language, attribute), is_told=False)]


def _attributes() -> list[str]:
    return [key for key in read_json("memory") if key != "new_name"]


def _chosen_attributes(rng: Random) -> list[str]:
    chosen = rng.sample(_attributes(), rng.choice([1, 1, 2, 2, 3, 4]))
    if "name" not in chosen and rng.random() < 0.45:
        chosen[0] = "name"
    return chosen


def _tell(rng: Random, language: Language, attribute: str, slots: Slots) -> Turn:
    entry = read_json("memory")[attribute][language]
    statement = worded(rng, language, rng.choice(entry["tells"]), exact=True, **slots)
    return Turn(statement, rng.choice(entry["acknowledgements"]).format(**slots))


def _ask(rng: Random, language: Language, attribute: str, slots: Slots, *, is_told: bool) -> Turn:
    entry = read_json("memory")[attribute][language]
    answer = rng.choice(entry["answers" if is_told else "unknown"])
    return Turn(worded(rng, language, rng.choice(entry["asks"]), **slots), answer.format(**slots))


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
    rng.shuffle(asked)
    for attribute in asked[: rng.choice([1, 1, 2, 3])]:
        slots = told.get(attribute) or _value(rng, language, attribute)
        yield _ask(rng, language, attribute, slots, is_told=attribute in told)
        if rng.random() < 0.15:
            yield from filler(rng, language, 1)


def _value(rng: Random, language: Language, attribute: str) -> Slots:
    """What is told about one attribute, in all the forms that its templates use."""
    value = _VALUES[attribute](rng, language)
    animal = rng.choice(category("animal")[:11])[0 if language == "zh" else 1]
    return {
        "value": value,
        "Value": capitalised(value),
        "a_value": with_article(value),
        "animal": animal,
        "an_animal": with_article(animal),
    }


def _word_of(*names: str) -> Callable[[Random, Language], str]:
    def choose(rng: Random, language: Language) -> str:
        return rng.choice(category(rng.choice(names)))[0 if language == "zh" else 1]

    return choose


def _city(rng: Random, language: Language) -> str:
    return rng.choice(read_json("people")["cities"][language])


def _pet_name(rng: Random, language: Language) -> str:
    if language == "en" and rng.random() < 0.15:
        return invented_word(rng).capitalize()
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
    return rng.choice(vocabulary())[0 if language == "zh" else 1]


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
    "subject": _word_of("school subject"),
}
