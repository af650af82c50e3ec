"""What happens inside the model at one position: its guesses by depth, its attention, its filter.

All of it comes out of one forward pass without a cache, by hooks on the modules of the model that
is lent out beside the engine. The hooks keep the position's own states and a few numbers per token
and layer, never a (T, T) table and no layer's states of all tokens.

Shapes: L layers, n heads, T tokens, H `hidden_size`, V `vocab_size`.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch

from yuan_demo.core.errors import EngineError
from yuan_demo.engine.chat import ChatModel
from yuan_demo.engine.failures import Failure, failure_of
from yuan_demo.model.localized_filtering import YuanLocalizedFiltering
from yuan_demo.model.modeling_yuan import YuanAttention, YuanForCausalLM

GUESSES = 5
"""Tokens named at each depth."""


@dataclass(frozen=True, slots=True)
class Depth:
    """What the model would have said had it ended behind the embedding or behind some layer.

    Attributes:
        token_ids: the most likely tokens, the most likely first.
        probabilities: of each of them.
        entropy: of the whole distribution, in nats.
        probability: of the token that was chosen; None if none was named.
        rank: of that token; 1 is the most likely.
    """

    token_ids: tuple[int, ...]
    probabilities: tuple[float, ...]
    entropy: float
    probability: float | None
    rank: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Inside:
    """What was seen at the last of some tokens.

    Attributes:
        depths: L + 1 of them: behind the embedding, then behind each layer.
        attention: (L, n, T) weights of the last token over all; each row sums to 1.
        mixing: (L, 3, T), see `mixing_of`.
    """

    depths: tuple[Depth, ...]
    attention: torch.Tensor
    mixing: torch.Tensor

    @property
    def layers(self) -> int:
        """L."""
        return len(self.attention)

    @property
    def heads(self) -> int:
        """n."""
        return self.attention.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of its tables."""
        return self.attention.nbytes + self.mixing.nbytes

    def attention_over(self, layer: int | None, head: int | None) -> list[float]:
        """The T weights of one head of one layer; the mean over all of them where it is None."""
        return _chosen_or_mean(_chosen_or_mean(self.attention, layer), head).tolist()

    def mixing_over(self, layer: int | None) -> list[list[float]]:
        """The three rows of `mixing_of`, of one layer or their mean over all."""
        return _chosen_or_mean(self.mixing, layer).tolist()

    def mixing_here(self) -> list[list[float]]:
        """The three numbers of the last token, for every layer."""
        return self.mixing[:, :, -1].tolist()


def look_inside(
    chat_model: ChatModel,
    input_ids: Sequence[int],
    chosen: int | None,
    cancelled: threading.Event,
    on_layer: Callable[[int], None] = lambda done: None,
) -> Inside:
    """Runs the model over some tokens and looks at the last one.

    Args:
        chat_model: lends its model; answers under way go first.
        input_ids: at least one.
        chosen: the token that came behind them, if its way up is of interest.
        cancelled: set to end it at the next layer.
        on_layer: told how many layers are done, after each.

    Raises:
        EngineError: the tokens do not fit the window, the weights cannot be lent, or the device ran
            out of memory.
        Cancelled: it was.
    """
    window = chat_model.engine.context_window
    if len(input_ids) > window:
        raise EngineError("prompt_fills_window", tokens=len(input_ids), window=window)
    try:
        with chat_model.aside.lend(cancelled) as model, torch.inference_mode():
            return _look(model, input_ids, chosen, on_layer)
    except RuntimeError as error:
        if failure_of(error) is Failure.MEMORY:
            raise EngineError("out_of_memory", tokens=len(input_ids)) from error
        raise


def mixing_of(
    gate: YuanLocalizedFiltering, normed: torch.Tensor, filtered: torch.Tensor
) -> torch.Tensor:
    """How much a layer's filter changed what query and key of each token are made from.

    The filter adds two convolutions to its input and ends in a norm, f = N(x + z). The distance of
    f from x itself would count what N does to length and channels, which mixes nothing. So:

        row 0   |f - N(x)| / |N(x)|    against the same filter with silent convolutions
        row 1   |f - f'|   / |f|       f' without the token before: its x set to zero
        row 2   |f - f''|  / |f|       f'' without the one before that

    No later row is needed: two convolutions of two tokens reach two tokens back. N makes all
    vectors about equally long, so a value runs from 0, no difference, to about 2, the opposite.
    Row 0 holds what the convolutions do to the token's own x as well. Rows 1 and 2 do not add up
    to anything: each is the loss of one token while the other stays.

    Three passes over rows in which every third token is zero say this of all tokens: in each, a
    token has at most one zero among itself and the two before it.

    Args:
        gate: the filter.
        normed: (1, T, H), its input.
        filtered: (1, T, H), its output.

    Returns:
        (3, T) in float32, on the CPU.
    """
    unmixed = gate.output_layernorm(normed)
    rows = [_change(unmixed, filtered), *normed.new_zeros(2, normed.shape[1]).float()]
    for third in range(3):
        holed = normed.clone()
        holed[:, third::3] = 0
        # `forward`, past the hook that calls this.
        loss = _change(filtered, gate.forward(holed))
        for distance in (1, 2):
            rows[distance][third + distance :: 3] = loss[third + distance :: 3]
    return torch.stack(rows).cpu()


