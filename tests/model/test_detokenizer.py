import random
from typing import Any

import pytest

from yuan_demo.core.control_tokens import CUT_TOKENS
from yuan_demo.model.detokenizer import StreamingDetokenizer
from yuan_demo.model.tokenization_yuan import YuanTokenizer

REPLACEMENT = "\ufffd"


def stream(tokenizer: YuanTokenizer, ids: list[int], **kwargs: bool) -> list[str]:
    detokenizer = StreamingDetokenizer(tokenizer, **kwargs)
    return [*map(detokenizer.add, ids), detokenizer.finish()]


def byte_ids(tokenizer: YuanTokenizer, raw: bytes) -> list[int]:
    return tokenizer.convert_tokens_to_ids([f"<0x{byte:02X}>" for byte in raw])


def decode_by_the_rule(tokenizer: YuanTokenizer, ids: list[int]) -> str:
    """The decoding rule on whole lists, with SentencePiece's own decode: slow, but plain."""
    texts: list[str] = []
    run: list[str] = []
    for token_id in ids:
        if not 0 <= token_id < len(tokenizer):
            continue
        piece = tokenizer.convert_ids_to_tokens(token_id)
        if token_id < tokenizer.vocab_size:
            run.append(piece)
            continue
        texts += [text for text in [decode_run(tokenizer, run)] if text]
        texts.append(piece)
        run = []
    if run:
        texts.append(decode_run(tokenizer, run))
    return " ".join(texts)


def decode_run(tokenizer: YuanTokenizer, run: list[str]) -> str:
    text = ""
    pending: list[str] = []
    for index, piece in enumerate(run):
        follows_control = index > 0 and tokenizer.control_token_id(run[index - 1]) is not None
        if tokenizer.control_token_id(piece) is not None:
            space = " " if index and not follows_control else ""
            text += space + tokenizer.sp_model.decode(pending) + piece
            pending = []
            continue
        if index == 1 and follows_control and not piece.startswith("▁"):
            text += " "
        pending += [piece] if index else without_mark(tokenizer, piece)
    return text + tokenizer.sp_model.decode(pending)


def without_mark(tokenizer: YuanTokenizer, piece: str) -> list[str]:
    """The piece without its mark, in known pieces: of others SentencePiece prints the `▁` itself.

    The real vocabulary has what remains of each of its pieces; small ones may not.
    """
    rest = piece.removeprefix("▁")
    return [rest] if tokenizer.convert_tokens_to_ids(rest) else list(rest)


def random_ids(tokenizer: YuanTokenizer, rng: random.Random) -> list[int]:
    """Ids of every sort: words, marks, bytes of broken and whole characters, control, outside."""
    control = [tokenizer.control_token_id(name) for name in CUT_TOKENS]
    marks = tokenizer.convert_tokens_to_ids(["▁", "▁▁"])
    sorts = [
        lambda: [rng.randrange(3, tokenizer.vocab_size)],
        lambda: [rng.choice(marks)],
        lambda: byte_ids(tokenizer, rng.randbytes(rng.randint(1, 3))),
        lambda: byte_ids(tokenizer, rng.choice(["é", "訛", "😀", " "]).encode()),
        lambda: byte_ids(tokenizer, "😀".encode()[: rng.randint(1, 3)]),
        lambda: [rng.choice(control)],
        lambda: [rng.choice([-100, len(tokenizer), len(tokenizer) + 81])],
    ]
    weights = [rng.random() for _ in sorts]
    picked = rng.choices(sorts, weights, k=rng.randint(0, 14))
    return [token_id for make in picked for token_id in make()]


@pytest.mark.parametrize("seed", range(20))
def test_decode_follows_the_rule_for_any_ids(tokenizer: YuanTokenizer, seed: int):
    rng = random.Random(seed)
    for _ in range(100):
        ids = random_ids(tokenizer, rng)
        assert tokenizer.decode(ids) == decode_by_the_rule(tokenizer, ids), ids


