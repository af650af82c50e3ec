"""Answers saved, opened, generated again and copied, as a page asks for it."""

import copy
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.engine.conftest import RecordingModel
from tests.traces import make_trace
from tests.ui.records import answered, record_of
from tests.ui.test_handlers import page
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.core.trace import Trace
from yuan_demo.core.trace_reading import read_trace
from yuan_demo.engine.chat import ChatModel
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.trace_api import add_trace_api
from yuan_demo.ui.trace_handlers import TraceHandlers

WILD = SamplingParams(
    25, greedy=False, temperature=1.5, top_k=20, top_p=0.95, repetition_penalty=1.2, seed=5
)


@pytest.fixture(scope="module")
def folder(tiny_loaded: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model as files."""
    path = tmp_path_factory.mktemp("model")
    tiny_loaded.model.save_pretrained(path)
    (path / "tokenizer.model").write_bytes((tiny_loaded.folder / "tokenizer.model").read_bytes())
    return path


@pytest.fixture(scope="module")
def chat(tiny_loaded: Any, folder: Path) -> ChatModel:
    return ChatModel(replace(tiny_loaded, folder=folder))


@pytest.fixture
def traces(chat: ChatModel) -> TraceHandlers:
    return TraceHandlers(PageHandlers(chat))


@pytest.fixture(scope="module")
def record(chat: ChatModel) -> dict[str, Any]:
    answer = answered(chat, WILD, "我叫小明。<sep>", "你好小明", 'Say "x" \\ \n 龘')
    return record_of(chat, answer)


def told(traces: TraceHandlers, name: str, **sent: Any) -> list[dict[str, Any]]:
    """All that a handler tells."""
    found = getattr(traces, name)(page(), gr.EventData(None, {"ask": 3} | sent))
    return [json.loads(each) for each in ([found] if isinstance(found, str) else found)]


def saved(traces: TraceHandlers, record: dict[str, Any]) -> Trace:
    return read_trace(told(traces, "save_trace", record=record)[-1]["file"])


def test_what_is_saved_is_what_the_page_had(
    traces: TraceHandlers, chat: ChatModel, record: dict[str, Any]
):
    *_, last = told(traces, "save_trace", record=record)

    trace = read_trace(last["file"])
    assert (last["is"], last["ask"]) == ("saved", 3)
    assert last["name"] == f"yuan-trace-{trace.created[:10]}-turn2.json"
    assert trace.to_json() == last["file"]
    assert list(trace.prompt.ids) == record["prompt"]["i"]
    assert list(trace.answer.ids) == record["cells"]["i"]
    assert [[m.role, m.content] for m in trace.messages] == record["messages"]
    assert trace.settings == WILD
    assert trace.text == answered(chat, WILD, *(text for _, text in record["messages"])).text
    assert trace.model.files[0].name == "model.safetensors"
    assert trace.timings.reused_tokens == record["work"]["reused"]


def test_what_is_opened_is_what_was_saved(traces: TraceHandlers, record: dict[str, Any]):
    file = saved(traces, record).to_json()

    *_, last = told(traces, "open_trace", file=file)

    opened = last["record"]
    assert opened["foreign"] is False
    # `mark` and `number` are the page's own; the rest is drawn from.
    same = set(record) - {"mark", "number", "model", "from", "question"}
    assert {name: opened[name] for name in same} == {name: record[name] for name in same}
    assert opened["question"] == record["messages"][-1][1]


def test_of_a_token_that_a_person_put_there_less_is_known(
    traces: TraceHandlers, record: dict[str, Any]
):
    put = [*record["rows"][0][:3], None, []]
    branch = record | {"rows": [put, *record["rows"][1:]], "begun": 1}

    *_, last = told(traces, "open_trace", file=saved(traces, branch).to_json())

    assert last["record"]["rows"][0] == put


@pytest.mark.parametrize("part", ["prompt", "answer"])
def test_ids_that_were_changed_by_hand_are_found(
    traces: TraceHandlers, record: dict[str, Any], part: str
):
    plain = json.loads(saved(traces, record).to_json())
    plain[part]["ids"][1] ^= 1

    *_, last = told(traces, "open_trace", file=json.dumps(plain))

    assert f"{part}.ids[1]" in last["error"]["en"]
    assert "record" not in last


def test_the_file_of_another_model_is_foreign_whatever_it_says_of_itself(
    traces: TraceHandlers, record: dict[str, Any]
):
    trace = saved(traces, record)
    first, *others = trace.model.files
    files = (replace(first, sha256="0" * 64), *others)
    for model in (
        replace(trace.model, files=files),
        replace(trace.model, files=()),
        replace(trace.model, parameters=1),
    ):
        file = replace(trace, model=model).to_json()
        assert told(traces, "open_trace", file=file)[-1]["record"]["foreign"] is True


def test_a_file_of_a_model_with_another_vocabulary_is_opened_all_the_same(traces: TraceHandlers):
    opened = told(traces, "open_trace", file=make_trace().to_json())[-1]["record"]

    assert opened["foreign"] is True
    assert opened["prompt"]["n"] == {"1": 2}
    assert opened["prompt"]["f"] == {"0": 1, "2": [4, "<sep>"]}
    assert opened["rows"][0][3] == -9999.0
    assert opened["work"]["computed"] == 3


def test_it_is_generated_again_with_the_same_ids(traces: TraceHandlers, record: dict[str, Any]):
    file = saved(traces, record).to_json()

    for sent in ({"record": record}, {"file": file}):
        end = told(traces, "replay_trace", **sent)[-1]
        assert (end["isSame"], end["agreed"], end["all"]) == (True, 25, 25)
        assert (end["model"], end["differs"]) == ("same", [])
        assert end["change"] < 1e-4


def test_the_first_token_that_differs_is_told_with_both_probabilities(
    traces: TraceHandlers, chat: ChatModel, record: dict[str, Any]
):
    trace = saved(traces, record)
    other = trace.answer.ids[6] - 1
    ids = (*trace.answer.ids[:6], other, *trace.answer.ids[7:])
    model = replace(trace.model, dtype="bfloat16", files=())
    changed = replace(trace, answer=replace(trace.answer, ids=ids), model=model)

    end = told(traces, "replay_trace", file=changed.to_json())[-1]

    assert (end["isSame"], end["agreed"], end["at"]) == (False, 6, 7)
    assert end["expected"] == [trace.answer.pieces[6], trace.scores[6].logprob]
    assert end["got"] == [trace.answer.pieces[6], pytest.approx(trace.scores[6].logprob, abs=1e-4)]
    assert end["model"] == "unknown"
    assert end["differs"] == [["dtype", "bfloat16", "float32"]]


def test_an_answer_that_ended_earlier_is_told(
    traces: TraceHandlers, record: dict[str, Any], tiny_loaded: Any
):
    small = TraceHandlers(PageHandlers(ChatModel(tiny_loaded, context_window=64)))
    window = 64 - len(record["prompt"]["i"])

    end = told(small, "replay_trace", record=record)[-1]

    assert window < 25
    assert (end["isSame"], end["got"], end["reason"]) == (False, None, "context")
    assert end["at"] == end["agreed"] + 1 <= window + 2


def test_ids_that_this_model_lacks_are_refused(traces: TraceHandlers, record: dict[str, Any]):
    trace = saved(traces, record)
    size = trace.model.vocabulary
    foreign = replace(
        trace,
        model=replace(trace.model, vocabulary=size + 9),
        answer=replace(trace.answer, ids=(*trace.answer.ids[:-1], size + 3)),
    )

    assert "Tokens must" in told(traces, "replay_trace", file=foreign.to_json())[-1]["error"]["en"]


def test_a_replay_can_be_stopped(tiny_loaded: Any, folder: Path):
    model = RecordingModel(tiny_loaded.model)
    chat = ChatModel(replace(tiny_loaded, model=model, folder=folder))
    traces = TraceHandlers(PageHandlers(chat))
    record = record_of(chat, answered(chat, WILD, "你好"))
    passes = len(model.passes)
    model.before_pass = lambda number: traces.stop(page()) if number == passes + 3 else None

    news = told(traces, "replay_trace", record=record)

    assert all("isSame" not in each for each in news)
    assert len(model.passes) <= passes + 5


def test_while_the_models_files_are_read_it_says_how_far(
    traces: TraceHandlers, record: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    gate = threading.Event()
    hashed = type(traces.facts)._hashed

    def slow(self: Any, file: Path) -> Any:
        gate.wait(60)
        return hashed(self, file)

    monkeypatch.setattr(type(traces.facts), "_hashed", slow)
    news = traces.save_trace(page(), gr.EventData(None, {"ask": 1, "record": record}))
    assert json.loads(next(news))["share"] == 0
    gate.set()
    *_, last = news
    assert "file" in json.loads(last)


def test_a_record_of_another_model_is_neither_saved_nor_copied(
    traces: TraceHandlers, record: dict[str, Any]
):
    other = record | {"model": "00000000"}

    for name in ("save_trace", "copy_script"):
        assert "another one is loaded" in told(traces, name, record=other)[-1]["error"]["en"]
    assert told(traces, "replay_trace", record=other)[-1]["model"] == "unknown"


@pytest.mark.parametrize("name", ["save_trace", "replay_trace", "copy_script"])
@pytest.mark.parametrize(
    "changes",
    [
        {"cells": None},
        {"cells": {"i": [5]}},
        {"rows": [None]},
        {"rows": 5},
        {"rows": []},
        {"prompt": {"i": [1], "n": 3}},
        {"turn": "2"},
        {"options": {}},
        {"settings": None},
        {"messages": [["user"]]},
        {"messages": None},
        {"finish": None},
        {"pieces": {"a": "b"}},
        {"work": {}},
        {"loops": [[0]]},
        {"begun": 26},
        {"begun": -1},
    ],
)
def test_a_record_that_is_none_gets_a_sentence(
    traces: TraceHandlers, record: dict[str, Any], name: str, changes: dict[str, Any]
):
    error = told(traces, name, record=copy.deepcopy(record) | changes)[-1]["error"]

    assert error["en"].endswith(".")
    assert "Something went wrong" not in error["en"]


@pytest.mark.parametrize("sent", [{}, {"record": 5}, {"file": None}, {"file": 5}, {"file": "x"}])
@pytest.mark.parametrize("name", ["save_trace", "open_trace", "replay_trace", "copy_script"])
def test_an_event_that_is_none_gets_a_sentence(traces: TraceHandlers, name: str, sent: Any):
    error = told(traces, name, **sent)[-1]["error"]

    assert error["zh"].endswith("。")
    assert "服务器内部出错" not in error["zh"]


def test_a_file_without_an_answer_can_be_opened_but_not_generated_again(traces: TraceHandlers):
    trace = make_trace(scores=(), loops=())
    empty = replace(trace, answer=replace(trace.answer, ids=(), pieces=(), texts=(), sizes=()))
    file = replace(empty, answer=replace(empty.answer, origins="", turns=())).to_json()

    assert told(traces, "open_trace", file=file)[-1]["record"]["rows"] == []
    for name in ("replay_trace", "copy_script"):
        assert "at least one token" in told(traces, name, file=file)[-1]["error"]["en"]


# --- for programs -------------------------------------------------------------------------------


def endpoint(traces: TraceHandlers) -> Any:
    with gr.Blocks() as demo:
        add_trace_api(traces)
    [function] = [fn.fn for fn in demo.fns.values() if fn.api_name == "trace"]
    return function


def test_a_program_is_told_whether_a_file_is_valid_and_its_ids_agree(
    traces: TraceHandlers, record: dict[str, Any]
):
    trace = saved(traces, record)
    ask = endpoint(traces)

    result = ask(trace.to_json())
    assert (result["valid"], result["model"], result["agrees"]) == (True, "same", True)
    assert (result["tokens"], result["agreed"], result["at"]) == (25, 25, None)
    assert "agrees" not in ask(trace.to_json(), replay=False)

    other = replace(trace, settings=replace(trace.settings, temperature=4.9, top_k=0, top_p=1.0))
    result = ask(other.to_json())
    assert (result["valid"], result["agrees"]) == (True, False)
    assert result["at"] == result["agreed"] + 1


@pytest.mark.parametrize("file", ["", "{}", None, 5, {"kind": "yuan-demo-trace"}])
def test_a_program_is_told_what_is_wrong_with_a_file(traces: TraceHandlers, file: Any):
    result = endpoint(traces)(file)

    assert result["valid"] is False
    assert result["error"].endswith(".")


def test_a_file_that_cannot_be_generated_again_is_an_error(traces: TraceHandlers):
    with pytest.raises(gr.Error, match="Tokens must"):
        endpoint(traces)(make_trace().to_json())
