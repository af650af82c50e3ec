import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from yuan_demo.core.budget import FittedPrompt, fit, tokens_by_turn, write
from yuan_demo.core.control_tokens import CUT_TOKENS
from yuan_demo.core.errors import PromptError
from yuan_demo.core.formats import FORMATS, PromptFormat
from yuan_demo.core.messages import Message, turns_of
from yuan_demo.core.options import MIN_ANSWER_TOKENS, Loading, Policy, PromptOptions
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


@pytest.fixture
def trained_tokenizer(trained_folder: Path) -> Any:
    """One tokenizer is enough for thousands of conversations."""
    from yuan_demo.model.tokenization_yuan import YuanTokenizer

    return YuanTokenizer.from_pretrained(trained_folder)


def conversation(*texts: str) -> tuple[Message, ...]:
    """Questions and answers by turns; an odd number of texts ends in a question."""
    return tuple(
        Message("assistant" if place % 2 else "user", text) for place, text in enumerate(texts)
    )


def whole_prompt(turns: Sequence[Any], tokenizer: Any, open_question: bool) -> Prompt:
    return tokenize(render(turns, open_question=open_question), tokenizer)


def fit_characters(
    *texts: str, window: int, reserved: int = 10, open_question: bool = True, **options: Any
) -> FittedPrompt:
    return fit(
        conversation(*texts),
        CharacterTokenizer(),
        PromptOptions(window, reserved, **options),
        open_question=open_question,
    )


def dropped(fitted: FittedPrompt) -> list[int]:
    return [turn.number for turn in fitted.dropped]


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
    assert caught.value.code == "message_beyond_window"
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


# --- policies, pins and formats -----------------------------------------------------------------

# Three turns of 10 characters with their joins, and a question of 6 with `<sep>`: 36.
THREE_TURNS = ("11", "11", "22", "22", "33", "33", "44444")


def test_stop_sends_nothing_and_says_that_the_window_is_full():
    fitted = fit_characters(*THREE_TURNS, window=45, policy=Policy.STOP)

    assert (fitted.fault, dropped(fitted), fitted.prompt) == ("window_full", [], fitted.whole)
    assert (fitted.budget.excess, fitted.budget.free) == (1, 0)
    with pytest.raises(PromptError) as caught:
        fitted.require_fit()
    assert caught.value.code == "window_full"
    assert caught.value.values == {"tokens": 36, "limit": 35, "window": 45, "reserved": 10}


def test_a_question_too_long_alone_is_not_the_fault_of_a_full_window():
    assert fit_characters("1" * 40, window=40, policy=Policy.STOP).fault == "message_too_long"


def test_the_first_turn_may_be_kept():
    fitted = fit_characters(*THREE_TURNS, window=45, policy=Policy.KEEP_FIRST)

    assert dropped(fitted) == [2]
    assert fitted.prompt.text == "11<n>11<n>33<n>33<n>44444<sep>"
    tighter = fit_characters(*THREE_TURNS, window=20, policy=Policy.KEEP_FIRST)
    assert (dropped(tighter), tighter.fault) == ([2, 3], "pinned_too_long")


def test_a_pinned_turn_is_passed_over():
    fitted = fit_characters(*THREE_TURNS, window=35, pinned=frozenset({1, 3}))

    assert (dropped(fitted), fitted.fault) == ([2], "pinned_too_long")
    with pytest.raises(PromptError) as caught:
        fitted.require_fit()
    assert caught.value.code == "pinned_too_long"
    fitted = fit_characters(*THREE_TURNS, window=35, pinned=frozenset({2, 9}))
    assert (dropped(fitted), fitted.fault) == ([1, 3], None)


def test_an_answer_shrinks_before_a_turn_goes():
    shrink = {"reserved": 30, "policy": Policy.SHRINK_ANSWER}
    fitted = fit_characters(*THREE_TURNS, window=36 + MIN_ANSWER_TOKENS, **shrink)

    assert (dropped(fitted), fitted.budget.reserved, fitted.budget.free) == ([], 16, 0)
    assert fitted.options.reserved == 30


