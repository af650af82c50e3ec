"""The running app: many at once, whoever hangs up, what it tells of itself, and how it ends.

Spoken to over plain HTTP, as programs do: `POST /gradio_api/call/chat`, then a stream of events.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from yuan_demo.core.messages import Message
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.ui.strings import ENDINGS

ROOT = Path(__file__).resolve().parents[1]
LONG = ("Tell me a story number 0", {"temperature": 5.0, "seed": 7, "max_new_tokens": 1900})
"""Takes the embedded model long enough: at this temperature it finds no end."""
_LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


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
        with _LOCAL.open(f"http://127.0.0.1:{self.port}/{path}", timeout=10) as response:
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
        """Asks over the API and listens to the answer."""
        values = {
            "max_new_tokens": 48,
            "greedy": not settings,
            "temperature": 1.0,
            "top_k": 0,
            "top_p": 1.0,
            "repetition_penalty": 1.0,
            "seed": 7,
        } | (settings or {})
        fixed = ["n_join", "", "", False, "exact", "drop_oldest", 2048, []]
        body = json.dumps({"data": [message, None, *values.values(), *fixed]}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/gradio_api/call/chat",
            body,
            {"content-type": "application/json"},
        )
        with _LOCAL.open(request, timeout=10) as response:
            event = json.load(response)["event_id"]
        return Stream(self.port, event)

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


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    running = App("--slots", "2")
    yield running
    running.stop()


def is_idle(app: App) -> bool:
    health = app.health()
    return health["running"] == health["waiting"] == 0


# --- many at once ---------------------------------------------------------------------------------

QUESTIONS = [
    "Hello!",
    "My name is Ada.",
    "What is the capital of France?",
    "你好，你是谁？",
    "法国的首都是哪里？",
    "Write a bubble sort in Python",
    "我叫小明。",
    "Count to five.",
]


@pytest.fixture(scope="module")
def alone() -> dict[str, str]:
    """What each question is answered when nobody else asks."""
    from yuan_demo.engine.chat import ChatModel
    from yuan_demo.model.checkpoint import load_checkpoint
    from yuan_demo.model.locate import EMBEDDED_FOLDER

    model = ChatModel(load_checkpoint(str(EMBEDDED_FOLDER)), slots=1)
    params = SamplingParams(max_new_tokens=48, greedy=True)
    return {
        text: list(model.answer([Message("user", text)], params))[-1].text for text in QUESTIONS
    }


def test_eight_at_once_over_two_slots_all_get_their_own_answer(app: App, alone: dict[str, str]):
    streams = {text: app.ask(text) for text in QUESTIONS}
    answers = {text: stream.finish()[0] for text, stream in streams.items()}

    assert answers == alone


def test_those_in_line_are_told_their_place_and_then_answered(app: App, alone: dict[str, str]):
    holders = [app.ask(*LONG) for _ in range(2)]
    app.wait_for(lambda: app.health()["running"] == 2, 10, "both slots are taken")
    streams = [app.ask(text) for text in QUESTIONS[:3]]
    app.wait_for(lambda: app.health()["waiting"] == 3, 10, "three wait")
    time.sleep(0.3)
    waiting = [[view.get("place") for _, _, view in stream.events][-1] for stream in streams]
    texts = {text for stream in streams for _, text, _ in stream.events}
    for holder in holders:
        holder.hang_up()

    assert sorted(waiting) == [1, 2, 3]
    assert texts == {""}, "a program's text is the model's alone"
    for question, stream in zip(QUESTIONS, streams, strict=False):
        text, view = stream.finish()
        assert text == alone[question]
        assert view["work"]["queue"] > 0
    app.wait_for(lambda: is_idle(app), 5, "idle")


def test_sixty_four_can_listen_at_once(app: App):
    streams = [app.ask("Hello!", {"seed": number}) for number in range(64)]

    assert all(stream.finish(120)[1]["finish"] in ("stop", "length") for stream in streams)
    app.wait_for(lambda: is_idle(app), 5, "idle")


# --- stop means stop ------------------------------------------------------------------------------

SOON = 0.5
"""Seconds: 0.2 for the slot, and the rest for the question whether it is free on a busy machine."""


def test_a_killed_client_frees_its_slot(app: App):
    stream = app.ask(*LONG)
    app.wait_for(lambda: any(text for _, text, _ in stream.events), 10, "it streams")

    stream.hang_up()

    assert app.wait_for(lambda: is_idle(app), 10, "the slot is free") < SOON
    assert 'outcome="cancelled"' in app.get("metrics").decode()


def test_a_client_killed_in_line_leaves_the_line(app: App):
    holders = [app.ask(*LONG) for _ in range(2)]
    app.wait_for(lambda: app.health()["running"] == 2, 10, "both slots are taken")
    stream = app.ask("Hello!")
    app.wait_for(lambda: app.health()["waiting"] == 1, 10, "one waits")

    stream.hang_up()

    assert app.wait_for(lambda: app.health()["waiting"] == 0, 10, "nobody waits") < SOON
    assert app.health()["running"] == 2, "the others go on"
    for holder in holders:
        holder.hang_up()
    app.wait_for(lambda: is_idle(app), 5, "idle")


# --- what it tells of itself ----------------------------------------------------------------------


def test_metrics_are_read_by_prometheus_and_hold_no_text(app: App):
    app.ask("Hello Zanzibar!").finish()
    with _LOCAL.open(f"http://127.0.0.1:{app.port}/metrics", timeout=10) as response:
        kind, text = response.headers["content-type"], response.read().decode()

    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert kind.startswith("text/plain; version=")
    assert families["yuan_demo_generated_tokens"].samples[0].value > 0
    assert "Zanzibar" not in text
    assert "127.0.0.1" not in text


def test_healthz_and_metrics_stay_open_behind_a_password():
    locked = App("--auth", "teacher:chalk")
    try:
        assert locked.health()["status"] == "ok"
        assert b"yuan_demo_" in locked.get("metrics")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            locked.get("config")
    finally:
        locked.stop()


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_a_signal_ends_streams_with_a_sentence_and_the_process_with_0():
    app = App("--slots", "1")
    streams = [app.ask(*LONG), app.ask("Hello!")]
    app.wait_for(lambda: bool(streams[0].events and streams[0].events[-1][1]), 10, "it streams")

    app.process.send_signal(signal.SIGTERM)
    code = app.process.wait(15)

    texts = [stream.finish(5) for stream in streams]
    assert code == 0
    assert "Traceback" not in app.log()
    assert all(text.endswith(ENDINGS["shutdown"][0]) for text, _ in texts)
    assert {view["finish"] for _, view in texts} == {"shutdown"}
    app.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_too_long_an_answer_is_ended_and_a_short_one_ends_itself_though_the_server_stops():
    app = App("--answer-seconds", "2")
    text, view = app.ask(*LONG).finish()
    stream = app.ask("Hello!")
    app.wait_for(lambda: bool(stream.events), 10, "it streams")
    app.process.send_signal(signal.SIGINT)

    assert view["finish"] == "deadline"
    assert text.endswith(ENDINGS["deadline"][0].format(seconds=2))
    assert stream.finish(15)[1]["finish"] in ("stop", "length")
    assert app.process.wait(15) == 0
    assert "Traceback" not in app.log()
    app.stop()
