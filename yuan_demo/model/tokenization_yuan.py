"""The tokenizer of Yuan2, exact, as a transformers tokenizer.

Encoding: the text is cut at the control tokens of `yuan_demo.core.control_tokens.CUT_TOKENS`; every
stretch between them is encoded by itself by SentencePiece, so each gets its own leading mark `▁`.
Nothing is stripped, nothing is added. The loaders of transformers 5 rebuild the vocabulary with a
ranked merge list instead, which cannot be exact here: the 57,768 pieces from `<eod>` on all have
score 0, and among equals SentencePiece merges the leftmost first.

Decoding: see `yuan_demo.model.detokenizer`.

Importing this module makes `AutoTokenizer` give `YuanTokenizer` for folders whose `config.json` has
the model type `yuan`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sentencepiece import SentencePieceProcessor
from transformers import AddedToken, AutoConfig, AutoTokenizer
from transformers.models.auto.tokenization_auto import (
    MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS,
    TOKENIZER_MAPPING_NAMES,
)
from transformers.tokenization_utils_sentencepiece import SentencePieceBackend

from yuan_demo.core.control_tokens import (
    BOS_TOKEN,
    CONTROL_TOKENS,
    CUT_TOKENS,
    EOD_TOKEN,
    PAD_TOKEN,
    UNK_TOKEN,
)
from yuan_demo.core.errors import CheckpointError
from yuan_demo.core.options import EOS_TOKEN
from yuan_demo.core.tokens import EncodedToken
from yuan_demo.model.configuration_yuan import YuanConfig
from yuan_demo.model.detokenizer import SPACE_MARK, StreamingDetokenizer
from yuan_demo.model.recent_encodings import RecentEncodings

CHAT_TEMPLATE = """
{%- set chat = namespace(question=-1) -%}
{%- for message in messages -%}
    {%- if message['role'] == 'user' -%}{%- set chat.question = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for message in messages -%}
    {{- message['content'] -}}
    {%- if message['role'] == 'system' -%}
        {%- if not loop.first -%}
            {{- raise_exception('Yuan2 takes a system message only as the first message.') -}}
        {%- endif -%}
        {{- '\\n' -}}
    {%- elif message['role'] not in ['user', 'assistant'] -%}
        {{- raise_exception('Yuan2 knows the roles system, user and assistant; got ' ~
            message['role'] ~ '.') -}}
    {%- elif loop.last -%}
        {%- if add_generation_prompt -%}
            {{- '<sep>' -}}
        {%- elif message['role'] == 'assistant' -%}
            {{- '<eod>' -}}
        {%- endif -%}
    {%- elif loop.index0 == chat.question and not add_generation_prompt -%}
        {{- '<sep>' -}}
    {%- else -%}
        {{- '<n>' -}}
    {%- endif -%}
{%- endfor -%}
"""
"""Yuan2's chat format, used where a folder brings no template.

