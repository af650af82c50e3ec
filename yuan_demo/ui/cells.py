"""The tokens of a prompt as cells: what the panel draws as one box each.

A cell is what a person sees as one character or piece: the byte tokens of one character, or of one
grapheme cluster, are one cell, never replacement characters.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Any

import regex

from yuan_demo.core.control_tokens import controls_in
from yuan_demo.core.prompt import Origin, Prompt, PromptToken

MAX_TOKENS_DRAWN = 10_000
"""More than any window of the family; only a message that cannot be sent reaches it."""

_CODE_OF_ORIGIN = {
    Origin.USER: "u",
    Origin.ASSISTANT: "a",
    Origin.JOIN: "j",
    Origin.CONTROL: "c",
    Origin.ANSWER: "n",
}
_PHANTOM, _CROSSES, _TYPED, _ACTS = 1, 2, 4, 8

# Marks, joiners, Hangul, flags, a carriage return. UAX 29 keeps two characters together only where
# one of these stands beside or between them, and looking for one takes a fiftieth of finding all.
_MAY_JOIN = regex.compile(r"[^\p{GCB=Other}\p{GCB=Control}\p{GCB=LF}]")


def cells_of(prompt: Prompt, limit: int = MAX_TOKENS_DRAWN) -> dict[str, Any]:
    """The tokens of a prompt as parallel arrays, one entry per cell.

    Returns:
        `t` characters, `o` origin codes (one letter each), `r` turn numbers, `n` tokens per cell
        where it is not 1 (by cell), `f` flags where there are any (by cell): a sum of 1 phantom,
        2 crosses, 4 typed and text, 8 typed and acting, and with 4 a pair of that sum and the name
        typed; and one entry per token: `i` ids, `p` pieces.
    """
    tokens = prompt.tokens[:limit]
    if not tokens:
        return {"t": [], "o": "", "r": [], "n": {}, "f": {}, "i": [], "p": []}
    # Column by column: 5.5 ms for 9,000 tokens, where going through them one by one took 8 to 10.
    _, encoded, origins, turns, _, _ = zip(*tokens, strict=True)
    ids, pieces, starts, ends, _ = zip(*encoded, strict=True)
    firsts = _first_tokens(starts, ends, _character_starts(prompt))
    # The spans of the tokens cover the text, so a cell ends where the next one begins.
    edges = [*(starts[first] for first in firsts), ends[-1]]
    sizes = [after - first for first, after in pairwise([*firsts, len(tokens)])]
    return {
        "t": [prompt.text[start:end] for start, end in pairwise(edges)],
        "o": _origin_codes([origins[first] for first in firsts]),
        "r": [turns[first] for first in firsts],
        "n": {cell: size for cell, size in enumerate(sizes) if size > 1},
        "f": _flags(tokens, firsts, edges, prompt),
        "i": ids,
        "p": pieces,
    }


def _character_starts(prompt: Prompt) -> set[int] | None:
    """Where a visible character (extended grapheme cluster, UAX 29) or a segment begins.

    None where every character stands for itself.
    """
    if not _MAY_JOIN.search(prompt.text):
        return None
    starts = {match.start() for match in regex.finditer(r"\X", prompt.text)}
    position = 0
    for segment in prompt.segments:
        starts.add(position)
        position += len(segment.text)
    return starts


def _first_tokens(
    starts: Sequence[int], ends: Sequence[int], characters: set[int] | None
) -> list[int]:
    """Indices of the tokens with which a cell begins, from the spans of all tokens.

    A token goes on with the cell before it if it covers the same character, as byte tokens do, or
    begins inside one.
    """
    spans = enumerate(zip(starts, ends, (0, *ends), strict=False))
    if characters is None:
        return [index for index, (start, _, covered) in spans if start >= covered]
    return [
        index
        for index, (start, end, covered) in spans
        if start >= covered and (start == end or start in characters)
    ]


def _origin_codes(origins: Iterable[Origin]) -> str:
    # Looked up once per run of equal origins: hashing an enum member is slow.
    return "".join(_CODE_OF_ORIGIN[origin] * len(list(run)) for origin, run in groupby(origins))


def _typed_controls(prompt: Prompt) -> list[tuple[int, int, str]]:
    """Names of control tokens that a person or the model wrote as text: (start, end, name)."""
    spans: list[tuple[int, int, str]] = []
    position = 0
    for segment in prompt.segments:
        if segment.origin in (Origin.USER, Origin.ASSISTANT) and "<" in segment.text:
            spans += [
                (position + span.start, position + span.end, span.token.name)
                for span in controls_in(segment.text)
            ]
        position += len(segment.text)
    return spans


def _acting_controls(prompt: Prompt) -> Iterator[int]:
    """Where a control token stands that somebody wrote and that acts: its first character."""
    position = 0
    for segment in prompt.segments:
        if segment.is_typed:
            yield position
        position += len(segment.text)


def _flags(
    tokens: Sequence[PromptToken], firsts: Sequence[int], edges: Sequence[int], prompt: Prompt
) -> dict[int, int | list[Any]]:
    """Flags by cell, where there are any. Few cells have some, so only those are looked at."""
    flags: dict[int, int | list[Any]] = {}
    for index, token in enumerate(tokens):
        if token.is_phantom or token.crosses:
            cell = bisect_right(firsts, index) - 1
            flag = _PHANTOM * token.is_phantom + _CROSSES * token.crosses
            flags[cell] = flags.get(cell, 0) | flag
    for start in _acting_controls(prompt):
        cell = bisect_left(edges, start)
        if cell < len(firsts):
            flags[cell] = _ACTS
    for start, end, name in _typed_controls(prompt):
        past = min(bisect_left(edges, end), len(firsts))
        for cell in range(bisect_right(edges, start) - 1, past):
            flag = flags.get(cell, 0)
            if not isinstance(flag, list):
                flags[cell] = [flag | _TYPED, name]
    return flags
