"""What the engine yields while it answers."""

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length", "context", "cancelled"]
"""`stop`: the model wrote `<eod>`. `length`: `max_new_tokens` reached. `context`: the window is
full before that. `cancelled`: a person stopped it or left."""


@dataclass(frozen=True, slots=True)
class Timings:
    """How long it took, in seconds of wall-clock time.

    Attributes:
        prompt_tokens: tokens of the prompt.
        prompt_seconds: from the start until the logits of the prompt were there.
        generated_tokens: tokens generated so far.
        generation_seconds: from then until now.
    """

    prompt_tokens: int
    prompt_seconds: float
    generated_tokens: int = 0
    generation_seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float | None:
        """Speed of decoding; None before the second token, whose cost is the first measured."""
        if self.generated_tokens < 2 or self.generation_seconds <= 0:
            return None
        return (self.generated_tokens - 1) / self.generation_seconds


@dataclass(frozen=True, slots=True)
class GenerationStep:
    """One decoded token.

    Attributes:
        token_id: the chosen token; None where generation ended without one (cancelled).
        finish_reason: why it was the last, or None if more follow.
        timings: until now.
    """

    token_id: int | None
    finish_reason: FinishReason | None
    timings: Timings
