"""One decode step of Yuan2 for rows of a batch that live in fixed slots: seven kernels a layer.

Each function launches one Triton kernel on the current stream. They synchronise nothing, and their
grids follow from shapes alone, so a step can be captured in a CUDA graph; run one step before the
capture, since a kernel is compiled where it is first called. Imports Triton: for CUDA only.

On Hopper and later the kernels overlap (programmatic dependent launch): each fetches weights and
older cache entries while the one before it still runs. What they rely on: at least one ordinary
kernel, such as the lookup of the embedding, runs between two steps.

Shapes: M rows of the batch (1 to 64), H hidden size, n heads of size d = H / n, F inner size, V
vocabulary, S slots, C positions of a slot. Activations and caches have one dtype, float32, bfloat16
or float16; sums are float32. A matrix has that dtype too, or is int8 with a scale per row.

With one row the products run on the plain cores in float32; with more, on tensor cores with rows
padded to 16, 32 or 64 and the normed row rounded to the dtype, as in the reference.
"""

from dataclasses import dataclass
from typing import Any

import torch
import triton

from yuan_demo.model.slot_attention import attend_kernel
from yuan_demo.model.slot_programs import (
    filter_in_kernel,
    filter_out_kernel,
    gate_up_kernel,
    norm_kernel,
    project_kernel,
)

MAX_ROWS = 64
STATE_BLOCK = 16
FILTER_NORM_EPS = 1e-6


@dataclass(frozen=True)
class Matrix:
    """A weight (N, K), contiguous; int8 with `scale` (N,) stands for weight * scale[:, None]."""

    weight: torch.Tensor
    scale: torch.Tensor | None = None


@dataclass(frozen=True)
class SlotLayer:
    """Weights and caches of one layer; any object with these attributes will do.

    Attributes:
        input_norm: (H,), as are `filter_norm` and `post_norm`.
        filter_in: (2H, H): value projection (H rows), then the first convolution on the current
            token (H / 2) and on the previous one (H / 2).
        filter_in_bias: (H / 2,).
        filter_out: (2H, H / 2): the second convolution on the current token, on the previous one.
        filter_out_bias: (H,).
        query_key: (2H, H): the 2d rows of a head after those of the one before, queries first.
        output: (H, H).
        gate_up: (2F, H): gate, then up.
        down: (H, F).
        keys: (S, n, C, d), rotated; `values` likewise.
        narrow_state: (S, C / 16 rounded up, H / 2) float32: entry b is the first convolution's
            share for the next token, as left by the last token written in positions 16b..16b+15.
        wide_state: (S, C / 16 rounded up, H) float32: likewise of the second.
        eps: of `input_norm` and `post_norm`; that of `filter_norm` is always 1e-6.
    """

    input_norm: torch.Tensor
    filter_norm: torch.Tensor
    post_norm: torch.Tensor
    filter_in: Matrix
    filter_in_bias: torch.Tensor
    filter_out: Matrix
    filter_out_bias: torch.Tensor
    query_key: Matrix
    output: Matrix
    gate_up: Matrix
    down: Matrix
    keys: torch.Tensor
    values: torch.Tensor
    narrow_state: torch.Tensor
    wide_state: torch.Tensor
    eps: float


@dataclass(frozen=True)
class Rows:
    """Where the rows of a batch stand; any object with these attributes will do.

    Attributes:
        slots: (M,) int64. Rows that only pad the batch may share a slot that nobody reads.
        positions: (M,) int64: of the token that is being read; the slot holds all before it.
        cos: (C, d / 2) float32, as `sin`: of position x 10000^(-2j/d).
    """

    slots: torch.Tensor
    positions: torch.Tensor
    cos: torch.Tensor
    sin: torch.Tensor


TILES: dict[str, dict[int, tuple[int, int, int, int, int]]] = {
    "filter_in": {1: (4, 1024, 4, 1, 1), 16: (16, 256, 4, 6, 4), 64: (32, 128, 4, 5, 1)},
    "filter_out": {1: (8, 1024, 4, 1, 1), 16: (16, 256, 4, 4, 4), 64: (32, 128, 4, 5, 1)},
    "query_key": {1: (8, 1024, 4, 1, 1), 16: (16, 256, 4, 6, 4), 64: (32, 128, 4, 5, 1)},
    "output": {1: (2, 2048, 8, 1, 1), 16: (16, 256, 4, 6, 4), 64: (16, 128, 4, 6, 1)},
    "gate_up": {1: (4, 1024, 4, 1, 1), 16: (64, 128, 4, 4, 0), 64: (64, 128, 4, 4, 0)},
    "down": {1: (2, 4096, 8, 1, 1), 16: (16, 256, 4, 6, 4), 64: (16, 128, 4, 6, 1)},
    "head": {1: (16, 2048, 8, 1, 1), 16: (64, 128, 4, 4, 0), 64: (128, 64, 4, 5, 0)},
}
"""Rows and columns of a weight that a program takes at a time, its warps, pipeline stages, ways."""

