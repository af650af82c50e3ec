# ruff: noqa: N803 - capitals are constants of a compiled program, as everywhere in Triton
"""The Triton program of attention over one slot per row; `slot_kernels.attend` launches it."""

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait


@triton.jit
def _absorb(key, value, times, end, query, top, total, mixed):
    """One block of keys and values more in a running softmax over the positions before `end`."""
    scores = tl.sum(key.to(tl.float32) * query[None, :], 1)
    scores = tl.where(times < end, scores, float("-inf"))
    higher = tl.maximum(top, tl.max(scores, 0))
    shrink = tl.exp2(top - higher)
    weights = tl.exp2(scores - higher)
    total = total * shrink + tl.sum(weights, 0)
    mixed = mixed * shrink + tl.sum(weights[:, None] * value.to(tl.float32), 0)
    return higher, total, mixed


@triton.jit
def attend_kernel(
    qk,
    v,
    keys,
    values,
    slots,
    positions,
    cos,
    sin,
    a,
    mixes,
    sums,
    arrivals,
    HEADS: tl.constexpr,
    CONTEXT: tl.constexpr,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    SPLIT: tl.constexpr,
    BLOCK_T: tl.constexpr,
    SPLITS: tl.constexpr,
    BLOCK_S: tl.constexpr,
    SCALE: tl.constexpr,
    PDL: tl.constexpr,
):
    """A program attends from one head of one row to SPLIT positions of its slot.

    The program whose positions hold the token's own turns the key, writes key and value to the
    cache and takes both from registers. Whoever comes last of a head joins the shares of all.
    """
    if PDL:
        gdc_launch_dependents()
    row, head, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    position = tl.load(positions + row)
    begin = split * SPLIT
    if begin > position:
        return
    live = (position // SPLIT + 1).to(tl.int32)
    end = tl.minimum(begin + SPLIT, position)

    slot = tl.load(slots + row).to(tl.int64)
    base = (slot * HEADS + head) * CONTEXT * D
    d = tl.arange(0, BLOCK_D)
    inside = d < D
    times = begin + tl.arange(0, BLOCK_T)
    places = base + times[:, None] * D + d[None, :]
    # What earlier steps left may be read while the kernel before still runs.
    mask = (times < end)[:, None] & inside[None, :]
    key = tl.load(keys + places, mask=mask, other=0)
    value = tl.load(values + places, mask=mask, other=0)
    angles = position * (D // 2) + d % (D // 2)
    cosine = tl.load(cos + angles, mask=inside, other=0).to(tl.float32)
    sine = tl.load(sin + angles, mask=inside, other=0).to(tl.float32)
    sine = tl.where(d < D // 2, -sine, sine)
    if PDL:
        gdc_wait()

    own = qk + (row * HEADS + head) * 2 * D
    partner = (d + D // 2) % D
    query = tl.load(own + d, mask=inside, other=0).to(tl.float32) * cosine
    query += tl.load(own + partner, mask=inside, other=0).to(tl.float32) * sine
    # Base 2: exp2 is one instruction.
    query *= SCALE * 1.4426950408889634

    top = tl.full([], float("-inf"), tl.float32)
    total = tl.zeros([], tl.float32)
    mixed = tl.zeros([BLOCK_D], tl.float32)
    if split == live - 1:
        new = tl.load(own + D + d, mask=inside, other=0).to(tl.float32) * cosine
        new += tl.load(own + D + partner, mask=inside, other=0).to(tl.float32) * sine
        new = new.to(keys.dtype.element_ty)
        newest = tl.load(v + (row * HEADS + head) * D + d, mask=inside, other=0)
        place = base + position * D + d
        tl.store(keys + place, new, mask=inside)
        tl.store(values + place, newest.to(values.dtype.element_ty), mask=inside)
        top = tl.sum(new.to(tl.float32) * query, 0)
        total = total + 1
        mixed = newest.to(tl.float32)

    if SPLIT == BLOCK_T:
        top, total, mixed = _absorb(key, value, times, end, query, top, total, mixed)
    else:
        for _ in tl.range(begin, end, BLOCK_T):
            now_key, now_value, now_times = key, value, times
            times += BLOCK_T
            places += BLOCK_T * D
            mask = (times < end)[:, None] & inside[None, :]
            key = tl.load(keys + places, mask=mask, other=0)
            value = tl.load(values + places, mask=mask, other=0)
            top, total, mixed = _absorb(
                now_key, now_value, now_times, end, query, top, total, mixed
            )

    out = a + (row * HEADS + head) * D + d
    if live == 1:
        tl.store(out, (mixed / total).to(a.dtype.element_ty), mask=inside)
    else:
        share = (row * HEADS + head) * SPLITS
        tl.store(mixes + (share + split) * BLOCK_D + d, mixed)
        tl.store(sums + (share + split) * 2, top)
        tl.store(sums + (share + split) * 2 + 1, total)
        # All threads have stored before one of them counts the share as there.
        tl.debug_barrier()
        arrived = tl.atomic_add(arrivals + row * HEADS + head, 1, sem="acq_rel", scope="gpu")
        if arrived == live - 1:
            s = tl.arange(0, BLOCK_S)
            there = s < live
            # .cg: past L1, which knows nothing of what other multiprocessors wrote.
            tops = tl.load(
                sums + (share + s) * 2, mask=there, other=float("-inf"), cache_modifier=".cg"
            )
            totals = tl.load(sums + (share + s) * 2 + 1, mask=there, other=0, cache_modifier=".cg")
            parts = tl.load(
                mixes + (share + s)[:, None] * BLOCK_D + d[None, :],
                mask=there[:, None],
                other=0,
                cache_modifier=".cg",
            )
            weights = tl.exp2(tops - tl.max(tops, 0))
            joined = tl.sum(parts * weights[:, None], 0) / tl.sum(totals * weights, 0)
            tl.store(out, joined.to(a.dtype.element_ty), mask=inside)
