"""What a message must be, from the page and over the API."""

import pytest

from yuan_demo.core.errors import PromptError
from yuan_demo.ui import checks
from yuan_demo.ui.checks import require_message, require_text


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "not_a_text"),
        (5, "not_a_text"),
        (["a"], "not_a_text"),
        ("", "empty_message"),
        (" \t ", "empty_message"),
        ("\n\n", "empty_message"),
        ("a\ud83d", "lone_surrogate"),
        ("a" * (checks.MAX_CHARACTERS + 1), "too_many_characters"),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused_with_its_reason(value, code):
    with pytest.raises(PromptError) as caught:
        require_message(value)

    assert caught.value.code == code


def test_a_message_loses_the_line_breaks_around_it_and_nothing_else():
    assert require_message("\n  a\n b \n\n") == "  a\n b "
    assert require_text("\n  a\n") == "\n  a\n"


def test_a_lone_surrogate_is_named_with_its_place():
    with pytest.raises(PromptError) as caught:
        require_text("ab\udc00")

    assert caught.value.values == {"code_point": "DC00", "position": 3}
