"""What a message must be before anything is done with it, from the page and over the API."""

import re
from typing import Any

from yuan_demo.core.errors import PromptError

MAX_CHARACTERS = 200_000
"""More than any window of the family holds; encoding so many takes half a second."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """A message without the line breaks around it, which editing in the page adds."""
    return text.strip("\n")


def require_length(text: str) -> None:
    """Raises PromptError if a text is too long to look at."""
    if len(text) > MAX_CHARACTERS:
        raise PromptError("too_many_characters", count=len(text), limit=MAX_CHARACTERS)


def require_text(value: Any) -> str:
    """The value if it is a text that can be encoded.

    Raises:
        PromptError: it is no text, too long to look at, or holds half a character.
    """
    if not isinstance(value, str):
        raise PromptError("not_a_text", kind=type(value).__name__)
    require_length(value)
    surrogate = _LONE_SURROGATE.search(value)
    if surrogate:
        code_point, position = f"{ord(surrogate[0]):X}", surrogate.start() + 1
        raise PromptError("lone_surrogate", code_point=code_point, position=position)
    return value


def require_message(value: Any) -> str:
    """The message as it is sent.

    Raises:
        PromptError: as `require_text`, or nothing of it can be seen.
    """
    text = clean(require_text(value))
    if not text.strip():
        raise PromptError("empty_message")
    return text
