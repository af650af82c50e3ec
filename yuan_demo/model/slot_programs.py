# ruff: noqa: N803, N806 - capitals are constants of a compiled program, as everywhere in Triton
"""The Triton programs of a decode step in slots; `slot_kernels` says what each one computes.

Every product of the step runs through `slot_product`: BLOCK_N rows of a weight times all rows of
the batch. A step for few visitors is bound by reading the weights once, so everything small rides
along with a product: the two halves of a convolution or of a gated layer, residuals, states, and
with one row the norm. With more rows the norm goes first, in a kernel of its own: a tile that is
changed on its way to the tensor cores keeps the copies from running ahead of the products
(16 rows, width 2048: 20.9 us for 16.8 MB with the norm inside, 10.4 without).

Names: M rows of the batch, N and K rows and columns of a weight; PDL says that the programs are
launched with programmatic dependent launch. They then start while those of the kernel before still
run, and may read what no kernel of the step writes (weights, and what earlier steps left in the
caches), but nothing else before `gdc_wait`. Every kernel waits, so all of them before it are
complete then.
"""

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

from yuan_demo.model.slot_product import multiply, split_pairs, start_multiply

STATE_BLOCK = tl.constexpr(16)
"""So many positions share an entry of the states."""


@triton.jit
def norm_kernel(x, norm, out, eps, K: tl.constexpr, BLOCK_K: tl.constexpr):
    """out = rmsnorm(x), a program for each row (K,)."""
    columns = tl.arange(0, BLOCK_K)
    mask = columns < K
    gain = tl.load(norm + columns, mask=mask, other=0).to(tl.float32)
    places = tl.program_id(0) * K + columns
    line = tl.load(x + places, mask=mask, other=0).to(tl.float32)
    line *= tl.rsqrt(tl.sum(line * line, 0) / K + eps)
    tl.store(out + places, (line * gain).to(out.dtype.element_ty), mask=mask)


@triton.jit
def project_kernel(
    x,
    norm,
    weight,
    scale,
    residual,
    out,
    M,
    eps,
    N: tl.constexpr,
    K: tl.constexpr,
    NORM: tl.constexpr,
    SCALED: tl.constexpr,
    RESIDUAL: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    WAYS: tl.constexpr,
    PDL: tl.constexpr,
):
    """out (M, N) = x, normed where NORM, times the weight, plus the residual where RESIDUAL."""
    if PDL:
        gdc_launch_dependents()
    columns = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    rows = tl.minimum(columns, N - 1)
    lines = tl.arange(0, BLOCK_M)[:, None]
    places = lines.to(tl.int64) * N + columns[None, :]
    mask = (lines < M) & (columns < N)[None, :]
    started = start_multiply(weight, norm, rows, K, NORM, BLOCK_M, BLOCK_K)
    if PDL:
        gdc_wait()
    if RESIDUAL:
        rest = tl.load(residual + places, mask=mask, other=0).to(tl.float32)
    product, _ = multiply(
        started,
        x,
        norm,
        weight,
        scale,
        rows,
        M,
        eps,
        K,
        NORM,
        SCALED,
        BLOCK_M,
        BLOCK_N,
        BLOCK_K,
        WAYS,
    )
    if RESIDUAL:
        product += rest
    tl.store(out + places, product.to(out.dtype.element_ty), mask=mask)


