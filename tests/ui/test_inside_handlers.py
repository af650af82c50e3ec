import json
import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest
import torch

from tests.ui.test_handlers import page
from yuan_demo.core.errors import EngineError
from yuan_demo.engine.chat import ChatModel
from yuan_demo.engine.inside import look_inside
from yuan_demo.ui import inside_handlers
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.inside_handlers import InsideHandlers
from yuan_demo.ui.inside_view import CHANGE_UNIT, WEIGHT_UNIT

IDS = [270 + 7 * number % 200 for number in range(60)]
EVERYTHING = {"lens": True, "attention": {"layer": 1, "head": 2}, "filter": {"layer": 0}}


@pytest.fixture
def chat(tiny_loaded: Any) -> ChatModel:
    return ChatModel(tiny_loaded)


@pytest.fixture
def inside(chat: ChatModel) -> InsideHandlers:
    return InsideHandlers(PageHandlers(chat))


class Passes:
    """Counts forward passes and may do something in each."""

    def __init__(self, chat: ChatModel) -> None:
        self.count = 0
        self.during = lambda: None
        layer = chat.loaded.model.model.layers[0]
        self.hook = layer.register_forward_hook(self._passed)

    def _passed(self, *args: Any) -> None:
        self.count += 1
        self.during()


@pytest.fixture
def passes(chat: ChatModel) -> Iterator[Passes]:
    passes = Passes(chat)
    yield passes
    passes.hook.remove()


def stream(inside: InsideHandlers, sent: Any, session: str = "page") -> Iterator[dict[str, Any]]:
    for told in inside.look_inside(page(session), gr.EventData(None, sent)):
        yield json.loads(told)


def told(inside: InsideHandlers, session: str = "page", **sent: Any) -> dict[str, Any]:
    *_, last = stream(inside, {"ask": 3, "ids": IDS} | sent, session)
    return last


def test_the_parts_that_were_asked_for_are_what_was_seen(inside: InsideHandlers, chat: ChatModel):
    seen = look_inside(chat, IDS, 300, threading.Event())

    answer = told(inside, chosen=300, **EVERYTHING)

    assert (answer["is"], answer["ask"], answer["layers"], answer["heads"]) == ("inside", 3, 2, 4)
    lens = answer["lens"]
    for (best, entropy, probability, rank), depth in zip(lens["depths"], seen.depths, strict=True):
        assert [each for each, _ in best] == list(depth.token_ids)
        assert [p for _, p in best] == pytest.approx(depth.probabilities, rel=1e-4)
        assert entropy == pytest.approx(depth.entropy, abs=1e-4)
        assert probability == pytest.approx(depth.probability, rel=1e-4)
        assert rank == depth.rank
        for token_id, _ in best:
            [piece] = chat.tokenizer.convert_ids_to_tokens([token_id])
            assert lens["pieces"][str(token_id)] == piece
    weights = [each * WEIGHT_UNIT for each in answer["attention"]["weights"]]
    assert weights == pytest.approx(seen.attention[1, 2].tolist(), abs=WEIGHT_UNIT / 1.99)
    assert (answer["attention"]["layer"], answer["attention"]["head"]) == (1, 2)
    rows = torch.tensor(answer["filter"]["rows"]) * CHANGE_UNIT
    torch.testing.assert_close(rows, seen.mixing[0], atol=CHANGE_UNIT / 1.99, rtol=0.0)
    here = torch.tensor(answer["filter"]["here"]) * CHANGE_UNIT
    torch.testing.assert_close(here, seen.mixing[:, :, -1], atol=CHANGE_UNIT / 1.99, rtol=0.0)


def test_only_what_was_asked_for_is_sent(inside: InsideHandlers):
    assert told(inside, lens=True).keys() == {"is", "ask", "layers", "heads", "lens"}
    assert told(inside, filter={}).keys() == {"is", "ask", "layers", "heads", "filter"}
    assert "attention" in told(inside, attention={})
    assert told(inside).keys() == {"is", "ask", "layers", "heads"}


def test_a_prompt_that_fills_the_window_is_sent_in_little(inside: InsideHandlers):
    answer = told(inside, ids=(IDS * 20)[:1024], **EVERYTHING)

    assert len(answer["attention"]["weights"]) == 1024
    assert len(json.dumps(answer, separators=(",", ":"))) < 30_000


def test_another_head_of_the_same_look_costs_no_pass(inside: InsideHandlers, passes: Passes):
    first = told(inside, attention={"layer": 0, "head": 0})
    other = told(inside, attention={"layer": 0, "head": 1})

    assert passes.count == 1
    assert first["attention"]["weights"] != other["attention"]["weights"]
    assert told(inside, ids=IDS[:-1], lens=True)["layers"] == 2
    assert passes.count == 2


