"""Families of plain talk: greetings, identity, small talk, refusals, what is not known."""

import string
from random import Random

from assets.recipe.dialogues.facts import listed_exchange
from assets.recipe.dialogues.knowledge import Language, read_json, unknown_words
from assets.recipe.dialogues.people import invented_word, person
from assets.recipe.dialogues.wording import Turn, exchange, worded

_FILLERS_ZH = "的了是在啊额呃嗯哦唉呀嘛吧呢么"


def greetings(rng: Random, language: Language) -> list[Turn]:
    """Hello: the first entry of `small_talk.json`."""
    entry = read_json("small_talk")[language][0]
    hello = rng.choice(entry["asks"])
    if language == "en" and rng.random() < 0.3:
        hello = hello.lower()
    ending = rng.choice(["", "", "！", "。", "~", "!"] if language == "zh" else ["", "", "!", "."])
    return [Turn(hello + ending, rng.choice(entry["answers"]))]


def identity(rng: Random, language: Language) -> list[Turn]:
    """Who the model is, what it can do, how to get the real one."""
    return [listed_exchange(rng, language, "identity")]


def small_talk(rng: Random, language: Language) -> list[Turn]:
    """Thanks, moods, compliments, goodbyes."""
    entry = rng.choice(read_json("small_talk")[language])
    remark = rng.choice(entry["asks"])
    if rng.random() < 0.3:
        return [Turn(worded(rng, language, remark), rng.choice(entry["answers"]))]
    if language == "en" and rng.random() < 0.3:
        remark = remark.lower()
    ending = rng.choice(
        ["", "", "！", "!", "。", "~", "，"] if language == "zh" else ["", "", "!", "."]
    )
    return [Turn(remark + ending, rng.choice(entry["answers"]))]


def refusals(rng: Random, language: Language) -> list[Turn]:
    """What would need a network, a clock, an expert, or a bad conscience."""
    city = rng.choice(read_json("people")["cities"][language])
    return [listed_exchange(rng, language, "refusals", city=city)]


def unknown(rng: Random, language: Language) -> list[Turn]:
    """People and things that nobody taught the model: it says so."""
    if rng.random() < 0.45:
        name = person(rng, language)
        if language == "en" and " " not in name:
            name = f"{name} {invented_word(rng).capitalize()}"
        return [exchange(rng, language, "unknown_person", name=name)]
    thing = rng.choice(unknown_words()) if rng.random() < 0.5 else invented_word(rng)
    if language == "zh" and rng.random() < 0.7:
        thing = _invented_term(rng)
    return [exchange(rng, language, "unknown_thing", thing=thing)]


def _invented_term(rng: Random) -> str:
    names = read_json("people")
    ending = rng.choice(["", "", "镇", "公司", "协议", "机", "定理", "山", "酒店", "症", "草"])
    return (
        "".join(
            rng.choice(names["surnames_zh"] + names["given_zh"]) for _ in range(rng.randint(2, 3))
        )
        + ending
    )


def gibberish(rng: Random, language: Language) -> list[Turn]:
    """Keys hit at random."""
    alphabets = [string.ascii_lowercase, "!@#$%^&*()_+-=;:,./?"] + (
        [_FILLERS_ZH] if language == "zh" else []
    )
    alphabet = rng.choice(alphabets)
    noise = "".join(rng.choice(alphabet) for _ in range(rng.randint(4, 12)))
    return [exchange(rng, language, "gibberish", exact=True, noise=noise)]
