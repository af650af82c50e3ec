"""Every kind of linear layer gives the product it stands for, as exactly as it says."""

import gc
import logging
import weakref

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from yuan_demo.core.errors import SettingsError
from yuan_demo.model import linear as module
from yuan_demo.model.linear import (
    KINDS,
    SWAPPED_BELOW,
    Int4Linear,
    Int8Linear,
    PlainLinear,
    PrepackedLinear,
    SwappedLinear,
    can_prepack,
    make_linear,
    prepack_obstacle,
    relative_error,
)

PACKABLE = [
    dtype
    for dtype in (torch.float32, torch.bfloat16, torch.float16)
    if can_prepack(torch.empty(0, 0, dtype=dtype))
]
"""float32 everywhere; the others where the processor has them."""

TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 1e-2, torch.float16: 2e-3}


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def distance(found: torch.Tensor, exact: torch.Tensor) -> float:
    """Relative, in the Euclidean norm."""
    return float((found.double() - exact.double()).norm() / exact.double().norm())


def rebuilt(linear: nn.Module, columns: int) -> torch.Tensor:
    """The weight that a layer stands for: the products of the unit vectors."""
    return linear(torch.eye(columns, dtype=torch.bfloat16)).float().T


def test_float32_can_be_prepacked_on_every_processor() -> None:
    assert torch.float32 in PACKABLE


@pytest.mark.parametrize("rows", [1, 4, 16, 128])
@pytest.mark.parametrize("dtype", PACKABLE, ids=str)
@pytest.mark.parametrize("shape", [(200, 320), (33, 7), (640, 2048)], ids=str)
def test_prepacked_is_plain_up_to_the_order_of_sums(
    shape: tuple[int, int], dtype: torch.dtype, rows: int
) -> None:
    weight, x = normal(*shape, dtype=dtype), normal(rows, shape[1], seed=1, dtype=dtype)
    packed = PrepackedLinear(weight)(x)
    assert packed.dtype == dtype
    assert distance(packed, x.double() @ weight.double().T) < TOLERANCE[dtype]
    assert distance(packed, F.linear(x, weight)) < TOLERANCE[dtype]


def test_what_was_prepacked_is_a_copy() -> None:
    weight = normal(32, 32)
    packed = PrepackedLinear(weight)
    before = packed(torch.eye(32))
    weight.zero_()
    assert torch.equal(packed(torch.eye(32)), before)


def test_plain_shares_the_memory_it_was_given() -> None:
    both = normal(40, 16)
    linear = PlainLinear(both[10:30])
    assert linear.weight.data_ptr() == both[10:].data_ptr()
    assert torch.equal(linear(torch.eye(16)), both[10:30].T)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lead", [(), (1,), (3,), (2, 5), (1, 1), (0,), (2, 0)], ids=str)
@pytest.mark.parametrize("outputs", [7, 16, 50, 64, 135])
def test_shapes_and_dtype_are_those_of_a_linear_layer(
    kind: str, lead: tuple[int, ...], outputs: int
) -> None:
    weight = normal(outputs, 64, dtype=torch.bfloat16)
    x = normal(*lead, 64, seed=1, dtype=torch.bfloat16)
    y = make_linear(weight, kind)(x)
    assert y.shape == (*lead, outputs)
    assert y.dtype == torch.bfloat16


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_batch_are_the_rows_alone(kind: str) -> None:
    linear = make_linear(normal(96, 128), kind)
    x = normal(2, 3, 128, seed=1)
    together = linear(x)
    for place in [(0, 0), (0, 2), (1, 1)]:
        assert distance(together[place], linear(x[place])) < 4e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_quantized_layers_answer_in_the_dtype_they_are_asked_in(
    kind: str, dtype: torch.dtype
) -> None:
    weight, x = normal(48, 128), normal(4, 128, seed=1)
    linear = make_linear(weight, kind)
    y = linear(x.to(dtype))
    assert y.dtype == dtype
    assert distance(y, linear(x.bfloat16())) < 4e-3


