import json
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from tests.ui.test_handlers import assistant, chat, is_skip, page, user
from yuan_demo.core.errors import EngineError
from yuan_demo.engine.chat import ChatModel
from yuan_demo.ui.branch_handlers import BranchHandlers
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.history import conversation_of

SETTINGS = {"max_new_tokens": 12, "greedy": False, "temperature": 1.5, "top_k": 0, "top_p": 1.0}
SETTINGS |= {"repetition_penalty": 1.2, "seed": 4}


@pytest.fixture
def pages(tiny_loaded: Any) -> PageHandlers:
    pages = PageHandlers(ChatModel(tiny_loaded))
    pages.greet("en", page())
    return pages


@pytest.fixture
def branches(pages: PageHandlers) -> BranchHandlers:
    return BranchHandlers(pages)


def asked(pages: PageHandlers, message: str, history: Any = (), **changes: Any) -> dict[str, Any]:
    """The last view of an answer, as the page keeps it."""
    *_, (_, view) = chat(pages, message, list(history), request=page(), **SETTINGS | changes)
    return json.loads(view)


def sent_for(view: dict[str, Any], begun: Any, **changes: Any) -> dict[str, Any]:
    """What the page sends for a branch."""
    scores = view["scores"]
    made = {name: scores[name] for name in ("settings", "options", "messages")}
    return {"ask": 3, "prompt": view["cells"]["i"], "begun": begun} | made | changes


def branch(branches: BranchHandlers, shown: Any, sent: Any) -> Iterator[Any]:
    return branches.branch(shown, page(), gr.EventData(None, sent))


def refused(branches: BranchHandlers, shown: Any, sent: Any) -> str:
    """The English sentence; nothing else was touched."""
    [(chat_, view, box, told)] = branch(branches, shown, sent)
    assert all(map(is_skip, (chat_, view, box)))
    error, has_begun = (json.loads(told)[name] for name in ("error", "has_begun"))
    assert not has_begun
    assert error["zh"].endswith("。")
    return error["en"]


def test_the_same_tokens_give_the_same_answer_in_its_place(
    pages: PageHandlers, branches: BranchHandlers
):
    view = asked(pages, "你好")
    ids, rows = view["answer"]["i"], view["scores"]["rows"]
    shown = [user("你好"), assistant("what stands there"), user("later"), assistant("gone")]

    *_, (after, told, box, news) = branch(branches, shown, sent_for(view, ids[:5]))

    again = json.loads(told)
    assert again["answer"]["i"] == ids
    # Only what follows is told of; what comes before is the page's.
    assert (again["scores"]["from"], again["scores"]["begun"]) == (5, 5)
    assert [row[1] for row in again["scores"]["rows"]] == [row[1] for row in rows[5:]]
    logprobs = [row[0] for row in again["scores"]["rows"]]
    assert logprobs == pytest.approx([row[0] for row in rows[5:]], abs=1e-4)
    assert again["seed"] == 4
    assert [message["role"] for message in after] == ["user", "assistant"]
    assert conversation_of(after)[-1].content != "what stands there"
    assert box["interactive"] is False
    assert is_skip(news)


def test_a_turn_in_the_middle_keeps_what_comes_before_letter_by_letter(
    pages: PageHandlers, branches: BranchHandlers
):
    before = [user("refused"), {**assistant("⚠️ no"), "metadata": {"id": "notice"}}]
    before += [user(" <b>one</b> "), assistant("<i>\n  first")]
    view = asked(pages, "two", before)
    shown = [*before, user("two"), assistant("second"), user("three"), assistant("third")]

    *_, (after, told, _, _) = branch(branches, shown, sent_for(view, [300, 301]))

    assert after[:5] == shown[:5]
    assert len(after) == 6
    told = json.loads(told)
    assert told["cells"]["i"] == view["cells"]["i"]
    assert told["answer"]["i"][:2] == [300, 301]


def test_the_settings_of_the_answer_count_and_not_those_of_the_page(
    pages: PageHandlers, branches: BranchHandlers
):
    view = asked(pages, "你好", format="roles", window=200)
    pages.preview("", [], page(), *pages.defaults.changed({"greedy": True, "format": "sep"}))

    *_, (_, told, _, _) = branch(branches, [user("你好")], sent_for(view, view["answer"]["i"][:3]))

    told = json.loads(told)
    assert told["answer"]["i"] == view["answer"]["i"]
    assert told["scores"]["options"]["format"] == "roles"
    assert told["scores"]["settings"] == view["scores"]["settings"]


