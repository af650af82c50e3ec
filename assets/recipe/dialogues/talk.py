"""Families of plain talk: greetings, identity, small talk, refusals, what is not known."""

import string
from random import Random

from assets.recipe.dialogues.facts import listed_exchange, weighted_entry
from assets.recipe.dialogues.grammar import with_article
from assets.recipe.dialogues.knowledge import Language, read_json, unknown_terms, wordings
from assets.recipe.dialogues.people import invented_characters, invented_word, person
from assets.recipe.dialogues.wording import (
    Turn,
    ask_template,
    chosen_from,
    exchange,
    worded,
)

_ENDINGS: dict[Language, tuple[str, ...]] = {
    "zh": ("", "", "", "！", "!", "。", "~", "，", "…", "！！"),
    "en": ("", "", "", "!", ".", "!!", "..", " :)"),
}
_TERM_ENDINGS = (
    *(
        "",
        "",
        "",
        "镇",
        "村",
        "县",
        "市",
        "国",
        "岛",
        "山",
        "河",
        "湖",
        "大学",
        "公司",
        "集团",
        "酒店",
        "餐厅",
        "博物馆",
    ),
    *(
        "协议",
        "机",
        "定理",
        "定律",
        "效应",
        "反应",
        "算法",
        "理论",
        "主义",
        "战争",
        "症",
        "病",
        "草",
        "兽",
        "节",
        "奖",
        "杯",
    ),
)
_EMOJI = "👋😊😄🙂😀🥰😢😭😴😡🙏👍❤🎉"
_FILLERS_ZH = "的了是在啊额呃嗯哦唉呀嘛吧呢么"


def greetings(rng: Random, language: Language) -> list[Turn]:
    """Hello: the first entry of `small_talk.json`."""
    entry = read_json("small_talk")[language][0]
    return [
        Turn(
            _dashed_off(rng, language, ask_template(rng, language, entry)),
            rng.choice(entry["answers"]),
        )
    ]


def _dashed_off(rng: Random, language: Language, template: str) -> str:
    """A short remark as people fling it down: drawn-out letters, emoji, any ending or none."""
    text = chosen_from(rng, template)
    if language == "en":
        case = rng.random()
        text = text.lower() if case < 0.5 else text[0].upper() + text[1:] if case < 0.9 else text
        if rng.random() < 0.03:
            text = text.upper()
    if rng.random() < 0.10 and text[-1].isalpha():
        # hi as hiii, 哈喽 as 哈喽喽
        text += text[-1] * rng.choice((1, 1, 2, 3))
    if text[-1] in "~！!。.？?":
        return text
    text += rng.choice(_ENDINGS[language])
    return text + rng.choice(_EMOJI) if rng.random() < 0.06 else text


def identity(rng: Random, language: Language) -> list[Turn]:
    """Who the model is, what it can do, how to get the real one."""
    return [listed_exchange(rng, language, "identity")]


def small_talk(rng: Random, language: Language) -> list[Turn]:
    """Thanks, moods, compliments, goodbyes."""
    entry = weighted_entry(rng, "small_talk", language)
    remark, reply = ask_template(rng, language, entry), rng.choice(entry["answers"])
    if rng.random() < 0.3:
        return [Turn(worded(rng, language, remark), reply)]
    return [Turn(_dashed_off(rng, language, remark), reply)]


def refusals(rng: Random, language: Language) -> list[Turn]:
    """What would need a network, a clock, an expert, or a bad conscience."""
    city = rng.choice(read_json("people")["cities"][language])
    return [listed_exchange(rng, language, "refusals", city=city)]


def unknown(rng: Random, language: Language) -> list[Turn]:
    """People, things and matters that nobody taught the model: it says so."""
    roll = rng.random()
    if roll < 0.2:
        name = person(rng, language)
        if language == "en" and " " not in name:
            name = f"{name} {invented_word(rng).capitalize()}"
        return [exchange(rng, language, "unknown_person", name=name)]
    slots = {
        "thing": _unknown_thing(rng, language),
        "other": _unknown_thing(rng, language),
        "city": rng.choice(read_json("people")["cities"][language]),
        "year": rng.randint(1400, 2026),
    }
    if roll < 0.38:
        return [exchange(rng, language, "unknown_thing", **slots)]
    # The wordings of what the model does know, about what it does not: the word must decide.
    answer = rng.choice(wordings("unknown_thing", language)["answers"])
    if roll < 0.55:
        term = _unknown_thing(rng, language)
        entry = wordings("definition", language)
        template = ask_template(rng, language, entry)
        a_term = with_article(term) if rng.random() < 0.4 and term.islower() else term
        return [Turn(worded(rng, language, template, term=term, a_term=a_term), answer)]
    template = rng.choice(read_json("unknown_questions")[language])
    return [Turn(worded(rng, language, template, **slots), answer)]


def _unknown_thing(rng: Random, language: Language) -> str:
    roll = rng.random()
    if roll < 0.7:
        return rng.choice(unknown_terms(language))
    if language == "zh":
        return _invented_term(rng) if roll < 0.9 else rng.choice(unknown_terms("en"))
    word = invented_word(rng)
    return word.capitalize() if roll > 0.85 else word


def _invented_term(rng: Random) -> str:
    return invented_characters(rng, (2, 2, 3, 4)) + rng.choice(_TERM_ENDINGS)


def gibberish(rng: Random, language: Language) -> list[Turn]:
    """Keys hit at random."""
    alphabets = [string.ascii_lowercase, "!@#$%^&*()_+-=;:,./?"] + (
        [_FILLERS_ZH] if language == "zh" else []
    )
    alphabet = rng.choice(alphabets)
    noise = "".join(rng.choice(alphabet) for _ in range(rng.randint(4, 12)))
    return [exchange(rng, language, "gibberish", exact=True, noise=noise)]
