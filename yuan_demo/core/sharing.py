"""How a few measurements are shared out among many parts: by halves, where there is an effect."""

from collections.abc import Generator, Iterable
from heapq import heappop, heappush
from itertools import pairwise

from yuan_demo.core.parts import Range

NEGLIGIBLE = 0.02
"""A group with less than this share of the largest effect is not looked into."""


def measuring_plan(count: int, passes: int) -> Generator[Range, float, None]:
    """Yields ranges of parts to be measured together, and is sent the effect of each.

    With enough passes each part is measured alone. With fewer, a third of the passes goes to groups
    of equal size; then the group with the largest effect is cut into halves, again and again. An
    effect within a group that cancels out is not seen.

    Args:
        count: parts, in order.
        passes: ranges that are yielded at most.
    """
    if count <= passes:
        for place in range(count):
            yield place, place + 1
        return
    groups = max(1, passes // 3)
    edges = [count * number // groups for number in range(groups + 1)]
    todo: list[tuple[float, Range]] = []
    largest = 0.0
    left = passes

    def note(place: Range, effect: float) -> None:
        nonlocal largest, left
        largest, left = max(largest, abs(effect)), left - 1
        if place[1] - place[0] > 1:
            heappush(todo, (-abs(effect), place))

    for place in pairwise(edges):
        if left:
            note(place, (yield place))
    while left >= 2 and todo:
        effect, (start, end) = heappop(todo)
        if -effect <= NEGLIGIBLE * largest:
            return
        middle = (start + end) // 2
        for place in ((start, middle), (middle, end)):
            note(place, (yield place))


def finest(ranges: Iterable[Range]) -> list[Range]:
    """The measured ranges, in order, those that were measured in two halves by their halves."""
    measured = set(ranges)
    told: list[Range] = []
    # A range comes before its halves; the end of what is told so far tells whether it is new.
    todo = sorted(measured, key=lambda each: (-each[0], each[1]))
    while todo:
        start, end = todo.pop()
        middle = (start + end) // 2
        is_known = told and start < told[-1][1]
        if not is_known and not {(start, middle), (middle, end)} <= measured:
            told.append((start, end))
    return told
