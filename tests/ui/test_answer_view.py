"""What the Answer tab shows is what the model computes: against one full forward pass."""

import json
import math
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch

from tests.ui.test_handlers import ask, assistant, page, preview, user, view_of
from yuan_demo.core.generation import FinishReason, TokenScores
from yuan_demo.core.loops import Loop
from yuan_demo.core.messages import Message, Turn
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.chat import Answer, ChatModel
from yuan_demo.ui.answer_strings import ANSWER
from yuan_demo.ui.answer_view import answer_scores, turn_marks
from yuan_demo.ui.handlers import PageHandlers

QUESTION = (Message("user", "你好"), Message("assistant", "您好"), Message("user", "天气?"))
GREEDY = SamplingParams(max_new_tokens=30)
WILD = SamplingParams(30, greedy=False, temperature=1.7, top_k=7, top_p=0.8, seed=3)
PENALIZED = SamplingParams(30, greedy=False, temperature=2, top_k=0, repetition_penalty=1.6, seed=4)


@pytest.fixture
def chat(tiny_loaded: Any) -> ChatModel:
    return ChatModel(tiny_loaded)


def answered(chat: ChatModel, params: SamplingParams) -> Answer:
    *_, answer = chat.answer(QUESTION, params)
    return answer


def whole_pass(chat: ChatModel, answer: Answer) -> torch.Tensor:
    """Logits (tokens of the answer, V) of one pass over prompt and answer, without a cache."""
    prompt = answer.fitted.prompt.input_ids
    ids = torch.tensor([[*prompt, *answer.token_ids]])
    with torch.inference_mode():
        logits = chat.loaded.model(input_ids=ids, use_cache=False).logits[0]
    return logits[len(prompt) - 1 : -1]


@pytest.mark.parametrize("params", [GREEDY, WILD, PENALIZED], ids=["greedy", "wild", "penalized"])
def test_what_is_shown_equals_an_independent_full_pass(chat: ChatModel, params: SamplingParams):
    answer = answered(chat, params)
    logprobs = whole_pass(chat, answer).log_softmax(-1)

    shown = json.loads(json.dumps(answer_scores(answer, chat.tokenizer)))

    assert len(shown["rows"]) == len(answer.token_ids) == 30
    for token_id, row, expected in zip(answer.token_ids, shown["rows"], logprobs, strict=True):
        logprob, rank, entropy, eos_logprob, candidates = row
        probabilities = expected.exp().tolist()
        assert math.exp(logprob) == pytest.approx(probabilities[token_id], abs=1e-5)
        assert rank == 1 + (expected > expected[token_id]).sum()
        assert entropy == pytest.approx(-(expected.exp() * expected).sum().item(), abs=1e-4)
        eos = probabilities[chat.tokenizer.eod_token_id]
        assert math.exp(eos_logprob) == pytest.approx(eos, abs=1e-5)
        assert [each for each, _, _ in candidates] == expected.topk(10).indices.tolist()
        for each, before, _ in candidates:
            assert math.exp(before) == pytest.approx(probabilities[each], abs=1e-5)
            assert shown["pieces"][str(each)] == chat.tokenizer.convert_ids_to_tokens([each])[0]
        assert all(0 <= after <= 1 for _, _, after in candidates)


def test_after_the_settings_the_chances_are_those_of_the_drawn_distribution(chat: ChatModel):
    answer = answered(chat, WILD)
    logits = whole_pass(chat, answer)

    for row, expected in zip(
        answer_scores(answer, chat.tokenizer)["rows"], logits / WILD.temperature, strict=True
    ):
        # top-k 7, then the smallest set that reaches 0.8: written down once more, by hand.
        best = expected.topk(7)
        weights = best.values.softmax(-1)
        kept = weights.cumsum(-1) - weights < WILD.top_p
        weights = torch.where(kept, weights, 0) / weights[kept].sum()
        chances = dict(zip(best.indices.tolist(), weights.tolist(), strict=True))
        for each, _, after in row[4]:
            assert after == pytest.approx(chances.get(each, 0.0), abs=1e-5)


