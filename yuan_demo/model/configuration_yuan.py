"""Configuration of the dense Yuan2 family: 2B, 2B-Janus, 2B-Februa, 2B-Mars, 51B and 102B.

It reads the `config.json` that ships with those checkpoints as it is. Keys that the mathematics
does not depend on are kept as they came; keys that ask for a model this code is not are refused.
"""

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig
from transformers.activations import ACT2FN

_SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
)


@strict
class YuanConfig(PreTrainedConfig):
    """Shape and token ids of a dense Yuan2 model; the defaults are those of Yuan2-2B.

    Attributes:
        vocab_size: rows of the embedding. More than the tokenizer has: 135040 against 134958.
        hidden_size: width H of the residual stream; even, as the filter works at H / 2.
        intermediate_size: width of the feed-forward layer.
        num_hidden_layers: decoder layers.
        num_attention_heads: heads n; the head size H / n is even, as rotary turns pairs.
        hidden_act: activation of the feed-forward layer, which sits on `up_proj`.
        max_position_embeddings: context length in tokens that the model was trained for.
        model_max_length: the same number under the name that old configurations use.
        initializer_range: standard deviation of freshly made weights.
        rms_norm_eps: epsilon of every norm but the filter's, whose epsilon is always 1e-6.
        dropout: kept as read; the model has no dropout.
        use_cache: whether a forward pass fills a cache unless told otherwise.
        tie_word_embeddings: whether `lm_head` is the embedding; a missing key means true.
        eod_token_id, sep_token_id: ids of `<eod>`, which ends an answer, and `<sep>`.
        eod_token, sep_token: the same ids under the names of old configurations.
        use_flash_attention, reset_attention_mask, reset_position_ids: kept as read. Checkpoints
            ship with the flash path, on which every mask is the plain causal one whatever the two
            reset flags say; so it is here.
        use_loss_mask: the masked loss of the original training code; refused where a loss is
            asked for, no obstacle to inference.
        causal_mask: only true is supported.
        layer_types: "hybrid" for every layer, which gives each layer of a transformers cache both
            keys and values and convolution states.

    Raises:
        huggingface_hub.errors.StrictDataclassError: a value has the wrong type, the sizes do not
            fit each other, or the configuration asks for shared query and key, a mixture of
            experts, or a mask that is not causal.
    """

    model_type = "yuan"
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]
    # One for each of the two convolutions of the filter; read by transformers' cache classes.
    number_of_conv_states: ClassVar[int] = 2

    vocab_size: int = 135040
    hidden_size: int = 2048
    intermediate_size: int = 8192
    num_hidden_layers: int = 24
    num_attention_heads: int = 32
    hidden_act: str = "silu"
    max_position_embeddings: int = 8192
    model_max_length: int = 8192
    initializer_range: float = 0.02
    rms_norm_eps: float = 1e-6
    dropout: float = 0.1
    use_cache: bool = True
    tie_word_embeddings: bool = True
    pad_token_id: int | None = 77185
    bos_token_id: int | None = 77185
    eos_token_id: int | list[int] | None = 77185
    eod_token_id: int = 77185
    eod_token: int = 77185
    sep_token_id: int = 77187
    sep_token: int = 77187
    use_flash_attention: bool = True
    reset_attention_mask: bool = True
    reset_position_ids: bool = True
    use_loss_mask: bool = False
    causal_mask: bool = True
    layer_types: list[str] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        if self.layer_types is None:
            self.layer_types = ["hybrid"] * self.num_hidden_layers
        # Names Python files of the original repository, which a folder saved from here lacks.
        kwargs.pop("auto_map", None)
        super().__post_init__(**kwargs)

    @property
    def head_dim(self) -> int:
        """Width d = H / n of one attention head."""
        return self.hidden_size // self.num_attention_heads

    def validate_architecture(self) -> None:
        """Sizes are positive, the heads divide the width, and what is halved is even."""
        for name in _SIZES:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}.")
        if self.hidden_size % self.num_attention_heads != 0:
            raise ValueError(
                f"hidden_size must be a multiple of num_attention_heads, got {self.hidden_size} "
                f"and {self.num_attention_heads}. Check config.json."
            )
        for name, size in (("hidden_size", self.hidden_size), ("head size", self.head_dim)):
            if size % 2 != 0:
                raise ValueError(f"The {name} must be even, got {size}. Check config.json.")

    def validate_names_and_ids(self) -> None:
        """The activation is known, and the id of the padding row is an id."""
        if self.hidden_act not in ACT2FN:
            raise ValueError(f'hidden_act must be known, as "silu" is, got "{self.hidden_act}".')
        if self.pad_token_id is not None and not 0 <= self.pad_token_id < self.vocab_size:
            raise ValueError(
                f"pad_token_id must be in 0..{self.vocab_size - 1} (vocab_size), "
                f"got {self.pad_token_id}. Check config.json."
            )

    def validate_hybrid_layers(self) -> None:
        """Every layer has attention and a filter."""
        if set(self.layer_types or ()) - {"hybrid"}:
            raise ValueError(
                f'Every Yuan2 layer is "hybrid", got layer_types {self.layer_types}. '
                "Leave layer_types out of config.json."
            )

    def validate_dense_family(self) -> None:
        """Nothing asks for mathematics that `modeling_yuan` does not have."""
        unsupported = {
            "use_shareqk": "shared query and key weights without a filter",
            "moe_config": "a mixture of experts (Yuan2-M32)",
            "attention_projection_size": "attention heads of their own width (Yuan2-M32)",
        }
        for key, meaning in unsupported.items():
            if value := getattr(self, key, None):
                raise ValueError(
                    f"{key} must be absent or false, got {value!r}: it means {meaning}, and only "
                    "dense Yuan2 models (2B, 51B, 102B) are supported. Choose one of those."
                )
        if not self.causal_mask:
            raise ValueError(
                "causal_mask must be true, got false: only causal Yuan2 models are supported."
            )


__all__ = ["YuanConfig"]
