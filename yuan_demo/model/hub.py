"""Downloads models from ModelScope and Hugging Face; every failure is a `CheckpointError`.

A hub is four functions in a record, so that a test passes its own. This module knows names and
files, not what is inside them. It imports only the standard library: a hub's client is imported
when that hub is first asked, so that a folder or `--help` never pays for it.

Code that a checkpoint ships (`*.py`) is never downloaded.
"""

import contextlib
import errno
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from yuan_demo.core.errors import CheckpointError

Source = Literal["embedded", "folder", "modelscope", "huggingface"]
Report = Callable[[str], None]

_REPLY_SECONDS = 5
# Room for the files that the client writes beside the weights (locks, metadata).
_SPARE_BYTES = 64 * 2**20


class NoSuchModelError(CheckpointError):
    """The hub answered, and has no such id (or does not show it without a login)."""


class HubUnreachableError(CheckpointError):
    """The hub did not answer, or answered with a failure of its own."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a model on a hub.

    Attributes:
        path: path inside the repository, with forward slashes.
        size: bytes; 0 where the hub does not say.
    """

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Hub:
    """A place that models are downloaded from, as four functions: a test passes its own.

    Attributes:
        source: what `FoundModel.source` says for its models.
        title: the name that people know it by.
        prefix: what forces this hub on the command line.
        list_files: id to files. Raises `NoSuchModelError` or `HubUnreachableError`.
        download: id and paths to the local folder. May raise OSError and `HubUnreachableError`.
        find_cached: id to the folder of an earlier download, or None; never uses the network.
        cache_folder: where downloads go; it need not exist yet.
    """

    source: Source
    title: str
    prefix: str
    list_files: Callable[[str], Sequence[RemoteFile]]
    download: Callable[[str, Sequence[str]], Path]
    find_cached: Callable[[str], Path | None]
    cache_folder: Callable[[], Path]


def fetch(hub: Hub, model_id: str, report: Report) -> Path:
    """Folder with the files of `model_id`; an unreachable hub falls back on its cache.

    Raises:
        NoSuchModelError: the hub has no such id.
        HubUnreachableError: the hub does not answer, and nothing is cached; or it broke off.
        CheckpointError: no weights among the files, no space, no permission to write.
    """
    try:
        files = _choose_files(model_id, hub.list_files(model_id))
    except HubUnreachableError:
        cached = hub.find_cached(model_id)
        if cached is None:
            raise
        report(f"{hub.title} does not answer; using the copy of {model_id} downloaded earlier.")
        return cached
    _require_space(hub, model_id, files)
    total = sum(file.size for file in files)
    report(f"Getting {model_id} from {hub.title}: {len(files)} files, {format_bytes(total)}.")
    try:
        return hub.download(model_id, [file.path for file in files])
    except CheckpointError:
        raise
    except Exception as error:  # the clients wrap what happened in classes of their own
        raise _explain_download_error(hub, model_id, error) from error


