"""Looks at the weight files of a checkpoint before anything is loaded from them.

transformers fills a parameter that it finds no weights for with random numbers, and goes on. Names
and shapes are therefore compared first, from the headers of the files: a checkpoint that is cut
short, half downloaded, mixed up or dangerous is refused within a second, before gigabytes are read.
"""

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from yuan_demo.core.errors import CheckpointError
from yuan_demo.model.hub import one_line

Shapes = Mapping[str, tuple[int, ...]]

# In the order in which `from_pretrained` looks for them.
_WEIGHT_FILES = (
    ("model.safetensors", "model.safetensors.index.json"),
    ("pytorch_model.bin", "pytorch_model.bin.index.json"),
)
_LFS_POINTER = b"version https://git-lfs"
_NAMES_SHOWN = 5
# Rotary frequencies are computed in float32, never read: tests/golden/README.md, "Rotary in half
# precision", tells what the stored ones do to long contexts.
_IGNORED = re.compile(r"rotary_emb\.inv_freq$")


def find_weight_files(folder: Path) -> tuple[Path, ...]:
    """The weight files of a checkpoint folder: one file, or every shard that its index names.

    Raises:
        CheckpointError: there are none, the index is broken, or a shard is absent.
    """
    for single, index in _WEIGHT_FILES:
        if (folder / single).is_file():
            return (folder / single,)
        if (folder / index).is_file():
            return _shards(folder, index)
    raise CheckpointError(
        f"A model folder must hold weights (model.safetensors or pytorch_model.bin, or an index "
        f"with shards); {folder} has none. Download the model again, or pass another folder."
    )


def _shards(folder: Path, index: str) -> tuple[Path, ...]:
    weight_map = read_json(folder / index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(
            f"A shard index must map weight names to files under weight_map; {folder / index} "
            f"does not. Download the model again."
        )
    names = sorted({str(name) for name in weight_map.values()})
    # `..` or a full path would have us read files from elsewhere on the disk.
    if outside := [name for name in names if name != Path(name).name]:
        raise CheckpointError(
            f"A shard index must name files of its own folder; {folder / index} names "
            f"{list_names(outside)}. Download the model again, from a source you trust."
        )
    if absent := [name for name in names if not (folder / name).is_file()]:
        raise CheckpointError(
            f"Every shard of the weights must be there; of the {len(names)} that {index} names, "
            f"{folder} lacks {list_names(absent)}: half downloaded? Download the model again."
        )
    return tuple(folder / name for name in names)


def read_json(path: Path) -> dict[str, object]:
    """The object in a JSON file.

    Raises:
        CheckpointError: the file is absent, unreadable, no JSON, or no object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"A model folder must hold {path.name}; {path.parent} has none. Pass the folder that "
            f"config.json lies in, or download the model again."
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path.name} must be valid JSON; {path} is not: {one_line(error)}. "
            f"Download the file again."
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path.name} must be a JSON object; {path} holds a {type(content).__name__}. "
            f"Download the file again."
        )
    return content


def unreadable(path: Path, error: OSError) -> CheckpointError:
    """The error for a file that the system does not let us read."""
    reason = error.strerror or one_line(error)
    return CheckpointError(
        f"The files of a model must be readable; {path} is not: {reason}. "
        f"Check its permissions and who owns it."
    )


def refuse_lfs_pointer(path: Path) -> None:
    """Raises for the stub that `git clone` leaves in the place of a large file."""
    try:
        with path.open("rb") as file:
            start = file.read(len(_LFS_POINTER))
    except OSError as error:
        raise unreadable(path, error) from error
    if start == _LFS_POINTER:
        raise CheckpointError(
            f"The files of a model must be complete; {path} is a git-lfs pointer. "
            f"Run `git lfs pull` in {path.parent}, or pass the hub id instead."
        )


def read_shapes(files: Iterable[Path]) -> dict[str, tuple[int, ...]]:
    """Name and shape of every stored tensor, from the headers alone.

    Raises:
        CheckpointError: a file is cut short, unreadable, or holds anything but tensors.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for path in files:
        refuse_lfs_pointer(path)
        read = _safetensors_shapes if path.suffix == ".safetensors" else _pickle_shapes
        shapes.update(read(path))
    return shapes


def _safetensors_shapes(path: Path) -> Shapes:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise unreadable(path, error) from error
    except SafetensorError as error:
        raise _damaged(path, error) from error


def _pickle_shapes(path: Path) -> Shapes:
    try:
        # With mmap the storages are mapped and never read; only zip files (torch >= 1.6) have it.
        mmap = zipfile.is_zipfile(path) or None
        with warnings.catch_warnings(action="ignore"):
            tensors = torch.load(path, map_location="meta", weights_only=True, mmap=mmap)
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:  # a damaged pickle can raise any exception at all
        raise _explain_pickle(path, error) from error
    if not isinstance(tensors, dict) or not all(map(torch.is_tensor, tensors.values())):
        raise CheckpointError(
            f"A .bin file must hold one dictionary of tensors; {path} holds something else. "
            f"Use a checkpoint in transformers format."
        )
    return {str(name): tuple(tensor.shape) for name, tensor in tensors.items()}


def _explain_pickle(path: Path, error: Exception) -> CheckpointError:
    # torch's own message advises weights_only=False, the one thing nobody should do here.
    refused = re.search(r"GLOBAL ([\w.]+)", str(error))
    if isinstance(error, pickle.UnpicklingError) and refused:
        return CheckpointError(
            f"Weights must hold numbers only; {path} asks to run {refused[1]}, which was not done. "
            f"Do not trust this file: use safetensors weights from a source you know."
        )
    if isinstance(error, pickle.UnpicklingError):
        return CheckpointError(
            f"A weight file must be complete and hold tensors only; {path} is cut short, damaged, "
            f"or something else, and was not run. Delete it and download the model again."
        )
    return _damaged(path, error)


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"A weight file must be complete; {path} is cut short or damaged "
        f"({one_line(error, 80)}). "
        f"Delete it and download the model again."
    )


def require_match(
    stored: Shapes, expected: Shapes, *, may_lack: Iterable[str], where: Path
) -> None:
    """Raises unless the stored tensors are exactly those of the model.

    Args:
        stored: names and shapes in the files.
        expected: names and shapes in the model.
        may_lack: names that the model fills by itself: a head tied to the embedding.
        where: folder, for the message.

    Raises:
        CheckpointError: names what is missing, unexpected or misshapen: a count and five names.
    """
    missing = sorted(expected.keys() - stored.keys() - set(may_lack))
    unexpected = sorted(
        name for name in stored.keys() - expected.keys() if not _IGNORED.search(name)
    )
    misshapen = [
        f"{name} {shape_text(stored[name])} instead of {shape_text(expected[name])}"
        for name in sorted(stored.keys() & expected.keys())
        if stored[name] != expected[name]
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    faults = [f"{len(names)} {kind}: {list_names(names)}" for kind, names in kinds.items() if names]
    if faults:
        raise CheckpointError(
            f"The weights must be those that config.json describes; in {where}: "
            f"{'; '.join(faults)}. Download the model again, or pass another folder."
        )


def shape_text(shape: tuple[int, ...]) -> str:
    """`512x64`; `scalar` for a tensor without axes."""
    return "x".join(map(str, shape)) or "scalar"


def list_names(names: list[str]) -> str:
    """Up to five names, and how many more there are."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"
