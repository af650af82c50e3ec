"""Reads traces, which anybody may have written, and believes nothing in them."""

import re
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, get_args

from yuan_demo.core.errors import PageError
from yuan_demo.core.generation import FinishReason
from yuan_demo.core.loops import Loop
from yuan_demo.core.messages import Message, Role
from yuan_demo.core.sampling import MAX_COUNT, SamplingParams
from yuan_demo.core.trace import (
    KIND,
    ORIGINS,
    VERSION,
    Trace,
    TraceFile,
    TraceModel,
    TraceOptions,
    TraceScore,
    TraceTimings,
    TraceTokens,
)
from yuan_demo.core.trace_check import Node, parsed

MAX_CHARACTERS = 16_000_000
"""Of a file: an answer of 8,192 tokens with ten candidates each has 4,000,000."""
MAX_TOKENS = 100_000
MAX_CANDIDATES = 100
_MAX_NAME = 300
_ANY = -1e18, 1e18
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def read_trace(text: str) -> Trace:
    """The trace that a file holds.

    Raises:
        PageError: it is too large, no JSON, no trace, of a newer version, or something in it is
            not what it should be; the error says where.
    """
    if len(text) > MAX_CHARACTERS:
        raise PageError("trace_too_large", size=len(text), limit=MAX_CHARACTERS)
    return checked_trace(parsed(text))


def checked_trace(value: Any) -> Trace:
    """The trace that a file holds, from what `json` makes of it.

    Raises:
        PageError: as `read_trace`.
    """
    if not isinstance(value, dict) or value.get("kind") != KIND:
        raise PageError("trace_other_kind")
    version = Node(value.get("version"), "version").whole(1)
    if version > VERSION:
        raise PageError("trace_newer", version=version, known=VERSION)
    names = (each.name for each in fields(Trace))
    _, _, *parts = Node(value).members("kind", "version", *names)
    return _trace(*parts)


def _trace(*parts: Node) -> Trace:
    """A trace of the values of its fields, in their order."""
    created, turn, messages, options, settings, prompt, answer, begun, text = parts[:9]
    finish, scores, pieces, loops, timings, model = parts[9:]
    made_by = _model(model)
    most = made_by.vocabulary - 1
    said = _tokens(answer, most)
    rows = scores.items(MAX_TOKENS)
    scores.require_length(len(rows), len(said.ids), "answer.ids")
    return Trace(
        _time(created),
        turn.whole(1, MAX_COUNT),
        tuple(_message(each) for each in messages.items(MAX_TOKENS)),
        _options(options),
        _settings(settings),
        _tokens(prompt, most, least=1),
        said,
        begun.whole(0, len(said.ids)),
        text.text(),
        finish.choice(get_args(FinishReason)),
        tuple(_score(row, most) for row in rows),
        _pieces(pieces, most),
        tuple(_loop(each, len(said.ids)) for each in loops.items(MAX_TOKENS)),
        None if timings.value is None else _timings(timings),
        made_by,
    )


def _time(node: Node) -> str:
    text = node.text(20)
    try:
        if datetime.strptime(text, _TIME).strftime(_TIME) == text:
            return text
    except ValueError:
        pass
    raise node.bad_form("2026-01-31T12:00:00Z")


def _message(node: Node) -> Message:
    role, content = node.items(2, least=2)
    return Message(role.choice(get_args(Role)), content.text())


def _options(node: Node) -> TraceOptions:
    reserved, name, turn, question, raw, loading, policy, window, pinned = node.members(
        *(each.name for each in fields(TraceOptions))
    )
    return TraceOptions(
        reserved.whole(1, MAX_COUNT),
        name.text(_MAX_NAME),
        turn.text(),
        question.text(),
        raw.flag(),
        loading.text(_MAX_NAME),
        policy.text(_MAX_NAME),
        window.whole(1, MAX_COUNT),
        tuple(each.whole(0, MAX_COUNT) for each in pinned.items(MAX_TOKENS)),
    )


def _settings(node: Node) -> SamplingParams:
    most, greedy, temperature, top_k, top_p, penalty, seed, stop = node.members(
        *(each.name for each in fields(SamplingParams))
    )
    # Ranges and their sentences are its own.
    return SamplingParams(
        most.number(*_ANY),
        greedy.flag(),
        temperature.number(*_ANY),
        top_k.number(*_ANY),
        top_p.number(*_ANY),
        penalty.number(*_ANY),
        None if seed.value is None else seed.number(*_ANY),
        stop.flag(),
    )


