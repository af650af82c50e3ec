"""What the dialogues are made of: the tables in `assets/recipe/knowledge/`, read once.

Every table is data that a person can edit without reading code. `zh` and `en` are the keys of the
two languages everywhere; `中文|english` in one string is a pair of translations.
"""

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any, Literal

Language = Literal["zh", "en"]
KNOWLEDGE = Path(__file__).resolve().parents[1] / "knowledge"


@cache
def read_json(name: str) -> Any:
    """Content of `knowledge/<name>.json`."""
    return json.loads((KNOWLEDGE / f"{name}.json").read_text(encoding="utf-8"))


@cache
def read_rows(name: str) -> tuple[dict[str, str], ...]:
    """Rows of `knowledge/<name>.tsv`, each keyed by the header line."""
    with (KNOWLEDGE / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@cache
def wordings(key: str, language: Language) -> dict[str, list[str]]:
    """The templates of one kind of exchange: `asks` and `answers`, with `{slots}` in them."""
    for path in sorted((KNOWLEDGE / "wordings").glob("*.json")):
        family = read_json(f"wordings/{path.stem}")
        if key in family:
            return family[key][language]
    raise KeyError(f"no wording {key!r} in {KNOWLEDGE / 'wordings'}: add it to one of its files")


def pair(text: str) -> tuple[str, str]:
    """`"猫|cat"` as `("猫", "cat")`."""
    chinese, english = text.split("|")
    return chinese, english


@cache
def category(english: str) -> tuple[tuple[str, str], ...]:
    """The words of one category of `words.json`, as pairs, in the order of the file."""
    for entry in read_json("words")["categories"]:
        if entry["english"] == english:
            return tuple(pair(word) for word in entry["words"])
    raise KeyError(f"words.json has no category {english!r}")


@cache
def vocabulary() -> tuple[tuple[str, str], ...]:
    """All word pairs; the first Chinese word of an English one comes first."""
    words = read_json("words")
    listed = [pair(word) for entry in words["categories"] for word in entry["words"]]
    return tuple(dict.fromkeys(listed + [pair(word) for word in words["other"]]))


@cache
def chinese_of() -> dict[str, str]:
    """One Chinese word for each English word, so that a translation has one answer."""
    chosen: dict[str, str] = {}
    for chinese, english in vocabulary():
        chosen.setdefault(english, chinese)
    return chosen


@cache
def english_of() -> dict[str, str]:
    """One English word for each Chinese word, so that a translation has one answer."""
    chosen: dict[str, str] = {}
    for chinese, english in vocabulary():
        chosen.setdefault(chinese, english)
    return chosen


@cache
def unknown_terms(language: Language) -> tuple[str, ...]:
    """Words that the model is never taught, for questions that it must not answer."""
    text = (KNOWLEDGE / f"unknown_terms_{language}.txt").read_text(encoding="utf-8")
    known = _known_terms()
    asked = "\n".join(ask for entry in read_json("questions")["zh"] for ask in entry["asks"])
    return tuple(
        term for term in text.splitlines() if term.lower() not in known and term not in asked
    )


@cache
def _known_terms() -> frozenset[str]:
    """Everything that some table explains, translates or lists, in lower case."""
    columns = (
        ("definitions", ("chinese", "english")),
        ("countries", ("chinese", "english", "capital_chinese", "capital_english")),
        ("elements", ("chinese", "english")),
        ("provinces", ("chinese", "english", "capital_chinese", "capital_english")),
        ("wordnet", ("word",)),
    )
    terms = {row[name] for table, names in columns for row in read_rows(table) for name in names}
    terms |= {word for pair_ in vocabulary() for word in pair_}
    asked = " ".join(ask for entry in read_json("questions")["en"] for ask in entry["asks"])
    return frozenset(term.lower().removeprefix("the ") for term in terms) | {*asked.lower().split()}
