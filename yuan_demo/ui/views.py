"""What the panel draws, as one JSON string.

A string and not a dict: Gradio's front end proxies every value of a dict, which costs 365 ms per
keystroke at 8,000 tokens against 75 ms for a string parsed in the page (measured, Gradio 6.31).
Everything in it is data; the page puts it in with `textContent`, so nothing here is escaped.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from yuan_demo.core.budget import FittedPrompt, tokens_by_turn
from yuan_demo.core.diff import diff, shared_prefix
from yuan_demo.core.generation import Timings
from yuan_demo.core.lint import Finding
from yuan_demo.core.messages import Turn
from yuan_demo.core.options import Policy
from yuan_demo.core.prompt import Origin, Prompt, PromptToken
from yuan_demo.engine.chat import Answer
from yuan_demo.ui.answer_view import turn_marks
from yuan_demo.ui.cells import cells_of

Mode = Literal["empty", "history", "preview", "blocked", "answering", "sent"]

MAX_QUESTION_SHOWN = 60
"""Characters of a turn's question in the list of turns."""
_SAID = (Origin.USER, Origin.ASSISTANT)
MAX_TOKENS_SHOWN = 40
"""Tokens of a stretch that is shown in passing."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a view tells beside the prompt itself.

    Attributes:
        model_window: tokens that the model has at most, of which the window may be a part.
        places: of each message of the conversation in the chat, notices counted.
        findings: what the linter found.
        last_sent: the tokens of the last prompt that was sent and of its answer, or None.
    """

    model_window: int
    places: Sequence[int] = ()
    findings: Sequence[Finding] = ()
    last_sent: Sequence[PromptToken] | None = None


class PromptView:
    """A prompt as the panel draws it: made once, and sent with every step of its answer.

    Args:
        fitted: the prompt, and what had to go for it.
        around: what else there is to tell.
    """

    def __init__(self, fitted: FittedPrompt, around: Surroundings) -> None:
        self._fitted = fitted
        self._model_window = around.model_window
        self._facts = _dump(
            prompt_tokens=len(fitted.prompt.tokens),
            turns=turn_rows(fitted),
            policy=str(fitted.options.policy),
            dropped=_dropped(fitted),
            shrunk=_shrunk(fitted),
            left_out=left_out_places(fitted, around.places),
            cut=cut_place(fitted, around.places),
            findings=[_finding(finding) for finding in around.findings],
            change=_change(fitted.prompt, around.last_sent),
            marks=turn_marks(fitted.turns),
            cells=cells_of(fitted.prompt),
        )

    def draft(self, mode: Mode, error: dict[str, str] | None = None) -> str:
        """The panel before sending: the history, or the prompt that would be sent.

        Args:
            mode: `"history"`, `"preview"`, or `"blocked"` if it cannot be sent.
            error: why it cannot be sent, by language; None if it can.
        """
        mode = mode if self._fitted.prompt.tokens else "empty"
        pinned = sorted(self._fitted.options.pinned)
        return self._pack(mode=mode, error=error, bar=self._bar(), pinned=pinned)

    def answer(
        self,
        answer: Answer,
        spelled: Prompt,
        *,
        is_stopped: bool = False,
        pinned: Collection[int] | None = None,
        scores: Mapping[str, Any] | None = None,
    ) -> str:
        """The panel from sending on: the ids that the model got, then those that it generated.

        Args:
            answer: as far as it has come.
            spelled: its tokens.
            is_stopped: it will not go on, although it never came to an end of its own.
            pinned: turns pinned by now; None for those that were when it was sent.
            scores: what the Answer tab gets (`answer_view.answer_scores`); None to leave it out.
        """
        finish = answer.finish_reason or ("cancelled" if is_stopped else None)
        timings = answer.timings
        speed = timings.tokens_per_second if timings else None
        return self._pack(
            mode="sent" if finish else "answering",
            bar=self._bar(len(answer.token_ids)),
            pinned=sorted(self._fitted.options.pinned if pinned is None else pinned),
            answer=cells_of(spelled),
            finish=finish,
            seed=answer.seed,
            speed=speed and round(speed, 1),
            place=answer.place,
            work=_work(timings) if timings and timings.generated_tokens else None,
            scores=scores,
        )

    def _bar(self, answer: int = 0) -> dict[str, int]:
        """Parts that add up to the window; an answer grows inside what was reserved for it."""
        budget = self._fitted.budget
        return {
            **asdict(budget),
            "answer": answer,
            "reserved": budget.reserved - answer,
            "free": budget.free,
            "model_window": self._model_window,
        }

    def _pack(self, **view: Any) -> str:
        return f"{{{_dump(**view)},{self._facts}}}"


def error_view(error: dict[str, str]) -> str:
    """The panel when no prompt can be made; the reason by language."""
    return f"{{{_dump(mode='blocked', error=error)}}}"


