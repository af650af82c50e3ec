"""What changed between two prompts, token by token.

A chat changes in few places: a turn goes at the beginning, an answer and a question come at the
end. Stretches that occur once in both prompts are the landmarks; what lies between two of them is
small, and only that is compared token by token.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

LANDMARK_TOKENS = 4
"""Tokens of a landmark: one more than `<n>` has, which stands behind every message."""
MAX_PAIRS = 200_000
"""Pairs of tokens that are compared one by one; more would take over 50 ms. What is beyond counts
as changed altogether."""


@dataclass(frozen=True, slots=True)
class Change:
    """One stretch of the comparison; positions are `[start, end)` of tokens.

    Attributes:
        kind: `"removed"` has no tokens after, `"added"` none before.
        before_start: first token of the stretch in the old prompt.
        before_end: one past the last.
        after_start: first token of the stretch in the new prompt.
        after_end: one past the last.
    """

    kind: Literal["same", "removed", "added"]
    before_start: int
    before_end: int
    after_start: int
    after_end: int


_Block = tuple[int, int, int]
"""Equal tokens: where they begin before, where after, and how many there are."""


def diff(before: Sequence[int], after: Sequence[int]) -> tuple[Change, ...]:
    """The stretches that stayed, went and came, in order; together they cover both sequences.

    Few tokens more than needed are called changed, and at 8,192 tokens it takes 50 ms at most.
    """
    before, after = tuple(before), tuple(after)
    prefix = shared_prefix(before, after)
    rest_before, rest_after = before[prefix:], after[prefix:]
    suffix = shared_prefix(rest_before[::-1], rest_after[::-1])
    middle_before = rest_before[: len(rest_before) - suffix]
    middle_after = rest_after[: len(rest_after) - suffix]

    blocks = [(0, 0, prefix)]
    blocks += [(i + prefix, j + prefix, n) for i, j, n in _blocks(middle_before, middle_after)]
    blocks += [(len(before) - suffix, len(after) - suffix, suffix), (len(before), len(after), 0)]
    return tuple(_changes(blocks))


def shared_prefix(before: Sequence[int], after: Sequence[int]) -> int:
    """How many tokens an engine that kept the cache of `before` could reuse for `after`."""
    before, after = tuple(before), tuple(after)
    low, high = 0, min(len(before), len(after))
    while low < high:
        middle = (low + high + 1) // 2
        if before[low:middle] == after[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _changes(blocks: Sequence[_Block]) -> Iterator[Change]:
    """The equal blocks, those that touch as one, and what lies between them."""
    same_before = same_after = at_before = at_after = 0
    for i, j, length in blocks:
        if (i, j) != (at_before, at_after) or not length:
            if at_before > same_before:
                yield Change("same", same_before, at_before, same_after, at_after)
            if i > at_before:
                yield Change("removed", at_before, i, at_after, at_after)
            if j > at_after:
                yield Change("added", i, i, at_after, j)
            same_before, same_after = i, j
        at_before, at_after = i + length, j + length


def _blocks(before: tuple[int, ...], after: tuple[int, ...]) -> Iterator[_Block]:
    """Equal stretches of two sequences, in order."""
    pairs = MAX_PAIRS
    i = j = 0
    for landmark in [*_landmarks(before, after), (len(before), len(after), 0)]:
        next_i, next_j, length = landmark
        gap_before, gap_after = before[i:next_i], after[j:next_j]
        if 0 < len(gap_before) * len(gap_after) <= pairs:
            pairs -= len(gap_before) * len(gap_after)
            matcher = SequenceMatcher(None, gap_before, gap_after, autojunk=False)
            yield from ((i + a, j + b, n) for a, b, n in matcher.get_matching_blocks() if n)
        if length:
            yield landmark
        i, j = next_i + length, next_j + length


def _landmarks(before: tuple[int, ...], after: tuple[int, ...]) -> list[_Block]:
    """Stretches that occur once in each, grown as far as they are equal; none crosses another."""
    if len(before) * len(after) <= MAX_PAIRS:
        return []
    places_before, places_after = _unique_stretches(before), _unique_stretches(after)
    matches = [
        (i, places_after[stretch])
        for stretch, i in places_before.items()
        if stretch in places_after
    ]
    blocks: list[_Block] = []
    i_end = j_end = 0
    for i, j in _longest_rise(matches):
        if i < i_end or j < j_end:
            continue
        while i > i_end and j > j_end and before[i - 1] == after[j - 1]:
            i, j = i - 1, j - 1
        length = _equal_from(before, i, after, j)
        blocks.append((i, j, length))
        i_end, j_end = i + length, j + length
    return blocks


def _equal_from(before: tuple[int, ...], i: int, after: tuple[int, ...], j: int) -> int:
    """How many tokens are equal from there on; looks no further than twice as far."""
    length, step = 0, LANDMARK_TOKENS
    while True:
        left = before[i + length : i + length + step]
        right = after[j + length : j + length + step]
        if left != right or not left:
            return length + shared_prefix(left, right)
        length, step = length + len(left), 2 * step


def _unique_stretches(tokens: tuple[int, ...]) -> dict[tuple[int, ...], int]:
    """Where each stretch of `LANDMARK_TOKENS` begins that occurs only once, in order."""
    places: dict[tuple[int, ...], int] = {}
    repeated = set()
    for place in range(len(tokens) - LANDMARK_TOKENS + 1):
        stretch = tokens[place : place + LANDMARK_TOKENS]
        if stretch in places:
            repeated.add(stretch)
        else:
            places[stretch] = place
    return {stretch: place for stretch, place in places.items() if stretch not in repeated}


def _longest_rise(matches: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The most matches whose second numbers rise as the first do: patience sorting."""
    tops: list[int] = []
    last: list[int] = []
    previous: list[int] = []
    for number, (_, j) in enumerate(matches):
        pile = bisect_left(tops, j)
        previous.append(last[pile - 1] if pile else -1)
        tops[pile : pile + 1] = [j]
        last[pile : pile + 1] = [number]
    rise: list[tuple[int, int]] = []
    number = last[-1] if last else -1
    while number >= 0:
        rise.append(matches[number])
        number = previous[number]
    return rise[::-1]
