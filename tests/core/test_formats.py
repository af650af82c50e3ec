from typing import Any

import pytest

from yuan_demo.core.control_tokens import CUT_TOKENS
from yuan_demo.core.errors import PromptError
from yuan_demo.core.formats import (
    CUSTOM,
    FORMATS,
    MAX_TEMPLATE_CHARACTERS,
    N_JOIN,
    PromptFormat,
    Rewrite,
    format_named,
    literal_parts,
    rewritten,
)
from yuan_demo.core.messages import Message, turns_of
from yuan_demo.core.prompt import Origin, render, tokenize

ANSWER = "您好，请问您需要哪方面的帮助？"
QUESTION = "给我写首诗，主题是明月"
DIALOGUE = (Message("user", "你好"), Message("assistant", ANSWER), Message("user", QUESTION))

# What each public front end sends for the dialogue, and how many tokens of Yuan2 that is.
WRITTEN = {
    "n_join": (f"你好<n>{ANSWER}<n>{QUESTION}<sep>", 26),
    "newline": (f"你好\n{ANSWER}\n{QUESTION}<sep>", 22),
    "sep": (f"你好<sep>{ANSWER}<sep>{QUESTION}<sep>", 24),
    "llama_factory": (f"你好<sep>{ANSWER}<eod>\n{QUESTION}<sep>", 25),
    "roles": (f"User: 你好\nAssistant: {ANSWER}\nUser: {QUESTION}\nAssistant:", 36),
    "last_question": (f"{QUESTION}<sep>", 10),
    "fastchat_yuan2": (f"你好<n>{ANSWER}<n>{QUESTION}<sep>", 26),
    "yuanchat": (f"你好？<n>{ANSWER}<n>{QUESTION}<sep>", 27),
}


def written(
    messages: tuple[Message, ...], prompt_format: PromptFormat, *, open_question: bool = True
) -> str:
    segments = render(turns_of(messages), prompt_format=prompt_format, open_question=open_question)
    return "".join(segment.text for segment in segments)


def said(*texts: str) -> tuple[Message, ...]:
    """Questions and answers by turns."""
    return tuple(
        Message("assistant" if place % 2 else "user", text) for place, text in enumerate(texts)
    )


# --- the named formats --------------------------------------------------------------------------


def test_every_named_format_is_known_by_its_own_name_and_tested_here():
    assert {name: known.name for name, known in FORMATS.items()} == {name: name for name in FORMATS}
    assert set(WRITTEN) == set(FORMATS)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_named_format_writes_the_dialogue_as_its_front_end_does(name: str):
    assert written(DIALOGUE, FORMATS[name]) == WRITTEN[name][0]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_named_format_costs_what_was_measured(name: str, real_tokenizer: Any):
    segments = render(turns_of(DIALOGUE), prompt_format=FORMATS[name])

    assert len(tokenize(segments, real_tokenizer).tokens) == WRITTEN[name][1]


def test_a_greeting_of_the_page_sent_as_a_turn_costs_eight_tokens_more(real_tokenizer: Any):
    greeted = (Message("assistant", "有什么可以帮您的？"), *DIALOGUE)

    prompt = tokenize(render(turns_of(greeted)), real_tokenizer)

    assert prompt.text == "有什么可以帮您的？<n>" + WRITTEN["n_join"][0]
    assert len(prompt.tokens) == 34


def test_control_tokens_of_a_template_act_and_n_is_text(tokenizer: Any):
    for prompt_format in FORMATS.values():
        segments = render(turns_of(DIALOGUE), prompt_format=prompt_format)
        prompt = tokenize(segments, tokenizer)

        for segment in segments:
            assert (segment.origin is Origin.CONTROL) == (segment.text in CUT_TOKENS)
            assert not segment.is_typed
        controls = [token for token in prompt.tokens if token.origin is Origin.CONTROL]
        assert [token.encoded.piece for token in controls] == [
            segment.text for segment in segments if segment.origin is Origin.CONTROL
        ]


@pytest.mark.parametrize("name", FORMATS)
def test_a_history_alone_is_written_as_it_will_stand_before_the_next_question(name: str):
    history = written(DIALOGUE[:2], FORMATS[name], open_question=False)

    assert WRITTEN[name][0].startswith(history)
    assert bool(history) == (name != "last_question")


# --- what front ends do to messages -------------------------------------------------------------


