import random
from collections.abc import Callable
from typing import Any

import pytest

from yuan_demo.core.prompt import Origin, Prompt, Segment
from yuan_demo.core.spelling import piece_bytes, spell_answer


class PieceTokenizer:
    """A vocabulary of the pieces that a test names; ids are places in that list."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [self.pieces[index] for index in ids]

    def control_token_id(self, token: str) -> int | None:
        return self.pieces.index(token) if token in ("<eod>", "<sep>") else None


def spell(*pieces: str) -> Prompt:
    return spell_answer(list(range(len(pieces))), PieceTokenizer(*pieces), position=10, turn=3)


def groups(prompt: Prompt) -> list[tuple[str, str]]:
    """Per token: its piece and the characters that it covers."""
    return [
        (token.encoded.piece, prompt.text[token.encoded.start : token.encoded.end])
        for token in prompt.tokens
    ]


def test_pieces_are_spelled_with_their_spaces_but_for_the_first():
    prompt = spell("▁The", "▁quick", "▁▁", "fox")

    assert prompt.text == "The quick  fox"
    assert prompt.segments == (Segment(Origin.ANSWER, 3, prompt.text),)


def test_rows_tell_position_turn_and_origin():
    prompt = spell("▁a", "b", "<eod>")

    assert [token.position for token in prompt.tokens] == [10, 11, 12]
    assert {token.turn for token in prompt.tokens} == {3}
    assert [token.origin for token in prompt.tokens] == [
        Origin.ANSWER,
        Origin.ANSWER,
        Origin.CONTROL,
    ]
    assert prompt.text == "ab<eod>"


def test_a_lone_first_mark_is_a_phantom():
    prompt = spell("▁", "好")

    assert [token.is_phantom for token in prompt.tokens] == [True, False]
    assert groups(prompt) == [("▁", ""), ("好", "好")]


def test_byte_tokens_of_one_character_all_cover_it_and_keep_their_own_byte():
    prompt = spell("▁", "<0xE4>", "<0xBD>", "<0xA0>", "<0x41>")

    assert groups(prompt)[1:] == [
        ("<0xE4>", "你"),
        ("<0xBD>", "你"),
        ("<0xA0>", "你"),
        ("<0x41>", "A"),
    ]
    assert [token.encoded.raw for token in prompt.tokens] == [b"", b"\xe4", b"\xbd", b"\xa0", b"A"]


@pytest.mark.parametrize(
    ("pieces", "covered"),
    [
        (["<0xE4>", "好"], ["\ufffd", "好"]),
        (["<0xE4>", "<0xBD>", "好"], ["\ufffd", "\ufffd", "好"]),
        (["<0xE4>", "<0xE4>", "<0xBD>", "<0xA0>"], ["\ufffd", "你", "你", "你"]),
        (["<0xBD>", "a"], ["\ufffd", "a"]),
        (["a", "<0xF0>", "<0x9F>"], ["a", "\ufffd", "\ufffd"]),
        (["<0xE4>", "<eod>"], ["\ufffd", "<eod>"]),
        (["<0xED>", "<0xA0>", "<0x80>"], ["\ufffd", "\ufffd", "\ufffd"]),
    ],
    ids=str,
)
def test_a_byte_that_completes_no_character_stands_alone(pieces: list[str], covered: list[str]):
    assert groups(spell(*pieces)) == list(zip(pieces, covered, strict=True))


def test_only_pieces_of_exactly_one_byte_are_bytes():
    assert piece_bytes("<0x41>") == b"A"
    assert piece_bytes("<0x4>") == b"<0x4>"
    assert piece_bytes("a<0x41>") == b"a<0x41>"


def test_no_tokens_are_no_text():
    assert spell().text == ""
    assert spell().tokens == ()


# --- with a tokenizer of Yuan2's kind -----------------------------------------------------------


def test_ids_come_back_in_order_and_bytes_make_the_text(
    tokenizer: Any, random_text: Callable[[random.Random], str]
):
    rng = random.Random(5)
    for _ in range(200):
        ids = rng.choices(range(len(tokenizer)), k=rng.randint(1, 40))

        prompt = spell_answer(ids, tokenizer, position=0, turn=1)

        assert list(prompt.input_ids) == ids
        assert [token.encoded.piece for token in prompt.tokens] == tokenizer.convert_ids_to_tokens(
            ids
        )
        end = 0
        for token in prompt.tokens:
            assert token.encoded.start in (end, end - 1)
            end = token.encoded.end
        assert end == len(prompt.text)


def test_an_answer_is_spelled_as_it_is_decoded(
    tokenizer: Any, random_text: Callable[[random.Random], str]
):
    rng = random.Random(6)
    for _ in range(200):
        text = "答" + random_text(rng)  # decoding drops spaces at the start, spelling keeps them
        ids = tokenizer.encode(text)

        assert spell_answer(ids, tokenizer, position=0, turn=1).text == tokenizer.decode(ids)


def test_stray_bytes_are_spelled_as_they_are_decoded(tokenizer: Any):
    byte_ids = [tokenizer.convert_tokens_to_ids(f"<0x{byte:02X}>") for byte in range(256)]
    letters = tokenizer.encode("答ab好")[1:]
    rng = random.Random(7)
    for _ in range(500):
        ids = rng.choices(byte_ids, k=rng.randint(1, 6)) + rng.choices(letters, k=2)
        rng.shuffle(ids)

        assert spell_answer(ids, tokenizer, position=0, turn=1).text == tokenizer.decode(ids)


def test_an_id_outside_the_vocabulary_is_shown_by_its_number(tokenizer: Any):
    unknown = len(tokenizer) + 2

    prompt = spell_answer([*tokenizer.encode("好"), unknown], tokenizer, position=0, turn=1)

    assert prompt.text == f"好[id {unknown}]"
    assert prompt.tokens[-1].token_id == unknown


@pytest.mark.parametrize("name", ["<sep>", "<eod>", "<mask>", "<FIM_MIDDLE>"])
def test_a_generated_control_token_is_one_and_says_so(tokenizer: Any, name: str):
    ids = [*tokenizer.encode("好"), tokenizer.control_token_id(name)]

    prompt = spell_answer(ids, tokenizer, position=0, turn=1)

    assert prompt.tokens[-1].origin is Origin.CONTROL
    assert prompt.text == f"好{name}"
