"""What the linter reports, and the conversation as it lies in a prompt, which the rules look at."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import Any

from yuan_demo.core.budget import FittedPrompt
from yuan_demo.core.formats import PromptFormat, rewritten
from yuan_demo.core.messages import Message, Turn, turns_of
from yuan_demo.core.options import Policy, PromptOptions
from yuan_demo.core.prompt import Origin, Prompt, PromptToken
from yuan_demo.core.tokens import Tokenizer

MAX_SPANS = 200
"""A finding points at so many places at most."""

Span = tuple[int, int]
"""Positions `[start, end)`, of tokens in a finding, of characters where rules look at a text."""


class Severity(StrEnum):
    """How much a finding matters, the worst first."""

    ERROR = "error"
    """The model does not get what it was trained on."""
    WARNING = "warning"
    """It may well answer worse."""
    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True, slots=True)
class Repair:
    """The conversation and the options as they should be; with them the finding is gone."""

    messages: tuple[Message, ...]
    options: PromptOptions


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a prompt that a person should know.

    Attributes:
        code: key of the sentence, for example `"no_sep"`.
        severity: how much it matters.
        spans: the tokens that it is about, positions `[start, end)` in the prompt, in order; empty
            if it is about none of them.
        values: what the sentence mentions: numbers, short texts, or tuples of ids.
        repair: what makes it go away, or None.
    """

    code: str
    severity: Severity
    spans: tuple[Span, ...]
    values: Mapping[str, Any]
    repair: Repair | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A message and where it stands in the prompt.

    Attributes:
        message: as it was said.
        turn: number of its turn.
        text: as the format sends it.
        start: its first character in `Prompt.text`; negative if a left cut took the beginning.
        is_newest: part of the turn that is to be answered.
    """

    message: Message
    turn: int
    text: str
    start: int
    is_newest: bool


class Sent:
    """A conversation beside the prompt that was made of it.

    Args:
        messages: the whole conversation.
        fitted: the prompt.
        tokenizer: encoded it.
        open_question: the last message is to be answered.
    """

    def __init__(
        self,
        messages: Sequence[Message],
        fitted: FittedPrompt,
        tokenizer: Tokenizer,
        *,
        open_question: bool,
    ) -> None:
        self.messages = tuple(messages)
        self.fitted = fitted
        self.prompt: Prompt = fitted.prompt
        self.tokens: tuple[PromptToken, ...] = fitted.prompt.tokens
        self.options: PromptOptions = fitted.options
        self.format: PromptFormat = fitted.options.format
        self.tokenizer = tokenizer
        self.turns = turns_of(messages)
        self.question = self.turns[-1].number if open_question and self.turns else None
        whole = fitted.whole if self.is_cut else fitted.prompt
        self.cut_characters = len(whole.text) - len(self.prompt.text)
        self.places = tuple(self._places(whole))

    @property
    def is_cut(self) -> bool:
        """Whether the prompt is the whole one less tokens at its beginning."""
        is_shorter = len(self.tokens) < len(self.fitted.whole.tokens)
        return self.options.policy is Policy.LEFT_CUT and is_shorter

    def _places(self, whole: Prompt) -> Iterator[Place]:
        """The messages whose text, or a part of it, is in the prompt."""
        starts: list[int] = []
        position = -self.cut_characters
        for segment in whole.segments:
            if segment.origin in (Origin.USER, Origin.ASSISTANT) or segment.is_typed:
                starts.append(position)
            position += len(segment.text)
        number = 0
        for turn, message in self._written():
            is_newest = turn.number == self.question
            text = rewritten(
                message.content,
                self.format.rewrite,
                is_question=message.role == "user",
                is_newest=is_newest,
            )
            start = starts[number]
            # Raw mode makes several segments of a message; an empty one is a segment as well.
            number = max(number + 1, bisect_left(starts, start + len(text), number))
            if start + len(text) > 0:
                yield Place(message, turn.number, text, start, is_newest)

    def _written(self) -> Iterator[tuple[Turn, Message]]:
        """What the format writes of the turns that were not dropped."""
        gone = {turn.number for turn in self.fitted.unwritten}
        if not self.is_cut:
            gone |= {turn.number for turn in self.fitted.dropped}
        for turn in self.turns:
            if turn.number in gone:
                continue
            for message in turn.messages:
                is_question = message.role == "user" or turn.number == self.question
                if is_question or self.format.layout.writes_answers:
                    yield turn, message

    def span(self, start: int, end: int) -> Span | None:
        """The tokens that cover these characters of the prompt; None if there are none."""
        first = bisect_right(self.tokens, max(start, 0), key=lambda token: token.encoded.end)
        past = bisect_left(self.tokens, end, key=lambda token: token.encoded.start)
        return (first, past) if first < past else None

    def spans(self, stretches: Iterable[Span]) -> tuple[Span, ...]:
        """The same for several stretches in order, for the first of them only if there are many."""
        found = (self.span(start, end) for start, end in stretches)
        return joined(islice(filter(None, found), MAX_SPANS))

    def spans_of_turns(self, numbers: Iterable[int]) -> tuple[Span, ...]:
        """The tokens of turns, in order; of turns that are not in the prompt there are none."""
        found: list[Span] = []
        for number in numbers:
            first = bisect_left(self.tokens, number, key=lambda token: token.turn)
            past = bisect_right(self.tokens, number, key=lambda token: token.turn)
            if first < past:
                found.append((first, past))
        return joined(found[:MAX_SPANS])

    def with_options(self, **changes: Any) -> Repair:
        """The same conversation with other options."""
        return Repair(self.messages, replace(self.options, **changes))

    def with_texts(self, mend: Callable[[str], str]) -> Repair:
        """Every message mended: those that are not sent today may be sent when others shrink."""
        mended = (Message(said.role, mend(said.content)) for said in self.messages)
        return Repair(tuple(mended), self.options)

    def with_newest_text(self, text: str) -> Repair:
        """The last message with another text."""
        newest = Message(self.messages[-1].role, text)
        return Repair((*self.messages[:-1], newest), self.options)

    def without_turns(self, numbers: Collection[int]) -> Repair:
        """The conversation without these turns. The pins stay at the turns that they were put at,
        whose numbers change."""
        left = [turn for turn in self.turns if turn.number not in numbers]
        pinned = frozenset(
            place for place, turn in enumerate(left, 1) if turn.number in self.options.pinned
        )
        messages = tuple(message for turn in left for message in turn.messages)
        return Repair(messages, replace(self.options, pinned=pinned))


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans in order, those that touch or overlap as one."""
    result: list[Span] = []
    for start, end in spans:
        if result and start <= result[-1][1]:
            result[-1] = result[-1][0], max(end, result[-1][1])
        else:
            result.append((start, end))
    return tuple(result)


def short(text: str, limit: int = 24) -> str:
    """The beginning of a text, for a sentence."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
