"""`bench start`: from `python app.py` to the first page and token, and its memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from gradio_client import Client

from yuan_demo.bench import BenchError
from yuan_demo.bench.report import Cell, Report, median
from yuan_demo.bench.server import Memory, running_app

MAX_PAGE_SECONDS = 10.0
MAX_FIRST_TOKEN_SECONDS = 0.5
MAX_MEMORY_MB = 1500.0

QUESTIONS = (
    "你好，你是谁？",
    "My name is Ada.",
    "Write a bubble sort in Python",
    "What is my name?",
    "法国的首都是哪里？",
)


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the app and some answers.

    Attributes:
        page_seconds: from the start of the process until `/` was served.
        health_seconds: the same for `/healthz`.
        first_token_seconds: per answer, from sending a message until text arrived.
        memory: after the answers; None where the system does not tell.
    """

    page_seconds: float
    health_seconds: float
    first_token_seconds: tuple[float, ...]
    memory: Memory | None


def measure(flags: Sequence[str], *, repeat: int, answers: int) -> Report:
    """Starts the app `repeat` times and asks it `answers` questions each time.

    Raises:
        BenchError: the app does not start, or does not answer.
    """
    starts = [_measure_once(flags, answers) for _ in range(repeat)]
    first = [start.first_token_seconds[0] for start in starts]
    later = [seconds for start in starts for seconds in start.first_token_seconds[1:]]
    peaks = [start.memory.peak / 1e6 for start in starts if start.memory]
    now = [start.memory.now / 1e6 for start in starts if start.memory]
    samples = {
        "start to first page, s": [start.page_seconds for start in starts],
        "start to /healthz, s": [start.health_seconds for start in starts],
        "first token of the first answer, s": first,
        "first token of later answers, s": later,
        "peak memory (VmHWM), MB": peaks,
        "memory after the answers (VmRSS), MB": now,
    }
    limits = [MAX_PAGE_SECONDS, None, MAX_FIRST_TOKEN_SECONDS, MAX_FIRST_TOKEN_SECONDS]
    limits += [MAX_MEMORY_MB, None]
    rows = [
        _row(name, values, limit)
        for (name, values), limit in zip(samples.items(), limits, strict=True)
        if values
    ]
    return Report(f"app.py started {repeat} x, {answers} answers each", rows, samples)


def _measure_once(flags: Sequence[str], answers: int) -> Start:
    with running_app(flags) as app:
        seconds = app.wait_for("/", "/healthz")
        client = Client(app.url, verbose=False)
        questions = [QUESTIONS[number % len(QUESTIONS)] for number in range(answers)]
        first_tokens = tuple(_first_token_seconds(client, question) for question in questions)
        return Start(seconds["/"], seconds["/healthz"], first_tokens, app.memory())


def _first_token_seconds(client: Client, question: str) -> float:
    """Asks, waits for the whole answer, and says when its first text came.

    A token that ends in the middle of a character writes no text; then it is the next one's time.
    """
    sent = perf_counter()
    arrived, text = None, None
    for text, *_ in client.submit(question, api_name="/chat"):
        # What is no text is a notice of the page, in the place of an answer.
        if arrived is None and isinstance(text, str) and text:
            arrived = perf_counter() - sent
    if arrived is None:
        raise BenchError(
            f"An answer must have text to be timed; {question!r} got {text!r}. "
            "Ask the same in the page to see what is wrong."
        )
    return arrived


def _row(name: str, values: Sequence[float], limit: float | None) -> dict[str, Cell]:
    verdict = None if limit is None else "yes" if max(values) <= limit else "NO"
    return {
        "": name,
        "median": median(values),
        "worst": max(values),
        "at most": limit,
        "held": verdict,
        "n": len(values),
    }
