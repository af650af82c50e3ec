"""What `--model` says is found: a folder where it lies, an id on the right hub, or one sentence."""

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from yuan_demo.core.errors import CheckpointError
from yuan_demo.model.hub import (
    Hub,
    HubUnreachableError,
    NoSuchModelError,
    RemoteFile,
    format_bytes,
)
from yuan_demo.model.locate import FoundModel, find_model

PROJECT = Path(__file__).resolve().parents[2]
MODEL_ID = "IEITYuan/Yuan2-2B-Mars-hf"
CONFIG, TOKENIZER, CODE, README, PICKLE = (
    RemoteFile("config.json", 700),
    RemoteFile("tokenizer.model", 2000),
    RemoteFile("yuan_hf_model.py", 50_000),
    RemoteFile("README.md", 9000),
    RemoteFile("pytorch_model.bin", 4_000_000),
)
FILES = (CONFIG, TOKENIZER, CODE, README, PICKLE)


TITLES = ("ModelScope", "Hugging Face")


class Double(NamedTuple):
    """A hub without a network, and what was asked of it."""

    hub: Hub
    downloads: list[Sequence[str]]


def double(
    folder: Path,
    title: str = "ModelScope",
    *,
    files: Sequence[RemoteFile] = FILES,
    listing_error: Exception | None = None,
    download_error: Exception | None = None,
    cached: Path | None = None,
) -> Double:
    downloads: list[Sequence[str]] = []

    def list_files(model_id: str) -> Sequence[RemoteFile]:
        if listing_error:
            raise listing_error
        return files

    def download(model_id: str, paths: Sequence[str]) -> Path:
        downloads.append(paths)
        if download_error:
            raise download_error
        return folder

    hub = Hub(
        source="modelscope" if title == "ModelScope" else "huggingface",
        title=title,
        prefix="ms:" if title == "ModelScope" else "hf:",
        list_files=list_files,
        download=download,
        find_cached=lambda model_id: cached,
        cache_folder=lambda: folder / "cache" / "not yet there",
    )
    return Double(hub, downloads)


def find(model: str, *doubles: Double, lines: list[str] | None = None) -> FoundModel:
    report = [].append if lines is None else lines.append
    return find_model(model, hubs=[double.hub for double in doubles], report=report)


def refusal(model: str, *doubles: Double) -> str:
    with pytest.raises(CheckpointError) as refused:
        find(model, *doubles)
    message = str(refused.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


# -- folders and names


def test_folder_is_used_where_it_is_and_no_hub_is_asked(tmp_path: Path) -> None:
    hub = double(tmp_path, listing_error=AssertionError("asked"))
    folder = tmp_path / "some model"
    folder.mkdir()
    assert find(str(folder), hub) == FoundModel(folder, "folder", "some model")


def test_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "yuan").mkdir()
    assert find("~/yuan").folder == tmp_path / "yuan"


@pytest.mark.parametrize(
    "model",
    [
        "./yuan/model",
        "../yuan",
        "/no/such",
        "~/no-such",
        "~nobody-here/x",
        "a/b/c",
        "yuan/",
        "owner\\name",
        "here/model",
    ],
)
def test_what_looks_like_a_path_is_never_sent_to_a_hub(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "here").mkdir()
    hub = double(tmp_path, listing_error=AssertionError("asked"))
    assert repr(model) in refusal(model, hub)


def test_file_in_the_place_of_a_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    assert "is a file" in refusal(str(tmp_path / "model.safetensors"))


@pytest.mark.parametrize(
    "model", ["", "yuan2", "a b/c", "owner/name?x", "x" * 5000, "a\0b", "ms:", "hf:a/b/c"]
)
def test_what_is_neither_folder_nor_id_is_refused(model: str, tmp_path: Path) -> None:
    hubs = [double(tmp_path, title, listing_error=AssertionError("asked")) for title in TITLES]
    assert "is neither. Pass for example --model" in refusal(model, *hubs)


# -- hubs


def test_modelscope_is_asked_first(tmp_path: Path) -> None:
    first, second = (double(tmp_path, title) for title in TITLES)
    assert find(MODEL_ID, first, second) == FoundModel(tmp_path, "modelscope", "Yuan2-2B-Mars-hf")
    assert len(first.downloads) == 1
    assert not second.downloads


