import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from yuan_demo.core.budget import FittedPrompt, fit
from yuan_demo.core.errors import PromptError
from yuan_demo.core.messages import Message, turns_of
from yuan_demo.core.options import PromptOptions
from yuan_demo.core.prompt import Prompt, render, tokenize
from yuan_demo.core.tokens import EncodedToken

Draw = Callable[[random.Random], tuple[Message, ...]]
CONVERSATIONS = 1000


class CharacterTokenizer:
    """One token per character, one for `<sep>`: what fits can be counted by eye."""

    def encode_with_offsets(self, text: str, *, parse_control: bool = True) -> list[EncodedToken]:
        return [
            EncodedToken(ord(character), character, index, index + 1, character.encode())
            for index, character in enumerate(text)
        ]

    def control_token_id(self, token: str) -> int | None:
        return 1


class CountingTokenizer:
    """Passes everything on and counts how often a conversation is encoded."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.encodings = 0

    def encode_with_offsets(self, text: str, *, parse_control: bool = True) -> Sequence[Any]:
        self.encodings += 1
        return self._tokenizer.encode_with_offsets(text, parse_control=parse_control)

    def control_token_id(self, token: str) -> int | None:
        return self._tokenizer.control_token_id(token)


def conversation(*texts: str) -> tuple[Message, ...]:
    """Questions and answers by turns; an odd number of texts ends in a question."""
    return tuple(
        Message("assistant" if place % 2 else "user", text) for place, text in enumerate(texts)
    )


def whole_prompt(turns: Sequence[Any], tokenizer: Any, open_question: bool) -> Prompt:
    return tokenize(render(turns, open_question=open_question), tokenizer)


def fit_characters(
    *texts: str, window: int, reserved: int = 10, open_question: bool = True
) -> FittedPrompt:
    return fit(
        conversation(*texts),
        CharacterTokenizer(),
        PromptOptions(window, reserved),
        open_question=open_question,
    )


# Turn 1 with its two joins is 2 + 3 + 4 + 3 = 12 characters, the question and `<sep>` 6.
TWO_TURNS = ("11", "2222", "33333")


def test_the_parts_are_named_and_add_up():
    budget = fit_characters(*TWO_TURNS, window=50).budget

    assert (budget.history, budget.message, budget.reserved, budget.free) == (12, 6, 10, 22)
    assert (budget.kept, budget.excess) == (18, 0)


def test_what_fits_to_the_last_token_is_kept_and_one_less_drops_a_turn():
    assert not fit_characters(*TWO_TURNS, window=28).dropped

    fitted = fit_characters(*TWO_TURNS, window=27)

    assert [turn.number for turn in fitted.dropped] == [1]
    assert fitted.dropped_tokens == 12
    assert fitted.prompt.text == "33333<sep>"
    assert (fitted.budget.history, fitted.budget.message, fitted.budget.free) == (0, 6, 11)


def test_turns_go_whole_and_the_oldest_first():
    # Turns of 12 and 10 before a question of 6: 22 - 10 = 12 is room for neither of them.
    texts = ("11", "2222", "3", "444", "55555")

    assert [t.number for t in fit_characters(*texts, window=37).dropped] == [1]
    assert [t.number for t in fit_characters(*texts, window=26).dropped] == [1]
    assert [t.number for t in fit_characters(*texts, window=25).dropped] == [1, 2]


def test_a_small_old_turn_goes_before_a_large_newer_one():
    fitted = fit_characters("1", "1", "2" * 20, "2" * 20, "3", window=65)

    assert [turn.number for turn in fitted.dropped] == [1]


def test_an_unanswered_question_counts_as_history():
    messages = (Message("user", "11"), Message("user", "222"))

    budget = fit(messages, CharacterTokenizer(), PromptOptions(50, 10)).budget

    assert (budget.history, budget.message) == (5, 4)


def test_a_question_that_is_too_long_alone_is_kept_and_refused():
    fitted = fit_characters("11", "22", "3" * 30, window=30)

    assert [turn.number for turn in fitted.dropped] == [1]
    assert (fitted.budget.message, fitted.budget.excess, fitted.budget.free) == (20, 11, 0)
    with pytest.raises(PromptError) as caught:
        fitted.require_fit()
    assert caught.value.code == "message_too_long"
    assert caught.value.values == {"tokens": 31, "limit": 20, "window": 30, "reserved": 10}


def test_a_question_that_just_fits_is_not_refused():
    fit_characters("3" * 19, window=30).require_fit()


def test_a_history_alone_may_go_altogether():
    fitted = fit_characters("1" * 30, "2", window=30, open_question=False)

    assert [turn.number for turn in fitted.dropped] == [1]
    assert fitted.prompt.tokens == ()
    assert (fitted.budget.history, fitted.budget.message, fitted.budget.free) == (0, 0, 20)


def test_an_empty_conversation_leaves_the_window_free():
    fitted = fit_characters(window=30, open_question=False)

    assert (fitted.budget.kept, fitted.budget.free, fitted.dropped) == (0, 20, ())


def test_a_guess_that_drops_one_turn_too_many_is_corrected():
    # After a join `Hello` is two pieces, at the beginning one: reckoned 3 + 2, and really 3 + 1.
    class Merging(CharacterTokenizer):
        def encode_with_offsets(self, text: str, *, parse_control: bool = True) -> list:
            tokens = super().encode_with_offsets(text)
            return [EncodedToken(2, text[:2], 0, 2, b""), *tokens[2:]] if tokens else []

    messages = conversation("11", "2", "33", "4", "5")
    turns = turns_of(messages)
    size = len(whole_prompt(turns[1:], Merging(), True).tokens)

    fitted = fit(messages, Merging(), PromptOptions(size + 10, 10))

    assert [turn.number for turn in fitted.dropped] == [1]


# --- laws, over random conversations ------------------------------------------------------------


def random_cases(tokenizer: Any, random_conversation: Draw) -> Iterator[tuple]:
    """(messages, open_question, what `fit` made of them) for windows from tight to roomy."""
    rng = random.Random(11)
    for _ in range(CONVERSATIONS):
        messages, open_question = random_conversation(rng), rng.random() < 0.8
        if not open_question:
            messages = messages[:-1]
        window = rng.randint(16, 400)
        fitted = fit(
            messages,
            tokenizer,
            PromptOptions(window, rng.randint(1, window - 8)),
            open_question=open_question,
        )
        yield messages, open_question, fitted


def test_laws_of_the_budget(tokenizer: Any, random_conversation: Draw):
    outcomes = set()
    for messages, open_question, fitted in random_cases(tokenizer, random_conversation):
        budget, prompt, turns = fitted.budget, fitted.prompt, turns_of(messages)

        # Parts sum to the window, none is negative, and the prompt leaves the answer its room.
        assert budget.history + budget.message + budget.reserved + budget.free == budget.window
        assert min(budget.history, budget.message, budget.free, budget.excess) >= 0
        assert budget.kept + budget.excess == len(prompt.tokens)
        assert budget.kept + budget.reserved <= budget.window

        # What is left out are the oldest turns, whole.
        dropped = len(fitted.dropped)
        assert fitted.dropped == turns[:dropped]
        assert prompt == whole_prompt(turns[dropped:], tokenizer, open_question)

        # No turn is dropped that would have fitted, and no question is.
        limit = budget.window - budget.reserved
        if dropped:
            fuller = whole_prompt(turns[dropped - 1 :], tokenizer, open_question)
            assert len(fuller.tokens) > limit
        assert len(turns) - dropped >= open_question
        assert bool(budget.excess) == (len(prompt.tokens) > limit)
        assert not (budget.excess and budget.history)

        # The message is the tokens of the newest turn.
        newest = [token for token in prompt.tokens if token.turn == len(turns)]
        assert budget.message + budget.excess == len(newest) * open_question
        outcomes.add((bool(dropped), bool(budget.excess)))

    # The random windows reach every outcome.
    assert outcomes == {(False, False), (True, False), (True, True), (False, True)}


def test_long_conversations_are_encoded_three_times_at_most(
    tokenizer: Any, random_text: Callable[[random.Random], str]
):
    rng = random.Random(12)
    for turns in (10, 40, 160):
        texts = ["".join(random_text(rng) for _ in range(4)) for _ in range(2 * turns + 1)]
        counting = CountingTokenizer(tokenizer)

        fitted = fit(conversation(*texts), counting, PromptOptions(600, 100))

        assert fitted.dropped
        assert counting.encodings <= 3


def test_a_conversation_that_fits_is_encoded_once(tokenizer: Any):
    counting = CountingTokenizer(tokenizer)

    fit(conversation("你好", "您好", "再见"), counting, PromptOptions(600, 100))

    assert counting.encodings == 1