def test_an_answer_gets_back_what_a_dropped_turn_left_over():
    shrink = {"reserved": 30, "policy": Policy.SHRINK_ANSWER}
    fitted = fit_characters(*THREE_TURNS, window=35 + MIN_ANSWER_TOKENS, **shrink)

    assert (dropped(fitted), fitted.budget.reserved, fitted.budget.free) == ([1], 25, 0)


def test_an_answer_that_asks_for_little_is_not_shrunk():
    fitted = fit_characters(*THREE_TURNS, window=45, policy=Policy.SHRINK_ANSWER)

    assert (dropped(fitted), fitted.budget.reserved) == ([1], 10)


def test_a_left_cut_keeps_the_last_tokens_of_the_limit():
    fitted = fit_characters(*THREE_TURNS, window=34, policy=Policy.LEFT_CUT)

    assert fitted.prompt.text == "<n>22<n>33<n>33<n>44444<sep>"
    assert fitted.prompt.input_ids == fitted.whole.input_ids[-24:]
    assert dropped(fitted) == [1]
    assert (fitted.budget.message, fitted.budget.history, fitted.budget.free) == (6, 18, 0)


def test_turns_that_a_format_does_not_write_are_not_dropped():
    fitted = fit_characters(*THREE_TURNS, window=20, format=FORMATS["last_question"])

    assert fitted.prompt.text == "44444<sep>"
    assert [turn.number for turn in fitted.unwritten] == [1, 2, 3]
    assert (dropped(fitted), fitted.budget.history) == ([], 0)


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


NAMES = ["<sep>", "<eod>", "<n>", "</s>", "<s>", "<sep><sep>"]


