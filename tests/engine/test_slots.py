"""Which slot a prompt gets, and what it may take over: never what is not there."""

import random
from collections.abc import Sequence

import pytest

from yuan_demo.engine.slots import MIN_REUSED, Place, SlotPool
from yuan_demo.model.slot_rows import BLOCK


def ids(*parts: tuple[int, int]) -> list[int]:
    """Ids of some stretches, each (what it says, how long)."""
    return [1000 * name + i for name, length in parts for i in range(length)]


def keep(pool: SlotPool, prompt: Sequence[int]) -> int:
    """Has a prompt computed and given back; returns its slot."""
    place = pool.take(prompt)
    assert place is not None
    pool.release(place.slot, prompt)
    return place.slot


# --- what is taken over -------------------------------------------------------------------------


def test_a_conversation_goes_on_where_it_is():
    pool = SlotPool(4, BLOCK)
    first = ids((1, 37))  # no whole number of blocks
    keep(pool, ids((2, 90)))
    slot = keep(pool, first)

    assert pool.take([*first, 5, 6]) == Place(slot, 37, slot)


def test_at_least_one_token_is_left_to_compute():
    pool = SlotPool(2, BLOCK)
    prompt = ids((1, 48))
    keep(pool, prompt)

    place = pool.take(prompt)

    # 47 are in common and can be used; only whole blocks of them, as the slot holds one more.
    assert place.reused == 32


def test_the_longest_beginning_is_taken():
    pool = SlotPool(4, BLOCK)
    keep(pool, ids((1, 32), (2, 40)))
    longest = keep(pool, ids((1, 64), (3, 40)))
    keep(pool, ids((1, 48), (4, 40)))

    place = pool.take(ids((1, 64), (5, 40)))

    assert (place.reused, place.source) == (64, longest)


@pytest.mark.parametrize(("common", "reused"), [(31, 16), (32, 32), (33, 32), (47, 32), (48, 48)])
def test_a_branch_takes_whole_blocks_and_leaves_its_source_whole(common: int, reused: int):
    pool = SlotPool(3, BLOCK)
    source = keep(pool, ids((1, common), (2, 20)))

    place = pool.take(ids((1, common), (3, 20)))

    assert (place.reused, place.source) == (reused, source)
    assert place.slot != source
    pool.release(place.slot, ids((1, common), (3, 20)))
    # Both can go on at their ends now.
    for rest in (2, 3):
        conversation = ids((1, common), (rest, 20))
        place = pool.take([*conversation, 7])
        assert (place.slot, place.reused) == (place.source, common + 20)


def test_a_branch_of_the_only_free_slot_cuts_it_back():
    pool = SlotPool(1, BLOCK)
    slot = keep(pool, ids((1, 40), (2, 40)))

    assert pool.take(ids((1, 40), (3, 40))) == Place(slot, 32, slot)


def test_what_somebody_is_computing_can_be_copied_as_far_as_it_has_come():
    pool = SlotPool(2, BLOCK)
    running = pool.take(ids((1, 80)))
    pool.update(running.slot, ids((1, 40)))

    place = pool.take(ids((1, 80), (2, 9)))

    # Its last block is still being written.
    assert (place.reused, place.source) == (32, running.slot)
    assert place.slot != running.slot


def test_a_conversation_that_can_go_on_in_place_is_not_copied_from_another():
    pool = SlotPool(3, BLOCK)
    running = pool.take(ids((1, 32), (2, 30)))
    pool.update(running.slot, ids((1, 32), (2, 30)))
    keep(pool, ids((3, 50)))
    pool_of = pool.take(ids((1, 32), (4, 1)))
    pool.release(pool_of.slot, ids((1, 32)))

    # 32 tokens could be copied, too, and would push out the 50 of another conversation.
    place = pool.take(ids((1, 32), (5, 9)))

    assert place == Place(pool_of.slot, 32, pool_of.slot)


def test_a_few_tokens_in_common_are_not_copied():
    pool = SlotPool(2, 1)
    keep(pool, ids((1, MIN_REUSED - 1), (2, 20)))

    assert pool.take(ids((1, MIN_REUSED - 1), (3, 20))).reused == 0
    pool = SlotPool(2, 1)
    keep(pool, ids((1, MIN_REUSED), (2, 20)))
    assert pool.take(ids((1, MIN_REUSED), (3, 20))).reused == MIN_REUSED


def test_without_a_way_back_nothing_is_taken_over():
    pool = SlotPool(2, None)
    keep(pool, ids((1, 64)))

    assert pool.take([*ids((1, 64)), 3]).reused == 0
    # What cannot be reused is not told as if it could.
    assert pool.kept_tokens == 0


def test_what_is_not_known_to_be_right_is_forgotten():
    pool = SlotPool(1, BLOCK)
    place = pool.take(ids((1, 64)))
    pool.update(place.slot, ids((1, 64)))
    pool.release(place.slot, ())

    assert pool.kept_tokens == 0
    assert pool.take(ids((1, 64), (2, 3))).reused == 0


