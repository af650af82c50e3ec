"""Numbers into a table for people and JSON for programs."""

import json
import math
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from yuan_demo.settings import available_cores

Cell = str | int | float | None
"""A value of a table; None where there is nothing to say."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one command measured.

    Attributes:
        title: what was measured, in a line.
        rows: one mapping of column name to value per row; units are in the names.
        samples: every single measurement behind the rows, by name.
        notes: sentences that a reader of the numbers needs.
        parts: what has columns of its own.
    """

    title: str
    rows: Sequence[Mapping[str, Cell]]
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    parts: Sequence["Report"] = ()

    def to_text(self) -> str:
        """A title, a table and the notes; parts are for whoever measures them to print."""
        own = [self.title, *(["", table(self.rows)] if self.rows else [])]
        return "\n".join([*own, *(f"\n{note}" for note in self.notes)])

    def to_json(self, settings: Mapping[str, object], surroundings: Mapping[str, Cell]) -> str:
        """All of it with what it was measured with and on."""
        content = {"settings": settings, "machine": surroundings, **self._content()}
        return json.dumps(content, indent=1, ensure_ascii=False, default=str)

    def _content(self) -> dict[str, object]:
        return {
            "title": self.title,
            "rows": self.rows,
            "notes": self.notes,
            "samples": self.samples,
            "parts": [part._content() for part in self.parts],
        }


def percentile(values: Iterable[float], share: float) -> float:
    """The least value that at least `share` of the values do not exceed (nearest rank).

    Args:
        values: at least one.
        share: in (0, 1]; 0.9 for the 90th percentile, 1 for the greatest.

    Raises:
        ValueError: no values, or a share outside its range.
    """
    ordered = sorted(values)
    if not ordered or not 0 < share <= 1:
        raise ValueError(f"need values and 0 < share <= 1, got {len(ordered)} values and {share}")
    # Rounded first: 0.9 * 40 must be rank 36, whatever binary fractions make of the product.
    return ordered[math.ceil(round(share * len(ordered), 9)) - 1]


def share_within(values: Sequence[float], limit: float) -> float:
    """The share of the values, 0 to 1, that are at most `limit`."""
    return sum(value <= limit for value in values) / len(values)


def median(values: Iterable[float]) -> float:
    """The middle value, or the mean of the two in the middle."""
    return float(statistics.median(values))


def table(rows: Sequence[Mapping[str, Cell]]) -> str:
    """Rows under their column names; numbers to the right."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_text(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    to_right = [not any(isinstance(row.get(name), str) for row in rows) for name in names]
    lines = [
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, to_right, strict=True)
        ).rstrip()
        for line in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _text(value: Cell) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    # Three figures say what a timing is worth; whole numbers keep all of theirs.
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"


def machine() -> dict[str, Cell]:
    """Where and beside what load it was measured."""
    return {
        "cpu": _cpu_name(),
        "cores": available_cores(),
        "load, 1 minute": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "torch": _version("torch"),
        "transformers": _version("transformers"),
        "gradio": _version("gradio"),
    }


def _version(package: str) -> str | None:
    # A machine that only measures the engine need not have the page's packages.
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
