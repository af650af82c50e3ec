"""A prompt without a part is the prompt that somebody would have got without it."""

from dataclasses import replace
from typing import Any

import pytest

from yuan_demo.core.budget import FittedPrompt, fit, write
from yuan_demo.core.formats import FORMATS
from yuan_demo.core.messages import Message
from yuan_demo.core.options import Policy, PromptOptions
from yuan_demo.core.parts import parts_of, words_of
from yuan_demo.core.removal import ids_without

OPTIONS = PromptOptions(window=4096, reserved=16)
SAID = [
    Message("user", "我叫小明，住在北京。"),
    Message("assistant", "您好！ 小明。"),
    Message("user", "My name is Ada. I like tea.\nAnd cake"),
    Message("assistant", "Okay, Ada."),
    Message("user", "What is my name? Tell me."),
]


def sent(messages: list[Message], tokenizer: Any, options: PromptOptions) -> tuple[int, ...]:
    return fit(messages, tokenizer, options).prompt.input_ids


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "last_question"])
def test_a_turn_a_message_a_sentence_as_taken_out_by_hand(name: str, tokenizer: Any):
    options = replace(OPTIONS, format=FORMATS[name])
    fitted = fit(SAID, tokenizer, options)
    first, second, _ = parts_of(fitted)

    def left(*parts: Any) -> tuple[int, ...]:
        return ids_without(fitted, parts, tokenizer)

    assert left(first) == sent(SAID[2:], tokenizer, options)
    assert left(first, second) == sent(SAID[4:], tokenizer, options)
    assert left(second) == sent([*SAID[:2], SAID[4]], tokenizer, options)
    assert left(second.parts[1]) == sent([*SAID[:3], SAID[4]], tokenizer, options)
    for sentence, rest in zip(
        second.parts[0].parts,
        ["I like tea.\nAnd cake", "My name is Ada. And cake", "My name is Ada. I like tea."],
        strict=True,
    ):
        by_hand = [*SAID[:2], Message("user", rest), *SAID[3:]]
        assert left(sentence) == sent(by_hand, tokenizer, options)


def test_the_newest_question_is_emptied_and_its_frame_stays(tokenizer: Any):
    fitted = fit(SAID, tokenizer, OPTIONS)
    last = parts_of(fitted)[-1]

    by_hand = sent([*SAID[:4], Message("user", "")], tokenizer, OPTIONS)
    assert ids_without(fitted, [last], tokenizer) == by_hand
    by_hand = sent([*SAID[:4], Message("user", "Tell me.")], tokenizer, OPTIONS)
    assert ids_without(fitted, [last.parts[0]], tokenizer) == by_hand


def test_a_question_without_its_answer_and_an_answer_without_its_question(tokenizer: Any):
    fitted = fit(SAID, tokenizer, OPTIONS)
    question, answer = parts_of(fitted)[1].parts

    # Nothing but the answer is left of the turn, which does not run into the one before it.
    alone = ids_without(fitted, [question], tokenizer)
    assert alone == sent([*SAID[:2], *SAID[3:]], tokenizer, OPTIONS)
    assert ids_without(fitted, [question, answer], tokenizer) == ids_without(
        fitted, [parts_of(fitted)[1]], tokenizer
    )


def test_words_are_taken_out_of_the_ids(tokenizer: Any):
    fitted = fit(SAID, tokenizer, OPTIONS)
    found = words_of(fitted, parts_of(fitted)[1].parts[0].parts[0])
    ids = list(fitted.prompt.input_ids)

    assert len(found) == 4
    start, end = found[1].tokens[0], found[2].tokens[1]
    assert list(ids_without(fitted, found[1:3], tokenizer)) == ids[:start] + ids[end:]


def long_prompt(tokenizer: Any, policy: Policy) -> FittedPrompt:
    said = [Message(("user", "assistant")[n % 2], f"Word {n}. " * 6) for n in range(9)]
    return fit(said, tokenizer, replace(OPTIONS, window=180, reserved=20, policy=policy))


def test_room_that_is_won_brings_no_dropped_turn_back(tokenizer: Any):
    fitted = long_prompt(tokenizer, Policy.DROP_OLDEST)
    kept = [turn for turn in fitted.turns if turn not in fitted.dropped]
    assert len(kept) > 1
    part = parts_of(fitted)[0]

    by_hand = write(kept[1:], tokenizer, fitted.options).input_ids
    assert ids_without(fitted, [part], tokenizer) == by_hand


def test_a_prompt_cut_in_its_middle_stays_cut_at_the_same_token(tokenizer: Any):
    fitted = long_prompt(tokenizer, Policy.LEFT_CUT)
    first, second, *_ = parts_of(fitted)
    ids = fitted.prompt.input_ids

    left = ids_without(fitted, [second], tokenizer)
    assert left[: first.tokens[1] - 1] == ids[: first.tokens[1] - 1]
    assert len(left) < len(ids)
    turns = [turn for turn in fitted.turns if turn.number > first.turn]
    assert (
        ids_without(fitted, [first], tokenizer) == write(turns, tokenizer, fitted.options).input_ids
    )
