"""What fits: whole turns are dropped from the oldest on, and the parts always add up.

    window = kept + reserved + free        kept = history + message

The window is the number of tokens that prompt and answer share. `reserved` is what the answer may
use, and is never spent on the prompt; so a generation that starts cannot run out of context.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from yuan_demo.core.errors import PromptError
from yuan_demo.core.messages import Message, Turn, turns_of
from yuan_demo.core.prompt import Prompt, render, tokenize
from yuan_demo.core.tokens import Tokenizer


@dataclass(frozen=True, slots=True)
class Budget:
    """How the context window is spent, in tokens.

    Attributes:
        window: prompt and answer together may use this many.
        history: of earlier turns that are kept.
        message: of the newest question, with the `<sep>` that ends it.
        reserved: kept free for the answer.
        excess: of the newest question beyond what fits; 0 unless it alone is too long. Then it
            cannot be sent, and `message` counts only the part that fits.
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
        prompt: the kept turns, encoded.
        budget: where the window goes.
        dropped: turns that are no longer sent, oldest first.
        dropped_tokens: what they would have cost.
    """

    prompt: Prompt
    budget: Budget
    dropped: tuple[Turn, ...] = ()
    dropped_tokens: int = 0

    def require_fit(self) -> None:
        """Raises PromptError if the newest question alone is too long."""
        budget = self.budget
        if budget.excess:
            raise PromptError(
                "message_too_long",
                tokens=budget.message + budget.excess,
                limit=budget.window - budget.reserved,
                window=budget.window,
                reserved=budget.reserved,
            )


def fit(
    messages: Sequence[Message],
    tokenizer: Tokenizer,
    *,
    window: int,
    reserved: int,
    open_question: bool = True,
) -> FittedPrompt:
    """Renders a conversation so that it leaves room for the answer.

    Drops the fewest turns that will do: with one turn more the prompt would be too long.

    Args:
        messages: the whole conversation; with `open_question` the last one is the new question.
        tokenizer: encodes it.
        window: tokens that prompt and answer share.
        reserved: tokens kept for the answer; less than `window`.
        open_question: see `yuan_demo.core.prompt.render`.
    """
    turns = turns_of(messages)
    droppable = len(turns) - open_question
    limit = window - reserved

    @cache
    def after(dropped: int) -> Prompt:
        return tokenize(render(turns[dropped:], open_question=open_question), tokenizer)

    def fits(dropped: int) -> bool:
        return len(after(dropped).tokens) <= limit

    whole = after(0)
    first = _turns_to_drop(whole, turns[:droppable], limit)
    while first < droppable and not fits(first):
        first += 1
    while first > 0 and fits(first) and fits(first - 1):
        first -= 1
    prompt = after(first)

    message = _count(prompt, turns[-1].number) if open_question else 0
    excess = max(0, len(prompt.tokens) - limit)
    history = len(prompt.tokens) - message
    return FittedPrompt(
        prompt,
        Budget(window, history, message - excess, reserved, excess),
        turns[:first],
        len(whole.tokens) - len(prompt.tokens),
    )


def _turns_to_drop(prompt: Prompt, turns: Sequence[Turn], limit: int) -> int:
    """How many of the oldest `turns` to drop to bring a prompt down to `limit` tokens.

    Reckoned from the tokens of each turn, and so a guess: the pieces at the new beginning may
    merge otherwise, `▁Hello` for `H` and `ello`. `fit` encodes what it gives and the turn before
    it: three encodings as a rule, however long the conversation is, where dropping turn by turn
    would take as many as there are turns.
    """
    tokens_of_turn = Counter(token.turn for token in prompt.tokens)
    remaining = len(prompt.tokens)
    for number, turn in enumerate(turns):
        if remaining <= limit:
            return number
        remaining -= tokens_of_turn[turn.number]
    return len(turns)


def _count(prompt: Prompt, turn: int) -> int:
    return sum(token.turn == turn for token in prompt.tokens)