Messages are joined by the text `<n>`. `<sep>` asks for the answer: it ends the prompt with
`add_generation_prompt`; without it, it stands between the last question and its answer, and `<eod>`
after that answer, as in fine-tuning data. A system message comes first, on a line of its own.
"""

_SURROGATE = re.compile("[\ud800-\udfff]")

_FIXED_ARGUMENTS = {
    "bos_token": BOS_TOKEN,
    "eos_token": EOD_TOKEN,
    "unk_token": UNK_TOKEN,
    "pad_token": PAD_TOKEN,
    "legacy": True,
}
"""What Yuan2 needs whatever a folder's tokenizer_config.json says: the shipped one names `</s>` as
end of text and adds `<s>` and `</s>`, none of which the model was trained with."""


class YuanTokenizer(SentencePieceBackend):
    """Encodes and decodes exactly as the tokenizer that Yuan2 was trained with.

    Ids outside the vocabulary, such as the padding rows of the embedding, decode to no text;
    `convert_ids_to_tokens` shows them as `[id 134960]`. A lone surrogate, which has no UTF-8, is
    encoded as U+FFFD.

    Args:
        vocab_file: the SentencePiece model, `tokenizer.model`.
        **kwargs: as for any transformers tokenizer. `chat_template` is Yuan2's unless given; the
            special tokens are fixed and other values for them are ignored.

    Raises:
        CheckpointError: the file is missing, unreadable, or encodes by other rules than Yuan2's.
    """

    model_input_names: ClassVar[list[str]] = ["input_ids", "attention_mask"]
    padding_side = "left"

    def __init__(self, vocab_file: str | None = None, **kwargs: Any) -> None:
        added = _added_tokens(_load_sentencepiece(vocab_file))
        for token_id, token in kwargs.pop("added_tokens_decoder", {}).items():
            # Tokens that a person added behind ours come back; a folder cannot redefine ours.
            if token_id > max(added):
                added[token_id] = token
        named = {name for name in kwargs if name.endswith("_token")}
        for name in (*named, "extra_special_tokens", "model_specific_special_tokens"):
            kwargs.pop(name, None)
        kwargs["chat_template"] = kwargs.get("chat_template") or CHAT_TEMPLATE
        super().__init__(
            vocab_file=vocab_file,
            added_tokens_decoder=added,
            extra_special_tokens=[token.content for token in added.values() if token.special],
            **kwargs | _FIXED_ARGUMENTS,
        )
        self._recent = RecentEncodings()

    @property
    def eod_token_id(self) -> int:
        """Id of `<eod>`, which ends an answer."""
        return self._added_tokens_encoder[EOD_TOKEN]

    def control_token_id(self, token: str) -> int | None:
        """Id of a control token, None for any other text: `<n>` is not one.

        Those at which text is cut, and `</s>`, which no text gives.
        """
        if token == EOS_TOKEN:
            return self.sp_model.piece_to_id(token)
        return self._added_tokens_encoder.get(token)

    def control_token(self, token_id: int) -> str | None:
        """Name of the control token with this id, None if the id is not one."""
        token = self._added_tokens_decoder.get(token_id)
        return token and token.content

    def encode_with_offsets(self, text: str, *, parse_control: bool = True) -> list[EncodedToken]:
        """Encodes `text` and says which characters each token stands for.

        The spans are in order and cover the text; the byte tokens of one character all have the
        span of that character; the phantom mark before a stretch has an empty span. The `raw`
        bytes joined are the UTF-8 of the text.

        Args:
            text: any string; offsets count its characters, lone surrogates included.
            parse_control: read control tokens in the text. Without it they are ordinary
                characters, so a person who types `<sep>` does not end the question.

        Returns:
            The tokens, with the same ids as `encode` if `parse_control` is true.
        """
        tokens: list[EncodedToken] = []
        for start, stretch, control_id in self._stretches(text, parse_control=parse_control):
            if control_id is None:
                tokens.extend(self._tokens_of_stretch(stretch, start))
            else:
                end = start + len(stretch)
                tokens.append(EncodedToken(control_id, stretch, start, end, stretch.encode()))
        return tokens

    def tokenize(self, text: str, **kwargs: Any) -> list[str]:
        """Pieces of the text; with `split_special_tokens` control tokens are ordinary text."""
        split = kwargs.get("split_special_tokens", self.split_special_tokens)
        pieces: list[str] = []
        for _, stretch, control_id in self._stretches(text, parse_control=not split):
            if control_id is None:
                pieces.extend(self.sp_model.encode(stretch, out_type=str))
            else:
                pieces.append(stretch)
        return pieces

    def convert_tokens_to_string(self, tokens: Iterable[str]) -> str:
        """Text of the pieces, as `decode` gives it for their ids."""
        return self._decode([self.convert_tokens_to_ids(token) for token in tokens])

    def get_vocab(self) -> dict[str, int]:
        """Every piece and added token with its id."""
        pieces = self.sp_model.id_to_piece(list(range(self.vocab_size)))
        return {piece: index for index, piece in enumerate(pieces)} | self.added_tokens_encoder

    def _stretches(
        self, text: str, *, parse_control: bool
    ) -> Iterator[tuple[int, str, int | None]]:
        """Cuts the text: yields the start, the characters, and the id if it is a control token."""
        text = _SURROGATE.sub("\ufffd", text)
        position = 0
        for match in self._cut.finditer(text) if parse_control else ():
            if match.start() > position:
                yield position, text[position : match.start()], None
            yield match.start(), match[0], self._added_tokens_encoder[match[0]]
            position = match.end()
        if position < len(text):
            yield position, text[position:], None

    def _tokens_of_stretch(self, stretch: str, start: int) -> Iterable[EncodedToken]:
        """Encodes one stretch that begins at character `start` of the whole text."""
        encoded = self._recent.encode(stretch, self.sp_model)
        if not start:
            return encoded
        return (
            token._replace(start=token.start + start, end=token.end + start) for token in encoded
        )

    def _decode(
        self,
        token_ids: int | Sequence[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> str:
        detokenizer = StreamingDetokenizer(self, skip_special_tokens=skip_special_tokens)
        ids = [token_ids] if isinstance(token_ids, int) else token_ids
        text = "".join(map(detokenizer.add, ids)) + detokenizer.finish()
        return self.clean_up_tokenization(text) if clean_up_tokenization_spaces else text

    def _convert_id_to_token(self, index: int) -> str:
        in_vocabulary = 0 <= index < self.vocab_size
        return self.sp_model.id_to_piece(index) if in_vocabulary else f"[id {index}]"

    def _update_trie(self, unique_no_split_tokens: Iterable[str] | None = None) -> None:
        """Called by the base whenever the added tokens change."""
        names = {token.content for token in self._added_tokens_decoder.values()}
        names.update(unique_no_split_tokens or ())
        self._cut = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))

    def _update_total_vocab_size(self) -> None:
        behind = sum(token_id >= self.vocab_size for token_id in self._added_tokens_decoder)
        self.total_vocab_size = self.vocab_size + behind


def _added_tokens(sp_model: SentencePieceProcessor) -> dict[int, AddedToken]:
    """Ids of the control tokens: that of the piece, or the next one behind the model."""
    added: dict[int, AddedToken] = {}
    next_id = sp_model.get_piece_size()
    for name in CUT_TOKENS:
        token_id = sp_model.piece_to_id(name)
        if sp_model.id_to_piece(token_id) != name:
            token_id, next_id = next_id, next_id + 1
        added[token_id] = AddedToken(name, normalized=False, special=True)
    return added


def _load_sentencepiece(vocab_file: str | None) -> SentencePieceProcessor:
    """Reads a SentencePiece model and makes sure that it encodes by Yuan2's rules."""
    if vocab_file is None or not Path(vocab_file).is_file():
        raise CheckpointError(
            f"A Yuan2 folder must hold the SentencePiece model tokenizer.model; got "
            f"{vocab_file or 'a folder without it'}. "
            "Download the model again, or copy the file into the folder."
        )
    sp_model = SentencePieceProcessor()
    try:
        sp_model.Load(str(vocab_file))
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"{vocab_file} cannot be read as a SentencePiece model ({error}). It may be "
            "half-downloaded: delete it and download the model again."
        ) from error
    if broken := _broken_rule(sp_model):
        raise CheckpointError(
            f"{vocab_file} is not a Yuan2 tokenizer: {broken}. Use the tokenizer.model that came "
            "with the checkpoint."
        )
    return sp_model


