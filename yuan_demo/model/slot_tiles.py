"""Tile sizes of the kernels of a decode step, found on an H100, and what depends on the card."""

from functools import cache
from typing import Any

import torch
import triton

MAX_ROWS = 64

Tile = tuple[int, int, int, int, int]
TILES: dict[str, dict[int, Tile]] = {
    "filter_in": {
        1: (4, 1024, 4, 1, 1),
        16: (64, 128, 4, 6, 0),
        32: (64, 128, 4, 5, 0),
        64: (32, 128, 4, 5, 1),
    },
    "filter_out": {
        1: (4, 1024, 2, 1, 1),
        16: (64, 128, 4, 6, 0),
        32: (64, 128, 4, 5, 0),
        64: (32, 128, 4, 5, 1),
    },
    "query_key": {
        1: (8, 1024, 4, 1, 1),
        16: (64, 128, 4, 6, 0),
        32: (64, 128, 4, 5, 0),
        64: (32, 128, 4, 5, 1),
    },
    "output": {
        1: (2, 2048, 8, 1, 1),
        16: (16, 256, 4, 6, 4),
        32: (16, 256, 4, 4, 1),
        64: (16, 128, 4, 6, 1),
    },
    "gate_up": {
        1: (2, 1024, 4, 1, 1),
        16: (64, 128, 4, 3, 0),
        32: (64, 128, 4, 4, 0),
        64: (128, 128, 8, 3, 0),
    },
    "down": {
        1: (2, 4096, 8, 1, 1),
        16: (16, 256, 4, 6, 4),
        32: (16, 256, 4, 4, 1),
        64: (16, 128, 4, 8, 1),
    },
    "head": {
        1: (4, 1024, 4, 1, 1),
        16: (128, 128, 4, 3, 0),
        32: (128, 128, 8, 3, 0),
        64: (128, 128, 8, 3, 0),
    },
}
"""By rows of the batch: rows and columns of a weight that a program takes at a time, its warps,
pipeline stages and ways (`slot_product.multiply`).

The best of 5 to 13 each in chains over the 24 layers of a model of width 2048, bfloat16, on an
H100; with one row, chosen by the time of the whole step.
"""

INT8_TILES: dict[str, Tile] = {
    "filter_in": (16, 2048, 8, 1, 1),
    "query_key": (8, 2048, 8, 1, 1),
    "output": (4, 2048, 8, 1, 1),
    "gate_up": (8, 2048, 8, 1, 1),
}
"""Where int8 weights and one row want larger tiles; each measured by itself, not in a step."""


def padded_rows(rows: int) -> int:
    """The rows that the kernels compute with for a batch of so many: 1, 16, 32 or 64.

    Raises:
        ValueError: the batch is empty or larger than 64.
    """
    if not 1 <= rows <= MAX_ROWS:
        raise ValueError(f"A decode step takes 1 to {MAX_ROWS} rows, got {rows}.")
    return next(size for size in (1, 16, 32, 64) if rows <= size)


@cache
def _card(device: torch.device) -> tuple[bool, int]:
    """Whether kernels of a device can overlap, and bytes of shared memory for pipeline stages."""
    if device.type != "cuda":
        return False, 230_000
    properties = torch.cuda.get_device_properties(device)
    # Some is left for what a program exchanges besides.
    return properties.major >= 9, getattr(properties, "shared_memory_per_block_optin", 49152) - 2048


def overlap(rows: int, device: torch.device) -> dict[str, bool]:
    """Whether kernels start before the one before is complete.

    With one row that turns a step of 1.89 ms into 1.56. With more it gains nothing (3.12 ms for
    3.06 at 16 rows, 4.71 for 4.23 at 32): programs that start early crowd on the multiprocessors
    that happen to be free, where a fresh launch spreads them evenly.
    """
    early = rows == 1 and _card(device)[0]
    return {"PDL": early, "launch_pdl": early}


def tiling(
    name: str, x: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor | None
) -> dict[str, Any]:
    """Constants and launch options of the product of x (M, K) and a weight (N, K)."""
    rows, width = x.shape
    block_m = padded_rows(rows)
    tile = TILES[name][block_m]
    if rows == 1 and scale is not None:
        tile = INT8_TILES.get(name, tile)
    block_n, block_k, warps, stages, ways = tile
    # The table was made for two bytes a number; four take the same shared memory this way.
    if x.element_size() == 4 and rows > 1:
        block_k //= 2
    block_k = min(block_k, max(64, triton.next_power_of_2(width)))
    # Other cards have less shared memory than an H100: fewer stages there, untried.
    stage = block_k * (block_n * weight.element_size() + block_m * x.element_size())
    return {
        "NORM": rows == 1,
        "SCALED": scale is not None,
        "BLOCK_M": block_m,
        "BLOCK_N": block_n,
        "BLOCK_K": block_k,
        "WAYS": ways,
        "num_warps": warps,
        "num_stages": max(1, min(stages, _card(x.device)[1] // stage)),
        **overlap(rows, x.device),
    }


def splits(programs: int) -> tuple[int, int]:
    """Positions of a split of attention and of a block of it, for so many heads of all rows.

    Splits only fill the card: from 512 programs on, none is best (16 and 64 rows of 32 heads over
    1,009 positions, 49 us at 2.7 TB/s and 180 us at 2.9); one row takes 5.6 us with 8 splits.
    """
    if programs <= 64:
        return 128, 128
    return (256, 64) if programs <= 128 else (512, 64) if programs <= 256 else (1024, 64)
