"""The Why tab's handlers: what the page sends, what it is told, and what nonsense gets."""

import json
import re
import threading
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest

from tests.engine.conftest import RecordingModel
from tests.ui.test_handlers import page
from yuan_demo.core.budget import fit
from yuan_demo.core.messages import Message
from yuan_demo.core.parts import parts_of
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.causes import MAX_PASSES, Causes, Stretch
from yuan_demo.engine.chat import ChatModel
from yuan_demo.ui.answer_view import answer_scores
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.why_handlers import ANSWER_SO_FAR, NOTICEABLE, WhyHandlers

SAID = [
    Message("user", "My name is Ada. I like tea."),
    Message("assistant", "Okay, Ada."),
    Message("user", "你好，今天天气？"),
    Message("assistant", "很好。"),
    Message("user", "What is my name? Tell me."),
]


@pytest.fixture
def chat(tiny_loaded: Any) -> ChatModel:
    return ChatModel(tiny_loaded)


@pytest.fixture
def why(chat: ChatModel) -> WhyHandlers:
    return WhyHandlers(PageHandlers(chat))


def asked(chat: ChatModel, **changes: Any) -> dict[str, Any]:
    """What the page sends of an answer, taken from its record."""
    *_, answer = chat.answer(SAID, SamplingParams(max_new_tokens=8))
    record = json.loads(json.dumps(answer_scores(answer, chat.tokenizer)))
    sent = {name: record[name] for name in ("messages", "options")}
    sent |= {"prompt": list(answer.fitted.prompt.input_ids), "answer": list(answer.token_ids)}
    return sent | {"ask": 3, "start": 2, "end": 6, "path": [], "spent": 0} | changes


def told_by(handler: Any, sent: Any, session: str = "page") -> list[dict[str, Any]]:
    told = handler(page(session), gr.EventData(None, sent))
    return [json.loads(each) for each in ([told] if isinstance(told, str) else told)]


def measured(why: WhyHandlers, sent: Any) -> dict[str, Any]:
    return told_by(why.measure, sent)[-1]


def test_turns_are_measured_and_the_strongest_is_opened(why: WhyHandlers, chat: ChatModel):
    sent = asked(chat)
    told = measured(why, sent)

    assert (told["is"], told["ask"], told["is_over"]) == ("causes", 3, True)
    assert [(part["k"], part["n"], len(part["p"])) for part in told["tree"]] == [
        ("turn", 1, 2),
        ("turn", 2, 2),
        ("turn", 3, 2),
    ]
    first, *opened = told["levels"]
    assert first["path"] == []
    effects = [effect for _, _, effect in first["effects"]]
    fitted = fit(SAID, chat.tokenizer, chat.default_options)
    causes = Causes(chat, Stretch(fitted, tuple(sent["answer"][:6]), 2), 64, threading.Event())
    assert told["base"] == pytest.approx(causes.base(), abs=1e-4)
    expected = [effect for _, effect in causes.effects(parts_of(fitted))]
    assert effects == pytest.approx(expected, abs=1e-4)
    if max(effects) >= NOTICEABLE:
        assert opened[0]["path"] == [effects.index(max(effects))]
    else:
        assert opened == []
    assert told["spent"] == 1 + sum(len(level["effects"]) for level in told["levels"])


def test_opening_a_turn_brings_its_messages_and_their_sentences(why: WhyHandlers, chat: ChatModel):
    told = measured(why, asked(chat, path=[0], base=-3.25, spent=10))

    assert [level["path"] for level in told["levels"]] == [[0], [0, 0]]
    assert all(len(level["effects"]) == 2 for level in told["levels"])
    assert told["base"] == -3.25
    assert told["spent"] == 14


def test_a_sentence_and_the_answer_so_far_open_to_words(why: WhyHandlers, chat: ChatModel):
    told = measured(why, asked(chat, path=[0, 0, 0]))
    [level] = told["levels"]
    assert "".join(part["t"] for part in level["parts"]).strip() == "My name is Ada."
    assert len(level["effects"]) == len(level["parts"])

    told = measured(why, asked(chat, path=[ANSWER_SO_FAR]))
    [level] = told["levels"]
    length = len(asked(chat)["prompt"])
    assert level["parts"][0]["s"][0] == length
    assert level["parts"][-1]["s"][1] == length + 2


def test_a_page_never_spends_more_passes_than_there_are(why: WhyHandlers, chat: ChatModel):
    many = [Message(("user", "assistant")[n % 2], f"{n}") for n in range(161)]
    *_, answer = chat.answer(many, SamplingParams(max_new_tokens=2))
    record = json.loads(json.dumps(answer_scores(answer, chat.tokenizer)))
    sent = asked(chat) | {"messages": record["messages"], "options": record["options"]}
    sent |= {"prompt": list(answer.fitted.prompt.input_ids), "answer": list(answer.token_ids)}
    reads, read = [], chat.engine.read
    chat.engine.read = lambda *args, **named: reads.append(args) or read(*args, **named)

    told = measured(why, sent | {"start": 0, "end": 1})

    assert len(reads) == told["spent"] <= MAX_PASSES
    places = [place for a, b, _ in told["levels"][0]["effects"] for place in range(a, b)]
    assert places == list(range(81))
    reads.clear()
    # The base is read, the last pass is for one group.
    last = measured(why, sent | {"start": 0, "end": 1, "spent": MAX_PASSES - 2})
    assert (len(reads), last["spent"]) == (2, MAX_PASSES)
    assert "64 more" in measured(why, sent | {"start": 0, "end": 1, "spent": 64})["error"]["en"]


