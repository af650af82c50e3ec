"""What `bench engine` measures: a real model, or a random one of a given shape without any file.

Speed does not depend on what the weights are, only on how many there are. A random model is made
where it runs, in the dtype it runs in, so that a shape of 51 billion parameters needs no disk.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from accelerate import dispatch_model
from torch import nn

from yuan_demo.bench import SHAPES, BenchError
from yuan_demo.engine.chat import ChatModel
from yuan_demo.model.checkpoint import GenerationDefaults, LoadedModel, load_checkpoint
from yuan_demo.model.configuration_yuan import YuanConfig
from yuan_demo.model.locate import EMBEDDED_FOLDER
from yuan_demo.model.modeling_yuan import YuanForCausalLM
from yuan_demo.model.placement import choose_dtype, dtype_text, parse_device_map, parse_dtype
from yuan_demo.model.tokenization_yuan import YuanTokenizer
from yuan_demo.settings import Settings

NEVER = -1
"""An id that no token has: an answer that ended early would not be measured in full. The sampler
looks its probability up all the same, and finds that of the last token."""

_SPREAD = ("auto", "balanced", "sequential")
_DEVIATION = 0.02
_NEVER_CHOSEN = 0.01
"""Rows of the head that the tokenizer has no token for are this much smaller, so that the others
always win. Smaller, not zero: a GPU adds zeros with less power, and so at a higher clock."""

Make = Callable[[], LoadedModel]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured.

    Attributes:
        chat: the model as the app would hold it, but that its answers end at their length only.
        again: makes the same model once more, for what is compared with the engine. The engine
            takes over the weights of its own, in a layout that nobody else can compute with.
    """

    chat: ChatModel
    again: Make


def make_subject(settings: Settings, shape: str | None, layers: int | None) -> Subject:
    """Loads or makes the model, and warms its engine up as the app does.

    Args:
        settings: as for the app; `model` is passed over if a shape is given.
        shape: one of `SHAPES` for a random model, or None.
        layers: of the random model, to cut its depth; None takes all of the shape.

    Raises:
        BenchError: the shape or its place is none that can be made.
        CheckpointError: the model cannot be loaded.
    """
    torch.set_num_threads(settings.threads)
    if shape is None and layers is not None:
        raise BenchError(
            f"Only a random model can be cut to {layers} layers; a checkpoint has those it has. "
            f"Add --shape {'|'.join(SHAPES)}, or leave --layers out."
        )

    def again() -> LoadedModel:
        if shape is not None:
            return random_model(
                shape_config(shape, layers), shape, settings.dtype, settings.device_map
            )
        return load_checkpoint(
            settings.model,
            dtype=settings.dtype,
            device_map=settings.device_map,
            offload_folder=settings.offload_folder,
        )

    chat = ChatModel(
        again(), settings.context_window, slots=settings.slots, quantize=settings.quantize
    )
    chat.engine.eos_token_id = NEVER
    chat.engine.warm_up()
    return Subject(chat, again)


def shape_config(shape: str, layers: int | None = None) -> YuanConfig:
    """The configuration of a shape, with the control tokens of the embedded tokenizer.

    51b has the width, depth, heads and window of the training script that its authors published;
    that names no intermediate size, and 4 times the width is what 2B has and what makes it
    51.8 billion parameters.

    Args:
        shape: one of `SHAPES`.
        layers: how many it has; None for as many as the published model.

    Raises:
        BenchError: there is no such shape.
    """
    embedded = YuanConfig.from_pretrained(EMBEDDED_FOLDER)
    sizes: Mapping[str, Mapping[str, int]] = {
        "embedded": {
            name: getattr(embedded, name)
            for name in (
                "vocab_size",
                "hidden_size",
                "intermediate_size",
                "num_hidden_layers",
                "num_attention_heads",
                "max_position_embeddings",
                "model_max_length",
            )
        },
        "2b": {"num_hidden_layers": 24},
        "51b": {
            "hidden_size": 8192,
            "intermediate_size": 32768,
            "num_hidden_layers": 42,
            "num_attention_heads": 64,
            "max_position_embeddings": 4096,
            "model_max_length": 4096,
        },
    }
    if shape not in sizes:
        raise BenchError(f"The shape must be one of {', '.join(SHAPES)}; it is {shape!r}.")
    ids = ("pad_token_id", "bos_token_id", "eos_token_id", "eod_token_id", "eod_token")
    ids += ("sep_token_id", "sep_token")
    return YuanConfig(
        **sizes[shape] | ({"num_hidden_layers": layers} if layers else {}),
        **{name: getattr(embedded, name) for name in ids},
    )