@pytest.mark.parametrize("shape", [(50, 96), (16, 64), (700, 2048)], ids=str)
def test_int8_is_within_half_a_step_of_every_weight(shape: tuple[int, int]) -> None:
    weight = normal(*shape)
    linear = Int8Linear(weight)
    assert linear.weight.dtype == torch.int8
    assert (linear.weight.shape, linear.scale.shape) == (shape, shape[:1])
    assert linear.weight.int().abs().max() <= 127
    scale = linear.scale.float()[:, None]
    # The greatest weight of a row may lie beyond 127 steps, by the rounding of the scale.
    off = (linear.weight.float() * scale - weight).abs()
    assert (off <= 0.501 * scale + 127 * scale * 2**-8).all()
    assert (off <= 0.501 * scale).float().mean() > 0.999


def test_int8_takes_rows_of_zeros() -> None:
    weight = torch.cat((torch.zeros(2, 64), normal(3, 64)))
    y = Int8Linear(weight)(torch.ones(1, 64))
    assert torch.equal(y[:, :2], torch.zeros(1, 2))
    assert y.isfinite().all()


def test_int8_elsewhere_than_on_a_cpu_is_the_same_product(monkeypatch: pytest.MonkeyPatch) -> None:
    linear, x = Int8Linear(normal(48, 128)), normal(4, 128, seed=1, dtype=torch.bfloat16)
    expected = linear(x)

    class Elsewhere(torch.Tensor):
        """Data on the CPU that says it is not."""

        device = torch.device("cuda", 0)

    monkeypatch.setattr(torch, "_weight_int8pack_mm", None)
    found = linear(x.as_subclass(Elsewhere)).as_subclass(torch.Tensor)
    assert distance(found, expected) < 6e-3


@pytest.mark.parametrize(("columns", "group"), [(256, 128), (320, 64), (96, 32), (2048, 128)])
def test_int4_takes_the_largest_group_that_divides(columns: int, group: int) -> None:
    linear = make_linear(normal(32, columns), "int4")
    assert isinstance(linear, Int4Linear)
    assert linear.group == group


@pytest.mark.parametrize("shape", [(50, 64), (300, 2048), (1100, 1024), (8, 32)], ids=str)
def test_int4_has_sixteen_levels_in_a_group_close_to_its_weights(shape: tuple[int, int]) -> None:
    # 300 rows of 2048 and 1100 of 1024 are converted in parts that are joined, with a ragged end.
    weight = normal(*shape)
    linear = make_linear(weight, "int4")
    found = rebuilt(linear, shape[1])
    assert found.shape == shape
    assert distance(found, weight) < 0.105
    # Row by row: rows that were swapped or lost would not show in a mean.
    assert ((found - weight).norm(dim=1) / weight.norm(dim=1)).max() < 0.13
    group = found.unflatten(1, (-1, linear.group))
    assert max(len(values.unique()) for values in group[0]) <= 16


def test_int4_keeps_what_sixteen_levels_can_hold() -> None:
    levels = torch.arange(16.0).repeat(32, 8)
    assert torch.allclose(rebuilt(Int4Linear(levels * 0.5 - 3), 128), levels * 0.5 - 3, atol=0.02)
    assert torch.equal(
        rebuilt(Int4Linear(torch.full((16, 128), 0.5)), 128).unique().round(decimals=3),
        torch.tensor([0.5]),
    )
    assert rebuilt(Int4Linear(torch.zeros(16, 128)), 128).abs().max() < 1e-6


def test_int4_searches_better_ranges_than_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = normal(512, 512)
    searched = relative_error(Int4Linear(weight), weight)
    monkeypatch.setattr(module, "_SHRINKS", (1.0,))
    assert searched < 0.98 * relative_error(Int4Linear(weight), weight)


def test_int4_falls_back_to_int8_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    module._log_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        linears = [make_linear(normal(16, 40), "int4") for _ in range(3)]
    assert [type(linear) for linear in linears] == [Int8Linear] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "int8 instead of int4: no group of (128, 64, 32) divides 40 inputs"
    ]


def test_measured_errors_are_those_of_the_readme() -> None:
    weight = normal(1024, 2048, dtype=torch.bfloat16)
    errors = {kind: relative_error(make_linear(weight, kind), weight) for kind in KINDS}
    assert 0.0005 < errors["none"] < 0.003
    assert 0.0005 < errors["auto"] < 0.003
    assert 0.004 < errors["int8"] < 0.01
    assert 0.07 < errors["int4"] < 0.105


