from typing import Any

import pytest

from yuan_demo.core.errors import PageError
from yuan_demo.core.messages import Message
from yuan_demo.ui.history import conversation_of, notice, restored


def user(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def assistant(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def parts(*texts: str) -> list[dict[str, str]]:
    """Content as Gradio hands it back."""
    return [{"type": "text", "text": text} for text in texts]


def as_gradio_returns(message: dict[str, Any]) -> dict[str, Any]:
    return {**message, "content": parts(message["content"]), "options": None}


def test_roles_and_texts_come_through_unchanged():
    history = [user("  a "), assistant(parts("b\n", "c\n")), user("<sep>")]

    assert conversation_of(history) == (
        Message("user", "  a "),
        Message("assistant", "b\nc\n"),
        Message("user", "<sep>"),
    )


def test_line_breaks_that_editing_adds_around_a_message_are_not_sent():
    assert conversation_of([user("\na\n b\n\n")]) == (Message("user", "a\n b"),)


def test_neither_a_notice_nor_the_question_it_answers_reaches_the_model():
    said = notice("no memory")
    history = [user("a"), said, user("b"), as_gradio_returns(said), user("c")]

    assert conversation_of(history) == (Message("user", "c"),)


def test_a_model_that_writes_like_a_notice_is_no_notice():
    assert conversation_of([assistant("⚠️ no memory")]) == (Message("assistant", "⚠️ no memory"),)


@pytest.mark.parametrize("nothing", [None, []])
def test_no_history_is_an_empty_conversation(nothing: Any):
    assert conversation_of(nothing) == ()


@pytest.mark.parametrize(
    "item",
    [
        "text",
        None,
        {},
        {"role": "system", "content": "a"},
        {"role": "user"},
        {"role": ["user"], "content": "a"},
        {"role": "user", "content": None},
        {"role": "user", "content": 5},
        {"role": "user", "content": {"path": "a.png"}},
    ],
    ids=repr,
)
def test_a_bad_item_is_refused_with_its_place(item: Any):
    with pytest.raises(PageError) as caught:
        conversation_of([user("a"), item])
    assert (caught.value.code, caught.value.values) == ("bad_history", {"index": 1})


@pytest.mark.parametrize("history", ["ab", {}, {"role": "user"}, 5, 0, ""], ids=repr)
def test_what_is_no_list_is_refused(history: Any):
    with pytest.raises(PageError):
        conversation_of(history)


@pytest.mark.parametrize("metadata", ["notice", ["notice"], 5, {"id": ["notice"]}, {}, None])
def test_odd_metadata_is_no_notice_and_no_failure(metadata: Any):
    history = [assistant("a", metadata=metadata)]

    assert conversation_of(history) == (Message("assistant", "a"),)
    assert conversation_of(restored(history)) == (Message("assistant", "a"),)


def test_what_a_browser_kept_comes_back_as_it_was():
    kept = [user("a"), as_gradio_returns(notice("no")), user(parts("b")), assistant("<b>c</b>")]

    back = restored(kept)

    assert conversation_of(back) == conversation_of(kept)
    assert [item["role"] for item in back] == ["user", "assistant", "user", "assistant"]
    assert [item["content"] for item in back][1] == parts("⚠️ no")
    assert restored(back) == back


def test_nothing_but_roles_texts_and_notices_comes_back():
    kept = [
        user("a", options=[{"value": "x"}], metadata={"title": "t", "id": "other"}),
        {"role": "system", "content": "s"},
    ]

    assert restored(kept) == [user(parts("a"))]


@pytest.mark.parametrize(
    "kept",
    [None, [], "ab", 5, {"role": "user"}, [1], [None], [user(None)], [{"role": "user"}], [["a"]]],
    ids=repr,
)
def test_what_is_no_history_comes_back_as_none(kept: Any):
    assert restored(kept) == []
