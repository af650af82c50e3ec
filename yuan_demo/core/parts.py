"""The parts of a prompt whose share in an answer can be asked for, from turns down to words.

Words are those of the script: between blanks in a Latin text, the pieces of the tokenizer in a
Chinese one, whose pieces mostly are words. A `▁` alone is nobody's word.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Literal

from yuan_demo.core.budget import FittedPrompt
from yuan_demo.core.formats import rewritten
from yuan_demo.core.messages import Role, Turn
from yuan_demo.core.options import Policy
from yuan_demo.core.prompt import Origin, Prompt, PromptToken

Range = tuple[int, int]
"""First, and one past the last."""

# A Chinese comma ends a clause that is a thought of its own, an English one does not. A full stop
# inside of 3.14 is followed by no blank.
_SENTENCE_END = re.compile(
    r"(?:[。！？；，]+[”’」』）》】]*|[.!?;]+[\"'”’)\]]*(?=\s|$))[^\S\r\n]*[\r\n]*|[\r\n]+"
)
_SAID = (Origin.USER, Origin.ASSISTANT)
_LIST_NUMBER = re.compile(r"\s*\d+[.)]\s*")
# Han and kana, their punctuation, full-width forms: scripts that put no blanks between words.
_UNSPACED = re.compile(
    "[\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the prompt that could be missing.

    Attributes:
        kind: what it is; words are parts of the tokens sent, all others of what was said.
        turn: number of its turn.
        text: as it was said, a word as it was sent.
        tokens: its tokens in the prompt; without what joins it to others, but for a turn.
        message: place of its message in the turn; None for a turn of several.
        role: who said it; None for a turn of several messages.
        span: characters of the message, for a sentence.
        parts: what it falls into; empty where words come next.
    """

    kind: Literal["turn", "message", "sentence", "word"]
    turn: int
    text: str
    tokens: Range
    message: int | None = None
    role: Role | None = None
    span: Range | None = None
    parts: tuple["Part", ...] = ()


