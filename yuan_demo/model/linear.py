"""Linear layers for decoding: weights as they are, laid out once for the CPU, int8, or int4.

Decoding one token reads every weight once, so its speed is the bytes of the weights over what the
kernel gets of the memory's bandwidth. `make_linear` chooses a layer for one weight; all of them map
(..., K) to (..., N), have no bias, and answer in the dtype they were asked in.

    kind      CPU                                            other devices
    "none"    F.linear                                       F.linear
    "auto"    laid out once where the processor can,         F.linear
              else F.linear: same weights, no loss;
              small float32 weights: W X^T
    "int8"    int8 with a scale per row                      int8, widened in each call
    "int4"    int4 with a scale and zero per group; int8     refused
              where no group divides K

The quantized CPU kernels compute in bfloat16: a model with them should be bfloat16 on a CPU. They
take float32 and float16 too, and round the input, which costs a copy and the last digits.

Memory: a layer other than `PlainLinear` keeps no reference to the weight it was made from. A caller
that drops its own after each layer (`module.weight = None`, and the tensor of a state dict) holds
one model and one matrix at a time, never two models.

Shapes: N outputs, K inputs, M rows of activations, g weights per group.
"""

import logging
from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the name that everybody gives it

from yuan_demo.core.errors import SettingsError

logger = logging.getLogger(__name__)

KINDS = ("auto", "none", "int8", "int4")
GROUPS = (128, 64, 32)
"""Weights that share a scale in int4, the largest first: the kernel knows these."""

SWAPPED_BELOW = 2**22
"""Weights of a matrix up to which `SwappedLinear` is faster; one of [16384, 2048] takes longer."""

_SWAPPED_ROWS = 4

_CHUNK = 2**19
"""Weights converted at a time: float32 temporaries of 2 MB each, whatever the matrix."""

_INT4_ROWS = 16
"""The int4 kernel wants N in such multiples."""

_INT4_BLOCK = 64
"""Rows that it packs together: parts of so many can be packed one by one and joined."""

_SHRINKS = (1.0, 0.9)
"""Shares of a group's range that are tried in int4; see `Int4Linear` for what they are worth."""


class PlainLinear(nn.Module):
    """`F.linear` with the weight as it is: may be a view of memory that others use too."""

    scale = None
    """Of int8 weights; here the weights are what they are."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        _require_matrix(weight)
        self.register_buffer("weight", weight.detach(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (..., K) to (..., N)."""
        return F.linear(x, self.weight)


class SwappedLinear(PlainLinear):
    """For small float32 weights on a CPU: W X^T in place of X W^T, for up to `_SWAPPED_ROWS` rows.

    The same sums; but MKL takes the first for a product of matrices and the second for one of a
    matrix and a few vectors, which on an AMD EPYC with AVX2 it reads at a half or a third of the
    memory's speed. All matrices of the embedded model (46 MB, so no cache holds them), one thread:
    one row, doubled so that it is a matrix, 3.1 ms against 5.3 ms; two rows 3.1 against 7.2; four
    4.1 against 6.7; eight are even. Large matrices gain nothing: see `SWAPPED_BELOW`.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (..., K) to (..., N)."""
        if x.ndim != 2 or len(x) > _SWAPPED_ROWS:
            return F.linear(x, self.weight)
        if len(x) == 1:
            return torch.mm(self.weight, torch.cat([x, x]).t())[None, :, 0]
        return torch.mm(self.weight, x.t()).t()


class PrepackedLinear(nn.Module):
    """The same weights in oneDNN's layout for a CPU, laid out once and not in every call.

    No weight is rounded; sums are added in another order. Measured against `F.linear` in float32
    with M = 1, 4, 16 and 128: at most 4e-4 where outputs reach 400, that is a relative 1e-6; not
    equal to the last bit.

    In float32 it gains although nothing was laid out in each call: `F.linear` is MKL there, which
    on an AMD EPYC with AVX2 reads [2048, 8192] in 3.5 ms with one thread or two, oneDNN in 1.7 ms
    with two (M = 1; with M = 4 8.1 ms and 3.8 ms). At [640, 320] and one thread they are level.

    Args:
        weight: [N, K] on the CPU, of a dtype that `prepack_obstacle` has nothing against.
    """

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        _require_matrix(weight)
        # No buffer: oneDNN tensors can neither be moved nor saved, and `.to()` would try. Laid out
        # for M = 1: without that hint single rows take 1.4 times as long, four rows 0.8 times.
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (..., K) to (..., N); `x` has the dtype of the weight."""
        return torch.ops.mkldnn._linear_pointwise(x, self._packed, None, "none", [], "")


class Int8Linear(nn.Module):
    """int8 weights, one scale per row: half of bfloat16's bytes, on every device.

    Attributes:
        weight: int8 [N, K], in -127 to 127.
        scale: bfloat16 [N]; row n is about `weight[n] * scale[n]`.

    The weights are rounded with the scale as bfloat16 has it, so its own rounding costs nothing.
    `relative_error` of normal weights with K = 2048: 0.0084.
    """

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        _require_matrix(weight)
        weight = weight.detach()
        scale = (weight.abs().amax(1).float() / 127).bfloat16()
        # A row of zeros has no scale; any will do.
        scale[scale == 0] = 1
        rounded = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)
        for rows in _chunks(weight):
            quotient = weight[rows].float() / scale[rows, None].float()
            rounded[rows] = quotient.round_().clamp_(-127, 127)
        self.register_buffer("weight", rounded, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (..., K) to (..., N)."""
        if x.device.type != "cpu":
            return F.linear(x, self.weight.to(x.dtype)) * self.scale.to(x.dtype)
        # Only in bfloat16 is the kernel fast: float32 rows took 3 to 10 times as long.
        rows = x.reshape(-1, x.shape[-1]).to(torch.bfloat16).contiguous()
        product = torch._weight_int8pack_mm(rows, self.weight, self.scale)
        return product.to(x.dtype).reshape(*x.shape[:-1], len(self.weight))


