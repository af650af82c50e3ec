"""Finds stretches of an answer's tokens that are repeated on the spot, while they come.

`repetition` looks at the characters of a finished text; this follows ids one by one, so that a page
can mark the token at which the model began to go in circles, and an answer can be stopped there.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

LEAST_TIMES = 3
LEAST_TOKENS = 12
"""A shorter run is an emphasis, or a row of a table."""
MAX_PERIOD = 128
"""The longest stretch that is looked for, in tokens; a token costs some 10 us for it."""
STUCK_TIMES = 4
STUCK_TOKENS = 24
"""From here on an answer does not come out of it by itself, as a rule: more than is only told."""


class Loop(NamedTuple):
    """Tokens `[start, start + period)` of an answer, and the same again until `end`.

    Attributes:
        start: number of the first token of the first time round.
        period: tokens of one time round.
        end: one past the last token that fits; the last time round may be a part.
    """

    start: int
    period: int
    end: int

    @property
    def times(self) -> int:
        """How often it stands there, whole."""
        return (self.end - self.start) // self.period

    @property
    def first_repeated(self) -> int:
        """Number of the first token that only says again what was said."""
        return self.start + self.period


class LoopFinder:
    """Reads the tokens of one answer.

    Args:
        is_meant: whether a stretch is meant to be repeated, as a line of a table is; asked once
            for every loop that is found.

    Attributes:
        ids: read so far.
        loops: found so far, in order; the last one may still grow.
    """

    def __init__(self, is_meant: Callable[[Sequence[int]], bool] = lambda ids: False) -> None:
        self.ids: list[int] = []
        self.loops: tuple[Loop, ...] = ()
        self._is_meant = is_meant
        self._meant: tuple[int, int] | None = None
        # By period: how many tokens in a row, up to the last one, equal the one a period before.
        self._matches = [0] * (MAX_PERIOD + 1)

    @property
    def is_stuck(self) -> bool:
        """Whether the answer is going in circles now, for longer than it need be watched."""
        if not self.loops or self.loops[-1].end < len(self.ids):
            return False
        loop = self.loops[-1]
        return loop.times >= STUCK_TIMES and loop.end - loop.start >= STUCK_TOKENS

    def add(self, token_id: int) -> None:
        """Reads the next token."""
        ids, matches = self.ids, self._matches
        ids.append(token_id)
        count = len(ids)
        longest, found = LEAST_TOKENS - 1, None
        for period in range(1, min(MAX_PERIOD, count - 1) + 1):
            if ids[-1 - period] != token_id:
                matches[period] = 0
                continue
            matches[period] += 1
            length = matches[period] + period
            # The longest, and of equally long ones the shortest period: `ab ab c ab ab c` says more
            # than `ab ab`, and `ab` more than `abab`.
            if length > longest and length >= LEAST_TIMES * period:
                longest, found = length, Loop(count - length, period, count)
        if found:
            self._note(found)

    def _note(self, loop: Loop) -> None:
        """Takes a loop that goes on to the last token, in the place of those within it."""
        last = self.loops[-1] if self.loops else None
        if last and (last.start, last.period) == (loop.start, loop.period):
            self.loops = (*self.loops[:-1], loop)
            return
        if self._meant == (loop.start, loop.period):
            return
        if self._is_meant(self.ids[loop.start : loop.first_repeated]):
            self._meant = (loop.start, loop.period)
            return
        kept = (each for each in self.loops if each.end <= loop.start)
        self.loops = (*kept, loop)
