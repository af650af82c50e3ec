"""Conversations above, ids below: what the page talks to.

`ChatModel` fits a conversation into the window, generates, and turns ids back into text. It keeps
nothing between calls; who asks holds the conversation.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from yuan_demo.core.budget import FittedPrompt, fit
from yuan_demo.core.errors import PromptError, SamplingError
from yuan_demo.core.generation import FinishReason, Timings
from yuan_demo.core.messages import Message
from yuan_demo.core.prompt import Prompt
from yuan_demo.core.sampling import SamplingParams, in_range
from yuan_demo.core.spelling import spell_answer
from yuan_demo.engine.engine import Engine
from yuan_demo.engine.sampler import draw_seed
from yuan_demo.model.checkpoint import LoadedModel
from yuan_demo.model.detokenizer import StreamingDetokenizer

MIN_PROMPT_ROOM = 32
"""Tokens of the window that no reservation may take from the prompt."""

SAMPLING_NAMES = ("max_new_tokens", "temperature", "top_k", "top_p", "repetition_penalty")
"""Settings that a generation_config.json names as we do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as far as it has come.

    Attributes:
        fitted: the prompt that the model got, and what had to be dropped for it.
        token_ids: generated ids, `<eod>` included.
        text: their text without the final `<eod>`; it only ever grows.
        finish_reason: None while more follows.
        timings: until now; None before the first token.
        seed: repeats this answer; None if nothing was drawn.
    """

    fitted: FittedPrompt
    token_ids: tuple[int, ...] = ()
    text: str = ""
    finish_reason: FinishReason | None = None
    timings: Timings | None = None
    seed: int | None = None


class ChatModel:
    """One loaded model that answers conversations.

    Args:
        loaded: the model and its tokenizer.
        context_window: tokens that prompt and answer share; None takes all the model has.
    """

    def __init__(self, loaded: LoadedModel, context_window: int | None = None) -> None:
        self.loaded = loaded
        self.tokenizer = loaded.tokenizer
        window = min(context_window or loaded.context_length, loaded.context_length)
        self.engine = Engine(loaded.model, window, loaded.tokenizer.eod_token_id)

    @property
    def context_window(self) -> int:
        """Tokens that prompt and answer share."""
        return self.engine.context_window

    @property
    def max_reserved(self) -> int:
        """The most that an answer may reserve."""
        return self.context_window - MIN_PROMPT_ROOM

    @property
    def default_params(self) -> SamplingParams:
        """Where the sampling settings stand at first: what the model's own files ask for.

        A value that no setting can have, such as temperature 0 for greedy, is left out.
        """
        wanted = self.loaded.generation_defaults
        values = {name: getattr(wanted, name) for name in SAMPLING_NAMES}
        params = SamplingParams(**{k: v for k, v in values.items() if in_range(k, v)})
        return replace(
            params,
            greedy=params.greedy if wanted.do_sample is None else not wanted.do_sample,
            max_new_tokens=min(params.max_new_tokens, self.context_window // 4),
        )

    def fit(
        self, messages: Sequence[Message], reserved: int, *, open_question: bool = True
    ) -> FittedPrompt:
        """What would be sent; see `yuan_demo.core.budget.fit`.

        Raises:
            SamplingError: `reserved` is no number of tokens.
            PromptError: more is reserved than the window allows.
        """
        if not in_range("max_new_tokens", reserved):
            raise SamplingError(
                "setting_not_whole",
                name="max_new_tokens",
                value=reserved,
                low=1,
                high=self.max_reserved,
            )
        if reserved > self.max_reserved:
            raise PromptError(
                "reserved_too_large",
                reserved=reserved,
                limit=self.max_reserved,
                window=self.context_window,
            )
        return fit(
            messages,
            self.tokenizer,
            window=self.context_window,
            reserved=int(reserved),
            open_question=open_question,
        )

    def answer(
        self,
        messages: Sequence[Message],
        params: SamplingParams,
        cancelled: threading.Event | None = None,
    ) -> Iterator[Answer]:
        """Answers the last message: first the prompt as sent, then one `Answer` per token.

        Raises:
            PromptError: there is nothing to answer, or the last message alone does not fit.
            EngineError: the device could not compute the answer.
        """
        if not messages or not messages[-1].content.strip():
            raise PromptError("empty_message")
        fitted = self.fit(messages, params.max_new_tokens)
        fitted.require_fit()
        if not params.greedy and params.seed is None:
            params = replace(params, seed=draw_seed())
        yield Answer(fitted)
        yield from self._generate(fitted, params, cancelled)

    def _generate(
        self, fitted: FittedPrompt, params: SamplingParams, cancelled: threading.Event | None
    ) -> Iterator[Answer]:
        detokenizer = StreamingDetokenizer(self.tokenizer)
        text = ""
        token_ids: tuple[int, ...] = ()
        seed = None if params.greedy else params.seed
        for step in self.engine.generate(fitted.prompt.input_ids, params, cancelled):
            if step.token_id is not None:
                token_ids += (step.token_id,)
                text += detokenizer.add(step.token_id)
            if step.finish_reason:
                text += detokenizer.finish()
            yield Answer(fitted, token_ids, text, step.finish_reason, step.timings, seed)

    def spell(self, answer: Answer) -> Prompt:
        """The rows of the tokens that were generated."""
        prompt = answer.fitted.prompt
        turn = prompt.segments[-1].turn
        return spell_answer(answer.token_ids, self.tokenizer, len(prompt.tokens), turn)
