"""Counts and durations of the engine, as Prometheus reads them. No text, no ids, no addresses."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from yuan_demo.core.generation import Timings

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_PER_TOKEN = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)


class EngineMetrics:
    """The numbers of one engine, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter(
            "requests", "Requests that ended, by kind and by how they ended.", ["kind", "outcome"]
        )
        self._prompt = self._counter(
            "prompt_tokens", "Tokens of prompts, computed or reused.", ["source"]
        )
        self._generated = self._counter("generated_tokens", "Tokens generated.")
        self._steps = self._counter("decode_steps", "Decode steps, each for all rows at once.")
        self._failures = self._counter("failures", "Forward passes that failed.", ["kind"])
        self._running = self._gauge("running_requests", "Requests that have a slot.")
        self._waiting = self._gauge("waiting_requests", "Requests in line for a slot.")
        self._kept = self._gauge("kept_tokens", "Tokens in slots that could be reused.")
        self._queue = self._seconds("queue_seconds", "Time in line.", _SECONDS)
        self._first = self._seconds(
            "first_token_seconds", "From a slot to the first token.", _SECONDS
        )
        self._token = self._seconds("token_seconds", "Mean time per further token.", _PER_TOKEN)

    def text(self) -> bytes:
        """All numbers in Prometheus' text format."""
        return generate_latest(self.registry)

    def state(self, running: int, waiting: int, kept_tokens: int) -> None:
        """What is going on now."""
        self._running.set(running)
        self._waiting.set(waiting)
        self._kept.set(kept_tokens)

    def seated(self, prompt_tokens: int, reused_tokens: int, queue_seconds: float) -> None:
        """A request got a slot."""
        self._prompt.labels("reused").inc(reused_tokens)
        self._prompt.labels("computed").inc(prompt_tokens - reused_tokens)
        self._queue.observe(queue_seconds)

    def stepped(self) -> None:
        """A decode step was taken."""
        self._steps.inc()

    def generated(self, tokens: int) -> None:
        """So many tokens were chosen, behind a prompt or in a decode step."""
        self._generated.inc(tokens)

    def failed(self, kind: str) -> None:
        """A forward pass failed."""
        self._failures.labels(kind).inc()

    def ended(self, kind: str, outcome: str, timings: Timings) -> None:
        """A request ended: with a finish reason, or the code of an error."""
        self._requests.labels(kind, outcome).inc()
        if timings.generated_tokens:
            self._first.observe(timings.prompt_seconds)
        if timings.generated_tokens > 1:
            self._token.observe(timings.generation_seconds / (timings.generated_tokens - 1))

    def _counter(self, name: str, text: str, labels: list[str] | None = None) -> Counter:
        return Counter(f"yuan_demo_{name}", text, labels or [], registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"yuan_demo_{name}", text, registry=self.registry)

    def _seconds(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"yuan_demo_{name}", text, buckets=buckets, registry=self.registry)
