"""The dense Yuan2 language model for transformers 5: a Llama behind a two-token convolution.

What sets it apart from Llama, and is all there is to read here:

- Before the query and key projections each layer filters its normed input over time: two causal
  convolutions of two tokens each (`localized_filtering`). The value path skips them.
- Heads are cut out of the joined query and key projections, so half of the heads take both their
  query and their key from `q_proj` and the other half from `k_proj`.
- The activation of the feed-forward layer sits on `up_proj`, not on `gate_proj`.
- Rotary angles have base 10000 and are computed in float32 whatever the dtype.

Attention is plain causal: the path that the checkpoints ship with. All state of a conversation
lives in the cache passed as `past_key_values`; the model itself keeps none. Module attributes
carry the names of the checkpoint's keys. Importing this module registers the classes with
`AutoConfig`, `AutoModel` and `AutoModelForCausalLM`.

Shapes: B rows, T new tokens, H `hidden_size`, n heads of size d = H / n, V `vocab_size`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, GenerationMixin
from transformers.activations import ACT2FN
from transformers.cache_utils import Cache, DynamicCache
from transformers.masking_utils import create_causal_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.modeling_utils import (
    ALL_ATTENTION_FUNCTIONS,
    PreTrainedModel,
    slice_logits_to_keep,
)
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb, eager_attention_forward
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, can_return_tuple
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from yuan_demo.model.configuration_yuan import YuanConfig
from yuan_demo.model.localized_filtering import YuanLocalizedFiltering, YuanRMSNorm

ROTARY_BASE = 10000.0


class YuanRotaryEmbedding(nn.Module):
    """Cosines and sines of the rotary angles, position x 10000^(-2j/d) for j in 0..d/2-1.

    The frequencies are computed from the configuration in every pass and held in no buffer: d/2
    numbers cost nothing, whereas a buffer is rounded by `.to(torch.bfloat16)` (frequencies off by
    0.37 %, cosines by up to 0.71 at 4096 positions) and lost on the meta device.
    """

    def __init__(self, config: YuanConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim

    @torch.no_grad()
    def forward(
        self, hidden_states: torch.Tensor, position_ids: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns cosines and sines (1 or B, T, d) in the dtype of `hidden_states`."""
        pairs = torch.arange(0, self.head_dim, 2, dtype=torch.float32, device=hidden_states.device)
        frequencies = 1.0 / ROTARY_BASE ** (pairs / self.head_dim)
        angles = position_ids[..., None].float() * frequencies
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos().to(hidden_states.dtype), angles.sin().to(hidden_states.dtype)


class YuanAttention(nn.Module):
    """Causal self-attention; query and key see the filtered input, the value the input itself."""

    def __init__(self, config: YuanConfig, layer_idx: int) -> None:
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.head_dim = config.head_dim
        self.scaling = self.head_dim**-0.5
        # Read by the attention functions of transformers.
        self.num_key_value_groups = 1
        self.is_causal = True

        width = config.hidden_size
        self.lf_gate = YuanLocalizedFiltering(config, layer_idx)
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        attention_mask: torch.Tensor | None = None,
        padding_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Returns (B, T, H) and, from eager attention only, the weights (B, n, T, past + T)."""
        filtered = self.lf_gate(hidden_states, padding_mask, past_key_values=past_key_values)
        query, key = self._mixed_query_and_key(filtered)
        value = self.v_proj(hidden_states).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
        query, key = apply_rotary_pos_emb(query, key, *position_embeddings)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)

        attend: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        output, weights = attend(
            self, query, key, value, attention_mask, scaling=self.scaling, **kwargs
        )
        return self.o_proj(output.flatten(2)), weights

    def weights_of_last(
        self, filtered: torch.Tensor, position_embeddings: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """The weights (B, n, T) of the last of T tokens, in float32, out of the filter's output.

        A row of what eager attention returns, without the (T, T) of all the others.
        """
        query, key = self._mixed_query_and_key(filtered)
        query, key = apply_rotary_pos_emb(query, key, *position_embeddings)
        scores = query[:, :, -1:] @ key.transpose(2, 3) * self.scaling
        return scores.squeeze(2).softmax(-1, dtype=torch.float32)

    def _mixed_query_and_key(self, filtered: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Head i is block i of the joined projections: d entries of query, then d of key.

        Example with two heads: head 0 is query and key out of `q_proj`, head 1 out of `k_proj`.
        Projecting heads as Llama does moves the logits by more than 10.
        """
        joined = torch.cat((self.q_proj(filtered), self.k_proj(filtered)), dim=-1)
        heads = joined.unflatten(-1, (-1, 2 * self.head_dim)).transpose(1, 2)
        return heads.chunk(2, dim=-1)


