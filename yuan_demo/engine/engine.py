"""The decode loop: ids in, ids out. It knows nothing of text, turns or pages.

One model serves every visitor. Each request has a cache of its own; the lock is held for one
forward pass at a time, so that requests take turns token by token.
"""

import threading
from collections.abc import Iterator, Sequence
from time import perf_counter

import torch
from transformers import DynamicCache, PreTrainedModel

from yuan_demo.core.errors import EngineError
from yuan_demo.core.generation import FinishReason, GenerationStep, Timings
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.sampler import make_sampler

PREFILL_CHUNK = 256
"""Tokens of a prompt read in one forward pass: between two passes a stop is noticed and other
requests get their turn."""


class Engine:
    """Generates from one model.

    Args:
        model: a causal language model in eval mode.
        context_window: tokens that a prompt and its answer may have together.
        eos_token_id: the token that ends an answer.
    """

    def __init__(self, model: PreTrainedModel, context_window: int, eos_token_id: int) -> None:
        self.context_window = context_window
        self.eos_token_id = eos_token_id
        self._model = model
        self._turn = threading.Lock()

    def generate(
        self,
        input_ids: Sequence[int],
        params: SamplingParams,
        cancelled: threading.Event | None = None,
    ) -> Iterator[GenerationStep]:
        """Yields one step per token; the last one says why it is the last.

        Closing the generator or setting `cancelled` ends it before the next forward pass.

        Raises:
            EngineError: the prompt is empty or fills the window, or the device ran out of memory.
        """
        _check_prompt(input_ids, self.context_window)
        started = perf_counter()
        cancelled = cancelled or threading.Event()
        device = self._model.device
        sampler = make_sampler(params, device)
        cache = DynamicCache(config=self._model.config)
        ids = torch.tensor([list(input_ids)], device=device)

        logits = self._prefill(ids, cache, cancelled)
        timings = Timings(len(input_ids), perf_counter() - started)
        while logits is not None:
            token_id = sampler(ids, logits)
            ids = torch.cat([ids, ids.new_tensor([[token_id]])], dim=-1)
            timings = _after_token(timings, started)
            finish_reason = self._finish_reason(token_id, timings, params)
            yield GenerationStep(token_id, finish_reason, timings)
            if finish_reason:
                return
            logits = None if cancelled.is_set() else self._forward(ids[:, -1:], cache)
        yield GenerationStep(None, "cancelled", timings)

    def _prefill(
        self, ids: torch.Tensor, cache: DynamicCache, cancelled: threading.Event
    ) -> torch.Tensor | None:
        """Logits after the prompt [1, V], or None if cancelled before they were there."""
        logits = None
        for chunk in ids.split(PREFILL_CHUNK, dim=-1):
            if cancelled.is_set():
                return None
            logits = self._forward(chunk, cache)
        return logits

    def read(
        self,
        input_ids: Sequence[int],
        continuation: Sequence[int],
        candidates: int,
        cancelled: threading.Event | None = None,
    ) -> tuple[list[tuple[int, float]], list[float]] | None:
        """Reads a prompt and what is to follow it, without generating.

        Args:
            input_ids: the prompt.
            continuation: ids that are rated; may be empty.
            candidates: how many of the most likely next tokens are named.
            cancelled: set to stop before the next forward pass.

        Returns:
            (id, probability) of the tokens most likely to follow the prompt, best first, and the
            natural logarithm of the probability of each id of the continuation given all before
            it; None if cancelled.

        Raises:
            EngineError: the prompt is empty or fills the window, or the device ran out of memory.
        """
        _check_prompt([*input_ids, *continuation[:-1]], self.context_window)
        cancelled = cancelled or threading.Event()
        cache = DynamicCache(config=self._model.config)
        ids = torch.tensor([[*input_ids, *continuation]], device=self._model.device)
        logits = self._prefill(ids[:, : len(input_ids)], cache, cancelled)
        if logits is None:
            return None
        best = logits[0].float().softmax(-1).topk(min(candidates, logits.shape[-1]))
        logprobs: list[float] = []
        rest = ids[:, len(input_ids) :]
        for chunk in rest.split(PREFILL_CHUNK, dim=-1) if continuation else ():
            if cancelled.is_set():
                return None
            # Row t of `logits` rates token t of the chunk; the last row rates what comes after it.
            behind = self._forward(chunk, cache, keep=chunk.shape[-1])
            rows = torch.cat([logits, behind[:-1]]).float().log_softmax(-1)
            logprobs += rows.gather(-1, chunk[0].unsqueeze(-1))[:, 0].tolist()
            logits = behind[-1:]
        return list(zip(best.indices.tolist(), best.values.tolist(), strict=True)), logprobs

    # A decorator, not a `with` around the loop: inference mode belongs to the thread, and a
    # generator that is suspended inside it would leave it switched on for whoever runs next.
    @torch.inference_mode()
    def _forward(self, ids: torch.Tensor, cache: DynamicCache, keep: int = 1) -> torch.Tensor:
        """Logits after each of the last `keep` of `ids` [1, T]: [keep, V]."""
        try:
            with self._turn:
                output = self._model(
                    input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=keep
                )
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            raise EngineError("out_of_memory", tokens=cache.get_seq_length()) from error
        return output.logits[0]

    def _finish_reason(
        self, token_id: int, timings: Timings, params: SamplingParams
    ) -> FinishReason | None:
        if token_id == self.eos_token_id:
            return "stop"
        # Before "context": an answer that uses up exactly what was reserved ended at its length.
        if timings.generated_tokens >= params.max_new_tokens:
            return "length"
        if timings.prompt_tokens + timings.generated_tokens >= self.context_window:
            return "context"
        return None


def _check_prompt(input_ids: Sequence[int], context_window: int) -> None:
    if not input_ids:
        raise EngineError("empty_prompt")
    if len(input_ids) >= context_window:
        raise EngineError("prompt_fills_window", tokens=len(input_ids), window=context_window)


def _is_out_of_memory(error: RuntimeError) -> bool:
    # A CPU raises a bare RuntimeError, told from others by its text alone (torch 2.13).
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)


def _after_token(timings: Timings, started: float) -> Timings:
    elapsed = perf_counter() - started - timings.prompt_seconds
    return Timings(
        timings.prompt_tokens, timings.prompt_seconds, timings.generated_tokens + 1, elapsed
    )
