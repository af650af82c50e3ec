import random
from collections.abc import Callable
from typing import Any

import pytest

from yuan_demo.core.control_tokens import CONTROL_TOKENS, CUT_TOKENS
from yuan_demo.core.messages import Message, turns_of
from yuan_demo.core.options import Loading
from yuan_demo.core.prompt import Origin, Prompt, Segment, cut_left, render, tokenize
from yuan_demo.core.tokens import EncodedToken

Draw = Callable[[random.Random], tuple[Message, ...]]
CONVERSATIONS = 200


def prompt_of(messages: tuple[Message, ...], tokenizer: Any, **kwargs: Any) -> Prompt:
    return tokenize(render(turns_of(messages), **kwargs), tokenizer)


def user(text: str) -> Message:
    return Message("user", text)


def assistant(text: str) -> Message:
    return Message("assistant", text)


class ScriptedTokenizer:
    """Answers every stretch with the next of the lists of (piece, start, end) that it was given."""

    def __init__(self, *stretches: list[tuple[str, int, int]]) -> None:
        self.stretches = list(stretches)
        self.asked: list[str] = []

    def encode_with_offsets(self, text: str, *, parse_control: bool = True) -> list[EncodedToken]:
        assert not parse_control
        self.asked.append(text)
        return [
            EncodedToken(7, piece, start, end, text[start:end].encode())
            for piece, start, end in self.stretches.pop(0)
        ]

    def control_token_id(self, token: str) -> int | None:
        return 99 if token == "<sep>" else None


# --- render -------------------------------------------------------------------------------------


def test_messages_are_joined_and_the_last_question_is_closed():
    segments = render(turns_of([user("一"), assistant("二"), user("三")]))

    assert segments == (
        Segment(Origin.USER, 1, "一"),
        Segment(Origin.JOIN, 1, "<n>"),
        Segment(Origin.ASSISTANT, 1, "二"),
        Segment(Origin.JOIN, 1, "<n>"),
        Segment(Origin.USER, 2, "三"),
        Segment(Origin.CONTROL, 2, "<sep>"),
    )


def test_a_history_asks_nothing():
    segments = render(turns_of([user("一"), assistant("二")]), open_question=False)

    assert "".join(segment.text for segment in segments) == "一<n>二"
    assert render((), open_question=False) == render(()) == ()


def test_turns_keep_their_numbers_when_older_ones_are_gone():
    turns = turns_of([user("一"), assistant("二"), user("三")])

    assert render(turns[1:]) == (
        Segment(Origin.USER, 2, "三"),
        Segment(Origin.CONTROL, 2, "<sep>"),
    )


# --- tokenize -----------------------------------------------------------------------------------


def test_messages_and_joins_are_encoded_as_one_stretch_and_the_control_token_apart():
    tokenizer = ScriptedTokenizer([("▁a<n>b<n>c", 0, 9)])

    prompt = prompt_of((user("a"), assistant("b"), user("c")), tokenizer)

    assert tokenizer.asked == ["a<n>b<n>c"]
    assert prompt.input_ids == (7, 99)
    assert prompt.tokens[1].encoded == EncodedToken(99, "<sep>", 9, 14, b"<sep>")


def test_a_piece_over_a_join_belongs_to_where_it_begins_and_says_that_it_crosses():
    pieces = [("▁1", 0, 1), (".<", 1, 3), ("n", 3, 4), (">", 4, 5), ("b", 5, 6)]

    prompt = prompt_of((user("1."), assistant("b")), ScriptedTokenizer(pieces), open_question=False)

    assert [(token.origin, token.crosses) for token in prompt.tokens] == [
        (Origin.USER, False),
        (Origin.USER, True),
        (Origin.JOIN, False),
        (Origin.JOIN, False),
        (Origin.ASSISTANT, False),
    ]


def test_the_real_vocabulary_has_pieces_over_joins(real_tokenizer: Any):
    prompt = prompt_of((user("1."), assistant("好")), real_tokenizer)

    crossing = [token.encoded.piece for token in prompt.tokens if token.crosses]
    assert crossing == [".<"]