def _choose_files(model_id: str, files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """The files that loading reads: JSON, the tokenizer, and one of the two kinds of weights."""
    top = [file for file in files if "/" not in file.path]
    safetensors = [file for file in top if file.path.endswith(".safetensors")]
    pickles = [file for file in top if file.path.endswith(".bin")]
    weights = safetensors or pickles
    if not weights:
        raise CheckpointError(
            f"A model must have weights (*.safetensors or *.bin); {model_id!r} has none among its "
            f"{len(files)} files. Pass the id of a model in transformers format (often …-hf)."
        )
    return [file for file in top if file.path.endswith((".json", ".model"))] + weights


def _require_space(hub: Hub, model_id: str, files: Sequence[RemoteFile]) -> None:
    folder = hub.cache_folder()
    cached = hub.find_cached(model_id)
    missing = sum(file.size for file in files if not _is_cached(cached, file))
    free = shutil.disk_usage(_nearest_existing(folder)).free
    if missing and missing + _SPARE_BYTES > free:
        raise _no_space(hub, model_id, f"needs {format_bytes(missing)}, {format_bytes(free)} free")


def _is_cached(cached: Path | None, file: RemoteFile) -> bool:
    path = cached / file.path if cached else None
    return path is not None and path.is_file() and path.stat().st_size == file.size


def _nearest_existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _no_space(hub: Hub, model_id: str, values: str) -> CheckpointError:
    variable = "MODELSCOPE_CACHE" if hub.source == "modelscope" else "HF_HOME"
    return CheckpointError(
        f"The disk must have room for {model_id!r}: {values} at {hub.cache_folder()}. "
        f"Free some space, or set {variable} to a folder on a larger disk."
    )


def _explain_download_error(hub: Hub, model_id: str, error: BaseException) -> CheckpointError:
    causes = [cause for cause in _causes(error) if isinstance(cause, OSError)]
    codes = {cause.errno for cause in causes}
    if codes & {errno.ENOSPC, errno.EDQUOT}:
        return _no_space(hub, model_id, "it ran full during the download")
    if codes & {errno.EACCES, errno.EPERM, errno.EROFS}:
        return CheckpointError(
            f"Downloads must be able to write to {hub.cache_folder()}; permission was denied for "
            f"{model_id!r}. Change the permissions, or pass a folder as --model."
        )
    return HubUnreachableError(
        f"The download of {model_id!r} from {hub.title} must run to its end; it stopped: "
        f"{one_line(error)}. Start again: complete files are kept."
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what caused it, and the failures that modelscope keeps by file name."""
    if error is None:
        return
    yield error
    for failure in (getattr(error, "failed_files", None) or {}).values():
        yield from _causes(failure)
    yield from _causes(error.__cause__)


def format_bytes(count: int) -> str:
    """`4.1 GB`, `37 MB`: decimal units, as hubs and disks print them."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"


def one_line(error: BaseException, limit: int = 200) -> str:
    """The message of an error from elsewhere, fit to stand inside a sentence of ours."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the clients' warnings (one per retry); their progress bars are not log records."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _unreachable(title: str, model_id: str, error: BaseException) -> HubUnreachableError:
    return HubUnreachableError(
        f"{title} must answer to get {model_id!r}; it did not: {one_line(_root_cause(error))}. "
        f"Check the network and http_proxy, try another hub (ms: or hf: before the id), or pass a "
        f"folder."
    )


def _root_cause(error: BaseException) -> BaseException:
    """What the system said: `Connection refused` beneath four wrappings of HTTP libraries."""
    chain = [error]
    while inner := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(inner)
    return next((cause for cause in reversed(chain) if isinstance(cause, OSError)), error)


def _list_modelscope(model_id: str) -> list[RemoteFile]:
    import requests
    from modelscope.hub.api import HubApi
    from modelscope_hub.config import get_default_config
    from modelscope_hub.constants import DEFAULT_ENDPOINT
    from modelscope_hub.errors import AuthenticationError, NotExistError, PermissionDeniedError

    try:
        # The client retries a dead network for 7 s, its download for 22 s (measured, 1.40): one
        # request of our own finds out at once. Any answer will do, an error page too.
        requests.head(get_default_config().endpoint or DEFAULT_ENDPOINT, timeout=_REPLY_SECONDS)
        with _quiet():
            files = HubApi().get_model_files(model_id)
    except (NotExistError, AuthenticationError, PermissionDeniedError) as error:
        raise NoSuchModelError(one_line(error)) from error
    except Exception as error:  # requests, urllib3 and modelscope_hub each have a tree of their own
        raise _unreachable("ModelScope", model_id, error) from error
    return [RemoteFile(file["Path"], int(file["Size"] or 0)) for file in files]


def _download_modelscope(model_id: str, paths: Sequence[str]) -> Path:
    from modelscope.hub.snapshot_download import snapshot_download

    with _quiet():
        return Path(snapshot_download(model_id, allow_patterns=list(paths)))


def _cached_modelscope(model_id: str) -> Path | None:
    from modelscope.hub.snapshot_download import snapshot_download

    try:
        with _quiet():
            return Path(snapshot_download(model_id, local_files_only=True))
    except Exception:  # whatever the reason, there is no copy to fall back on
        return None


def _modelscope_cache_folder() -> Path:
    from modelscope.utils.file_utils import get_modelscope_cache_dir

    return Path(get_modelscope_cache_dir())


def _list_hugging_face(model_id: str) -> list[RemoteFile]:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        info = HfApi().model_info(model_id, files_metadata=True, timeout=_REPLY_SECONDS)
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise NoSuchModelError(one_line(error)) from error
    except Exception as error:  # its HTTP library's errors are no part of its interface
        raise _unreachable("Hugging Face", model_id, error) from error
    return [RemoteFile(file.rfilename, file.size or 0) for file in info.siblings or ()]


def _download_hugging_face(model_id: str, paths: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download

    with _quiet():
        return Path(snapshot_download(model_id, allow_patterns=list(paths)))


def _cached_hugging_face(model_id: str) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model_id, local_files_only=True))
    except Exception:  # whatever the reason, there is no copy to fall back on
        return None


def _hugging_face_cache_folder() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


MODELSCOPE = Hub(
    source="modelscope",
    title="ModelScope",
    prefix="ms:",
    list_files=_list_modelscope,
    download=_download_modelscope,
    find_cached=_cached_modelscope,
    cache_folder=_modelscope_cache_folder,
)
HUGGING_FACE = Hub(
    source="huggingface",
    title="Hugging Face",
    prefix="hf:",
    list_files=_list_hugging_face,
    download=_download_hugging_face,
    find_cached=_cached_hugging_face,
    cache_folder=_hugging_face_cache_folder,
)
HUBS = (MODELSCOPE, HUGGING_FACE)