def test_fastchat_takes_letters_away_from_the_newest_question_only():
    texts = ("python", "in<n>", "use python")

    assert written(said(*texts), FORMATS["fastchat_yuan2"]) == "python<n>in<n><n>use pytho<sep>"


@pytest.mark.parametrize(
    ("text", "sent"),
    [("python", "pytho"), ("a<n>", "a"), ("<<nn>>", ""), ("n?", "n?"), ("你好", "你好")],
)
def test_fastchat_strips_characters_and_not_the_mark(text: str, sent: str):
    stripped = rewritten(text, Rewrite.STRIP_CHARACTERS, is_question=True, is_newest=True)

    assert stripped == sent


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [("你好", "你好？", "你好。"), ("行。", "行。", "行。"), ("Hi!", "Hi!", "Hi!"), ("", "", "")],
)
def test_yuanchat_ends_earlier_messages_in_punctuation(text: str, question: str, answer: str):
    kind = Rewrite.ADD_PUNCTUATION

    assert rewritten(text, kind, is_question=True, is_newest=False) == question
    assert rewritten(text, kind, is_question=False, is_newest=False) == answer
    assert rewritten(text, kind, is_question=True, is_newest=True) == text


# --- formats of one's own -----------------------------------------------------------------------


def test_a_custom_format_is_made_of_its_templates():
    own = format_named(CUSTOM, "Q: {user}\nA: {assistant}\n\n", "Q: {user}\nA:")

    assert written(said("a", "b", "c"), own) == "Q: a\nA: b\n\nQ: c\nA:"
    assert format_named("n_join", "ignored", "ignored") is N_JOIN


def test_an_empty_turn_template_leaves_the_history_out():
    own = format_named(CUSTOM, "", "{user}<sep>")

    assert written(said("a", "b", "c"), own) == "c<sep>"
    assert written(said("a", "b"), own, open_question=False) == ""


def test_a_turn_template_without_a_place_for_answers_leaves_them_and_greetings_out():
    own = format_named(CUSTOM, "{user}|", "{user}<sep>")

    assert written(said("a", "b", "c"), own) == "a|c<sep>"
    assert written((Message("assistant", "hi"), *said("a", "b", "c")), own) == "a|c<sep>"


def test_what_joins_an_answer_that_is_not_there_is_left_out_with_it():
    own = format_named(CUSTOM, "U{user}, A{assistant}; ", "U{user}<sep>")
    messages = (Message("user", "a"), *said("b", "c", "d"))

    assert written(messages, own) == "Ua; Ub, Ac; Ud<sep>"
    greeted = (Message("assistant", "hi"), *said("b"))
    assert written(greeted, own) == "hi; Ub<sep>"


@pytest.mark.parametrize(
    "question", ["", "<sep>", "{user}{user}", "{user}{assistant}", "{assistant}", "{ user }"]
)
def test_a_question_template_holds_the_question_once_and_no_answer(question: str):
    with pytest.raises(PromptError) as caught:
        format_named(CUSTOM, "", question)

    assert caught.value.code == "bad_question_template"
    assert caught.value.values == {"template": question}


@pytest.mark.parametrize(
    "turn",
    ["x", "{assistant}", "{assistant}{user}", "{user}{user}", "{user}{assistant}{assistant}"],
)
def test_a_turn_template_holds_question_and_answer_in_order(turn: str):
    with pytest.raises(PromptError) as caught:
        format_named(CUSTOM, turn, "{user}")

    assert caught.value.code == "bad_turn_template"


@pytest.mark.parametrize("name", [None, 3, "", "N_JOIN", ["n_join"]])
def test_an_unknown_format_is_refused_with_the_known_names(name: object):
    with pytest.raises(PromptError) as caught:
        format_named(name)

    assert caught.value.code == "unknown_format"
    assert "n_join" in caught.value.values["known"]


def test_a_template_has_a_longest_length():
    longest = "{user}" + "x" * (MAX_TEMPLATE_CHARACTERS - 6)
    assert format_named(CUSTOM, longest, longest).question == longest

    for turn, question in ((longest + "x", "{user}"), ("", longest + "x")):
        with pytest.raises(PromptError) as caught:
            format_named(CUSTOM, turn, question)
        assert caught.value.code == "template_too_long"


def test_literal_parts_are_cut_at_control_tokens_only():
    assert literal_parts("<eod>\nUser: <n><sep><sep>") == (
        "<eod>",
        "\nUser: <n>",
        "<sep>",
        "<sep>",
    )
    assert literal_parts("") == ()
