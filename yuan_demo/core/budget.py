"""What fits, and what is done when it does not; the parts always add up.

    window = kept + reserved + free        kept = history + message

The window is the number of tokens that prompt and answer share. `reserved` is what the answer may
use, and is never spent on the prompt; so a generation that starts cannot run out of context.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from operator import attrgetter
from typing import Literal

from yuan_demo.core.errors import PromptError
from yuan_demo.core.messages import Message, Turn, turns_of
from yuan_demo.core.options import MIN_ANSWER_TOKENS, Policy, PromptOptions
from yuan_demo.core.prompt import Prompt, cut_left, render, tokenize
from yuan_demo.core.tokens import Tokenizer

Fault = Literal["message_too_long", "pinned_too_long", "window_full"]
"""Why a prompt cannot be sent: the newest message alone, or with the turns that must stay, does
not fit; or the policy is to stop."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How the context window is spent, in tokens.

    Attributes:
        window: prompt and answer together may use this many.
        history: of earlier turns that are kept.
        message: of the newest question, with what ends it.
        reserved: kept free for the answer.
        excess: of the prompt beyond what fits; 0 unless it cannot be sent. Then `history` and
            `message` count only the part that fits.
    """

    window: int
    history: int
    message: int
    reserved: int
    excess: int = 0

    @property
    def kept(self) -> int:
        """Tokens of the prompt."""
        return self.history + self.message

    @property
    def free(self) -> int:
        """Tokens that neither the prompt nor the answer will use."""
        return self.window - self.kept - self.reserved


@dataclass(frozen=True, slots=True)
class FittedPrompt:
    """A prompt that fits, what had to go for it, and how the window is spent.

    Attributes:
        prompt: what is sent.
        whole: what would have been sent had there been room for all of it.
        budget: where the window goes.
        options: what was asked for; `budget.reserved` may be less than it asked for.
        turns: all turns of the conversation, oldest first.
        dropped: turns that had to go, oldest first; none of their tokens is sent.
        unwritten: earlier turns that the format does not write at all.
        fault: why it cannot be sent, or None.
    """

    prompt: Prompt
    whole: Prompt
    budget: Budget
    options: PromptOptions
    turns: tuple[Turn, ...] = ()
    dropped: tuple[Turn, ...] = ()
    unwritten: tuple[Turn, ...] = ()
    fault: Fault | None = None

    @property
    def dropped_tokens(self) -> int:
        """Tokens by which the prompt is shorter than the whole."""
        return len(self.whole.tokens) - len(self.prompt.tokens)

    def require_fit(self) -> None:
        """Raises PromptError if this cannot be sent."""
        window, reserved = self.budget.window, self.budget.reserved
        tokens, limit = self.budget.kept + self.budget.excess, window - reserved
        if self.fault == "message_too_long" and tokens + MIN_ANSWER_TOKENS > window:
            # No shorter answer would make room for it.
            raise PromptError(
                "message_beyond_window",
                tokens=tokens,
                limit=limit,
                window=window,
                reserved=reserved,
            )
        if self.fault == "message_too_long":
            raise PromptError(
                "message_too_long", tokens=tokens, limit=limit, window=window, reserved=reserved
            )
        if self.fault == "pinned_too_long":
            raise PromptError(
                "pinned_too_long", tokens=tokens, limit=limit, window=window, reserved=reserved
            )
        if self.fault == "window_full":
            raise PromptError(
                "window_full", tokens=tokens, limit=limit, window=window, reserved=reserved
            )


def tokens_by_turn(prompt: Prompt) -> dict[int, int]:
    """Tokens of every turn, in the order in which the turns come; they add up to the prompt."""
    tokens, counts, start = prompt.tokens, {}, 0
    while start < len(tokens):
        # Turns come in order, so the last token of one is found without looking at all.
        turn = tokens[start].turn
        end = bisect_right(tokens, turn, lo=start, key=attrgetter("turn"))
        counts[turn] = end - start
        start = end
    return counts


def write(
    turns: Sequence[Turn],
    tokenizer: Tokenizer,
    options: PromptOptions,
    *,
    open_question: bool = True,
) -> Prompt:
    """Renders and encodes turns as the options ask, whether or not they fit."""
    segments = render(
        turns,
        open_question=open_question,
        prompt_format=options.format,
        raw=options.raw,
        loading=options.loading,
    )
    return tokenize(segments, tokenizer, options.loading)


def fit(
    messages: Sequence[Message],
    tokenizer: Tokenizer,
    options: PromptOptions,
    *,
    open_question: bool = True,
) -> FittedPrompt:
    """Renders a conversation so that it leaves room for the answer.

    Where turns are dropped, it is the fewest that will do: with one turn more the prompt would be
    too long.

    Args:
        messages: the whole conversation; with `open_question` the last one is the new question.
        tokenizer: encodes it.
        options: how it is written, how much room there is, and what goes when that is too little.
        open_question: see `yuan_demo.core.prompt.render`.
    """
    turns = all_turns = turns_of(messages)
    history = len(turns) - open_question
    unwritten: tuple[Turn, ...] = ()
    if not options.format.layout.writes_turns:
        unwritten, turns, history = turns[:history], turns[history:], 0

    whole = write(turns, tokenizer, options, open_question=open_question)
    question = turns[-1].number if open_question and turns else None
    limit = options.window - options.reserved
    if len(whole.tokens) <= limit or not turns:
        fitted = _fitted(whole, whole, options, question)
    elif options.policy is Policy.STOP:
        fault: Fault = "window_full" if history > 0 else "message_too_long"
        fitted = _fitted(whole, whole, options, question, fault=fault)
    elif options.policy is Policy.LEFT_CUT:
        prompt = cut_left(whole, limit)
        gone = _without(turns, (token.turn for token in prompt.tokens))
        fitted = _fitted(prompt, whole, options, question, gone)
    else:
        fitted = _drop(turns, history, whole, tokenizer, options, question)
    return replace(fitted, options=options, turns=all_turns, unwritten=unwritten)


def _drop(
    turns: tuple[Turn, ...],
    history: int,
    whole: Prompt,
    tokenizer: Tokenizer,
    options: PromptOptions,
    question: int | None,
) -> FittedPrompt:
    """Drops as few of the oldest turns as will do, and shrinks the answer first if asked to."""
    asked = options.reserved
    if options.policy is Policy.SHRINK_ANSWER:
        least = min(options.reserved, MIN_ANSWER_TOKENS)
        spare = max(least, options.window - len(whole.tokens))
        options = replace(options, reserved=spare)
        if len(whole.tokens) + spare <= options.window:
            return _fitted(whole, whole, options, question)
    staying = options.pinned | ({1} if options.policy is Policy.KEEP_FIRST else set())
    droppable = [turn for turn in turns[:history] if turn.number not in staying]
    limit = options.window - options.reserved

    @cache
    def after(dropped: int) -> Prompt:
        if not dropped:
            return whole
        gone = {turn.number for turn in droppable[:dropped]}
        kept = [turn for turn in turns if turn.number not in gone]
        return write(kept, tokenizer, options, open_question=question is not None)

    def fits(dropped: int) -> bool:
        return len(after(dropped).tokens) <= limit

    count = _turns_to_drop(whole, droppable, limit)
    while count < len(droppable) and not fits(count):
        count += 1
    while count > 0 and fits(count) and fits(count - 1):
        count -= 1
    prompt = after(count)
    fault: Fault | None = None
    if len(prompt.tokens) > limit:
        fault = "pinned_too_long" if len(droppable) < history else "message_too_long"
    else:
        # A turn is larger than what was missing: the answer gets the rest back.
        options = replace(options, reserved=min(asked, options.window - len(prompt.tokens)))
    return _fitted(prompt, whole, options, question, tuple(droppable[:count]), fault)


def _turns_to_drop(prompt: Prompt, turns: Sequence[Turn], limit: int) -> int:
    """How many of the oldest `turns` to drop to bring a prompt down to `limit` tokens.

    Reckoned from the tokens of each turn, and so a guess: the pieces at the new beginning may
    merge otherwise, `▁Hello` for `H` and `ello`. `_drop` encodes what it gives and the turn before
    it: three encodings as a rule, however long the conversation is, where dropping turn by turn
    would take as many as there are turns.
    """
    tokens_of_turn = tokens_by_turn(prompt)
    remaining = len(prompt.tokens)
    for number, turn in enumerate(turns):
        if remaining <= limit:
            return number
        remaining -= tokens_of_turn.get(turn.number, 0)
    return len(turns)


def _without(turns: Iterable[Turn], numbers: Iterable[int]) -> tuple[Turn, ...]:
    present = set(numbers)
    return tuple(turn for turn in turns if turn.number not in present)


def _fitted(
    prompt: Prompt,
    whole: Prompt,
    options: PromptOptions,
    question: int | None,
    dropped: tuple[Turn, ...] = (),
    fault: Fault | None = None,
) -> FittedPrompt:
    """Reckons the budget of what was kept."""
    message = tokens_by_turn(prompt).get(question, 0) if question is not None else 0
    history = len(prompt.tokens) - message
    limit = options.window - options.reserved
    excess = max(0, len(prompt.tokens) - limit)
    # What does not fit is taken off the history first: it is what one can do without.
    message = min(message, limit)
    history = min(history, limit - message)
    budget = Budget(options.window, history, message, options.reserved, excess)
    return FittedPrompt(prompt, whole, budget, options, dropped=dropped, fault=fault)