def sentences(text: str) -> list[str]:
    """Cuts a text behind `。！？；，`, behind `.!?;` before a blank, and at line breaks.

    The pieces joined are the text. A piece without a letter or digit stays with the one before it,
    the number of a list with the one after it.
    """
    edges = [0, *(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]
    pieces: list[str] = []
    for start, end in pairwise(edges):
        piece = text[start:end]
        if pieces and (not re.search(r"\w", piece) or _LIST_NUMBER.fullmatch(pieces[-1])):
            pieces[-1] += piece
        elif piece:
            pieces.append(piece)
    if len(pieces) > 1 and not re.search(r"\w", pieces[0]):
        pieces[:2] = ["".join(pieces[:2])]
    return pieces


def words(tokens: Sequence[PromptToken], text: str) -> list[Range]:
    """Groups consecutive tokens to words; every token is in one.

    Args:
        tokens: some of a prompt's.
        text: `Prompt.text`, which their spans refer to.

    Returns:
        Places in `tokens`.
    """
    firsts = [place for place in range(len(tokens)) if _begins_word(tokens, place, text)]
    if len(firsts) > 1 and not spelled(tokens[firsts[-1] :], text).strip():
        # A blank behind the last word, which the next one would begin with.
        firsts.pop()
    return list(pairwise([*firsts, len(tokens)]))


def _begins_word(tokens: Sequence[PromptToken], place: int, text: str) -> bool:
    if place == 0:
        return True
    start, end = tokens[place].encoded.start, tokens[place].encoded.end
    before = text[tokens[place - 1].encoded.start : tokens[place - 1].encoded.end]
    if tokens[place - 1].is_phantom or not before.strip():
        # What is only blank begins the word behind it, as `▁` does within a piece.
        return "\n" in before
    # Byte tokens of one character cover the same one.
    if start < tokens[place - 1].encoded.end:
        return False
    own = text[start:end]
    if tokens[place].origin is Origin.CONTROL or tokens[place - 1].origin is Origin.CONTROL:
        return True
    return (
        own[:1].isspace()
        or before[-1:].isspace()
        or bool(_UNSPACED.match(own) or _UNSPACED.match(before[-1:]))
    )


def parts_of(fitted: FittedPrompt) -> tuple[Part, ...]:
    """The turns of a prompt that was sent, oldest first, down to their sentences.

    A level with one part only is left out: a turn of one message falls into its sentences, a
    message of one sentence into words. What was dropped or is not written is no part.
    """
    prompt = fitted.prompt
    spans = _message_spans(fitted)
    edges = _Edges(prompt)
    parts = []
    for turn in kept_turns(fitted):
        messages = [
            _message_part(turn, place, spans[turn.number, place], edges)
            for place in range(len(turn.messages))
            if (turn.number, place) in spans
        ]
        parts.append(_turn_part(turn, messages, prompt, is_cut=turn.number == cut_turn(fitted)))
    return tuple(parts)


def words_of(fitted: FittedPrompt, part: Part) -> tuple[Part, ...]:
    """The words of a part: tokens of the prompt as it was sent, without what joins messages."""
    start, end = part.tokens
    tokens, text = fitted.prompt.tokens, fitted.prompt.text
    found = ((start + first, start + past) for first, past in words(tokens[start:end], text))
    return tuple(
        Part("word", part.turn, spelled(tokens[first:past], text), (first, past))
        for first, past in found
        if tokens[first].origin in _SAID or tokens[first].crosses
    )


def spelled(tokens: Sequence[PromptToken], text: str) -> str:
    """The characters of `Prompt.text` that some consecutive tokens cover."""
    return text[tokens[0].encoded.start : tokens[-1].encoded.end]


def kept_turns(fitted: FittedPrompt) -> tuple[Turn, ...]:
    """The turns of which anything was sent."""
    gone = {turn.number for turn in (*fitted.dropped, *fitted.unwritten)}
    return tuple(turn for turn in fitted.turns if turn.number not in gone)


def cut_turn(fitted: FittedPrompt) -> int | None:
    """Number of the turn in whose middle the prompt was cut, if it was."""
    is_cut = fitted.options.policy is Policy.LEFT_CUT and fitted.dropped_tokens > 0
    return fitted.prompt.tokens[0].turn if is_cut and fitted.prompt.tokens else None


def _turn_part(turn: Turn, messages: Sequence[Part], prompt: Prompt, *, is_cut: bool) -> Part:
    places = [place for place, token in enumerate(prompt.tokens) if token.turn == turn.number]
    tokens = (places[0], places[-1] + 1) if places else (0, 0)
    text = next((said.content for said in turn.messages), "")
    whole = Part("turn", turn.number, text, tokens)
    if len(messages) == 1 or is_cut:
        # Sentences of which some are cut away cannot be taken out one by one.
        parts = () if is_cut else messages[0].parts
        role = messages[0].role if len(messages) == 1 else None
        return replace(whole, role=role, parts=parts)
    return replace(whole, parts=tuple(messages))


class _Edges:
    """Between which tokens of a prompt a stretch of its text begins and ends.

    A token belongs to where its first character does, but where a blank stands in front of a word
    in one token, the word counts.
    """

    def __init__(self, prompt: Prompt) -> None:
        spans = [(token.encoded.start, token.encoded.end) for token in prompt.tokens]
        self._starts = [start for start, _ in spans]
        self._words = [
            start + (end - start > 1 and prompt.text[start] == " ") for start, end in spans
        ]

    def before(self, position: int) -> int:
        """The first token of what begins here."""
        return bisect_left(self._words, position)

    def behind(self, position: int) -> int:
        """One past the last token of a message that ends here."""
        return bisect_left(self._starts, position)


def _message_part(turn: Turn, place: int, span: Range, edges: _Edges) -> Part:
    """A message whose characters of the prompt's text are `span`."""
    message = turn.messages[place]
    start, end = span
    first, past = edges.before(start), edges.behind(end)
    tokens = (min(first, past), past)
    whole = Part("message", turn.number, message.content, tokens, place, message.role)
    pieces = sentences(message.content)
    if len(pieces) < 2:
        return whole
    ends = list(accumulate(map(len, pieces)))
    spans = list(pairwise([0, *ends]))
    # A format may have cut the message's end or written something behind it.
    inner = [max(tokens[0], min(past, edges.before(min(start + each, end)))) for each in ends[:-1]]
    ranges = pairwise([tokens[0], *inner, past])
    parts = (
        Part("sentence", turn.number, piece, sent, place, message.role, here)
        for piece, here, sent in zip(pieces, spans, ranges, strict=True)
    )
    return replace(whole, parts=tuple(parts))


def _message_spans(fitted: FittedPrompt) -> dict[tuple[int, int], Range]:
    """Where in the prompt's text each message stands, by turn number and place in the turn."""
    segments = iter(_said(fitted.prompt))
    spans: dict[tuple[int, int], Range] = {}
    for turn, place, length in reversed(list(_written(fitted))):
        position = None
        while length > 0 and (segment := next(segments, None)):
            start, size = segment
            position = (start, position[1] if position else start + size)
            length -= size
        if position:
            spans[turn.number, place] = position
    return spans


def _written(fitted: FittedPrompt) -> Iterator[tuple[Turn, int, int]]:
    """Every message of the kept turns that the format writes, and its length as written."""
    layout, question = fitted.options.format.layout, fitted.turns[-1]
    for turn in kept_turns(fitted):
        for place, message in enumerate(turn.messages):
            is_question = message.role == "user"
            if turn is not question and not is_question and not layout.writes_answers:
                continue
            text = rewritten(
                message.content,
                fitted.options.format.rewrite,
                is_question=is_question,
                is_newest=turn is question,
            )
            yield turn, place, len(text)


def _said(prompt: Prompt) -> list[Range]:
    """(start, length) of the segments that people and the model wrote, the last one first.

    From the end: a prompt may be cut at its beginning.
    """
    found, position = [], 0
    for segment in prompt.segments:
        is_said = segment.origin in _SAID or segment.is_typed
        if is_said and segment.text:
            found.append((position, len(segment.text)))
        position += len(segment.text)
    return found[::-1]
