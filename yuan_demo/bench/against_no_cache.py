"""`--against no-cache`: `generate` that reads the whole text again for every token.

It is what people do with the original modeling code today, whose cache fails under some settings.
"""

import torch
from transformers import PreTrainedModel

from yuan_demo.bench.against_reference import Handle, decode, prefill

__all__ = ["decode", "load", "prefill"]


def load(model: PreTrainedModel, device: torch.device, dtype: torch.dtype) -> Handle:
    """Nothing is left to load."""
    return Handle(model, device, use_cache=False)
