"""How much a stretch of an answer owes to each part of its prompt: measured, by leaving it out.

The effect of a part is what the logarithm of the stretch's probability loses without it:

    log p(stretch | prompt, answer so far) - log p(stretch | prompt without it, answer so far)

This is the occlusion of Zeiler and Fergus (2014, arXiv:1311.2901, section 4.2) done to text.
Against another token B in the place of the stretch's one token A, log p(A) - log p(B) takes the
place of log p. Effects of several parts need not add up: two that say the same stand in for one
another.
"""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

from yuan_demo.core.budget import FittedPrompt
from yuan_demo.core.parts import Part, Range, words
from yuan_demo.core.prompt import Prompt
from yuan_demo.core.removal import ids_without
from yuan_demo.core.sharing import measuring_plan
from yuan_demo.core.spelling import spell_answer
from yuan_demo.engine.aside import Cancelled
from yuan_demo.engine.chat import ChatModel

MAX_PASSES = 64
"""Times that the model may read a prompt for one question."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is asked about.

    Attributes:
        prompt: the prompt that was answered.
        ids: the answer up to the end of the stretch.
        start: the stretch's first token in the answer.
        against: a token that might have stood in the place of its only one; None to ask why it was
            said at all.
    """

    prompt: FittedPrompt
    ids: tuple[int, ...]
    start: int
    against: int | None = None

    @property
    def before(self) -> tuple[int, ...]:
        """The answer so far."""
        return self.ids[: self.start]


class Causes:
    """Measures effects within a number of passes.

    Args:
        model: reads prompts, behind the chats that it serves.
        stretch: what is asked about.
        passes: at most so many.
        cancelled: set to stop before the next forward pass.

    Attributes:
        used: passes until now.
    """

    def __init__(
        self, model: ChatModel, stretch: Stretch, passes: int, cancelled: threading.Event
    ) -> None:
        self.used = 0
        self._model = model
        self._stretch = stretch
        self._passes = passes
        self._cancelled = cancelled
        self._base: float | None = None

    @property
    def left(self) -> int:
        """Passes."""
        return self._passes - self.used

    def base(self, known: float | None = None) -> float:
        """The measure of the stretch behind the whole prompt, in nats.

        Args:
            known: from an earlier question of the same; saves the pass.

        Raises:
            EngineError: see `Engine.read`.
            Cancelled: by whoever waits.
        """
        if self._base is None:
            stretch = self._stretch
            ids = (*stretch.prompt.prompt.input_ids, *stretch.before)
            self._base = self._measure(ids, is_kept=True) if known is None else known
        return self._base

    def effects(self, parts: Sequence[Part]) -> Iterator[tuple[Range, float]]:
        """Yields (places of parts that were left out together, what is lost with them, in nats).

        Where there are more parts than passes see `measuring_plan`. Without a pass left nothing is
        yielded. Raises what `base` does, which comes first.
        """
        stretch, tokenizer = self._stretch, self._model.tokenizer

        def ids(place: Range) -> tuple[int, ...]:
            left = ids_without(stretch.prompt, parts[slice(*place)], tokenizer)
            return (*left, *stretch.before)

        return self._effects(len(parts), ids)

    def effects_of_answer(self, places: Sequence[Range]) -> Iterator[tuple[Range, float]]:
        """The same for words of the answer so far, given as `words_of_answer` does."""
        stretch = self._stretch
        prompt = stretch.prompt.prompt.input_ids

        def ids(place: Range) -> tuple[int, ...]:
            start, end = places[place[0]][0], places[place[1] - 1][1]
            return (*prompt, *stretch.ids[:start], *stretch.ids[end : stretch.start])

        return self._effects(len(places), ids)

    def _effects(
        self, count: int, ids: Callable[[Range], Sequence[int]]
    ) -> Iterator[tuple[Range, float]]:
        if self._base is None and not self.left:
            return
        base = self.base()
        plan = measuring_plan(count, self.left)
        place = _next(plan, None)
        while place is not None:
            left = ids(place)
            # Nothing comes behind nothing: what is all of a prompt cannot be left out.
            effect = base - self._measure(left) if left else 0.0
            yield place, effect
            place = _next(plan, effect)

    def _measure(self, before: Sequence[int], *, is_kept: bool = False) -> float:
        """One pass. The whole prompt is kept: what is left out late begins as it does."""
        stretch, read = self._stretch, self._model.engine.read
        self.used += 1
        own = stretch.ids[stretch.start :]
        if stretch.against is None:
            reading = read(before, own, 1, self._cancelled, is_kept=is_kept)
        else:
            reading = read(before, (), 1, self._cancelled, wants_logits=True, is_kept=is_kept)
        if reading is None:
            raise Cancelled
        if stretch.against is None:
            return sum(reading.logprobs)
        # The normalization is the same for both.
        return (reading.logits[own[0]] - reading.logits[stretch.against]).item()


def words_of_answer(stretch: Stretch, model: ChatModel) -> tuple[Prompt, list[Range]]:
    """The answer so far as it is spelled, and the tokens of each of its words."""
    spelled = spell_answer(stretch.before, model.tokenizer, 0, 0)
    return spelled, words(spelled.tokens, spelled.text)


def _next(plan: Generator[Range, float, None], effect: float | None) -> Range | None:
    try:
        return next(plan) if effect is None else plan.send(effect)
    except StopIteration:
        return None
