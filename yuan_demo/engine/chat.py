"""Conversations above, ids below: what the page talks to.

`ChatModel` fits a conversation into the window, generates, and turns ids back into text. It keeps
nothing between calls; who asks holds the conversation.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from yuan_demo.core.budget import FittedPrompt, fit
from yuan_demo.core.errors import PromptError, SamplingError
from yuan_demo.core.generation import (
    FinishReason,
    GenerationStep,
    InLine,
    Timings,
    TokenScores,
)
from yuan_demo.core.loops import Loop, LoopFinder
from yuan_demo.core.messages import Message
from yuan_demo.core.options import PromptOptions
from yuan_demo.core.prompt import Origin, Prompt
from yuan_demo.core.repetition import is_drawing
from yuan_demo.core.sampling import SamplingParams, in_range
from yuan_demo.core.spelling import spell_answer
from yuan_demo.engine.aside import Aside
from yuan_demo.engine.engine import Engine
from yuan_demo.engine.networks import network_of, stepper_of
from yuan_demo.engine.sampler import draw_seed
from yuan_demo.model.checkpoint import LoadedModel
from yuan_demo.model.detokenizer import StreamingDetokenizer
from yuan_demo.model.tokenization_yuan import YuanTokenizer

MIN_PROMPT_ROOM = 32
"""Tokens of the window that no reservation may take from the prompt."""
NEXT_QUESTION = "?"
"""Stands for a question that is not known yet."""
MIN_WINDOW = 64
"""The smallest window that a person may choose, in tokens."""

SAMPLING_NAMES = ("max_new_tokens", "temperature", "top_k", "top_p", "repetition_penalty")
"""Settings that a generation_config.json names as we do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as far as it has come.

    Attributes:
        fitted: the prompt that the model got, and what had to be dropped for it.
        token_ids: its ids, `<eod>` included.
        begun: how many of them were given; the others were generated.
        text: their text without the final `<eod>`; it only ever grows.
        finish_reason: None while more follows.
        timings: until now; None before the first token.
        seed: repeats this answer; None if nothing was drawn.
        place: in line while all places are taken; 0 when it is being computed.
        scores: what the model thought of each of `token_ids` that was generated.
        loops: stretches that it repeated on the spot.
        params: how tokens are chosen, a drawn seed included; None where nothing was asked.
    """

    fitted: FittedPrompt
    token_ids: tuple[int, ...] = ()
    text: str = ""
    finish_reason: FinishReason | None = None
    timings: Timings | None = None
    seed: int | None = None
    place: int = 0
    scores: tuple[TokenScores, ...] = ()
    loops: tuple[Loop, ...] = ()
    params: SamplingParams | None = None
    begun: int = 0


class ChatModel:
    """One loaded model that answers conversations.

    Args:
        loaded: the model and its tokenizer.
        context_window: tokens that prompt and answer share; None takes all the model has.
        slots: conversations that are computed or kept at once; None takes what memory allows.
        answer_seconds: an answer that takes longer is ended; None for no limit.
        quantize: "none", "int8" or "int4": how the weights are kept.

    Attributes:
        aside: lends the model for what needs more than the engine gives.
        quantize: as given.

    Raises:
        SettingsError: the weights cannot be kept so on their device.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        context_window: int | None = None,
        *,
        slots: int | None = None,
        answer_seconds: float | None = None,
        quantize: str = "none",
    ) -> None:
        self.loaded = loaded
        self.tokenizer = loaded.tokenizer
        self.answer_seconds = answer_seconds
        self.quantize = quantize
        window = min(context_window or loaded.context_length, loaded.context_length)
        network = network_of(loaded.model, window, slots, quantize)
        eod = loaded.tokenizer.eod_token_id
        self.engine = Engine(
            network,
            window,
            eod,
            answer_seconds=answer_seconds,
            stepper=stepper_of(network, eod),
        )
        self.aside = Aside(loaded.model, self.engine)

    @property
    def context_window(self) -> int:
        """Tokens that prompt and answer share."""
        return self.engine.context_window

    @property
    def max_reserved(self) -> int:
        """The most that an answer may reserve."""
        return self.context_window - MIN_PROMPT_ROOM

    @property
    def default_options(self) -> PromptOptions:
        """How prompts are made at first."""
        return PromptOptions(self.context_window, self.default_params.max_new_tokens)

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
        self, messages: Sequence[Message], options: PromptOptions, *, open_question: bool = True
    ) -> FittedPrompt:
        """What would be sent; see `yuan_demo.core.budget.fit`.

        Raises:
            SamplingError: `options.reserved` is no number of tokens.
            PromptError: the window is none that this model has, or more is reserved than it allows.
        """
        options = self._checked(options)
        return fit(messages, self.tokenizer, options, open_question=open_question)

    def _checked(self, options: PromptOptions) -> PromptOptions:
        """The options with whole numbers: a page or a JSON file may say 20.0 for 20."""
        window, reserved = options.window, options.reserved
        high = self.context_window
        if not isinstance(window, int | float) or window not in range(MIN_WINDOW, high + 1):
            raise PromptError("window_out_of_range", window=window, low=MIN_WINDOW, high=high)
        limit = int(window) - MIN_PROMPT_ROOM
        if not in_range("max_new_tokens", reserved):
            raise SamplingError(
                "setting_not_whole", name="max_new_tokens", value=reserved, low=1, high=limit
            )
        if reserved > limit:
            raise PromptError("reserved_too_large", reserved=reserved, limit=limit, window=window)
        return replace(options, window=int(window), reserved=int(reserved))

    def answer(
        self,
        messages: Sequence[Message],
        params: SamplingParams,
        options: PromptOptions | None = None,
        cancelled: threading.Event | None = None,
        client: str | None = None,
        *,
        begun: Sequence[int] = (),
        is_aside: bool = False,
    ) -> Iterator[Answer]:
        """Answers the last message: first the prompt as sent, then one `Answer` per token.

        While all places are taken there is an `Answer` for every change of its place in line.

        Args:
            messages: the conversation; the last one is the question.
            params: how tokens are chosen; `max_new_tokens` is what is reserved.
            options: how the prompt is made; the defaults if left out.
            cancelled: set to stop before the next forward pass.
            client: who asks; see `Engine.generate`.
            begun: ids that the answer begins with; `<eod>` may be the last of them, and ends it.
                They count as tokens of the answer, and those behind them come as they would have
                come had the model written these itself: by the same random numbers.
            is_aside: the answer is for no chat: it waits behind those that are, and nothing is
                prepared for a next question.

        Raises:
            PromptError: there is nothing to answer, it does not fit, or the answer cannot begin so.
            EngineError: the device could not compute the answer.
        """
        if not messages or not messages[-1].content.strip():
            raise PromptError("empty_message")
        options = replace(options or self.default_options, reserved=params.max_new_tokens)
        fitted = self.fit(messages, options)
        fitted.require_fit()
        # The answer may have been shrunk to make room.
        params = replace(params, max_new_tokens=fitted.budget.reserved)
        if not params.greedy and params.seed is None:
            params = replace(params, seed=draw_seed())
        limit = params.max_new_tokens
        if len(begun) > limit:
            raise PromptError("beginning_too_long", tokens=len(begun), limit=limit)
        seed = None if params.greedy else params.seed
        beginning = Answer(fitted, tuple(begun), seed=seed, params=params, begun=len(begun))
        writing = _Writing(self.tokenizer, beginning)
        yield writing.answer
        if writing.answer.finish_reason:
            return
        request = {"begun": begun, "is_aside": is_aside}
        prompt = fitted.prompt.input_ids
        for step in self.engine.generate(prompt, params, cancelled, client, **request):
            answer = writing.add(step)
            yield answer
            if answer.finish_reason:
                break
        if answer.finish_reason in ("stop", "length", "loop") and not is_aside:
            self._prepare_next((*messages, Message("assistant", answer.text)), options)

    def _prepare_next(self, messages: Sequence[Message], options: PromptOptions) -> None:
        """Has the history computed while the person reads and types.

        The next prompt does not begin with this one and its answer: where `<sep>` stood, `<n>` will
        stand. Without this the answer would have to be read again when the next question is sent.
        """
        try:
            fitted = self.fit((*messages, Message("user", NEXT_QUESTION)), options)
            fitted.require_fit()
        except PromptError:
            return
        tokens = fitted.prompt.tokens
        is_question = [t.turn == tokens[-1].turn and t.origin is Origin.USER for t in tokens]
        start = is_question.index(True) if any(is_question) else 0
        self.engine.prepare(fitted.prompt.input_ids[:start])

    def spell(self, answer: Answer) -> Prompt:
        """The rows of the tokens that were generated."""
        prompt = answer.fitted.prompt
        turn = prompt.tokens[-1].turn
        return spell_answer(answer.token_ids, self.tokenizer, len(prompt.tokens), turn)