def salted(rng: random.Random, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """With a control token typed in some messages, and sometimes a greeting before them."""
    greeting = (Message("assistant", "您好！"),) if rng.random() < 0.1 else ()
    return greeting + tuple(
        Message(said.role, rng.choice(NAMES).join((said.content, "b")))
        if rng.random() < 0.2
        else said
        for said in messages
    )


def random_options(rng: random.Random) -> PromptOptions:
    """Any policy, format, pins, raw or safe, any loading; a window from tight to roomy."""
    window = rng.randint(20, 400)
    own = PromptFormat("custom", rng.choice(("{user}|", "", "<eod>{user}{assistant}")), "Q{user}")
    return PromptOptions(
        window,
        rng.randint(1, window - 8),
        format=rng.choice((*FORMATS.values(), own)),
        raw=rng.random() < 0.5,
        loading=rng.choice(list(Loading)),
        policy=rng.choice(list(Policy)),
        pinned=frozenset(rng.sample(range(1, 14), rng.choice((0, 1, 3)))),
    )


def check_prompt(prompt: Prompt, *, is_cut: bool) -> None:
    """Segments rebuild the text, and the tokens cover it."""
    assert "".join(segment.text for segment in prompt.segments) == prompt.text
    assert sum(tokens_by_turn(prompt).values()) == len(prompt.tokens)
    encoded = [token.encoded for token in prompt.tokens]
    spelled = b"".join(raw for _, _, _, _, raw in encoded)
    assert prompt.text.encode().endswith(spelled) if is_cut else spelled == prompt.text.encode()
    ends = [0, *(end for _, _, _, end, _ in encoded)]
    assert ends == sorted(ends)
    assert ends[-1] == len(prompt.text)
    # The next character, or once more the one that several byte tokens spell.
    assert all(
        end - start in (0, 1) for end, (_, _, start, _, _) in zip(ends, encoded, strict=False)
    )


def check_budget(fitted: FittedPrompt, options: PromptOptions) -> None:
    """The parts add up, and nothing that is too long is sent."""
    budget, length = fitted.budget, len(fitted.prompt.tokens)
    assert budget.kept + budget.reserved + budget.free == budget.window == options.window
    assert min(budget.history, budget.message, budget.free, budget.excess, budget.reserved) >= 0
    assert budget.kept + budget.reserved <= budget.window
    assert budget.kept + budget.excess == length
    assert bool(fitted.fault) == bool(budget.excess)
    assert fitted.fault or length + budget.reserved <= options.window
    assert fitted.options == options
    if options.policy is Policy.SHRINK_ANSWER:
        assert min(options.reserved, MIN_ANSWER_TOKENS) <= budget.reserved <= options.reserved
    else:
        assert budget.reserved == options.reserved


def check_turns(fitted: FittedPrompt, turns: Sequence[Any], pinned: set[int]) -> set[int]:
    """What is kept and what is dropped are the whole; pinned turns are kept. Gives the kept."""
    gone = {turn.number for turn in fitted.dropped}
    present, whole = set(tokens_by_turn(fitted.prompt)), set(tokens_by_turn(fitted.whole))
    assert not gone & present
    assert present == whole - gone
    assert not gone & pinned
    unwritten = {turn.number for turn in fitted.unwritten}
    return {turn.number for turn in turns} - gone - unwritten


def test_laws_of_every_policy_format_and_loading(trained_tokenizer: Any, random_conversation: Draw):
    rng = random.Random(13)
    outcomes = set()
    for _ in range(10_000):
        messages, options = salted(rng, random_conversation(rng)), random_options(rng)
        open_question = rng.random() < 0.8
        if not open_question:
            messages = messages[:-1]
        fitted = fit(messages, trained_tokenizer, options, open_question=open_question)
        turns, policy = turns_of(messages), options.policy
        is_cut = policy is Policy.LEFT_CUT and fitted.dropped_tokens > 0

        check_prompt(fitted.prompt, is_cut=is_cut)
        check_budget(fitted, options)
        if is_cut:
            assert fitted.prompt.input_ids == fitted.whole.input_ids[fitted.dropped_tokens :]
            assert len(fitted.prompt.tokens) == options.window - options.reserved
            check_turns(fitted, turns, set())
        else:
            first = {1} if policy is Policy.KEEP_FIRST else set()
            kept = check_turns(fitted, turns, options.pinned | first)
            left = [turn for turn in turns if turn.number in kept]
            again = fitted.whole
            if fitted.dropped:
                again = write(left, trained_tokenizer, options, open_question=open_question)
            assert fitted.prompt == again
        assert not (policy is Policy.STOP and fitted.dropped)
        outcomes.add((policy, bool(fitted.dropped), fitted.fault))

    dropping = {Policy.DROP_OLDEST, Policy.KEEP_FIRST, Policy.SHRINK_ANSWER}
    assert {(policy, True, None) for policy in dropping | {Policy.LEFT_CUT}} <= outcomes
    assert {(policy, True, "pinned_too_long") for policy in dropping} <= outcomes
    assert {(policy, True, "message_too_long") for policy in dropping - {Policy.KEEP_FIRST}} <= (
        outcomes
    )
    assert (Policy.STOP, False, "window_full") in outcomes


def test_no_mode_sends_an_id_that_a_safe_message_could_not(
    trained_tokenizer: Any, random_conversation: Draw
):
    """Safe mode: the control tokens in a prompt are those of the format and the flags."""
    rng = random.Random(14)
    for _ in range(500):
        messages, options = salted(rng, random_conversation(rng)), random_options(rng)
        if options.raw:
            continue
        prompt = fit(messages, trained_tokenizer, options).prompt
        ids = {trained_tokenizer.control_token_id(name) for name in (*CUT_TOKENS, "</s>")}

        acting = [token for token in prompt.tokens if token.token_id in ids]

        assert all(token.origin == "control" for token in acting)


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
