import random
from itertools import pairwise
from time import process_time
from typing import Any

import pytest

from yuan_demo.core.budget import fit
from yuan_demo.core.diff import Change, diff, shared_prefix
from yuan_demo.core.messages import Message
from yuan_demo.core.options import PromptOptions


def of_kind(changes: tuple[Change, ...], kind: str) -> int:
    """Tokens that went or came, or stayed."""
    return sum(
        max(change.before_end - change.before_start, change.after_end - change.after_start)
        for change in changes
        if change.kind == kind
    )


def check(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[Change, ...]:
    """The changes, after making sure that they turn `before` into `after`."""
    changes = diff(before, after)
    at_before = at_after = 0
    for change in changes:
        assert (change.before_start, change.after_start) == (at_before, at_after)
        old = before[change.before_start : change.before_end]
        new = after[change.after_start : change.after_end]
        assert old or new
        if change.kind == "same":
            assert old == new
        else:
            assert not (new if change.kind == "removed" else old)
        at_before, at_after = change.before_end, change.after_end
    assert (at_before, at_after) == (len(before), len(after))
    assert all(one.kind != two.kind for one, two in pairwise(changes))
    return changes


def test_what_went_and_what_came_is_named_with_its_places():
    assert diff((1, 2, 3, 4), (1, 5, 3, 4)) == (
        Change("same", 0, 1, 0, 1),
        Change("removed", 1, 2, 1, 1),
        Change("added", 2, 2, 1, 2),
        Change("same", 2, 4, 2, 4),
    )


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        ((), (), []),
        ((1,), (1,), ["same"]),
        ((), (1, 2), ["added"]),
        ((1, 2), (), ["removed"]),
        ((1, 2), (1, 2, 3), ["same", "added"]),
        ((1, 2, 3), (2, 3), ["removed", "same"]),
        ((1, 1, 1), (1, 1), ["same", "removed"]),
        ((1, 2), (3, 4), ["removed", "added"]),
    ],
)
def test_small_cases(before: tuple[int, ...], after: tuple[int, ...], kinds: list[str]):
    assert [change.kind for change in check(before, after)] == kinds


def test_random_edits_are_found_and_little_more():
    rng = random.Random(5)
    for _ in range(300):
        kinds = rng.choice((3, 40, 5000))
        before = tuple(rng.choices(range(kinds), k=rng.randint(0, 900)))
        after = list(before)
        changed = 0
        for _ in range(rng.randint(0, 5)):
            place, gone = rng.randint(0, len(after)), rng.randint(0, 20)
            came = [rng.randrange(5000) for _ in range(rng.randint(0, 20))]
            changed += len(after[place : place + gone]) + len(came)
            after[place : place + gone] = came

        changes = check(before, tuple(after))

        # Of three kinds of tokens no landmark is made.
        if kinds > 3:
            assert of_kind(changes, "removed") + of_kind(changes, "added") <= 1.5 * changed + 8


def test_a_full_window_that_lost_its_first_turn_and_got_a_new_one_is_aligned():
    rng = random.Random(6)
    turns = [[*rng.choices(range(400), k=300), 529, 29876, 29958] for _ in range(28)]
    before = tuple(token for turn in turns[:27] for token in turn)
    after = tuple(token for turn in turns[1:] for token in turn)

    changes = check(before, after)

    # The last `<n>` of both is the same.
    assert [change.kind for change in changes] == ["removed", "same", "added", "same"]
    assert of_kind(changes, "removed") == of_kind(changes, "added") == 303


WORST = {
    "nothing in common": lambda rng: (range(8192), range(9000, 17192)),
    "every other token": lambda rng: (
        range(8192),
        [place if place % 2 else -place for place in range(8192)],
    ),
    "one in five": lambda rng: (
        range(8192),
        [place if place % 5 else -place for place in range(8192)],
    ),
    "one token over and over": lambda rng: ([1] * 8192, [2, *[1] * 8000, 3]),
    "few kinds": lambda rng: (rng.choices(range(4), k=8192), rng.choices(range(4), k=8192)),
    "some kinds": lambda rng: (rng.choices(range(12), k=8192), rng.choices(range(12), k=8192)),
    "shuffled": lambda rng: (range(8192), rng.sample(range(8192), 8192)),
    "turned round": lambda rng: (range(8192), range(8191, -1, -1)),
}


@pytest.mark.parametrize("case", WORST)
def test_two_full_windows_are_compared_in_time(case: str):
    before, after = (tuple(tokens) for tokens in WORST[case](random.Random(7)))
    check(before, after)

    times = []
    for _ in range(3):
        start = process_time()
        diff(before, after)
        times.append(process_time() - start)

    # About 50 ms at most on an idle machine of two cores; room for a busy one.
    assert min(times) < 0.15


def test_the_next_prompt_of_a_chat_reuses_all_but_the_end(tokenizer: Any):
    said = [Message("user", "你好"), Message("assistant", "您好，"), Message("user", "再见")]
    options = PromptOptions(1024, 100)
    before = fit(said[:1], tokenizer, options).prompt.input_ids
    after = fit(said, tokenizer, options).prompt.input_ids

    assert shared_prefix(before, after) == len(before) - 1  # all but `<sep>`


@pytest.mark.parametrize(
    ("before", "after", "shared"),
    [
        ((), (), 0),
        ((1, 2), (1, 2), 2),
        ((1, 2), (1,), 1),
        ((1, 2, 3), (1, 4, 3), 1),
        ((1,), (2,), 0),
    ],
)
def test_only_the_same_beginning_is_shared(before: Any, after: Any, shared: int):
    assert shared_prefix(before, after) == shared
