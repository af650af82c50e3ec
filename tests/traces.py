"""Traces for tests of every layer; standard library only."""

from dataclasses import replace
from typing import Any

from yuan_demo.core.loops import Loop
from yuan_demo.core.messages import Message
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.core.trace import (
    Trace,
    TraceFile,
    TraceModel,
    TraceOptions,
    TraceScore,
    TraceTimings,
    TraceTokens,
)

NASTY = (
    '""" \'\'\' " \' \\ \\n \\" {x} ${y}\n\r\t\0\x1b\u2028\u202e你好，龘 '
    "👨‍👩‍👧 \ud83d half \udc00 </script>\\"
)
"""Quotes, escapes, line breaks, control characters, CJK, emoji, and two half characters."""
NOTHING = float("-inf")
MODEL = TraceModel(
    "tiny", "folder", None, "float32", "cpu", 1234, 500, "none", "2.13.0", "5.23.0", "0.1.0",
    (TraceFile("model.safetensors", 28, "0123456789abcdef" * 4),),
)  # fmt: skip


def tokens_of(*ids: int, text: str = "x", origin: str = "u") -> TraceTokens:
    """Tokens of one cell each."""
    count = len(ids)
    return TraceTokens(
        ids, (text,) * count, (text,) * count, origin * count, (1,) * count, (1,) * count
    )


def make_trace(**changes: Any) -> Trace:
    """A trace with a bit of everything, but for what is given."""
    scores = (
        TraceScore(-0.25, 1, 0.5, NOTHING, ((7, -0.25, 1.0), (8, NOTHING, 0.0))),
        TraceScore(-1e-7, 3, -0.0, -12.5, ()),
        TraceScore(0.0, 1, 2.25, -0.125, ((9, 0.0, 0.1),)),
    )
    trace = Trace(
        created="2026-11-24T20:15:00Z",
        turn=2,
        messages=(Message("user", NASTY), Message("assistant", ""), Message("user", "我叫什么？")),
        options=TraceOptions(64, "n_join", NASTY, "{user}<sep>", False, "exact", "stop", 128, (1,)),
        settings=SamplingParams(64, False, 0.8, 30, 0.9, 1.2, 2**53 - 1),
        prompt=TraceTokens(
            (3, 4, 5, 6), ("▁", "<0xE9>", "<0xBE>", NASTY), ("", "龘", NASTY), "uuc", (1, 1, 2),
            (1, 2, 1), ((0, 1, None), (2, 4, "<sep>")),
        ),
        answer=tokens_of(7, 499, 9, text="好", origin="n"),
        begun=0,
        text=NASTY,
        finish="length",
        scores=scores,
        pieces=((7, "▁好"), (8, NASTY), (9, "")),
        loops=(Loop(0, 1, 3),),
        timings=TraceTimings(0.0, 0.123, 1, 3, None),
        model=MODEL,
    )  # fmt: skip
    return replace(trace, **changes)
