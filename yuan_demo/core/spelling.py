"""Generated ids as rows of the panel: every token keeps its own bytes."""

import re
from collections.abc import Iterable, Iterator, Sequence

from yuan_demo.core.prompt import Origin, Prompt, PromptToken, Segment
from yuan_demo.core.tokens import EncodedToken, Tokenizer

_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")
_SPACE_MARK = "▁"


def spell_answer(
    token_ids: Sequence[int], tokenizer: Tokenizer, position: int, turn: int
) -> Prompt:
    """The tokens of an answer, spelled from the ids and not from the decoded text.

    Args:
        token_ids: what the model generated.
        tokenizer: the vocabulary.
        position: position of the first of them, which is the length of the prompt in tokens.
        turn: number of the turn that they answer.

    Returns:
        A `Prompt` of one segment whose text is spelled from the tokens' bytes. A byte that is part
        of no character appears in it as U+FFFD, an id outside the vocabulary as `[id 134960]`.
    """
    pieces = tokenizer.convert_ids_to_tokens(list(token_ids))
    tokens: list[PromptToken] = []
    text = ""
    raws = [piece_bytes(piece, is_first=index == 0) for index, piece in enumerate(pieces)]
    for count, covered in _characters(raws):
        span = len(text), len(text) + len(covered)
        text += covered
        for _ in range(count):
            index = len(tokens)
            token_id, piece = token_ids[index], pieces[index]
            is_control = tokenizer.control_token_id(piece) == token_id
            tokens.append(
                PromptToken(
                    position + index,
                    EncodedToken(token_id, piece, *span, raws[index]),
                    Origin.CONTROL if is_control else Origin.ANSWER,
                    turn,
                    is_phantom=not raws[index],
                )
            )
    return Prompt((Segment(Origin.ANSWER, turn, text),), text, tuple(tokens))


def piece_bytes(piece: str, *, is_first: bool = False) -> bytes:
    """The UTF-8 bytes that a piece writes; the mark of the first piece of an answer writes none."""
    if byte := _BYTE_PIECE.fullmatch(piece):
        return bytes.fromhex(byte[1])
    written = piece.removeprefix(_SPACE_MARK) if is_first else piece
    return written.replace(_SPACE_MARK, " ").encode()


def _characters(raws: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """Yields (number of tokens, the characters that they write together).

    The byte tokens of one character come out together; every other token comes out alone, a byte
    that no later one completes as U+FFFD, as the detokenizer has it.
    """
    waiting: list[bytes] = []
    for raw in raws:
        waiting.append(raw)
        while waiting:
            try:
                written = b"".join(waiting).decode()
            except UnicodeDecodeError as error:
                if error.reason == "unexpected end of data":
                    break
                yield 1, "\ufffd"
                del waiting[0]
            else:
                yield len(waiting), written
                waiting.clear()
    yield from ((1, "\ufffd") for _ in waiting)