def test_greedy_gives_the_chosen_token_all_the_chance(chat: ChatModel):
    answer = answered(chat, GREEDY)

    for token_id, row in zip(
        answer.token_ids, answer_scores(answer, chat.tokenizer)["rows"], strict=True
    ):
        assert row[1] == 1
        assert {each: after for each, _, after in row[4] if after} == {token_id: 1.0}


def test_a_view_of_an_answer_under_way_brings_what_is_new_and_the_last_one_all(
    tiny_loaded: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("yuan_demo.ui.handlers.PANEL_INTERVAL_SECONDS", 0)
    outputs = ask(PageHandlers(ChatModel(tiny_loaded)), "你好", max_new_tokens=12)

    parts = [view_of(view)["scores"] for _, view in outputs]
    assert [(part["from"], len(part["rows"])) for part in parts[:-1]] == [(0, 0)] + [
        (number, 1) for number in range(11)
    ]
    together = [row for part in parts[:-1] for row in part["rows"]]
    assert parts[-1]["from"] == 0
    assert parts[-1]["rows"][:-1] == together


def test_a_stopped_answer_is_told_whole_when_the_panel_comes_back_to_it(tiny_loaded: Any):
    handlers = PageHandlers(ChatModel(tiny_loaded))
    text, view = ask(handlers, "你好", temperature=1.5, greedy=False)[-1]
    sent = view_of(view)["scores"]

    again = preview(handlers, "", [user("你好"), assistant(text)], 8, page())

    assert view_of(again)["scores"] == sent
    assert sent["settings"]["temperature"] == 1.5
    assert isinstance(sent["settings"]["seed"], int)


def test_a_later_view_marks_the_turn_as_the_answer_did(tiny_loaded: Any):
    handlers = PageHandlers(ChatModel(tiny_loaded))
    history = [user("你好"), assistant("您好")]
    text, view = ask(handlers, "天气", history)[-1]
    scores = view_of(view)["scores"]

    later = view_of(preview(handlers, "再见", [*history, user("天气"), assistant(text)], 8, page()))

    assert later["marks"][str(scores["turn"])] == scores["mark"]
    assert "scores" not in later


def test_marks_tell_questions_and_answers_apart():
    def marks(*said: str) -> list[int]:
        roles = ("user", "assistant") * len(said)
        return turn_marks(
            [Turn(1, tuple(Message(r, t) for r, t in zip(roles, said, strict=False)))]
        )[1]

    assert marks("a", "b") == marks("a", "b")
    assert marks("a", "b")[0] == marks("a", "c")[0]
    assert marks("a", "b")[1] != marks("a", "c")[1]
    assert marks("ab", "")[1] != marks("a", "b")[1]
    assert marks("\ud800")  # half a character in a history raises nothing


@pytest.mark.parametrize("value", [float("-inf"), float("nan")])
def test_numbers_that_json_does_not_have_do_not_reach_the_page(chat: ChatModel, value: float):
    answer = answered(chat, SamplingParams(max_new_tokens=1))
    odd = TokenScores(value, 1, value, value, (5,), (value,), (value,))

    shown = answer_scores(Answer(answer.fitted, (5,), scores=(odd,)), chat.tokenizer)

    assert json.dumps(shown, allow_nan=False)


def test_every_end_has_its_sentence():
    assert all(f"an_why_{reason}" in ANSWER for reason in get_args(FinishReason))


def test_loops_are_told_with_the_scores(chat: ChatModel):
    answer = answered(chat, SamplingParams(max_new_tokens=2))

    assert answer_scores(answer, chat.tokenizer)["loops"] == []
    looping = replace(answer, loops=(Loop(3, 4, 17),))
    assert answer_scores(looping, chat.tokenizer)["loops"] == [[3, 4, 17]]


def test_a_chance_is_shown_as_cut_only_if_it_is(chat: ChatModel):
    answer = answered(chat, SamplingParams(max_new_tokens=1))
    scores = TokenScores(-0.1, 1, 0.5, -9.0, (5, 6), (-0.1, -20.0), (1.0, 1e-12))

    shown = answer_scores(replace(answer, scores=(scores,)), chat.tokenizer)

    assert [after for _, _, after in shown["rows"][0][4]] == [1.0, 1e-12]
