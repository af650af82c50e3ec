"""Turns what `--model` says into a folder on this disk.

an existing folder        used where it is
owner/name                ModelScope; Hugging Face if ModelScope has no such id
ms:owner/name             ModelScope only
hf:owner/name             Hugging Face only
"""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yuan_demo.core.errors import CheckpointError
from yuan_demo.model.hub import HUBS, Hub, NoSuchModelError, Report, Source, fetch

EMBEDDED_FOLDER = Path(__file__).resolve().parents[2] / "assets" / "yuan2-embedded"

_MODEL_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model folder on this disk.

    Attributes:
        folder: absolute path.
        source: where it came from.
        name: short name for display: the last part of the id or of the path.
    """

    folder: Path
    source: Source
    name: str


def find_model(model: str, *, hubs: Sequence[Hub] = HUBS, report: Report = print) -> FoundModel:
    """Turns what `--model` says into a folder on this disk, downloading it if need be.

    Args:
        model: a folder, `owner/name`, `ms:owner/name` or `hf:owner/name`.
        hubs: hubs in the order they are asked.
        report: receives one line per step that a person waits for.

    Raises:
        CheckpointError: no such folder or id, no network, no space, no permission.
    """
    for hub in hubs:
        if model.startswith(hub.prefix):
            return _find_on_hubs(model.removeprefix(hub.prefix), [hub], report)
    folder = _expand(model)
    if model and _is_folder(folder):  # Path("") is the current folder
        return _found_folder(folder)
    _refuse_path(model, folder)
    return _find_on_hubs(model, hubs, report)


def _expand(model: str) -> Path:
    try:
        return Path(model).expanduser()
    except RuntimeError as error:
        raise CheckpointError(
            f"The ~ in a model folder must be a home folder that exists; {model!r} is not. "
            f"Pass the full path of the folder."
        ) from error


def _is_folder(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except (OSError, ValueError):
        # A name with a null character or of thousands of characters cannot be a folder.
        return False


def _found_folder(folder: Path) -> FoundModel:
    folder = folder.resolve()
    source: Source = "embedded" if folder == EMBEDDED_FOLDER else "folder"
    return FoundModel(folder, source, folder.name)


def _refuse_path(model: str, folder: Path) -> None:
    """Raises for what looks like a path: a mistyped folder must not turn into a download."""
    if _is_file(folder):
        raise CheckpointError(
            f"A model is a folder with config.json, tokenizer.model and weights; "
            f"{model!r} is a file. Pass the folder that holds it."
        )
    if _looks_like_path(model):
        raise CheckpointError(
            f"The folder of a model must exist, and you must be allowed to enter it; {model!r} is "
            f"no such folder. Check the path, or pass a hub id: ms:IEITYuan/Yuan2-2B-Mars-hf."
        )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _looks_like_path(model: str) -> bool:
    if model.startswith((".", "/", "~")) or model.endswith("/") or "\\" in model:
        return True
    parent, _, _ = model.partition("/")
    return model.count("/") > 1 or (parent != model and _is_folder(Path(parent)))


def _find_on_hubs(model_id: str, hubs: Sequence[Hub], report: Report) -> FoundModel:
    """Asks one hub after another until one knows the id."""
    if not _MODEL_ID.fullmatch(model_id):
        raise CheckpointError(
            f"A model is an existing folder or a hub id owner/name; {model_id!r} is neither. "
            f"Pass for example --model IEITYuan/Yuan2-2B-Mars-hf."
        )
    for hub in hubs:
        with contextlib.suppress(NoSuchModelError):
            folder = fetch(hub, model_id, report)
            return FoundModel(folder.resolve(), hub.source, model_id.rpartition("/")[2])
    titles = " or ".join(hub.title for hub in hubs)
    raise NoSuchModelError(
        f"A model id must exist on {titles}; {model_id!r} does not, or it is private. Check the "
        f"spelling on the hub's page, log in with the hub's own tool, or pass a folder."
    )
