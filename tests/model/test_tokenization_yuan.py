import copy
import json
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest
from transformers import AutoTokenizer

from yuan_demo.core.control_tokens import ADDED_TOKENS, CONTROL_TOKENS, CUT_TOKENS
from yuan_demo.core.errors import CheckpointError
from yuan_demo.core.tokens import EncodedToken
from yuan_demo.model.tokenization_yuan import YuanTokenizer

TEXTS = [
    "",
    " ",
    "      ",
    " a  b ",
    "\n\n\t\r\n",
    "\0a\0",
    "▁",
    "▁▁ a▁b ▁",
    "你好世界",
    "<0x41> 訛 😀 👨\u200d👩\u200d👧\u200d👦 مرحبا e\u0301",
    "1.<n>2</s>",
    "<sep>",
    "你好<sep> a<pad><pad>\n<mask>▁<eod>",
    "<<sep>>",
    "\ud83d lone \ude00 surrogates <sep> \udfff",
    "\ud83d\ude00",
]
ALPHABET = [
    "a",
    "ab",
    "你",
    "好",
    "訛",
    "😀",
    " ",
    "  ",
    "▁",
    "\n",
    "\0",
    "é",
    "\ud800",
    "�",
    *CUT_TOKENS,
]


def random_texts(count: int) -> list[str]:
    rng = random.Random(11)
    return ["".join(rng.choices(ALPHABET, k=rng.randint(0, 30))) for _ in range(count)]


def readable(text: str) -> str:
    """The text with U+FFFD for each surrogate, which has no UTF-8."""
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


def assert_offsets_are_right(text: str, tokens: list[EncodedToken]) -> None:
    """The promises of `EncodedToken`, for a text without surrogates."""
    covered = 0
    for token in tokens:
        assert 0 <= token.start <= token.end <= len(text)
        assert token.start == covered or token.end == covered, "in order, and no gap"
        covered = max(covered, token.end)
        span = text[token.start : token.end].encode()
        if token.piece.startswith("<0x") and token.piece not in text[token.start : token.end]:
            assert token.raw == bytes([int(token.piece[3:5], 16)])
            assert token.end == token.start + 1
            assert token.raw in span
        else:
            assert token.raw == span
    assert covered == len(text)
    assert b"".join(token.raw for token in tokens) == text.encode()


def write_folder(folder: Path, tokenizer_folder: Path, **files: Any) -> Path:
    """A model folder: the SentencePiece model and JSON files, named without their ending."""
    (folder / "tokenizer.model").write_bytes((tokenizer_folder / "tokenizer.model").read_bytes())
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


# The real vocabulary


def test_golden_texts_have_the_reference_ids_pieces_and_text(
    real_tokenizer: YuanTokenizer, golden_lines: list[dict[str, Any]]
):
    wrong = [
        line["text"]
        for line in golden_lines
        if real_tokenizer.encode(line["text"]) != line["ids"]
        or real_tokenizer.tokenize(line["text"]) != line["tokens"]
        or real_tokenizer.convert_ids_to_tokens(line["ids"]) != line["tokens"]
        or real_tokenizer.decode(line["ids"]) != line["decoded"]
    ]

    assert len(golden_lines) == 652
    assert wrong == []


def test_golden_texts_have_right_offsets(
    real_tokenizer: YuanTokenizer, golden_lines: list[dict[str, Any]]
):
    for text in (line["text"] for line in golden_lines):
        parsed = real_tokenizer.encode_with_offsets(text)
        assert [token.token_id for token in parsed] == real_tokenizer.encode(text)
        assert_offsets_are_right(text, parsed)
        plain = real_tokenizer.encode_with_offsets(text, parse_control=False)
        assert_offsets_are_right(text, plain)


