"""Time to the first token, turn by turn of a conversation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter, sleep

from yuan_demo.bench import BenchError
from yuan_demo.bench.report import Cell, median
from yuan_demo.core.messages import Message
from yuan_demo.engine.chat import Answer, ChatModel
from yuan_demo.engine.metrics import EngineMetrics

TURNS = (1, 2, 5, 10)
"""Turns that are reported."""
ANSWER_TOKENS = 60

_QUESTION = "{:04d}: how does a model read a long text, and what does it keep of it?"
"""A number of its own for every question, at its beginning: nothing of one is reused for another,
and all are equally long."""
_POLL_SECONDS = 0.005
_PAUSE_LIMIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and when its answer began.

    Attributes:
        seconds: from the question to the first token.
        prompt_tokens: of the whole conversation until then.
        reused_tokens: of these, not computed again.
    """

    seconds: float
    prompt_tokens: int
    reused_tokens: int


def converse(chat: ChatModel, number: int, *, pauses: bool) -> list[Turn]:
    """A conversation of as many turns as are reported.

    Args:
        chat: answers.
        number: of the conversation; each begins in its own way.
        pauses: whether the next question waits until the engine has prepared for it, as it will
            have when a person has read the answer.

    Raises:
        BenchError: an answer has no token.
    """
    params = replace(chat.default_params, max_new_tokens=ANSWER_TOKENS)
    messages: list[Message] = []
    turns: list[Turn] = []
    for turn in range(max(TURNS)):
        messages.append(Message("user", _QUESTION.format(100 * number + turn)))
        prepared = _prepared(chat.engine.metrics)
        asked, first, answer = perf_counter(), 0.0, None
        for answer in chat.answer(tuple(messages), params):
            if answer.token_ids and not first:
                first = perf_counter() - asked
        turns.append(_turn(answer, first))
        messages.append(Message("assistant", answer.text))
        if pauses and chat.engine.network.rewind_block:
            _wait_for_preparation(chat.engine.metrics, prepared)
    return turns


def rows(paused: Sequence[Sequence[Turn]], hurried: Sequence[Sequence[Turn]]) -> list[dict]:
    """Medians over conversations, each turn against the first turn of its own conversation."""
    table = [_row(f"turn {turn}", paused, turn) for turn in TURNS]
    return [*table, _row(f"turn {max(TURNS)}, asked at once", hurried, max(TURNS))]


def _row(name: str, conversations: Sequence[Sequence[Turn]], turn: int) -> dict[str, Cell]:
    chosen = [turns[turn - 1] for turns in conversations]
    return {
        "": name,
        "first token ms": 1000 * median(one.seconds for one in chosen),
        "worst ms": 1000 * max(one.seconds for one in chosen),
        "ratio to turn 1": median(
            turns[turn - 1].seconds / turns[0].seconds for turns in conversations
        ),
        "prompt tokens": chosen[0].prompt_tokens,
        "reused tokens": chosen[0].reused_tokens,
    }


def _turn(answer: Answer | None, seconds: float) -> Turn:
    if answer is None or answer.timings is None or not answer.token_ids:
        raise BenchError(
            "Every answer must have a token to be timed; one has none. "
            "Look at what is printed above, or raise --context-window."
        )
    return Turn(seconds, answer.timings.prompt_tokens, answer.timings.reused_tokens)


def _wait_for_preparation(metrics: EngineMetrics, before: float) -> None:
    """Waits until one more preparation has ended than before; not forever, as none may come."""
    since = perf_counter()
    while _prepared(metrics) <= before and perf_counter() - since < _PAUSE_LIMIT_SECONDS:
        sleep(_POLL_SECONDS)


def _prepared(metrics: EngineMetrics) -> float:
    """Preparations that have ended."""
    return sum(
        sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "yuan_demo_requests_total" and sample.labels.get("kind") == "prepare"
    )
