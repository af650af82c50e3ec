"""One answered turn as a file: what went in, what came out, and by which model.

A trace is JSON in ASCII, so that no text gets lost on its way, half characters included. The names
come in a fixed order and the scores one a line; what is read and written again is the same, byte
for byte. Everything in it is data: reading one runs nothing.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from yuan_demo.core.generation import FinishReason
from yuan_demo.core.loops import Loop
from yuan_demo.core.messages import Message
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.core.trace_check import MINUS_INFINITY

KIND = "yuan-demo-trace"
VERSION = 1
ORIGINS = "uajcn?"
"""Codes: user, assistant, join, control token, answer, unknown."""
_NOTHING = float("-inf")


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A file of a model: its name, bytes, and SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TraceModel:
    """What computed the answer.

    Attributes:
        name, dtype, device, parameters: as `LoadedModel` says them.
        source: embedded, folder, modelscope or huggingface.
        revision: of the hub; None where it is not known.
        vocabulary: rows of the embedding; all ids are below it.
        quantize: none, int8 or int4.
        torch, transformers, demo: versions.
        files: weights, configuration and tokenizer; empty where nobody has read them.
    """

    name: str
    source: str
    revision: str | None
    dtype: str
    device: str
    parameters: int
    vocabulary: int
    quantize: str
    torch: str
    transformers: str
    demo: str
    files: tuple[TraceFile, ...] = ()

    def has_files_of(self, other: "TraceModel") -> bool:
        """Whether both were read from the same bytes, whatever the files are called."""
        own, others = ({each.sha256 for each in model.files} for model in (self, other))
        return bool(own) and own == others


@dataclass(frozen=True, slots=True)
class TraceTokens:
    """Tokens, and the cells in which they are drawn (`ui/cells.py`): the byte tokens of one
    character are one cell.

    Attributes:
        ids, pieces: one per token.
        texts, turns: one per cell: the characters, and the turn that they belong to.
        origins: one letter of `ORIGINS` per cell.
        sizes: tokens of each cell.
        flags: (cell, sum of flags, control token typed there or None), where there are any.
    """

    ids: tuple[int, ...]
    pieces: tuple[str, ...]
    texts: tuple[str, ...]
    origins: str
    turns: tuple[int, ...]
    sizes: tuple[int, ...]
    flags: tuple[tuple[int, int, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class TraceScore:
    """What the model thought of a token; see `TokenScores`.

    Attributes:
        eod_logprob: None where a person put the token, and only that one was rated.
        candidates: (id, logprob by the model alone, probability after the sampling settings).
    """

    logprob: float
    rank: int
    entropy: float
    eod_logprob: float | None
    candidates: tuple[tuple[int, float, float], ...]


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """The settings that the prompt was made with, by the names that `/chat` takes."""

    max_new_tokens: int
    format: str
    turn_template: str
    question_template: str
    raw: bool
    loading: str
    policy: str
    window: int
    pinned: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TraceTimings:
    """Seconds of wall-clock time, and tokens; see `Timings`.

    Attributes:
        reused_tokens, computed_tokens: of the prompt.
        prompt_seconds: to the first token of the answer.
        tokens_per_second: after that; None where it was not measured.
    """

    queue_seconds: float
    prompt_seconds: float
    reused_tokens: int
    computed_tokens: int
    tokens_per_second: float | None


@dataclass(frozen=True, slots=True)
class Trace:
    """One answered turn.

    Attributes:
        created: when it was saved, UTC, ISO 8601.
        turn: number of the turn.
        messages: of the conversation, the question last.
        options, settings: how the prompt was made and the tokens chosen, the seed included.
        prompt, answer: their tokens.
        begun: tokens of the answer that were given, as a branch has them; the others were chosen.
        text: of the answer.
        finish: why it ended.
        scores: one per token of the answer.
        pieces: (id, piece) of the candidates, by id.
        loops: stretches that it repeated on the spot.
        timings: None where nobody measured them.
        model: what computed it.
    """

    created: str
    turn: int
    messages: tuple[Message, ...]
    options: TraceOptions
    settings: SamplingParams
    prompt: TraceTokens
    answer: TraceTokens
    begun: int
    text: str
    finish: FinishReason
    scores: tuple[TraceScore, ...]
    pieces: tuple[tuple[int, str], ...]
    loops: tuple[Loop, ...]
    timings: TraceTimings | None
    model: TraceModel

    def to_json(self) -> str:
        """The file: always the same for the same trace."""
        parts = [
            f'"{name}": {_one_a_line(value) if name == "scores" else _dumped(value)}'
            for name, value in _plain(self).items()
        ]
        return "{\n" + ",\n".join(parts) + "\n}\n"


# --- writing ------------------------------------------------------------------------------------


def _plain(trace: Trace) -> dict[str, Any]:
    """What `trace_reading.checked_trace` reads."""
    shallow = {each.name: getattr(trace, each.name) for each in fields(trace)}
    return {
        "kind": KIND,
        "version": VERSION,
        **shallow,
        "messages": [[message.role, message.content] for message in trace.messages],
        "options": asdict(trace.options),
        "settings": asdict(trace.settings),
        "prompt": asdict(trace.prompt),
        "answer": asdict(trace.answer),
        "scores": [_plain_score(score) for score in trace.scores],
        "pieces": {str(token_id): piece for token_id, piece in trace.pieces},
        "timings": trace.timings and asdict(trace.timings),
        "model": asdict(trace.model),
    }


def _plain_score(score: TraceScore) -> list[Any]:
    candidates = [[each, _log(before), after] for each, before, after in score.candidates]
    return [_log(score.logprob), score.rank, score.entropy, _log(score.eod_logprob), candidates]


def _log(value: float | None) -> float | str | None:
    return MINUS_INFINITY if value == _NOTHING else value


def _dumped(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _one_a_line(values: list[Any]) -> str:
    return "[\n" + ",\n".join(map(_dumped, values)) + "\n]" if values else "[]"
