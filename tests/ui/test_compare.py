import json
import logging
from itertools import product
from typing import Any

import gradio as gr
import pytest

from yuan_demo.core.errors import PromptError
from yuan_demo.core.formats import FORMATS
from yuan_demo.core.messages import Message
from yuan_demo.engine.chat import ChatModel
from yuan_demo.engine.likelihood import likelihood
from yuan_demo.ui.compare import CompareHandlers, question_and_reference
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.history import shown
from yuan_demo.ui.strings import ERRORS

TALK = (Message("user", "你好"), Message("assistant", "您好。"))


def page(language: str = "en") -> gr.Request:
    return gr.Request(session_hash="page", headers={"accept-language": language})


@pytest.fixture
def compare(tiny_loaded: Any) -> CompareHandlers:
    return CompareHandlers(PageHandlers(ChatModel(tiny_loaded)))


def arguments(
    compare: CompareHandlers,
    draft: Any = "天气",
    history: Any = None,
    reference: Any = "",
    other: Any = "roles",
    language: str = "en",
    **changes: Any,
) -> list[Any]:
    settings = compare._pages.defaults.changed({"max_new_tokens": 8} | changes)
    history = shown(TALK) if history is None else history
    return [draft, history, reference, other, page(language), *settings]


def tokens(compare: CompareHandlers, **given: Any) -> dict[str, Any]:
    return json.loads(compare.tokens(*arguments(compare, **given)))


def ask(compare: CompareHandlers, **given: Any) -> list[dict[str, Any]]:
    return list(map(json.loads, compare.ask(*arguments(compare, **given))))


# --- what is compared -----------------------------------------------------------------------------


def test_the_draft_is_the_question_of_both(compare: CompareHandlers):
    assert question_and_reference(TALK, "天气\n", "晴") == (
        (*TALK, Message("user", "天气")),
        "晴",
    )


def test_without_a_draft_it_is_the_last_question_and_the_answer_it_got(compare: CompareHandlers):
    asked = (*TALK, Message("user", "天气"), Message("assistant", "晴"))

    assert question_and_reference(asked, " ", "") == (asked[:3], "晴")
    assert question_and_reference(asked, "", "雨") == (asked[:3], "雨")
    assert question_and_reference(asked[:3], "", "") == (asked[:3], "")


@pytest.mark.parametrize("messages", [(), (Message("assistant", "您好"),)])
def test_without_a_question_there_is_nothing_to_compare(messages: Any):
    with pytest.raises(PromptError, match="nothing_to_compare"):
        question_and_reference(messages, "", "a")


# --- tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_each_side_has_the_ids_that_its_format_sends(compare: CompareHandlers, name: str):
    # The other side is another format: the page does not compare a format with itself.
    other = "sep" if name == "newline" else "newline"
    view = tokens(compare, format=name, other=other)

    for side, format_name in zip(view["sides"], (name, other), strict=True):
        options = compare._pages.defaults.changed({"format": format_name}).options()
        fitted = compare._model.fit((*TALK, Message("user", "天气")), options)
        assert side["name"] == format_name
        assert side["cells"]["i"] == list(fitted.prompt.input_ids)
        assert side["tokens"] == len(fitted.prompt.input_ids)
        assert "next" not in side


def test_the_runs_lead_from_one_side_to_the_other(compare: CompareHandlers):
    view = tokens(compare)
    first, second = (side["cells"]["i"] for side in view["sides"])

    rebuilt: list[int] = []
    for kind, a_start, a_end, b_start, b_end in view["runs"]:
        if kind == "same":
            assert first[a_start:a_end] == second[b_start:b_end]
        rebuilt += second[b_start:b_end]
    assert rebuilt == second
    assert any(kind != "same" for kind, *_ in view["runs"])


def test_an_own_template_is_one_side(compare: CompareHandlers):
    view = tokens(
        compare, other="custom", turn_template="{user}\\n", question_template="Q {user}<sep>"
    )

    assert view["sides"][1]["turn"] == "{user}\n"
    assert "".join(view["sides"][1]["cells"]["t"]) == "你好\nQ 天气<sep>"


