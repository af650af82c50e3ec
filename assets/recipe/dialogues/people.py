"""Names of people and things, from the usual to those that nobody has: what a model must copy.

A visitor's name is seldom in a list. Names are therefore drawn from all the characters in which
Chinese names are written, most of which the vocabulary has only as bytes, and from syllables.
"""

import string
from collections.abc import Callable, Sequence
from functools import cache
from random import Random

from assets.recipe.dialogues.knowledge import Language, read_json

# GB 2312 orders its characters by use: 3,755 common ones from row 16 on, 3,008 others from row 56.
_COMMON_ROWS, _OTHER_ROWS = range(0xB0, 0xD8), range(0xD8, 0xF8)
_CJK_FIRST, _CJK_LAST = 0x4E00, 0x9FA5
_ONSETS = (
    *"bcdfghjklmnprstvwz",
    "",
    "br",
    "ch",
    "gr",
    "kr",
    "sh",
    "st",
    "th",
    "tr",
    "y",
    "qu",
    "x",
)
_VOWELS = (*"aeiouaeiou", "ai", "ea", "ia", "ee", "oo", "y")
_CODAS = ("", "", "", "n", "r", "s", "l", "k", "m", "t", "d", "nd", "x", "th")


@cache
def characters_of(rows: range) -> str:
    """The Chinese characters in some rows of GB 2312."""
    return bytes(byte for row in rows for cell in range(0xA1, 0xFF) for byte in (row, cell)).decode(
        "gb2312", errors="ignore"
    )


def invented_word(rng: Random) -> str:
    """A word that nobody knows, of one to three syllables."""
    syllables = rng.choice((1, 2, 2, 2, 3))
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(syllables)
    ) or invented_word(rng)


def invented_characters(rng: Random, lengths: Sequence[int]) -> str:
    """Chinese characters that stand together by chance, as many as one of `lengths`."""
    return "".join(_character(rng) for _ in range(rng.choice(lengths)))


def _character(rng: Random) -> str:
    roll = rng.random()
    if roll < 0.60:
        return rng.choice(characters_of(_COMMON_ROWS))
    if roll < 0.92:
        return rng.choice(characters_of(_OTHER_ROWS))
    if roll < 0.96:
        return rng.choice(read_json("people")["rare_given_zh"])
    return chr(rng.randint(_CJK_FIRST, _CJK_LAST))


def code(rng: Random) -> str:
    """Letters and digits, such as `k7-tora` or `QX42`."""
    letters = "".join(rng.choice(string.ascii_letters) for _ in range(rng.randint(1, 4)))
    parts = [letters, str(rng.randrange(1000)), invented_word(rng)]
    rng.shuffle(parts)
    return rng.choice(("", "", "-", "_")).join(parts[: rng.choice((2, 2, 3))])


def person(rng: Random, language: Language) -> str:
    """A name as somebody may give it, mostly in the spelling of `language`."""
    kinds, weights = _KINDS[language]
    return rng.choices(kinds, weights)[0](rng)


def _full_name(rng: Random) -> str:
    names = read_json("people")
    surname = rng.choice(
        names["double_surnames_zh"] if rng.random() < 0.08 else names["surnames_zh"]
    )
    return surname + _given_name(rng, rng.choice((1, 2, 2)))


def _given_name(rng: Random, length: int) -> str:
    usual = read_json("people")["given_zh"]
    return "".join(
        rng.choice(usual) if rng.random() < 0.35 else _character(rng) for _ in range(length)
    )


def _nickname(rng: Random) -> str:
    before, after = rng.choice(read_json("people")["nickname_forms"])
    return before + _given_name(rng, rng.choice((1, 1, 2) if before + after else (2, 3, 4))) + after


def _twice(rng: Random) -> str:
    return _given_name(rng, 1) * 2


def _known(rng: Random) -> str:
    return rng.choice(read_json("people")["names"])


def _known_in_full(rng: Random) -> str:
    return f"{_known(rng)} {rng.choice(read_json('people')['family_names'])}"


def _pinyin(rng: Random) -> str:
    syllables = read_json("people")["pinyin"]
    given = "".join(rng.choice(syllables) for _ in range(rng.choice((1, 2, 2))))
    if rng.random() < 0.3:
        return f"xiao{given}".capitalize()
    return f"{rng.choice(syllables)} {given}".title() if rng.random() < 0.6 else given.capitalize()


def _invented(rng: Random) -> str:
    word = invented_word(rng)
    return word + rng.choice("aeonr") if len(word) < 3 else word


def _latin(rng: Random) -> str:
    """A Latin name in the letters that people type: capitals come and go."""
    name = rng.choices((_known, _known_in_full, _pinyin, _invented), (30, 14, 18, 38))[0](rng)
    roll = rng.random()
    if roll < 0.60:
        return name[0].upper() + name[1:]
    return name.lower() if roll < 0.93 else name.upper()


def _with_digits(rng: Random) -> str:
    return _latin(rng).replace(" ", rng.choice(("", "_"))) + str(rng.randrange(1, 3000))


_KINDS: dict[Language, tuple[Sequence[Callable[[Random], str]], Sequence[float]]] = {
    "zh": ((_full_name, _nickname, _twice, _latin, _with_digits), (56, 18, 4, 17, 5)),
    "en": ((_latin, _with_digits, _full_name), (88, 8, 4)),
}
