"""Which conversation is in which slot, and what a new prompt can take over from there.

A slot that nobody uses keeps what it holds. A new prompt takes over the longest beginning that any
slot has in common with it, token by token, whoever that belongs to: an equal beginning has equal
keys and values, so nothing can be learned from it but that somebody sent the same beginning. The
number of slots bounds the memory; the one unused for longest is given away first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from yuan_demo.core.diff import shared_prefix

MIN_REUSED = 16
"""Fewer tokens in common are not worth a copy."""


@dataclass(slots=True)
class _Slot:
    index: int
    ids: list[int] = field(default_factory=list)
    is_taken: bool = False
    last_used: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A slot for a request.

    Attributes:
        slot: its number.
        reused: tokens of the prompt that can be taken over.
        source: the slot that holds them; the same one, or one to copy from.
    """

    slot: int
    reused: int
    source: int


class SlotPool:
    """The slots of one network.

    Args:
        slots: how many there are.
        rewind_block: a slot can go on behind any multiple of it; None if only anew.
    """

    def __init__(self, slots: int, rewind_block: int | None) -> None:
        self._slots = [_Slot(index) for index in range(slots)]
        self._block = rewind_block
        self._clock = count(1)

    @property
    def free(self) -> int:
        """Slots that a request could take."""
        return sum(not slot.is_taken for slot in self._slots)

    @property
    def kept_tokens(self) -> int:
        """Tokens that could be taken over, in all slots."""
        if self._block is None:
            return 0
        return sum(len(slot.ids) for slot in self._slots)

    def take(self, ids: Sequence[int]) -> Place | None:
        """Gives a prompt a slot, or None if all are taken.

        At least its last token is left to be computed, as only that gives the logits after it.
        """
        free = [slot for slot in self._slots if not slot.is_taken]
        if not free:
            return None
        # Of equal beginnings the one that can go on where it is: a copy would push another out.
        usable = {slot.index: self._usable(slot, ids) for slot in self._slots}
        source = max(
            self._slots,
            key=lambda slot: (
                usable[slot.index],
                not slot.is_taken and usable[slot.index] == len(slot.ids),
            ),
        )
        reused = usable[source.index]
        if reused < MIN_REUSED:
            source, reused = min(free, key=_age), 0
            target = source
        elif not source.is_taken and reused == len(source.ids):
            target = source
        else:
            # What it holds beyond the common beginning stays for whoever comes back to it, unless
            # it is the oldest itself.
            target = min(free, key=_age)
        target.is_taken = True
        target.ids = list(ids[:reused])
        target.last_used = next(self._clock)
        source.last_used = next(self._clock)
        return Place(target.index, reused, source.index)

    def update(self, slot: int, ids: Sequence[int]) -> None:
        """Tells what a taken slot holds by now."""
        self._slots[slot].ids = list(ids)

    def release(self, slot: int, ids: Sequence[int]) -> None:
        """Gives a slot back, with what it holds: nothing if that is not known to be right."""
        entry = self._slots[slot]
        entry.ids, entry.is_taken, entry.last_used = list(ids), False, next(self._clock)

    def _usable(self, slot: _Slot, ids: Sequence[int]) -> int:
        if self._block is None:
            return 0
        common = min(shared_prefix(slot.ids, ids), len(ids) - 1)
        if common == len(slot.ids) and not slot.is_taken:
            return common
        return common // self._block * self._block


def _age(slot: _Slot) -> tuple[bool, int]:
    return bool(slot.ids), slot.last_used
