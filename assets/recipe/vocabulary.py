"""Which learned pieces a vocabulary keeps, and the SentencePiece file that holds them.

Dialogues made from templates repeat whole phrases, which BPE learns as one piece each; the real
vocabulary, learned from ordinary text, has next to none with more than four Chinese characters.
The file is read and written here as the protocol buffer that it is, since the package that would do
it is not among what the demo needs: https://protobuf.dev/programming-guides/encoding/.
"""

import re
import struct
from collections.abc import Iterator, Sequence

_PIECES_FIELD = 1
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_HAN = re.compile(r"[\u3400-\u9fff]")
_NOT_A_LETTER = re.compile(r"[^\w]|[▁_]")
_MOST_HAN = 4
# The particle ends a word and begins none: `我的` may be a piece, `的首都是` may not.
_PARTICLE_FIRST = re.compile(r"的[\u3400-\u9fff]")


def is_natural(piece: str) -> bool:
    """Whether a learner would take a piece for a word or a part of one.

    What breaks this rule inside a piece breaks it for the whole. So a piece that passes was merged
    from pieces that pass, and leaving out all others makes none of the rest unreachable.
    """
    han = len(_HAN.findall(piece))
    is_mixed = han and _NOT_A_LETTER.search(piece.removeprefix("▁"))
    return han <= _MOST_HAN and not is_mixed and not _PARTICLE_FIRST.search(piece)


def with_natural_pieces(model: bytes, size: int) -> bytes:
    """A SentencePiece BPE model with at most `size` pieces, all of them natural.

    Args:
        model: a serialised `ModelProto` whose pieces stand in the order in which they were learned,
            single characters behind them.
        size: pieces to keep: all single ones, and as many of the first merges as there is room for.
    """
    fields = list(_fields(model))
    pieces = [piece_text(content) for field, content, _ in fields if field == _PIECES_FIELD]
    merged = [piece for piece in pieces if _is_merged(piece)]
    room = size - (len(pieces) - len(merged))
    dropped = {*merged} - {*[piece for piece in merged if is_natural(piece)][:room]}
    return b"".join(
        raw
        for field, content, raw in fields
        if field != _PIECES_FIELD or piece_text(content) not in dropped
    )


def _is_merged(piece: str) -> bool:
    # `<unk>`, `<s>`, `</s>` and the bytes `<0x00>` are written like this, and no merge is.
    return len(piece) > 1 and re.fullmatch(r"<.+>", piece) is None


def piece_text(content: bytes) -> str:
    """The text of a serialised `SentencePiece`, its first field."""
    return next(value.decode() for field, value, _ in _fields(content) if field == 1)


def piece_record(piece: str) -> bytes:
    """One entry of `ModelProto.pieces`: in it field 1 is the text, 2 the score."""
    text = piece.encode()
    content = b"\x0a" + bytes([len(text)]) + text + b"\x15" + struct.pack("<f", 0.0)
    return b"\x0a" + bytes([len(content)]) + content


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, content and whole encoding of each field of a protocol buffer."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            content_at, at = at, _varint(message, at)[1]
        else:
            length, content_at = _length(message, at, kind)
            at = content_at + length
        yield tag >> 3, message[content_at:at], message[start:at]


def _length(message: bytes, at: int, kind: int) -> tuple[int, int]:
    """Bytes of a field's content, and where it begins."""
    if kind == _LENGTH_DELIMITED:
        return _varint(message, at)
    return {_FIXED64: 8, _FIXED32: 4}[kind], at


def _varint(message: Sequence[int], at: int) -> tuple[int, int]:
    """A base-128 number, and where the next thing begins."""
    value = shift = 0
    while message[at] & 0x80:
        value |= (message[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | message[at] << shift, at + 1