def test_text_behind_a_control_token_is_a_stretch_of_its_own_with_offsets_in_the_whole_text():
    segments = (
        Segment(Origin.USER, 1, "ab"),
        Segment(Origin.CONTROL, 1, "<sep>"),
        Segment(Origin.ASSISTANT, 1, "cd"),
    )
    tokenizer = ScriptedTokenizer([("▁ab", 0, 2)], [("▁", 0, 0), ("c", 0, 1), ("d", 1, 2)])

    prompt = tokenize(segments, tokenizer)

    assert tokenizer.asked == ["ab", "cd"]
    assert prompt.text == "ab<sep>cd"
    spans = [(token.encoded.start, token.encoded.end) for token in prompt.tokens]
    assert spans == [(0, 2), (2, 7), (7, 7), (7, 8), (8, 9)]
    assert [token.position for token in prompt.tokens] == [0, 1, 2, 3, 4]
    assert [token.is_phantom for token in prompt.tokens] == [False, False, True, False, False]
    assert {token.origin for token in prompt.tokens[2:]} == {Origin.ASSISTANT}


def test_the_mark_before_the_text_is_the_only_phantom():
    pieces = [("▁", 0, 0), ("你", 0, 1), ("<n>", 1, 4)]

    prompt = prompt_of((user("你"), assistant("")), ScriptedTokenizer(pieces), open_question=False)

    assert [token.is_phantom for token in prompt.tokens] == [True, False, False]
    assert [token.origin for token in prompt.tokens] == [Origin.USER, Origin.USER, Origin.JOIN]


def test_no_token_belongs_to_an_empty_message():
    pieces = [("▁<n>", 0, 3), ("b", 3, 4)]

    prompt = prompt_of((user(""), assistant("b")), ScriptedTokenizer(pieces), open_question=False)

    assert [token.origin for token in prompt.tokens] == [Origin.JOIN, Origin.ASSISTANT]


def test_a_vocabulary_without_the_control_token_is_refused_by_name():
    segments = (Segment(Origin.CONTROL, 1, "<eog>"),)

    with pytest.raises(ValueError, match="<eog>"):
        tokenize(segments, ScriptedTokenizer())


def test_nothing_is_an_empty_prompt(tokenizer: Any):
    assert tokenize((), tokenizer) == Prompt((), "", ())


# --- raw mode and the tokenizer's flags ---------------------------------------------------------


def test_raw_mode_cuts_a_message_at_the_control_tokens_typed_in_it():
    segments = render(turns_of([user("a<sep>b<n>"), assistant("<eod>"), user("")]), raw=True)

    assert segments == (
        Segment(Origin.USER, 1, "a"),
        Segment(Origin.CONTROL, 1, "<sep>", is_typed=True),
        Segment(Origin.USER, 1, "b<n>"),
        Segment(Origin.JOIN, 1, "<n>"),
        Segment(Origin.CONTROL, 1, "<eod>", is_typed=True),
        Segment(Origin.JOIN, 1, "<n>"),
        Segment(Origin.USER, 2, ""),
        Segment(Origin.CONTROL, 2, "<sep>"),
    )


def test_default_flags_put_bos_before_and_eos_behind_the_whole_prompt():
    turns = turns_of([user("a"), assistant("b"), user("c")])[1:]

    assert render(turns, loading=Loading.NO_FLAGS) == (
        Segment(Origin.CONTROL, 2, "<s>"),
        Segment(Origin.USER, 2, "c"),
        Segment(Origin.CONTROL, 2, "<sep>"),
        Segment(Origin.CONTROL, 2, "</s>"),
    )
    assert render((), loading=Loading.PLAIN) == ()


# --- cut_left -----------------------------------------------------------------------------------


def test_a_left_cut_keeps_the_last_tokens_and_their_text():
    pieces = [("▁ab", 0, 2), ("<n>", 2, 5), ("cd", 5, 7), ("<n>", 7, 10), ("e", 10, 11)]
    prompt = prompt_of((user("ab"), assistant("cd"), user("e")), ScriptedTokenizer(pieces))

    cut = cut_left(prompt, 4)

    assert cut.text == "cd<n>e<sep>"
    assert cut.segments == prompt.segments[2:]
    assert [token.position for token in cut.tokens] == [0, 1, 2, 3]
    assert [(t.encoded.start, t.encoded.end) for t in cut.tokens] == [
        (0, 2),
        (2, 5),
        (5, 6),
        (6, 11),
    ]


def test_a_left_cut_may_fall_inside_a_message_and_inside_a_character():
    pieces = [("▁你", 0, 1), ("<0xE9>", 1, 2), ("<0xBE>", 1, 2), ("<0x98>", 1, 2), ("好", 2, 3)]
    prompt = prompt_of((user("你龘好"),), ScriptedTokenizer(pieces))

    cut = cut_left(prompt, 3)

    assert [token.encoded.piece for token in cut.tokens] == ["<0x98>", "好", "<sep>"]
    assert cut.text == "龘好<sep>"
    assert cut.segments[0] == Segment(Origin.USER, 1, "龘好")


