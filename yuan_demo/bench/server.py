"""The app as a visitor meets it: a process of its own, spoken to over HTTP."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import IO

from yuan_demo.bench import BenchError

PROJECT = Path(__file__).resolve().parents[2]

START_TIMEOUT_SECONDS = 300
"""A model of 2 billion parameters is read from a slow disk in less."""

_POLL_SECONDS = 0.01
_LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of a process, in bytes."""

    peak: int
    now: int


@dataclass(frozen=True, slots=True)
class App:
    """A started app.py.

    Attributes:
        url: where its page is.
        process: the server.
        started: `perf_counter()` just before it was started.
        log: what it prints.
    """

    url: str
    process: subprocess.Popen[bytes]
    started: float
    log: IO[bytes]

    def wait_for(self, *paths: str) -> dict[str, float]:
        """Seconds from the start of the process until each path was answered in full.

        Raises:
            BenchError: the app ended, or answers nothing.
        """
        seconds: dict[str, float] = {}
        while len(seconds) < len(paths):
            self._require_alive()
            for path in paths:
                if path not in seconds and self.get(path) is not None:
                    seconds[path] = perf_counter() - self.started
            sleep(_POLL_SECONDS)
        return seconds

    def get(self, path: str) -> bytes | None:
        """The body behind a path; None while nobody answers."""
        try:
            with _LOCAL.open(self.url + path, timeout=10) as response:
                return response.read()
        except (urllib.error.URLError, OSError):
            return None

    def memory(self) -> Memory | None:
        """Of the server process; None on systems without /proc."""
        return memory_of(self.process.pid)

    def _require_alive(self) -> None:
        code, waited = self.process.poll(), perf_counter() - self.started
        if code is None and waited < START_TIMEOUT_SECONDS:
            return
        self.log.seek(0)
        printed = self.log.read().decode(errors="replace").strip().splitlines()[-5:]
        what = "gave no page" if code is None else f"ended with status {code}"
        raise BenchError(
            f"app.py must start to be measured; after {waited:.0f} s it {what}. "
            "It printed last:\n" + "\n".join(printed)
        )


def memory_of(process: int | str) -> Memory | None:
    """Of a process by its id, or of this one as "self"; None on systems without /proc."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in status.splitlines())
    # Sandboxes leave some of them out.
    peak, now = (_bytes(fields.get(name, "0 kB")) for name in ("VmHWM", "VmRSS"))
    return Memory(peak, now)


@contextmanager
def running_app(flags: Sequence[str]) -> Iterator[App]:
    """Starts app.py on a free port of this machine, and ends it afterwards.

    Args:
        flags: of app.py; host, port and share are set here.
    """
    port = _free_port()
    listen = ["--host", "127.0.0.1", "--port", str(port), "--no-share"]
    # A password would lock the measurement out; the other variables hold as for `python app.py`.
    environment = {k: v for k, v in os.environ.items() if k != "YUAN_DEMO_AUTH"}
    with tempfile.TemporaryFile() as log:
        started = perf_counter()
        process = subprocess.Popen(
            [sys.executable, "app.py", *flags, *listen],
            cwd=PROJECT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield App(f"http://127.0.0.1:{port}", process, started, log)
        finally:
            _end(process)


@contextmanager
def widened(folder: Path, window: int) -> Iterator[Path]:
    """A copy of a model folder with room for so many tokens.

    What the model answers beyond the window that it was trained for is worth nothing; its prompts
    are those of any other model with that window.
    """
    with tempfile.TemporaryDirectory() as place:
        copy = Path(shutil.copytree(folder, Path(place) / folder.name))
        config = copy / "config.json"
        facts = json.loads(config.read_text(encoding="utf-8"))
        facts |= {"max_position_embeddings": window, "model_max_length": window}
        config.write_text(json.dumps(facts), encoding="utf-8")
        yield copy


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _bytes(field: str) -> int:
    """`"  1234 kB"`, as the kernel writes it, in bytes; its kB are 1024."""
    return int(field.split()[0]) * 1024
