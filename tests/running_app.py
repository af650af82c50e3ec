"""The app in a process of its own, spoken to over plain HTTP, as programs do.

`POST /gradio_api/call/chat`, then a stream of events.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LONG = ("Tell me a story number 0", {"temperature": 5.0, "seed": 7, "max_new_tokens": 1900})
"""Takes the embedded model long enough: at this temperature it finds no end."""
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class App:
    """`python app.py` on a port of its own."""

    def __init__(self, *flags: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        env = {k: v for k, v in os.environ.items() if not k.startswith("YUAN_DEMO_")}
        self.process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(self.port), *flags],
            cwd=ROOT,
            env=env,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.wait_for(lambda: self._answers(), 90, "start")

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            return bool(self.get("healthz"))
        except OSError:
            return False

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    def get(self, path: str) -> bytes:
        with LOCAL.open(f"http://127.0.0.1:{self.port}/{path}", timeout=10) as response:
            return response.read()

    def health(self) -> dict[str, Any]:
        return json.loads(self.get("healthz"))

    def wait_for(self, is_so: Callable[[], bool], seconds: float, what: str) -> float:
        """Seconds until something is so."""
        started = time.monotonic()
        while not is_so():
            assert time.monotonic() - started < seconds, f"{what}\n{self.log()}"
            time.sleep(0.02)
        return time.monotonic() - started

    def ask(self, message: str, settings: dict[str, Any] | None = None) -> "Stream":
        """See `ask`."""
        return ask(self.port, message, settings)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        finally:
            self.process.kill()
            self._log.close()


class Stream:
    """One answer over the API; reads in a thread of its own."""

    def __init__(self, port: int, event: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        path = f"/gradio_api/call/chat/{event}"
        self._socket.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        self._received = b""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            while more := self._socket.recv(65536):
                self._received += more
        except OSError:
            pass

    @property
    def events(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(kind, text, view) of every event that changed something."""
        found = []
        for block in self._received.decode(errors="ignore").split("\n\n"):
            kind, _, data = block.partition("event: ")[2].partition("\ndata: ")
            if data.startswith("["):
                text, *rest = json.loads(data)
                views = [value for value in rest if isinstance(value, str) and value[:1] == "{"]
                found.append((kind, text, json.loads(views[-1]) if views else {}))
        return found

    def hang_up(self) -> None:
        """As a killed client does: without a word."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def finish(self, seconds: float = 60) -> tuple[str, dict[str, Any]]:
        """The last text and view."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the stream did not end"
        kind, text, view = self.events[-1]
        assert kind == "complete"
        return text, view


def ask(port: int, message: str, settings: dict[str, Any] | None = None) -> Stream:
    """Asks over the API and listens to the answer; greedy unless there are settings."""
    values = {
        "max_new_tokens": 48,
        "greedy": not settings,
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "repetition_penalty": 1.0,
        "seed": 7,
    } | (settings or {})
    fixed = ["n_join", "", "", False, "exact", "drop_oldest", 2048, [], False]
    body = json.dumps({"data": [message, None, *values.values(), *fixed]}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/gradio_api/call/chat",
        body,
        {"content-type": "application/json"},
    )
    with LOCAL.open(request, timeout=10) as response:
        event = json.load(response)["event_id"]
    return Stream(port, event)
