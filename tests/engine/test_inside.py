"""Inside the model: against its own outputs, and against numbers taken by hand."""

import copy
import threading
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from tests.model.conftest import golden  # noqa: F401 - a fixture
from yuan_demo.core.errors import EngineError
from yuan_demo.engine import inside
from yuan_demo.engine.aside import Cancelled
from yuan_demo.engine.chat import ChatModel
from yuan_demo.engine.inside import GUESSES, Inside, look_inside, mixing_of

IDS = [270 + 7 * number % 200 for number in range(50)]
EXACT = {"atol": 1e-5, "rtol": 0.0}


@pytest.fixture(scope="module")
def chat(tiny_loaded: Any) -> ChatModel:
    return ChatModel(tiny_loaded)


def look(chat: ChatModel, ids: list[int], chosen: int | None = None) -> Inside:
    return look_inside(chat, ids, chosen, threading.Event())


def hooks_of(model: torch.nn.Module) -> int:
    return sum(
        len(hooks)
        for module in model.modules()
        for hooks in (module._forward_hooks, module._forward_pre_hooks)
    )


@pytest.mark.parametrize("length", [1, 2, 3, 50])
def test_every_depth_is_the_head_over_that_hidden_state(chat: ChatModel, length: int):
    model, ids, chosen = chat.loaded.model, IDS[:length], IDS[length % 50]
    with torch.inference_mode():
        outputs = model(torch.tensor([ids]), use_cache=False, output_hidden_states=True)
        *states, normed = (state[0, -1] for state in outputs.hidden_states)
        # transformers gives the last one behind the final norm.
        rows = [model.lm_head(each) for each in (*map(model.model.norm, states), normed)]

    depths = look(chat, ids, chosen).depths

    assert_close(rows[-1], outputs.logits[0, -1], **EXACT)
    assert len(depths) == len(rows) == len(model.model.layers) + 1
    for depth, logits in zip(depths, rows, strict=True):
        chances = logits.softmax(-1)
        assert len(depth.token_ids) == GUESSES
        assert_close(torch.tensor(depth.probabilities), chances.topk(GUESSES).values, **EXACT)
        assert_close(torch.tensor(depth.probabilities), chances[list(depth.token_ids)], **EXACT)
        assert depth.probability == pytest.approx(chances[chosen].item(), abs=1e-5)
        assert depth.entropy == pytest.approx(torch.special.entr(chances).sum().item(), abs=1e-4)
        # Tokens as likely but for the last digit may stand on either side of it.
        ahead, level = (chances > chances[chosen] + 1e-6).sum(), (chances > chances[chosen] - 1e-6)
        assert ahead < depth.rank <= level.sum()


def test_no_token_was_chosen(chat: ChatModel):
    assert {(each.probability, each.rank) for each in look(chat, IDS).depths} == {(None, None)}


@pytest.mark.parametrize("length", [1, 2, 50])
def test_attention_is_the_row_of_eager_attention(chat: ChatModel, length: int):
    eager = copy.deepcopy(chat.loaded.model)
    eager.set_attn_implementation("eager")
    with torch.inference_mode():
        ids = torch.tensor([IDS[:length]])
        expected = eager(ids, use_cache=False, output_attentions=True).attentions
    expected = torch.stack([weights[0, :, -1] for weights in expected])

    seen = look(chat, IDS[:length])

    assert_close(seen.attention, expected, **EXACT)
    assert (seen.layers, seen.heads) == expected.shape[:2]
    one, mean = torch.tensor(seen.attention_over(1, 2)), torch.tensor(seen.attention_over(None, 2))
    assert_close(one, expected[1, 2], **EXACT)
    assert_close(mean, expected[:, 2].mean(0), **EXACT)
    assert_close(torch.tensor(seen.attention_over(0, None)), expected[0].mean(0), **EXACT)
    assert_close(torch.tensor(seen.attention_over(None, None)), expected.mean((0, 1)), **EXACT)


def relative(before: torch.Tensor, after: torch.Tensor) -> float:
    return ((after - before).norm() / before.norm()).item()


@pytest.mark.parametrize("length", [1, 2, 3, 4, 11])
def test_the_filter_is_taken_apart_by_hand_token_by_token(chat: ChatModel, length: int):
    seen = look(chat, IDS[:length])
    normed: list[torch.Tensor] = []
    gates = [layer.self_attn.lf_gate for layer in chat.loaded.model.model.layers]
    hooks = [gate.register_forward_hook(lambda *args: normed.append(args[1][0])) for gate in gates]
    with torch.inference_mode():
        chat.loaded.model(torch.tensor([IDS[:length]]), use_cache=False)
        for hook in hooks:
            hook.remove()
        for layer, (gate, states) in enumerate(zip(gates, normed, strict=True)):
            silent = copy.deepcopy(gate)
            for parameter in (*silent.conv1.parameters(), *silent.conv2.parameters()):
                parameter.zero_()
            filtered = gate(states)
            for token in range(length):
                expected = [relative(silent(states)[0, token], filtered[0, token])]
                for distance in (1, 2):
                    without = states.clone()
                    if token >= distance:
                        without[0, token - distance] = 0
                    expected.append(relative(filtered[0, token], gate(without)[0, token]))
                assert seen.mixing[layer, :, token].tolist() == pytest.approx(expected, abs=1e-5)

    assert_close(torch.tensor(seen.mixing_over(1)), seen.mixing[1])
    assert_close(torch.tensor(seen.mixing_over(None)), seen.mixing.mean(0))
    assert_close(torch.tensor(seen.mixing_here()), seen.mixing[:, :, -1])
    assert seen.mixing[:, 0].min() > 0.01


