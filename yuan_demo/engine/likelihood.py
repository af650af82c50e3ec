"""What the model would say next to a prompt, and how likely it finds a given answer to it."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from yuan_demo.core.budget import FittedPrompt
from yuan_demo.core.prompt import Origin, Segment, tokenize
from yuan_demo.engine.chat import ChatModel

NEXT_TOKENS = 5
"""Candidates for the next token that are named."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that may come next.

    Attributes:
        token_id: index into the vocabulary.
        piece: as SentencePiece spells it.
        probability: by the model alone, before any sampling setting.
    """

    token_id: int
    piece: str
    probability: float


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How the model goes on after a prompt.

    Attributes:
        candidates: the most likely next tokens, best first.
        pieces: of the given answer and the `<eod>` that ends it; empty if none was given.
        logprobs: natural logarithm of the probability of each of them, given all before it.
    """

    candidates: tuple[Candidate, ...]
    pieces: tuple[str, ...] = ()
    logprobs: tuple[float, ...] = ()

    @property
    def mean_logprob(self) -> float | None:
        """Average over the tokens of the answer; None if none was given."""
        return sum(self.logprobs) / len(self.logprobs) if self.logprobs else None


def likelihood(
    model: ChatModel,
    fitted: FittedPrompt,
    answer: str = "",
    cancelled: threading.Event | None = None,
) -> Likelihood | None:
    """Reads a prompt, and an answer behind it, in one pass.

    Args:
        model: reads it, in turn with the chats that it serves.
        fitted: the prompt.
        answer: text to be rated; cut off where the window ends. Nothing is rated if it is empty.
        cancelled: set to stop before the next forward pass.

    Returns:
        None if cancelled.

    Raises:
        PromptError: the prompt does not fit.
        EngineError: the device could not compute it.
    """
    fitted.require_fit()
    ids = _answer_ids(model, fitted, answer)[: fitted.budget.reserved + fitted.budget.free]
    reading = model.engine.read(fitted.prompt.input_ids, ids, NEXT_TOKENS, cancelled)
    if reading is None:
        return None
    pieces = model.tokenizer.convert_ids_to_tokens([token_id for token_id, _ in reading.best])
    return Likelihood(
        tuple(
            Candidate(token_id, piece, probability)
            for (token_id, probability), piece in zip(reading.best, pieces, strict=True)
        ),
        tuple(model.tokenizer.convert_ids_to_tokens(ids)),
        reading.logprobs,
    )


def _answer_ids(model: ChatModel, fitted: FittedPrompt, answer: str) -> list[int]:
    """The answer as it is encoded behind this prompt, and `<eod>`.

    Behind a control token it is a stretch of its own; behind text, as in `Assistant:`, it goes on
    with it, unless it would merge with its last piece: the prompt stays what it is.
    """
    if not answer:
        return []
    whole, layout = fitted.whole, fitted.options.format.layout
    # Where earlier answers stand behind `Assistant: ` and the prompt ends in `Assistant:`, the
    # blank is for the model to write.
    if layout.after_question and layout.between.startswith(layout.after_question):
        answer = layout.between.removeprefix(layout.after_question) + answer
    segments = (*whole.segments, Segment(Origin.ANSWER, len(fitted.turns), answer))
    loading = fitted.options.loading
    ids = tokenize(segments, model.tokenizer, loading).input_ids
    before: Sequence[int] = whole.input_ids
    if ids[: len(before)] != before:
        before, ids = (), tokenize(segments[-1:], model.tokenizer, loading).input_ids
    return [*ids[len(before) :], model.tokenizer.eod_token_id]
