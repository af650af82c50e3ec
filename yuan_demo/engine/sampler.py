"""Sampling settings become one function before the loop."""

from collections.abc import Callable

import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from yuan_demo.core.sampling import MAX_SEED, SamplingParams

Sampler = Callable[[torch.Tensor, torch.Tensor], int]
"""(ids so far [1, T], logits of the next token [1, V]) -> id of the chosen token."""


def draw_seed() -> int:
    """A fresh seed for a request that names none, so that its answer can still be repeated."""
    return int(torch.randint(MAX_SEED, ()).item())


def make_sampler(params: SamplingParams, device: torch.device) -> Sampler:
    """Builds the function that chooses the next token, in transformers' own order.

    Args:
        params: the settings; without a seed every run draws others.
        device: where the logits live; the random generator lives there too.
    """
    processors = _logits_processors(params)
    if params.greedy:
        return lambda ids, logits: int(processors(ids, logits.float()).argmax(-1))

    generator = torch.Generator(device)
    generator.manual_seed(draw_seed() if params.seed is None else params.seed)

    def sample(ids: torch.Tensor, logits: torch.Tensor) -> int:
        probabilities = processors(ids, logits.float()).softmax(-1)
        return int(torch.multinomial(probabilities, 1, generator=generator))

    return sample


def _logits_processors(params: SamplingParams) -> LogitsProcessorList:
    processors = LogitsProcessorList()
    if params.repetition_penalty != 1:
        processors.append(RepetitionPenaltyLogitsProcessor(params.repetition_penalty))
    if params.greedy:
        return processors
    if params.temperature != 1:
        processors.append(TemperatureLogitsWarper(params.temperature))
    if params.top_k:
        processors.append(TopKLogitsWarper(params.top_k))
    if params.top_p < 1:
        processors.append(TopPLogitsWarper(params.top_p))
    return processors
