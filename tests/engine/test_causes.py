"""What is lost without a part: against plain full forward passes over prompts made by hand."""

import copy
import threading
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.engine.conftest import RecordingModel
from tests.engine.doubles import until
from yuan_demo.core.budget import fit
from yuan_demo.core.errors import EngineError
from yuan_demo.core.formats import FORMATS
from yuan_demo.core.messages import Message
from yuan_demo.core.parts import Part, parts_of, words_of
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.aside import Cancelled
from yuan_demo.engine.causes import Causes, Stretch, words_of_answer
from yuan_demo.engine.chat import ChatModel
from yuan_demo.engine.gradients import _products, gradient_times_input

SAID = [
    Message("user", "My name is Ada. I like tea."),
    Message("assistant", "Okay, Ada."),
    Message("user", "你好，今天天气？"),
    Message("assistant", "很好。"),
    Message("user", "What is my name?"),
]


@pytest.fixture
def chat(tiny_loaded: Any) -> ChatModel:
    return ChatModel(tiny_loaded)


def stretch_of(chat: ChatModel, start: int = 3, end: int = 7, **changes: Any) -> Stretch:
    options = replace(chat.default_options, **changes)
    *_, answer = chat.answer(SAID, SamplingParams(max_new_tokens=12), options)
    return Stretch(answer.fitted, answer.token_ids[:end], start)


def logits_of(chat: ChatModel, before: Any, ids: Any) -> torch.Tensor:
    """(tokens of `ids`, V) of one pass without a cache."""
    whole = torch.tensor([[*before, *ids]])
    with torch.inference_mode():
        logits = chat.loaded.model(input_ids=whole, use_cache=False).logits[0]
    return logits[len(before) - 1 : -1]


def by_hand(chat: ChatModel, stretch: Stretch, messages: list[Message]) -> float:
    """The stretch's log-probability behind another conversation."""
    prompt = fit(messages, chat.tokenizer, stretch.prompt.options).prompt.input_ids
    return plain(chat, stretch, prompt, stretch.before)


def plain(chat: ChatModel, stretch: Stretch, prompt: Any, before: Any) -> float:
    own = list(stretch.ids[stretch.start :])
    logprobs = logits_of(chat, [*prompt, *before], own).log_softmax(-1)
    return logprobs[range(len(own)), own].sum().item()


def measured(causes: Causes, parts: tuple[Part, ...]) -> list[float]:
    effects = dict(causes.effects(parts))
    return [effects[place, place + 1] for place in range(len(parts))]


@pytest.mark.parametrize("name", ["n_join", "roles", "yuanchat"])
def test_leaving_out_equals_removing_by_hand(chat: ChatModel, name: str):
    stretch = stretch_of(chat, format=FORMATS[name])
    causes = Causes(chat, stretch, 64, threading.Event())
    turns = parts_of(stretch.prompt)
    base = by_hand(chat, stretch, SAID)

    assert causes.base() == pytest.approx(base, abs=1e-4)
    rests = [SAID[2:], [*SAID[:2], SAID[4]], [*SAID[:4], Message("user", "")]]
    expected = [base - by_hand(chat, stretch, rest) for rest in rests]
    assert measured(causes, turns) == pytest.approx(expected, abs=2e-4)
    rests = [SAID[1:], [SAID[0], *SAID[2:]]]
    expected = [base - by_hand(chat, stretch, rest) for rest in rests]
    assert measured(causes, turns[0].parts) == pytest.approx(expected, abs=2e-4)
    rests = [[Message("user", text), *SAID[1:]] for text in ("I like tea.", "My name is Ada.")]
    expected = [base - by_hand(chat, stretch, rest) for rest in rests]
    assert measured(causes, turns[0].parts[0].parts) == pytest.approx(expected, abs=2e-4)
    # One pass each, and one for the whole.
    assert causes.used == 1 + 3 + 2 + 2


def test_words_are_left_out_of_the_ids_and_so_are_those_of_the_answer(chat: ChatModel):
    stretch = stretch_of(chat)
    causes = Causes(chat, stretch, 64, threading.Event())
    prompt, before = list(stretch.prompt.prompt.input_ids), list(stretch.before)
    base = plain(chat, stretch, prompt, before)

    found = words_of(stretch.prompt, parts_of(stretch.prompt)[2])
    expected = []
    for word in found:
        start, end = word.tokens
        expected.append(base - plain(chat, stretch, prompt[:start] + prompt[end:], before))
    assert measured(causes, found) == pytest.approx(expected, abs=2e-4)

    _, places = words_of_answer(stretch, chat)
    effects = dict(causes.effects_of_answer(places))
    for number, (start, end) in enumerate(places):
        left = plain(chat, stretch, prompt, before[:start] + before[end:])
        assert effects[number, number + 1] == pytest.approx(base - left, abs=2e-4)
    assert places[-1][1] == stretch.start


