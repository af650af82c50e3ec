"""Ids in, ids out, for everybody at once. It knows nothing of text, turns or pages.

`Engine` is what other threads call; the computing is done by one thread (`scheduler`), which fills
the outboxes that these generators are pulled from.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter, sleep
from typing import Literal

import torch

from yuan_demo.core.errors import EngineError, PageError
from yuan_demo.core.generation import GenerationStep, InLine
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.metrics import EngineMetrics
from yuan_demo.engine.requests import Item, Reading, Request
from yuan_demo.engine.scheduler import Scheduler
from yuan_demo.engine.stepper import Network, Stepper

PREFILL_CHUNK = 128
"""Tokens of a prompt read in one pass, unless `warm_up` finds them to take too long."""
GPU_PREFILL_CHUNK = 512
"""The same on a GPU, which does not take longer for more until it is full."""
MAX_CHUNK_SECONDS = 0.1
"""What a pass over a part of a prompt should take at most: so long the others' streams stand still,
and so long a stop is not noticed."""
MIN_CHUNK = 32
"""A pass over fewer tokens reads the weights as often for less."""
GRACE_SECONDS = 5.0
"""What answers under way get to come to their end when the server is stopped."""

_CROWD = 16
_CROWD_SECONDS = 0.02
"""With more answers under way each is looked at 50 times a second, not at every token: waking 64
threads for each step took Python's lock from the engine for 15 ms, where the step took 3.6 (H100,
2-billion shape)."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """How the engine is.

    Attributes:
        state: `ok`, or `failed` if no request can be answered any more.
        fault: the code of why it failed; None if it has not.
        running: requests that are being computed.
        waiting: requests in line.
        slots: how many can be computed at once.
        kept_tokens: tokens of earlier conversations that could be reused.
    """

    state: Literal["ok", "failed"]
    fault: str | None
    running: int
    waiting: int
    slots: int
    kept_tokens: int


class Engine:
    """Generates for many from one network.

    Args:
        network: a model over a pool of slots.
        context_window: tokens that a prompt and its answer may have together.
        eos_token_id: the token that ends an answer.
        answer_seconds: an answer that takes longer is ended; None for no limit.
        stepper: takes the decode steps; made for the network if left out.

    Attributes:
        context_window, eos_token_id: as given.
        network: what computes; its slots belong to the engine's thread.
        metrics: what happened so far.
    """

    def __init__(
        self,
        network: Network,
        context_window: int,
        eos_token_id: int,
        *,
        answer_seconds: float | None = None,
        stepper: Stepper | None = None,
    ) -> None:
        self.context_window = context_window
        self.eos_token_id = eos_token_id
        self.metrics = EngineMetrics()
        self.network = network
        self._answer_seconds = answer_seconds
        self._stepper = stepper or Stepper(network)
        is_gpu = network.head_device.type == "cuda"
        chunk = GPU_PREFILL_CHUNK if is_gpu else PREFILL_CHUNK
        self._scheduler = Scheduler(network, self._stepper, self.metrics, chunk)

    @property
    def status(self) -> EngineStatus:
        """How it is just now."""
        fault = self._scheduler.fault
        return EngineStatus(
            "ok" if fault is None else "failed",
            fault,
            self._scheduler.running,
            self._scheduler.waiting,
            self.network.slots,
            self._scheduler.kept_tokens,
        )

    def warm_up(self, report: Callable[[str], None] = print) -> None:
        """Computes a little, so that the first visitor waits no longer than the next.

        Args:
            report: receives one line per step that a person waits for.
        """
        self._stepper.warm_up(report)
        if self.network.rewind_block:
            chunk = _affordable_chunk(self.network, self._scheduler.chunk)
            self._scheduler.chunk = chunk

    def close(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Ends everything: new requests at once, those under way after a while."""
        self._scheduler.close(grace_seconds)

    def generate(
        self,
        input_ids: Sequence[int],
        params: SamplingParams,
        cancelled: threading.Event | None = None,
        client: str | None = None,
        *,
        begun: Sequence[int] = (),
        is_aside: bool = False,
    ) -> Iterator[GenerationStep | InLine]:
        """Yields one step per token; the last one says why it is the last.

        While all slots are taken it yields its place in line, whenever that changes. Closing the
        generator or setting `cancelled` ends it before the next forward pass.

        Args:
            input_ids: the prompt.
            params: how tokens are chosen.
            cancelled: set to stop.
            client: who asks: of those in line, whoever has no answer under way comes first.
            begun: ids that the answer begins with, fewer than `params.max_new_tokens`. Only what
                follows is generated, by the random numbers that these places always have.
            is_aside: this is no chat: whatever is comes first.

        Raises:
            EngineError: the prompt is empty or fills the window, with what the answer begins with,
                the device ran out of memory, or it failed.
        """
        _check_prompt([*input_ids, *begun], self.context_window)
        deadline = self._answer_seconds and perf_counter() + self._answer_seconds
        request = Request(
            "answer",
            list(input_ids),
            params,
            self.context_window,
            self.eos_token_id,
            cancelled or threading.Event(),
            client,
            deadline,
            generated=list(begun),
            begun=len(begun),
            is_aside=is_aside,
        )
        for item in self._items(request):
            yield item
            if isinstance(item, GenerationStep) and item.finish_reason:
                return

    def read(
        self,
        input_ids: Sequence[int],
        continuation: Sequence[int],
        candidates: int,
        cancelled: threading.Event | None = None,
        *,
        wants_logits: bool = False,
        is_kept: bool = True,
    ) -> Reading | None:
        """Reads a prompt and what is to follow it, without generating; answers come first.

        Args:
            input_ids: the prompt.
            continuation: ids that are rated; may be empty.
            candidates: how many of the most likely next tokens are named.
            cancelled: set to stop before the next forward pass.
            wants_logits: keep the logits after the prompt.
            is_kept: what is computed stays for whoever begins alike. Without it, many readings of
                prompts that nobody will ask for again push nobody's conversation out.

        Returns:
            None if cancelled.

        Raises:
            EngineError: the prompt is empty or fills the window, or the device failed.
        """
        _check_prompt([*input_ids, *continuation[:-1]], self.context_window)
        request = Request(
            "read",
            list(input_ids),
            SamplingParams(),
            self.context_window,
            self.eos_token_id,
            cancelled or threading.Event(),
            continuation=list(continuation),
            best=candidates,
            wants_logits=wants_logits,
            is_kept=is_kept,
        )
        return next(item for item in self._items(request) if not isinstance(item, InLine))

    def prepare(self, input_ids: Sequence[int]) -> None:
        """Computes the beginning of a prompt that is likely to come, if nobody waits meanwhile."""
        if input_ids and len(input_ids) < self.context_window and self.network.rewind_block:
            nothing = threading.Event()
            self._scheduler.submit(
                Request(
                    "prepare",
                    list(input_ids),
                    SamplingParams(),
                    self.context_window,
                    self.eos_token_id,
                    nothing,
                )
            )

    def _items(self, request: Request) -> Iterator[Item]:
        """What a request sends, until it is closed; its errors are raised."""
        self._scheduler.submit(request)
        try:
            while True:
                if request.outbox.empty() and self._scheduler.running > _CROWD:
                    sleep(_CROWD_SECONDS)
                item = request.outbox.get()
                if isinstance(item, PageError):
                    raise item
                yield item
        finally:
            request.is_closed = True


@torch.inference_mode()
def _affordable_chunk(network: Network, most: int) -> int:
    """Tokens of a prompt that this machine reads in `MAX_CHUNK_SECONDS`, a power of two."""
    chunk = MIN_CHUNK
    while chunk < min(most, network.positions):
        # The best of three: what else the machine does at its start is no measure for later.
        seconds = min(_seconds_of_reading(network, chunk) for _ in range(3))
        if seconds > MAX_CHUNK_SECONDS / 2:
            break
        chunk *= 2
    return chunk


def _seconds_of_reading(network: Network, tokens: int) -> float:
    started = perf_counter()
    network.prefill(0, 0, [0] * tokens).max().item()
    return perf_counter() - started


def _check_prompt(input_ids: Sequence[int], context_window: int) -> None:
    if not input_ids:
        raise EngineError("empty_prompt")
    if len(input_ids) >= context_window:
        raise EngineError("prompt_fills_window", tokens=len(input_ids), window=context_window)
