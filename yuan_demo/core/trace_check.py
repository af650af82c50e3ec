"""Reads values out of a JSON file that anybody may have written.

Each is what it should be, or there is a `PageError` that says where the file is wrong, what should
stand there, and what does.
"""

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from yuan_demo.core.errors import PageError

MAX_SHOWN = 40
"""Characters of a wrong value that its error shows."""
MINUS_INFINITY = "-inf"
"""How the logarithm of 0 is written: JSON has no number for it."""
MAX_WHOLE = 2**53 - 1
"""The largest whole number that every reader of JSON holds exactly."""


def parsed(text: str) -> Any:
    """The value of a JSON text. Names that come twice, NaN and infinities are refused.

    Raises:
        PageError: it is no JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_twins, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise PageError("trace_no_json", line=error.lineno, column=error.colno) from error
    # Nested too deeply, or a number of more digits than Python converts.
    except (RecursionError, ValueError) as error:
        raise PageError("trace_no_json", line=1, column=1) from error


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class Node:
    """A value and where it stands in the file.

    Args:
        value: as `parsed` gives it.
        where: for example `scores[3]`; empty for the whole file.
    """

    def __init__(self, value: Any, where: str = "") -> None:
        self.value = value
        self.where = where

    def members(self, *names: str) -> list["Node"]:
        """The values under these names: all of them are there, and no others."""
        if not isinstance(self.value, dict):
            raise PageError("trace_no_object", where=self._place(), value=self._shown())
        for name in names:
            if name not in self.value:
                raise PageError("trace_missing", where=self._below(name))
        for name in self.value:
            if name not in names:
                raise PageError("trace_unknown", where=self._below(name[:MAX_SHOWN]))
        return [Node(self.value[name], self._below(name)) for name in names]

    def items(self, most: int, least: int = 0) -> list["Node"]:
        """The values of a list of at least and at most so many."""
        is_list = isinstance(self.value, list)
        if not is_list or not least <= len(self.value) <= most:
            value = len(self.value) if is_list else self._shown()
            raise PageError("trace_no_list", where=self._place(), low=least, high=most, value=value)
        return [Node(each, f"{self._place()}[{place}]") for place, each in enumerate(self.value)]

    def pairs(self, most: int) -> list[tuple[str, "Node"]]:
        """Names and values of an object whose names are not known."""
        if not isinstance(self.value, dict) or len(self.value) > most:
            raise PageError("trace_no_object", where=self._place(), value=self._shown())
        return [(name, Node(each, self._below(name))) for name, each in self.value.items()]

    def text(self, most: int = MAX_WHOLE, least: int = 0) -> str:
        """A string of at least and at most so many characters."""
        is_text = isinstance(self.value, str)
        if not is_text or not least <= len(self.value) <= most:
            value = len(self.value) if is_text else self._shown()
            raise PageError("trace_no_text", where=self._place(), low=least, high=most, value=value)
        return self.value

    def choice(self, known: Sequence[str]) -> str:
        """One of some strings."""
        if self.value not in known:
            raise self.bad_choice(known)
        return self.value

    def bad_choice(self, known: Sequence[str]) -> PageError:
        """That this is none of some strings."""
        names = ", ".join(known)
        return PageError("trace_no_choice", where=self._place(), known=names, value=self._shown())

    def bad_form(self, example: str) -> PageError:
        """That this is not written like an example."""
        shown = self._shown()
        return PageError("trace_no_form", where=self._place(), example=example, value=shown)

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.bad_choice(("true", "false"))
        return self.value

    def whole(self, low: int = 0, high: int = MAX_WHOLE) -> int:
        """A whole number within a range; 40.0 is one, as JavaScript knows no other."""
        value = self.value
        is_number = type(value) is int or (type(value) is float and value.is_integer())
        if not is_number or not low <= value <= high:
            shown = self._shown()
            raise PageError("trace_no_whole", where=self._place(), low=low, high=high, value=shown)
        return int(value)

    def number(self, low: float, high: float) -> float:
        """A number within a range."""
        if type(self.value) not in (int, float) or not low <= self.value <= high:
            shown = self._shown()
            raise PageError("trace_no_number", where=self._place(), low=low, high=high, value=shown)
        return float(self.value)

    def log(self) -> float:
        """The logarithm of a probability."""
        # Rounding may leave that of 1 above 0.
        return float("-inf") if self.value == MINUS_INFINITY else self.number(-1e6, 1e-3)

    def require_length(self, count: int, expected: int, other: str) -> None:
        """Holds a list to the length of another one."""
        if count != expected:
            raise PageError(
                "trace_lengths", where=self._place(), count=count, expected=expected, other=other
            )

    def _place(self) -> str:
        return self.where or "{}"

    def _below(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def _shown(self) -> str:
        # Cut before it is written: a value may be the whole file.
        if isinstance(self.value, str):
            written = json.dumps(self.value[: MAX_SHOWN + 1])
        elif isinstance(self.value, list | dict):
            written = "[…]" if isinstance(self.value, list) else "{…}"
        else:
            written = json.dumps(self.value)
        return written if len(written) <= MAX_SHOWN else f"{written[:MAX_SHOWN]}…"
