"""Between traces and the records of answers that a page keeps (`assets/answer_store.js`)."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from yuan_demo.core.errors import PageError
from yuan_demo.core.trace import KIND, VERSION, Trace, TraceModel, TraceTimings, TraceTokens
from yuan_demo.core.trace_check import MINUS_INFINITY
from yuan_demo.core.trace_reading import checked_trace
from yuan_demo.ui.answer_view import LOWEST


def trace_of_record(record: Any, text: str, model: TraceModel) -> Trace:
    """The trace of an answer that a page has kept.

    Args:
        record: what the page sent, which may be anything.
        text: of the answer.
        model: what computed it.

    Raises:
        PageError: it is no such record, or lacks what a trace holds.
    """
    try:
        if not record.get("messages") or not record.get("finish") or None in record["rows"]:
            raise PageError("trace_unfinished")
        plain = {
            "kind": KIND,
            "version": VERSION,
            "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "turn": record["turn"],
            "messages": record["messages"],
            "options": record["options"],
            "settings": record["settings"],
            "prompt": _plain_tokens(record["prompt"]),
            "answer": _plain_tokens(record["cells"]),
            "begun": record.get("begun") or 0,
            "text": text,
            "finish": record["finish"],
            "scores": [_plain_row(row) for row in record["rows"]],
            "pieces": record["pieces"],
            "loops": record["loops"],
            "timings": _plain_timings(record.get("work"), record.get("speed")),
            "model": asdict(model) | {"files": [asdict(file) for file in model.files]},
        }
    except (TypeError, KeyError, ValueError, AttributeError, IndexError) as error:
        raise PageError("trace_bad_record") from error
    return checked_trace(plain)


def record_of_trace(trace: Trace) -> dict[str, Any]:
    """What the page draws an opened trace from: a record, but for its `number`."""
    settings = asdict(trace.settings)
    questions = [message.content for message in trace.messages if message.role == "user"]
    return {
        "turn": trace.turn,
        "question": questions[-1] if questions else "",
        "rows": [
            [
                _number(score.logprob),
                score.rank,
                score.entropy,
                _number(score.eod_logprob),
                [[each, _number(before), after] for each, before, after in score.candidates],
            ]
            for score in trace.scores
        ],
        "pieces": dict(trace.pieces),
        "cells": _cells(trace.answer),
        "prompt": _cells(trace.prompt),
        "settings": settings,
        "options": asdict(trace.options),
        "messages": [[message.role, message.content] for message in trace.messages],
        "finish": trace.finish,
        "seed": None if trace.settings.greedy else trace.settings.seed,
        "loops": [list(loop) for loop in trace.loops],
        "begun": trace.begun,
        **_work(trace.timings),
        "created": trace.created,
        "by": asdict(trace.model),
    }


def _plain_tokens(cells: Mapping[str, Any]) -> dict[str, Any]:
    sizes, flags = cells["n"], cells["f"]
    return {
        "ids": list(cells["i"]),
        "pieces": list(cells["p"]),
        "texts": list(cells["t"]),
        "origins": cells["o"],
        "turns": list(cells["r"]),
        "sizes": [sizes.get(str(cell), 1) for cell in range(len(cells["t"]))],
        "flags": [_plain_flag(cell, flags[cell]) for cell in sorted(flags, key=int)],
    }


def _plain_flag(cell: str, flag: Any) -> list[Any]:
    return [int(cell), *(flag if isinstance(flag, list) else (flag, None))]


def _plain_row(row: list[Any]) -> list[Any]:
    logprob, rank, entropy, eod, candidates = row
    told = [[each, _log(before), after] for each, before, after in candidates]
    return [_log(logprob), rank, entropy, _log(eod), told]


def _plain_timings(work: Any, speed: Any) -> dict[str, Any] | None:
    if work is None:
        return None
    return {
        "queue_seconds": work["queue"],
        "prompt_seconds": work["first"],
        "reused_tokens": work["reused"],
        "computed_tokens": work["computed"],
        "tokens_per_second": speed,
    }


def _work(timings: TraceTimings | None) -> dict[str, Any]:
    if timings is None:
        return {"work": None, "speed": None}
    return {
        "work": {
            "reused": timings.reused_tokens,
            "computed": timings.computed_tokens,
            "first": timings.prompt_seconds,
            "queue": timings.queue_seconds,
        },
        "speed": timings.tokens_per_second,
    }


def _cells(tokens: TraceTokens) -> dict[str, Any]:
    """The arrays of `cells_of`."""
    return {
        "t": list(tokens.texts),
        "o": tokens.origins,
        "r": list(tokens.turns),
        "n": {cell: size for cell, size in enumerate(tokens.sizes) if size != 1},
        "f": {cell: flag if name is None else [flag, name] for cell, flag, name in tokens.flags},
        "i": list(tokens.ids),
        "p": list(tokens.pieces),
    }


def _log(value: float | None) -> float | str | None:
    return MINUS_INFINITY if value is not None and value <= LOWEST else value


def _number(log: float | None) -> float | None:
    return None if log is None else max(log, LOWEST)