def test_hugging_face_is_asked_for_what_modelscope_does_not_have(tmp_path: Path) -> None:
    first = double(tmp_path, listing_error=NoSuchModelError("404"))
    found = find(MODEL_ID, first, double(tmp_path, "Hugging Face"))
    assert found.source == "huggingface"


@pytest.mark.parametrize(("prefix", "source"), [("ms:", "modelscope"), ("hf:", "huggingface")])
def test_prefix_forces_one_hub(prefix: str, source: str, tmp_path: Path) -> None:
    hubs = [double(tmp_path, title) for title in TITLES]
    assert find(prefix + MODEL_ID, *hubs).source == source
    gone = [double(tmp_path, title, listing_error=NoSuchModelError()) for title in TITLES]
    message = refusal(prefix + MODEL_ID, *gone)
    assert ("ModelScope" in message, "Hugging Face" in message) == (
        prefix == "ms:",
        prefix == "hf:",
    )


def test_id_that_no_hub_has_is_refused_with_both_names(tmp_path: Path) -> None:
    hubs = [double(tmp_path, title, listing_error=NoSuchModelError("404")) for title in TITLES]
    message = refusal("owner/typo", *hubs)
    assert "ModelScope or Hugging Face" in message
    assert "'owner/typo'" in message


def test_only_what_loading_reads_is_downloaded(tmp_path: Path) -> None:
    hub = double(tmp_path)
    lines: list[str] = []
    find(MODEL_ID, hub, lines=lines)
    assert hub.downloads == [["config.json", "tokenizer.model", "pytorch_model.bin"]]
    assert lines == [f"Getting {MODEL_ID} from ModelScope: 3 files, 4 MB."]


def test_pickles_are_left_out_where_there_are_safetensors(tmp_path: Path) -> None:
    extra = (RemoteFile("model.safetensors", 9), RemoteFile("onnx/config.json", 9))
    hub = double(tmp_path, files=FILES + extra)
    find(MODEL_ID, hub)
    assert hub.downloads == [["config.json", "tokenizer.model", "model.safetensors"]]


def test_model_without_weights_is_refused_before_the_download(tmp_path: Path) -> None:
    hub = double(tmp_path, files=(CONFIG, README))
    assert "none among its 2 files" in refusal(MODEL_ID, hub)
    assert not hub.downloads


def test_unreachable_hub_falls_back_on_an_earlier_download(tmp_path: Path) -> None:
    error = HubUnreachableError("ModelScope must answer.")
    lines: list[str] = []
    cached = double(tmp_path, listing_error=error, cached=tmp_path / "earlier")
    assert find(MODEL_ID, cached, lines=lines).folder == tmp_path / "earlier"
    assert "downloaded earlier" in lines[0]
    assert refusal(MODEL_ID, double(tmp_path, listing_error=error)) == "ModelScope must answer."


def test_space_is_checked_before_the_download(tmp_path: Path) -> None:
    huge = RemoteFile("model.safetensors", 10**18)
    hub = double(tmp_path, files=(CONFIG, huge))
    message = refusal(MODEL_ID, hub)
    assert "1e+09 GB" in message
    assert "MODELSCOPE_CACHE" in message
    assert not hub.downloads


def test_files_that_are_there_already_need_no_space(tmp_path: Path) -> None:
    huge = RemoteFile("model.safetensors", 10**18)
    with (tmp_path / huge.path).open("wb") as sparse:
        try:
            sparse.truncate(huge.size)
        except OSError:  # not every file system has files of an exabyte
            sparse.truncate(huge.size // 10**6)
            huge = replace(huge, size=huge.size // 10**6)
    hub = double(tmp_path, files=(huge,), cached=tmp_path)
    find(MODEL_ID, hub)
    assert hub.downloads


class WrappedError(Exception):
    """As modelscope raises it: the reason is in the cause, or kept by file name."""

    def __init__(self, cause: Exception, *, is_kept_by_name: bool) -> None:
        super().__init__("Download failed")
        if is_kept_by_name:
            self.failed_files = {"pytorch_model.bin": cause}
        else:
            self.__cause__ = cause


@pytest.mark.parametrize("is_kept_by_name", [True, False])
@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), ["ran full", "larger disk"]),
        (OSError(errno.EACCES, "Permission denied"), ["permission was denied", "able to write"]),
        (ConnectionResetError("reset by peer"), ["stopped: Download failed", "Start again"]),
    ],
)
def test_broken_download_says_what_broke_it(
    cause: Exception, words: list[str], is_kept_by_name: bool, tmp_path: Path
) -> None:
    error = WrappedError(cause, is_kept_by_name=is_kept_by_name)
    message = refusal(MODEL_ID, double(tmp_path, download_error=error))
    for word in words:
        assert word in message


