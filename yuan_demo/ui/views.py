"""What the panel draws, as one JSON string.

A string and not a dict: Gradio's front end proxies every value of a dict, which costs 365 ms per
keystroke at 8,000 tokens against 75 ms for a string parsed in the page (measured, Gradio 6.31).
Everything in it is data; the page puts it in with `textContent`, so nothing here is escaped.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
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


@dataclass(slots=True)
class _Cell:
    """What is drawn as one box: one token, or the tokens that make up one visible character."""

    tokens: list[PromptToken]
    end: int

    @property
    def start(self) -> int:
        return self.tokens[0].encoded.start


def cells_of(prompt: Prompt, limit: int = MAX_TOKENS_DRAWN) -> dict[str, Any]:
    """The tokens of a prompt as parallel arrays, one entry per cell.

    Returns:
        `t` characters, `o` origin codes (one letter each), `r` turn numbers, `n` tokens per cell
        where it is not 1 (by cell), `f` flags where there are any (by cell): a sum of 1 phantom,
        2 crosses, 4 typed, and with 4 a pair of that sum and the name typed; and one entry per
        token: `i` ids, `p` pieces.
    """
    tokens = prompt.tokens[:limit]
    cells = list(_cells(tokens, _character_starts(prompt)))
    flags = _flags(cells, _typed_controls(prompt))
    return {
        "t": [prompt.text[cell.start : cell.end] for cell in cells],
        "o": "".join(_CODE_OF_ORIGIN[cell.tokens[0].origin] for cell in cells),
        "r": [cell.tokens[0].turn for cell in cells],
        "n": {k: len(cell.tokens) for k, cell in enumerate(cells) if len(cell.tokens) > 1},
        "f": {k: flag for k, flag in enumerate(flags) if flag},
        "i": [token.token_id for token in tokens],
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


def _cells(tokens: Sequence[PromptToken], starts: set[int] | None) -> Iterator[_Cell]:
    cell: _Cell | None = None
    for token in tokens:
        start, end = token.encoded.start, token.encoded.end
        continues = cell is not None and (
            (start < cell.end) or (starts is not None and start < end and start not in starts)
        )
        if cell is not None and continues:
            cell.tokens.append(token)
            cell.end = max(cell.end, end)
            continue
        if cell is not None:
            yield cell
        cell = _Cell([token], end)
    if cell is not None:
        yield cell


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
    cells: Sequence[_Cell], typed: Sequence[tuple[int, int, str]]
) -> Iterator[int | list[Any]]:
    """Flags of every cell. Both go through the text in order, so one pass serves them all: a
    message of nothing but `<n>` has as many names as it has cells."""
    index = 0
    for cell in cells:
        flags = _PHANTOM * any(token.is_phantom for token in cell.tokens)
        flags |= _CROSSES * any(token.crosses for token in cell.tokens)
        while index < len(typed) and typed[index][1] <= cell.start:
            index += 1
        is_typed = index < len(typed) and typed[index][0] < cell.end and cell.start < cell.end
        yield [flags | _TYPED, typed[index][2]] if is_typed else flags


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
