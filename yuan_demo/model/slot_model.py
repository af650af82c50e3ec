"""Yuan2 for serving: one network, a fixed pool of slots, a conversation in each.

The mathematics are those of `modeling_yuan`, over the same weights, in a form that answers many
conversations at once and computes nothing twice:

- A slot holds keys, values and filter states of one conversation in tensors that never move, so a
  step can be captured in a graph and a conversation can go on where it stopped.
- Products that read the same input are one product: value and both halves of the filter's first
  convolution, both halves of its second, query and key, gate and up.
- A convolution over two tokens is `A1 h[t] + A0 h[t-1]`. `A0 h[t]` comes with the product of token
  t and is all that token t + 1 needs of it: H / 2 numbers, and H for the second convolution.
- Every token overwrites the state entry of its block of positions (`slot_rows.BLOCK`), so an entry
  belongs to the last token written in that block. A conversation can therefore go on behind its
  end, or behind any of its whole blocks.

Shapes: S slots, C positions in each, B rows of a batch, T tokens of one slot, H `hidden_size`,
n heads of size d = H / n, V `vocab_size`.
"""

from collections.abc import Callable, Sequence
from itertools import groupby

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import nn

from yuan_demo.model.configuration_yuan import YuanConfig
from yuan_demo.model.localized_filtering import FILTER_NORM_EPS
from yuan_demo.model.modeling_yuan import ROTARY_BASE, YuanDecoderLayer, YuanForCausalLM
from yuan_demo.model.slot_rows import BLOCK, Batch, Heads, Rows, Stretch

MakeLinear = Callable[[torch.Tensor], nn.Module]
"""Makes a product without bias, (..., K) to (..., N), out of a matrix (N, K)."""


