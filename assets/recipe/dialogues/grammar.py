"""The little grammar that templates need: English articles and plurals, Chinese numerals."""

from assets.recipe.dialogues.knowledge import read_json

_IRREGULAR_PLURALS = {
    "mouse": "mice",
    "goose": "geese",
    "fish": "fish",
    "sheep": "sheep",
    "wolf": "wolves",
    "deer": "deer",
    "bookshelf": "bookshelves",
    "monkey": "monkeys",
    "family member": "family members",
    "piece of clothing": "pieces of clothing",
    "piece of furniture": "pieces of furniture",
    "day of the week": "days of the week",
    "school supply": "school supplies",
    "body part": "body parts",
}
_DIGITS = "零一二三四五六七八九"
_ENGLISH_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_ENGLISH_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def with_article(noun: str) -> str:
    """`"apple"` as `"an apple"`."""
    return ("an " if noun[0].lower() in "aeiou" else "a ") + noun


def is_uncountable(noun: str) -> bool:
    """Whether a noun is said without an article and without a plural."""
    return noun in read_json("words")["uncountable"]


def as_noun(noun: str) -> str:
    """A noun as it stands in a sentence: with an article where English wants one."""
    return noun if is_uncountable(noun) or noun[0].isupper() else with_article(noun)


def plural(noun: str) -> str:
    """English plural of a noun from `words.json`."""
    if noun in _IRREGULAR_PLURALS:
        return _IRREGULAR_PLURALS[noun]
    if is_uncountable(noun):
        return noun
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    if noun.endswith(("ch", "sh", "s", "x")) or noun in {"mango", "potato", "tomato"}:
        return noun + "es"
    return noun + "s"


def capitalised(text: str) -> str:
    """`text` with its first letter in upper case and the rest as it was."""
    return text[:1].upper() + text[1:]


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `11th`, `22nd`: a positive number as a place in an order."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number}{ending or 'th'}"


def chinese_numeral(number: int) -> str:
    """An integer of -999 to 999 in Chinese characters: 105 is 一百零五."""
    if number < 0:
        return "负" + chinese_numeral(-number)
    if number < 10:
        return _DIGITS[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return ("" if tens == 1 else _DIGITS[tens]) + "十" + (_DIGITS[ones] if ones else "")
    hundreds, rest = divmod(number, 100)
    if rest == 0:
        return _DIGITS[hundreds] + "百"
    if rest < 10:
        return f"{_DIGITS[hundreds]}百零{_DIGITS[rest]}"
    # 115 is said 一百一十五: inside a larger number the leading 一 of ten is spoken.
    return f"{_DIGITS[hundreds]}百" + ("一" if rest < 20 else "") + chinese_numeral(rest)


def english_numeral(number: int) -> str:
    """An integer of 0 to 999 in English words: 105 is one hundred and five."""
    if number < 20:
        return _ENGLISH_ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _ENGLISH_TENS[tens - 2] + (f" {_ENGLISH_ONES[ones]}" if ones else "")
    hundreds, rest = divmod(number, 100)
    spoken = f"{_ENGLISH_ONES[hundreds]} hundred"
    return f"{spoken} and {english_numeral(rest)}" if rest else spoken
