"""The page. Importing it imports Gradio, two seconds faster than Gradio does by itself.

At import Gradio 6.31 parses the source of each of its components to write a type stub beside it,
which takes as long as everything else in it (4.5 s against 2.3 s on 2 cores). It leaves out a class
whose file `inspect` cannot tell.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def _without_stubs() -> Iterator[None]:
    getfile = inspect.getfile

    def getfile_outside_gradio(value: Any) -> str:
        if isinstance(value, type) and value.__module__.startswith("gradio."):
            raise OSError("left out to start faster")
        return getfile(value)

    inspect.getfile = getfile_outside_gradio
    try:
        yield
    finally:
        inspect.getfile = getfile


with _without_stubs():
    import gradio  # noqa: F401
