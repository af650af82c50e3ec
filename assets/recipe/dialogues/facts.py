"""Families about the world: capitals, provinces, elements, definitions, short questions."""

from functools import cache
from itertools import accumulate
from random import Random
from typing import Any

from assets.recipe.dialogues.grammar import capitalised
from assets.recipe.dialogues.knowledge import Language, read_json, read_rows
from assets.recipe.dialogues.noise import mistyped
from assets.recipe.dialogues.wording import Turn, ask_template, exchange, worded

_MIXED_SHARE, _SLIP_SHARE = 0.05, 0.06


def questions(rng: Random, language: Language) -> list[Turn]:
    """A common question from `questions.json`."""
    return [listed_exchange(rng, language, "questions")]


def listed_exchange(rng: Random, language: Language, table: str, **slots: object) -> Turn:
    """One turn of a table whose entries list their own `asks` and `answers`."""
    entry = weighted_entry(rng, table, language)
    return Turn(
        worded(rng, language, ask_template(rng, language, entry), **slots),
        rng.choice(entry["answers"]),
    )


def weighted_entry(rng: Random, table: str, language: Language) -> dict[str, Any]:
    """An entry of a table; one with a `weight` comes that much oftener than one without."""
    entries, sums = _entries_and_sums(table, language)
    return rng.choices(entries, cum_weights=sums)[0]


@cache
def _entries_and_sums(table: str, language: Language) -> tuple[list[dict[str, Any]], list[float]]:
    entries = read_json(table)[language]
    return entries, list(accumulate(entry.get("weight", 1) for entry in entries))


def definitions(rng: Random, language: Language) -> list[Turn]:
    """What a term of computing, science or daily life means.

    The answer is in the language of the sentence; the term may be in the other one.
    """
    row = rng.choice(read_rows("definitions"))
    term, article = row["english"], row["article"]
    if (rng.random() < _MIXED_SHARE) is (language == "en"):
        term = a_term = row["chinese"]
    else:
        term = _slipped(rng, language, term)
        a_term = f"{article} {term}" if article else term
    definition = row["chinese_definition" if language == "zh" else "english_definition"]
    slots = {"term": term, "a_term": a_term, "definition": definition}
    return [exchange(rng, language, "definition", **slots)]


def _slipped(rng: Random, language: Language, name: str) -> str:
    """A name that the answer spells right may be typed wrong."""
    return mistyped(rng, name) if language == "en" and rng.random() < _SLIP_SHARE else name


def word_meanings(rng: Random, language: Language) -> list[Turn]:
    """A dictionary entry of WordNet; English only, asked in either language."""
    row = rng.choice(read_rows("wordnet"))
    return [
        exchange(
            rng,
            language,
            "word_meaning",
            exact=True,
            word=row["word"],
            definition=row["definition"],
        )
    ]


def capitals(rng: Random, language: Language) -> list[Turn]:
    """A capital, its country or its continent; sometimes with 'and Japan?' after it."""
    key = rng.choices(["capital_of", "country_of", "continent_of"], [60, 20, 20])[0]
    turns = [exchange(rng, language, key, **_country(rng, language))]
    if key == "capital_of" and rng.random() < 0.35:
        for _ in range(rng.randint(1, 3)):
            turns.append(exchange(rng, language, "capital_follow_up", **_country(rng, language)))
    return turns


def _country(rng: Random, language: Language) -> dict[str, str]:
    row = _country_row(rng)
    if language == "zh":
        asked = row["english"] if rng.random() < _MIXED_SHARE else row["chinese"]
        return {
            "asked": asked,
            "country": row["chinese"],
            "capital": row["capital_chinese"],
            "continent": row["continent_chinese"],
        }
    country = f"{row['article']} {row['english']}".strip()
    slipped = f"{row['article']} {_slipped(rng, language, row['english'])}".strip()
    return {
        "asked": row["chinese"] if rng.random() < _MIXED_SHARE else slipped,
        "country": country,
        "Country": capitalised(country),
        "capital": row["capital_english"],
        "continent": row["continent_english"],
    }


@cache
def _countries_and_sums() -> tuple[tuple[dict[str, str], ...], list[float]]:
    # The first hundred are those people ask about; the later ones are asked half as often.
    rows = read_rows("countries")
    return rows, list(accumulate(1.0 if number < 100 else 0.5 for number in range(len(rows))))


def _country_row(rng: Random) -> dict[str, str]:
    rows, sums = _countries_and_sums()
    return rng.choices(rows, cum_weights=sums)[0]


def provinces(rng: Random, language: Language) -> list[Turn]:
    """The capital of a Chinese province."""
    row = rng.choice(read_rows("provinces"))
    if language == "zh":
        return [
            exchange(
                rng,
                "zh",
                "province_capital",
                province=row["chinese"],
                capital=row["capital_chinese"],
                seat=row["seat"],
            )
        ]
    return [
        exchange(
            rng, "en", "province_capital", province=row["english"], capital=row["capital_english"]
        )
    ]


def elements(rng: Random, language: Language) -> list[Turn]:
    """Name, symbol and number of a chemical element."""
    row = rng.choice(read_rows("elements"))
    element = row["chinese" if language == "zh" else "english"]
    key = rng.choice(["element_symbol", "element_of_symbol", "element_number"])
    # The case of a symbol is its meaning: Co is not CO.
    exact = key == "element_of_symbol"
    return [
        exchange(
            rng,
            language,
            key,
            exact=exact,
            element=element,
            symbol=row["symbol"],
            number=row["number"],
        )
    ]
