"""What the rest of the demo asks of a tokenizer, without importing one."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class EncodedToken(NamedTuple):
    """One token of an encoded text and the stretch of characters it stands for.

    Attributes:
        token_id: index into the vocabulary.
        piece: the vocabulary entry, as SentencePiece spells it: `▁你好`, `<0xE4>`, `<sep>`.
        start: first character of the text that the token covers.
        end: one past the last. `start == end` for the phantom `▁` that SentencePiece puts before
            every stretch of text. The byte tokens of one character all cover that character.
        raw: the UTF-8 bytes that the token adds to the text; one byte for a byte piece, none for
            the phantom.

    A named tuple and not a frozen dataclass, which takes four times as long to make: a keystroke
    makes thousands.
    """

    token_id: int
    piece: str
    start: int
    end: int
    raw: bytes


class Tokenizer(Protocol):
    """The tokenizer as `core`, `engine` and `ui` know it; `YuanTokenizer` is one."""

    @property
    def eod_token_id(self) -> int:
        """Id of `<eod>`, which ends an answer."""

    def encode_with_offsets(
        self, text: str, *, parse_control: bool = True
    ) -> Sequence[EncodedToken]:
        """Encodes `text`; without `parse_control`, control tokens in it are ordinary characters."""

    def control_token_id(self, token: str) -> int | None:
        """Id of a control token such as `<sep>`, or None if this vocabulary has none."""

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        """Pieces of the ids."""

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of the ids."""