def turn_rows(fitted: FittedPrompt) -> list[dict[str, Any]]:
    """Every turn of the conversation and what became of it.

    Returns:
        One row per turn: `n` number, `q` beginning of its first message, `k` tokens of it in the
        prompt, `w` tokens it would have if nothing had to go, `s` what became of it (kept, cut,
        dropped, unwritten).
    """
    kept, whole = tokens_by_turn(fitted.prompt), tokens_by_turn(fitted.whole)
    dropped = {turn.number for turn in fitted.dropped}
    unwritten = {turn.number for turn in fitted.unwritten}

    def state(number: int) -> str:
        if number in unwritten:
            return "unwritten"
        if number in dropped:
            return "dropped"
        # A turn at the new beginning may take a token less; only the left cut cuts into one.
        is_cut = fitted.options.policy == Policy.LEFT_CUT and kept.get(number) != whole.get(number)
        return "cut" if is_cut else "kept"

    return [
        {
            "n": turn.number,
            "q": turn.messages[0].content[:MAX_QUESTION_SHOWN],
            "k": kept.get(turn.number, 0),
            "w": whole.get(turn.number, 0),
            "s": state(turn.number),
        }
        for turn in fitted.turns
    ]


def left_out_places(fitted: FittedPrompt, places: Sequence[int]) -> list[int]:
    """Places in the chat of the messages that the model does not get, or only the end of."""
    gone = {turn.number for turn in (*fitted.dropped, *fitted.unwritten)}
    turns = [turn.number for turn in fitted.turns for _ in turn.messages]
    left_out = [place for place, turn in zip(places, turns, strict=False) if turn in gone]
    # A left cut may also take the question of a turn and leave its answer.
    first, is_cut = _first_said(fitted)
    return sorted({*left_out, *places[: first + is_cut]})


def cut_place(fitted: FittedPrompt, places: Sequence[int]) -> int | None:
    """Place in the chat of the message in which a left cut falls; None if it falls between two."""
    first, is_cut = _first_said(fitted)
    return places[first] if is_cut and first < len(places) else None


def _first_said(fitted: FittedPrompt) -> tuple[int, bool]:
    """Number of the message with which a cut prompt begins, and whether that was cut as well."""
    segment = next((s for s in fitted.prompt.segments if s.origin in _SAID), None)
    if fitted.options.policy != Policy.LEFT_CUT or not fitted.dropped_tokens or not segment:
        return 0, False
    said = [(turn.number, message) for turn in fitted.turns for message in turn.messages]
    number, message = next(
        (number, message)
        for number, (turn, message) in enumerate(said)
        if turn == segment.turn and message.role == segment.origin
    )
    return number, len(segment.text) < len(message.content)


def _work(timings: Timings) -> dict[str, Any]:
    """What the prompt cost: tokens taken from the cache and computed, seconds to the first token
    of the answer, and before that in line."""
    return {
        "reused": timings.reused_tokens,
        "computed": timings.prompt_tokens - timings.reused_tokens,
        "first": round(timings.prompt_seconds, 3),
        "queue": round(timings.queue_seconds, 3),
    }


def _dropped(fitted: FittedPrompt) -> dict[str, Any] | None:
    """What had to go, and the tokens before and after it."""
    if not fitted.dropped_tokens:
        return None
    return {
        "turns": _numbers(fitted.dropped),
        "tokens": fitted.dropped_tokens,
        "before": len(fitted.whole.tokens),
        "after": len(fitted.prompt.tokens),
    }


def _shrunk(fitted: FittedPrompt) -> dict[str, int] | None:
    asked, left = fitted.options.reserved, fitted.budget.reserved
    return {"asked": asked, "left": left} if left < asked else None


def _numbers(turns: Iterable[Turn]) -> list[int]:
    return [turn.number for turn in turns]


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "c": finding.code,
        "s": str(finding.severity),
        "v": _plain(finding.values),
        "at": finding.spans,
        "r": finding.repair is not None,
    }


def _plain(values: Mapping[str, object]) -> dict[str, Any]:
    """Values of a sentence as they are written: lists of ids with blanks between them."""
    return {
        name: " ".join(map(str, value)) if isinstance(value, tuple | list) else value
        for name, value in values.items()
    }


def _change(prompt: Prompt, last_sent: Sequence[PromptToken] | None) -> dict[str, Any] | None:
    """Against the last prompt and its answer: what is the same from the beginning, and a diff.

    Returns:
        `reuse` tokens from the beginning that are the same; `removed` and `added` counts; `new`
        spans [start, end) of the prompt that were not there before; `gone` stretches that are no
        longer there: (position in the prompt, their text, tokens). None if nothing was sent yet.
    """
    if last_sent is None:
        return None
    before, after = [token.token_id for token in last_sent], prompt.input_ids
    changes = diff(before, after)
    gone = [change for change in changes if change.kind == "removed"]
    new = [change for change in changes if change.kind == "added"]
    return {
        "reuse": shared_prefix(before, after),
        "removed": sum(change.before_end - change.before_start for change in gone),
        "added": sum(change.after_end - change.after_start for change in new),
        "new": [[change.after_start, change.after_end] for change in new],
        "gone": [
            [
                change.after_start,
                written(last_sent[change.before_start : change.before_end]),
                change.before_end - change.before_start,
            ]
            for change in gone
        ],
    }


def written(tokens: Sequence[PromptToken]) -> str:
    """What tokens spell, shortened: the beginning of a stretch that is shown in passing."""
    raw = b"".join(token.encoded.raw for token in tokens[:MAX_TOKENS_SHOWN])
    text = raw.decode(errors="replace")
    return text if len(tokens) <= MAX_TOKENS_SHOWN else f"{text}…"


def _dump(**view: Any) -> str:
    """The members of a JSON object, without its braces."""
    # ASCII only: a lone surrogate typed by somebody would not survive as UTF-8.
    return json.dumps(view, separators=(",", ":"))[1:-1]
