# ruff: noqa: N803, N806 - capitals are constants of a compiled program, as everywhere in Triton
"""The Triton programs of a decode step in slots; `slot_kernels` says what each one computes.

Every product of the step runs through `_product`: BLOCK_N rows of a weight times all rows of the
batch. A step for few visitors is bound by reading the weights once, so everything small rides
along with a product: the norm before it, the two halves of a convolution or of a gated layer,
residuals, states.

Names: M rows of the batch, N and K rows and columns of a weight; PDL says that the programs are
launched with programmatic dependent launch. They then start while those of the kernel before still
run, and may read what no kernel of the step writes (weights, and what earlier steps left in the
caches), but nothing else before `gdc_wait`. Every kernel waits, so all of them before it are
complete then.
"""

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

EARLY = tl.constexpr(1)
LATE = tl.constexpr(2)
STATE_BLOCK = tl.constexpr(16)
"""So many positions share an entry of the states."""


@triton.jit
def _weight_tile(weight, rows, first, K: tl.constexpr, BLOCK_K: tl.constexpr):
    """Columns first..first + BLOCK_K - 1 of the rows; nobody else wants them, so not kept in L2."""
    columns = first + tl.arange(0, BLOCK_K)
    pointers = weight + rows.to(tl.int64)[:, None] * K + columns[None, :]
    if K % BLOCK_K == 0:
        return tl.load(pointers, eviction_policy="evict_first")
    return tl.load(pointers, mask=columns[None, :] < K, other=0, eviction_policy="evict_first")


@triton.jit
def _vector(pointer, first, K: tl.constexpr, BLOCK_K: tl.constexpr):
    columns = first + tl.arange(0, BLOCK_K)
    if K % BLOCK_K == 0:
        return tl.load(pointer + columns)
    return tl.load(pointer + columns, mask=columns < K, other=0)


