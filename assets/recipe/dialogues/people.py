"""Names of people, known and made up."""

from random import Random

from assets.recipe.dialogues.knowledge import Language, read_json


def invented_word(rng: Random) -> str:
    """A word that nobody knows, of two or three syllables."""
    return "".join(
        rng.choice("bcdfghjklmnprstvwz")
        + rng.choice("aeiou")
        + rng.choice(["", "", "n", "r", "s", "l", "k"])
        for _ in range(rng.randint(2, 3))
    )


def person(rng: Random, language: Language) -> str:
    """A name as somebody may give it, in the spelling of `language`."""
    return _chinese_name(rng) if language == "zh" else _english_name(rng)


def _chinese_name(rng: Random) -> str:
    names = read_json("people")
    roll = rng.random()
    if roll < 0.22:
        return rng.choice(["小", "小", "小", "阿", "老"]) + rng.choice(names["given_zh"])
    if roll < 0.32:
        return rng.choice(names["names"])
    if roll < 0.36:
        return invented_word(rng).capitalize()
    if roll < 0.40:
        return rng.choice(names["given_zh"]) * 2
    return rng.choice(names["surnames_zh"]) + "".join(
        rng.choice(names["given_zh"]) for _ in range(rng.choice([1, 2, 2]))
    )


def _english_name(rng: Random) -> str:
    names = read_json("people")
    given = rng.choice(names["names"])
    roll = rng.random()
    if roll < 0.50:
        return given
    if roll < 0.60:
        return given.lower()
    if roll < 0.70:
        return rng.choice(["Xiao", "Xiao", "Da"]) + rng.choice(names["pinyin"])
    if roll < 0.83:
        return f"{given} {rng.choice(names['family_names'])}"
    return invented_word(rng).capitalize()
