"""The running app: many at once, whoever hangs up, what it tells of itself, and how it ends."""

import signal
import sys
import time
import urllib.error
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.running_app import LOCAL, LONG, App
from yuan_demo.core.messages import Message
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.ui.strings import ENDINGS


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
    with LOCAL.open(f"http://127.0.0.1:{app.port}/metrics", timeout=10) as response:
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
    streams = [app.ask(*LONG)]
    app.wait_for(lambda: bool(streams[0].events and streams[0].events[-1][1]), 10, "it streams")
    # In line behind it: asked at the same time, either may come first.
    streams.append(app.ask("Hello!"))
    app.wait_for(lambda: app.health()["waiting"] == 1, 10, "the other waits")

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