class YuanMLP(nn.Module):
    """Gated feed-forward layer with the activation on `up_proj`: Llama's with the names swapped."""

    def __init__(self, config: YuanConfig) -> None:
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)
        self.act_fn = ACT2FN[config.hidden_act]

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Maps (B, T, H) to (B, T, H)."""
        return self.down_proj(
            self.gate_proj(hidden_states) * self.act_fn(self.up_proj(hidden_states))
        )


class YuanDecoderLayer(GradientCheckpointingLayer):
    """Pre-norm layer: attention and feed-forward, each added to the residual stream."""

    def __init__(self, config: YuanConfig, layer_idx: int) -> None:
        super().__init__()
        self.self_attn = YuanAttention(config, layer_idx)
        self.mlp = YuanMLP(config)
        self.input_layernorm = YuanRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = YuanRMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        attention_mask: torch.Tensor | None = None,
        padding_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        """Maps (B, T, H) to (B, T, H)."""
        attended, _ = self.self_attn(
            self.input_layernorm(hidden_states),
            position_embeddings=position_embeddings,
            attention_mask=attention_mask,
            padding_mask=padding_mask,
            past_key_values=past_key_values,
            **kwargs,
        )
        hidden_states = hidden_states + attended
        return hidden_states + self.mlp(self.post_attention_layernorm(hidden_states))


class YuanPreTrainedModel(PreTrainedModel):
    """What transformers and accelerate have to know about every Yuan2 model."""

    config: YuanConfig
    config_class = YuanConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ("YuanDecoderLayer",)
    # Keys, values and conv states stay with their layer; accelerate would move all of them.
    _skip_keys_device_placement = ("past_key_values",)
    # Rotary frequencies that some checkpoints store, in bfloat16 wrong by 0.37 %.
    _keys_to_ignore_on_load_unexpected = (r"rotary_emb\.inv_freq$",)
    _supports_sdpa = True
    # Serving engines that replace attention would run the filter over packed rows, silently wrong.
    _supports_attention_backend = False
    _can_compile_fullgraph = True
    _can_record_outputs = {  # noqa: RUF012 - a class attribute by transformers' convention
        "hidden_states": YuanDecoderLayer,
        "attentions": YuanAttention,
    }


class YuanModel(YuanPreTrainedModel):
    """Embedding, decoder layers and the final norm."""

    def __init__(self, config: YuanConfig) -> None:
        super().__init__(config)
        # The row of the pad id reads like any other but gets no gradient from the lookup.
        self.embed_tokens = nn.Embedding(
            config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id
        )
        self.layers = nn.ModuleList(
            YuanDecoderLayer(config, layer_idx) for layer_idx in range(config.num_hidden_layers)
        )
        self.norm = YuanRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.rotary_emb = YuanRotaryEmbedding(config)
        self.gradient_checkpointing = False
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | Mapping[str, torch.Tensor | None] | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> BaseModelOutputWithPast:
        """Runs T new tokens behind those already in the cache.

        Args:
            input_ids: (B, T); or give `inputs_embeds` (B, T, H).
            attention_mask: (B, past + T), 0 at pads on the left; or (B, 1, T, past + T) as is, or
                both masks as `generate()` prepares them for a compiled step.
            position_ids: (1 or B, T), counted on from the cache when left out.
            past_key_values: cache made from this configuration, which gives it convolution states:
                `DynamicCache(config=model.config)` or `StaticCache(model.config, max_cache_len)`.
            use_cache: make a `DynamicCache` where none is given.

        Raises:
            ValueError: not exactly one of `input_ids` and `inputs_embeds` is given.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Give exactly one of input_ids and inputs_embeds.")
        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        if position_ids is None:
            position_ids = _positions_after(past_key_values, inputs_embeds)
        masks = self._masks(attention_mask, inputs_embeds, past_key_values)
        position_embeddings = self.rotary_emb(inputs_embeds, position_ids)

        hidden_states = inputs_embeds
        for layer in self.layers:
            hidden_states = layer(
                hidden_states,
                position_embeddings=position_embeddings,
                attention_mask=masks["full_attention"],
                padding_mask=masks["linear_attention"],
                past_key_values=past_key_values,
                **kwargs,
            )
        return BaseModelOutputWithPast(
            last_hidden_state=self.norm(hidden_states), past_key_values=past_key_values
        )

    def _masks(
        self,
        attention_mask: torch.Tensor | Mapping[str, torch.Tensor | None] | None,
        inputs_embeds: torch.Tensor,
        past_key_values: Cache | None,
    ) -> Mapping[str, torch.Tensor | None]:
        """The masks of attention and of the filter, under the keys that `generate()` uses."""
        if isinstance(attention_mask, Mapping):
            return attention_mask
        padding_mask = None
        if attention_mask is not None and attention_mask.ndim == 2:
            padding_mask = attention_mask[:, -inputs_embeds.shape[1] :]
        # Without position_ids: from positions that start again transformers would guess packed
        # documents and cut the view between them, which Yuan2 never does.
        causal_mask = create_causal_mask(
            config=self.config,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
        )
        return {"full_attention": causal_mask, "linear_attention": padding_mask}


