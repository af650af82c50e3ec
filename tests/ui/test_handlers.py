import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from yuan_demo.core.errors import EngineError
from yuan_demo.engine.chat import Answer, ChatModel
from yuan_demo.ui.handlers import PageHandlers, clean
from yuan_demo.ui.history import conversation_of
from yuan_demo.ui.strings import ERRORS, EXAMPLES

SETTINGS = {
    "max_new_tokens": 8,
    "greedy": True,
    "temperature": 0.7,
    "top_k": 40,
    "top_p": 0.9,
    "repetition_penalty": 1.0,
    "seed": -1,
}


class ChatDouble(ChatModel):
    """A chat model that fails when its answer has come a little way."""

    def __init__(self, loaded: Any, error: Exception) -> None:
        super().__init__(loaded)
        self._error = error

    def answer(self, *args: Any, **kwargs: Any) -> Iterator[Answer]:
        answers = super().answer(*args, **kwargs)
        yield next(answers)
        yield next(answers)
        raise self._error


def page(session: str | None = "page", language: str = "en") -> Any:
    """A request as Gradio hands it to a handler."""
    return SimpleNamespace(session_hash=session, headers={"accept-language": language})


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def is_skip(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"__type__"}


@pytest.fixture
def handlers(tiny_loaded: Any) -> PageHandlers:
    return PageHandlers(ChatModel(tiny_loaded))


def ask(handlers: PageHandlers, message: Any, history: Any = None, **changes: Any) -> list[Any]:
    """Everything that the chat handler yields."""
    request = changes.pop("request", page())
    history = changes.pop("history", history or [])
    return list(chat(handlers, message, history, request=request, **changes))


def chat(
    handlers: PageHandlers, message: Any, history: Any, *, request: Any, **changes: Any
) -> Iterator[Any]:
    return handlers.chat(message, history, request, *handlers.defaults.changed(SETTINGS | changes))


def preview(
    handlers: PageHandlers, draft: Any, history: Any, reserved: Any, request: Any, **changes: Any
) -> Any:
    settings = handlers.defaults.changed({"max_new_tokens": reserved, **changes})
    return handlers.preview(draft, history, request, *settings)


def view_of(value: Any) -> dict[str, Any]:
    return json.loads(value)


def is_notice(value: Any) -> bool:
    return conversation_of([value]) == () if isinstance(value, dict) else False


# --- chat ---------------------------------------------------------------------------------------


def test_an_answer_streams_and_its_last_panel_shows_what_was_sent(handlers: PageHandlers):
    outputs = ask(handlers, "天气", [user("你好"), assistant("您好")])

    texts = [text for text, _ in outputs]
    assert texts == sorted(texts, key=len)
    assert all(after.startswith(before) for before, after in pairwise(texts))
    view = view_of(outputs[-1][1])
    assert (view["mode"], view["finish"]) == ("sent", "length")
    assert "".join(view["cells"]["t"]) == "你好<n>您好<n>天气<sep>"
    assert len(view["answer"]["i"]) == 8


def test_the_panel_shows_the_prompt_before_the_first_token(handlers: PageHandlers):
    text, value = ask(handlers, "你好")[0]

    view = view_of(value)
    assert text == ""
    assert (view["mode"], view["answer"]["i"]) == ("answering", [])
    assert "".join(view["cells"]["t"]) == "你好<sep>"


def test_line_breaks_around_a_message_are_not_sent_and_spaces_are(handlers: PageHandlers):
    view = view_of(ask(handlers, "\n  你好 \n\n")[-1][1])

    assert "".join(view["cells"]["t"]) == "  你好 <sep>"
    assert clean("\n a\nb \n") == " a\nb "


def test_refused_questions_and_their_notices_are_not_sent(handlers: PageHandlers):
    refused, _ = ask(handlers, "你好", temperature=99)[-1]

    view = view_of(ask(handlers, "天气", [user("你好"), refused])[-1][1])

    assert "".join(view["cells"]["t"]) == "天气<sep>"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EngineError("out_of_memory", tokens=5), "out_of_memory"),
        (RuntimeError("device lost"), "unexpected"),
        (MemoryError(), "unexpected"),
    ],
    ids=["known", "unknown", "memory"],
)
def test_a_model_that_fails_midway_gives_a_notice_in_the_language_of_the_page(
    tiny_loaded: Any, error: Exception, code: str, language: str, caplog: pytest.LogCaptureFixture
):
    handlers = PageHandlers(ChatDouble(tiny_loaded, error))
    with caplog.at_level(logging.CRITICAL):
        outputs = ask(handlers, "你好", request=page(language=language))

    said, _ = outputs[-1]
    sentence = ERRORS[code][language == "zh"].format(tokens=5)
    assert is_notice(said)
    assert said["content"] == f"⚠️ {sentence}"