# --- which slot is given ------------------------------------------------------------------------


def test_empty_slots_go_first_and_then_the_one_unused_for_longest():
    pool = SlotPool(3, BLOCK)
    a, b, c = (keep(pool, ids((name, 20))) for name in (1, 2, 3))
    assert {a, b, c} == {0, 1, 2}
    assert keep(pool, ids((2, 20), (9, 1))) == b
    assert keep(pool, ids((1, 20), (9, 1))) == a

    assert keep(pool, ids((4, 20))) == c
    assert keep(pool, ids((5, 20))) == b


def test_a_beginning_that_others_take_over_counts_as_used():
    pool = SlotPool(3, BLOCK)
    shared = keep(pool, ids((1, 32), (2, 20)))
    old = keep(pool, ids((3, 40)))
    branch = pool.take(ids((1, 32), (4, 20)))

    assert branch.source == shared
    assert pool.take(ids((5, 40))).slot == old


def test_a_taken_slot_is_never_given_again_and_there_are_no_more_than_there_are():
    pool = SlotPool(3, BLOCK)
    same = ids((1, 40))

    places = [pool.take(same) for _ in range(3)]

    assert {place.slot for place in places} == {0, 1, 2}
    assert (pool.free, pool.take(same)) == (0, None)
    pool.release(places[1].slot, same)
    assert (pool.free, pool.take(same).slot) == (1, places[1].slot)


# --- whatever happens ---------------------------------------------------------------------------


class PlainSlots:
    """What a network's slots really hold, kept as `slot_model` keeps it, but in plain lists."""

    def __init__(self, slots: int) -> None:
        self.tokens: list[list[int]] = [[] for _ in range(slots)]
        self._states: list[dict[int, list[int]]] = [{} for _ in range(slots)]

    def copy(self, source: int, target: int, count: int) -> None:
        blocks = range(-(-count // BLOCK))
        self.tokens[target][:count] = self.tokens[source][:count]
        self._states[target] |= {block: self._states[source][block] for block in blocks}

    def write(self, slot: int, start: int, ids: Sequence[int]) -> None:
        """Reads tokens; checks that the state before them is the one of what is before them."""
        held, states = self.tokens[slot], self._states[slot]
        if start:
            assert states[(start - 1) // BLOCK] == held[:start]
        for position, token_id in enumerate(ids, start):
            # The rest stays until it is overwritten.
            held[position:] = [token_id, *held[position + 1 :]]
            states[position // BLOCK] = held[: position + 1]


def usable(pool_ids: list[int], is_taken: bool, prompt: Sequence[int]) -> int:
    """Tokens that a prompt may take over from a slot that holds these ids."""
    common = 0
    while common < min(len(pool_ids), len(prompt) - 1) and pool_ids[common] == prompt[common]:
        common += 1
    if common < len(pool_ids) or is_taken:
        common -= common % BLOCK
    return common if common >= MIN_REUSED else 0


@pytest.mark.parametrize("seed", range(20))
def test_random_conversations_take_over_all_that_is_there_and_nothing_else(seed: int):
    rng = random.Random(seed)
    slots = rng.randint(1, 5)
    pool, device = SlotPool(slots, BLOCK), PlainSlots(slots)
    known: list[list[int]] = [[] for _ in range(slots)]
    running: dict[int, list[int]] = {}  # slot: all that it is to hold
    conversations = [ids((9, 30))]
    reused = 0
    for _ in range(300):
        if running and (len(running) == slots or rng.random() < 0.6):
            slot = rng.choice(list(running))
            wanted, done = running[slot], len(known[slot])
            end = min(len(wanted), done + rng.randint(1, 50))
            device.write(slot, done, wanted[done:end])
            known[slot] = wanted[:end]
            pool.update(slot, known[slot])
            if end == len(wanted) or rng.random() < 0.1:  # or it was stopped
                del running[slot]
                if rng.random() < 0.1:  # or its pass failed
                    known[slot] = []
                pool.release(slot, known[slot])
            continue
        conversation = rng.choice(conversations)
        cut = rng.choice([len(conversation), rng.randint(0, len(conversation))])
        prompt = conversation[:cut] + rng.choices(range(3), k=rng.randint(1, 60))
        conversations.append(prompt)

        place = pool.take(prompt)

        assert place is not None
        assert place.slot not in running
        assert place.reused == max(
            usable(known[slot], slot in running, prompt) for slot in range(slots)
        )
        assert device.tokens[place.source][: place.reused] == prompt[: place.reused]
        if place.source != place.slot:
            device.copy(place.source, place.slot, place.reused)
        known[place.slot], running[place.slot] = prompt[: place.reused], prompt
        assert pool.kept_tokens == sum(map(len, known))
        assert pool.free == slots - len(running)
        reused += place.reused > 0
    assert reused > 10, "the test must show something"
