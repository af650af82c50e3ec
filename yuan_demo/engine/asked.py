"""How likely a string of one's own is at some place of an answer, over the whole vocabulary."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from yuan_demo.core.tokens import Tokenizer
from yuan_demo.engine.chat import ChatModel

_GUARD = "\n"
"""Stands before a string that goes on with what is there: SentencePiece would put a blank before
it, as before every text. A line break is a byte token and merges with nothing."""


@dataclass(frozen=True, slots=True)
class AskedString:
    """A string in the place of what the answer says.

    Attributes:
        pieces: the tokens that it would be written with.
        logprobs: of each of them, given all before it; their sum is that of the whole string.
        ranks: of each of them; 1 is the most likely.
        token_ids: their ids.
        entropies: of the distribution that each of them comes from, in nats.
    """

    pieces: tuple[str, ...]
    logprobs: tuple[float, ...]
    ranks: tuple[int, ...]
    token_ids: tuple[int, ...]
    entropies: tuple[float, ...]


def string_ids(text: str, before: Sequence[int], tokenizer: Tokenizer) -> list[int]:
    """The tokens with which a string is written behind others.

    The name of a control token, alone, is that token. Behind a control token a text begins, with
    the mark of SentencePiece; behind anything else it goes on.

    Args:
        text: at least one character.
        before: ids in front of it; at least one.
        tokenizer: the vocabulary.
    """
    control = tokenizer.control_token_id(text)
    if control is not None:
        return [control]
    [piece] = tokenizer.convert_ids_to_tokens(list(before[-1:]))
    guard = "" if tokenizer.control_token_id(piece) == before[-1] else _GUARD
    tokens = tokenizer.encode_with_offsets(guard + text, parse_control=False)
    return [token.token_id for token in tokens if token.start >= len(guard)]


def ask_string(
    model: ChatModel, before: Sequence[int], text: str, cancelled: threading.Event | None = None
) -> AskedString | None:
    """Rates a string behind some tokens; answers under way come first.

    Returns:
        None if cancelled.

    Raises:
        EngineError: it does not fit the window, or the device could not compute it.
    """
    ids = string_ids(text, before, model.tokenizer)
    reading = model.engine.read(before, ids, 1, cancelled)
    if reading is None:
        return None
    pieces = model.tokenizer.convert_ids_to_tokens(ids)
    return AskedString(
        tuple(pieces), reading.logprobs, reading.ranks, tuple(ids), reading.entropies
    )
