"""Localized filtering: what a Yuan2 layer does to its input before query and key are taken from it.

Two causal convolutions over time, two tokens each, with no activation between them:

    y[t] = A0 h[t-1] + A1 h[t] + a      from width H to H / 2
    z[t] = B0 y[t-1] + B1 y[t] + b      from H / 2 to H
    f    = RMSNorm(z + h)

Before the first token of a row h and y are zero, each for itself: y[-1] is not the bias a. So all
that a later token needs of the past is the last h and the last y, which are the two convolution
states that each layer has in the cache.

Shapes: B rows, T new tokens, H `hidden_size`.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import nn
from transformers.cache_utils import Cache
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from yuan_demo.model.configuration_yuan import YuanConfig

# The filter's norm does not follow `rms_norm_eps`.
FILTER_NORM_EPS = 1e-6


class YuanRMSNorm(LlamaRMSNorm):
    """Root mean square norm: the mean in float32, the weight after the cast back."""


class YuanCausalConv(nn.Conv2d):
    """Causal convolution over two tokens, whose left context lives in the layer's cache.

    The weight keeps the shape of the checkpoints, (out, in, 2, 1): index 0 of the third axis acts
    on the previous token, index 1 on the current one. It is read here and nowhere else, since
    accelerate brings an offloaded weight back only for the forward of the module that owns it.
    """

    def __init__(self, in_channels: int, out_channels: int, layer_idx: int, state_idx: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=(2, 1))
        self.layer_idx = layer_idx
        self.state_idx = state_idx

    def forward(
        self, hidden_states: torch.Tensor, past_key_values: Cache | None = None
    ) -> torch.Tensor:
        """Maps (B, T, in) to (B, T, out); before the first token stands a true zero."""
        num_tokens = hidden_states.shape[1]
        columns = hidden_states.transpose(1, 2)
        if past_key_values is not None:
            # Prepends the newest column of the past; in a first pass there is none to prepend.
            columns = past_key_values.update_conv_state(
                columns, self.layer_idx, state_idx=self.state_idx, conv_kernel_size=1
            )
        columns = F.pad(columns, (1, 0))[..., -(num_tokens + 1) :]
        # One matrix product over (previous, current) pairs, not F.conv1d: that one runs float32 in
        # TF32 on a GPU by default, and in bfloat16 on a CPU takes 4 to 17 times as long (measured
        # with 1 and 128 tokens at width 2048).
        pairs = torch.stack((columns[..., :-1], columns[..., 1:]), dim=-1)
        return F.linear(pairs.transpose(1, 2).flatten(2), self.weight.flatten(1), self.bias)


class YuanLocalizedFiltering(nn.Module):
    """The filter before query and key: two causal convolutions, a residual and a norm.

    Both convolutions see zeros before the first token of a row. A left-padded row gets the same
    zeros at its pads, before each of the two: conv1 has a bias, so its output at a pad is not zero
    (masking only before conv1 moves the logits by up to 2.6).
    """

    def __init__(self, config: YuanConfig, layer_idx: int) -> None:
        super().__init__()
        width = config.hidden_size
        self.conv1 = YuanCausalConv(width, width // 2, layer_idx, state_idx=0)
        self.conv2 = YuanCausalConv(width // 2, width, layer_idx, state_idx=1)
        self.output_layernorm = YuanRMSNorm(width, eps=FILTER_NORM_EPS)

    def forward(
        self,
        hidden_states: torch.Tensor,
        padding_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
    ) -> torch.Tensor:
        """Maps (B, T, H) to (B, T, H); `padding_mask` (B, T) is 0 at pads."""
        narrow = self.conv1(
            _zero_padding(hidden_states, padding_mask), past_key_values=past_key_values
        )
        wide = self.conv2(_zero_padding(narrow, padding_mask), past_key_values=past_key_values)
        return self.output_layernorm(wide + hidden_states)


def _zero_padding(hidden_states: torch.Tensor, padding_mask: torch.Tensor | None) -> torch.Tensor:
    if padding_mask is None:
        return hidden_states
    return hidden_states.masked_fill(padding_mask[..., None] == 0, 0.0)
