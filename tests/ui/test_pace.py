"""How often a page is written to: seldom enough for a CPU, and never too late."""

from dataclasses import replace
from typing import Any

import pytest

from yuan_demo.engine.chat import Answer
from yuan_demo.ui.pace import MOST_TEXTS_PER_SECOND, Pace


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


PROMPT: Any = Answer(fitted=None)


def shown(tokens: int, seconds: float, writing: int = 1) -> tuple[int, int]:
    """How many texts and panels an answer of so many tokens in so many seconds gives."""
    clock = Clock()
    pace = Pace(clock)
    pace.due(PROMPT, writing)
    due = []
    for number in range(tokens):
        clock.now += seconds / tokens
        due.append(pace.due(replace(PROMPT, token_ids=(5,) * (number + 1)), writing))
    return sum(writes for writes, _ in due), sum(paints for _, paints in due)


def test_a_fast_answer_is_written_25_times_a_second_and_painted_8_times():
    texts, panels = shown(400, 2.0)

    assert 45 <= texts <= 52
    assert 15 <= panels <= 20


def test_a_slow_answer_is_written_token_by_token():
    assert shown(10, 2.0) == (10, 10)


def test_many_answers_share_what_a_page_server_can_write():
    texts, panels = shown(400, 2.0, writing=64)

    assert texts * 64 <= MOST_TEXTS_PER_SECOND * 2.0 * 1.2
    assert 0 < panels < texts


def test_the_prompt_the_first_token_and_the_end_are_shown_at_once():
    pace = Pace(Clock())

    assert pace.due(PROMPT, 1) == (True, True)
    assert pace.due(replace(PROMPT, token_ids=(5,)), 1) == (True, False)
    assert pace.due(replace(PROMPT, token_ids=(5, 6)), 1) == (False, False)
    end = replace(PROMPT, token_ids=(5, 6, 7), finish_reason="stop")
    assert pace.due(end, 1) == (True, True)


@pytest.mark.parametrize("writing", [1, 64])
def test_every_place_in_line_is_shown_once(writing: int):
    pace = Pace(Clock())
    pace.due(PROMPT, writing)

    assert pace.due(replace(PROMPT, place=3), writing) == (True, True)
    assert pace.due(replace(PROMPT, place=3), writing) == (False, False)
    assert pace.due(replace(PROMPT, place=2), writing) == (True, True)
