"""Decode steps as captured CUDA graphs: everything from the ids to the chosen tokens in one replay.

A step of the 2-billion model is some 200 kernels of 2 to 20 microseconds each, which Python cannot
launch as fast as the GPU runs them. Captured once per batch size, they are launched by a single
call; and because a step's tokens go into the next one on the device, that call is made before the
host has seen them, so the GPU never waits for Python.

A model that is spread over several GPUs is captured in one graph per GPU; between two of them the
hidden states are copied over.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by

from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.failures import Failure, failure_of
from yuan_demo.engine.requests import Request
from yuan_demo.engine.sampler import SamplingRows, is_wide, sample
from yuan_demo.engine.stepper import Pending, Stepper
from yuan_demo.model.slot_model import SlotModel

logger = logging.getLogger(__name__)

_HOST_BUFFERS = 3
"""One is read while the next is written; a third costs nothing."""
_WARM_UPS = 2
"""Runs before a capture: kernels are compiled and memory is found in the first."""


@dataclass(frozen=True, slots=True)
class _Variant:
    """What a graph was captured for.

    Attributes:
        size: rows.
        wide: all tokens are sorted.
        penalized: tokens that have occurred are looked up.
    """

    size: int
    wide: bool = False
    penalized: bool = False


@dataclass(slots=True)
class DeviceRows:
    """Where the rows of a batch stand, on one device; what `slot_kernels` read.

    Attributes:
        slots, positions: (B,) int64.
        cos, sin: rotary tables of all positions, (C, d / 2) float32.
    """

    slots: torch.Tensor
    positions: torch.Tensor
    cos: torch.Tensor
    sin: torch.Tensor


class CapturedStep:
    """The graphs of one variant, and the tensors that they read and write.

    Args:
        network: the model.
        variant: what is captured.
        draws: random numbers by slot and position, (S, positions) on the device of the head.
        seen: tokens that have occurred, (S, V) bool, if the variant looks at them.
        eos_token_id: the token whose probability is told.
        pool: memory that the graphs share, by device.
    """

    def __init__(
        self,
        network: SlotModel,
        variant: _Variant,
        draws: torch.Tensor,
        seen: torch.Tensor | None,
        eos_token_id: int,
        pool: dict[torch.device, Any],
    ) -> None:
        # Only here: triton comes with torch for CUDA, and not with torch for a CPU.
        from yuan_demo.model import slot_kernels

        self._kernels = slot_kernels
        self._network, self._variant = network, variant
        self._draws, self._seen, self._eos = draws, seen, eos_token_id
        size, head = variant.size, network.head_device
        self._stages = network.stages()
        if self._stages[-1][0] != head:
            self._stages.append((head, []))
        self.rows = {
            device: DeviceRows(
                torch.full((size,), network.scratch_slot, device=device),
                torch.zeros(size, dtype=torch.int64, device=device),
                *network.rotary_on(device),
            )
            for device, _ in self._stages
        }
        self.ids = torch.zeros(size, dtype=torch.int64, device=network.embedding.device)
        self.sampling = SamplingRows.of([SamplingParams()] * size, head)
        # Hidden states come to a stage in tensors that stay where they are.
        shape, dtype = (size, network.embedding.shape[1]), network.embedding.dtype
        self._inputs = [
            torch.zeros(shape, dtype=dtype, device=device) for device, _ in self._stages
        ]
        self._true = torch.ones((), dtype=torch.bool, device=head)
        self._parts: list[Callable[[], object]] = []
        self.packed = self._capture(pool)

    def replay(self) -> None:
        """Takes the step; `packed` has its tokens once the device is through."""
        for part in self._parts:
            part()

    def _capture(self, pool: dict[torch.device, Any]) -> torch.Tensor:
        last = len(self._stages) - 1
        for number, (device, _) in enumerate(self._stages[:-1]):
            outcome = self._graph(device, partial(self._stage, number), pool)
            self._parts.append(partial(self._inputs[number + 1].copy_, outcome))
        packed = self._graph(
            self._network.head_device, lambda: self._choose(self._stage(last)), pool
        )
        if self.ids.device != packed.device:
            self._parts.append(lambda: self.ids.copy_(packed[:, 0]))
        return packed

    def _graph(
        self,
        device: torch.device,
        work: Callable[[], torch.Tensor],
        pool: dict[torch.device, Any],
    ) -> torch.Tensor:
        """Captures some work, appends its replay to the parts, and returns where its result is."""
        with torch.cuda.device(device):
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    work()
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # thread_local: what other threads of the process do is no reason to fail.
            with torch.cuda.graph(
                graph, pool=pool.get(device), stream=stream, capture_error_mode="thread_local"
            ):
                outcome = work()
            pool.setdefault(device, graph.pool())

        def replay() -> None:
            with torch.cuda.device(device):
                graph.replay()

        self._parts.append(replay)
        return outcome

    def _stage(self, number: int) -> torch.Tensor:
        """Takes the hidden states through the layers of a stage."""
        device, layers = self._stages[number]
        hidden = self._inputs[number] if number else self._embedded()
        for layer in layers:
            hidden = self._kernels.decode_layer(layer, hidden, self.rows[device])
        is_last_of_device = all(other != device for other, _ in self._stages[number + 1 :])
        if is_last_of_device:
            self.rows[device].positions.add_(1)
        return hidden

    def _embedded(self) -> torch.Tensor:
        return F.embedding(self.ids, self._network.embedding)

    def _choose(self, hidden: torch.Tensor) -> torch.Tensor:
        """Chooses a token per row; `positions` are those of the tokens that are chosen."""
        network, rows = self._network, self.rows[self._network.head_device]
        logits = self._kernels.head(network.head, network.norm, hidden, network.eps)
        packed = sample(
            logits,
            self.sampling,
            self._draws[rows.slots, rows.positions],
            self._eos,
            seen=None if self._seen is None else self._seen[rows.slots],
            wide=self._variant.wide,
        )
        chosen = packed[:, 0].long()
        if self._seen is not None:
            # Not `= True`: a number of the host cannot be copied into a graph.
            self._seen.index_put_((rows.slots, chosen), self._true)
        if self.ids.device == packed.device:
            self.ids.copy_(chosen)
        return packed


class GraphStepper(Stepper):
    """Steps by captured graphs, one step ahead of the host.

    Args:
        network: in slots, all of it on CUDA devices.
    """

    def __init__(self, network: SlotModel, eos_token_id: int) -> None:
        super().__init__(network, spare_slots=1)
        self._slot_model = network
        self._eos = eos_token_id
        # None for a variant whose capture failed: its batches are stepped through one by one.
        self._steps: dict[_Variant, CapturedStep | None] = {}
        self._pool: dict[torch.device, Any] = {}
        self._step: CapturedStep | None = None
        self._is_simple = False
        self._buffers: list[torch.Tensor] = []
        self._launched = 0

    @property
    def depth(self) -> int:  # type: ignore[override]
        """One step of a graph is launched before the tokens of the last one are known."""
        return 0 if self._step is None else 1

    def sizes(self) -> list[int]:
        """Batch sizes that graphs are captured for: powers of two, up to all slots."""
        most = self._slot_model.slots
        return [size for size in (1, 2, 4, 8, 16, 32, 64, 128, 256) if size < most * 2]

    def warm_up(self, report: Callable[[str], None]) -> None:
        """Captures the graphs of all batch sizes."""
        for size in self.sizes():
            report(f"Preparing decode steps for {size} at once.")
            if self._captured(_Variant(size)) is None:
                report("Decoding goes on without captured graphs; the log says why.")
                self._is_simple = True
                return

    def simplify(self, error: Exception) -> bool:
        """Steps operation by operation from here on."""
        if self._is_simple:
            return False
        logger.warning("decoding goes on without captured graphs: %s", error)
        self._is_simple, self._step = True, None
        self._steps.clear()
        return True

    def start(self, requests: Sequence[Request]) -> None:
        """Sets who is in the batch."""
        super().start(requests)
        self._step = None
        if self._is_simple:
            return
        size = next(size for size in self.sizes() if size >= len(requests))
        params = [request.params for request in requests]
        variant = _Variant(
            size, any(map(is_wide, params)), any(row.repetition_penalty != 1 for row in params)
        )
        step = self._step = self._captured(variant)
        if step is None:
            return
        spare = size - len(requests)
        slots = torch.tensor([*self._slots, *[self._slot_model.scratch_slot] * spare])
        positions = torch.tensor([*self._at, *[0] * spare])
        for rows in step.rows.values():
            rows.slots.copy_(slots)
            rows.positions.copy_(positions)
        step.ids.zero_()
        step.ids[: len(requests)] = self._ids.to(step.ids.device)
        filled = [*params, *[SamplingParams()] * spare]
        step.sampling.copy_(SamplingRows.of(filled, self._draws.device))

    def launch(self) -> Pending:
        """Computes the next token of every row of the batch."""
        if self._step is None:
            return super().launch()
        step, rows = self._step, len(self._slots)
        step.replay()
        self._at = [position + 1 for position in self._at]
        with torch.cuda.device(step.packed.device):
            host = self._buffer(step.packed)
            host.copy_(step.packed, non_blocking=True)
            ready = torch.cuda.Event()
            ready.record()
        return Pending(host[:rows], ready)

    def _buffer(self, like: torch.Tensor) -> torch.Tensor:
        """Pinned memory for a step's tokens; a buffer comes again after `_HOST_BUFFERS` steps."""
        if not self._buffers:
            shape = (self.sizes()[-1], like.shape[1])
            self._buffers = [torch.empty(shape, pin_memory=True) for _ in range(_HOST_BUFFERS)]
        self._launched += 1
        return self._buffers[self._launched % _HOST_BUFFERS][: len(like)]

    @torch.inference_mode()
    def _captured(self, variant: _Variant) -> CapturedStep | None:
        if variant not in self._steps:
            seen = self._seen_tokens() if variant.penalized else None
            try:
                self._steps[variant] = CapturedStep(
                    self._slot_model, variant, self._draws, seen, self._eos, self._pool
                )
            except Exception as error:
                if failure_of(error) is Failure.LOST:
                    raise
                # No triton, no memory for a graph, an operation that cannot be captured.
                logger.warning("%s cannot be captured: %s", variant, error, exc_info=error)
                self._steps[variant] = None
        return self._steps[variant]