def _broken_rule(sp_model: SentencePieceProcessor) -> str | None:
    """Names the first rule of Yuan2's SentencePiece models that this one breaks."""
    # A ligature, a full-width letter and spaces at both ends: all that a normalizer would change.
    if sp_model.normalize(" ﬁ  Ａ ") != f"{SPACE_MARK * 2}ﬁ{SPACE_MARK * 2}Ａ{SPACE_MARK}":
        return "it must leave text as it is and put one space mark before it"
    if not all(sp_model.is_byte(sp_model.piece_to_id(f"<0x{byte:02X}>")) for byte in range(256)):
        return "it must have a piece for each of the 256 bytes"
    for name in CONTROL_TOKENS:
        if name in sp_model.encode(f"a{name}", out_type=str):
            return f"it must split {name} in ordinary text, where a person may type it"
    return None


def _register() -> None:
    """Makes `AutoTokenizer` choose `YuanTokenizer` for the model type `yuan`.

    Registering serves folders whose tokenizer_config.json names YuanTokenizer or no class. The
    published ones name LlamaTokenizer, and AutoTokenizer believes that name unless the model type
    is listed among those whose checkpoints are known to name a wrong class.
    """
    # AutoTokenizer reads config.json first; exist_ok, as the model's module registers it as well.
    AutoConfig.register(YuanConfig.model_type, YuanConfig, exist_ok=True)
    AutoTokenizer.register(YuanConfig, tokenizer_class=YuanTokenizer, exist_ok=True)
    TOKENIZER_MAPPING_NAMES[YuanConfig.model_type] = YuanTokenizer.__name__
    MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS.add(YuanConfig.model_type)


_register()

__all__ = ["CHAT_TEMPLATE", "YuanTokenizer"]
