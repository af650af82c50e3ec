"""Encodes stretches of text, and does again only what has changed since a recent one.

A person who types changes the end of a long text. SentencePiece itself encodes the whole of it
every time, for a merge may reach anywhere, and takes 4 ms for 8,000 tokens; making a row for each
of them took 20. The rows of the tokens that stand as they stood are taken over.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sentencepiece import SentencePieceProcessor

from yuan_demo.core.tokens import EncodedToken

MAX_KEPT = 8
"""A prompt that drops turns is encoded at three beginnings; and there may be several visitors."""


class _Encoding(NamedTuple):
    stretch: str
    ids: list[int]
    tokens: list[EncodedToken]


class RecentEncodings:
    """The last few stretches that were encoded, and their tokens."""

    def __init__(self) -> None:
        self._kept: deque[_Encoding] = deque(maxlen=MAX_KEPT)

    def encode(self, stretch: str, sp_model: SentencePieceProcessor) -> list[EncodedToken]:
        """The tokens of a stretch; the list must not be changed."""
        ids = sp_model.encode(stretch)
        tokens: list[EncodedToken] = []
        for kept in list(self._kept):
            shared = _shared_tokens(kept, stretch, ids)
            if shared > len(tokens):
                tokens = kept.tokens[:shared]
        tokens.extend(_spell(stretch, ids, tokens, sp_model))
        self._kept.append(_Encoding(stretch, ids, tokens))
        return tokens


def _shared_tokens(kept: _Encoding, stretch: str, ids: list[int]) -> int:
    """How many tokens from the beginning are the same and cover the same characters."""
    low, high = 0, min(len(ids), len(kept.ids))
    while low < high:
        middle = (low + high + 1) // 2
        if ids[low:middle] == kept.ids[low:middle]:
            low = middle
        else:
            high = middle - 1
    # Not between the byte tokens of one character, which all cover it.
    while low and low < len(kept.tokens) and kept.tokens[low].start < kept.tokens[low - 1].end:
        low -= 1
    # Equal ids are not enough: a space and a typed `▁` have the same piece.
    end = kept.tokens[low - 1].end if low else 0
    return low if stretch[:end] == kept.stretch[:end] else 0


def _spell(
    stretch: str,
    ids: Sequence[int],
    known: Sequence[EncodedToken],
    sp_model: SentencePieceProcessor,
) -> Iterator[EncodedToken]:
    """The tokens behind those that are known.

    SentencePiece encodes `▁` + stretch with each space written `▁`, one character for one, so the
    pieces laid end to end are that string: walking along it finds every span.
    """
    rest = list(ids[len(known) :])
    pieces = sp_model.id_to_piece(rest)
    are_bytes = sp_model.is_byte(rest)
    # In the stretch; at first before its first character, where the phantom mark stands.
    position = known[-1].end if known else -1
    character = b""  # what byte tokens still have to spell of the character they are in
    for token_id, piece, is_byte in zip(rest, pieces, are_bytes, strict=True):
        if is_byte:
            character = character or stretch[position].encode()
            raw, character = character[:1], character[1:]
            yield EncodedToken(token_id, piece, position, position + 1, raw)
            position += not character
        else:
            first, position = max(position, 0), position + len(piece)
            yield EncodedToken(token_id, piece, first, position, stretch[first:position].encode())
