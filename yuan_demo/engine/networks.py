"""Which network runs a model, and how many conversations it holds."""

from collections.abc import Callable
from statistics import fmean
from typing import Any

import psutil
import torch
from torch import nn

from yuan_demo.engine.graphs import GraphStepper
from yuan_demo.engine.stepper import Network, Stepper
from yuan_demo.model.cached_model import CachedModel
from yuan_demo.model.linear import make_linear, relative_error
from yuan_demo.model.modeling_yuan import YuanForCausalLM
from yuan_demo.model.slot_model import SlotModel

MAX_SLOTS = {"cpu": 16, "cuda": 64}
"""More rows at once make each of them slower than a person reads."""
_OTHER_SLOTS = 8
_MATRICES_OF_A_LAYER = 6
_MEMORY_SHARE = {"cpu": 0.25, "cuda": 0.8}
"""Of the memory that is free once the weights are there; on a CPU a page lives beside them."""


def network_of(
    model: Any,
    window: int,
    slots: int | None = None,
    quantize: str = "none",
    report: Callable[[str], None] = print,
) -> Network:
    """The network of a model: in slots, or row by row where its weights are offloaded.

    Args:
        model: a `YuanForCausalLM`, or what is called like one.
        window: tokens that prompt and answer share.
        slots: conversations at once; None takes what the memory allows.
        quantize: "none", "int8" or "int4": how the weights are kept.
        report: receives a line about what quantizing costs.

    Raises:
        SettingsError: the weights cannot be kept so on their device.
    """
    # The token that ends an answer is computed while the engine does not know yet that it does.
    positions = window + 1
    if not isinstance(model, YuanForCausalLM) or is_offloaded(model):
        return CachedModel(model, slots or _OTHER_SLOTS, positions)
    slots = slots or affordable_slots(model, positions)
    if quantize == "none":
        return SlotModel(model, slots, positions, lambda weight: make_linear(weight, "auto"))
    errors: list[float] = []

    def quantized(weight: torch.Tensor) -> nn.Module:
        linear = make_linear(weight, quantize)
        if len(errors) < _MATRICES_OF_A_LAYER:
            errors.append(relative_error(linear, weight))
        return linear

    network = SlotModel(model, slots, positions, quantized)
    report(
        f"Weights as {quantize}: the products of the first layer are off by {fmean(errors):.4f} of "
        f"their length (rounding to bfloat16 alone: about 0.002)."
    )
    return network


def stepper_of(network: Network, eos_token_id: int) -> Stepper:
    """What takes the decode steps of a network: captured graphs where all of it is on GPUs."""
    if isinstance(network, SlotModel) and all(
        device.type == "cuda" for device, _ in network.stages()
    ):
        return GraphStepper(network, eos_token_id)
    return Stepper(network)


def affordable_slots(model: YuanForCausalLM, positions: int) -> int:
    """Slots of so many positions for which there is memory: at least one.

    Layers on several devices are taken to be spread evenly.
    """
    config, devices = model.config, {parameter.device for parameter in model.parameters()}
    itemsize = model.lm_head.weight.dtype.itemsize
    bytes_per_position = config.num_hidden_layers * config.hidden_size * (2 * itemsize + 6 / 16)
    kind = next(iter(devices)).type
    # The convolutions are laid out anew beside those of the model (`slot_model._fuse`).
    convolutions = config.num_hidden_layers * 2 * config.hidden_size**2 * itemsize
    free = (sum(map(_free_bytes, devices)) - convolutions) * _MEMORY_SHARE.get(kind, 0.25)
    most = MAX_SLOTS.get(kind, _OTHER_SLOTS)
    return int(max(1, min(most, free // (bytes_per_position * positions))))


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def is_offloaded(model: YuanForCausalLM) -> bool:
    """Whether accelerate brings weights to their device only when they are used."""
    placement = getattr(model, "hf_device_map", {})
    # Weights that rest on a CPU beside a GPU are called for layer by layer, too.
    rests = {"cpu", "disk"} if len(set(placement.values())) > 1 else {"disk"}
    return bool(rests & set(map(str, placement.values())))