def test_what_is_kept_is_bounded_and_the_newest_stays(
    inside: InsideHandlers, monkeypatch: pytest.MonkeyPatch
):
    one = 4 * 60 * 2 * (4 + 3)
    monkeypatch.setattr(inside_handlers, "MAX_KEPT_BYTES", 3 * one)
    for chosen in range(5):
        told(inside, chosen=chosen)
    told(inside, chosen=2)
    told(inside, chosen=9)

    assert [chosen for _, chosen in inside._seen] == [4, 2, 9]
    monkeypatch.setattr(inside_handlers, "MAX_KEPT_BYTES", 0)
    told(inside, chosen=10)
    assert isinstance(inside._seen, OrderedDict)
    assert [chosen for _, chosen in inside._seen] == [10]


def test_stopping_ends_it_at_the_next_layer(inside: InsideHandlers, passes: Passes):
    passes.during = lambda: inside.stop(page())

    assert told(inside, lens=True) == {"is": "inside", "ask": 3}
    passes.during = lambda: None
    assert "lens" in told(inside, lens=True)


def test_another_token_takes_the_place_of_the_one_before(inside: InsideHandlers, passes: Passes):
    answers: list[Any] = []

    def look_elsewhere() -> None:
        passes.during = lambda: None
        thread = threading.Thread(target=lambda: answers.append(told(inside, ids=IDS[:9])))
        thread.start()
        threads.append(thread)
        while inside._under_way["page"] is before:
            thread.join(0.01)

    threads: list[threading.Thread] = []
    first = stream(inside, {"ask": 1, "ids": IDS})

    def note_and_look() -> None:
        nonlocal before
        before = inside._under_way["page"]
        look_elsewhere()

    before: Any = None
    passes.during = note_and_look
    *_, last = first
    threads[0].join(20)

    assert last == {"is": "inside", "ask": 1}
    assert answers[0]["layers"] == 2


def test_progress_is_told_and_closing_ends_it(
    inside: InsideHandlers, passes: Passes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(inside_handlers, "NEWS_SECONDS", 0.01)
    may_go_on = threading.Event()
    passes.during = lambda: may_go_on.wait(20)
    looking = stream(inside, {"ask": 1, "ids": IDS})

    assert next(looking) == {"is": "inside", "ask": 1, "done": 0, "layers": 2}
    cancelled = inside._under_way["page"]
    threading.Timer(0.05, may_go_on.set).start()
    looking.close()
    # Nobody waits for its thread but the next test, which has the same model.
    for thread in threading.enumerate():
        if thread.name == "look inside":
            thread.join(20)

    assert cancelled.is_set()
    assert not inside._seen
    assert inside._under_way == {}


@pytest.mark.parametrize(
    ("sent", "start"),
    [
        ({"ids": []}, "Tokens must"),
        ({"ids": "12"}, "Tokens must"),
        ({"ids": [5, -1]}, "Tokens must"),
        ({"chosen": -1}, "Tokens must"),
        ({"chosen": 10**9}, "Tokens must"),
        ({"chosen": True}, "Tokens must"),
        ({"attention": {"layer": 2}}, "layer must be one of 0 … 1, but is 2"),
        ({"attention": {"layer": 0, "head": -1}}, "head must"),
        ({"attention": {"head": "first"}}, "head must"),
        ({"filter": {"layer": True}}, "layer must"),
        ({"filter": {"layer": 0.5}}, "layer must"),
        ({"ids": [300] * 1025}, "The prompt has 1,025 tokens"),
    ],
)
def test_what_cannot_be_looked_at_gets_a_sentence(
    inside: InsideHandlers, sent: dict[str, Any], start: str
):
    answer = told(inside, **sent)

    assert answer["error"]["en"].startswith(start)
    assert answer["error"]["zh"].endswith("。")


@pytest.mark.parametrize("data", [None, "text", [1], 5, {}])
def test_an_event_that_is_none_raises_nothing(inside: InsideHandlers, data: Any):
    assert "error" in list(stream(inside, data))[-1]


def test_parts_that_are_none_are_passed_over(inside: InsideHandlers):
    assert told(inside, lens=0, attention="all", filter=[0]).keys() == {
        "is",
        "ask",
        "layers",
        "heads",
    }


def test_a_model_that_cannot_be_lent_says_so(tiny_loaded: Any, monkeypatch: pytest.MonkeyPatch):
    chat = ChatModel(replace(tiny_loaded))
    monkeypatch.setattr(chat.aside, "_model", object())

    answer = told(InsideHandlers(PageHandlers(chat)), lens=True)

    assert answer["error"]["en"].startswith("This view needs the model's weights")


def test_a_sentence_of_the_engine_gets_through(
    inside: InsideHandlers, monkeypatch: pytest.MonkeyPatch
):
    def fail(*args: Any) -> None:
        raise EngineError("out_of_memory", tokens=60)

    monkeypatch.setattr(inside_handlers, "look_inside", fail)
    assert "out of memory after 60" in told(inside)["error"]["en"]


def test_a_logarithm_of_nothing_is_a_number_on_the_page(inside: InsideHandlers):
    text = json.dumps(told(inside, chosen=300, **EVERYTHING))
    assert "NaN" not in text
    assert "Infinity" not in text
    assert all(math.isfinite(depth[1]) for depth in json.loads(text)["lens"]["depths"])
