"""Weights go where and as they are asked to, or one sentence says why they cannot."""

import pytest
import torch

from yuan_demo.core.errors import CheckpointError
from yuan_demo.model.configuration_yuan import YuanConfig
from yuan_demo.model.placement import (
    DeviceMap,
    choose_dtype,
    parse_device_map,
    parse_dtype,
    require_cover,
)

PARAMETERS = (
    "model.embed_tokens.weight",
    "model.layers.0.a",
    "model.layers.10.a",
    "lm_head.weight",
)


@pytest.mark.parametrize(
    ("parameter_count", "has_accelerator", "expected"),
    [
        (499_999_999, False, torch.float32),
        (500_000_000, False, torch.bfloat16),
        (14_000_000, True, torch.float16),
        (2_100_000_000, True, torch.float16),
    ],
)
def test_auto_dtype_is_the_checkpoints_own_except_on_a_cpu(
    parameter_count: int, has_accelerator: bool, expected: torch.dtype
) -> None:
    config = YuanConfig(dtype="float16")
    place = {"model": 0, "lm_head": "cpu"} if has_accelerator else "cpu"
    assert choose_dtype(place, config, parameter_count) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auto", "auto"),
        ("balanced", "balanced"),
        ("sequential", "sequential"),
        ("cpu", "cpu"),
        ("cuda:1", "cuda:1"),
        (' {"model": 1, "lm_head": "disk"}', {"model": 1, "lm_head": "disk"}),
    ],
)
def test_device_maps_are_read(
    text: str, expected: DeviceMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert parse_device_map(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cuda", "'cuda', and this machine has 0 CUDA devices"),
        ("cuda:1", "'cuda:1', and this machine has 0 CUDA devices"),
        ('{"": 0}', "0, and this machine has 0 CUDA devices"),
        ("mps", "'mps'"),
        ("meta", "'meta'"),
        ("disk", "'disk'"),
        ("toaster", "'toaster'"),
        ("", "''"),
        ("{", "must be a JSON object"),
        ("{}", "each module"),
        ('{"": true}', "each module"),
        ('{"": "toaster"}', "'toaster'"),
    ],
)
def test_devices_that_are_not_there_are_refused(
    text: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(CheckpointError) as refused:
        parse_device_map(text)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "device_map",
    [
        "auto",
        {"": "cpu"},
        {"model": "cpu", "lm_head": 0},
        {"": "disk"},
        {"model.embed_tokens": 0, "model.layers": "disk", "model.rotary_emb": 0, "lm_head": 0},
    ],
)
def test_device_map_that_places_everything_is_taken(device_map: DeviceMap) -> None:
    require_cover(device_map, PARAMETERS, is_tied=True)


@pytest.mark.parametrize(
    ("device_map", "words"),
    [
        ({"lm_head": "cpu"}, "leaves out model.embed_tokens.weight"),
        ({"": "cpu", "model.layer.0": "disk"}, "called 'model.layer.0'"),
        # layers.1 must not be taken for the parent of layers.10
        ({"model": "cpu", "model.layers.1": "disk"}, "called 'model.layers.1'"),
        ({"": "cpu", "lm_head": "disk"}, "'lm_head' lies inside ''"),
        ({"model": "cpu", "model.layers.10": "disk"}, "'model.layers.10' lies inside 'model'"),
        ({"model": "cpu", "lm_head": "disk"}, "both are on disk, or neither"),
    ],
)
def test_device_map_with_a_gap_is_refused(device_map: DeviceMap, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        require_cover(device_map, PARAMETERS, is_tied=True)


def test_untied_head_may_be_on_disk_alone() -> None:
    require_cover({"model": "cpu", "lm_head": "disk"}, PARAMETERS, is_tied=False)


def test_dtype_is_one_of_four_names() -> None:
    assert parse_dtype("auto") is None
    assert parse_dtype("bfloat16") is torch.bfloat16
    with pytest.raises(CheckpointError, match="'int3'"):
        parse_dtype("int3")
