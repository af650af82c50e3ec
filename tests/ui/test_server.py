"""What the server tells of itself when the engine cannot go on, and who listens to it."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from yuan_demo.engine.chat import ChatModel
from yuan_demo.engine.engine import EngineStatus
from yuan_demo.ui.server import _healthz, _metrics
from yuan_demo.ui.streams import Streams, WatchStreams


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine in a thread: playwright, in the same process, has a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


@pytest.fixture
def model(tiny_loaded: Any) -> ChatModel:
    return ChatModel(tiny_loaded, slots=3)


@pytest.fixture
def client(model: ChatModel) -> TestClient:
    routes = [Route("/healthz", _healthz(model)), Route("/metrics", _metrics(model))]
    return TestClient(Starlette(routes=routes))


def test_healthz_of_an_engine_that_works(client: TestClient, model: ChatModel):
    response = client.get("/healthz")

    assert response.status_code == 200
    facts = response.json()
    assert (facts["status"], facts["fault"], facts["slots"]) == ("ok", None, 3)
    assert facts["running"] == facts["waiting"] == facts["kept_tokens"] == 0
    assert facts["context_window"] == model.context_window


def test_healthz_of_an_engine_that_failed_is_503_with_the_fault(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
):
    failed = EngineStatus("failed", "device_lost", 0, 0, 3, 0)
    monkeypatch.setattr("yuan_demo.engine.engine.Engine.status", failed)

    response = client.get("/healthz")

    assert response.status_code == 503
    assert (response.json()["status"], response.json()["fault"]) == ("failed", "device_lost")


def test_metrics_have_the_content_type_of_prometheus(client: TestClient):
    response = client.get("/metrics")

    assert response.headers["content-type"].startswith("text/plain; version=")
    assert "yuan_demo_running_requests" in response.text


# --- who listens --------------------------------------------------------------------------------


def listen(path: str, query: str = "", *, ends: bool) -> tuple[list[str], int]:
    """A stream that its listener leaves before or behind its end: sessions told, streams open."""
    dropped: list[str] = []
    streams = Streams(dropped.append)
    during = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        during.append(streams.open)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": not ends})
        await receive()

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode()}
    run(WatchStreams(app, streams)(scope, receive, send))
    assert streams.open == 0
    return dropped, during[0]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/gradio_api/queue/data", "a=b&session_hash=abc"),
        ("/gradio_api/call/chat/abc", ""),
        ("/gradio_api/call/v2/chat/abc", ""),
        ("/proxied/gradio_api/call/chat/abc/", ""),
    ],
)
def test_whoever_leaves_before_the_end_is_told_of(path: str, query: str):
    assert listen(path, query, ends=False) == (["abc"], 1)
    assert listen(path, query, ends=True) == ([], 1)


@pytest.mark.parametrize("path", ["/", "/gradio_api/queue/data", "/healthz", "/gradio_api/info"])
def test_what_is_no_stream_is_not_watched(path: str):
    assert listen(path, ends=False) == ([], 0)
