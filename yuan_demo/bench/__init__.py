"""The benchmark: the only place where speed is measured, and no part of the running demo.

    start     how soon the page and a first token are there, and the memory it takes
    ui        from a keystroke to the repainted panel, in headless Chromium
    decode    tokens per second, beside transformers' own `generate` in the same run
    linear    the products of a 2B model by kind of linear layer, beside the memory's bandwidth

Tests assert no timing; these commands do not fail on a slow machine, they say so.
"""

from yuan_demo.core.errors import YuanDemoError


class BenchError(YuanDemoError):
    """A measurement cannot be made: what is missing or broke, and the next step."""