for _tiles in TILES.values():
    _tiles[32] = _tiles[64]

ATTEND: dict[int, tuple[int, int, int]] = {
    1: (128, 128, 4),
    16: (256, 128, 4),
    32: (512, 128, 4),
    64: (512, 128, 4),
}
"""Positions of a split and of a block of it, warps."""

OVERLAP = {1: 1, 16: 0, 32: 0, 64: 0}
"""Whether the kernels start before the one before is complete: 0 not, 1 at once, 2 near its end."""

HOPPER = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (9, 0)


def padded_rows(rows: int) -> int:
    """The rows that the kernels compute with for a batch of so many: 1, 16, 32 or 64.

    Raises:
        ValueError: the batch is empty or larger than 64.
    """
    if not 1 <= rows <= MAX_ROWS:
        raise ValueError(f"A decode step takes 1 to {MAX_ROWS} rows, got {rows}.")
    return next(size for size in (1, 16, 32, 64) if rows <= size)


def _overlap(rows: int) -> dict[str, Any]:
    overlap = OVERLAP[padded_rows(rows)] if HOPPER else 0
    return {"PDL": overlap, "launch_pdl": overlap > 0}


def _normed(x: torch.Tensor, norm: torch.Tensor, eps: float) -> torch.Tensor:
    """For more than one row, where the norm goes before the product; (M, K)."""
    num_rows, width = x.shape
    out = torch.empty_like(x)
    block = triton.next_power_of_2(width)
    norm_kernel[(num_rows,)](
        x, norm, out, eps, K=width, BLOCK_K=block, num_warps=8, **_overlap(num_rows)
    )
    return out


def _tiling(name: str, x: torch.Tensor, matrix: Matrix) -> dict[str, Any]:
    rows, width, dtype = *x.shape, x.dtype
    block_m = padded_rows(rows)
    block_n, block_k, warps, stages, ways = TILES[name][block_m]
    if dtype == torch.float32 and block_m > 1:
        # The same bytes of shared memory: the table was made for two bytes a number.
        block_k //= 2
    return {
        "SCALED": matrix.scale is not None,
        "BLOCK_M": block_m,
        "BLOCK_N": block_n,
        "BLOCK_K": min(block_k, max(64, triton.next_power_of_2(width))),
        "WAYS": ways,
        "num_warps": warps,
        "num_stages": stages,
        **_overlap(rows),
    }


def _scale(matrix: Matrix) -> torch.Tensor:
    return matrix.weight if matrix.scale is None else matrix.scale


