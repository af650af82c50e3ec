"""In line, and answers that are ended: what the chat says, to pages and to programs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from yuan_demo.core.generation import Timings
from yuan_demo.engine.chat import Answer, ChatModel
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.history import conversation_of, in_line, restored, settled
from yuan_demo.ui.strings import ENDINGS, IN_LINE, LEFT_LINE


class Scripted(ChatModel):
    """Answers with steps that are written out.

    Attributes:
        steps: changes to the `Answer` before, one per step.
        clients: who asked.
    """

    def __init__(self, loaded: Any, steps: Sequence[dict[str, Any]], **kwargs: Any) -> None:
        super().__init__(loaded, **kwargs)
        self.steps, self.clients = steps, []

    def answer(
        self, messages: Any, params: Any, options: Any, cancelled: Any, client: Any
    ) -> Iterator[Answer]:
        self.clients.append(client)
        answer = Answer(self.fit(messages, options))
        yield answer
        for step in self.steps:
            answer = replace(answer, **{"place": 0} | step)
            yield answer


def page(session: str | None = "page", language: str = "en", address: str = "10.0.0.1") -> Any:
    return SimpleNamespace(
        session_hash=session,
        headers={"accept-language": language},
        client=SimpleNamespace(host=address),
    )


def ask(handlers: PageHandlers, request: Any, *, is_page: bool = True) -> list[Any]:
    if is_page:
        handlers.greet(request.headers["accept-language"], request)
    return list(handlers.chat("你好", [], request, *handlers.defaults))


TOKEN = {"token_ids": (9,), "text": "好", "timings": Timings(3, 0.5, 1, 0.0, 2, 1.25)}
WAITING = [{"place": 3}, {"place": 1}, TOKEN, TOKEN | {"finish_reason": "stop"}]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_page_is_told_its_place_until_the_answer_starts(tiny_loaded: Any, language: str):
    handlers = PageHandlers(Scripted(tiny_loaded, WAITING))

    outputs = ask(handlers, page(language=language))

    line = IN_LINE[language == "zh"]
    said = [said for said, _ in outputs]
    assert said == [
        "",
        [in_line(line.format(place=3))],
        [in_line(line.format(place=1))],
        "好",
        "好",
    ]
    assert [json.loads(view)["place"] for _, view in outputs[:3]] == [0, 3, 1]
    assert json.loads(outputs[-1][1])["work"] == {
        "reused": 2,
        "computed": 1,
        "first": 0.5,
        "queue": 1.25,
    }


def test_a_program_gets_its_place_in_the_view_and_not_in_the_text(tiny_loaded: Any):
    handlers = PageHandlers(Scripted(tiny_loaded, WAITING))

    outputs = ask(handlers, page(), is_page=False)

    assert [said for said, _ in outputs] == ["", "", "", "好", "好"]
    assert [json.loads(view)["place"] for _, view in outputs[:3]] == [0, 3, 1]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("reason", ENDINGS)
def test_an_answer_that_was_ended_keeps_its_text_and_says_why(
    tiny_loaded: Any, reason: str, language: str
):
    steps = [TOKEN, TOKEN | {"finish_reason": reason}]
    handlers = PageHandlers(Scripted(tiny_loaded, steps, answer_seconds=1200))

    said, view = ask(handlers, page(language=language))[-1]

    sentence = ENDINGS[reason][language == "zh"].format(seconds="1,200")
    assert [said[0], said[1]["content"]] == ["好", f"⚠️ {sentence}"]
    assert json.loads(view)["finish"] == reason
    # The answer is the model's and is sent with the next question; the sentence is not.
    history = [{"role": "assistant", "content": "好"}, said[1]]
    assert [message.content for message in conversation_of(history)] == ["好"]


def test_a_program_is_told_why_behind_the_text(tiny_loaded: Any):
    steps = [TOKEN, TOKEN | {"finish_reason": "shutdown"}]

    said, _ = ask(PageHandlers(Scripted(tiny_loaded, steps)), page(), is_page=False)[-1]

    assert said == f"好\n\n{ENDINGS['shutdown'][0]}"


def test_a_question_that_ends_in_line_is_a_notice_and_was_not_sent(tiny_loaded: Any):
    steps = [{"place": 2}, {"finish_reason": "deadline"}]
    handlers = PageHandlers(Scripted(tiny_loaded, steps, answer_seconds=5))

    (said,), _ = ask(handlers, page())[-1]

    assert said["metadata"] == {"id": "notice"}
    assert conversation_of([{"role": "user", "content": "你好"}, said]) == ()
    assert handlers.visitor(page()).sent is None
    assert not handlers.visitor(page()).is_answering


def test_only_some_tokens_of_a_fast_answer_are_written(tiny_loaded: Any):
    handlers = PageHandlers(ChatModel(tiny_loaded))
    settings = handlers.defaults.changed({"max_new_tokens": 300, "greedy": True})

    outputs = list(handlers.chat("你好", [], page(), *settings))

    view = json.loads(outputs[-1][1])
    tokens = len(view["answer"]["i"])
    assert tokens > 100
    assert len(outputs) < tokens / 2
    assert outputs[-1][0], "the last text is always written"


def test_the_line_knows_pages_by_session_and_programs_by_address(tiny_loaded: Any):
    model = Scripted(tiny_loaded, [TOKEN])
    handlers = PageHandlers(model)

    ask(handlers, page("a"))
    ask(handlers, page("b"), is_page=False)
    ask(handlers, page(None), is_page=False)

    assert model.clients == ["a", "10.0.0.1", "10.0.0.1"]


# --- leaving the line -----------------------------------------------------------------------------

ASKED = [{"role": "user", "content": "你好"}, in_line("You are number 2")]


def test_after_a_stop_in_line_the_chat_says_that_it_was_left(tiny_loaded: Any):
    handlers = PageHandlers(ChatModel(tiny_loaded))

    shown, state, value = handlers.settle(ASKED, page(language="zh"))

    assert shown == state == value
    assert LEFT_LINE[1] in shown[-1]["content"]
    assert conversation_of(shown) == ()


def test_a_stopped_answer_is_left_as_it_is(tiny_loaded: Any):
    handlers = PageHandlers(ChatModel(tiny_loaded))
    history = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]

    shown, state, value = handlers.settle(history, page())

    assert shown["__type__"] == "update"
    assert state == value == history


def test_a_place_in_line_is_never_sent_and_does_not_survive_a_reload():
    assert conversation_of(ASKED) == ()
    assert [item["metadata"]["id"] for item in restored(ASKED, "Full", "left")[1:]] == ["notice"]
    assert settled(ASKED, "left")[0] is ASKED[0]


def test_whoever_listens_no_more_is_stopped_and_remembered(tiny_loaded: Any):
    handlers = PageHandlers(ChatModel(tiny_loaded))
    visitor = handlers.visitor(page("a"))
    cancelled = visitor.begin()

    handlers.hang_up("somebody else")
    assert not cancelled.is_set()
    handlers.hang_up("a")

    assert cancelled.is_set()
    assert handlers.visitor(page("a")) is visitor