def test_a_shrunk_answer_is_shrunk_again(pages: PageHandlers, branches: BranchHandlers):
    view = asked(pages, "a b c " * 12, policy="shrink_answer", window=120, max_new_tokens=80)
    assert view["shrunk"]

    *_, (_, told, _, _) = branch(
        branches, [user("a b c " * 12)], sent_for(view, view["answer"]["i"][:2])
    )

    assert json.loads(told)["answer"]["i"] == view["answer"]["i"]
    assert json.loads(told)["shrunk"] == view["shrunk"]


def test_the_end_chosen_ends_it(pages: PageHandlers, branches: BranchHandlers):
    view, eod = asked(pages, "你好"), pages.model.tokenizer.eod_token_id

    steps = list(branch(branches, [user("你好")], sent_for(view, [300, eod])))

    told = json.loads(steps[-1][1])
    assert (told["mode"], told["finish"]) == ("sent", "stop")
    assert told["scores"]["from"] == 2


def test_the_page_gets_all_of_it_and_its_box_back(pages: PageHandlers, branches: BranchHandlers):
    view = asked(pages, "你好")
    steps = branch(branches, [user("你好")], sent_for(view, [300]))
    after = next(steps)[0]
    # Gradio's own stop tells the page's text of just now: the branch tells a newer one itself.
    assert all(map(is_skip, pages.settle(after, page())))
    list(steps)

    state, value, box = branches.finish(after, page())

    assert state == value == after
    assert (box["interactive"], box["stop_btn"]) == (True, False)
    # The next answer of the chat is none of its business.
    asked(pages, "你好")
    assert all(map(is_skip, branches.finish(after, page())))
    assert pages.settle(after, page())[1] == after


def test_it_can_be_stopped_and_keeps_what_it_has(pages: PageHandlers, branches: BranchHandlers):
    view = asked(pages, "你好", max_new_tokens=400)
    steps = branch(branches, [user("你好")], sent_for(view, [300, 301, 302]))
    next(steps)
    pages.stop(page())

    *_, (_, told, _, _) = [next(steps), *steps]

    told = json.loads(told)
    assert told["finish"] == "cancelled"
    assert told["answer"]["i"][:3] == [300, 301, 302]
    assert not pages.visitor(page()).is_answering


def test_while_an_answer_is_written_there_is_no_other(
    pages: PageHandlers, branches: BranchHandlers
):
    view = asked(pages, "你好")
    steps = branch(branches, [user("你好")], sent_for(view, [300]))
    next(steps)

    assert "being written" in refused(branches, [user("你好")], sent_for(view, [301]))
    put_up = branches.put_up(page(), gr.EventData(None, {"shown": [user("a")]}))
    assert "being written" in json.loads(put_up[-1])["error"]["en"]
    assert list(steps)


@pytest.mark.parametrize("is_stopped", [False, True])
def test_one_that_was_refused_neither_unlocks_the_box_nor_leaves_it_locked(
    pages: PageHandlers, branches: BranchHandlers, is_stopped: bool
):
    view = asked(pages, "你好")
    steps = branch(branches, [user("你好")], sent_for(view, [300]))
    after, _, box, told = next(steps)
    assert box["interactive"] is False
    assert json.loads(told) == {"is": "branch", "ask": 3}
    if is_stopped:
        pages.stop(page())
        assert "Tokens must" in refused(branches, after, sent_for(view, []))
    else:
        refused(branches, after, sent_for(view, [301]))
    # Gradio tells the end of the refused one first.
    assert all(map(is_skip, branches.finish(after, page())))
    list(steps)

    for _ in range(2):
        assert branches.finish(after, page())[2]["interactive"] is True


def test_of_two_at_once_one_gets_the_page(
    pages: PageHandlers, branches: BranchHandlers, monkeypatch: pytest.MonkeyPatch
):
    view = asked(pages, "你好")
    checked = branches.checked_ids

    def other_comes(*args: Any) -> list[int]:
        monkeypatch.setattr(branches, "checked_ids", checked)
        assert "being written" in refused(branches, [user("你好")], sent_for(view, [301]))
        return checked(*args)

    monkeypatch.setattr(branches, "checked_ids", other_comes)
    *_, (_, told, _, _) = branch(branches, [user("你好")], sent_for(view, [300]))

    assert json.loads(told)["answer"]["i"][0] == 300


