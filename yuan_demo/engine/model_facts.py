"""Which model this is, for whoever keeps what it said: names, versions, and its files' SHA-256."""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import torch
import transformers

from yuan_demo import __version__
from yuan_demo.core.errors import CheckpointError
from yuan_demo.core.trace import TraceFile, TraceModel
from yuan_demo.engine.chat import ChatModel
from yuan_demo.model.weights import find_weight_files

_BESIDE_WEIGHTS = ("config.json", "tokenizer.model")
_PART = 2**24


class ModelFacts:
    """Facts of one model; its files are read once, in a thread, when they are first asked for.

    Args:
        model: the model.

    Attributes:
        mark: tells models apart without reading their files: by names, sizes and times of change.
    """

    def __init__(self, model: ChatModel) -> None:
        self._files = _files_of(model.loaded.folder)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._read = 0
        self._found: tuple[TraceFile, ...] | None = None
        self._model = _described(model)
        self.mark = self._marked()

    @property
    def share(self) -> float:
        """How much of the files has been read, from 0 to 1."""
        return self._read / max(1, sum(_size_and_time(file)[0] for file in self._files))

    def without_files(self) -> TraceModel:
        """The model, its files left out; at once."""
        return self._model

    def whole(self, timeout: float) -> TraceModel | None:
        """The model with its files; None if they are not read within `timeout` seconds.

        Where a file cannot be read, or was changed since, there are none: it is not known what the
        model was made of.
        """
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._hash, name="hashes", daemon=True)
                self._thread.start()
        self._thread.join(timeout)
        if self._found is None:
            return None
        return replace(self._model, files=self._found)

    def _hash(self) -> None:
        try:
            found = tuple(self._hashed(file) for file in self._files)
        except OSError:
            found = ()
        # What was changed since is not what was loaded.
        self._found = found if self._marked() == self.mark else ()

    def _marked(self) -> str:
        stats = [(file.name, *_size_and_time(file)) for file in self._files]
        facts = (self._model.name, self._model.dtype, self._model.quantize, stats)
        return f"{crc32(repr(facts).encode(errors='replace')):08x}"

    def _hashed(self, file: Path) -> TraceFile:
        digest = hashlib.sha256()
        size = 0
        with file.open("rb") as stream:
            # Python's lock is free while a part is read and hashed: nobody waits for it.
            while part := stream.read(_PART):
                digest.update(part)
                size += len(part)
                self._read += len(part)
        return TraceFile(file.name, size, digest.hexdigest())


def _files_of(folder: Path) -> Sequence[Path]:
    """Weights, configuration and tokenizer; none of them where there are no weights."""
    try:
        weights = find_weight_files(folder)
    except CheckpointError:
        return ()
    return (*weights, *(folder / name for name in _BESIDE_WEIGHTS if (folder / name).is_file()))


def _size_and_time(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _described(model: ChatModel) -> TraceModel:
    loaded = model.loaded
    folder = loaded.folder
    return TraceModel(
        name=_full_name(loaded.name, folder),
        source=loaded.source,
        # Hugging Face keeps each revision in a folder of that name.
        revision=folder.name if folder.parent.name == "snapshots" else None,
        dtype=loaded.dtype,
        device=loaded.device,
        parameters=loaded.parameter_count,
        vocabulary=loaded.model.config.vocab_size,
        quantize=model.quantize,
        torch=torch.__version__,
        transformers=transformers.__version__,
        demo=__version__,
    )


def _full_name(name: str, folder: Path) -> str:
    """The id `owner/name` where the hub's cache tells it; never a path of this machine."""
    hugging_face = folder.parent.parent.name.split("--")
    if folder.parent.name == "snapshots" and len(hugging_face) == 3:
        return "/".join(hugging_face[1:])
    return name