class Int4Linear(nn.Module):
    """int4 weights for a CPU, with a scale and a zero for every `group` of them in a row.

    Each group tries its whole range and 0.9 of it, fits scale and zero to the levels by least
    squares, and keeps what has the least squared error. Measured by `relative_error` on [4096,
    2048] in groups of 128: normal weights 0.094 against 0.100 with plain rounding, weights with
    heavy tails (Student's t, 4 degrees of freedom) 0.137 against 0.145. Also trying 0.8 changed
    neither by 0.0005 and took a third longer. Groups of 32 give 0.074.

    Args:
        weight: [N, K] on the CPU.
        group: weights per scale: 128, 64 or 32; it must divide K.

    Raises:
        ValueError: the group does not divide K.
    """

    def __init__(self, weight: torch.Tensor, group: int = GROUPS[0]) -> None:
        super().__init__()
        _require_matrix(weight)
        rows, columns = weight.shape
        if group not in GROUPS or columns % group:
            raise ValueError(f"the group must be one of {GROUPS} and divide {columns}, got {group}")
        self.group = group
        self.out_features = rows
        packed, scales = [], []
        for chunk in _chunks(weight):
            part = weight.detach()[chunk].float()
            part = F.pad(part, (0, 0, 0, -len(part) % _INT4_ROWS))
            levels, scale, zero = _quantize_int4(part.unflatten(1, (-1, group)))
            packed.append(
                torch.ops.aten._convert_weight_to_int4pack_for_cpu(levels.flatten(1).int(), 1)
            )
            scales.append(torch.stack((scale, zero), dim=-1).transpose(0, 1))
        self._packed = torch.cat(packed)
        self._scales = torch.cat(scales, dim=1).contiguous()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps (..., K) to (..., N)."""
        rows = x.reshape(-1, x.shape[-1]).to(torch.bfloat16).contiguous()
        product = torch.ops.aten._weight_int4pack_mm_for_cpu(
            rows, self._packed, self.group, self._scales
        )
        product = product[:, : self.out_features].to(x.dtype)
        return product.reshape(*x.shape[:-1], self.out_features)


def make_linear(weight: torch.Tensor, kind: str) -> nn.Module:
    """The layer for one weight.

    Args:
        weight: [N, K], bfloat16, float16 or float32, where the layer is to run.
        kind: one of `KINDS`; what each means on which device is at the top of this file.

    Raises:
        SettingsError: int4 is asked for on a device that has no kernel for it.
        ValueError: no matrix of floating point numbers, or no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if kind == "int4" and weight.device.type != "cpu":
        raise SettingsError(
            f"--quantize int4 needs the weights on the CPU; they are on {weight.device}. "
            f"Use --quantize int8, or --device-map cpu."
        )
    if kind == "int4":
        group = next((group for group in GROUPS if weight.shape[-1] % group == 0), None)
        if group is not None:
            return Int4Linear(weight, group)
        _log_once(f"int8 instead of int4: no group of {GROUPS} divides {weight.shape[-1]} inputs")
    if kind in ("int8", "int4"):
        return Int8Linear(weight)
    if kind == "auto" and weight.device.type == "cpu":
        if weight.dtype == torch.float32 and weight.numel() < SWAPPED_BELOW:
            return SwappedLinear(weight)
        obstacle = prepack_obstacle(weight)
        if obstacle is None:
            return PrepackedLinear(weight)
        _log_once(f"weights are not laid out for the CPU: {obstacle}")
    return PlainLinear(weight)


def can_prepack(weight: torch.Tensor) -> bool:
    """Whether `PrepackedLinear` can hold such a weight here; `prepack_obstacle` says why not."""
    return prepack_obstacle(weight) is None