def _project(
    name: str,
    x: torch.Tensor,
    matrix: Matrix,
    *,
    norm: torch.Tensor | None = None,
    eps: float = 0.0,
    residual: torch.Tensor | None = None,
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    if norm is not None and x.shape[0] > 1:
        x, norm = _normed(x, norm, eps), None
    num_rows, width = x.shape
    num_out = matrix.weight.shape[0]
    out = torch.empty((num_rows, num_out), dtype=dtype or x.dtype, device=x.device)
    tiling = _tiling(name, x, matrix)
    project_kernel[(triton.cdiv(num_out, tiling["BLOCK_N"]),)](
        x,
        x if norm is None else norm,
        matrix.weight,
        _scale(matrix),
        x if residual is None else residual,
        out,
        num_rows,
        eps,
        N=num_out,
        K=width,
        NORM=norm is not None,
        RESIDUAL=residual is not None,
        **tiling,
    )
    return out


def filter_in(
    layer: SlotLayer, h: torch.Tensor, rows: Rows
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Input norm, value projection and first convolution, whose state moves on by one token.

    Args:
        h: (M, H), the residual stream.

    Returns:
        v (M, H), y (M, H / 2), x = rmsnorm(h) (M, H), and counters (M, n) int32, all zero, that
        `attend` of the same step takes.
    """
    num_rows, width = h.shape
    if num_rows > 1:
        h = x = _normed(h, layer.input_norm, layer.eps)
    else:
        x = torch.empty_like(h)
    v = torch.empty_like(h)
    y = torch.empty((num_rows, width // 2), dtype=h.dtype, device=h.device)
    heads = layer.keys.shape[1]
    arrivals = torch.empty((num_rows, heads), dtype=torch.int32, device=h.device)
    tiling = _tiling("filter_in", h, layer.filter_in)
    block = tiling["BLOCK_N"]
    filter_in_kernel[(triton.cdiv(width, block) + triton.cdiv(width // 2, block // 2),)](
        h,
        layer.input_norm,
        layer.filter_in.weight,
        _scale(layer.filter_in),
        layer.filter_in_bias,
        layer.narrow_state,
        rows.slots,
        rows.positions,
        v,
        y,
        x,
        arrivals,
        num_rows,
        layer.eps,
        ARRIVALS=arrivals.numel(),
        H=width,
        ENTRIES=layer.narrow_state.shape[1],
        NORM=num_rows == 1,
        **tiling,
    )
    return v, y, x, arrivals


def filter_out(layer: SlotLayer, y: torch.Tensor, x: torch.Tensor, rows: Rows) -> torch.Tensor:
    """Second convolution and residual, its state likewise: y (M, H / 2), x (M, H) to u (M, H)."""
    num_rows, width = x.shape
    u = torch.empty_like(x)
    tiling = _tiling("filter_out", y, layer.filter_out)
    filter_out_kernel[(triton.cdiv(width, tiling["BLOCK_N"] // 2),)](
        y,
        layer.filter_out.weight,
        _scale(layer.filter_out),
        layer.filter_out_bias,
        layer.wide_state,
        rows.slots,
        rows.positions,
        x,
        u,
        num_rows,
        H=width,
        ENTRIES=layer.wide_state.shape[1],
        **tiling,
    )
    return u


def query_key(layer: SlotLayer, u: torch.Tensor) -> torch.Tensor:
    """The filter's norm and both projections: u (M, H) to (M, 2H), by head, not yet rotated."""
    return _project("query_key", u, layer.query_key, norm=layer.filter_norm, eps=FILTER_NORM_EPS)


def attend(
    layer: SlotLayer, qk: torch.Tensor, v: torch.Tensor, rows: Rows, arrivals: torch.Tensor
) -> torch.Tensor:
    """Rotates, writes key and value at the rows' positions, attends to these and all before.

    Reads the filled part of a slot only, in splits that run side by side.

    Args:
        qk: (M, 2H) from `query_key`.
        v: (M, H) from `filter_in`, as `arrivals`, which it uses up.

    Returns:
        (M, H), the heads side by side.
    """
    num_rows = v.shape[0]
    _, heads, context, size = layer.keys.shape
    split, block, warps = ATTEND[padded_rows(num_rows)]
    block_d = triton.next_power_of_2(size)
    splits = triton.cdiv(context, split)
    a = torch.empty_like(v)
    mixes = torch.empty((num_rows, heads, splits, block_d), dtype=torch.float32, device=v.device)
    sums = torch.empty((num_rows, heads, splits, 2), dtype=torch.float32, device=v.device)
    attend_kernel[(num_rows, heads, splits)](
        qk,
        v,
        layer.keys,
        layer.values,
        rows.slots,
        rows.positions,
        rows.cos,
        rows.sin,
        a,
        mixes,
        sums,
        arrivals,
        HEADS=heads,
        CONTEXT=context,
        D=size,
        BLOCK_D=block_d,
        SPLIT=split,
        BLOCK_T=block,
        SPLITS=splits,
        BLOCK_S=triton.next_power_of_2(splits),
        SCALE=size**-0.5,
        num_warps=warps,
        **_overlap(num_rows),
    )
    return a


def output(layer: SlotLayer, a: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    """h plus the output projection of a; all (M, H)."""
    return _project("output", a, layer.output, residual=h)


def gate_up(layer: SlotLayer, h: torch.Tensor) -> torch.Tensor:
    """Norm and the first half of the feed-forward layer: h (M, H) to gate * silu(up) (M, F)."""
    num_rows, width = h.shape
    if num_rows > 1:
        h = _normed(h, layer.post_norm, layer.eps)
    inner = layer.gate_up.weight.shape[0] // 2
    g = torch.empty((num_rows, inner), dtype=h.dtype, device=h.device)
    tiling = _tiling("gate_up", h, layer.gate_up)
    gate_up_kernel[(triton.cdiv(inner, tiling["BLOCK_N"] // 2),)](
        h,
        layer.post_norm,
        layer.gate_up.weight,
        _scale(layer.gate_up),
        g,
        num_rows,
        layer.eps,
        F=inner,
        K=width,
        NORM=num_rows == 1,
        **tiling,
    )
    return g


def down(layer: SlotLayer, g: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    """h (M, H) plus the second half of the feed-forward layer from g (M, F)."""
    return _project("down", g, layer.down, residual=h)


def head(matrix: Matrix, norm: torch.Tensor, h: torch.Tensor, eps: float) -> torch.Tensor:
    """Logits (M, V) in float32 of h (M, H), after the final norm (H,)."""
    return _project("head", h, matrix, norm=norm, eps=eps, dtype=torch.float32)


def decode_layer(layer: SlotLayer, h: torch.Tensor, rows: Rows) -> torch.Tensor:
    """One layer for one token of each row, h (M, H) to (M, H); caches and states move on by it."""
    v, y, x, arrivals = filter_in(layer, h, rows)
    u = filter_out(layer, y, x, rows)
    a = attend(layer, query_key(layer, u), v, rows, arrivals)
    h = output(layer, a, h)
    return down(layer, gate_up(layer, h), h)
