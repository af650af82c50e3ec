"""The mixture: which family comes how often, and how turns are put together to dialogues.

One seed gives one stream of dialogues, whatever the machine.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from assets.recipe.dialogues import (
    acquaintance,
    documents,
    facts,
    language,
    memory,
    numbers,
    talk,
    writing,
)
from assets.recipe.dialogues.held_out import asks_held_out
from assets.recipe.dialogues.knowledge import Language
from assets.recipe.dialogues.wording import Turn

Family = Callable[[Random, Language], list[Turn]]

# Weights are relative; they follow what visitors ask first, not the size of the tables.
FAMILIES: dict[str, tuple[Family, float]] = {
    "greetings": (talk.greetings, 8.5),
    "identity": (talk.identity, 13),
    "small_talk": (talk.small_talk, 14),
    "questions": (facts.questions, 9),
    "definitions": (facts.definitions, 15),
    "word_meanings": (facts.word_meanings, 2),
    "capitals": (facts.capitals, 8),
    "provinces": (facts.provinces, 2),
    "elements": (facts.elements, 3),
    "arithmetic": (numbers.arithmetic, 12),
    "chains": (numbers.chains, 2.5),
    "too_large": (numbers.too_large, 0.5),
    "comparisons": (numbers.comparisons, 1.5),
    "number_lists": (numbers.number_lists, 2),
    "parity": (numbers.parity, 1),
    "sequences": (numbers.sequences, 1),
    "counting": (numbers.counting, 0.8),
    "word_problems": (numbers.word_problems, 2.5),
    "word_translations": (language.word_translations, 7),
    "sentence_translations": (language.sentence_translations, 4),
    "antonyms": (language.antonyms, 1.2),
    "word_forms": (language.word_forms, 0.6),
    "categories": (language.categories, 1.6),
    "calendar": (language.calendar, 1),
    "spelling": (language.spelling, 1),
    "echoes": (language.echoes, 2),
    "snippets": (writing.snippets, 9),
    "jokes": (writing.jokes, 1.5),
    "riddles": (writing.riddles, 0.8),
    "tang_poems": (writing.tang_poems, 2),
    "stories": (writing.stories, 3),
    "compositions": (writing.compositions, 2.5),
    "refusals": (talk.refusals, 8),
    "unknown": (talk.unknown, 15),
    "gibberish": (talk.gibberish, 0.5),
}
ABOUT_THE_PERSON: dict[str, Callable[[Random, Language, memory.Filler], list[Turn]]] = {
    "memory": memory.remembered,
    "forgetting": memory.forgotten,
    "contrast": memory.contrasted,
    "results": memory.results,
    "introductions": acquaintance.introductions,
    "corrections": acquaintance.corrections,
    "company": acquaintance.company,
}
_WEIGHTS = {
    "memory": 16,
    "forgetting": 7,
    "contrast": 4.5,
    "results": 2.4,
    "introductions": 8,
    "corrections": 7.5,
    "company": 4.5,
    "single": 38,
    "mixed": 21.5,
    "document": 6.5,
}
DOCUMENTS: dict[str, tuple[Family, float]] = {
    "infill": (documents.infills, 5),
    "commit": (documents.commits, 3),
    "notebook": (documents.notebooks, 4),
}
_LONG = frozenset({"snippets", "stories", "tang_poems", "compositions"})
_SUMS = frozenset({"arithmetic", "chains", "word_problems", "sequences", "too_large"})


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A whole conversation.

    Attributes:
        family: a key of `FAMILIES`, `ABOUT_THE_PERSON` or `DOCUMENTS`, or `mixed`.
        language: language of most turns.
        turns: questions and answers, oldest first.
        is_document: control tokens are typed in the only turn, and no `<sep>` need follow it.
    """

    family: str
    language: Language
    turns: tuple[Turn, ...]
    is_document: bool = False


def dialogues(seed: int, count: int) -> Iterator[Dialogue]:
    """`count` dialogues, the same for the same seed, none of which asks what is held out."""
    rng = Random(seed)
    for _ in range(count):
        dialogue = _dialogue(rng)
        while asks_held_out(dialogue.turns):
            dialogue = _dialogue(rng)
        yield dialogue


def _dialogue(rng: Random) -> Dialogue:
    lang: Language = "zh" if rng.random() < 0.55 else "en"
    kind = rng.choices([*_WEIGHTS], [*_WEIGHTS.values()])[0]
    if kind in ABOUT_THE_PERSON:
        turns = ABOUT_THE_PERSON[kind](rng, lang, filler)
    elif kind == "document":
        names = list(DOCUMENTS)
        kind = rng.choices(names, [DOCUMENTS[name][1] for name in names])[0]
        return Dialogue(kind, lang, tuple(DOCUMENTS[kind][0](rng, lang)), is_document=True)
    elif kind == "mixed":
        turns = _mixed(rng, lang)
    else:
        kind, turns = _single(rng, lang)
    return Dialogue(kind, lang, tuple(turns))


def _single(
    rng: Random, lang: Language, *, without: frozenset[str] = frozenset()
) -> tuple[str, list[Turn]]:
    names = [name for name in FAMILIES if name not in without]
    name = rng.choices(names, [FAMILIES[name][1] for name in names])[0]
    return name, FAMILIES[name][0](rng, lang)


def _mixed(rng: Random, lang: Language) -> list[Turn]:
    turns = talk.greetings(rng, lang) if rng.random() < 0.25 else []
    for _ in range(rng.choice([1, 2, 2, 3, 4, 6])):
        turns += _single(rng, lang if rng.random() < 0.93 else _other(lang))[1]
        if rng.random() < 0.04:
            turns.append(
                rng.choice([language.say_again, language.what_did_i_say])(rng, lang, turns[-1])
            )
    return turns


def _other(lang: Language) -> Language:
    return "en" if lang == "zh" else "zh"


def filler(rng: Random, lang: Language, count: int, *, calm: bool = False) -> list[Turn]:
    """`count` turns of other talk, mostly short ones, so that the context can hold many.

    Args:
        rng: source of every choice.
        lang: language of the talk, with a little of the other one.
        count: number of turns.
        calm: without sums, so that the last result stays the last one.
    """
    turns: list[Turn] = []
    while len(turns) < count:
        without = (_LONG if rng.random() < 0.85 else frozenset()) | (_SUMS if calm else frozenset())
        turns += _single(rng, lang if rng.random() < 0.92 else _other(lang), without=without)[1]
    return turns[:count]
