"""Where the weights go and in which dtype: decided, and refused if impossible, before loading."""

import itertools
import json
from collections.abc import Collection, Mapping

import psutil
import torch

from yuan_demo.core.errors import CheckpointError
from yuan_demo.model.configuration_yuan import YuanConfig
from yuan_demo.model.hub import format_bytes, one_line
from yuan_demo.model.modeling_yuan import YuanForCausalLM

_DTYPES = {
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float32": torch.float32,
}
_PLACEMENTS = ("auto", "balanced", "sequential")
_FLOAT32_LIMIT_BYTES = 2 * 10**9

DeviceMap = str | dict[str, str | int]


def parse_device_map(text: str) -> DeviceMap:
    """The value of `--device-map` as transformers takes it.

    Raises:
        CheckpointError: broken JSON, or a device that this machine does not have.
    """
    placement = _parse_json_map(text) if text.lstrip().startswith("{") else text
    if placement in _PLACEMENTS:
        return placement
    for device in set(placement.values()) if isinstance(placement, dict) else {placement}:
        if device != "disk" or placement == "disk":
            _require_device(device)
    return placement


def _parse_json_map(text: str) -> dict[str, str | int]:
    try:
        placement = json.loads(text)
    except ValueError as error:
        raise CheckpointError(
            f"A device map in braces must be a JSON object; {text!r} is not: {one_line(error)}. "
            f'Pass for example \'{{"": "cpu"}}\'.'
        ) from error
    if not placement or not all(type(device) in (str, int) for device in placement.values()):
        raise CheckpointError(
            f"A device map must give each module a device name or number; {text!r} does not. "
            f'Pass for example \'{{"model": 0, "lm_head": "cpu"}}\'.'
        )
    return placement


def _require_device(name: str | int) -> None:
    try:
        device = torch.device("cuda", name) if isinstance(name, int) else torch.device(name)
    except RuntimeError:  # no name of a device at all
        device = torch.device("meta")
    if device.type == "cuda":
        count = torch.cuda.device_count()
        is_present, state = (device.index or 0) < count, f"this machine has {count} CUDA devices"
    else:
        has_mps = device.type == "mps" and torch.backends.mps.is_available()
        is_present, state = device.type == "cpu" or has_mps, "this machine has none of that name"
    if not is_present:
        raise CheckpointError(
            f"A device must be there to be used; --device-map asks for {name!r}, and {state}. "
            f"Use --device-map auto or cpu."
        )


def require_cover(placement: DeviceMap, parameters: Collection[str], *, is_tied: bool) -> None:
    """Raises unless a JSON device map places every parameter exactly once.

    transformers puts what the map forgets on the CPU without a word, and stops with sentences about
    meta tensors where entries overlap or tied weights are torn apart.

    Args:
        placement: the device map; the named placements cover everything.
        parameters: names of the parameters of the model.
        is_tied: whether the head is the embedding.

    Raises:
        CheckpointError: a part is left out, unknown, or placed twice.
    """
    if isinstance(placement, str):
        return
    fault = _unknown_part(placement, parameters) or _gap(placement, parameters, is_tied=is_tied)
    if fault:
        raise CheckpointError(
            f"A JSON device map must place every part of the model once; {fault}. "
            f"Its parts are model.embed_tokens, model.layers.0 and so on, model.norm and lm_head."
        )


def _unknown_part(placement: Mapping[str, str | int], parameters: Collection[str]) -> str | None:
    # The rotary tables are no parameters, but accelerate's own maps name the module.
    names = [*parameters, "model.rotary_emb.inv_freq"]
    for module in placement:
        if not any(_is_under(name, module) for name in names):
            return f"no part is called {module!r}"
    return None


def _gap(
    placement: Mapping[str, str | int], parameters: Collection[str], *, is_tied: bool
) -> str | None:
    for inner, outer in itertools.permutations(placement, 2):
        if _is_under(inner, outer):
            return f"{inner!r} lies inside {outer!r}"
    places = {
        name: next((placement[module] for module in placement if _is_under(name, module)), None)
        for name in parameters
    }
    if forgotten := [name for name, place in places.items() if place is None]:
        return f"it leaves out {forgotten[0]}"
    ends = {places["model.embed_tokens.weight"], places["lm_head.weight"]}
    if is_tied and len(ends) == 2 and "disk" in ends:
        return "lm_head and model.embed_tokens share their weights: both are on disk, or neither"
    return None


def _is_under(name: str, module: str) -> bool:
    return not module or name == module or name.startswith(f"{module}.")


def parse_dtype(name: str) -> torch.dtype | None:
    """The value of `--dtype`; None for auto.

    Raises:
        CheckpointError: it is none of the four names.
    """
    if name != "auto" and name not in _DTYPES:
        raise CheckpointError(
            f"The dtype must be auto, bfloat16, float16 or float32; {name!r} is none of them. "
            f"Use --dtype auto."
        )
    return _DTYPES.get(name)


def choose_dtype(placement: DeviceMap, config: YuanConfig, parameter_count: int) -> torch.dtype:
    """What "auto" means: the checkpoint's own dtype, except on a CPU.

    On a CPU it is float32 while the float32 weights stay under 2 GB, else bfloat16. float32 is
    exact and fast on every processor, where bfloat16 is emulated on those without instructions for
    it. But decoding reads every weight for every token: a large model would run at half the speed,
    and 2B would take 8.4 GB of a studio's 16.
    """
    if _uses_accelerator(placement):
        own = config.dtype
        return own if isinstance(own, torch.dtype) else _DTYPES.get(str(own), torch.bfloat16)
    is_small = parameter_count * torch.float32.itemsize < _FLOAT32_LIMIT_BYTES
    return torch.float32 if is_small else torch.bfloat16


def _uses_accelerator(placement: DeviceMap) -> bool:
    if placement in _PLACEMENTS:
        return torch.cuda.is_available() or torch.backends.mps.is_available()
    devices = placement.values() if isinstance(placement, dict) else [placement]
    return any(device not in ("cpu", "disk") for device in devices)


def require_memory(placement: DeviceMap, needed_bytes: int) -> None:
    """Refuses what a CPU cannot hold: Linux would end the process without a word."""
    free_bytes = available_memory_bytes()
    if placement == "cpu" and needed_bytes > free_bytes:
        raise out_of_memory(f"{format_bytes(needed_bytes)} of weights, {format_bytes(free_bytes)}")


def available_memory_bytes() -> int:
    """Memory that a new allocation can have without swapping."""
    return psutil.virtual_memory().available


def out_of_memory(values: str) -> CheckpointError:
    """The error for weights that do not fit; `values` ends before the word "free"."""
    return CheckpointError(
        f"The weights must fit the memory of their device: {values} free. Use --dtype bfloat16, "
        f"--device-map auto with --offload-folder FOLDER, or a smaller model."
    )


def device_text(model: YuanForCausalLM) -> str:
    """Where the weights are, in the order of the layers: `cpu`, or `cuda:0, cpu, disk`."""
    placement = getattr(model, "hf_device_map", None) or {"": model.device}
    names = [
        f"cuda:{place}" if isinstance(place, int) else str(place) for place in placement.values()
    ]
    return ", ".join(dict.fromkeys(names))


def dtype_text(dtype: torch.dtype) -> str:
    """`bfloat16` for `torch.bfloat16`."""
    return str(dtype).removeprefix("torch.")