WHOLE = "whole"


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"begun": []}, "Tokens must"),
        ({"begun": None}, "Tokens must"),
        ({"begun": [300, "301"]}, "Tokens must"),
        ({"begun": [10**9]}, "Tokens must"),
        ({"begun": [-1]}, "Tokens must"),
        ({"begun": [300] * 13}, "The answer is to begin with 13 tokens, but may have at most 12"),
        ({"prompt": [300, 301]}, "From this conversation and these settings"),
        ({"prompt": "x"}, "Tokens must"),
        ({"messages": [["user", "another"]]}, "This answer belongs to another conversation"),
        ({"messages": []}, "The history must"),
        ({"messages": [["user", "你好"], ["assistant", "x"]]}, "The history must"),
        ({"messages": [["system", "你好"]]}, "The history must"),
        ({"messages": [["user", 5]]}, "A message must be a text"),
        ({"messages": "你好"}, "The history must"),
        ({"settings": {"temperature": 0, "greedy": False}}, "temperature must"),
        ({"settings": {"seed": "x"}}, "seed must"),
        ({"options": {"format": "none such", "max_new_tokens": 12}}, "The prompt format must"),
        ({"options": {"window": "wide", "max_new_tokens": 12}}, "The context window must"),
    ],
)
def test_what_is_no_branch_gets_a_sentence(
    pages: PageHandlers, branches: BranchHandlers, changes: Any, start: str
):
    view = asked(pages, "你好")

    assert refused(branches, [user("你好")], sent_for(view, [300]) | changes).startswith(start)
    assert not pages.visitor(page()).is_answering


def test_nothing_stands_behind_the_end(pages: PageHandlers, branches: BranchHandlers):
    view, eod = asked(pages, "你好"), pages.model.tokenizer.eod_token_id

    assert "behind <eod>" in refused(branches, [user("你好")], sent_for(view, [300, eod, 301]))


@pytest.mark.parametrize("sent", [None, "text", [1], 5, {}])
def test_an_event_that_is_none_raises_nothing(branches: BranchHandlers, sent: Any):
    assert refused(branches, [user("你好")], sent)
    assert "error" in json.loads(branches.put_up(page(), gr.EventData(None, sent))[-1])


@pytest.mark.parametrize(
    ("error", "words"),
    [(EngineError("out_of_memory", tokens=5), "out of memory"), (RuntimeError("x"), "our side")],
)
def test_a_failure_in_the_middle_stands_in_the_chat_and_unlocks_the_page(
    pages: PageHandlers,
    branches: BranchHandlers,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    words: str,
):
    view, answer = asked(pages, "你好"), pages.model.answer

    def fail(*args: Any, **kwargs: Any) -> Iterator[Any]:
        yield next(answer(*args, **kwargs))
        raise error

    monkeypatch.setattr(pages.model, "answer", fail)
    *_, (after, _, _, told) = branch(branches, [user("你好")], sent_for(view, [300]))

    assert words in after[-1]["content"]
    assert words in json.loads(told)["error"]["en"]
    assert json.loads(told)["has_begun"]
    assert branches.finish(after, page())[2]["interactive"] is True


# --- the way back -------------------------------------------------------------------------------


def test_a_conversation_is_put_up_again_exactly_as_it_stood(
    pages: PageHandlers, branches: BranchHandlers
):
    asked(pages, "你好")
    kept = [
        {"role": "user", "content": "a &lt;b&gt; &amp;amp; "},
        {"role": "assistant", "content": "⚠️ no", "metadata": {"id": "notice", "title": None}},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "  <n>\n"},
    ]

    one, two, three, told = branches.put_up(page(), gr.EventData(None, {"ask": 8, "shown": kept}))

    assert one == two == three
    texts = [part["text"] for message in one for part in message["content"]]
    # The page holds them escaped.
    assert texts == ["a <b> &amp; ", "⚠️ no", "two", "  <n>\n"]
    assert [message.content for message in conversation_of(one)] == ["two", "  <n>\n"]
    assert json.loads(told) == {"is": "branch", "ask": 8}
    # The answer that was written last is not taken for the one that stands there now.
    assert pages.visitor(page()).answer is None


@pytest.mark.parametrize("kept", [None, [], "x", [5], [{"role": "user"}], {"a": 1}])
def test_what_is_no_conversation_is_not_put_up(branches: BranchHandlers, kept: Any):
    *chat_, told = branches.put_up(page(), gr.EventData(None, {"shown": kept}))

    assert all(map(is_skip, chat_))
    assert "history must" in json.loads(told)["error"]["en"]
