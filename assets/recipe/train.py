"""Training of the very class that the demo runs: `YuanForCausalLM`.

Rows are grouped by length and padded on the right, so no dialogue sees another: packed rows would
let names leak from one into the 'you have not told me' of the next. Layers are compiled one by one
with a static shape for each group; the loss with dynamic shapes did not compile in torch 2.11.

Measured on one H100 with torch 2.11: 4,000 steps of 131,072 tokens in 6.4 minutes, compiling
included; the loss on last answers was about 0.04 at step 1,000 and 0.02 over the last 500.
"""

import csv
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import nn

from assets.recipe.tokenizer import ROLE_LAST_ANSWER, SEP_TOKEN, Encoder
from assets.recipe.tokens import TokenRows
from yuan_demo.core.control_tokens import EOD_TOKEN, PAD_TOKEN
from yuan_demo.model.configuration_yuan import YuanConfig
from yuan_demo.model.modeling_yuan import YuanForCausalLM

BUCKETS = (28, 48, 96, 192, 384, 768, 2048)
# By role: what the person says, earlier answers, the last answer. A little weight on the person's
# words teaches the language; more of it would be spent on guessing names.
ROLE_WEIGHTS = (0.15, 1.0, 1.0)
LOG_EVERY = 50


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a model; the names are those of `config.json`."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int


SHAPES = {
    "embedded": Shape(
        hidden_size=320, num_hidden_layers=8, num_attention_heads=5, intermediate_size=864
    ),
    "toy": Shape(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64),
}


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What a training run does.

    Attributes:
        steps: optimizer steps.
        batch_tokens: tokens of a batch, padding included.
        learning_rate: the peak, reached after `warmup_steps` and left on a cosine to 3 % of it.
        seed: of the weights and of the order of batches.
    """

    steps: int
    batch_tokens: int = 131_072
    learning_rate: float = 2e-3
    warmup_steps: int = 150
    weight_decay: float = 0.1
    clip_norm: float = 1.0
    seed: int = 1


def new_model(shape: Shape, encoder: Encoder) -> YuanForCausalLM:
    """A model with fresh weights; projections into the residual stream start smaller with depth."""
    eod, sep = encoder.control_id(EOD_TOKEN), encoder.control_id(SEP_TOKEN)
    config = YuanConfig(
        vocab_size=len(encoder),
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.num_hidden_layers,
        num_attention_heads=shape.num_attention_heads,
        intermediate_size=shape.intermediate_size,
        max_position_embeddings=2048,
        model_max_length=2048,
        dropout=0.0,
        eod_token_id=eod,
        eod_token=eod,
        bos_token_id=eod,
        eos_token_id=eod,
        pad_token_id=eod,
        sep_token_id=sep,
        sep_token=sep,
    )
    model = YuanForCausalLM(config)
    for layer in model.model.layers:
        for projection in (layer.self_attn.o_proj, layer.mlp.down_proj):
            nn.init.normal_(projection.weight, std=0.02 / math.sqrt(2 * shape.num_hidden_layers))
    return model


def train(
    model: YuanForCausalLM, rows: TokenRows, encoder: Encoder, plan: TrainingPlan, log: Path
) -> None:
    """Trains `model` in place and writes a line of `log` every `LOG_EVERY` steps."""
    device = model.device
    batches = _Batches(rows, plan, encoder.control_id(PAD_TOKEN), device)
    if device.type == "cuda":
        torch._dynamo.config.cache_size_limit = 64
        for layer in model.model.layers:
            layer.compile(dynamic=False)
    optimizer = _optimizer(model, plan, fused=device.type == "cuda")
    model.train()
    started = time.monotonic()
    with log.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "loss", "answer_loss", "learning_rate", "seconds"])
        for step, (ids, roles) in enumerate(islice(batches, plan.steps)):
            rate = _learning_rate(step, plan)
            loss, answer_loss = _step(model, optimizer, ids, roles, rate, plan)
            if step % LOG_EVERY == 0 or step == plan.steps - 1:
                figures = [f"{loss.item():.4f}", f"{answer_loss.item():.4f}", f"{rate:.2e}"]
                writer.writerow([step, *figures, f"{time.monotonic() - started:.1f}"])
                print(
                    f"step {step}: loss {figures[0]}, answers {figures[1]}, rate {figures[2]}",
                    flush=True,
                )


def _step(
    model: YuanForCausalLM,
    optimizer: torch.optim.Optimizer,
    ids: torch.Tensor,
    roles: torch.Tensor,
    rate: float,
    plan: TrainingPlan,
) -> tuple[torch.Tensor, torch.Tensor]:
    for group in optimizer.param_groups:
        group["lr"] = rate
    with torch.autocast(ids.device.type, torch.bfloat16):
        loss, answer_loss = weighted_loss(model, ids, roles)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), plan.clip_norm)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.detach(), answer_loss.detach()


def weighted_loss(
    model: YuanForCausalLM, ids: torch.Tensor, roles: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross entropy of the next token, weighted by who wrote it.

    Args:
        model: gives logits without a cache.
        ids: (B, T) int64, padded on the right; a causal model never looks at what follows.
        roles: (B, T) int64, -1 at padding.

    Returns:
        The loss to minimise, and the plain loss on last answers.
    """
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    logits = model.lm_head(hidden).float()
    losses = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    targets = roles[:, 1:].flatten()
    weights = torch.tensor((*ROLE_WEIGHTS, 0.0), device=ids.device)[targets]
    is_answer = (targets == ROLE_LAST_ANSWER).float()
    return (losses * weights).sum() / weights.sum(), (losses * is_answer).sum() / is_answer.sum()


