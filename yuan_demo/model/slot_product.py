# ruff: noqa: N803, N806 - capitals are constants of a compiled program, as everywhere in Triton
"""The product that all programs of a decode step are made of; names as in `slot_programs`."""

import triton
import triton.language as tl


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
def start_multiply(
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
    before still runs. With more rows tiles go through shared memory, where only the loop can put
    them; asking for them in L2 ahead made a step of 16 rows slower (5.36 ms for 4.87).
    """
    tile, gain = rows, rows
    if BLOCK_M == 1:
        tile = _weight_tile(weight, rows, 0, K, BLOCK_K)
        if NORM:
            gain = _vector(norm, 0, K, BLOCK_K).to(tl.float32)
    return tile, gain


@triton.jit
def multiply(
    started,
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
        tile, gain = started
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
def split_pairs(product, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    """Even and odd columns of a product over interleaved rows."""
    return tl.split(tl.reshape(product, [BLOCK_M, BLOCK_N // 2, 2]))
