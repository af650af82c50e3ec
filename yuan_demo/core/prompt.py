"""From a conversation to the exact tokens that the model reads, each with its origin.

Text between two control tokens is encoded as one stretch, because SentencePiece merges across the
joins (`1.` + `<n>` begins with the piece `.<`): encoding message by message gives other tokens
than the model was trained on. What people and the model wrote is encoded without reading control
tokens in it, so a typed `<sep>` stays text and cannot end the question, unless `raw` is asked for.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

from yuan_demo.core.control_tokens import BOS_TOKEN, CUT_TOKENS
from yuan_demo.core.formats import N_JOIN, PromptFormat, literal_parts, rewritten
from yuan_demo.core.messages import Message, Turn
from yuan_demo.core.options import EOS_TOKEN, Loading
from yuan_demo.core.tokens import EncodedToken, Tokenizer

END_OF_QUESTION = "<sep>"


class Origin(StrEnum):
    """Where a stretch of the prompt, and so a token, comes from."""

    USER = "user"
    ASSISTANT = "assistant"
    JOIN = "join"
    """Text that the format puts between the messages: `<n>`, a line break, `User: `."""
    CONTROL = "control"
    """A control token: of the format, of the tokenizer's flags, or typed and acting (raw)."""
    ANSWER = "answer"
    """Generated just now, after the prompt."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of the rendered prompt and where it comes from.

    Attributes:
        origin: who or what put it there.
        turn: number of the turn it belongs to; a join belongs to the turn before it.
        text: the characters; for `Origin.CONTROL` the name of one control token.
        is_typed: a control token that somebody wrote and that acts, as raw mode lets it.
    """

    origin: Origin
    turn: int
    text: str
    is_typed: bool = False


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
        return tuple(token.encoded.token_id for token in self.tokens)


def render(
    turns: Sequence[Turn],
    *,
    open_question: bool = True,
    prompt_format: PromptFormat = N_JOIN,
    raw: bool = False,
    loading: Loading = Loading.EXACT,
) -> tuple[Segment, ...]:
    """Writes turns down in a format.

    Args:
        turns: the turns to send, oldest first.
        open_question: the last turn is a question to be answered. Without it the result is the
            history alone, as it will stand before the next question.
        prompt_format: the templates.
        raw: control tokens in messages become control segments.
        loading: what the tokenizer puts around the prompt by itself.
    """
    segments: list[Segment] = []
    history = turns[:-1] if open_question else turns
    if prompt_format.layout.writes_turns:
        for turn in history:
            is_last = not open_question and turn is history[-1]
            segments += _turn_segments(turn, prompt_format, raw, loading, is_last=is_last)
    if open_question and turns:
        segments += _question_segments(turns[-1], prompt_format, raw, loading)
    if segments and not loading.has_flags:
        segments.insert(0, Segment(Origin.CONTROL, segments[0].turn, BOS_TOKEN))
        if open_question:
            segments.append(Segment(Origin.CONTROL, segments[-1].turn, EOS_TOKEN))
    return tuple(segments)


def _turn_segments(
    turn: Turn, prompt_format: PromptFormat, raw: bool, loading: Loading, *, is_last: bool
) -> Iterator[Segment]:
    """An earlier turn. What joins a message that is not there is left out with it."""
    layout = prompt_format.layout
    written = [said for said in turn.messages if said.role == "user" or layout.writes_answers]
    for place, message in enumerate(written):
        if message.role == "user":
            yield from _literal(layout.before_user, turn.number)
        elif place == 1 and written[0].role == "user":
            yield from _literal(layout.between, turn.number)
        elif place:
            yield from _literal(layout.after, turn.number)
        yield from _message_segments(message, turn.number, prompt_format, raw, loading)
    if written and not is_last:
        yield from _literal(layout.after, turn.number)


def _question_segments(
    turn: Turn, prompt_format: PromptFormat, raw: bool, loading: Loading
) -> Iterator[Segment]:
    layout = prompt_format.layout
    yield from _literal(layout.before_question, turn.number)
    for place, message in enumerate(turn.messages):
        yield from _literal(layout.between if place else "", turn.number)
        yield from _message_segments(
            message, turn.number, prompt_format, raw, loading, is_newest=True
        )
    yield from _literal(layout.after_question, turn.number)


def _literal(text: str, turn: int) -> Iterator[Segment]:
    for part in literal_parts(text):
        yield Segment(Origin.CONTROL if part in CUT_TOKENS else Origin.JOIN, turn, part)