def test_bytes_are_written_for_people() -> None:
    sizes = [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (4_123_456_789, "4.12 GB")]
    assert [format_bytes(count) for count, _ in sizes] == [text for _, text in sizes]


# -- the real clients, against servers of this machine

ASK = """
import sys, time
from yuan_demo.core.errors import CheckpointError
from yuan_demo.model.locate import find_model
start = time.monotonic()
try:
    found = find_model(sys.argv[1])
    print("FOUND", found.source, found.name, sorted(p.name for p in found.folder.iterdir()))
except CheckpointError as error:
    print("REFUSED", error)
print("SECONDS", time.monotonic() - start)
"""


def ask_real_clients(model: str, cache: Path, modelscope: str, hugging_face: str) -> str:
    """Runs `find_model` in a process of its own: the clients read their environment at import."""
    environ = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environ |= {
        "MODELSCOPE_ENDPOINT": modelscope,
        "MODELSCOPE_CACHE": str(cache / "modelscope"),
        "HF_ENDPOINT": hugging_face,
        "HF_HOME": str(cache / "hugging face"),
        "HOME": str(cache),
    }
    command = [sys.executable, "-c", ASK, model]
    asked = subprocess.run(
        command, env=environ, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False
    )
    assert asked.returncode == 0, asked.stderr
    assert "Traceback" not in asked.stderr
    return asked.stdout


class HubHandler(BaseHTTPRequestHandler):
    """As much of the hubs' interfaces as one download needs; everything else is 404."""

    files: dict[str, bytes] = {}  # noqa: RUF012 - set by `serve` on a class of its own

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        if self.files and address.path.endswith(f"/models/{MODEL_ID}/repo/files"):
            listed = [
                {"Path": name, "Name": name, "Size": len(content), "Type": "blob"}
                for name, content in self.files.items()
            ]
            content = json.dumps({"Code": 200, "Success": True, "Data": {"Files": listed}})
            self.answer(200, content.encode())
        elif self.files and address.path.endswith(f"/models/{MODEL_ID}/repo"):
            self.answer(200, self.files[query["FilePath"][0]])
        else:
            self.answer(404, b'{"Code": 404, "Success": false, "Message": "not found"}')

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status == 404:  # how Hugging Face tells an absent model from an absent file
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Keeps the test's output clean."""


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[str]:
    handler = type("Handler", (HubHandler,), {"files": files})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def dead_end() -> str:
    """An address that refuses every connection."""
    return "http://127.0.0.1:1"


@pytest.mark.parametrize(("prefix", "title"), [("", "ModelScope"), ("hf:", "Hugging Face")])
def test_no_network_is_one_sentence_within_seconds(
    prefix: str, title: str, tmp_path: Path, dead_end: str
) -> None:
    said = ask_real_clients(prefix + MODEL_ID, tmp_path, dead_end, dead_end)
    assert f"REFUSED {title} must answer" in said
    assert "Connection refused. Check" in said
    assert "Check the network" in said
    assert float(said.rpartition("SECONDS")[2]) < 15


def test_real_clients_tell_an_id_that_does_not_exist(tmp_path: Path) -> None:
    with serve({}) as address:
        said = ask_real_clients("owner/typo", tmp_path, address, address)
    assert "REFUSED A model id must exist on ModelScope or Hugging Face; 'owner/typo'" in said


def test_real_modelscope_client_downloads_what_loading_reads(tmp_path: Path, dead_end: str) -> None:
    files = {
        "config.json": b"{}",
        "tokenizer.model": b"pieces",
        "yuan_hf_model.py": b"raise SystemExit",
        "pytorch_model.bin": b"weights" * 1000,
    }
    with serve(files) as address:
        said = ask_real_clients(MODEL_ID, tmp_path, address, dead_end)
    assert "FOUND modelscope Yuan2-2B-Mars-hf" in said
    for name in files:
        assert (f"'{name}'" in said) == (not name.endswith(".py"))
    offline = ask_real_clients(MODEL_ID, tmp_path, dead_end, dead_end)
    assert "downloaded earlier" in offline
    assert "FOUND modelscope" in offline