def test_real_vocabulary_has_the_published_ids(real_tokenizer: YuanTokenizer):
    assert len(real_tokenizer) == 134958
    assert real_tokenizer.vocab_size == 134953
    assert real_tokenizer.eod_token_id == real_tokenizer.eos_token_id == 77185
    assert real_tokenizer.control_token_id("<sep>") == 77187
    assert real_tokenizer.pad_token_id == 77188
    assert real_tokenizer.convert_tokens_to_ids(
        ["<mask>", "<predict>", "<FIM_SUFFIX>", "<FIM_PREFIX>", "<FIM_MIDDLE>"]
    ) == list(range(134953, 134958))


def test_padding_rows_of_the_real_embedding_have_no_text(real_tokenizer: YuanTokenizer):
    assert real_tokenizer.decode(range(134958, 135040)) == ""


# Encoding


def test_text_is_cut_at_every_control_token_and_each_stretch_encoded_by_itself(
    tokenizer: YuanTokenizer,
):
    for name in CUT_TOKENS:
        control_id = tokenizer.control_token_id(name)
        left, right = tokenizer.encode("你好 "), tokenizer.encode(" fox")
        assert tokenizer.encode(f"你好 {name} fox") == [*left, control_id, *right]


def test_a_stretch_is_what_sentencepiece_makes_of_it(tokenizer: YuanTokenizer):
    for text in ["你好", "  fox ", "\n", "訛😀"]:
        assert tokenizer.encode(text) == tokenizer.sp_model.encode(text)


@pytest.mark.parametrize("name", ["<n>", "</s>", "<SEP>", "< sep>"])
def test_what_only_looks_like_a_control_token_is_split(tokenizer: YuanTokenizer, name: str):
    assert (tokenizer.control_token_id(name) is None) == (name != "</s>")
    assert len(tokenizer.encode(name)) > 1


def test_nothing_is_added(tokenizer: YuanTokenizer):
    assert tokenizer.encode("") == []
    assert tokenizer.encode("<sep>") == [tokenizer.control_token_id("<sep>")]
    assert tokenizer.num_special_tokens_to_add() == 0


def test_control_tokens_without_a_piece_stand_behind_the_model_in_order(tokenizer: YuanTokenizer):
    behind = [
        name
        for name in ADDED_TOKENS
        if tokenizer.sp_model.id_to_piece(tokenizer.sp_model.piece_to_id(name)) != name
    ]
    first = tokenizer.vocab_size

    assert "<mask>" in behind
    assert [tokenizer.control_token_id(name) for name in behind] == list(
        range(first, first + len(behind))
    )
    assert len(tokenizer) == first + len(behind) == max(tokenizer.get_vocab().values()) + 1


@pytest.mark.parametrize("name", CONTROL_TOKENS)
def test_typed_control_tokens_can_be_read_as_plain_text(tokenizer: YuanTokenizer, name: str):
    tokens = tokenizer.encode_with_offsets(f"a{name}b", parse_control=False)

    assert name not in [token.piece for token in tokens]
    assert [token.token_id for token in tokens] == tokenizer.sp_model.encode(f"a{name}b")
    assert tokenizer.encode(f"a{name}b", split_special_tokens=True) == [
        token.token_id for token in tokens
    ]


# Offsets


@pytest.mark.parametrize("parse_control", [True, False])
def test_offsets_are_right_for_any_text(tokenizer: YuanTokenizer, parse_control: bool):
    for text in TEXTS + random_texts(500):
        tokens = tokenizer.encode_with_offsets(text, parse_control=parse_control)
        assert_offsets_are_right(readable(text), tokens)
        if parse_control:
            assert [token.token_id for token in tokens] == tokenizer.encode(text)


def test_bytes_of_one_character_share_its_span(tokenizer: YuanTokenizer):
    tokens = tokenizer.encode_with_offsets("a🦕訛")

    assert [(t.start, t.end, t.raw) for t in tokens if t.piece.startswith("<0x")] == [
        *((1, 2, bytes([byte])) for byte in "🦕".encode()),
        *((2, 3, bytes([byte])) for byte in "訛".encode()),
    ]


