"""Weight files are found as transformers finds them, and a half download is told apart."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from yuan_demo.core.errors import CheckpointError
from yuan_demo.model.weights import find_weight_files, read_json, read_shapes, require_match


def test_files_are_taken_in_the_order_of_from_pretrained(tmp_path: Path) -> None:
    (tmp_path / "training_args.bin").touch()
    with pytest.raises(CheckpointError, match="must hold weights"):
        find_weight_files(tmp_path)
    for name in ("pytorch_model.bin", "model.safetensors"):
        (tmp_path / name).touch()
        assert find_weight_files(tmp_path) == (tmp_path / name,)


def test_every_shard_is_named_once(tmp_path: Path) -> None:
    weight_map = {"a": "2.safetensors", "b": "1.safetensors", "c": "2.safetensors"}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    names = ["1.safetensors", "2.safetensors"]
    for name in names:
        (tmp_path / name).touch()
    assert find_weight_files(tmp_path) == tuple(tmp_path / name for name in names)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (
            {"weight_map": {"a": "1.bin", "b": "2.bin", "c": "3.bin"}},
            "of the 3 .* lacks 2.bin, 3.bin:",
        ),
        ({"weight_map": {"a": "../../secret.bin"}}, "own folder; .* ../../secret.bin"),
        ({"weight_map": {"a": "/etc/passwd"}}, "own folder; .* /etc/passwd"),
        ({"weight_map": {"a": ".."}}, "lacks .."),
        ({"weight_map": []}, "under weight_map"),
        ({}, "under weight_map"),
        ([], "JSON object"),
    ],
)
def test_index_that_cannot_be_followed_is_refused(
    index: object, words: str, tmp_path: Path
) -> None:
    (tmp_path / "1.bin").touch()
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=words):
        find_weight_files(tmp_path)


def test_stored_rotary_frequencies_and_a_tied_head_are_no_fault(tmp_path: Path) -> None:
    expected = {"model.norm.weight": (4,), "lm_head.weight": (2, 4)}
    stored = {"model.norm.weight": (4,), "model.layers.0.self_attn.rotary_emb.inv_freq": (2,)}
    require_match(stored, expected, may_lack={"lm_head.weight"}, where=tmp_path)
    with pytest.raises(CheckpointError, match=r"1 missing: lm_head\.weight"):
        require_match(stored, expected, may_lack=(), where=tmp_path)


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder that may be entered, with files that may not be read: as root, by someone else."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file in ("config.json", "model.safetensors", "pytorch_model.bin"):
            (folder / file).touch(mode=0)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)  # nobody: root may read everything
        try:
            yield folder
        finally:
            if was_root:
                os.seteuid(0)


def test_file_that_may_not_be_read_is_refused_with_the_reason(closed_folder: Path) -> None:
    reason = "must be readable; .* Permission denied"
    with pytest.raises(CheckpointError, match=reason):
        read_json(closed_folder / "config.json")
    for name in ("model.safetensors", "pytorch_model.bin"):
        with pytest.raises(CheckpointError, match=reason):
            read_shapes([closed_folder / name])