class SlotLayer(nn.Module):
    """A decoder layer with its part of every slot.

    Args:
        layer: gives the weights; see `_fuse` for what becomes of its own.
        config: of the model.
        slots, positions: size of the pool.
        make_linear: how a matrix is multiplied with.
    """

    def __init__(
        self,
        layer: YuanDecoderLayer,
        config: YuanConfig,
        slots: int,
        positions: int,
        make_linear: MakeLinear,
    ) -> None:
        super().__init__()
        attention, mlp, width = layer.self_attn, layer.mlp, config.hidden_size
        conv1, conv2 = attention.lf_gate.conv1, attention.lf_gate.conv2
        self.eps = config.rms_norm_eps
        self.head_dim = config.head_dim
        self.input_norm = layer.input_layernorm.weight
        self.filter_norm = attention.lf_gate.output_layernorm.weight
        self.post_norm = layer.post_attention_layernorm.weight
        self.filter_in_bias, self.filter_out_bias = conv1.bias, conv2.bias
        self.filter_in = _fuse(make_linear, attention.v_proj, *_halves(conv1))
        self.filter_out = _fuse(make_linear, *_halves(conv2))
        self.query_key = _fuse(make_linear, attention.q_proj, attention.k_proj)
        self.output = _fuse(make_linear, attention.o_proj)
        self.gate_up = _fuse(make_linear, mlp.gate_proj, mlp.up_proj)
        self.down = _fuse(make_linear, mlp.down_proj)

        dtype, device = self.input_norm.dtype, self.input_norm.device
        shape = (slots, config.num_attention_heads, positions, config.head_dim)
        # Nothing is read before it is written, and on a CPU what is not written takes no memory:
        # zeros would be written at once, 0.5 GB for the embedded model.
        empty = torch.empty if device.type == "cpu" else torch.zeros
        self.keys = empty(shape, dtype=dtype, device=device)
        self.values = empty(shape, dtype=dtype, device=device)
        # In float32: what is added to a product should not be rounded before it is added.
        blocks = -(-positions // BLOCK)
        self.narrow_state = empty(slots, blocks, width // 2, dtype=torch.float32, device=device)
        self.wide_state = empty(slots, blocks, width, dtype=torch.float32, device=device)

    @property
    def device(self) -> torch.device:
        """Where the layer and its part of the slots are."""
        return self.keys.device

    def forward(self, hidden: torch.Tensor, rows: Rows) -> torch.Tensor:
        """Maps (R, H) to (R, H) and writes the slots of these rows."""
        width = hidden.shape[-1]
        x = _norm(hidden, self.input_norm, self.eps)
        value, now, later = self.filter_in(x).split([width, width // 2, width // 2], dim=-1)
        narrow = now + (rows.exchange(self.narrow_state, later) + self.filter_in_bias)
        now, later = self.filter_out(narrow.to(x.dtype)).chunk(2, dim=-1)
        wide = now + (rows.exchange(self.wide_state, later) + self.filter_out_bias)
        filtered = _norm((wide + x).to(x.dtype), self.filter_norm, FILTER_NORM_EPS)

        # Head i is block i of the joined rows: d of its query, then d of its key.
        joined = self.query_key(filtered).unflatten(-1, (-1, 2, self.head_dim))
        query, key = _rotate(joined, rows.cos[:, None], rows.sin[:, None]).unbind(2)
        heads = Heads(query, key, value.unflatten(-1, (-1, self.head_dim)))
        seen = rows.attend(heads, self.keys, self.values, self.head_dim**-0.5)
        hidden = hidden + self.output(seen.flatten(1))

        gate, up = self.gate_up(_norm(hidden, self.post_norm, self.eps)).chunk(2, dim=-1)
        return hidden + self.down(gate * F.silu(up))

    def copy(self, source: int, target: int, count: int) -> None:
        """Copies the first `count` positions of a slot to another one."""
        blocks = -(-count // BLOCK)
        for cache in (self.keys, self.values):
            cache[target, :, :count] = cache[source, :, :count]
        for state in (self.narrow_state, self.wide_state):
            state[target, :blocks] = state[source, :blocks]


class SlotModel(nn.Module):
    """The whole network over its pool of slots.

    Args:
        model: gives the weights, all on real devices. With `make_linear` that keeps a matrix as it
            is, the model stays usable and shares memory; otherwise its matrices are emptied.
        slots: conversations held.
        positions: tokens that each can have.
        make_linear: how a matrix is multiplied with.

    Raises:
        torch.OutOfMemoryError, RuntimeError: the slots do not fit the memory of their device.
    """

    rewind_block: int | None = BLOCK
    """A slot can be used again behind any multiple of this, or behind its end."""

    def __init__(
        self, model: YuanForCausalLM, slots: int, positions: int, make_linear: MakeLinear
    ) -> None:
        super().__init__()
        config = model.config
        self.slots, self.positions, self.vocab_size = slots, positions, config.vocab_size
        # One slot more, for rows of a captured batch that nobody is in.
        self.scratch_slot = slots
        self.eps = config.rms_norm_eps
        self.embedding = model.model.embed_tokens.weight
        self.norm = model.model.norm.weight
        self.layers = nn.ModuleList(
            SlotLayer(layer, config, slots + 1, positions, make_linear)
            for layer in model.model.layers
        )
        self.head = make_linear(model.lm_head.weight.detach())
        self.head_device = model.lm_head.weight.device
        self.rotary = _rotary(config.head_dim, positions)
        self._rotary_on = {
            device: self.rotary.to(device) for device in {layer.device for layer in self.layers}
        }
        self.requires_grad_(False)
        if self.head_device.type == "cuda":
            # cuDNN's attention makes a plan for every new length of a prompt: 100 ms to 1 s before
            # the first token (H100, torch 2.11), where the other kernels take what comes.
            torch.backends.cuda.enable_cudnn_sdp(False)

    @property
    def bytes_of_slots(self) -> int:
        """Memory that all slots take when they are full."""
        caches = ("keys", "values", "narrow_state", "wide_state")
        return sum(getattr(layer, name).nbytes for layer in self.layers for name in caches)

    def prefill(self, slot: int, start: int, ids: Sequence[int], keep: int = 1) -> torch.Tensor:
        """Reads T tokens into a slot behind the `start` that it holds.

        Args:
            slot: where the conversation is.
            start: position of the first of them: 0, the end of what the slot holds, or a multiple
                of `rewind_block` before that.
            ids: the tokens.
            keep: of how many of the last tokens the logits are wanted.

        Returns:
            Logits after each of the last `keep`, (keep, V) in float32.
        """
        where = torch.tensor(list(ids), device=self.embedding.device)
        hidden = self._through(
            F.embedding(where, self.embedding),
            lambda rotary: Stretch(slot, start, len(ids), rotary),
        )
        return self.logits(hidden[len(ids) - keep :])

    def decode(
        self, slots: Sequence[int], positions: Sequence[int], ids: torch.Tensor
    ) -> torch.Tensor:
        """Reads one more token in each of B slots.

        Args:
            slots: all different.
            positions: of the tokens; each is what its slot holds.
            ids: (B,) int64.

        Returns:
            Logits after each, (B, V) in float32.
        """
        hidden = F.embedding(ids.to(self.embedding.device), self.embedding)
        if len(slots) == 1:
            slot, position = slots[0], positions[0]
            return self.logits(
                self._through(hidden, lambda rotary: Stretch(slot, position, 1, rotary))
            )
        return self.logits(self._through(hidden, lambda rotary: Batch(slots, positions, rotary)))

    def copy(self, source: int, target: int, count: int) -> None:
        """Copies the first `count` tokens of a slot to another one."""
        for layer in self.layers:
            layer.copy(source, target, count)

    def stages(self) -> list[tuple[torch.device, list[SlotLayer]]]:
        """Layers that follow each other on one device, in order."""
        groups = groupby(self.layers, key=lambda layer: layer.device)
        return [(device, list(layers)) for device, layers in groups]

    def rotary_on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines of all positions, (C, d / 2) each, on a device."""
        cos, sin = self.rotary.to(device)
        return cos, sin

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits (R, V) in float32 of hidden states (R, H) behind the last layer."""
        normed = _norm(hidden.to(self.norm.device), self.norm, self.eps)
        return self.head(normed.to(self.head_device)).float()

    def _through(
        self, hidden: torch.Tensor, rows_with: Callable[[torch.Tensor], Rows]
    ) -> torch.Tensor:
        rows = {device: rows_with(rotary) for device, rotary in self._rotary_on.items()}
        for layer in self.layers:
            hidden = layer(hidden.to(layer.device), rows[layer.device])
        return hidden


def _halves(conv: nn.Conv2d) -> tuple[torch.Tensor, torch.Tensor]:
    """The matrices of the current and of the previous token, (out, in) each."""
    return conv.weight[:, :, 1, 0], conv.weight[:, :, 0, 0]


def _fuse(make_linear: MakeLinear, *parts: nn.Linear | torch.Tensor) -> nn.Module:
    """One product out of several.

    The matrices of `nn.Linear` become views of the joined one if that is kept, and are emptied if
    not, so that no weight is held twice. The convolutions keep their own as long as the model is
    usable, 11 % of a layer: in theirs both halves are interleaved.
    """
    matrices = [part.weight if isinstance(part, nn.Linear) else part for part in parts]
    joined = torch.cat([matrix.detach() for matrix in matrices])
    linear = make_linear(joined)
    kept = getattr(linear, "weight", None)
    is_kept = kept is not None and kept.data_ptr() == joined.data_ptr()
    rows = joined.split([len(matrix) for matrix in matrices])
    for part, own in zip(parts, rows, strict=True):
        if isinstance(part, nn.Linear):
            part.weight.data = own if is_kept else own.new_empty(0)
    return linear


def _rotary(head_dim: int, positions: int) -> torch.Tensor:
    """Cosines and sines of position x 10000^(-2j/d), (2, C, d / 2) in float32."""
    pairs = torch.arange(0, head_dim, 2, dtype=torch.float32)
    angles = torch.arange(positions).float()[:, None] / ROTARY_BASE ** (pairs / head_dim)
    return torch.stack([angles.cos(), angles.sin()])


def _rotate(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Turns pairs (j, j + d/2) of the last axis by their angles, in float32."""
    first, second = heads.float().chunk(2, dim=-1)
    turned = torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
    return turned.to(heads.dtype)


def _norm(hidden: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """Root mean square norm: the mean in float32, the weight after the cast back."""
    if hidden.dtype == torch.float32 or hidden.is_cuda:
        # One operation instead of six. In half precision it rounds once, where the model does so
        # twice; the kernels of a decode step do the same.
        return F.rms_norm(hidden, weight.shape, weight, eps)
    wide = hidden.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return wide.to(hidden.dtype) * weight