def test_the_phantom_mark_covers_nothing_and_a_typed_space_itself(tokenizer: YuanTokenizer):
    phantom = tokenizer.encode_with_offsets("<sep>訛")[1]
    spaces = tokenizer.encode_with_offsets(" \n")[0]

    assert (phantom.piece, phantom.start, phantom.end, phantom.raw) == ("▁", 5, 5, b"")
    assert (spaces.piece, spaces.start, spaces.end, spaces.raw) == ("▁▁", 0, 1, b" ")


def test_a_typed_space_mark_keeps_its_own_bytes(tokenizer: YuanTokenizer):
    tokens = tokenizer.encode_with_offsets("\n▁\n \n")

    assert b"".join(token.raw for token in tokens) == "\n▁\n \n".encode()


def test_lone_surrogates_are_encoded_as_replacement_characters(tokenizer: YuanTokenizer):
    assert tokenizer.encode("a\ud83db") == tokenizer.encode("a\ufffdb")
    assert [t.end for t in tokenizer.encode_with_offsets("\ud83d\ude00")][-1] == 2


@pytest.mark.parametrize("unit", ["你好世界。", "The quick brown fox. ", "a", " ", "\n", "<sep>"])
def test_a_hundred_thousand_characters_take_less_than_two_seconds(
    tokenizer: YuanTokenizer, unit: str
):
    text = (unit * 100_000)[:100_000]

    # Processor time: the clock on the wall also measures what else the machine does.
    started = time.process_time()
    tokens = tokenizer.encode_with_offsets(text)

    assert time.process_time() - started < 2
    assert tokens[-1].end == 100_000


# As a transformers tokenizer


def test_special_tokens_are_yuans_whatever_the_folder_says(tmp_path: Path, tokenizer_folder: Path):
    token = {"__type": "AddedToken", "content": "</s>", "normalized": True, "special": True}
    config = {
        "add_bos_token": True,
        "add_eos_token": True,
        "bos_token": "<eod>",
        "eos_token": token,
        "pad_token": None,
        "cls_token": "<cls>",
        "legacy": False,
        "additional_special_tokens": ["</s>"],
        "added_tokens_decoder": {"2": {"content": "</s>", "special": True}},
        "tokenizer_class": "LlamaTokenizer",
    }
    plain = YuanTokenizer.from_pretrained(tokenizer_folder)
    odd = YuanTokenizer.from_pretrained(
        write_folder(tmp_path, tokenizer_folder, tokenizer_config=config)
    )

    assert odd.special_tokens_map == {
        "bos_token": "<s>",
        "eos_token": "<eod>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
    }
    assert len(odd) == len(plain)
    assert odd.get_vocab() == plain.get_vocab()
    for text in TEXTS:
        assert odd.encode(text) == plain.encode(text)


def test_a_batch_is_padded_left_and_masked(tokenizer: YuanTokenizer):
    short, long = tokenizer.encode("你好"), tokenizer.encode("你好<sep>The quick brown fox")
    missing = len(long) - len(short)

    batch = tokenizer(["你好", "你好<sep>The quick brown fox"], padding=True, return_tensors="pt")

    assert set(batch) == {"input_ids", "attention_mask"}
    assert batch["input_ids"].tolist() == [[tokenizer.pad_token_id] * missing + short, long]
    assert batch["attention_mask"].tolist() == [[0] * missing + [1] * len(short), [1] * len(long)]


def test_truncation_keeps_the_first_tokens(tokenizer: YuanTokenizer):
    ids = tokenizer.encode("The quick brown fox jumps")

    cut = tokenizer("The quick brown fox jumps", truncation=True, max_length=3)

    assert len(ids) > 3
    assert cut["input_ids"] == ids[:3]


def test_decode_takes_one_id_a_sequence_or_a_batch(tokenizer: YuanTokenizer):
    ids = tokenizer.encode("你好")

    assert tokenizer.decode(tokenizer.control_token_id("<sep>")) == "<sep>"
    assert tokenizer.decode(ids) == "你好"
    assert tokenizer.decode([ids, ids]) == ["你好", "你好"]
    assert tokenizer.convert_tokens_to_string(tokenizer.tokenize("你好")) == "你好"


