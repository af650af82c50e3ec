"""From a conversation to the exact tokens that the model reads, each with its origin.

The format is the one that Yuan2's chat demos use: messages joined by the text `<n>`, and `<sep>`
after the last question. `<n>` is ordinary text of three pieces, not a control token.

Text between two control tokens is encoded as one stretch, because SentencePiece merges across the
joins (`1.` + `<n>` begins with the piece `.<`): encoding message by message gives other tokens
than the model was trained on. What people and the model wrote is encoded without reading control
tokens in it, so a typed `<sep>` stays text and cannot end the question.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, groupby
from typing import NamedTuple

from yuan_demo.core.messages import Turn
from yuan_demo.core.tokens import EncodedToken, Tokenizer

JOIN = "<n>"
END_OF_QUESTION = "<sep>"


class Origin(StrEnum):
    """Where a stretch of the prompt, and so a token, comes from."""

    USER = "user"
    ASSISTANT = "assistant"
    JOIN = "join"
    CONTROL = "control"
    ANSWER = "answer"
    """Generated just now, after the prompt."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of the rendered prompt and where it comes from.

    Attributes:
        origin: who or what put it there.
        turn: number of the turn it belongs to; a join belongs to the turn before it.
        text: the characters; for `Origin.CONTROL` the name of one control token.
    """

    origin: Origin
    turn: int
    text: str


class PromptToken(NamedTuple):
    """One token that the model reads or wrote: one row of the panel.

    Attributes:
        position: 0 for the first token of the prompt.
        encoded: id, piece, bytes, and the characters it covers in `Prompt.text`.
        origin: origin of the segment that its first character lies in.
        turn: number of the turn of that segment.
        is_phantom: the `▁` that SentencePiece puts before every stretch; no character stands for
            it in the text.
        crosses: the token also covers characters of the next segment, as `.<` does in `1.<n>`.
    """

    position: int
    encoded: EncodedToken
    origin: Origin
    turn: int
    is_phantom: bool = False
    crosses: bool = False

    @property
    def token_id(self) -> int:
        """Index into the vocabulary."""
        return self.encoded.token_id


@dataclass(frozen=True, slots=True)
class Prompt:
    """Segments in order and the tokens made from them.

    `"".join(segment.text for segment in segments) == text`, and the spans of the tokens cover
    `text` from its first character to its last.
    """

    segments: tuple[Segment, ...]
    text: str
    tokens: tuple[PromptToken, ...]

    @property
    def input_ids(self) -> tuple[int, ...]:
        """What the model gets."""
        return tuple(token.token_id for token in self.tokens)


def render(turns: Sequence[Turn], *, open_question: bool = True) -> tuple[Segment, ...]:
    """Writes turns in the chat format.

    Args:
        turns: the turns to send, oldest first.
        open_question: end with `<sep>`, which asks for an answer. Without it the result is the
            history alone, as it will stand before the next question.
    """
    segments: list[Segment] = []
    for turn in turns:
        for message in turn.messages:
            if segments:
                segments.append(Segment(Origin.JOIN, segments[-1].turn, JOIN))
            segments.append(Segment(Origin(message.role), turn.number, message.content))
    if open_question and turns:
        segments.append(Segment(Origin.CONTROL, turns[-1].number, END_OF_QUESTION))
    return tuple(segments)


def tokenize(segments: Sequence[Segment], tokenizer: Tokenizer) -> Prompt:
    """Encodes rendered segments.

    Raises:
        ValueError: a control segment names a token that this vocabulary does not have.
    """
    tokens: list[PromptToken] = []
    text_length = 0
    for is_control, group in groupby(segments, key=lambda s: s.origin is Origin.CONTROL):
        for stretch in ([segment] for segment in group) if is_control else [list(group)]:
            encode = _control_tokens if is_control else _text_tokens
            tokens.extend(encode(stretch, tokenizer, len(tokens), text_length))
            text_length += sum(len(segment.text) for segment in stretch)
    return Prompt(tuple(segments), "".join(segment.text for segment in segments), tuple(tokens))


def _control_tokens(
    stretch: Sequence[Segment], tokenizer: Tokenizer, position: int, text_start: int
) -> Iterator[PromptToken]:
    (segment,) = stretch
    token_id = tokenizer.control_token_id(segment.text)
    if token_id is None:
        raise ValueError(f"the vocabulary must have the control token {segment.text}, but has not")
    end = text_start + len(segment.text)
    encoded = EncodedToken(token_id, segment.text, text_start, end, segment.text.encode())
    yield PromptToken(position, encoded, segment.origin, segment.turn)


def _text_tokens(
    stretch: Sequence[Segment], tokenizer: Tokenizer, position: int, text_start: int
) -> Iterator[PromptToken]:
    text = "".join(segment.text for segment in stretch)
    # Segments without characters cover no token.
    segments = [segment for segment in stretch if segment.text]
    if not segments:
        return
    ends = accumulate(len(segment.text) for segment in segments)
    remaining = iter(list(zip(segments, ends, strict=True))[1:])
    segment, end = segments[0], len(segments[0].text)
    encoded_tokens = tokenizer.encode_with_offsets(text, parse_control=False)
    for number, token in enumerate(encoded_tokens, start=position):
        while token.start >= end and end < len(text):
            segment, end = next(remaining)
        yield PromptToken(
            number,
            token if text_start == 0 else _shifted(token, text_start),
            segment.origin,
            segment.turn,
            token.start == token.end,
            token.end > end,
        )


def _shifted(token: EncodedToken, by: int) -> EncodedToken:
    return token._replace(start=token.start + by, end=token.end + by)