def test_what_failed_unexpectedly_is_in_the_log(tiny_loaded: Any, caplog: pytest.LogCaptureFixture):
    ask(PageHandlers(ChatDouble(tiny_loaded, RuntimeError("device lost"))), "你好")

    assert "device lost" in caplog.text


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        ("", {}),
        (" \n", {}),
        (None, {}),
        (5, {}),
        ("好" * 5000, {}),
        ("你好", {"max_new_tokens": 5000}),
        ("你好", {"max_new_tokens": None}),
        ("你好", {"temperature": 0}),
        ("你好", {"temperature": "hot"}),
        ("你好", {"top_k": -1}),
        ("你好", {"seed": 0.5}),
        ("你好", {"history": "text"}),
        ("你好", {"history": [{"role": "system", "content": "a"}]}),
        ("你好", {"history": [{"role": "user", "content": "a", "metadata": "b"}, 5]}),
    ],
)
def test_whatever_comes_in_the_chat_never_raises(
    handlers: PageHandlers, message: Any, changes: dict[str, Any], caplog: Any
):
    with caplog.at_level(logging.CRITICAL):
        said, _ = ask(handlers, message, **changes)[-1]

    assert is_notice(said)
    # The page is not left waiting for an answer that will not come.
    assert not is_skip(preview(handlers, "你好", [], 8, page()))


@pytest.mark.parametrize("name", ["temperature", "repetition_penalty"])
def test_a_slider_at_a_whole_number_works(handlers: PageHandlers, name: str):
    said, _ = ask(handlers, "你好", greedy=False, **{name: 2})[-1]

    assert isinstance(said, str)


def test_stopping_ends_the_answer_and_keeps_what_it_wrote(handlers: PageHandlers):
    outputs = []
    for output in chat(handlers, "你好", [], max_new_tokens=500, request=page()):
        outputs.append(output)
        if len(outputs) == 5:
            handlers.stop(page())

    view = view_of(outputs[-1][1])
    assert (view["mode"], view["finish"]) == ("sent", "cancelled")
    # The engine may be ahead of the page, on a fast machine by many tokens; what it wrote is shown.
    assert 4 <= len(view["answer"]["i"]) < 500


def test_what_was_stopped_is_painted_before_its_generator_has_ended(handlers: PageHandlers):
    answers = chat(handlers, "你好", [], max_new_tokens=500, request=page())
    next(answers)
    next(answers)
    handlers.stop(page())

    # The page asks right after the stop; Gradio closes the generator when it comes to it.
    view = view_of(preview(handlers, "", [user("你好")], 500, page()))
    assert (view["mode"], view["finish"]) == ("sent", "cancelled")
    answers.close()


def test_stopping_one_page_leaves_the_others_alone(handlers: PageHandlers):
    answers = chat(handlers, "你好", [], request=page("mine"))
    next(answers)

    handlers.stop(page("yours"))

    assert view_of(list(answers)[-1][1])["finish"] == "length"


def test_closing_a_page_ends_its_answer(handlers: PageHandlers):
    answers = chat(handlers, "你好", [], max_new_tokens=500, request=page())
    next(answers)

    handlers.leave(page())

    assert view_of(list(answers)[-1][1])["finish"] == "cancelled"


# --- validate -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "empty_message"),
        (" \t\n\u3000", "empty_message"),
        ("好\ud800", "lone_surrogate"),
        ("\udfff", "lone_surrogate"),
        ("好" * 5000, "message_beyond_window"),
        ("好 " * 470, "message_too_long"),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_cannot_be_sent_is_refused_with_the_reason(
    handlers: PageHandlers, message: str, code: str, language: str
):
    preview(handlers, "", [], 100, page(language=language))

    verdict = handlers.validate(message, page(language=language))

    assert verdict["is_valid"] is False
    start = ERRORS[code][language == "zh"].split("{")[0]
    assert start
    assert verdict["message"].startswith(start)


def test_the_place_of_half_a_character_is_told(handlers: PageHandlers):
    verdict = handlers.validate("你好\udc00", page())

    assert "U+DC00" in verdict["message"]
    assert "character 3 " in verdict["message"]


