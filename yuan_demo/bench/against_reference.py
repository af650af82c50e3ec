"""`--against reference`: transformers' own `generate` with its cache, over our modeling code."""

from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel

NO_TOKEN = 2**31 - 1
"""An id beyond every vocabulary, so that nothing ends an answer."""


@dataclass
class Handle:
    """A model, and what it has read and written so far with the cache behind it."""

    model: PreTrainedModel
    device: torch.device
    use_cache: bool = True
    ids: list[int] = field(default_factory=list)
    cache: Any = None


def load(model: PreTrainedModel, device: torch.device, dtype: torch.dtype) -> Handle:
    """Nothing is left to load."""
    return Handle(model, device)


def prefill(handle: Handle, ids: list[int]) -> int:
    """Reads a prompt and returns the token behind it."""
    handle.ids, handle.cache = list(ids), None
    return _generate(handle, 1)[0]


def decode(handle: Handle, count: int) -> list[int]:
    """The next tokens; the cache lacks the last one, which `generate` reads first."""
    return _generate(handle, count)


def _generate(handle: Handle, count: int) -> list[int]:
    ids = torch.tensor([handle.ids], device=handle.device)
    config = GenerationConfig(
        max_new_tokens=count,
        do_sample=False,
        use_cache=handle.use_cache,
        eos_token_id=NO_TOKEN,
        pad_token_id=0,
        return_dict_in_generate=True,
    )
    output = handle.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        generation_config=config,
        past_key_values=handle.cache,
    )
    new = output.sequences[0, ids.shape[1] :].tolist()
    handle.ids += new
    handle.cache = output.past_key_values if handle.use_cache else None
    return new
