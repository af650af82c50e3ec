"""The SentencePiece model of the embedded model, and its rule of encoding.

It behaves as the tokenizer that Yuan2 was trained with: BPE with byte fallback, text left as it is,
a space mark before every stretch, digits apart. The ten control tokens that the real file has as
pieces, `<eod>` and `<n>` are pieces here too, at the end, and no text is ever encoded as one of
them: the pieces that they would have to be merged from do not exist. Five control tokens are in no
file, as there, and have the ids behind it.
"""

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import sentencepiece

from assets.recipe.dialogues.wording import Turn
from assets.recipe.vocabulary import piece_record, with_natural_pieces
from yuan_demo.core.control_tokens import ADDED_TOKENS, CUT_TOKENS, EOD_TOKEN

SEP_TOKEN, JOIN = "<sep>", "<n>"
BEHIND_THE_FILE = ("<mask>", "<predict>", "<FIM_SUFFIX>", "<FIM_PREFIX>", "<FIM_MIDDLE>")
CONTROL_PIECES = (EOD_TOKEN, JOIN, *(name for name in ADDED_TOKENS if name not in BEHIND_THE_FILE))

# Of all characters typed. The rest are those of rare names, each drawn a few times in 100,000
# dialogues: 7,700 in all would leave no room for words, and as bytes they are learned together.
_CHARACTER_COVERAGE = 0.998

# Who wrote a token, which decides how much its prediction counts in training.
ROLE_PROMPT, ROLE_EARLIER_ANSWER, ROLE_LAST_ANSWER = 0, 1, 2


def train_tokenizer(dialogues: Iterable[Sequence[Turn]], path: Path, *, vocab_size: int) -> None:
    """Trains the SentencePiece model on dialogues and writes it to `path`.

    Args:
        dialogues: turns of each dialogue.
        path: file to write.
        vocab_size: tokens altogether, those behind the file included.

    Raises:
        ValueError: a control token could be merged from learned pieces, and so be read out of text.
    """
    model = io.BytesIO()
    size = vocab_size - len(BEHIND_THE_FILE) - len(CONTROL_PIECES)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_lines(dialogues)),
        model_writer=model,
        model_type="bpe",
        # More than are kept: a third of what is learned here are phrases of the templates.
        vocab_size=size * 3 // 2,
        hard_vocab_limit=False,
        character_coverage=_CHARACTER_COVERAGE,
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=True,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        split_digits=True,
        max_sentence_length=1 << 16,
        minloglevel=2,
    )
    # Protocol buffers are joined by writing one behind the other: these are more `pieces`.
    natural = with_natural_pieces(model.getvalue(), size)
    path.write_bytes(natural + b"".join(map(piece_record, CONTROL_PIECES)))
    _require_unreachable(Encoder(path))


def _lines(dialogues: Iterable[Sequence[Turn]]) -> Iterable[str]:
    # A line break stays the byte <0x0A>, as in the real vocabulary, so no piece may learn it.
    names = [name.strip("<>") for name in CUT_TOKENS]
    for number, turns in enumerate(dialogues):
        before, answer = stretches(turns)
        yield from before.split("\n")
        yield from answer.split("\n")
        if number % 50 == 0:
            # The words inside control tokens become pieces, behind the bracket as they are typed.
            yield from (f"<{name}>" for name in names)


def stretches(turns: Sequence[Turn]) -> tuple[str, str]:
    """The text before `<sep>` and the text after it, in Yuan2's chat format."""
    *earlier, last = turns
    return "".join(
        f"{turn.user}{JOIN}{turn.assistant}{JOIN}" for turn in earlier
    ) + last.user, last.assistant


def _require_unreachable(encoder: "Encoder") -> None:
    pieces = {
        encoder.sp_model.id_to_piece(token_id)
        for token_id in range(encoder.sp_model.get_piece_size())
    }
    for name in CONTROL_PIECES:
        for cut in range(1, len(name)):
            if name[:cut] in pieces and name[cut:] in pieces:
                raise ValueError(
                    f"{name} must not be made by a merge, got the pieces {name[:cut]!r} and "
                    f"{name[cut:]!r}: take the texts with these characters out of the knowledge."
                )