def test_gradients_are_told_token_by_token(why: WhyHandlers, chat: ChatModel):
    sent = asked(chat)
    [told] = told_by(why.gradients, sent)

    assert (told["is"], told["against"]) == ("gradients", None)
    assert len(told["values"]) == len(sent["prompt"]) + 2
    assert [part["n"] for part in told["tree"]] == [1, 2, 3]
    ends = [part["s"] for part in told["tree"]]
    assert (ends[0][0], ends[-1][1]) == (0, len(sent["prompt"]))


@pytest.mark.parametrize("against", [300, "天气"])
def test_another_token_is_named_by_its_id_or_by_a_string(
    why: WhyHandlers, chat: ChatModel, against: Any
):
    sent = asked(chat, start=2, end=3, against=against)
    told = measured(why, sent)
    token_id, piece = told["against"]

    assert piece == chat.tokenizer.convert_ids_to_tokens([token_id])[0]
    assert isinstance(against, str) or token_id == against
    assert told_by(why.gradients, sent)[0]["against"] == told["against"]


def test_a_word_is_set_against_a_word_with_its_blank(why: WhyHandlers, chat: ChatModel):
    tokenizer = chat.tokenizer
    pieces = tokenizer.convert_ids_to_tokens(list(range(500)))
    own = next(place for place, piece in enumerate(pieces) if re.match("▁.", piece))
    answer = [*tokenizer.encode("x"), own]
    place = {"answer": answer, "start": len(answer) - 1, "end": len(answer)}

    for typed in ("Tom", " Tom"):
        [told] = told_by(why.gradients, asked(chat, against=typed, **place))
        assert told["against"][1].startswith("▁")
    # At the beginning of an answer the mark is there anyway, and control tokens are themselves.
    [told] = told_by(why.gradients, asked(chat, answer=[own], start=0, end=1, against="Tom"))
    assert told["against"][1].startswith("▁")
    [told] = told_by(why.gradients, asked(chat, against="<eod>", **place))
    assert told["against"][1] == "<eod>"


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({"start": 5, "end": 5}, "A stretch must"),
        ({"start": 0, "end": 99}, "A stretch must"),
        ({"start": "0"}, "A stretch must"),
        ({"start": 2, "end": 4, "against": 300}, "A stretch must"),
        ({"start": 2, "end": 3, "against": -1}, "Tokens must"),
        ({"start": 2, "end": 3, "against": [300]}, "Tokens must"),
        ({"start": 2, "end": 3, "against": ""}, "A message needs"),
        ({"answer": []}, "Tokens must"),
        ({"prompt": None}, "Tokens must"),
        ({"prompt": [5, 6]}, "From this conversation"),
        ({"messages": None}, "From this conversation"),
        ({"messages": [["user", "other"]]}, "From this conversation"),
        ({"messages": [["system", "x"]]}, "The history must"),
        ({"options": {"format": "nonsense"}}, "The prompt format"),
        ({"options": {"window": "wide"}}, "The context window"),
        ({"path": [7]}, "The prompt has no part"),
        ({"path": [0, 0, -2]}, "The prompt has no part"),
        ({"path": "0"}, "The prompt has no part"),
    ],
)
def test_what_cannot_be_measured_gets_a_sentence(
    why: WhyHandlers, chat: ChatModel, changes: dict[str, Any], start: str
):
    told = measured(why, asked(chat, **changes))

    assert told["error"]["en"].startswith(start)
    assert told["error"]["zh"].endswith("。")
    assert "levels" not in told


def test_the_token_itself_is_not_set_against_it(why: WhyHandlers, chat: ChatModel):
    own = asked(chat)["answer"][2]

    told = measured(why, asked(chat, start=2, end=3, against=own))

    assert "must be another one" in told["error"]["en"]


@pytest.mark.parametrize("data", [None, "text", [1], 5])
def test_an_event_that_is_none_raises_nothing(why: WhyHandlers, data: Any):
    assert "error" in measured(why, data)
    assert "error" in told_by(why.gradients, data)[0]


def test_it_can_be_stopped_and_tells_what_is_known(tiny_loaded: Any, monkeypatch: Any):
    chat = ChatModel(tiny_loaded)
    why, sent = WhyHandlers(PageHandlers(chat)), asked(ChatModel(tiny_loaded))
    reads, read = [], chat.engine.read

    def read_and_stop(*args: Any, **named: Any) -> Any:
        reads.append(args)
        if len(reads) == 3:
            why.stop(page())
        return read(*args, **named)

    monkeypatch.setattr(chat.engine, "read", read_and_stop)
    told = measured(why, sent)

    assert told["is_over"]
    assert len(reads) == 3
    assert len(told["levels"][0]["effects"]) == 1
    monkeypatch.setattr(chat.engine, "read", read)
    assert len(measured(why, sent)["levels"][0]["effects"]) == 3


def test_it_waits_behind_an_answer(tiny_loaded: Any):
    model = RecordingModel(tiny_loaded.model)
    chat = ChatModel(replace(tiny_loaded, model=model), slots=1)
    why, sent = WhyHandlers(PageHandlers(chat)), asked(chat)
    told: list[Any] = []
    stream = chat.answer([Message("user", "你好")], SamplingParams(max_new_tokens=40))
    next(stream)
    next(stream)
    begun = len(model.passes)
    thread = threading.Thread(target=lambda: told.append(measured(why, sent)))
    thread.start()
    *_, answer = stream
    thread.join(30)

    assert len(answer.token_ids) == 40
    assert told[0]["is_over"]
    # No pass for the measurement came before the answer's last token.
    assert all(len(ids) == 1 for ids in model.passes[begun : begun + 38])


def test_without_whole_weights_only_the_gradients_are_missing(why: WhyHandlers, chat: ChatModel):
    sent = asked(chat)
    chat.aside._model = object()

    assert "quantized" in told_by(why.gradients, sent)[0]["error"]["en"]
    assert measured(why, sent)["is_over"]
