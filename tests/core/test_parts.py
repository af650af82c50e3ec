"""The parts of a prompt: they rebuild what was said, and lie where their tokens are."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from yuan_demo.core.budget import FittedPrompt, fit
from yuan_demo.core.formats import FORMATS
from yuan_demo.core.messages import Message
from yuan_demo.core.options import Policy, PromptOptions
from yuan_demo.core.parts import Part, parts_of, sentences, spelled, words, words_of
from yuan_demo.core.prompt import Origin, Segment, tokenize

OPTIONS = PromptOptions(window=4096, reserved=16)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("你好，今天天气很好。我们去吗？去！", ["你好，", "今天天气很好。", "我们去吗？", "去！"]),
        ("甲；乙。”丙", ["甲；", "乙。”", "丙"]),
        ("My name is Ada, yes. I live in Paris!", ["My name is Ada, yes. ", "I live in Paris!"]),
        ("Pi is 3.14, see a.b; or not", ["Pi is 3.14, see a.b; ", "or not"]),
        ("x = 1\n    y = 2\n", ["x = 1\n", "    y = 2\n"]),
        ("1. Apples\n2. Pears", ["1. Apples\n", "2. Pears"]),
        ("Wait ... what?! Really", ["Wait ... ", "what?! ", "Really"]),
        ("\n\n你好", ["\n\n你好"]),
        ("。。。", ["。。。"]),
        ("He said “go.” Then", ["He said “go.” ", "Then"]),
        ("", []),
    ],
)
def test_a_text_is_cut_where_sentences_end(text: str, pieces: list[str]):
    assert sentences(text) == pieces


def test_sentences_rebuild_any_text(random_text: Callable[[random.Random], str]):
    rng = random.Random(1)
    for _ in range(300):
        text = "".join(random_text(rng) + rng.choice("。，.!;\n \r；") for _ in range(4))
        assert "".join(sentences(text)) == text


def word_texts(text: str, tokenizer: Any) -> list[str]:
    prompt = tokenize([Segment(Origin.USER, 1, text)], tokenizer)
    ranges = words(prompt.tokens, prompt.text)
    assert [place for start, end in ranges for place in range(start, end)] == list(
        range(len(prompt.tokens))
    )
    return [spelled(prompt.tokens[start:end], prompt.text) for start, end in ranges]


def test_latin_words_end_at_blanks_and_no_mark_is_a_word(tokenizer: Any):
    said = "The quick browny fox, 龘!"

    found = word_texts(said, tokenizer)

    assert "".join(found) == said
    assert [each.strip() for each in found[:4]] == ["The", "quick", "browny", "fox,"]
    assert all(each.strip() for each in found)


def test_a_chinese_piece_is_a_word_and_a_character_of_bytes_is_one(tokenizer: Any):
    said = "今天天气很好龘Ω好"

    found = word_texts(said, tokenizer)

    assert "".join(found) == said
    assert len(found) > 3
    assert "龘" in found
    prompt = tokenize([Segment(Origin.USER, 1, said)], tokenizer)
    pieces = [token for token in prompt.tokens if not token.is_phantom]
    assert len(found) <= len(pieces)
    assert words([], "") == []


def flat(parts: tuple[Part, ...]) -> Iterator[Part]:
    for part in parts:
        yield part
        yield from flat(part.parts)


@pytest.mark.parametrize("name", FORMATS)
def test_parts_stand_where_their_tokens_are(
    name: str, tokenizer: Any, random_conversation: Callable[[random.Random], tuple[Message, ...]]
):
    rng = random.Random(3)
    for _ in range(12):
        raw = rng.random() < 0.3
        options = replace(OPTIONS, format=FORMATS[name], raw=raw)
        fitted = fit(random_conversation(rng), tokenizer, options)
        parts = parts_of(fitted)
        written = {token.turn for token in fitted.prompt.tokens}
        assert {part.turn for part in parts if part.tokens[0] < part.tokens[1]} == written
        for part in flat(parts):
            check_tokens(part, fitted)
        said = [t.position for t in fitted.prompt.tokens if t.origin in ("user", "assistant")]
        found = {place for turn in parts for part in turn.parts for place in range(*part.tokens)}
        whole = {place for turn in parts if not turn.parts for place in range(*turn.tokens)}
        assert set(said) <= found | whole


def check_tokens(part: Part, fitted: FittedPrompt) -> None:
    start, end = part.tokens
    tokens, text = fitted.prompt.tokens[start:end], fitted.prompt.text
    assert all(token.turn == part.turn for token in tokens)
    if part.kind == "turn" or not tokens:
        return
    # The first and the last may reach over into a neighbour.
    middle = text[tokens[0].encoded.end : tokens[-1].encoded.start]
    assert middle in part.text
    if part.parts:
        assert "".join(each.text for each in part.parts) == part.text
        assert part.parts[0].tokens[0] == start
        assert part.parts[-1].tokens[1] == end
        for one, other in zip(part.parts, part.parts[1:], strict=False):
            assert one.tokens[1] == other.tokens[0]


def test_what_falls_into_one_is_not_shown_as_a_level(tokenizer: Any):
    said = [
        Message("user", "My name is Ada. I live in Paris."),
        Message("assistant", "Okay."),
        Message("user", "你好，天气？"),
    ]
    fitted = fit(said, tokenizer, OPTIONS)

    first, last = parts_of(fitted)

    question, answer = first.parts
    assert [part.text for part in question.parts] == ["My name is Ada. ", "I live in Paris."]
    assert (answer.text, answer.parts, answer.role) == ("Okay.", (), "assistant")
    assert [part.text for part in last.parts] == ["你好，", "天气？"]
    assert all(part.kind == "sentence" for part in last.parts)
    # The last token may reach over into `<n>`.
    [word] = words_of(fitted, answer)
    assert word.text.strip() in ("Okay.", "Okay.<")
    # What joins messages is nobody's word.
    assert "<sep>" not in "".join(part.text for part in words_of(fitted, last))


@pytest.mark.parametrize("policy", [Policy.DROP_OLDEST, Policy.LEFT_CUT])
def test_what_was_not_sent_is_no_part(policy: Policy, tokenizer: Any):
    said = [Message(("user", "assistant")[n % 2], f"Word {n}. " * 6) for n in range(9)]
    fitted = fit(said, tokenizer, replace(OPTIONS, window=180, reserved=20, policy=policy))

    parts = parts_of(fitted)

    assert fitted.dropped
    gone = {turn.number for turn in fitted.dropped}
    assert [part.turn for part in parts] == [n for n in range(1, 6) if n not in gone]
    if policy is Policy.LEFT_CUT:
        # Of a turn in whose middle it was cut, the sentences are no longer all there.
        assert parts[0].parts == ()


def test_a_format_without_history_has_one_part(tokenizer: Any):
    said = [Message("user", "a"), Message("assistant", "b"), Message("user", "c?")]
    options = replace(OPTIONS, format=FORMATS["last_question"])

    assert [part.turn for part in parts_of(fit(said, tokenizer, options))] == [2]


def test_the_first_word_is_there_although_its_token_begins_before_it(tokenizer: Any):
    options = replace(OPTIONS, format=FORMATS["roles"])
    fitted = fit([Message("user", "The quick fox. The lazy dog")], tokenizer, options)
    [question] = parts_of(fitted)

    for sentence in question.parts:
        found = [part.text.strip() for part in words_of(fitted, sentence)]
        # `: The` may be one piece, and belongs to what is before it then.
        assert sentence.text.split()[-2:] == found[-2:]
        assert len(found) in (2, 3)