class Encoder:
    """Encodes by the rule of the real tokenizer: stretches between control tokens, each by itself.

    Attributes:
        sp_model: the SentencePiece model.
    """

    def __init__(self, path: Path) -> None:
        self.sp_model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        size = self.sp_model.get_piece_size()
        self._ids = {
            name: self.sp_model.piece_to_id(name) for name in CONTROL_PIECES if name != JOIN
        }
        self._ids |= {name: size + index for index, name in enumerate(BEHIND_THE_FILE)}
        self._ids |= {"<s>": 1, "<unk>": 0}
        self._cut = re.compile("(" + "|".join(map(re.escape, CUT_TOKENS)) + ")")
        self._byte_lengths = np.array([self._byte_length(token_id) for token_id in range(size)])

    def __len__(self) -> int:
        return self.sp_model.get_piece_size() + len(BEHIND_THE_FILE)

    def _byte_length(self, token_id: int) -> int:
        """UTF-8 bytes of the text that a token stands for; a space mark is one space."""
        if self.sp_model.is_byte(token_id):
            return 1
        return len(self.sp_model.id_to_piece(token_id).replace("▁", " ").encode())

    def control_id(self, name: str) -> int:
        """Id of a control token such as `<sep>`."""
        return self._ids[name]

    def encode(self, text: str) -> list[int]:
        """Ids of a text in which control tokens are one token each."""
        ids: list[int] = []
        for stretch in self._cut.split(text):
            if stretch in self._ids:
                ids.append(self._ids[stretch])
            elif stretch:
                ids.extend(self.sp_model.encode(stretch))
        return ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of an answer; control tokens in it are written out."""
        names = {token_id: name for name, token_id in self._ids.items()}
        text, pending = "", []
        for token_id in token_ids:
            if token_id in names:
                text, pending = text + self.sp_model.decode(pending) + names[token_id], []
            else:
                pending.append(token_id)
        return text + self.sp_model.decode(pending)

    def encode_dialogue(self, turns: Sequence[Turn]) -> tuple[np.ndarray, np.ndarray]:
        """A training row `q1<n>a1<n>q2<sep>a2<eod>`: ids (T,) uint16 and their roles (T,) uint8.

        Roles come from where the turns lie in the text, so nothing that a turn says can mislead
        them.
        """
        before, answer = stretches(turns)
        # One by one: for a list SentencePiece starts threads, which cost more than they save here.
        before_ids, answer_ids = self.sp_model.encode(before), self.sp_model.encode(answer)
        answer_ids.append(self._ids[EOD_TOKEN])
        ids = np.array([*before_ids, self._ids[SEP_TOKEN], *answer_ids], dtype=np.uint16)
        roles = np.full(len(ids), ROLE_LAST_ANSWER, dtype=np.uint8)
        roles[: len(before_ids)] = self._roles_before(before_ids, turns)
        roles[len(before_ids)] = ROLE_PROMPT
        return ids, roles

    def encode_document(
        self, turn: Turn, *, is_chat: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """A training row of a text with control tokens in it: its ids and their roles.

        Args:
            turn: the text, and what the model writes after it.
            is_chat: the text was typed into the chat, which puts `<sep>` behind it.
        """
        before_ids = self.encode(turn.user)
        if is_chat:
            before_ids.append(self._ids[SEP_TOKEN])
        answer_ids = [*self.encode(turn.assistant), self._ids[EOD_TOKEN]]
        ids = np.array([*before_ids, *answer_ids], dtype=np.uint16)
        roles = np.full(len(ids), ROLE_LAST_ANSWER, dtype=np.uint8)
        roles[: len(before_ids)] = ROLE_PROMPT
        return ids, roles

    def _roles_before(self, token_ids: Sequence[int], turns: Sequence[Turn]) -> np.ndarray:
        """Role of each token before `<sep>`: that of the text in which its first byte lies."""
        lengths = self._byte_lengths[token_ids]
        # The phantom mark before the stretch stands for no byte of it.
        starts = np.cumsum(lengths) - lengths - 1
        parts = [part for turn in turns[:-1] for part in (turn.user + JOIN, turn.assistant, JOIN)]
        ends = np.cumsum([len(part.encode()) for part in parts])
        roles = np.array(
            [ROLE_PROMPT, ROLE_EARLIER_ANSWER, ROLE_PROMPT] * (len(turns) - 1) + [ROLE_PROMPT]
        )
        return roles[np.searchsorted(ends, starts, side="right")]