def prepack_obstacle(weight: torch.Tensor) -> str | None:
    """Why weights of this dtype and device cannot be laid out once; None where they can.

    Tried on a small matrix, because what oneDNN takes depends on processor and build: bfloat16
    needs AVX-512 (BW, VL, DQ) or AVX-NE-CONVERT, and float32 runs everywhere.
    """
    if weight.device.type != "cpu":
        return f"they are on {weight.device}, not on the CPU"
    if not torch.backends.mkldnn.is_available() or not torch._C._get_mkldnn_enabled():
        return "oneDNN is not part of this torch, or is switched off"
    return _obstacle_of(weight.dtype)


@lru_cache
def _obstacle_of(dtype: torch.dtype) -> str | None:
    numbers = torch.arange(32 * 32, dtype=torch.float32).reshape(32, 32).remainder(7).to(dtype)
    try:
        product = PrepackedLinear(numbers)(numbers[:1])
    except (RuntimeError, ValueError) as error:
        return str(error).strip().splitlines()[0]
    # Small whole numbers: the sums are exact in every dtype up to the rounding of the result.
    expected = numbers[:1].float() @ numbers.float().T
    if not torch.allclose(product.float(), expected, rtol=0.01):
        return f"oneDNN multiplies {dtype} wrongly on this processor"
    return None


@torch.no_grad()
def relative_error(linear: nn.Module, weight: torch.Tensor) -> float:
    """How far a layer is from the exact product of its weight as bfloat16 has it.

    Args:
        linear: a layer made from `weight`.
        weight: [N, K], on the device of the layer.

    Returns:
        |y - y'| / |y| in the Euclidean norm over 16 rows of seeded normal bfloat16 inputs and all
        outputs. A bfloat16 layer that is right has about 0.002: its result is rounded.
    """
    # A seed that nobody draws weights with: inputs equal to rows of the weight inflate |y|, and
    # understated the error of weights drawn with the same seed by a fifth.
    generator = torch.Generator().manual_seed(0x59554132)
    rows = torch.randn(16, weight.shape[1], generator=generator)
    rows = rows.to(torch.bfloat16).to(weight.device)
    is_narrow = isinstance(linear, PlainLinear | PrepackedLinear)
    product = linear(rows.to(weight.dtype) if is_narrow else rows).double()
    off, whole = 0.0, 0.0
    for chunk in _chunks(weight):
        exact = rows.double() @ weight[chunk].to(torch.bfloat16).double().T
        off += (product[:, chunk] - exact).square().sum().item()
        whole += exact.square().sum().item()
    return (off / whole) ** 0.5 if whole else off**0.5


def _chunks(weight: torch.Tensor) -> Iterator[slice]:
    """Slices of rows of about `_CHUNK` weights, in whole int4 blocks."""
    rows, columns = weight.shape
    step = max(_CHUNK // max(columns, 1) // _INT4_BLOCK, 1) * _INT4_BLOCK
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _quantize_int4(
    groups: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Levels and their meaning: a weight is about `(level - 8) * scale + zero`.

    Args:
        groups: float32 [N, K / g, g].

    Returns:
        levels in 0 to 15, float32 [N, K / g, g]; scale and zero, bfloat16 [N, K / g].
    """
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    middle, width = (low + high) / 2, (high - low).clamp_min(1e-12)
    best: tuple[torch.Tensor, ...] = ()
    for shrink in _SHRINKS:
        scale = width * (shrink / 15)
        # Levels run from -8 to 7, so the middle of the range lies half a step above level 0.
        levels = ((groups - middle) / scale - 0.5).round_().clamp_(-8, 7)
        scale, zero = _fit(groups, levels, scale, middle + 0.5 * scale)
        error = torch.addcmul(zero.float() - groups, levels, scale.float()).square_().sum(-1)
        found = (error, levels, scale, zero)
        if best:
            is_better = (error < best[0])[..., None]
            error = torch.minimum(error, best[0])
            pairs = zip(found[1:], best[1:], strict=True)
            found = (error, *(torch.where(is_better, new, old) for new, old in pairs))
        best = found
    _, levels, scale, zero = best
    return levels + 8, scale.squeeze(-1), zero.squeeze(-1)


def _fit(
    groups: torch.Tensor, levels: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and zero in bfloat16 by least squares; those given where all levels are the same."""
    mean_level, mean = levels.mean(-1, keepdim=True), groups.mean(-1, keepdim=True)
    count = levels.shape[-1]
    variance = levels.square().sum(-1, keepdim=True) - count * mean_level.square()
    covariance = (levels * groups).sum(-1, keepdim=True) - count * mean_level * mean
    is_flat = variance < 0.5
    fitted = torch.where(is_flat, scale, covariance / variance.clamp_min(0.5)).bfloat16()
    shifted = torch.where(is_flat, zero, mean - fitted.float() * mean_level)
    return fitted, shifted.bfloat16()


def _require_matrix(weight: torch.Tensor) -> None:
    if weight.ndim != 2 or not weight.is_floating_point():
        raise ValueError(
            f"a weight must be a matrix of floating point numbers, got {weight.dtype} "
            f"{tuple(weight.shape)}"
        )


@lru_cache
def _log_once(sentence: str) -> None:
    # A model has hundreds of matrices, and one reason.
    logger.warning("%s", sentence)