@triton.jit
def gate_up_kernel(
    x,
    norm,
    weight,
    scale,
    out,
    M,
    eps,
    F: tl.constexpr,
    K: tl.constexpr,
    NORM: tl.constexpr,
    SCALED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    WAYS: tl.constexpr,
    PDL: tl.constexpr,
):
    """out (M, F) = gate times silu(up): a program takes BLOCK_N / 2 rows of each half."""
    if PDL:
        gdc_launch_dependents()
    begin = tl.program_id(0) * (BLOCK_N // 2)
    spread = tl.arange(0, BLOCK_N)
    rows = tl.minimum(begin + spread // 2, F - 1) + (spread % 2) * F
    started = start_multiply(weight, norm, rows, K, NORM, BLOCK_M, BLOCK_K)
    if PDL:
        gdc_wait()
    product, _ = multiply(
        started,
        x,
        norm,
        weight,
        scale,
        rows,
        M,
        eps,
        K,
        NORM,
        SCALED,
        BLOCK_M,
        BLOCK_N,
        BLOCK_K,
        WAYS,
    )
    gate, up = split_pairs(product, BLOCK_M, BLOCK_N)
    columns = begin + tl.arange(0, BLOCK_N // 2)
    lines = tl.arange(0, BLOCK_M)[:, None]
    result = gate * up / (1 + tl.exp(-up))
    tl.store(
        out + lines * F + columns[None, :],
        result.to(out.dtype.element_ty),
        mask=(lines < M) & (columns < F)[None, :],
    )


@triton.jit
def _state_places(slots, positions, lines, M, WIDTH: tl.constexpr, ENTRIES: tl.constexpr):
    """Of each row: where the last token's entry begins, whether it has one, where its own begins.

    Both entries may be the same, so `_write_state` goes after the reading of the former.
    """
    slot = tl.load(slots + lines, mask=lines < M, other=0).to(tl.int64)
    position = tl.load(positions + lines, mask=lines < M, other=0)
    before = slot * ENTRIES + (tl.maximum(position, 1) - 1) // STATE_BLOCK
    after = slot * ENTRIES + position // STATE_BLOCK
    return before * WIDTH, position > 0, after * WIDTH


@triton.jit
def _write_state(pointers, current, mask):
    # No thread may write before all have read.
    tl.debug_barrier()
    tl.store(pointers, current, mask=mask)


@triton.jit
def filter_in_kernel(
    h,
    norm,
    weight,
    scale,
    bias,
    state,
    slots,
    positions,
    v,
    y,
    x,
    arrivals,
    M,
    eps,
    ARRIVALS: tl.constexpr,
    H: tl.constexpr,
    ENTRIES: tl.constexpr,
    NORM: tl.constexpr,
    SCALED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    WAYS: tl.constexpr,
    PDL: tl.constexpr,
):
    """The first programs make v (M, H), and x = rmsnorm(h) where NORM; the others y (M, H / 2)."""
    if PDL:
        gdc_launch_dependents()
    VALUES: tl.constexpr = (H + BLOCK_N - 1) // BLOCK_N
    NARROW: tl.constexpr = H // 2
    program = tl.program_id(0)
    spread = tl.arange(0, BLOCK_N)
    begin = (program - VALUES) * (BLOCK_N // 2)
    if program < VALUES:
        rows = tl.minimum(program * BLOCK_N + spread, H - 1)
    else:
        rows = H + tl.minimum(begin + spread // 2, NARROW - 1) + (spread % 2) * NARROW
    started = start_multiply(weight, norm, rows, H, NORM, BLOCK_M, BLOCK_K)
    lines = tl.arange(0, BLOCK_M)[:, None]
    # The two kinds of program need different things besides; a false mask loads nothing.
    columns = (program * BLOCK_N + spread)[None, :]
    mask = (lines < M) & (columns < H)
    narrow = (begin + tl.arange(0, BLOCK_N // 2))[None, :]
    inside = (lines < M) & (narrow >= 0) & (narrow < NARROW)
    before, follows, after = _state_places(slots, positions, lines, M, NARROW, ENTRIES)
    shift = tl.load(state + before + narrow, mask=inside & follows, other=0)
    shift += tl.load(bias + narrow, mask=(narrow >= 0) & (narrow < NARROW), other=0).to(tl.float32)
    if NORM:
        gain = tl.load(norm + columns, mask=columns < H, other=0).to(tl.float32)
    if PDL:
        gdc_wait()
    if NORM:
        own = tl.load(h + lines * H + columns, mask=mask, other=0).to(tl.float32)
    product, inverse = multiply(
        started,
        h,
        norm,
        weight,
        scale,
        rows,
        M,
        eps,
        H,
        NORM,
        SCALED,
        BLOCK_M,
        BLOCK_N,
        BLOCK_K,
        WAYS,
    )
    if program < VALUES:
        places = lines * H + columns
        tl.store(v + places, product.to(v.dtype.element_ty), mask=mask)
        if NORM:
            normed = own * inverse[:, None] * gain
            tl.store(x + places, normed.to(x.dtype.element_ty), mask=mask)
        if program == 0:
            # `attend` counts in here; it needs no memory that outlives the step this way.
            for first in tl.static_range(0, ARRIVALS, 1024):
                counters = first + tl.arange(0, 1024)
                zeros = tl.zeros([1024], tl.int32)
                tl.store(arrivals + counters, zeros, mask=counters < ARRIVALS)
    else:
        now, later = split_pairs(product, BLOCK_M, BLOCK_N)
        _write_state(state + after + narrow, later, inside)
        tl.store(y + lines * NARROW + narrow, (now + shift).to(y.dtype.element_ty), mask=inside)


@triton.jit
def filter_out_kernel(
    y,
    weight,
    scale,
    bias,
    state,
    slots,
    positions,
    x,
    u,
    M,
    H: tl.constexpr,
    ENTRIES: tl.constexpr,
    SCALED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    WAYS: tl.constexpr,
    PDL: tl.constexpr,
):
    """u (M, H): the second convolution and its residual x."""
    if PDL:
        gdc_launch_dependents()
    begin = tl.program_id(0) * (BLOCK_N // 2)
    spread = tl.arange(0, BLOCK_N)
    rows = tl.minimum(begin + spread // 2, H - 1) + (spread % 2) * H
    columns = (begin + tl.arange(0, BLOCK_N // 2))[None, :]
    lines = tl.arange(0, BLOCK_M)[:, None]
    mask = (lines < M) & (columns < H)
    started = start_multiply(weight, y, rows, H // 2, False, BLOCK_M, BLOCK_K)
    before, follows, after = _state_places(slots, positions, lines, M, H, ENTRIES)
    shift = tl.load(state + before + columns, mask=mask & follows, other=0)
    shift += tl.load(bias + columns, mask=columns < H, other=0).to(tl.float32)
    if PDL:
        gdc_wait()
    shift += tl.load(x + lines * H + columns, mask=mask, other=0).to(tl.float32)
    product, _ = multiply(
        started,
        y,
        y,
        weight,
        scale,
        rows,
        M,
        0.0,
        H // 2,
        False,
        SCALED,
        BLOCK_M,
        BLOCK_N,
        BLOCK_K,
        WAYS,
    )
    now, later = split_pairs(product, BLOCK_M, BLOCK_N)
    _write_state(state + after + columns, later, mask)
    tl.store(u + lines * H + columns, (now + shift).to(u.dtype.element_ty), mask=mask)
