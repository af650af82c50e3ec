"""Generates an answer again from its prompt's ids, and says where it goes another way."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from yuan_demo.core.generation import FinishReason, InLine, TokenScores
from yuan_demo.core.trace import Trace
from yuan_demo.engine.engine import Engine
from yuan_demo.model.detokenizer import StreamingDetokenizer


@dataclass(frozen=True, slots=True)
class Replay:
    """How far an answer has been generated again.

    Attributes:
        agreed: tokens from its beginning that are the same, given ones included.
        is_waiting: for others, who chat.
        token_id: the first token that differs; None so far, or if generation ended before it.
        scores: of `token_id`.
        finish: why it ended; None while it goes on. Ended at the last of the expected tokens, or
            where one differs, it is `stop`.
        largest_change: the most by which a log-probability differs from the one expected, in nats.
    """

    agreed: int = 0
    is_waiting: bool = False
    token_id: int | None = None
    scores: TokenScores | None = None
    finish: FinishReason | None = None
    largest_change: float = 0.0


def replay(
    engine: Engine, trace: Trace, cancelled: threading.Event, client: str | None = None
) -> Iterator[Replay]:
    """Generates until all tokens of an answer are there, or one is another.

    Whoever chats goes first (`Engine.generate`, `is_aside`).

    Args:
        engine: generates.
        trace: with at least one token that the model chose.
        cancelled: set to stop before the next forward pass.
        client: who asks; see `Engine.generate`.

    Yields:
        A `Replay` per token; the last one has a `finish`.

    Raises:
        EngineError: the prompt fills the window, or the device failed.
    """
    expected, prompt = trace.answer.ids, trace.prompt.ids
    now = Replay(agreed=trace.begun)
    # It may have been cut short for another reason, but is not here.
    params = replace(
        trace.settings, max_new_tokens=max(trace.settings.max_new_tokens, len(expected))
    )
    begun = expected[: trace.begun]
    steps = engine.generate(prompt, params, cancelled, client, begun=begun, is_aside=True)
    for step in steps:
        if isinstance(step, InLine):
            yield replace(now, is_waiting=True)
            continue
        if step.token_id is None:
            yield replace(now, finish=step.finish_reason)
            return
        if step.token_id != expected[now.agreed]:
            yield replace(now, token_id=step.token_id, scores=step.scores, finish="stop")
            return
        change = abs(step.scores.logprob - trace.scores[now.agreed].logprob)
        now = replace(now, agreed=now.agreed + 1, largest_change=max(now.largest_change, change))
        is_over = now.agreed == len(expected)
        yield replace(now, finish="stop" if is_over else step.finish_reason)
        if is_over:
            return


def text_of(token_ids: Sequence[int], tokenizer: Any) -> str:
    """The text of an answer's ids, as the chat has it (`Answer.text`)."""
    detokenizer = StreamingDetokenizer(tokenizer)
    return "".join(map(detokenizer.add, token_ids)) + detokenizer.finish()
