"""What the panel draws, as one JSON string.

A string and not a dict: Gradio's front end proxies every value of a dict, which costs 365 ms per
keystroke at 8,000 tokens against 75 ms for a string parsed in the page (measured, Gradio 6.31).
Everything in it is data; the page puts it in with `textContent`, so nothing here is escaped.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby, pairwise
from typing import Any, Literal

import regex

from yuan_demo.core.budget import Budget, FittedPrompt
from yuan_demo.core.control_tokens import controls_in
from yuan_demo.core.messages import Turn
from yuan_demo.core.prompt import Origin, Prompt, PromptToken
from yuan_demo.engine.chat import Answer

Mode = Literal["empty", "history", "preview", "blocked", "answering", "sent"]

MAX_TOKENS_DRAWN = 10_000
"""More than any window of the family; only a message that cannot be sent reaches it."""

_CODE_OF_ORIGIN = {
    Origin.USER: "u",
    Origin.ASSISTANT: "a",
    Origin.JOIN: "j",
    Origin.CONTROL: "c",
    Origin.ANSWER: "n",
}
_PHANTOM, _CROSSES, _TYPED = 1, 2, 4


def cells_of(prompt: Prompt, limit: int = MAX_TOKENS_DRAWN) -> dict[str, Any]:
    """The tokens of a prompt as parallel arrays, one entry per cell.

    Returns:
        `t` characters, `o` origin codes (one letter each), `r` turn numbers, `n` tokens per cell
        where it is not 1 (by cell), `f` flags where there are any (by cell): a sum of 1 phantom,
        2 crosses, 4 typed, and with 4 a pair of that sum and the name typed; and one entry per
        token: `i` ids, `p` pieces.
    """
    tokens = prompt.tokens[:limit]
    firsts = _first_tokens(tokens, _character_starts(prompt))
    # The spans of the tokens cover the text, so a cell ends where the next one begins.
    edges = [tokens[first].encoded.start for first in firsts]
    edges += [tokens[-1].encoded.end] if tokens else []
    sizes = [after - first for first, after in pairwise([*firsts, len(tokens)])]
    return {
        "t": [prompt.text[start:end] for start, end in pairwise(edges)],
        "o": "".join(_origin_codes(tokens[first] for first in firsts)),
        "r": [tokens[first].turn for first in firsts],
        "n": {cell: size for cell, size in enumerate(sizes) if size > 1},
        "f": _flags(tokens, firsts, edges, _typed_controls(prompt)),
        "i": [token.encoded.token_id for token in tokens],
        "p": [token.encoded.piece for token in tokens],
    }


def _character_starts(prompt: Prompt) -> set[int] | None:
    """Where a visible character (extended grapheme cluster, UAX 29) or a segment begins.

    None where every character stands for itself.
    """
    if prompt.text.isascii() and "\r" not in prompt.text:
        return None
    starts = {match.start() for match in regex.finditer(r"\X", prompt.text)}
    position = 0
    for segment in prompt.segments:
        starts.add(position)
        position += len(segment.text)
    return starts


def _first_tokens(tokens: Sequence[PromptToken], starts: set[int] | None) -> list[int]:
    """Indices of the tokens with which a cell begins."""
    firsts: list[int] = []
    covered = -1
    for index, token in enumerate(tokens):
        _, _, start, end, _ = token.encoded
        is_inside = starts is not None and start < end and start not in starts
        if not firsts or not (start < covered or is_inside):
            firsts.append(index)
        covered = max(covered, end)
    return firsts


def _origin_codes(tokens: Iterable[PromptToken]) -> Iterator[str]:
    # Looked up once per run of equal origins: hashing an enum member is slow.
    for origin, run in groupby(tokens, key=lambda token: token.origin):
        code = _CODE_OF_ORIGIN[origin]
        yield from (code for _ in run)


def _typed_controls(prompt: Prompt) -> list[tuple[int, int, str]]:
    """Names of control tokens that a person or the model wrote as text: (start, end, name)."""
    spans: list[tuple[int, int, str]] = []
    position = 0
    for segment in prompt.segments:
        if segment.origin in (Origin.USER, Origin.ASSISTANT) and "<" in segment.text:
            spans += [
                (position + span.start, position + span.end, span.token.name)
                for span in controls_in(segment.text)
            ]
        position += len(segment.text)
    return spans


def _flags(
    tokens: Sequence[PromptToken],
    firsts: Sequence[int],
    edges: Sequence[int],
    typed: Iterable[tuple[int, int, str]],
) -> dict[int, int | list[Any]]:
    """Flags by cell, where there are any. Few cells have some, so only those are looked at."""
    flags: dict[int, int | list[Any]] = {}
    for index, token in enumerate(tokens):
        if token.is_phantom or token.crosses:
            cell = bisect_right(firsts, index) - 1
            flag = _PHANTOM * token.is_phantom + _CROSSES * token.crosses
            flags[cell] = flags.get(cell, 0) | flag
    for start, end, name in typed:
        past = min(bisect_left(edges, end), len(firsts))
        for cell in range(bisect_right(edges, start) - 1, past):
            flag = flags.get(cell, 0)
            if not isinstance(flag, list):
                flags[cell] = [flag | _TYPED, name]
    return flags


def draft_view(fitted: FittedPrompt, mode: Mode, error: dict[str, str] | None = None) -> str:
    """The panel before sending: the history, or the prompt that would be sent.

    Args:
        fitted: what would be sent.
        mode: `"history"`, `"preview"`, or `"blocked"` if it cannot be sent.
        error: why it cannot be sent, by language; None if it can.
    """
    return _pack(
        mode=mode if fitted.prompt.tokens else "empty",
        error=error,
        bar=_bar(fitted.budget),
        dropped=_dropped(fitted.dropped, fitted.dropped_tokens),
        cells=cells_of(fitted.prompt),
        prompt_tokens=len(fitted.prompt.tokens),
    )


def answer_view(answer: Answer, spelled: Prompt, *, is_stopped: bool = False) -> str:
    """The panel from sending on: the ids that the model got, then those that it generated.

    Args:
        answer: as far as it has come.
        spelled: its tokens.
        is_stopped: it will not go on, although it never came to an end of its own.
    """
    fitted = answer.fitted
    finish = answer.finish_reason or ("cancelled" if is_stopped else None)
    speed = answer.timings.tokens_per_second if answer.timings else None
    return _pack(
        mode="sent" if finish else "answering",
        bar=_bar(fitted.budget, answer=len(answer.token_ids)),
        dropped=_dropped(fitted.dropped, fitted.dropped_tokens),
        cells=cells_of(fitted.prompt),
        answer=cells_of(spelled),
        prompt_tokens=len(fitted.prompt.tokens),
        finish=finish,
        seed=answer.seed,
        speed=speed and round(speed, 1),
    )


def error_view(error: dict[str, str]) -> str:
    """The panel when no prompt can be made; the reason by language."""
    return _pack(mode="empty", error=error)


def _bar(budget: Budget, answer: int = 0) -> dict[str, int]:
    """Parts that add up to the window; an answer grows inside what was reserved for it."""
    return {
        **asdict(budget),
        "answer": answer,
        "reserved": budget.reserved - answer,
        "free": budget.free,
    }


def _dropped(turns: Sequence[Turn], tokens: int) -> dict[str, Any] | None:
    return {"turns": [turn.number for turn in turns], "tokens": tokens} if turns else None


def _pack(**view: Any) -> str:
    # ASCII only: a lone surrogate typed by somebody would not survive as UTF-8.
    return json.dumps(view, separators=(",", ":"))
