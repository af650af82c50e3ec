import json
import logging
import math
import threading
from dataclasses import asdict, replace
from typing import Any

import gradio as gr
import pytest
import torch

from tests.engine.conftest import RecordingModel
from tests.ui.test_handlers import page
from yuan_demo.core.errors import PageError
from yuan_demo.core.messages import Message
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.asked import ask_string
from yuan_demo.engine.chat import ChatModel
from yuan_demo.ui.answer_handlers import MAX_KEPT, AnswerHandlers
from yuan_demo.ui.handlers import PageHandlers

IDS = [270 + 7 * number % 200 for number in range(300)]


@pytest.fixture
def chat(tiny_loaded: Any) -> ChatModel:
    return ChatModel(tiny_loaded)


@pytest.fixture
def answers(chat: ChatModel) -> AnswerHandlers:
    return AnswerHandlers(PageHandlers(chat))


def event(data: Any) -> gr.EventData:
    return gr.EventData(None, data)


def rated(answers: AnswerHandlers, ids: Any, session: str = "page") -> dict[str, Any]:
    return json.loads(answers.rate(page(session), event({"ask": 4, "ids": ids})))


def test_every_token_of_a_prompt_is_rated_as_one_full_pass_does(
    answers: AnswerHandlers, chat: ChatModel
):
    with torch.inference_mode():
        logits = chat.loaded.model(input_ids=torch.tensor([IDS]), use_cache=False).logits[0]
    expected = logits.log_softmax(-1)

    told = rated(answers, IDS)

    assert told["ask"] == 4
    assert told["rows"][0] is None
    assert len(told["rows"]) == len(IDS)
    for token_id, row, logprobs in zip(IDS[1:], told["rows"][1:], expected, strict=False):
        logprob, rank, entropy, eos, candidates = row
        own = logprobs[token_id]
        assert torch.tensor(logprob).exp().item() == pytest.approx(own.exp().item(), abs=1e-5)
        # Tokens as likely but for the last digit may stand on either side of it.
        ahead, level = (logprobs > own + 1e-5).sum(), (logprobs > own - 1e-5).sum()
        assert ahead < rank <= level
        assert entropy == pytest.approx(-(logprobs.exp() * logprobs).sum().item(), abs=1e-4)
        assert (eos, candidates) == (None, [])


@pytest.mark.parametrize(
    "ids",
    [None, [], [5], "12", [5, "6"], [5, -1], [5, 10**9], [5, True], [5, 1.5], [[5, 6]], {"a": 1}],
)
def test_what_is_no_prompt_gets_a_sentence(answers: AnswerHandlers, ids: Any):
    told = rated(answers, ids)

    assert told["error"]["en"].startswith("Tokens must be a list")
    assert "词元必须" in told["error"]["zh"]
    assert "rows" not in told


@pytest.mark.parametrize("data", [None, "text", [1], 5])
def test_an_event_that_is_none_raises_nothing(answers: AnswerHandlers, data: Any):
    assert "error" in json.loads(answers.rate(page(), event(data)))


def test_a_prompt_that_fills_the_window_is_refused(answers: AnswerHandlers):
    assert "1,024" in rated(answers, [300] * 1100)["error"]["en"]


def test_it_can_be_stopped_and_the_next_one_is_read(tiny_loaded: Any):
    model = RecordingModel(tiny_loaded.model)
    answers = AnswerHandlers(PageHandlers(ChatModel(replace(tiny_loaded, model=model))))
    model.before_pass = lambda number: answers.stop(page()) if number == 1 else None

    assert rated(answers, IDS) == {"is": "prompt", "ask": 4}
    assert len(model.passes) == 2
    assert len(rated(answers, IDS)["rows"]) == len(IDS)


def test_stopping_and_leaving_without_a_reading_does_nothing_and_others_go_on(tiny_loaded: Any):
    model = RecordingModel(tiny_loaded.model)
    answers = AnswerHandlers(PageHandlers(ChatModel(replace(tiny_loaded, model=model))))
    answers.stop(page("nobody"))
    model.before_pass = lambda number: answers.leave(page("other"))

    assert "rows" in rated(answers, IDS, session="mine")


def test_it_waits_behind_an_answer(tiny_loaded: Any):
    model = RecordingModel(tiny_loaded.model)
    chat = ChatModel(replace(tiny_loaded, model=model), slots=1)
    answers = AnswerHandlers(PageHandlers(chat))
    told: list[Any] = []
    stream = chat.answer([Message("user", "你好")], SamplingParams(max_new_tokens=40))
    next(stream)
    next(stream)
    thread = threading.Thread(target=lambda: told.append(rated(answers, IDS)))
    thread.start()
    *_, answer = stream
    thread.join(30)

    assert len(answer.token_ids) == 40
    assert len(told[0]["rows"]) == len(IDS)
    # The answer's last token was computed before the prompt's second pass began.
    first_of_reading = next(i for i, ids in enumerate(model.passes) if ids == IDS[:1])
    assert len([ids for ids in model.passes[:first_of_reading] if len(ids) == 1]) >= 39


def test_what_fails_unexpectedly_gets_a_sentence_and_is_in_the_log(
    answers: AnswerHandlers, chat: ChatModel, monkeypatch: pytest.MonkeyPatch, caplog: Any
):
    def fail(*args: Any) -> None:
        raise RuntimeError("device lost")

    monkeypatch.setattr(chat.engine, "read", fail)
    with caplog.at_level(logging.ERROR):
        assert "server's log" in rated(answers, IDS)["error"]["en"]
    assert "device lost" in caplog.text