@pytest.mark.parametrize("message", ["你好", "<sep>", "👨‍👩‍👧", "مرحبا", "<script>", "\u200b"])
def test_what_can_be_sent_is_let_through(handlers: PageHandlers, message: str):
    preview(handlers, "", [], 100, page())

    assert handlers.validate(message, page())["is_valid"] is True


# --- inspect ------------------------------------------------------------------------------------


def test_a_draft_is_shown_as_it_would_be_sent(handlers: PageHandlers):
    history = [user("你好"), assistant("您好")]

    shown = view_of(preview(handlers, "天气", history, 8, page()))
    sent = view_of(ask(handlers, "天气", history)[0][1])

    assert shown["mode"] == "preview"
    assert shown["cells"] == sent["cells"]
    assert {**shown["bar"], "answer": 0} == sent["bar"]


def test_a_draft_that_is_too_long_is_shown_with_the_reason(handlers: PageHandlers):
    view = view_of(preview(handlers, "好" * 5000, [], 8, page()))

    assert view["error"]["en"].startswith("This message has")
    assert view["error"]["zh"].startswith("这条消息有")
    assert view["bar"]["excess"] > 0


def test_no_draft_shows_the_history_and_no_history_nothing(handlers: PageHandlers):
    history = view_of(preview(handlers, "", [user("你好"), assistant("您好")], 8, page()))
    nothing = view_of(preview(handlers, "", [], 8, page()))

    assert (history["mode"], nothing["mode"]) == ("history", "empty")
    assert "".join(history["cells"]["t"]) == "你好<n>您好"


def test_after_an_answer_the_panel_stays_on_what_was_sent(handlers: PageHandlers):
    outputs = ask(handlers, "你好")
    history = [user("你好"), assistant(outputs[-1][0])]

    assert view_of(preview(handlers, "", history, 8, page())) == view_of(outputs[-1][1])
    # Until the conversation is another one.
    other = [user("天气"), assistant("好")]
    assert view_of(preview(handlers, "", other, 8, page()))["mode"] == "history"


def test_while_an_answer_comes_the_panel_is_its_own(handlers: PageHandlers):
    answers = chat(handlers, "你好", [], request=page())
    next(answers)

    assert is_skip(preview(handlers, "", [], 8, page()))
    list(answers)
    assert not is_skip(preview(handlers, "", [], 8, page()))


def test_a_reservation_that_cannot_be_is_an_error_in_the_panel(handlers: PageHandlers):
    view = view_of(preview(handlers, "你好", [], 5000, page()))

    assert (view["mode"], "at most 992" in view["error"]["en"]) == ("blocked", True)


@pytest.mark.parametrize(
    ("draft", "history", "reserved"),
    [(None, [], 8), ("a", "text", 8), ("a", [5], 8), ("a", None, 8), ("a", [], None)],
)
def test_whatever_comes_in_the_panel_never_raises(
    handlers: PageHandlers, draft: Any, history: Any, reserved: Any
):
    assert view_of(preview(handlers, draft, history, reserved, page()))["mode"]


# --- the page -----------------------------------------------------------------------------------


def test_the_first_view_is_empty_and_adds_up(handlers: PageHandlers):
    view = view_of(handlers.first_view())

    assert view["mode"] == "empty"
    assert view["bar"]["free"] + view["bar"]["reserved"] == view["bar"]["window"] == 1024


@pytest.mark.parametrize(("told", "language"), [("zh", "zh"), ("en", "en"), ("xx", "en")])
def test_a_page_that_tells_its_language_is_answered_in_it(
    handlers: PageHandlers, told: Any, language: Any
):
    update = handlers.greet(told, page(language="fr"))

    assert [example["text"] for example in update["examples"]] == list(EXAMPLES[language])
    assert handlers.validate("", page())["message"] == ERRORS["empty_message"][language == "zh"]


def test_a_model_with_a_small_window_starts(tiny_loaded: Any):
    small = PageHandlers(ChatModel(replace(tiny_loaded, context_length=64)))

    assert view_of(small.first_view())["bar"]["free"] == 48


def test_a_draft_too_long_to_look_at_is_refused_before_it_is_encoded(
    handlers: PageHandlers, monkeypatch: pytest.MonkeyPatch
):
    def fit(*_: Any, **__: Any) -> None:
        pytest.fail("encoded")

    monkeypatch.setattr(handlers.model, "fit", fit)
    view = view_of(preview(handlers, "a" * 200_001, [], 8, page()))

    assert "200,000" in view["error"]["en"]
