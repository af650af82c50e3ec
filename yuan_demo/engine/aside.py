"""The model outside of its engine, for what needs more than logits: states, weights, gradients.

Such work is nobody's answer, so it gives way: before every layer it waits for a moment while the
engine is busy, and one piece of it is done at a time.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import perf_counter, sleep
from typing import Any

from yuan_demo.core.errors import EngineError
from yuan_demo.engine.engine import Engine
from yuan_demo.engine.networks import is_offloaded
from yuan_demo.model.modeling_yuan import YuanForCausalLM

WAIT_SECONDS = 0.25
"""The longest that a layer waits: where somebody always chats it would never be done otherwise."""
_LOOK_SECONDS = 0.005


class Cancelled(Exception):  # noqa: N818 - nothing went wrong
    """Whoever asked for it waits no longer."""


class Aside:
    """Lends the model out.

    Args:
        model: a `YuanForCausalLM`, or what is called like one.
        engine: goes first.
    """

    def __init__(self, model: Any, engine: Engine) -> None:
        self._model = model
        self._engine = engine
        self._lock = threading.Lock()

    @property
    def can_lend(self) -> bool:
        """Whether the model can be used beside the engine at all."""
        # What the engine laid out for the processor or quantized is emptied (`slot_model._fuse`),
        # and what is offloaded would be fetched by two at once.
        return (
            isinstance(self._model, YuanForCausalLM)
            and not is_offloaded(self._model)
            and self._model.model.layers[0].self_attn.q_proj.weight.numel() > 0
        )

    @contextmanager
    def lend(self, cancelled: threading.Event) -> Iterator[YuanForCausalLM]:
        """The model, to oneself, inside a `with`; no gradients are kept of its weights.

        Args:
            cancelled: set to have `Cancelled` raised at the next layer.

        Raises:
            EngineError: its weights are not there in a form that can be used so.
            Cancelled: before or between the layers.
        """
        if not self.can_lend:
            raise EngineError("no_whole_model")
        while not self._lock.acquire(timeout=_LOOK_SECONDS):
            _check(cancelled)
        with ExitStack() as stack:
            stack.callback(self._lock.release)
            give_way = self._giver_of_way(cancelled)
            for layer in self._model.model.layers:
                for hook in (
                    layer.register_forward_pre_hook,
                    layer.register_full_backward_pre_hook,
                ):
                    stack.callback(hook(give_way).remove)
            yield self._model

    def _giver_of_way(self, cancelled: threading.Event) -> Callable[..., None]:
        def give_way(*_: Any) -> None:
            until = perf_counter() + WAIT_SECONDS
            _check(cancelled)
            while self._is_busy and perf_counter() < until:
                sleep(_LOOK_SECONDS)
                _check(cancelled)

        return give_way

    @property
    def _is_busy(self) -> bool:
        status = self._engine.status
        return status.running > 0 or status.waiting > 0


def _check(cancelled: threading.Event) -> None:
    if cancelled.is_set():
        raise Cancelled