@pytest.mark.parametrize("seed", range(20))
def test_skipping_control_tokens_decodes_what_remains(tokenizer: YuanTokenizer, seed: int):
    rng = random.Random(seed)
    for _ in range(100):
        ids = random_ids(tokenizer, rng)
        remaining = [token_id for token_id in ids if tokenizer.control_token(token_id) is None]
        expected = decode_by_the_rule(tokenizer, remaining)
        assert tokenizer.decode(ids, skip_special_tokens=True) == expected, ids


@pytest.mark.parametrize("skip", [True, False])
def test_streamed_text_is_the_decoded_text(tokenizer: YuanTokenizer, skip: bool):
    rng = random.Random(7)
    for _ in range(500):
        ids = random_ids(tokenizer, rng)
        streamed = "".join(stream(tokenizer, ids, skip_special_tokens=skip))
        assert streamed == tokenizer.decode(ids, skip_special_tokens=skip), ids


def test_streamed_text_of_the_golden_ids_is_their_text(
    real_tokenizer: YuanTokenizer, golden_lines: list[dict[str, Any]]
):
    for line in golden_lines:
        streamed = stream(real_tokenizer, line["ids"], skip_special_tokens=False)
        assert "".join(streamed) == line["decoded"]


@pytest.mark.parametrize("seed", range(10))
def test_real_vocabulary_decodes_by_the_rule(real_tokenizer: YuanTokenizer, seed: int):
    rng = random.Random(seed)
    for _ in range(100):
        ids = random_ids(real_tokenizer, rng)
        assert real_tokenizer.decode(ids) == decode_by_the_rule(real_tokenizer, ids), ids


def test_a_character_appears_with_its_last_byte_and_not_before(tokenizer: YuanTokenizer):
    ids = byte_ids(tokenizer, "😀é".encode())

    assert stream(tokenizer, ids) == ["", "", "", "😀", "", "é", ""]


def test_a_replacement_character_is_shown_only_when_no_byte_can_mend_it(tokenizer: YuanTokenizer):
    two_of_three = byte_ids(tokenizer, "你".encode()[:2])
    space = tokenizer.convert_tokens_to_ids(["▁"])

    assert stream(tokenizer, two_of_three) == ["", "", REPLACEMENT * 2]
    assert stream(tokenizer, [*two_of_three, *space]) == ["", "", f"{REPLACEMENT * 2} ", ""]


def test_a_plain_answer_is_shown_token_by_token(tokenizer: YuanTokenizer):
    ids = tokenizer.encode("The quick brown fox")

    pieces = stream(tokenizer, ids)

    assert len(ids) > 1
    assert all(pieces[:-1])
    assert pieces[-1] == ""


def test_control_tokens_of_an_answer_are_left_out_unless_asked_for(tokenizer: YuanTokenizer):
    ids = tokenizer.encode("a<sep>b")

    assert "".join(stream(tokenizer, ids)) == "a b"
    assert "".join(stream(tokenizer, ids, skip_special_tokens=False)) == " a<sep>b"


def test_what_was_shown_never_changes(tokenizer: YuanTokenizer):
    rng = random.Random(3)
    for _ in range(200):
        ids, more = random_ids(tokenizer, rng), random_ids(tokenizer, rng)
        for skip in (True, False):
            shown = "".join(stream(tokenizer, ids, skip_special_tokens=skip)[:-1])
            longer = tokenizer.decode(ids + more, skip_special_tokens=skip)
            assert longer.startswith(shown), (ids, more)


def test_after_finish_a_new_text_begins(tokenizer: YuanTokenizer):
    detokenizer = StreamingDetokenizer(tokenizer)
    ids = tokenizer.encode("The quick")
    texts = ["".join([*map(detokenizer.add, ids), detokenizer.finish()]) for _ in range(2)]

    assert texts == ["The quick", "The quick"]