def _positions_after(past_key_values: Cache | None, inputs_embeds: torch.Tensor) -> torch.Tensor:
    num_cached = 0 if past_key_values is None else past_key_values.get_seq_length()
    positions = torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device)
    return (positions + num_cached).unsqueeze(0)


class YuanForCausalLM(YuanPreTrainedModel, GenerationMixin):
    """Yuan2 with its language-model head."""

    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}  # noqa: RUF012

    def __init__(self, config: YuanConfig) -> None:
        super().__init__(config)
        self.model = YuanModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | Mapping[str, torch.Tensor | None] | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Unpack[TransformersKwargs],
    ) -> CausalLMOutputWithPast:
        """Returns logits (B, T, V) and, with `labels`, the mean cross entropy of the next tokens.

        Args:
            labels: (B, T), the input ids again with -100 where no loss is wanted. Shifted by one
                in here: label t is scored on the logits of token t - 1.
            logits_to_keep: compute the logits of the last so many tokens only; 0 means all.

        The other arguments are those of `YuanModel.forward`.

        Raises:
            NotImplementedError: `labels` are given and the configuration has `use_loss_mask`.
        """
        outputs: BaseModelOutputWithPast = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        logits = self.lm_head(slice_logits_to_keep(outputs.last_hidden_state, logits_to_keep))
        return CausalLMOutputWithPast(
            loss=None if labels is None else self._loss(logits, labels, **kwargs),
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        if self.config.use_loss_mask:
            raise NotImplementedError(
                "use_loss_mask must be false to compute a loss, got true: put -100 into the labels "
                "that should not count instead."
            )
        return self.loss_function(
            logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs
        )

    def init_continuous_batching(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuses continuous batching, which would be silently wrong.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "Continuous batching packs several requests into one row, and the convolutions of "
            "Yuan2 would mix them without a sign of it: call generate() instead."
        )

    generate_batch = init_continuous_batching


# exist_ok: a development server that reloads this module registers anew.
AutoConfig.register(YuanConfig.model_type, YuanConfig, exist_ok=True)
AutoModel.register(YuanConfig, YuanModel, exist_ok=True)
AutoModelForCausalLM.register(YuanConfig, YuanForCausalLM, exist_ok=True)

__all__ = ["YuanForCausalLM", "YuanModel", "YuanPreTrainedModel"]