def _tokens(node: Node, most: int, least: int = 0) -> TraceTokens:
    ids, pieces, texts, origins, turns, sizes, flags = node.members(
        *(each.name for each in fields(TraceTokens))
    )
    found = TraceTokens(
        tuple(each.whole(0, most) for each in ids.items(MAX_TOKENS, least)),
        tuple(each.text() for each in pieces.items(MAX_TOKENS)),
        tuple(each.text() for each in texts.items(MAX_TOKENS)),
        origins.text(MAX_TOKENS),
        tuple(each.whole(0, MAX_COUNT) for each in turns.items(MAX_TOKENS)),
        tuple(each.whole(1, MAX_TOKENS) for each in sizes.items(MAX_TOKENS)),
        (),
    )
    cells = len(found.texts)
    pieces.require_length(len(found.pieces), len(found.ids), ids.where)
    sizes.require_length(sum(found.sizes), len(found.ids), ids.where)
    for part, count in ((origins, found.origins), (turns, found.turns), (sizes, found.sizes)):
        part.require_length(len(count), cells, texts.where)
    if not set(found.origins) <= set(ORIGINS):
        raise origins.bad_choice(tuple(ORIGINS))
    return replace(found, flags=tuple(_flag(each, cells) for each in flags.items(MAX_TOKENS)))


def _flag(node: Node, cells: int) -> tuple[int, int, str | None]:
    cell, flags, typed = node.items(3, least=3)
    name = None if typed.value is None else typed.text(_MAX_NAME)
    return cell.whole(0, cells - 1), flags.whole(0, 15), name


def _score(node: Node, most: int) -> TraceScore:
    logprob, rank, entropy, eod, candidates = node.items(5, least=5)
    return TraceScore(
        logprob.log(),
        rank.whole(1, most + 1),
        # Rounding may leave it below 0.
        entropy.number(-1e-3, 100.0),
        None if eod.value is None else eod.log(),
        tuple(_candidate(each, most) for each in candidates.items(MAX_CANDIDATES)),
    )


def _candidate(node: Node, most: int) -> tuple[int, float, float]:
    token_id, logprob, chance = node.items(3, least=3)
    return token_id.whole(0, most), logprob.log(), chance.number(0.0, 1.001)


def _pieces(node: Node, most: int) -> tuple[tuple[int, str], ...]:
    found = []
    for name, piece in node.pairs(MAX_TOKENS * 10):
        is_number = re.fullmatch(r"0|[1-9][0-9]{0,7}", name)
        token_id = Node(int(name) if is_number else name, piece.where).whole(0, most)
        found.append((token_id, piece.text()))
    return tuple(sorted(found))


def _loop(node: Node, tokens: int) -> Loop:
    start, period, end = node.items(3, least=3)
    first = start.whole(0, tokens)
    return Loop(first, period.whole(1, MAX_TOKENS), end.whole(first, tokens))


def _timings(node: Node) -> TraceTimings:
    queue, prompt, reused, computed, speed = node.members(
        *(each.name for each in fields(TraceTimings))
    )
    return TraceTimings(
        queue.number(0.0, 1e9),
        prompt.number(0.0, 1e9),
        reused.whole(0, MAX_COUNT),
        computed.whole(0, MAX_COUNT),
        None if speed.value is None else speed.number(0.0, 1e9),
    )


def _model(node: Node) -> TraceModel:
    names = [each.name for each in fields(TraceModel)]
    values = dict(zip(names, node.members(*names), strict=True))
    numbers = {
        "parameters": values["parameters"].whole(0),
        "vocabulary": values["vocabulary"].whole(1, MAX_COUNT),
    }
    revision, files = values["revision"], values["files"].items(10_000)
    named = {
        name: values[name].text(_MAX_NAME)
        for name in names
        if name not in ("revision", "files", *numbers)
    }
    return TraceModel(
        **named,
        **numbers,
        revision=None if revision.value is None else revision.text(_MAX_NAME),
        files=tuple(_file(each) for each in files),
    )


def _file(node: Node) -> TraceFile:
    name, size, digest = node.members(*(each.name for each in fields(TraceFile)))
    if not re.fullmatch(r"[0-9a-f]{64}", digest.text(64, least=64)):
        raise digest.bad_form("0123456789abcdef…")
    return TraceFile(name.text(_MAX_NAME), size.whole(), digest.value)