def test_ids_outside_the_vocabulary_have_no_text_but_a_visible_name(tokenizer: YuanTokenizer):
    outside = len(tokenizer) + 5

    assert tokenizer.decode([*tokenizer.encode("a"), outside, -100]) == "a"
    assert tokenizer.convert_ids_to_tokens([outside, -100]) == [f"[id {outside}]", "[id -100]"]


def test_saving_and_loading_changes_nothing(tmp_path: Path, tokenizer: YuanTokenizer):
    tokenizer.add_tokens(["<mine>"])
    tokenizer.save_pretrained(tmp_path)
    saved = YuanTokenizer.from_pretrained(tmp_path)

    assert saved.get_vocab() == tokenizer.get_vocab()
    assert saved.chat_template == tokenizer.chat_template
    assert saved.padding_side == "left"
    assert saved.encode("a<mine>b") == tokenizer.encode("a<mine>b")
    assert tokenizer.control_token_id("<mine>") == len(tokenizer) - 1
    for text in TEXTS:
        assert saved.encode(text) == tokenizer.encode(text)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_copies_encode_the_same(tokenizer: YuanTokenizer, clone: Callable[[Any], Any]):
    twin = clone(tokenizer)

    for text in TEXTS:
        assert twin.encode(text) == tokenizer.encode(text)
        assert twin.decode(twin.encode(text)) == tokenizer.decode(tokenizer.encode(text))


# The chat template


@pytest.mark.parametrize(
    ("roles", "options", "expected"),
    [
        ("u", {"add_generation_prompt": True}, "1<sep>"),
        ("u", {}, "1"),
        ("uau", {"add_generation_prompt": True}, "1<n>2<n>3<sep>"),
        ("uau", {}, "1<n>2<n>3"),
        ("ua", {}, "1<sep>2<eod>"),
        ("uaua", {}, "1<n>2<n>3<sep>4<eod>"),
        ("suaua", {}, "1\n2<n>3<n>4<sep>5<eod>"),
        ("su", {"add_generation_prompt": True}, "1\n2<sep>"),
        ("uu", {"add_generation_prompt": True}, "1<n>2<sep>"),
        ("ua", {"continue_final_message": True}, "1<sep>2"),
    ],
    ids=str,
)
def test_chat_template_writes_yuans_format(
    tokenizer: YuanTokenizer, roles: str, options: dict[str, bool], expected: str
):
    names = {"s": "system", "u": "user", "a": "assistant"}
    messages = [
        {"role": names[role], "content": str(number)} for number, role in enumerate(roles, start=1)
    ]

    text = tokenizer.apply_chat_template(messages, tokenize=False, **options)
    ids = tokenizer.apply_chat_template(messages, **options)["input_ids"]

    assert text == expected
    assert ids == tokenizer.encode(expected)


def test_chat_template_keeps_every_character_of_a_message(tokenizer: YuanTokenizer):
    content = "  a\n\n{{ b }} \n"

    text = tokenizer.apply_chat_template([{"role": "user", "content": content}], tokenize=False)

    assert text == content


def test_typed_control_tokens_of_a_message_can_be_kept_plain(tokenizer: YuanTokenizer):
    messages = [{"role": "user", "content": "你<sep>好"}]

    ids = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, sanitize_control_tokens=True
    )["input_ids"]

    assert ids.count(tokenizer.control_token_id("<sep>")) == 1
    assert ids[-1] == tokenizer.control_token_id("<sep>")


@pytest.mark.parametrize("roles", [("tool",), ("user", "system")])
def test_chat_template_refuses_roles_it_cannot_write(
    tokenizer: YuanTokenizer, roles: tuple[str, ...]
):
    messages = [{"role": role, "content": "1"} for role in roles]

    with pytest.raises(jinja2.TemplateError, match="Yuan2"):
        tokenizer.apply_chat_template(messages, tokenize=False)


def test_a_folders_own_template_is_used(tmp_path: Path, tokenizer_folder: Path):
    folder = write_folder(tmp_path, tokenizer_folder, tokenizer_config={"chat_template": "own"})

    assert YuanTokenizer.from_pretrained(folder).chat_template == "own"


