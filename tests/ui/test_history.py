from typing import Any

import pytest

from yuan_demo.core.errors import PageError
from yuan_demo.core.messages import Message
from yuan_demo.ui.history import conversation_of, event, notice, placed_messages, restored, shown


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
    assert conversation_of(restored(history, "Full", "left")) == (Message("assistant", "a"),)


def test_what_a_browser_kept_comes_back_as_it_was():
    kept = [user("a"), as_gradio_returns(notice("no")), user(parts("b")), assistant("<b>c</b>")]

    back = restored(kept, "Full", "left")

    assert conversation_of(back) == conversation_of(kept)
    assert [item["role"] for item in back] == ["user", "assistant", "user", "assistant"]
    assert [item["content"] for item in back][1] == parts("⚠️ no")
    assert restored(back, "Full", "left") == back


def test_nothing_but_roles_texts_and_notices_comes_back():
    kept = [
        user("a", options=[{"value": "x"}], metadata={"title": "t", "id": "other"}),
        {"role": "system", "content": "s"},
    ]

    assert restored(kept, "Full", "left") == [user(parts("a"))]


@pytest.mark.parametrize(
    "kept",
    [None, [], "ab", 5, {"role": "user"}, [1], [None], [user(None)], [{"role": "user"}], [["a"]]],
    ids=repr,
)
def test_what_is_no_history_comes_back_as_none(kept: Any):
    assert restored(kept, "Full", "left") == []


def test_an_event_is_not_sent_and_the_question_before_it_is():
    history = [user("a"), event("Full", "gone: turn 1"), assistant("b")]

    assert conversation_of(history) == (Message("user", "a"), Message("assistant", "b"))


def test_an_event_that_a_browser_kept_is_an_event_with_our_title():
    kept = as_gradio_returns(event("Full", "1 → 0\ngone"))
    kept["metadata"] = {"id": "event", "title": "<b>evil</b>", "log": "<b>"}

    (back,) = restored([kept], "满", "left")

    assert back["metadata"] == {"id": "event", "title": "满: 1 → 0", "status": "done"}
    assert conversation_of([back]) == ()


def test_messages_are_told_with_their_places_among_notices_and_events():
    history = [user("a"), notice("no"), user("b"), event("Full", "gone"), assistant("c")]

    assert placed_messages(history) == [(2, Message("user", "b")), (4, Message("assistant", "c"))]


def test_a_conversation_that_is_shown_reads_back_the_same():
    said = (Message("user", " <b>\n x"), Message("assistant", "\n<sep>"))

    assert conversation_of(shown(said)) == said
