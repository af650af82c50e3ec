"""The benchmark: the only place where speed is measured, and no part of the running demo.

    start     how soon the page and a first token are there, and the memory it takes
    ui        from a keystroke to the repainted panel, in headless Chromium
    linear    the products of a 2B model by kind of linear layer, beside the memory's bandwidth
    engine    tokens per second, first tokens and memory, beside what the memory's bandwidth allows
              and, with `--against`, beside another implementation in the same run

Tests assert no timing; these commands do not fail on a slow machine, they say so.
"""

from yuan_demo.core.errors import YuanDemoError

# Here, and not beside what they mean: the flags are read before the imports that take seconds.
SHAPES = ("embedded", "2b", "51b")
"""Of random models."""
PARTS = ("decode", "visitors", "prefill", "turns", "diagnostics", "memory")
"""Of `bench engine`, in the order in which they are measured."""


class BenchError(YuanDemoError):
    """A measurement cannot be made: what is missing or broke, and the next step."""