def test_turns_that_one_side_has_no_room_for_are_named(compare: CompareHandlers):
    long = [*shown(TALK), *shown([Message("user", "明月，" * 20), Message("assistant", "好")])]
    used = tokens(compare, history=long)["sides"][0]["tokens"]

    view = tokens(compare, history=long, window=max(64, used + 8))

    assert view["sides"][0]["dropped"] == []
    assert view["sides"][1]["dropped"][0] == 1


# --- asking the model -----------------------------------------------------------------------------


def test_asking_gives_first_the_tokens_and_then_what_the_model_says_of_each(
    compare: CompareHandlers,
):
    first, second, last = ask(compare, reference="晴天")

    assert ["next" in side for side in first["sides"]] == [False, False]
    assert ["next" in side for side in second["sides"]] == [True, False]
    for side, name in zip(last["sides"], ("n_join", "roles"), strict=True):
        options = compare._pages.defaults.changed({"format": name}).options()
        fitted = compare._model.fit((*TALK, Message("user", "天气")), options)
        rated = likelihood(compare._model, fitted, "晴天")
        assert side["mean"] == pytest.approx(rated.mean_logprob, abs=1e-4)
        assert [piece for piece, _ in side["answer"]] == list(rated.pieces)
        chances = [chance for _, chance in side["next"]]
        assert chances == sorted(chances, reverse=True)
        assert 0 < sum(chances) <= 1.0001


def test_without_a_reference_only_the_next_token_is_asked_for(compare: CompareHandlers):
    last = ask(compare)[-1]

    assert last["reference"] == ""
    assert all(side["next"] and not side["answer"] for side in last["sides"])


# --- what cannot be compared ----------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"draft": "", "history": []}, "nothing_to_compare"),
        ({"other": "custom", "question_template": "x"}, "bad_question_template"),
        ({"format": "custom", "turn_template": "x"}, "bad_turn_template"),
        ({"reference": "\ud83d"}, "lone_surrogate"),
        ({"draft": "好" * 300_000}, "too_many_characters"),
        ({"other": "no such"}, "unknown_format"),
        ({"window": 5}, "window_out_of_range"),
        ({"history": "text"}, "bad_history"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_compared_is_said_in_the_language_of_the_page(
    compare: CompareHandlers, given: dict[str, Any], code: str, language: str
):
    view = tokens(compare, language=language, **given)

    start = ERRORS[code][language == "zh"].split("{")[0]
    assert start
    assert view["error"].startswith(start)


def test_a_prompt_that_cannot_be_sent_is_not_put_to_the_model(compare: CompareHandlers):
    # Both sides are shown all the same.
    *_, before, last = ask(compare, draft="好" * 2000)

    assert len(before["sides"]) == 2
    assert last["error"].startswith("This message has")


@pytest.mark.parametrize("draft", [None, "", "a", 5, "\ud83d"])
@pytest.mark.parametrize("history", [[], "text", [5], [{"role": "user"}]])
def test_whatever_comes_in_the_comparison_never_raises(
    compare: CompareHandlers, draft: Any, history: Any, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.CRITICAL):
        for reference, other, name in product((None, 5, "a"), (None, ["x"]), ("n_join", None)):
            views = ask(
                compare, draft=draft, history=history, reference=reference, other=other, format=name
            )
            assert "error" in views[-1] or other == name


def test_a_reference_longer_than_the_window_is_rated_as_far_as_it_fits(compare: CompareHandlers):
    last = ask(compare, reference="好" * 3000)[-1]

    for side in last["sides"]:
        assert side["tokens"] + len(side["answer"]) == 1024


def test_a_format_newly_chosen_is_not_compared_with_itself(compare: CompareHandlers):
    assert compare.other_than("sep", "roles") == "roles"
    assert compare.other_than("roles", "roles") == "n_join"
    assert compare.other_than("n_join", "n_join") == "roles"