class _Writing:
    """An answer that grows token by token.

    Args:
        tokenizer: decodes it.
        first: the answer before anything is generated, with what it begins with.

    Attributes:
        answer: as far as it has come.
    """

    def __init__(self, tokenizer: YuanTokenizer, first: Answer) -> None:
        self._eod, self._params = tokenizer.eod_token_id, first.params
        self._detokenizer = StreamingDetokenizer(tokenizer)
        self._finder = LoopFinder(lambda ids: is_drawing(tokenizer.decode(ids)))
        self.answer = replace(first, token_ids=(), text="")
        for token_id in first.token_ids:
            self._take(token_id)
        self._end(self._reason())

    def add(self, step: GenerationStep | InLine) -> Answer:
        """Takes what the engine tells."""
        if isinstance(step, InLine):
            # Not kept: the next token shows that it has left the line.
            return replace(self.answer, place=step.place)
        self.answer = replace(self.answer, timings=step.timings)
        if step.token_id is not None:
            self._take(step.token_id, (step.scores,))
        self._end(step.finish_reason)
        return self.answer

    def _take(self, token_id: int, scores: tuple[TokenScores, ...] = ()) -> None:
        self._finder.add(token_id)
        self.answer = replace(
            self.answer,
            token_ids=(*self.answer.token_ids, token_id),
            text=self.answer.text + self._detokenizer.add(token_id),
            scores=self.answer.scores + scores,
            loops=self._finder.loops,
        )

    def _end(self, reason: FinishReason | None) -> None:
        """Ends it, if there is a reason."""
        if self._params.stop_at_loop and self._finder.is_stuck:
            reason = reason or "loop"
        if reason:
            text = self.answer.text + self._detokenizer.finish()
            self.answer = replace(self.answer, text=text, finish_reason=reason)

    def _reason(self) -> FinishReason | None:
        """Why nothing can follow what the answer begins with."""
        ids = self.answer.token_ids
        if ids and ids[-1] == self._eod:
            return "stop"
        return "length" if len(ids) >= self._params.max_new_tokens else None