def _message_segments(
    message: Message,
    turn: int,
    prompt_format: PromptFormat,
    raw: bool,
    loading: Loading,
    *,
    is_newest: bool = False,
) -> Iterator[Segment]:
    origin = Origin(message.role)
    is_question = origin is Origin.USER
    text = rewritten(
        message.content, prompt_format.rewrite, is_question=is_question, is_newest=is_newest
    )
    acting = loading.acting_tokens
    if not raw or "<" not in text:
        yield Segment(origin, turn, text)
        return
    for part in re.split(f"({'|'.join(map(re.escape, sorted(acting)))})", text):
        if part in acting:
            yield Segment(Origin.CONTROL, turn, part, is_typed=True)
        elif part:
            yield Segment(origin, turn, part)


def tokenize(
    segments: Sequence[Segment], tokenizer: Tokenizer, loading: Loading = Loading.EXACT
) -> Prompt:
    """Encodes rendered segments.

    Raises:
        ValueError: a control segment names a token that this vocabulary does not have.
    """
    idle = loading.idle_tokens
    tokens: list[PromptToken] = []
    text_length = 0

    def acts(segment: Segment) -> bool:
        return segment.origin is Origin.CONTROL and segment.text not in idle

    for is_control, group in groupby(segments, key=acts):
        stretch = list(group)
        if is_control:
            tokens += _control_tokens(stretch, tokenizer, len(tokens), text_length)
        else:
            tokens += _text_tokens(stretch, tokenizer, len(tokens), text_length)
        text_length += sum(len(segment.text) for segment in stretch)
    return Prompt(tuple(segments), "".join(segment.text for segment in segments), tuple(tokens))


def _control_tokens(
    stretch: Iterable[Segment], tokenizer: Tokenizer, position: int, text_start: int
) -> Iterator[PromptToken]:
    for number, segment in enumerate(stretch, start=position):
        token_id = tokenizer.control_token_id(segment.text)
        if token_id is None:
            raise ValueError(
                f"the vocabulary must have the control token {segment.text}, but has not"
            )
        end = text_start + len(segment.text)
        encoded = EncodedToken(token_id, segment.text, text_start, end, segment.text.encode())
        yield PromptToken(number, encoded, segment.origin, segment.turn)
        text_start = end


def _text_tokens(
    stretch: Sequence[Segment], tokenizer: Tokenizer, position: int, text_start: int
) -> list[PromptToken]:
    text = "".join(segment.text for segment in stretch)
    if not text:
        return []
    encoded = tokenizer.encode_with_offsets(text, parse_control=False)
    if text_start:
        encoded = [
            EncodedToken(token_id, piece, start + text_start, end + text_start, raw)
            for token_id, piece, start, end, raw in encoded
        ]
    starts = [token.start for token in encoded]
    tokens: list[PromptToken] = []
    end = text_start
    for segment in stretch:
        end += len(segment.text)
        first, past = len(tokens), bisect_left(starts, end, len(tokens))
        origin, turn = segment.origin, segment.turn
        # One comprehension for each segment: a keystroke makes thousands of rows.
        tokens += [
            PromptToken(number, token, origin, turn)
            for number, token in enumerate(encoded[first:past], start=position + first)
        ]
        if past > first and encoded[past - 1].end > end:
            tokens[-1] = tokens[-1]._replace(crosses=True)
    if encoded[0].start == encoded[0].end:
        tokens[0] = tokens[0]._replace(is_phantom=True)
    return tokens


def cut_left(prompt: Prompt, keep: int) -> Prompt:
    """The last `keep` tokens of a prompt, as `input_ids[-keep:]` leaves them.

    A character whose first byte tokens are cut away stays in the text whole.
    """
    if keep >= len(prompt.tokens):
        return prompt
    tokens = prompt.tokens[len(prompt.tokens) - keep :]
    start = tokens[0].encoded.start if tokens else len(prompt.text)
    segments: list[Segment] = []
    position = 0
    for segment in prompt.segments:
        end = position + len(segment.text)
        if end > start:
            part = segment.text[max(0, start - position) :]
            segments.append(Segment(segment.origin, segment.turn, part, segment.is_typed))
        position = end
    return Prompt(
        tuple(segments),
        prompt.text[start:],
        tuple(
            token._replace(position=position, encoded=_shifted(token.encoded, -start))
            for position, token in enumerate(tokens)
        ),
    )


def _shifted(token: EncodedToken, by: int) -> EncodedToken:
    return token._replace(start=token.start + by, end=token.end + by)
