"""Tokenizers, conversations and a tiny model for the tests of every layer.

Most tests use small SentencePiece models: one trained here in a second, with the rules of Yuan2's,
and the embedded one where it is there. The tokenizer of the published Yuan2 checkpoints is not
part of this repository; tests of it look for the folder beside the project.
"""

import io
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sentencepiece import SentencePieceTrainer

from yuan_demo.core.messages import Message

PROJECT = Path(__file__).resolve().parents[1]
EMBEDDED = PROJECT / "assets" / "yuan2-embedded"
SHARED = PROJECT.parent / "shared"

CORPUS = [
    "你好，今天天气很好，我们去公园散步吧。",
    "请用一句话介绍一下你自己。",
    "The quick brown fox jumps over the lazy dog.",
    "def bubble_sort(items):\n    for i in range(len(items)):\n        print(items[i])",
    "您好，请问您需要哪方面的帮助？给我写首诗，主题是明月。",
]

# As in the real vocabulary some control tokens are pieces and the others are not.
CONTROL_PIECES = ["<eod>", "<n>", "<sep>", "<pad>", "<jupyter_start>", "<empty_output>"]


def _train_sentencepiece(**changes: Any) -> bytes:
    options = {
        "model_type": "bpe",
        "vocab_size": 480,
        "hard_vocab_limit": False,
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "allow_whitespace_only_pieces": True,
        "control_symbols": CONTROL_PIECES,
        "minloglevel": 2,
    }
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 3), model_writer=model, **options | changes
    )
    return model.getvalue()


@pytest.fixture(scope="session")
def train_sentencepiece() -> Callable[..., bytes]:
    """Trains a small SentencePiece model with Yuan2's rules, but for the options given."""
    return _train_sentencepiece


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a freshly trained `tokenizer.model` and nothing else."""
    folder = tmp_path_factory.mktemp("tokenizer")
    (folder / "tokenizer.model").write_bytes(_train_sentencepiece())
    return folder


@pytest.fixture(
    scope="session",
    params=["trained", "embedded"] if (EMBEDDED / "tokenizer.model").is_file() else ["trained"],
)
def tokenizer_folder(request: pytest.FixtureRequest) -> Path:
    """A folder with a tokenizer that behaves as Yuan2's."""
    embedded = request.param == "embedded"
    return EMBEDDED if embedded else request.getfixturevalue("trained_folder")


@pytest.fixture
def tokenizer(tokenizer_folder: Path) -> Any:
    """A `YuanTokenizer` of its own for every test."""
    return _load_tokenizer(tokenizer_folder)


@pytest.fixture(scope="session")
def real_tokenizer() -> Any:
    """The tokenizer of the published checkpoints."""
    folder = Path(os.environ.get("YUAN_TOKENIZER", SHARED / "yuan2-tokenizer"))
    if not (folder / "tokenizer.model").is_file():
        pytest.skip(
            "Yuan2's tokenizer.model is not here: set YUAN_TOKENIZER to a folder that holds it, or "
            "put that folder at ../shared/yuan2-tokenizer beside the project"
        )
    return _load_tokenizer(folder)


@pytest.fixture(scope="session")
def golden_lines() -> list[dict[str, Any]]:
    """Reference encodings: `text`, `ids`, `tokens`, `decoded` of 652 texts."""
    file = SHARED / "golden" / "tokenizer.jsonl"
    if not file.is_file():
        pytest.skip("the reference encodings are not here: ../shared/golden/tokenizer.jsonl")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


WORDS = [
    "Hello", "The quick brown fox", "1.", "x = f(y)", "if x:\n    y", "print(items[i])",
    "你好", "天气很好", "明月，", "龘", "？", " ", "   ", "\n", "\r\n", "\t", "é", "e\u0301", "Ω",
    "👨‍👩‍👧", "👍🏽", "🇨🇳", "مرحبا", "<", ">", "<n", "</n>", "&lt;", "<b>", "\u200b", "\ufffd",
]  # fmt: skip


@pytest.fixture(scope="session")
def random_text() -> Callable[[random.Random], str]:
    """Draws a text of up to a dozen words; it names no control token."""
    return lambda rng: "".join(rng.choices(WORDS, k=rng.randint(1, 12)))


@pytest.fixture(scope="session")
def random_conversation(
    random_text: Callable[[random.Random], str],
) -> Callable[[random.Random], tuple[Message, ...]]:
    """Draws a conversation of up to 12 turns that ends in a question; some answers are missing or
    empty, as stopping one leaves them."""

    def draw(rng: random.Random) -> tuple[Message, ...]:
        messages: list[Message] = []
        for _ in range(rng.randint(0, 11)):
            messages.append(Message("user", random_text(rng)))
            if rng.random() < 0.9:
                answer = "" if rng.random() < 0.05 else random_text(rng)
                messages.append(Message("assistant", answer))
        return (*messages, Message("user", random_text(rng) + "?"))

    return draw


@pytest.fixture(scope="session")
def tiny_loaded(trained_folder: Path) -> Any:
    """A `LoadedModel` with random weights: 2 layers, width 32, a window of 1,024 tokens.

    Its embedding has three rows more than the vocabulary, as the published checkpoints have. The
    weights are drawn ten times wider than a fresh model's, so that the best token is never a tie.
    """
    import torch

    from yuan_demo.model.checkpoint import GenerationDefaults, LoadedModel
    from yuan_demo.model.configuration_yuan import YuanConfig
    from yuan_demo.model.modeling_yuan import YuanForCausalLM

    tokenizer = _load_tokenizer(trained_folder)
    eod, sep = tokenizer.eod_token_id, tokenizer.control_token_id("<sep>")
    config = YuanConfig(
        vocab_size=len(tokenizer) + 3,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=1024,
        initializer_range=0.2,
        tie_word_embeddings=False,
        pad_token_id=eod,
        bos_token_id=eod,
        eos_token_id=eod,
        eod_token_id=eod,
        eod_token=eod,
        sep_token_id=sep,
        sep_token=sep,
    )
    torch.manual_seed(0)
    model = YuanForCausalLM(config).eval().requires_grad_(False)
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        name="tiny",
        folder=trained_folder,
        source="folder",
        dtype="float32",
        device="cpu",
        parameter_count=sum(parameter.numel() for parameter in model.parameters()),
        context_length=1024,
        generation_defaults=GenerationDefaults(),
    )


def _load_tokenizer(folder: Path) -> Any:
    # Imported late: transformers takes seconds, and the tests of `core` do without it.
    from yuan_demo.model.tokenization_yuan import YuanTokenizer

    return YuanTokenizer.from_pretrained(folder)
