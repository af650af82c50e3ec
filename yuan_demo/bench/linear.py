"""`bench linear`: one decode pass through the matrices of a 2B Yuan2, by kind of linear layer.

Only the products: no attention, no norms, random weights. What a whole model gains is less.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import psutil
import torch
from torch import nn

from yuan_demo.bench import BenchError
from yuan_demo.bench.report import Cell, Report, median
from yuan_demo.bench.server import memory_of
from yuan_demo.model.linear import make_linear, prepack_obstacle, relative_error

HIDDEN = 2048
INNER = 8192
VOCABULARY = 135040
LAYERS = 24

LAYER_SHAPES = (
    (2 * HIDDEN, HIDDEN),  # first convolution of the filter
    (2 * HIDDEN, HIDDEN // 2),  # second
    (2 * HIDDEN, HIDDEN),  # query and key
    (HIDDEN, HIDDEN),  # attention output
    (2 * INNER, HIDDEN),  # gate and up
    (HIDDEN, INNER),  # down
)
"""[N, K] of the products of a decoder layer as the demo joins them."""

HEAD_SHAPE = (VOCABULARY, HIDDEN)
KINDS = {"none": "default", "auto": "prepacked", "int8": "int8", "int4": "int4"}
"""Kinds of `make_linear` and the names of their rows; the first is what the others are held to."""

BANDWIDTH_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Stack:
    """The linear layers of a model in one kind.

    Attributes:
        linears: in the order in which a pass uses them.
        shapes: [N, K] of each.
        build_seconds: what converting the weights took.
        error: `relative_error` of the first layer's `gate and up` product.
    """

    linears: Sequence[nn.Module]
    shapes: Sequence[tuple[int, int]]
    build_seconds: float
    error: float

    def one_pass(self, inputs: dict[int, torch.Tensor]) -> None:
        """Every product once; `inputs` has an (M, K) for every K."""
        for linear, (_, columns) in zip(self.linears, self.shapes, strict=True):
            linear(inputs[columns])


def measure(
    *, dtype: torch.dtype, threads: int, layers: int, batches: Sequence[int], repeat: int
) -> Report:
    """Times the kinds in turn, A B C D A B C D, all of them in memory at once.

    Args:
        dtype: of the weights before they are converted, and of the activations.
        threads: CPU threads of torch.
        layers: decoder layers; 24 are the 2B model.
        batches: rows of activations of a pass (visitors decoding together), one table row each.
        repeat: passes of each kind and batch, after one that is not counted.

    Raises:
        BenchError: the memory cannot hold the stacks.
    """
    torch.set_num_threads(threads)
    shapes = [*LAYER_SHAPES * layers, HEAD_SHAPE]
    count = sum(rows * columns for rows, columns in shapes)
    kinds, notes = _kinds(dtype)
    _require_memory(kinds, count, dtype)
    stacks = {kind: _build(kind, shapes, dtype) for kind in kinds}
    samples: dict[str, list[float]] = {"bandwidth, GB/s": []}
    table = []
    with torch.inference_mode():
        for batch in batches:
            seconds = _time_in_turn(stacks, batch, dtype, repeat, samples["bandwidth, GB/s"])
            samples |= {f"{KINDS[kind]}, M = {batch}, s": seconds[kind] for kind in kinds}
            for kind in kinds:
                table.append(_row(kind, stacks[kind], batch, seconds, count, dtype))
    bandwidth = samples["bandwidth, GB/s"]
    notes += [
        f"Bandwidth in this run (sum of 1 GiB): best {max(bandwidth):.1f}, "
        f"median {median(bandwidth):.1f} GB/s.",
    ]
    if memory := memory_of("self"):
        notes.append(f"Peak memory with all kinds at once (VmHWM): {memory.peak / 1e9:.1f} GB.")
    title = (
        f"linear layers of {layers} Yuan2-2B decoder layers and the head, {count / 1e9:.2f} "
        f"billion {str(dtype).removeprefix('torch.')} weights, {threads} thread(s), {repeat} "
        f"passes in turn"
    )
    return Report(title, table, samples, notes)


def _kinds(dtype: torch.dtype) -> tuple[list[str], list[str]]:
    """The kinds that differ here, and a note where one of them does not."""
    obstacle = prepack_obstacle(torch.empty(0, 0, dtype=dtype))
    if obstacle is None:
        return list(KINDS), []
    return [kind for kind in KINDS if kind != "auto"], [f"Not prepacked: {obstacle}."]


def weight_bytes(kind: str, count: int, dtype: torch.dtype) -> int:
    """What a pass reads of so many weights, in bytes; scales included, for groups of 128."""
    if kind == "int4":
        return count // 2 + count // 128 * 4
    return count if kind == "int8" else count * dtype.itemsize


def _require_memory(kinds: Sequence[str], count: int, dtype: torch.dtype) -> None:
    # Beside the stacks: the matrices as drawn, the widest while it is converted, and the gigabyte
    # that is summed. Measured 3.5 GB in float32.
    needed = sum(weight_bytes(kind, count, dtype) for kind in kinds) + 4 * 10**9
    free = psutil.virtual_memory().available
    if needed > free:
        raise BenchError(
            f"All kinds must fit the memory together; {needed / 1e9:.1f} GB are needed and "
            f"{free / 1e9:.1f} GB are free. Use for example --layers 8."
        )


def _build(kind: str, shapes: Sequence[tuple[int, int]], dtype: torch.dtype) -> Stack:
    # One draw per shape: drawing billions of numbers would take longer than all else.
    drawn = {shape: _random(shape, dtype) for shape in set(shapes)}
    error = relative_error(make_linear(drawn[LAYER_SHAPES[4]], kind), drawn[LAYER_SHAPES[4]])
    linears, seconds = [], 0.0
    for shape in shapes:
        # A copy each: layers that shared their weights would be read out of the processor's cache.
        weight = drawn[shape].clone()
        started = perf_counter()
        linears.append(make_linear(weight, kind))
        seconds += perf_counter() - started
    return Stack(linears, shapes, seconds, error)


def _random(shape: tuple[int, int], dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(shape[0] + shape[1])
    return torch.randn(shape, generator=generator).mul_(0.02).to(dtype)


def _time_in_turn(
    stacks: dict[str, Stack],
    batch: int,
    dtype: torch.dtype,
    repeat: int,
    bandwidth: list[float],
) -> dict[str, list[float]]:
    """Seconds per pass of every kind; the bandwidth is measured in every round."""
    inputs = {columns: torch.randn(batch, columns).to(dtype) for columns in (1024, HIDDEN, INNER)}
    block = torch.ones(BANDWIDTH_BYTES // 4)
    seconds: dict[str, list[float]] = {kind: [] for kind in stacks}
    for turn in range(repeat + 1):
        read = _seconds(block.sum)
        taken = {
            kind: _seconds(lambda s=stack: s.one_pass(inputs)) for kind, stack in stacks.items()
        }
        if turn:
            bandwidth.append(BANDWIDTH_BYTES / read / 1e9)
            for kind, value in taken.items():
                seconds[kind].append(value)
    return seconds


def _seconds(run: Callable[[], object]) -> float:
    started = perf_counter()
    run()
    return perf_counter() - started


def _row(
    kind: str,
    stack: Stack,
    batch: int,
    seconds: dict[str, list[float]],
    count: int,
    dtype: torch.dtype,
) -> dict[str, Cell]:
    own, default = seconds[kind], seconds["none"]
    # Each pass is held to the default's of the same round, beside the same load.
    ratios = [theirs / ours for ours, theirs in zip(own, default, strict=True)]
    return {
        "": KINDS[kind],
        "M": batch,
        "tokens/s": batch / median(own),
        "best": batch / min(own),
        "ratio": median(ratios),
        "ratio of best": min(default) / min(own),
        "GB/s": weight_bytes(kind, count, dtype) / median(own) / 1e9,
        "best GB/s": weight_bytes(kind, count, dtype) / min(own) / 1e9,
        "weights GB": weight_bytes(kind, count, dtype) / 1e9,
        "relative error": f"{stack.error:.4f}",
        "build s": stack.build_seconds,
    }
