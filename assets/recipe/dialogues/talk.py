"""Families of plain talk: greetings, identity, small talk, refusals, what is not known."""

import string
from random import Random

from assets.recipe.dialogues.facts import listed_exchange, weighted_entry
from assets.recipe.dialogues.knowledge import Language, read_json, unknown_words
from assets.recipe.dialogues.people import invented_characters, invented_word, person
from assets.recipe.dialogues.wording import Turn, chosen_from, exchange, template_from, worded

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
            _dashed_off(rng, language, template_from(rng, entry["asks"])),
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
    remark, reply = template_from(rng, entry["asks"]), rng.choice(entry["answers"])
    if rng.random() < 0.3:
        return [Turn(worded(rng, language, remark), reply)]
    return [Turn(_dashed_off(rng, language, remark), reply)]


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
    if language == "zh" and rng.random() < 0.75:
        thing = _invented_term(rng)
    elif rng.random() < 0.4:
        thing = thing.capitalize()
    return [exchange(rng, language, "unknown_thing", thing=thing)]


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
