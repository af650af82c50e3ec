"""What the Answer tab draws: the scores of every generated token, as plain data for JSON.

They travel inside the panel's view, a part of them with every step; the page keeps those of earlier
answers (`assets/answer_store.js`) and finds them again by the marks of the turns.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any
from zlib import crc32

from yuan_demo.core.generation import TokenScores
from yuan_demo.core.messages import Turn
from yuan_demo.core.tokens import Tokenizer
from yuan_demo.engine.chat import Answer
from yuan_demo.engine.requests import Reading
from yuan_demo.engine.sampler_steps import SamplerTrace
from yuan_demo.ui.page_settings import prompt_settings

DIGITS = 7
"""Decimal places of a logarithm: a probability made of it is off by 1e-7 at most."""
LOWEST = -9999.0
"""Stands for minus infinity, which JSON lacks; its probability is 0 all the same."""


def turn_marks(turns: Iterable[Turn]) -> dict[int, list[int]]:
    """By its number: the checksum of each turn's question, and of all that was said in it."""
    return {turn.number: _marks([message.content for message in turn.messages]) for turn in turns}


def answer_scores(
    answer: Answer, tokenizer: Tokenizer, since: int = 0, *, is_whole: bool = False
) -> dict[str, Any]:
    """The scores of an answer's tokens from number `since` on; of all once it has ended.

    Args:
        answer: as far as it has come.
        tokenizer: spells the candidates.
        since: generated tokens that the page has been told of.
        is_whole: tell all of them although it goes on.

    Returns:
        `from` number of the first token told of, never one of the `begun` tokens that the answer
        was to begin with and that only the page knows the scores of; `rows` one per token (see
        `_row`), `pieces` spelling by id, `turn` its number, `mark` as `turn_marks` gives it for
        question and answer, `loops` [start, period, end] each, `settings` by name; once it has
        ended also `options` (`prompt_settings`) and `messages` [role, text], the answer left out.
    """
    start = 0 if is_whole or answer.finish_reason else since
    told = answer.scores[start:]
    ids = sorted({token_id for scores in told for token_id in scores.candidate_ids})
    turn = answer.fitted.turns[-1]
    said = [message.content for message in turn.messages]
    made = _made_of(answer) if is_whole or answer.finish_reason else {}
    return made | {
        "from": answer.begun + start,
        "begun": answer.begun,
        "rows": [_row(scores) for scores in told],
        "pieces": dict(zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True)),
        "turn": turn.number,
        "mark": _marks([*said, answer.text]),
        "loops": [list(loop) for loop in answer.loops],
        "settings": asdict(answer.params) if answer.params else None,
    }


def _made_of(answer: Answer) -> dict[str, Any]:
    """What its prompt was made of, by which it can be made again."""
    messages = [message for turn in answer.fitted.turns for message in turn.messages]
    return {
        "options": prompt_settings(answer.fitted.options),
        "messages": [[message.role, message.content] for message in messages],
    }


def prompt_rows(reading: Reading) -> list[Any]:
    """Rows of a prompt that was read, as of an answer but for candidates and `<eod>`.

    Nothing stands before the first token, so nothing is known of it.
    """
    rated = zip(reading.logprobs, reading.ranks, reading.entropies, strict=True)
    return [None, *([_rounded(own), rank, _rounded(mix), None, []] for own, rank, mix in rated)]


def sampler_view(trace: SamplerTrace, tokenizer: Tokenizer) -> dict[str, Any]:
    """How a token is chosen: `ids`, `pieces`, `steps` [name, tokens left, [probability of each]],
    `starts` of each one's stretch of [0, 1), `chosen` id, and `draw`, None if greedy."""
    ids = list(trace.token_ids)
    return {
        "ids": ids,
        "pieces": tokenizer.convert_ids_to_tokens(ids),
        "steps": [
            [step.name, step.left, [_chance(each) for each in step.probabilities]]
            for step in trace.steps
        ],
        "starts": [_rounded(each) for each in trace.starts],
        "chosen": trace.chosen,
        "draw": trace.draw,
    }


def _row(scores: TokenScores) -> list[Any]:
    """[logprob, rank, entropy, logprob of <eod>, [candidate: [id, logprob, chance after]]]."""
    candidates = zip(
        scores.candidate_ids,
        scores.candidate_logprobs,
        scores.candidate_probabilities,
        strict=True,
    )
    return [
        _rounded(scores.logprob),
        scores.rank,
        _rounded(scores.entropy),
        _rounded(scores.eos_logprob),
        [[each, _rounded(before), _chance(after)] for each, before, after in candidates],
    ]


def _rounded(value: float) -> float:
    # Not a number is not above it, either.
    return round(value, DIGITS) if value > LOWEST else LOWEST


def _chance(value: float) -> float:
    """A probability; only that of a token which is cut is 0, so its places are not counted off."""
    return float(f"{value:.7g}") if value > 0 else 0.0


def _marks(said: Sequence[str]) -> list[int]:
    # A lone surrogate, which a message of the history may hold, has no UTF-8.
    return [crc32("\0".join(part).encode(errors="replace")) for part in (said[:1], said)]
