"""Dialogues to token arrays, on all cores, the same on every machine.

The work is cut into a fixed number of shards, each with its own seed and its own share of
dialogues, so neither the number of cores nor their speed changes what is made.
"""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import numpy as np

from assets.recipe.dialogues.mixer import dialogues
from assets.recipe.tokenizer import Encoder

SHARDS = 64
Row = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Training rows, one behind the other.

    Attributes:
        ids: (N,) uint16, the token ids of all rows.
        roles: (N,) uint8, the `ROLE_*` of each token.
        lengths: (rows,) int32, tokens of each row.
    """

    ids: np.ndarray
    roles: np.ndarray
    lengths: np.ndarray

    def save(self, folder: Path) -> None:
        """Writes the arrays into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.__slots__:
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> "TokenRows":
        """Reads what `save` wrote."""
        return cls(*(np.load(folder / f"{name}.npy") for name in cls.__slots__))


def make_rows(tokenizer: Path, *, seed: int, dialogue_count: int, max_tokens: int) -> TokenRows:
    """Rows of `dialogue_count` dialogues.

    Args:
        tokenizer: the SentencePiece model.
        seed: of the first shard; each shard has its own.
        dialogue_count: dialogues altogether; every shard makes an equal share.
        max_tokens: longer rows are left out.
    """
    share = -(-dialogue_count // SHARDS)
    make = partial(_make_shard, tokenizer, share, max_tokens)
    seeds = [seed * 1_000_003 + shard for shard in range(SHARDS)]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        shards = pool.map(make, seeds, chunksize=1)
    return _joined(shards)


def _make_shard(tokenizer: Path, count: int, max_tokens: int, seed: int) -> TokenRows:
    encoder = Encoder(tokenizer)
    rows = list(_training_rows(encoder, seed, count))
    rows = [row for row in rows if len(row[0]) <= max_tokens]
    return TokenRows(
        np.concatenate([ids for ids, _ in rows]),
        np.concatenate([roles for _, roles in rows]),
        np.array([len(ids) for ids, _ in rows], dtype=np.int32),
    )


def _training_rows(encoder: Encoder, seed: int, count: int) -> Iterator[Row]:
    """Each dialogue as a whole and once more cut off after one of its turns.

    The answer after `<sep>` begins a stretch of its own, an earlier one does not: its first token
    differs. The cuts make every kind of answer a last one at every depth of a conversation. A
    document ends as it is, or in `<sep>` as when it is typed into the chat.
    """
    rng = Random(~seed)
    for dialogue in dialogues(seed, count):
        if dialogue.is_document:
            yield encoder.encode_document(dialogue.turns[0], is_chat=rng.random() < 0.3)
            continue
        yield encoder.encode_dialogue(dialogue.turns)
        if len(dialogue.turns) > 1:
            yield encoder.encode_dialogue(dialogue.turns[: rng.randrange(1, len(dialogue.turns))])


def _joined(shards: Sequence[TokenRows]) -> TokenRows:
    columns = ([getattr(shard, name) for shard in shards] for name in TokenRows.__slots__)
    return TokenRows(*map(np.concatenate, columns))
