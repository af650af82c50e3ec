import json
import threading
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from tests.ui.test_handlers import assistant, page, user
from yuan_demo.core.errors import EngineError
from yuan_demo.core.messages import Message
from yuan_demo.engine.chat import ChatModel
from yuan_demo.ui.duel_handlers import DuelHandlers
from yuan_demo.ui.handlers import PageHandlers

SETTINGS = {"max_new_tokens": 12, "greedy": False, "temperature": 1.5, "top_k": 0, "seed": 4}


@pytest.fixture
def pages(tiny_loaded: Any) -> PageHandlers:
    return PageHandlers(ChatModel(tiny_loaded))


@pytest.fixture
def duels(pages: PageHandlers) -> DuelHandlers:
    return DuelHandlers(pages)


def told(
    duels: DuelHandlers,
    changes: Any,
    draft: str = "你好",
    history: Any = (),
    compared: str = "n_join",
    **settings: Any,
) -> Iterator[dict[str, Any]]:
    chosen = duels.pages.defaults.changed(SETTINGS | settings)
    event = gr.EventData(None, {"ask": 2, "changes": changes})
    for news in duels.duel(page(), event, compared, draft, list(history), *chosen):
        yield json.loads(news)


def test_each_side_says_what_the_chat_would_say_under_its_settings(
    pages: PageHandlers, duels: DuelHandlers
):
    sides = ({}, {"format": "roles", "temperature": 0.8})
    *_, last = told(duels, sides[1])

    for side, changes in zip(last["sides"], sides, strict=True):
        chosen = pages.defaults.changed(SETTINGS | changes)
        asked = [Message("user", "你好")]
        *_, alone = pages.model.answer(asked, chosen.params(), chosen.options())
        assert side["cells"]["i"] == list(alone.token_ids)
        assert side["prompt"]["i"] == list(alone.fitted.prompt.input_ids)
        assert len(side["scores"]["rows"]) == len(alone.token_ids)
        assert (side["finish"], side["seed"]) == (alone.finish_reason, 4)
    assert last["question"] == "你好"


def test_the_rows_told_piece_by_piece_are_all(duels: DuelHandlers):
    rows: list[list[Any]] = [[], []]
    first, *rest = told(duels, {"top_k": 3}, max_new_tokens=120)
    for news in (first, *rest):
        for side, each in zip(rows, news["sides"], strict=True):
            scores = each["scores"]
            assert scores["from"] <= len(side)
            side[scores["from"] :] = scores["rows"]
    assert [len(side["prompt"]["i"]) for side in first["sides"]] == [2, 2]
    assert [len(side) for side in rows] == [len(s["cells"]["i"]) for s in rest[-1]["sides"]]


def test_without_a_seed_one_is_drawn_for_both(duels: DuelHandlers):
    *_, last = told(duels, {"format": "sep"}, seed=-1)
    one, other = (side["seed"] for side in last["sides"])
    assert one == other

    *_, last = told(duels, {"seed": 9}, seed=-1)
    assert last["sides"][0]["seed"] != last["sides"][1]["seed"] == 9


def test_where_nothing_is_given_they_differ_in_the_format_that_the_tab_compares(
    duels: DuelHandlers,
):
    *_, last = told(duels, {}, compared="roles")
    assert last["changes"] == {"format": "roles"}
    assert last["sides"][0]["prompt"]["i"] != last["sides"][1]["prompt"]["i"]

    *_, last = told(duels, {"top_k": 3}, compared="roles")
    assert last["changes"] == {"top_k": 3}
    assert last["sides"][0]["prompt"]["i"] == last["sides"][1]["prompt"]["i"]


def test_without_a_draft_the_last_question_is_asked(duels: DuelHandlers):
    said = [user("one"), assistant("first"), user("two"), assistant("second")]

    *_, last = told(duels, {"greedy": True}, "", said)

    assert last["question"] == "two"
    assert last["sides"][1]["seed"] is None


@pytest.mark.parametrize(
    ("changes", "draft", "words"),
    [
        ({}, "a", "at least one setting"),
        (None, "a", "at least one setting"),
        ({"temperature": None, "unknown": 1}, "a", "at least one setting"),
        ({"temperature": "abc"}, "a", "temperature must"),
        ({"top_k": -1}, "a", "top_k must"),
        ({"seed": 1.5}, "a", "seed must"),
        ({"format": "none such"}, "a", "The prompt format must"),
        ({"top_k": 3}, "", "no question"),
        ({"top_k": 3}, "b" * 300_000, "at most 200,000 characters"),
        ({"top_k": 3}, "b " * 2000, "has room for: only"),
    ],
)
def test_what_cannot_be_asked_gets_a_sentence(
    duels: DuelHandlers, changes: Any, draft: str, words: str
):
    [news] = told(duels, changes, draft)

    assert words in news["error"]["en"]
    assert news["error"]["zh"].endswith("。")


def test_it_can_be_stopped_and_both_end(duels: DuelHandlers, pages: PageHandlers):
    news = told(duels, {"top_k": 3}, max_new_tokens=900)
    next(news)
    next(news)
    duels.stop(page())

    *_, last = news

    assert [side["finish"] for side in last["sides"]] == ["cancelled", "cancelled"]
    assert pages.model.engine.status.waiting == 0


def test_whoever_closes_it_ends_both(duels: DuelHandlers, pages: PageHandlers):
    news = told(duels, {"top_k": 3}, max_new_tokens=900)
    next(news)
    next(news)
    before = threading.active_count()
    news.close()

    for thread in threading.enumerate():
        if "_pull" in thread.name:
            thread.join(30)
    assert threading.active_count() < before


def test_a_side_that_fails_ends_both_with_a_sentence(
    duels: DuelHandlers, pages: PageHandlers, monkeypatch: pytest.MonkeyPatch
):
    answer, asked = pages.model.answer, []

    def fail(*args: Any, **kwargs: Any) -> Iterator[Any]:
        asked.append(kwargs)
        answers = answer(*args, **kwargs)
        yield next(answers)
        if len(asked) == 2:
            raise EngineError("out_of_memory", tokens=5)
        yield from answers

    monkeypatch.setattr(pages.model, "answer", fail)
    *_, last = told(duels, {"top_k": 3}, max_new_tokens=900)

    assert "out of memory" in last["error"]["en"]
    assert all(each["is_aside"] for each in asked)