def random_model(config: YuanConfig, name: str, dtype: str, device_map: str) -> LoadedModel:
    """A model with random weights, made where it runs; the same ones every time.

    Args:
        config: its shape.
        name: for display.
        dtype: as for a checkpoint.
        device_map: "auto" spreads the layers evenly over all GPUs, or takes the CPU where there is
            none; or the name of a device.

    Raises:
        BenchError: the device map is an object.
        CheckpointError: this machine has no such device, or dtype is none.
    """
    placement = parse_device_map(device_map)
    if not isinstance(placement, str):
        raise BenchError(
            "A random model is spread evenly or lies on one device; --device-map is an object. "
            "Use --device-map auto, cpu, cuda or cuda:1."
        )
    with torch.device("meta"):
        model = YuanForCausalLM(config)
    parameter_count = model.num_parameters()
    chosen = parse_dtype(dtype) or choose_dtype(placement, config, parameter_count)
    model = model.to(chosen)
    devices = _devices(placement)
    places = spread(config, devices)
    for module_name, device in places.items():
        model.get_submodule(module_name).to_empty(device=device)
    # On the meta device both were one; on a real one they have to be made one again.
    model.tie_weights()
    tokenizer = YuanTokenizer.from_pretrained(EMBEDDED_FOLDER, local_files_only=True)
    _fill(model, len(tokenizer))
    model = model.eval().requires_grad_(False)
    if len(devices) > 1:
        model = dispatch_model(model, places)
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        name=f"random {name}, {config.num_hidden_layers} layers",
        folder=EMBEDDED_FOLDER,
        source="folder",
        dtype=dtype_text(chosen),
        device=", ".join(map(str, devices)),
        parameter_count=parameter_count,
        context_length=config.max_position_embeddings,
        generation_defaults=GenerationDefaults(),
    )


def spread(config: YuanConfig, devices: list[torch.device]) -> dict[str, torch.device]:
    """Which module goes where: as many layers on each device, give or take one.

    A tied head stays with the embedding, as they are one tensor.
    """
    layers, count = config.num_hidden_layers, len(devices)
    first, last = devices[0], devices[-1]
    return {
        "model.embed_tokens": first,
        **{f"model.layers.{i}": devices[i * count // layers] for i in range(layers)},
        "model.norm": last,
        "lm_head": first if config.tie_word_embeddings else last,
    }


def _devices(placement: str) -> list[torch.device]:
    if placement not in _SPREAD:
        device = torch.device(placement)
        return [torch.device("cuda", device.index or 0) if device.type == "cuda" else device]
    count = torch.cuda.device_count()
    return [torch.device("cuda", index) for index in range(count)] or [torch.device("cpu")]


@torch.no_grad()
def _fill(model: YuanForCausalLM, tokens: int) -> None:
    """Draws the weights as for a fresh model; the head chooses among the first `tokens` only."""
    generators: dict[torch.device, torch.Generator] = {}
    for name, parameter in model.named_parameters():
        device = parameter.device
        if device not in generators:
            generators[device] = torch.Generator(device).manual_seed(0)
        if parameter.dim() == 1:
            nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
        else:
            parameter.normal_(0.0, _DEVIATION, generator=generators[device])
    model.lm_head.weight[tokens:] *= _NEVER_CHOSEN
