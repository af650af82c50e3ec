"""How often a streaming answer is written to its page."""

from collections.abc import Callable
from time import perf_counter

from yuan_demo.engine.chat import Answer

TEXT_INTERVAL_SECONDS = 0.04
"""No eye reads faster than 25 changes a second, and each takes Gradio about 2 ms of a CPU core that
the model may need: 40 % of it at 200 tokens a second."""
PANEL_INTERVAL_SECONDS = 0.1
MOST_TEXTS_PER_SECOND = 200
"""For all pages together: with more of them writing, each is written to less often."""


class Pace:
    """Says of one answer which of its steps are shown.

    Args:
        clock: seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._written = self._painted = float("-inf")
        self._place, self._has_tokens = 0, False

    def due(self, answer: Answer, writing: int) -> tuple[bool, bool]:
        """Whether the text is to be written now, and whether the panel with it.

        The prompt, a new place in line, the first token and the end are shown at once.

        Args:
            answer: as far as it has come.
            writing: answers that are computed now, this one included.
        """
        now = self._clock()
        interval = max(TEXT_INTERVAL_SECONDS, writing / MOST_TEXTS_PER_SECOND)
        panel_interval = interval * PANEL_INTERVAL_SECONDS / TEXT_INTERVAL_SECONDS
        is_new = self._written == float("-inf") or answer.place != self._place
        is_first = bool(answer.token_ids) and not self._has_tokens
        self._place, self._has_tokens = answer.place, bool(answer.token_ids)
        is_needed = is_new or answer.finish_reason is not None
        writes = is_needed or is_first or now - self._written >= interval
        # Never between two texts: painting takes one along.
        paints = is_needed or (writes and now - self._painted >= panel_interval)
        if paints:
            self._painted = now
        if writes:
            self._written = now
        return writes, paints