def _change(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """(T,): the length of the difference over the length of what was there before."""
    difference, length = (each[0].float().norm(dim=-1) for each in (after - before, before))
    return difference / length.clamp_min(torch.finfo(torch.float32).tiny)


class _Watch:
    """Hooks on a model, and what they saw: everything of one position, little of the others."""

    def __init__(self, on_layer: Callable[[int], None]) -> None:
        self.states: list[torch.Tensor] = []
        self.attention: list[torch.Tensor] = []
        self.mixing: list[torch.Tensor] = []
        self._filtered: torch.Tensor | None = None
        self._on_layer = on_layer

    def hang_on(self, model: YuanForCausalLM, stack: ExitStack) -> None:
        """Registers the hooks until the stack is closed."""
        hooks = [model.model.embed_tokens.register_forward_hook(self._after_embedding)]
        for layer in model.model.layers:
            attention = layer.self_attn
            hooks += [
                attention.lf_gate.register_forward_hook(self._after_filter),
                attention.register_forward_hook(self._after_attention, with_kwargs=True),
                layer.register_forward_hook(self._after_layer),
            ]
        for hook in hooks:
            stack.callback(hook.remove)

    def _keep_state(self, states: torch.Tensor) -> None:
        # A copy: a view would hold the states of all tokens.
        self.states.append(states[0, -1].clone())

    def _after_embedding(self, module: Any, args: Any, output: torch.Tensor) -> None:
        self._keep_state(output)

    def _after_filter(
        self, gate: YuanLocalizedFiltering, args: tuple[torch.Tensor, ...], output: torch.Tensor
    ) -> None:
        self.mixing.append(mixing_of(gate, args[0], output))
        self._filtered = output

    def _after_attention(
        self, attention: YuanAttention, args: Any, kwargs: dict[str, Any], output: Any
    ) -> None:
        weights = attention.weights_of_last(self._filtered, kwargs["position_embeddings"])
        self.attention.append(weights[0].cpu())
        self._filtered = None

    def _after_layer(self, layer: Any, args: Any, output: torch.Tensor) -> None:
        self._keep_state(output)
        self._on_layer(len(self.attention))


def _look(
    model: YuanForCausalLM,
    input_ids: Sequence[int],
    chosen: int | None,
    on_layer: Callable[[int], None],
) -> Inside:
    watch = _Watch(on_layer)
    device = model.model.embed_tokens.weight.device
    with ExitStack() as stack:
        watch.hang_on(model, stack)
        model.model(torch.tensor([list(input_ids)], device=device), use_cache=False)
    logits = _lens(model, watch.states)
    return Inside(
        tuple(_depth(row, chosen) for row in logits.log_softmax(-1)),
        torch.stack(watch.attention),
        torch.stack(watch.mixing),
    )


def _lens(model: YuanForCausalLM, states: Sequence[torch.Tensor]) -> torch.Tensor:
    """Logits (L + 1, V), float32, out of states (H,) of each depth: the "logit lens".

    Every state goes through the final norm and the head as if it were the last (nostalgebraist,
    "interpreting GPT: the logit lens", 2020).
    """
    head = model.lm_head.weight.device
    together = torch.stack([state.to(head) for state in states])
    return model.lm_head(model.model.norm(together)).float()


def _depth(logprobs: torch.Tensor, chosen: int | None) -> Depth:
    best = logprobs.topk(min(GUESSES, len(logprobs)))
    # 0 times minus infinity is not a number.
    entropy = -(logprobs.exp() * logprobs.clamp_min(-1e9)).sum()
    own = None if chosen is None else logprobs[chosen]
    return Depth(
        tuple(best.indices.tolist()),
        tuple(best.values.exp().tolist()),
        entropy.item(),
        None if own is None else own.exp().item(),
        None if own is None else int((logprobs > own).sum()) + 1,
    )


def _chosen_or_mean(table: torch.Tensor, index: int | None) -> torch.Tensor:
    return table.mean(0) if index is None else table[index]