def test_the_error_of_a_float32_layer_is_that_of_rounding_its_weights() -> None:
    weight = normal(300, 256)
    assert 0.0005 < relative_error(PlainLinear(weight), weight) < 0.003
    weight = weight.bfloat16().float()
    assert relative_error(PlainLinear(weight), weight) < 1e-6
    assert relative_error(PlainLinear(weight * 1.1), weight) == pytest.approx(0.1, rel=1e-3)


def test_auto_lays_out_what_it_can_and_says_why_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    large = torch.zeros(2048, SWAPPED_BELOW // 2048)
    assert isinstance(make_linear(large, "auto"), PrepackedLinear)
    assert type(make_linear(large, "none")) is PlainLinear
    # Small ones in float32 are multiplied the other way round, and kept as they are.
    assert isinstance(make_linear(normal(16, 32), "auto"), SwappedLinear)

    monkeypatch.setattr(module, "_obstacle_of", lambda dtype: "no such instructions")
    module._log_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert type(make_linear(large, "auto")) is PlainLinear
    assert "no such instructions" in caplog.text


def test_a_dtype_that_onednn_does_not_know_has_an_obstacle_in_words() -> None:
    obstacle = prepack_obstacle(torch.empty(2, 2, dtype=torch.float64))
    assert obstacle is not None
    assert "\n" not in obstacle


def test_nothing_is_prepacked_where_onednn_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch._C, "_get_mkldnn_enabled", lambda: False)
    assert "switched off" in str(prepack_obstacle(normal(2, 2)))


def test_other_devices_are_not_prepacked_and_have_no_int4() -> None:
    weight = torch.empty(32, 128, device="meta")
    assert "meta" in str(prepack_obstacle(weight))
    assert isinstance(make_linear(weight, "auto"), PlainLinear)
    with pytest.raises(SettingsError) as refused:
        make_linear(weight, "int4")
    for words in ["--quantize int4", "on meta", "--quantize int8", "--device-map cpu."]:
        assert words in str(refused.value)


@pytest.mark.parametrize("kind", ["auto", "int8", "int4"])
def test_a_converted_weight_is_free(kind: str) -> None:
    weight = normal(2048, SWAPPED_BELOW // 2048)
    nbytes = weight.nbytes
    storage = weakref.ref(weight)
    linear = make_linear(weight, kind)
    del weight
    gc.collect()
    assert storage() is None
    assert linear(torch.ones(1, SWAPPED_BELOW // 2048)).shape == (1, 2048)
    # No buffer may point into it either.
    assert sum(buffer.nbytes for buffer in linear.buffers()) < nbytes / 2


@pytest.mark.parametrize("shape", [(1, 96), (2, 96), (4, 96), (5, 96), (96,), (2, 3, 96)], ids=str)
def test_swapped_is_the_same_product(shape: tuple[int, ...]) -> None:
    weight, x = normal(33, 96), torch.randn(shape, generator=torch.Generator().manual_seed(1))
    linear = SwappedLinear(weight)
    assert linear(x).shape == (*shape[:-1], 33)
    assert torch.allclose(linear(x), torch.nn.functional.linear(x, weight), atol=1e-5)
    assert linear.weight.data_ptr() == weight.data_ptr()


@pytest.mark.parametrize(
    "weight", [torch.zeros(4), torch.zeros(2, 2, 2), torch.zeros(4, 4, dtype=torch.int8)], ids=str
)
@pytest.mark.parametrize("make", [PlainLinear, PrepackedLinear, Int8Linear, Int4Linear])
def test_what_is_no_matrix_of_numbers_is_refused(make: type, weight: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="matrix of floating point numbers"):
        make(weight)


@pytest.mark.parametrize("group", [0, 48, 64, 256])
def test_a_group_that_does_not_fit_is_refused(group: int) -> None:
    with pytest.raises(ValueError, match="divide 96"):
        Int4Linear(normal(16, 96), group)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="'int2'"):
        make_linear(normal(16, 32), "int2")