def test_an_error_of_the_engine_is_its_own_sentence(
    answers: AnswerHandlers, chat: ChatModel, monkeypatch: pytest.MonkeyPatch
):
    def fail(*args: Any) -> None:
        raise PageError("out_of_memory", tokens=5)

    monkeypatch.setattr(chat.engine, "read", fail)
    assert "out of memory" in rated(answers, IDS)["error"]["en"]


# --- the sampler --------------------------------------------------------------------------------

WILD = SamplingParams(
    20, greedy=False, temperature=1.6, top_k=20, top_p=0.9, repetition_penalty=1.3, seed=11
)


def opened(answers: AnswerHandlers, ids: Any, place: Any, settings: Any) -> dict[str, Any]:
    data = {"ask": 7, "ids": ids, "place": place, "settings": settings}
    return json.loads(answers.open_sampler(page(), event(data)))


def test_the_sampler_opened_at_any_token_chooses_what_the_answer_has(
    answers: AnswerHandlers, chat: ChatModel
):
    *_, answer = chat.answer([Message("user", "你好")], WILD)
    prompt = list(answer.fitted.prompt.input_ids)

    for place, (token_id, scores) in enumerate(zip(answer.token_ids, answer.scores, strict=True)):
        ids = [*prompt, *answer.token_ids[:place]]
        told = opened(answers, ids, place, asdict(answer.params))["sampler"]
        assert told["chosen"] == token_id
        assert [name for name, _, _ in told["steps"]] == [
            "raw",
            "penalty",
            "temperature",
            "top_k",
            "top_p",
        ]
        # The same numbers before and after as were recorded while it was generated.
        for candidate, logprob, after in zip(
            scores.candidate_ids,
            scores.candidate_logprobs,
            scores.candidate_probabilities,
            strict=True,
        ):
            at = told["ids"].index(candidate)
            assert told["steps"][0][2][at] == pytest.approx(math.exp(logprob), abs=1e-5)
            assert told["steps"][-1][2][at] == pytest.approx(after, abs=1e-5)


def test_moving_a_setting_does_not_run_the_model_again(tiny_loaded: Any):
    model = RecordingModel(tiny_loaded.model)
    answers = AnswerHandlers(PageHandlers(ChatModel(replace(tiny_loaded, model=model))))
    first = opened(answers, IDS, 3, asdict(WILD))
    read = len(model.passes)

    other = opened(answers, IDS, 3, asdict(WILD) | {"temperature": 0.2, "top_k": 2})
    greedy = opened(answers, IDS, 3, {"greedy": True, "unknown": 1})

    assert len(model.passes) == read
    assert other["sampler"]["steps"][0] != first["sampler"]["steps"][-1]
    assert other["sampler"]["steps"][-1][1] <= 2
    assert greedy["sampler"]["draw"] is None


def test_logits_are_kept_for_a_few_tokens_only(answers: AnswerHandlers):
    for length in range(2, 2 + MAX_KEPT + 4):
        opened(answers, IDS[:length], 0, {})

    assert len(answers._kept) == MAX_KEPT


@pytest.mark.parametrize(
    ("ids", "place", "settings", "start"),
    [
        ([], 0, {}, "Tokens must"),
        (IDS, -1, {}, "Tokens must"),
        (IDS, 10**9, {}, "Tokens must"),
        (IDS, "0", {}, "Tokens must"),
        (IDS, 0, {"greedy": False, "temperature": 0}, "temperature must"),
        (IDS, 0, {"top_k": "many"}, "top_k must"),
        (IDS, 0, {"seed": -4}, "seed must"),
    ],
)
def test_what_cannot_be_opened_gets_a_sentence(
    answers: AnswerHandlers, ids: Any, place: Any, settings: Any, start: str
):
    assert opened(answers, ids, place, settings)["error"]["en"].startswith(start)


@pytest.mark.parametrize("settings", [None, "text", [1], {}])
def test_no_settings_are_the_defaults(answers: AnswerHandlers, settings: Any):
    assert opened(answers, IDS, 0, settings)["sampler"]["draw"] is None


# --- any string ---------------------------------------------------------------------------------


def asked(answers: AnswerHandlers, ids: Any, text: Any) -> dict[str, Any]:
    return json.loads(answers.ask_string(page(), event({"ask": 9, "ids": ids, "text": text})))


def test_a_string_is_rated_behind_some_ids(answers: AnswerHandlers, chat: ChatModel):
    told = asked(answers, IDS, "天气<img src=x>")
    expected = ask_string(chat, IDS, "天气<img src=x>")

    assert (told["is"], told["ask"], told["text"]) == ("asked", 9, "天气<img src=x>")
    assert told["pieces"] == list(expected.pieces)
    assert told["logprobs"] == pytest.approx(expected.logprobs)
    assert told["ranks"] == list(expected.ranks)


@pytest.mark.parametrize(
    ("ids", "text"),
    [(IDS, ""), (IDS, None), (IDS, 5), (IDS, "好\ud800"), (IDS, "a" * 300_000), ([], "a")],
)
def test_a_string_that_is_none_gets_a_sentence(answers: AnswerHandlers, ids: Any, text: Any):
    assert asked(answers, ids, text)["error"]["zh"].endswith("。")


def test_a_string_too_long_for_the_window_gets_a_sentence(answers: AnswerHandlers):
    assert "1,024" in asked(answers, IDS, "龘" * 900)["error"]["en"]
