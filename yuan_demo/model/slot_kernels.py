"""One decode step of Yuan2 for rows of a batch that live in fixed slots: seven kernels a layer.

With more than one row they are ten: the norms go by themselves. The functions launch on the current
stream and synchronise nothing, and their grids follow from shapes alone, so a step can be captured
in a CUDA graph; run one step before the capture, since a kernel is compiled where it is first
called. Imports Triton: for CUDA only.

On Hopper and later the kernels of one row overlap (programmatic dependent launch): each fetches
weights and older cache entries while the one before it still runs. What they rely on: at least one
ordinary kernel, such as the lookup of the embedding, runs between two steps.

Shapes: M rows of the batch (1 to 64), H hidden size, n heads of size d = H / n, F inner size, V
vocabulary, S slots, C positions of a slot. Activations and caches have one dtype, float32, bfloat16
or float16; sums are float32. A matrix has that dtype too, or is int8 with a scale per row.

With one row the products run on the plain cores in float32; with more, on tensor cores with rows
padded to 16, 32 or 64 and the normed row rounded to the dtype, as in the reference.

A step with 2.09 billion weights in bfloat16 (24 layers of width 2048, the head included) at
position 1,008 on an H100, captured, took 1.56 ms with one row, 2.4 with 4, 3.06 with 16, 4.2 with
32 and 6.4 with 64; with int8 weights 1.24 with one row and 2.75 with 16. Reading weights and cache
once at 3.0 TB/s takes 1.46, 1.7, 2.5, 3.5 and 5.6 ms in bfloat16.
"""

from dataclasses import dataclass

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
from yuan_demo.model.slot_tiles import overlap, splits, tiling

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


def _normed(x: torch.Tensor, norm: torch.Tensor, eps: float) -> torch.Tensor:
    num_rows, width = x.shape
    out = torch.empty_like(x)
    block = triton.next_power_of_2(width)
    norm_kernel[(num_rows,)](x, norm, out, eps, K=width, BLOCK_K=block, num_warps=8)
    return out


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
    options = tiling(name, x, matrix.weight, matrix.scale)
    project_kernel[(triton.cdiv(num_out, options["BLOCK_N"]),)](
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
        RESIDUAL=residual is not None,
        **{**options, "NORM": norm is not None},
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
    options = tiling("filter_in", h, layer.filter_in.weight, layer.filter_in.scale)
    block = options["BLOCK_N"]
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
        **options,
    )
    return v, y, x, arrivals


def filter_out(layer: SlotLayer, y: torch.Tensor, x: torch.Tensor, rows: Rows) -> torch.Tensor:
    """Second convolution and residual, its state likewise: y (M, H / 2), x (M, H) to u (M, H)."""
    num_rows, width = x.shape
    u = torch.empty_like(x)
    options = tiling("filter_out", y, layer.filter_out.weight, layer.filter_out.scale)
    # Its input has no norm.
    del options["NORM"]
    filter_out_kernel[(triton.cdiv(width, options["BLOCK_N"] // 2),)](
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
        **options,
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
    split, block = splits(num_rows * heads)
    block_d = triton.next_power_of_2(size)
    parts = triton.cdiv(context, split)
    a = torch.empty_like(v)
    mixes = torch.empty((num_rows, heads, parts, block_d), dtype=torch.float32, device=v.device)
    sums = torch.empty((num_rows, heads, parts, 2), dtype=torch.float32, device=v.device)
    attend_kernel[(num_rows, heads, parts)](
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
        SPLITS=parts,
        BLOCK_S=triton.next_power_of_2(parts),
        SCALE=size**-0.5,
        num_warps=4,
        **overlap(num_rows, v.device),
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
    options = tiling("gate_up", h, layer.gate_up.weight, layer.gate_up.scale)
    gate_up_kernel[(triton.cdiv(inner, options["BLOCK_N"] // 2),)](
        h,
        layer.post_norm,
        layer.gate_up.weight,
        _scale(layer.gate_up),
        g,
        num_rows,
        layer.eps,
        F=inner,
        K=width,
        **options,
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
