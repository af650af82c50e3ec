"""Families that write: jokes, riddles, poems, stories, paragraphs, program code."""

import re
from functools import cache
from random import Random
from typing import Any

from assets.recipe.dialogues.grammar import plural, with_article
from assets.recipe.dialogues.knowledge import Language, category, pair, read_json, wordings
from assets.recipe.dialogues.wording import Turn, exchange, template_from, worded

_LANGUAGE_NAMES = {
    "python": "Python",
    "c": "C",
    "java": "Java",
    "javascript": "JavaScript",
    "html": "HTML",
    "sql": "SQL",
}
_VERB = re.compile(
    r"(find|sum|add|compute|calculate|read|write|count|define|use|handle|swap|remove|generate|get|check|load|create"
    r"|reverse|fetch|send|make|download|request|call|open|test|save|print|turn|deduplicate)\b"
)


def jokes(rng: Random, language: Language) -> list[Turn]:
    """A joke."""
    return [
        exchange(
            rng, language, "joke", joke=rng.choice(read_json("entertainment")["jokes"][language])
        )
    ]


def riddles(rng: Random, language: Language) -> list[Turn]:
    """A riddle and its answer, or the answer to a riddle."""
    riddle = rng.choice(read_json("entertainment")["riddles"][language])
    if rng.random() < 0.4:
        return [exchange(rng, language, "riddle_question", **riddle)]
    return [exchange(rng, language, key, **riddle) for key in ("riddle", "riddle_answer")]


def tang_poems(rng: Random, language: Language) -> list[Turn]:
    """A Tang poem: its text, its author, the line after a line."""
    poem = rng.choice(read_json("poems"))
    slots = {"title": poem["title"], "author": poem["author"], "body": "\n".join(poem["lines"])}
    keys = ["poem_by_title", "any_poem", "poem_author", "next_line"]
    key = rng.choices(keys, [45, 20, 15, 20] if language == "zh" else [30, 70, 0, 0])[0]
    if key != "next_line":
        return [exchange(rng, language, key, **slots)]
    verses = [verse for line in poem["lines"] for verse in re.findall(r"[^，。！？；]+", line)]
    at = rng.randrange(len(verses) - 1)
    return [exchange(rng, language, key, line=verses[at], next=verses[at + 1])]


def compositions(rng: Random, language: Language) -> list[Turn]:
    """A paragraph or a poem about a topic."""
    entry = rng.choice(read_json("compositions"))
    topic = entry["chinese" if language == "zh" else "english"]
    key, kind = rng.choice([("paragraph", "paragraph"), ("verse", "poem")])
    return [exchange(rng, language, key, topic=topic, text=entry[kind][language])]


def stories(rng: Random, language: Language) -> list[Turn]:
    """A short story about an animal or a tree."""
    index = 0 if language == "zh" else 1
    animal, other = (words[index] for words in rng.sample(category("animal")[:28], 2))
    fruit = rng.choice(category("fruit"))[index]
    kind = "about_animals" if rng.random() < 0.8 else "about_trees"
    story = rng.choice(read_json("stories")[kind][language]).format(
        **_story_slots(rng, language, animal, other, fruit)
    )
    if rng.random() < 0.5:
        return [exchange(rng, language, "any_story", story=story)]
    tree = fruit + ("树" if language == "zh" else " tree")
    hero = animal if kind == "about_animals" else tree
    return [
        exchange(rng, language, "story_about", hero=hero, a_hero=with_article(hero), story=story)
    ]


def _story_slots(
    rng: Random, language: Language, animal: str, other: str, fruit: str
) -> dict[str, str]:
    parts, index = read_json("stories"), 0 if language == "zh" else 1
    chosen = {
        key: pair(rng.choice(parts[table]))[index]
        for key, table in [("place", "places"), ("treasure", "treasures"), ("weather", "weather")]
    }
    if language == "zh":
        return chosen | {
            "animal": animal,
            "other": other,
            "fruit": fruit,
            "name": "小" + rng.choice(parts["heroes_zh"]),
        }
    return chosen | {
        "name": rng.choice(read_json("people")["names"]),
        "other": other,
        "an_animal": with_article(animal),
        "an_other": with_article(other),
        "a_fruit": with_article(fruit),
        "fruits": plural(fruit),
    }


def snippets(rng: Random, language: Language) -> list[Turn]:
    """A piece of program code with one sentence about it."""
    snippet = rng.choices(*_snippets_and_weights())[0]
    slots = {
        "language": _LANGUAGE_NAMES[snippet["language"]],
        "code": "\n".join([f"```{snippet['language']}", *snippet["source"], "```"]),
        "note": snippet["note"][language],
    }
    if "asks" in snippet and rng.random() < 0.6:
        question = worded(rng, language, template_from(rng, snippet["asks"][language]))
        answer = rng.choice(wordings("snippet_in_python", language)["answers"])
        return [Turn(question, answer.format(**slots))]
    name = rng.choice(snippet["names"][language])
    key = _snippet_wording(rng, language, snippet, name)
    return [exchange(rng, language, key, name=name, **slots)]


@cache
def _snippets_and_weights() -> tuple[list[dict[str, Any]], list[float]]:
    listed = read_json("snippets")
    return listed, [snippet.get("weight", 1) for snippet in listed]


def _snippet_wording(rng: Random, language: Language, snippet: dict[str, Any], name: str) -> str:
    if language == "en" and _VERB.match(name):
        return "snippet_how_to"
    named_language = re.search(r"\b(in|C|Java|JavaScript|SQL|HTML|Python)\b|语言", name)
    if snippet["language"] == "python" and not named_language and rng.random() < 0.6:
        return "snippet_in_python"
    return "snippet_named"