def test_a_filter_reaches_two_tokens_back_and_no_further(chat: ChatModel):
    gate = chat.loaded.model.model.layers[0].self_attn.lf_gate
    states = torch.randn(1, 6, 32, generator=torch.Generator().manual_seed(1))
    without = states.clone()
    without[0, 2] = 0

    changed = (gate(states) - gate(without))[0].norm(dim=-1) > 1e-6

    assert changed.tolist() == [False, False, True, True, True, False]


def test_a_silent_filter_changes_nothing(chat: ChatModel):
    gate = copy.deepcopy(chat.loaded.model.model.layers[0].self_attn.lf_gate)
    for parameter in (*gate.conv1.parameters(), *gate.conv2.parameters()):
        parameter.zero_()
    states = torch.randn(1, 7, 32)

    assert mixing_of(gate, states, gate(states)).abs().max() == 0


def test_the_reference_implementation_agrees(golden: Any, tiny_loaded: Any):  # noqa: F811
    reference = golden("dense-internals")
    model, tensors = reference.model(), reference.tensors
    loaded = replace(tiny_loaded, model=model)

    seen = look(ChatModel(loaded), tensors["input_ids"][0].tolist())

    expected = torch.stack([tensors[f"attentions.{layer}"][0, :, -1] for layer in range(3)])
    assert_close(seen.attention, expected, atol=1e-4, rtol=0.0)
    chances = [
        model.lm_head(model.model.norm(tensors[f"hidden_states.{depth}"][0, -1])).softmax(-1)
        for depth in range(3)
    ]
    chances.append(tensors["logits"][0, -1].softmax(-1))
    for depth, expected in zip(seen.depths, chances, strict=True):
        best = torch.tensor(depth.probabilities)
        assert_close(best, expected.topk(GUESSES).values, atol=1e-4, rtol=0.0)
    gate, normed = model.model.layers[0].self_attn.lf_gate, tensors["layer0.input_norm_out"]
    unmixed, filtered = gate.output_layernorm(normed)[0], tensors["layer0.lfa_out"][0]
    expected = (filtered - unmixed).norm(dim=-1) / unmixed.norm(dim=-1)
    assert_close(seen.mixing[0, 0], expected, atol=1e-4, rtol=0.0)


def test_layers_are_counted_and_no_hook_stays(chat: ChatModel):
    before, done = hooks_of(chat.loaded.model), []

    look_inside(chat, IDS, None, threading.Event(), done.append)

    assert done == [1, 2]
    assert hooks_of(chat.loaded.model) == before


def test_it_ends_at_the_layer_where_it_is_cancelled(chat: ChatModel):
    before, cancelled, done = hooks_of(chat.loaded.model), threading.Event(), []

    def stop(layer: int) -> None:
        done.append(layer)
        cancelled.set()

    with pytest.raises(Cancelled):
        look_inside(chat, IDS, None, cancelled, stop)
    assert done == [1]
    assert hooks_of(chat.loaded.model) == before


def test_only_the_position_is_kept(chat: ChatModel):
    watch = inside._Watch(lambda done: None)
    watch._after_embedding(None, None, torch.randn(1, 500, 32))
    watch._after_layer(None, None, torch.randn(1, 500, 32))

    assert [state.untyped_storage().nbytes() for state in watch.states] == [32 * 4] * 2
    seen = look(chat, IDS)
    assert seen.nbytes == 4 * (2 * 4 * 50 + 2 * 3 * 50)


def test_tokens_beyond_the_window_are_refused(chat: ChatModel):
    assert len(look(chat, [300] * 1024).mixing_over(None)[0]) == 1024
    with pytest.raises(EngineError, match="prompt_fills_window"):
        look(chat, [300] * 1025)


def test_too_little_memory_is_a_sentence(chat: ChatModel, monkeypatch: pytest.MonkeyPatch):
    def fail(*args: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(inside, "_look", fail)
    with pytest.raises(EngineError, match="out_of_memory"):
        look(chat, IDS)


def test_another_fault_stays_what_it_is(chat: ChatModel, monkeypatch: pytest.MonkeyPatch):
    def fail(*args: Any) -> None:
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(inside, "_look", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        look(chat, IDS)