# Files that are no tokenizer of Yuan2


def test_a_folder_without_the_model_file_is_refused(tmp_path: Path):
    (tmp_path / "tokenizer_config.json").write_text("{}")

    with pytest.raises(CheckpointError, match=r"tokenizer\.model"):
        YuanTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize("kept", [0, 10, 2000])
def test_a_truncated_model_file_is_refused(tmp_path: Path, trained_folder: Path, kept: int):
    whole = (trained_folder / "tokenizer.model").read_bytes()
    (tmp_path / "tokenizer.model").write_bytes(whole[:kept])

    with pytest.raises(CheckpointError, match="download the model again"):
        YuanTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ({"normalization_rule_name": "nmt_nfkc"}, "leave text as it is"),
        ({"remove_extra_whitespaces": True}, "leave text as it is"),
        ({"add_dummy_prefix": False}, "one space mark before"),
        ({"byte_fallback": False}, "256 bytes"),
        ({"control_symbols": [], "user_defined_symbols": ["<n>"]}, "must split <n>"),
    ],
    ids=str,
)
def test_a_model_with_other_rules_is_refused(
    tmp_path: Path,
    train_sentencepiece: Callable[..., bytes],
    option: dict[str, Any],
    reason: str,
):
    (tmp_path / "tokenizer.model").write_bytes(train_sentencepiece(**option))

    with pytest.raises(CheckpointError, match=reason):
        YuanTokenizer.from_pretrained(tmp_path)


# AutoTokenizer


@pytest.mark.parametrize(
    "tokenizer_config",
    [
        {"tokenizer_class": "LlamaTokenizer"},
        {"tokenizer_class": "LlamaTokenizerFast"},
        {"tokenizer_class": "PreTrainedTokenizerFast"},
        {"tokenizer_class": "YuanTokenizer"},
        {"tokenizer_class": "NoSuchTokenizer"},
        {"auto_map": {"AutoTokenizer": ["tokenization_yuan.YuanTokenizer", None]}},
        {},
        None,
    ],
    ids=str,
)
def test_auto_tokenizer_of_a_yuan_folder_is_ours(
    tmp_path: Path, trained_folder: Path, tokenizer_config: dict[str, Any] | None
):
    files = {} if tokenizer_config is None else {"tokenizer_config": tokenizer_config}
    folder = write_folder(tmp_path, trained_folder, config={"model_type": "yuan"}, **files)

    assert type(AutoTokenizer.from_pretrained(folder)) is YuanTokenizer


def test_importing_the_tokenizer_alone_serves_auto_tokenizer(tmp_path: Path, trained_folder: Path):
    """In a fresh interpreter, where nothing has imported the model and registered its type."""
    folder = write_folder(tmp_path, trained_folder, config={"model_type": "yuan"})
    program = (
        "import yuan_demo.model.tokenization_yuan, sys\n"
        "from transformers import AutoTokenizer\n"
        "print(type(AutoTokenizer.from_pretrained(sys.argv[1])).__name__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    assert run.stdout.strip() == "YuanTokenizer"


def test_without_config_json_auto_tokenizer_needs_our_name(tmp_path: Path, trained_folder: Path):
    folder = write_folder(
        tmp_path, trained_folder, tokenizer_config={"tokenizer_class": "YuanTokenizer"}
    )

    assert type(AutoTokenizer.from_pretrained(folder)) is YuanTokenizer


def test_without_config_json_auto_tokenizer_believes_the_name_llama(
    tmp_path: Path, trained_folder: Path
):
    """What registration cannot change, and why the demo never uses AutoTokenizer itself."""
    folder = write_folder(
        tmp_path, trained_folder, tokenizer_config={"tokenizer_class": "LlamaTokenizer"}
    )
    try:
        chosen = type(AutoTokenizer.from_pretrained(folder))
    except (ImportError, ValueError):  # without protobuf transformers cannot build it at all
        return

    assert chosen is not YuanTokenizer