def test_against_another_token_the_logits_are_compared(chat: ChatModel):
    stretch = replace(stretch_of(chat, 4, 5), against=300)
    causes = Causes(chat, stretch, 64, threading.Event())
    prompt, own = stretch.prompt.prompt.input_ids, stretch.ids[-1]

    def difference(ids: Any) -> float:
        row = logits_of(chat, [*ids, *stretch.before], [own])[0]
        return (row[own] - row[300]).item()

    assert causes.base() == pytest.approx(difference(prompt), abs=1e-4)
    rest = fit(SAID[2:], chat.tokenizer, stretch.prompt.options).prompt.input_ids
    [first, *_] = measured(causes, parts_of(stretch.prompt))
    assert first == pytest.approx(difference(prompt) - difference(rest), abs=2e-4)


@pytest.mark.parametrize("passes", [0, 1, 2, 9])
def test_never_more_passes_than_allowed(tiny_loaded: Any, passes: int):
    model = RecordingModel(tiny_loaded.model)
    chat = ChatModel(replace(tiny_loaded, model=model))
    stretch = stretch_of(chat)
    found = words_of(stretch.prompt, parts_of(stretch.prompt)[2])
    model.passes.clear()
    reads = []
    read = chat.engine.read
    chat.engine.read = lambda *args, **named: reads.append(args) or read(*args, **named)

    causes = Causes(chat, stretch, passes, threading.Event())
    list(causes.effects(found * 5))
    list(causes.effects(found))

    assert len(reads) == causes.used <= passes
    assert causes.left == passes - causes.used


def test_a_known_base_saves_its_pass(chat: ChatModel):
    causes = Causes(chat, stretch_of(chat), 64, threading.Event())

    assert causes.base(-1.5) == -1.5
    assert causes.used == 0


def test_measuring_pushes_nobodys_conversation_out(tiny_loaded: Any):
    # One each for the two conversations, for what is read ahead of their next questions, for the
    # whole prompt, and for all prompts without a part.
    chat = ChatModel(tiny_loaded, slots=6)
    other = [Message("user", "你好，今天天气很好，我们去公园散步吧。" * 12)]
    *_, answer = chat.answer(other, SamplingParams(max_new_tokens=2))
    stretch = stretch_of(chat)

    turns = parts_of(stretch.prompt)
    causes = Causes(chat, stretch, 64, threading.Event())
    found = words_of(stretch.prompt, turns[0].parts[0])
    assert len([*causes.effects(turns), *causes.effects(found)]) > 6
    *_, again = chat.answer(other, SamplingParams(max_new_tokens=2))

    # All but the last token, whose logits are needed, in whole blocks.
    assert again.timings.reused_tokens >= len(answer.fitted.prompt.tokens) - 17 > 16


def test_it_ends_before_the_next_pass_when_cancelled(chat: ChatModel):
    cancelled = threading.Event()
    causes = Causes(chat, stretch_of(chat), 64, cancelled)
    effects = causes.effects(parts_of(stretch_of(chat).prompt))
    next(effects)
    cancelled.set()

    with pytest.raises(Cancelled):
        next(effects)
    until(lambda: chat.engine.status.running == 0)


# --- gradients ----------------------------------------------------------------------------------


@pytest.mark.parametrize("against", [None, 300])
def test_gradients_equal_finite_differences(chat: ChatModel, against: int | None):
    model = copy.deepcopy(chat.loaded.model).double()
    table = model.get_input_embeddings()
    ids, own = [270 + 7 * n % 200 for n in range(12)], [280] if against else [290, 280]
    found = _products(model, ids, own, against)

    def measure(token: int, scale: float) -> float:
        with torch.no_grad():
            embedded = table(torch.tensor([ids])).clone()
            embedded[0, token] *= scale
            rows = model(inputs_embeds=embedded, use_cache=False).logits[0].log_softmax(-1)
        rows = rows[-len(own) :]
        value = rows[range(len(own)), own].sum()
        return (value - rows[0, against] if against else value).item()

    step = 1e-3
    for token in range(len(ids)):
        slope = (measure(token, 1 + step) - measure(token, 1 - step)) / (2 * step)
        assert found[token].item() == pytest.approx(slope, abs=2e-4, rel=2e-3)
    assert found.abs().max() > 0.01


def test_every_token_before_the_stretch_has_one_number(chat: ChatModel):
    stretch = stretch_of(chat)
    prompt = list(stretch.prompt.prompt.input_ids)

    values = gradient_times_input(chat.aside, stretch, threading.Event())

    assert len(values) == len(prompt) + stretch.start
    whole = _products(
        chat.loaded.model, prompt + list(stretch.ids[:-1]), list(stretch.ids[3:]), None
    )
    assert values == pytest.approx(whole[: len(values)].tolist(), abs=1e-5)
    # No gradient is kept of the weights.
    assert all(weight.grad is None for weight in chat.loaded.model.parameters())


def test_in_half_precision_and_within_inference_mode_it_is_nearly_the_same(chat: ChatModel):
    ids, own = [270 + 7 * n % 200 for n in range(12)], [290, 280]
    exact = _products(chat.loaded.model, ids, own, None)
    half = copy.deepcopy(chat.loaded.model).bfloat16()

    with torch.inference_mode():
        rough = _products(half, ids, own, None)

    assert rough.dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(exact, rough, dim=0) > 0.95


def test_without_the_weights_there_are_no_gradients(chat: ChatModel):
    stretch = stretch_of(chat)
    chat.aside._model = object()

    with pytest.raises(EngineError, match="no_whole_model"):
        gradient_times_input(chat.aside, stretch, threading.Event())