def test_a_left_cut_that_keeps_all_or_nothing(tokenizer: Any):
    prompt = prompt_of((user("你好"),), tokenizer)

    assert cut_left(prompt, len(prompt.tokens)) is prompt
    assert cut_left(prompt, 0) == Prompt((), "", ())


def test_a_left_cut_gives_the_last_ids_whatever_it_falls_on(
    tokenizer: Any, random_conversation: Draw
):
    rng = random.Random(5)
    for _ in range(CONVERSATIONS):
        prompt = prompt_of(random_conversation(rng), tokenizer, raw=rng.random() < 0.5)
        keep = rng.randint(1, len(prompt.tokens))

        cut = cut_left(prompt, keep)

        assert cut.input_ids == prompt.input_ids[-keep:]
        assert prompt.text.endswith(cut.text)
        assert "".join(segment.text for segment in cut.segments) == cut.text
        assert cut.tokens[0].encoded.start == 0
        assert cut.tokens[-1].encoded.end == len(cut.text)
        assert [t.origin for t in cut.tokens] == [t.origin for t in prompt.tokens[-keep:]]


# --- laws, over random conversations ------------------------------------------------------------


def test_segments_rebuild_the_text_and_token_spans_cover_it(
    tokenizer: Any, random_conversation: Draw
):
    rng = random.Random(1)
    for _ in range(CONVERSATIONS):
        prompt = prompt_of(random_conversation(rng), tokenizer)

        assert "".join(segment.text for segment in prompt.segments) == prompt.text
        assert [token.position for token in prompt.tokens] == list(range(len(prompt.tokens)))
        assert b"".join(token.encoded.raw for token in prompt.tokens) == prompt.text.encode()
        end = 0
        for token in prompt.tokens:
            # The next character, or once more the one that several byte tokens spell.
            assert token.encoded.start in (end, end - 1)
            assert token.encoded.end >= end
            end = token.encoded.end
        assert end == len(prompt.text)


def test_origin_and_turn_of_a_token_are_those_of_its_first_character(
    tokenizer: Any, random_conversation: Draw
):
    rng = random.Random(2)
    for _ in range(CONVERSATIONS):
        prompt = prompt_of(random_conversation(rng), tokenizer)
        segment_at = [segment for segment in prompt.segments for _ in segment.text]

        for token in prompt.tokens:
            start, end = token.encoded.start, token.encoded.end
            assert (token.origin, token.turn) == (segment_at[start].origin, segment_at[start].turn)
            reached = segment_at[max(start, end - 1)]
            assert token.crosses == (reached is not segment_at[start])


def test_an_ordinary_conversation_gives_the_ids_of_the_chat_template(
    tokenizer: Any, random_conversation: Draw
):
    rng = random.Random(3)
    for _ in range(CONVERSATIONS):
        messages = random_conversation(rng)
        template = tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.content} for message in messages],
            add_generation_prompt=True,
        )

        assert list(prompt_of(messages, tokenizer).input_ids) == list(template["input_ids"])


def test_a_typed_control_token_stays_text(
    tokenizer: Any, random_conversation: Draw, random_text: Callable[[random.Random], str]
):
    control_ids = {tokenizer.control_token_id(name) for name in CUT_TOKENS}
    rng = random.Random(4)
    for name in list(CONTROL_TOKENS) * 10:
        messages = list(random_conversation(rng))
        place = rng.randrange(len(messages))
        text = f"{random_text(rng)}{name}{random_text(rng)}"
        messages[place] = Message(messages[place].role, text)

        prompt = prompt_of(tuple(messages), tokenizer)

        controls = [token for token in prompt.tokens if token.token_id in control_ids]
        assert [token.encoded.piece for token in controls] == ["<sep>"]
        assert controls == [prompt.tokens[-1]]
        assert name in prompt.text
        # And so the model reads something else than through a template, which cuts at them.
        template = tokenizer.encode("".join(segment.text for segment in prompt.segments))
        assert (list(prompt.input_ids) != template) == (name in CUT_TOKENS)


def test_a_lone_surrogate_stays_in_the_text_and_goes_to_the_model_as_u_fffd(tokenizer: Any):
    broken = prompt_of((user("a\ud800b"),), tokenizer)
    replaced = prompt_of((user("a\ufffdb"),), tokenizer)

    assert broken.text == "a\ud800b<sep>"
    assert broken.input_ids == replaced.input_ids