def _learning_rate(step: int, plan: TrainingPlan) -> float:
    warmup = min(1.0, (step + 1) / plan.warmup_steps)
    return (
        plan.learning_rate
        * warmup
        * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * step / plan.steps)))
    )


def _optimizer(model: YuanForCausalLM, plan: TrainingPlan, *, fused: bool) -> torch.optim.AdamW:
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": plan.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.learning_rate, betas=(0.9, 0.95), fused=fused)


class _Batches:
    """Endless batches of rows of similar length, in an order that depends on the seed alone."""

    def __init__(
        self, rows: TokenRows, plan: TrainingPlan, pad_id: int, device: torch.device
    ) -> None:
        self._plan, self._pad_id = plan, pad_id
        # Ids below 8192 fit into int16, which, unlike uint16, can be indexed on a GPU.
        self._ids = torch.from_numpy(rows.ids.astype(np.int16)).to(device)
        self._roles = torch.from_numpy(rows.roles).to(device)
        self._lengths = torch.from_numpy(rows.lengths.astype(np.int64)).to(device)
        self._starts = self._lengths.cumsum(0) - self._lengths
        self._groups = np.searchsorted(BUCKETS, rows.lengths)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        rng = np.random.default_rng(self._plan.seed)
        epochs = (self._epoch(rng) for _ in repeat(None))
        return (self._padded(width, members) for width, members in chain.from_iterable(epochs))

    def _epoch(self, rng: np.random.Generator) -> list[tuple[int, np.ndarray]]:
        batches = []
        for group, width in enumerate(BUCKETS):
            members = rng.permutation(np.flatnonzero(self._groups == group))
            size = max(1, self._plan.batch_tokens // width)
            # The last batch repeats its rows to be full: one shape per group, one compilation.
            batches += [
                (width, np.resize(members[at : at + size], size))
                for at in range(0, len(members), size)
            ]
        return [batches[index] for index in rng.permutation(len(batches))]

    def _padded(self, width: int, members: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.from_numpy(members).to(self._lengths.device)
        columns = torch.arange(width, device=rows.device)
        is_token = columns < self._lengths[rows, None]
        places = torch.where(is_token, self._starts[rows, None] + columns, 0)
        ids = torch.where(is_token, self._ids[places].long(), self._pad_id)
        return ids, torch.where(is_token, self._roles[places].long(), -1)
