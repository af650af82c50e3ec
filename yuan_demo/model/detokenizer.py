"""From ids back to text, one token at a time; `YuanTokenizer.decode` runs this machine to its end.

The rule is that of the tokenizer which Yuan2 was trained with, oddities included; it does not
always return the text that was encoded:

- Tokens without a piece in the SentencePiece model (`<mask>` and the like) stand apart, joined to
  their neighbours by one space. They cut the ids into runs.
- The first piece of a run loses its mark `▁`, and SentencePiece itself drops the mark at the start
  of every stretch of ordinary pieces.
- When a control token follows ordinary pieces, one space goes *before those pieces*:
  `你好<sep>` becomes ` 你好<sep>`.
- If a run starts with a control token and the next piece has no mark, one space goes before it.

The third point means that no text of a run is certain until its next control token or its end. A
chat leaves control tokens out (`skip_special_tokens`), and then every character is certain at once.
"""

from typing import Protocol

from sentencepiece import SentencePieceProcessor

SPACE_MARK = "▁"


class Vocabulary(Protocol):
    """What a detokenizer asks of `YuanTokenizer`."""

    sp_model: SentencePieceProcessor

    def control_token(self, token_id: int) -> str | None:
        """Name of the control token with this id, None if the id is not one."""


class StreamingDetokenizer:
    """Text of a growing sequence of ids; work per token does not depend on how many there are.

    The pieces of text joined equal `tokenizer.decode(ids, skip_special_tokens=...)` with the same
    flag, for any ids. Bytes that may yet become a character are held back, so U+FFFD only comes out
    for bytes that no later token can complete.

    Args:
        tokenizer: the vocabulary.
        skip_special_tokens: leave control tokens out, the default here because a chat wants it.
            With False, ordinary text arrives late: see the rule at the top of this file. For ids
            without control tokens both give the same text.
    """

    def __init__(self, tokenizer: Vocabulary, *, skip_special_tokens: bool = True) -> None:
        self._vocabulary = tokenizer
        self._vocab_size = tokenizer.sp_model.get_piece_size()
        self._skip_special_tokens = skip_special_tokens
        self._run = self._new_run()
        self._joint = ""

    def add(self, token_id: int) -> str:
        """Takes the next id and returns the new text that no later id can change.

        Ids outside the vocabulary, such as the padding rows of the embedding, have no text.
        """
        control = self._vocabulary.control_token(token_id)
        if control is None:
            if not 0 <= token_id < self._vocab_size:
                return ""
            return self._join(self._run.add_piece(token_id))
        if self._skip_special_tokens:
            return ""
        if token_id < self._vocab_size:
            return self._join(self._run.add_control(control))
        return self._stand_apart(control)

    def finish(self) -> str:
        """Returns the rest; the next `add` begins a new text."""
        # A last run of pieces without text still gets its joint: a quirk of the reference.
        rest = self._join(self._run.finish(), also_empty=not self._run.is_empty)
        self._run, self._joint = self._new_run(), ""
        return rest

    def _new_run(self) -> "_Run":
        return _Run(self._vocabulary.sp_model, certain=self._skip_special_tokens)

    def _join(self, text: str, *, also_empty: bool = False) -> str:
        """Puts the space due before a run in front of its first text."""
        if not text and not also_empty:
            return ""
        joint, self._joint = self._joint, ""
        self._run.has_text |= bool(text)
        return joint + text

    def _stand_apart(self, control: str) -> str:
        text = self._join(self._run.finish())
        joint = " " if self._run.has_text else self._joint
        self._run, self._joint = self._new_run(), " "
        return text + joint + control


class _Run:
    """The tokens between two that stand apart.

    Args:
        sp_model: the SentencePiece model.
        certain: no control token will come, so text need not wait for one.
    """

    def __init__(self, sp_model: SentencePieceProcessor, *, certain: bool) -> None:
        self._sp_model = sp_model
        self._certain = certain
        self._length = 0
        self._after_control = False
        self._stretch = _Stretch(sp_model)
        self._waiting: list[str] = []
        self.has_text = False

    @property
    def is_empty(self) -> bool:
        return self._length == 0

    def add_piece(self, token_id: int) -> str:
        piece = self._sp_model.id_to_piece(token_id)
        marked = piece.startswith(SPACE_MARK)
        lead = " " if self._length == 1 and self._after_control and not marked else ""
        text = self._stretch.add(token_id, piece[1:] if marked and self._length == 0 else piece)
        self._length += 1
        self._after_control = False
        if self._certain:
            return lead + text
        self._waiting.append(text)
        return lead

    def add_control(self, control: str) -> str:
        lead = " " if self._length and not self._after_control else ""
        text = lead + self.finish() + control
        self._length += 1
        self._after_control = True
        return text

    def finish(self) -> str:
        """Ends the stretch of ordinary pieces and returns what waited."""
        text = "".join(self._waiting) + self._stretch.finish()
        self._waiting.clear()
        self._stretch = _Stretch(self._sp_model)
        return text


class _Stretch:
    """SentencePiece's own decoding of ordinary pieces, one piece at a time."""

    def __init__(self, sp_model: SentencePieceProcessor) -> None:
        self._sp_model = sp_model
        self._at_start = True
        self._bytes = b""

    def add(self, token_id: int, piece: str) -> str:
        if self._sp_model.is_byte(token_id):
            self._bytes += bytes([int(piece[1:-1], 16)])
            text, self._bytes = _decode_utf8(self._bytes)
            self._at_start &= not text
            return text
        if self._sp_model.is_control(token_id):
            return self._end_bytes()
        text = self._end_bytes()
        if self._at_start:
            # One mark only, and none once there was a piece with text or a mark.
            self._at_start = not piece
            piece = piece.removeprefix(SPACE_MARK)
        return text + piece.replace(SPACE_MARK, " ")

    def finish(self) -> str:
        return self._end_bytes()

    def _end_bytes(self) -> str:
        """What was held back cannot be completed any more: one U+FFFD a byte."""
        text = "\ufffd" * len(self._bytes)
        self._at_start &= not text
        self._bytes = b""
        return text


def _decode_utf8(raw: bytes) -> tuple[str, bytes]:
    """Decodes as SentencePiece does: one U+FFFD for each byte that is part of no character.

    Python's own "replace" gives one U+FFFD for the longest broken prefix instead, as the standard
    recommends.

    Returns:
        The text, and the bytes at the end that may be the beginning of a character.
    """
    text = ""
    while raw:
        try:
            return text + raw.decode(), b""
        except UnicodeDecodeError as error:
            text += raw[: error.start].decode()
            if error.reason == "unexpected end of data":
                return text, raw[error.start :]
            text += "\ufffd"
            raw = raw[error.start + 1 :]
    return text, b""
