"""Finds stretches of a text that are repeated on the spot: `哈哈哈哈`, the same line ten times."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import compress, count
from operator import eq
from typing import NamedTuple

LEAST_TIMES = 3
LEAST_CHARACTERS = 24
"""A run shorter than this is a laugh or an emphasis."""
MAX_PERIOD = 400
"""The longest stretch that is looked for, in characters: a paragraph."""
MAX_SCANNED = 20_000
"""Characters of a text that are looked at: some 20 ms, once for each text."""

SAMPLE = 8
"""Characters that are compared at first; two samples a period apart lie in one shortest run."""

_DRAWING = frozenset("-=_*#|+.·—~:/\\<>^`'\"─│…")
"""Lines, tables and indentation are made of these and of white space; they are meant to repeat."""


class Run(NamedTuple):
    """`text[start : start + period]`, `times` times in a row."""

    start: int
    period: int
    times: int

    @property
    def end(self) -> int:
        """One past the last character."""
        return self.start + self.period * self.times


@lru_cache(maxsize=256)
def runs_in(text: str) -> tuple[Run, ...]:
    """The repetitions in a text, in order; none overlaps another."""
    return tuple(
        run
        for run in sorted(_runs(text[:MAX_SCANNED]))
        if not is_drawing(text[run.start : run.start + run.period])
    )


def is_drawing(text: str) -> bool:
    """Whether a stretch is a part of a line, a table or an indentation, which are to repeat."""
    return all(character in _DRAWING or character.isspace() for character in text)


@lru_cache(maxsize=256)
def without_runs(text: str) -> str:
    """The text with every repeated stretch standing once."""
    while runs := runs_in(text):
        for run in reversed(runs):
            text = text[: run.start + run.period] + text[run.end :]
    return text


def _runs(text: str) -> list[Run]:
    """Looks for every period at so few places that no long enough run can lie between them."""
    runs: list[Run] = []
    uncovered = len(text)
    samples = [text[place : place + SAMPLE] for place in range(len(text))]
    for period in range(1, min(MAX_PERIOD, len(text) // LEAST_TIMES) + 1):
        if uncovered < LEAST_CHARACTERS:
            break
        passed = 0
        for place in _candidates(samples, period):
            if place < passed:
                continue
            if text[place : place + period] != text[place + period : place + 2 * period]:
                continue
            if any(run.start <= place < run.end for run in runs):
                continue
            start, end = _grown(text, period, place)
            passed = end - period
            run = Run(start, period, (end - start) // period)
            overlaps = any(run.start < other.end and other.start < run.end for other in runs)
            if run.times >= LEAST_TIMES and end - start >= LEAST_CHARACTERS and not overlaps:
                runs.append(run)
                uncovered -= run.end - run.start
    return runs


def _candidates(samples: list[str], period: int) -> Iterator[int]:
    """Places that read the same one period later, one such at least in every long enough run."""
    step = max(LEAST_CHARACTERS, LEAST_TIMES * period) - max(2 * period, period + SAMPLE)
    return compress(count(0, step), map(eq, samples[::step], samples[period::step]))


def _grown(text: str, period: int, place: int) -> tuple[int, int]:
    """As far as every character is the one a period before it."""
    start, end = place, place + 2 * period
    while start and text[start - 1] == text[start - 1 + period]:
        start -= 1
    while end < len(text) and text[end] == text[end - period]:
        end += 1
    return start, end