@triton.jit
def _early(
    weight,
    norm,
    rows,
    K: tl.constexpr,
    NORM: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """The first tile of the weight and of the norm where one row is computed.

    To be called before `gdc_wait`, so that they are on their way to registers while the kernel
    before still runs. With more rows tiles go through shared memory, and nothing is gained: asking
    for them in L2 ahead made a step of 16 rows slower.
    """
    tile, gain = rows, rows
    if BLOCK_M == 1:
        tile = _weight_tile(weight, rows, 0, K, BLOCK_K)
        if NORM:
            gain = _vector(norm, 0, K, BLOCK_K).to(tl.float32)
    return tile, gain


@triton.jit
def _product(
    early,
    x,
    norm,
    weight,
    scale,
    rows,
    M,
    eps,
    K: tl.constexpr,
    NORM: tl.constexpr,
    SCALED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    WAYS: tl.constexpr,
):
    """x (M, K), normed where NORM, times the given rows of the weight: float32 (BLOCK_M, BLOCK_N).

    NORM is for one row only and takes no pass of its own: the sum of squares is gathered along the
    way, and the product divided at the end. Also returns that divisor's inverse, 1 without a norm.
    WAYS: 0 takes the weight as the first operand, which 64 rows of it make a warpgroup product; 1
    the second; more cut every tile into so many pieces of K, a warp for each, since one warp's
    chain of dependent products would take longer than the reading.
    """
    inverse = tl.full([BLOCK_M], 1, tl.float32)
    if BLOCK_M == 1:
        # Multiply and add in float32; the tile that comes next is under way while this one is used.
        tile, gain = early
        sums = tl.zeros([BLOCK_N, BLOCK_K], tl.float32)
        powers = tl.zeros([BLOCK_K], tl.float32)
        for first in tl.static_range(0, K, BLOCK_K):
            line = _vector(x, first, K, BLOCK_K).to(tl.float32)
            current = tile
            if first + BLOCK_K < K:
                tile = _weight_tile(weight, rows, first + BLOCK_K, K, BLOCK_K)
            if NORM:
                powers += line * line
                line *= gain
                if first + BLOCK_K < K:
                    gain = _vector(norm, first + BLOCK_K, K, BLOCK_K).to(tl.float32)
            sums += current.to(tl.float32) * line[None, :]
        product = tl.sum(sums, 1)[None, :]
        if NORM:
            inverse = tl.full([1], 1, tl.float32) * tl.rsqrt(tl.sum(powers, 0) / K + eps)
            product *= inverse[:, None]
    elif WAYS > 1:
        PIECE: tl.constexpr = BLOCK_K // WAYS
        columns = tl.arange(0, WAYS)[:, None, None] * PIECE + tl.arange(0, PIECE)[None, None, :]
        lines = tl.arange(0, BLOCK_M)[None, :, None]
        sums = tl.zeros([WAYS, BLOCK_M, BLOCK_N], tl.float32)
        for first in tl.range(0, K, BLOCK_K):
            mask = lines < M
            if K % BLOCK_K != 0:
                mask = mask & (first + columns < K)
            tile = tl.load(x + lines * K + first + columns, mask=mask, other=0)
            other = weight + rows.to(tl.int64)[None, :, None] * K + first + columns
            if K % BLOCK_K == 0:
                other = tl.load(other, eviction_policy="evict_first")
            else:
                inside = first + columns < K
                other = tl.load(other, mask=inside, other=0, eviction_policy="evict_first")
            other = tl.permute(other.to(tile.dtype), (0, 2, 1))
            sums = tl.dot(tile, other, sums, input_precision="ieee")
        product = tl.sum(sums, 0)
    else:
        lines = tl.arange(0, BLOCK_M)[:, None]
        columns = tl.arange(0, BLOCK_K)[None, :]
        if WAYS == 0:
            sums = tl.zeros([BLOCK_N, BLOCK_M], tl.float32)
        else:
            sums = tl.zeros([BLOCK_M, BLOCK_N], tl.float32)
        for first in tl.range(0, K, BLOCK_K):
            mask = lines < M
            if K % BLOCK_K != 0:
                mask = mask & (first + columns < K)
            tile = tl.load(x + lines * K + first + columns, mask=mask, other=0)
            other = _weight_tile(weight, rows, first, K, BLOCK_K).to(tile.dtype)
            if WAYS == 0:
                sums = tl.dot(other, tile.T, sums, input_precision="ieee")
            else:
                sums = tl.dot(tile, other.T, sums, input_precision="ieee")
        product = sums.T if WAYS == 0 else sums
    if SCALED:
        product *= tl.load(scale + rows).to(tl.float32)[None, :]
    return product, inverse


@triton.jit
def norm_kernel(x, norm, out, eps, K: tl.constexpr, BLOCK_K: tl.constexpr, PDL: tl.constexpr):
    """out = rmsnorm(x), a program for each row (K,)."""
    if PDL == EARLY:
        gdc_launch_dependents()
    columns = tl.arange(0, BLOCK_K)
    mask = columns < K
    gain = tl.load(norm + columns, mask=mask, other=0).to(tl.float32)
    if PDL:
        gdc_wait()
    places = tl.program_id(0) * K + columns
    line = tl.load(x + places, mask=mask, other=0).to(tl.float32)
    if PDL == LATE:
        gdc_launch_dependents()
    line *= tl.rsqrt(tl.sum(line * line, 0) / K + eps)
    tl.store(out + places, (line * gain).to(out.dtype.element_ty), mask=mask)


@triton.jit
def _split_pairs(product, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    """Even and odd columns of a product over interleaved rows."""
    return tl.split(tl.reshape(product, [BLOCK_M, BLOCK_N // 2, 2]))


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
    if PDL == EARLY:
        gdc_launch_dependents()
    columns = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    rows = tl.minimum(columns, N - 1)
    lines = tl.arange(0, BLOCK_M)[:, None]
    places = lines.to(tl.int64) * N + columns[None, :]
    mask = (lines < M) & (columns < N)[None, :]
    early = _early(weight, norm, rows, K, NORM, BLOCK_M, BLOCK_K)
    if PDL:
        gdc_wait()
    if RESIDUAL:
        rest = tl.load(residual + places, mask=mask, other=0).to(tl.float32)
    product, _ = _product(
        early,
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
    if PDL == LATE:
        gdc_launch_dependents()
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
    if PDL == EARLY:
        gdc_launch_dependents()
    begin = tl.program_id(0) * (BLOCK_N // 2)
    spread = tl.arange(0, BLOCK_N)
    rows = tl.minimum(begin + spread // 2, F - 1) + (spread % 2) * F
    early = _early(weight, norm, rows, K, NORM, BLOCK_M, BLOCK_K)
    if PDL:
        gdc_wait()
    product, _ = _product(
        early,
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
    if PDL == LATE:
        gdc_launch_dependents()
    gate, up = _split_pairs(product, BLOCK_M, BLOCK_N)
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
    if PDL == EARLY:
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
    early = _early(weight, norm, rows, H, NORM, BLOCK_M, BLOCK_K)
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
    product, inverse = _product(
        early,
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
    if PDL == LATE:
        gdc_launch_dependents()
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
        now, later = _split_pairs(product, BLOCK_M, BLOCK_N)
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
    if PDL == EARLY:
        gdc_launch_dependents()
    begin = tl.program_id(0) * (BLOCK_N // 2)
    spread = tl.arange(0, BLOCK_N)
    rows = tl.minimum(begin + spread // 2, H - 1) + (spread % 2) * H
    columns = (begin + tl.arange(0, BLOCK_N // 2))[None, :]
    lines = tl.arange(0, BLOCK_M)[:, None]
    mask = (lines < M) & (columns < H)
    early = _early(weight, y, rows, H // 2, False, BLOCK_M, BLOCK_K)
    before, follows, after = _state_places(slots, positions, lines, M, H, ENTRIES)
    shift = tl.load(state + before + columns, mask=mask & follows, other=0)
    shift += tl.load(bias + columns, mask=columns < H, other=0).to(tl.float32)
    if PDL:
        gdc_wait()
    shift += tl.load(x + lines * H + columns, mask=mask, other=0).to(tl.float32)
    product, _ = _product(
        early,
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
    if PDL == LATE:
        gdc_launch_dependents()
    now, later = _split_pairs(product, BLOCK_M, BLOCK_N)
    _write_state(state + after + columns, later, mask)
    tl.store(u + lines * H + columns, (now + shift).to(u.dtype.element_ty), mask=mask)
