"""What the engine yields while it answers."""

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length", "context", "cancelled", "deadline", "shutdown", "loop"]
"""`stop`: the model wrote `<eod>`. `length`: `max_new_tokens` reached. `context`: the window is
full before that. `cancelled`: a person stopped it or left. `deadline`: it took longer than an
answer may take. `shutdown`: the server is being stopped. `loop`: it repeated itself, and was to be
stopped then."""


@dataclass(frozen=True, slots=True)
class Timings:
    """How long it took, in seconds of wall-clock time.

    Attributes:
        prompt_tokens: tokens of the prompt, with those that the answer was to begin with.
        prompt_seconds: from the moment it had a place until the first token was chosen.
        generated_tokens: tokens generated so far.
        generation_seconds: from then until now.
        reused_tokens: of the prompt, taken from an earlier computation instead of computed.
        queue_seconds: in line before that, while all places were taken.
    """

    prompt_tokens: int
    prompt_seconds: float
    generated_tokens: int = 0
    generation_seconds: float = 0.0
    reused_tokens: int = 0
    queue_seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float | None:
        """Speed of decoding; None before the second token, whose cost is the first measured."""
        if self.generated_tokens < 2 or self.generation_seconds <= 0:
            return None
        return (self.generated_tokens - 1) / self.generation_seconds


@dataclass(frozen=True, slots=True)
class TokenScores:
    """What the model thought of a token when it was chosen.

    Logarithms are natural; entropy is in nats.

    Attributes:
        logprob: of the token, by the model alone: before any sampling setting.
        rank: of the token by the model alone; 1 is the most likely.
        entropy: of the model's distribution over all tokens.
        eos_logprob: of the token that ends an answer.
        candidate_ids: the most likely tokens by the model alone, best first.
        candidate_logprobs: of these, by the model alone.
        candidate_probabilities: of these, after the sampling settings; 0 for those cut off.
    """

    logprob: float
    rank: int
    entropy: float
    eos_logprob: float
    candidate_ids: tuple[int, ...]
    candidate_logprobs: tuple[float, ...]
    candidate_probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class GenerationStep:
    """One decoded token.

    Attributes:
        token_id: the chosen token; None where generation ended without one (cancelled).
        finish_reason: why it was the last, or None if more follow.
        timings: until now.
        scores: how it was chosen; None without a token.
    """

    token_id: int | None
    finish_reason: FinishReason | None
    timings: Timings
    scores: TokenScores | None = None


@dataclass(frozen=True, slots=True)
class InLine:
    """All places are taken: the request waits.

    Attributes:
        place: in the line; 1 is next.
    """

    place: int
