"""The model lent out beside its engine: it gives way, one at a time, and leaves nothing behind."""

import copy
import threading
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.engine.doubles import until
from yuan_demo.core.errors import EngineError
from yuan_demo.engine import aside
from yuan_demo.engine.aside import Aside, Cancelled
from yuan_demo.engine.chat import ChatModel

IDS = torch.tensor([[5, 6, 7]])


class Busy:
    """An engine as busy as it is told to be."""

    def __init__(self) -> None:
        self.running = 0

    @property
    def status(self) -> Any:
        return SimpleNamespace(running=self.running, waiting=0)


def test_what_is_lent_is_the_model_that_answers(tiny_loaded: Any):
    chat = ChatModel(tiny_loaded)
    reading = chat.engine.read([5, 6, 7], (), 1, wants_logits=True)

    with chat.aside.lend(threading.Event()) as model, torch.inference_mode():
        logits = model(IDS, use_cache=False).logits[0, -1]

    torch.testing.assert_close(logits, reading.logits, atol=1e-4, rtol=1e-5)


def test_every_layer_waits_for_the_engine_but_not_for_ever(
    tiny_loaded: Any, monkeypatch: pytest.MonkeyPatch
):
    naps: list[float] = []
    clock = iter(range(100))
    monkeypatch.setattr(aside, "perf_counter", lambda: 0.1 * next(clock))
    monkeypatch.setattr(aside, "sleep", naps.append)
    engine = Busy()
    lender = Aside(tiny_loaded.model, engine)

    with lender.lend(threading.Event()) as model:
        model(IDS, use_cache=False)
        assert naps == []
        engine.running = 1
        model(IDS, use_cache=False).logits.sum()

    # Two layers; each looks until 0.25 seconds are over.
    assert len(naps) == 4


def test_backward_waits_as_well_and_can_be_cancelled(tiny_loaded: Any):
    cancelled = threading.Event()
    lender = Aside(tiny_loaded.model, Busy())

    with lender.lend(cancelled) as model:
        embedded = model.model.embed_tokens(IDS).detach().requires_grad_()
        logits = model(inputs_embeds=embedded, use_cache=False).logits
        cancelled.set()
        with pytest.raises(Cancelled):
            logits.sum().backward()


def test_one_at_a_time_and_nothing_is_left_behind(tiny_loaded: Any):
    lender = Aside(tiny_loaded.model, Busy())
    inside, may_end, order = threading.Event(), threading.Event(), []

    def first() -> None:
        with lender.lend(threading.Event()):
            inside.set()
            may_end.wait(10)
            order.append("first")

    def second() -> None:
        with lender.lend(threading.Event()):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    inside.wait(10)
    threads[1].start()
    gone = threading.Event()
    gone.set()
    with pytest.raises(Cancelled), lender.lend(gone):
        pass
    may_end.set()
    until(lambda: len(order) == 2)

    assert order == ["first", "second"]
    for layer in tiny_loaded.model.model.layers:
        assert not layer._forward_pre_hooks
        assert not layer._backward_pre_hooks


def test_weights_that_are_not_there_are_not_lent(tiny_loaded: Any):
    emptied = copy.deepcopy(tiny_loaded.model)
    emptied.model.layers[0].self_attn.q_proj.weight.data = torch.empty(0)
    offloaded = copy.deepcopy(tiny_loaded.model)
    offloaded.hf_device_map = {"model": 0, "lm_head": "disk"}

    for model in (emptied, offloaded, object()):
        lender = Aside(model, Busy())
        assert not lender.can_lend
        with pytest.raises(EngineError, match="no_whole_model"), lender.lend(threading.Event()):
            pass
