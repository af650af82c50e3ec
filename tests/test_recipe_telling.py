"""What people tell of themselves in the dialogues is told, kept and never invented."""

import re
from random import Random

import pytest

from assets.recipe.dialogues.grammar import ordinal
from assets.recipe.dialogues.knowledge import Language, read_json
from assets.recipe.dialogues.memory import results
from assets.recipe.dialogues.mixer import ABOUT_THE_PERSON
from assets.recipe.dialogues.telling import Fact, correct, introduce, new_fact, tell_aside
from assets.recipe.dialogues.wording import Turn

LANGUAGES: tuple[Language, ...] = ("zh", "en")
NEW_FAMILIES = ("introductions", "corrections", "company")


def silence(rng: Random, language: Language, count: int, *, calm: bool = False) -> list[Turn]:
    """No other talk."""
    return []


def attributes() -> list[str]:
    return [key for key in read_json("memory") if key != "new_name"]


def test_everything_that_is_remembered_can_be_told_in_both_languages() -> None:
    assert {*read_json("telling")} == {*attributes()}
    for entry in read_json("telling").values():
        # The number of a way means the same in both languages.
        assert len(entry["zh"]) == len(entry["en"]) > 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_introduction_tells_all_and_the_answer_repeats_all(language: Language) -> None:
    rng = Random(1)
    for _ in range(1500):
        chosen = rng.sample(attributes(), rng.randint(1, 4))
        turn, facts = introduce(rng, language, [new_fact(rng, language, key) for key in chosen])
        assert {fact.attribute for fact in facts} == {*chosen}
        for fact in facts:
            assert fact.value in turn.user, turn
            assert fact.value in turn.assistant, turn


def test_a_sentence_may_correct_itself_and_what_counts_is_said_last() -> None:
    rng, corrected = Random(2), 0
    for _ in range(1500):
        fact = new_fact(rng, "en", "city")
        turn, (kept,) = introduce(rng, "en", [fact])
        if kept.value != fact.value:
            corrected += 1
            assert turn.user.index(fact.value) < turn.user.rindex(kept.value)
            assert kept.value in turn.assistant
    assert corrected > 30
    for _ in range(200):
        fact = new_fact(rng, "en", "city")
        assert introduce(rng, "en", [fact], is_corrected=False)[1] == (fact,)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("attribute", [key for key in read_json("memory") if key != "new_name"])
def test_a_correction_says_the_new_value_and_so_does_the_answer(
    language: Language, attribute: str
) -> None:
    rng = Random(3)
    for _ in range(60):
        old = new_fact(rng, language, attribute)
        turn, new = correct(rng, language, old, [], is_at_once=True, is_latest=True)
        assert new.key == old.key
        assert new.value != old.value
        assert new.value in turn.user
        assert new.value in turn.assistant


def test_a_number_alone_corrects_only_what_nothing_else_could_mean() -> None:
    rng = Random(4)
    age, number = (new_fact(rng, "en", key) for key in ("age", "number"))

    def bare(others: list[Fact], *, is_at_once: bool) -> int:
        """How often the correction is a value with no word about what it is of."""
        texts = [
            correct(rng, "en", age, others, is_at_once=is_at_once, is_latest=False)[0].user
            for _ in range(400)
        ]
        says = re.compile(r"year|age|turned|birthday|\bi ?'?a?m\b|candle", re.IGNORECASE)
        # Who repeats the old value says what is meant.
        old = re.compile(rf"\b{age.value}\b")
        return sum(not says.search(text) and not old.search(text) for text in texts)

    assert bare([], is_at_once=True) > 50
    assert bare([number], is_at_once=True) < 10
    assert bare([], is_at_once=False) < 10


@pytest.mark.parametrize("family", NEW_FAMILIES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_slot_or_choice_is_left_in_them(family: str, language: Language) -> None:
    rng = Random(5)
    for _ in range(1500):
        for turn in ABOUT_THE_PERSON[family](rng, language, silence):
            assert not re.search(r"[{}|%\[\]]", turn.user + turn.assistant), turn
            assert turn.user.strip()
            assert turn.assistant.strip()


@pytest.mark.parametrize("family", NEW_FAMILIES)
def test_nobody_is_named_who_was_not_told_of(family: str) -> None:
    rng, named, missing = Random(6), 0, 0
    pattern = re.compile(
        r"Your (?:[\w ]+?'s )?name is (.+?)(?:\.|, | and )|你[^，。：]{0,8}?叫(.+?)[。！，]"
    )
    for _ in range(800):
        language = rng.choice(LANGUAGES)
        turns = ABOUT_THE_PERSON[family](rng, language, silence)
        for index, turn in enumerate(turns):
            missing += "还没有告诉我" in turn.assistant or "not told me" in turn.assistant
            for match in pattern.finditer(turn.assistant):
                value = match[1] or match[2]
                named += 1
                assert any(value in told.user for told in turns[: index + 1]), (turn, turns)
    assert named > 100
    assert missing > 50


def test_things_told_by_the_way_are_told() -> None:
    rng = Random(7)
    for language in LANGUAGES:
        for attribute in attributes():
            fact = new_fact(rng, language, attribute)
            turn = tell_aside(rng, language, fact)
            assert fact.value in turn.user
            assert fact.value in turn.assistant


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_yes_is_said_only_to_what_was_told(language: Language) -> None:
    rng, said = Random(9), {"yes": 0, "no": 0}
    frames = read_json("telling_frames")[language]
    for _ in range(4000):
        turns = ABOUT_THE_PERSON["company"](rng, language, silence)
        for index, turn in enumerate(turns):
            for kind in said:
                start = frames[kind].removesuffix("{answer}")
                if turn.assistant.startswith(start):
                    said[kind] += 1
                    value = re.split(r" is |叫", turn.assistant.rstrip(".。"))[-1]
                    assert any(value in told.user for told in turns[:index])
                    assert (value in turn.user) is (kind == "yes")
    assert min(said.values()) > 20


def test_an_age_among_sums_is_not_the_last_result() -> None:
    rng, seen = Random(8), 0
    for _ in range(600):
        turns = results(rng, "en", silence)
        ages = [turn for turn in turns if turn.assistant.startswith("You are ")]
        seen += len(ages)
    assert seen > 20


def test_places_in_an_order_are_spelt_right() -> None:
    wanted = "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 28th 111th 101st"
    numbers = (1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 28, 111, 101)
    assert [ordinal(number) for number in numbers] == wanted.split()
