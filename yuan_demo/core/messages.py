"""What a conversation is: messages in order, read as numbered turns."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Role = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message, as it was typed or generated; never escaped, never stripped."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and what was answered to it: the unit in which a conversation is dropped.

    Attributes:
        number: 1 for the first turn of the conversation; it stays when older turns are dropped.
        messages: a user message and the answers that followed it, if any. Only the first turn of
            a conversation that begins with an answer has no user message.
    """

    number: int
    messages: tuple[Message, ...]


def turns_of(messages: Iterable[Message]) -> tuple[Turn, ...]:
    """Cuts a conversation before every user message.

    A stopped answer may leave a question without an answer; it is a turn all the same.
    """
    groups: list[list[Message]] = []
    for message in messages:
        if message.role == "user" or not groups:
            groups.append([])
        groups[-1].append(message)
    return tuple(Turn(number, tuple(group)) for number, group in enumerate(groups, start=1))
