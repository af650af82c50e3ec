"""Another implementation beside the engine, in turn, on the same weights.

`--against FILE.py` names a Python file with three functions:

    load(model, device, dtype) -> handle
        model: a `YuanForCausalLM` of its own (`config`, `state_dict()` with the names and layout of
        the published checkpoints), already on `device` (torch.device) and in `dtype` (torch.dtype).
        Whatever the function returns is passed to the other two.
    prefill(handle, ids) -> int
        Reads a prompt, a list of ids, from nothing, and returns the token behind it, the most
        likely one.
    decode(handle, count) -> list[int]
        Goes on from the last `prefill`: the next `count` tokens after the one that it returned, the
        most likely each time. No token ends it.

Called from one thread. Only the time within `prefill` and `decode` counts.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from yuan_demo.bench import BenchError
from yuan_demo.bench.streams import wait_for_device
from yuan_demo.model.checkpoint import LoadedModel

FUNCTIONS = ("load", "prefill", "decode")
BUILT_IN = {"reference": "against_reference.py", "no-cache": "against_no_cache.py"}
"""Names that stand for a file of this package."""


@dataclass(frozen=True, slots=True)
class Other:
    """The functions of a file.

    Attributes:
        name: as it was asked for.
    """

    name: str
    load: Callable[[Any, torch.device, torch.dtype], Any]
    prefill: Callable[[Any, list[int]], int]
    decode: Callable[[Any, int], list[int]]


class Rival:
    """Another implementation with its model loaded.

    Args:
        other: its functions.
        loaded: its model.

    Raises:
        BenchError: `load` raised.
    """

    def __init__(self, other: Other, loaded: LoadedModel) -> None:
        self._other = other
        weight = loaded.model.lm_head.weight
        self._handle = self._call("load", loaded.model, loaded.model.device, weight.dtype)

    def prefill(self, ids: list[int]) -> tuple[float, int]:
        """Seconds, and the token behind the prompt.

        Raises:
            BenchError: it raised.
        """
        seconds, first = self._timed("prefill", list(ids))
        return seconds, int(first)

    def decode(self, count: int) -> tuple[float, list[int]]:
        """Seconds, and the tokens.

        Raises:
            BenchError: it raised, or did not return so many tokens.
        """
        seconds, ids = self._timed("decode", count)
        if len(ids) != count:
            raise BenchError(
                f"decode of {self._other.name} must return {count} tokens; it returned "
                f"{len(ids)}. Let no token end it."
            )
        return seconds, list(map(int, ids))

    def _timed(self, name: str, argument: object) -> tuple[float, Any]:
        wait_for_device()
        started = perf_counter()
        result = self._call(name, self._handle, argument)
        wait_for_device()
        return perf_counter() - started, result

    def _call(self, name: str, *arguments: object) -> Any:
        try:
            with torch.inference_mode():
                return getattr(self._other, name)(*arguments)
        except Exception as error:  # somebody else's code
            raise BenchError(
                f"{name} of {self._other.name} must work to be timed; it raised "
                f"{type(error).__name__}: {error}."
            ) from error


def find_other(name: str) -> Other:
    """The functions of a file.

    Args:
        name: one of `BUILT_IN`, or a path.

    Raises:
        BenchError: there is no such file, it cannot be run, or lacks one of the functions.
    """
    built_in = BUILT_IN.get(name)
    path = Path(__file__).with_name(built_in) if built_in else Path(name).expanduser()
    names = ", ".join(BUILT_IN)
    if not path.is_file():
        raise BenchError(f"--against must be {names} or a Python file; {name!r} is none of them.")
    spec = importlib.util.spec_from_file_location(f"against_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise BenchError(f"--against must be {names} or a Python file; {name} does not end in .py.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # somebody else's code
        raise BenchError(
            f"The file of --against must run; {name} raised {type(error).__name__}: {error}."
        ) from error
    found = [getattr(module, function, None) for function in FUNCTIONS]
    missing = [f for f, value in zip(FUNCTIONS, found, strict=True) if not callable(value)]
    if missing:
        raise BenchError(
            f"The file of --against must have the functions {', '.join(FUNCTIONS)}; {name} lacks "
            f"{', '.join(missing)}. yuan_demo/bench/against.py says what each of them does."
        )
    return Other(name, *found)
