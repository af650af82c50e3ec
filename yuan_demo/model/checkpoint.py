"""Finds, checks and loads a Yuan2 model: all of it, or one `CheckpointError` and nothing.

    find_model      a folder, the embedded model, or a hub id      (locate, hub)
    read            config.json, tokenizer, generation_config.json
    compare         names and shapes of the weights with the model  (weights, placement)
    load            through transformers and accelerate, then ask what they did

No code of a checkpoint runs: `trust_remote_code` is never set, and pickles are read with
`weights_only`.

The query and key weights keep the checkpoint's own layout, in which a head's query and key lie
side by side and the heads of the first half come wholly from `q_proj` (tests/golden/README.md, "The
dense layer", step 5). One process, or whole layers spread over devices as accelerate does, needs no
other. Tensor parallelism would: a column shard of q, k and v gives a rank queries and keys of other
heads than its values, and the logits are off by 10 without an error (measured on a tiny model). It
needs the two weights untangled once, at loading: with
`w = cat(Wq, Wk).view(heads, 2, head_dim, hidden)` the new ones are `w[:, 0]` and `w[:, 1]`; then
heads must be a multiple of the ranks, and the filter stays whole on each.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from yuan_demo.core.errors import CheckpointError
from yuan_demo.model.configuration_yuan import YuanConfig
from yuan_demo.model.hub import HUBS, Hub, Source, one_line
from yuan_demo.model.locate import find_model
from yuan_demo.model.modeling_yuan import YuanForCausalLM
from yuan_demo.model.placement import (
    DeviceMap,
    choose_dtype,
    device_text,
    dtype_text,
    out_of_memory,
    parse_device_map,
    parse_dtype,
    require_cover,
    require_memory,
)
from yuan_demo.model.tokenization_yuan import YuanTokenizer
from yuan_demo.model.weights import (
    find_weight_files,
    list_names,
    read_json,
    read_shapes,
    refuse_lfs_pointer,
    require_match,
    unreadable,
)

_PROGRESS_BAR_FROM_BYTES = 10**9


@dataclass(frozen=True, slots=True)
class GenerationDefaults:
    """What generation_config.json asks for; None where it is silent, or absent.

    Attributes:
        do_sample: draw from the distribution; otherwise the most probable token is taken.
        temperature: divides the logits.
        top_k: candidates kept, by count.
        top_p: candidates kept, by probability mass.
        repetition_penalty: divides positive logits of tokens that occurred before.
        max_new_tokens: longest answer, in tokens.
    """

    do_sample: bool | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None
    max_new_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is complete and in its place, with what the rest of the demo says about it.

    Attributes:
        model: in eval mode, without gradients.
        tokenizer: the tokenizer of the same folder.
        name: short name for display.
        folder: where the files are.
        source: where they came from.
        dtype: of the weights: "bfloat16", "float16" or "float32".
        device: where the weights are: "cpu", "cuda:0", or "cuda:0, cpu, disk" if offloaded.
        parameter_count: parameters, a tied head counted once.
        context_length: tokens, prompt and answer together.
        generation_defaults: what generation_config.json asks for.
    """

    model: YuanForCausalLM
    tokenizer: YuanTokenizer
    name: str
    folder: Path
    source: Source
    dtype: str
    device: str
    parameter_count: int
    context_length: int
    generation_defaults: GenerationDefaults


def load_checkpoint(
    model: str,
    *,
    dtype: str = "auto",
    device_map: str = "auto",
    offload_folder: str | Path | None = None,
    report: Callable[[str], None] = print,
    hubs: Sequence[Hub] = HUBS,
) -> LoadedModel:
    """Loads the model that `--model` names.

    Args:
        model: a folder, `owner/name` on ModelScope or else Hugging Face, or `ms:` / `hf:` and id.
        dtype: "bfloat16", "float16", "float32", or "auto": see `placement.choose_dtype`.
        device_map: "auto", "balanced" or "sequential" (accelerate spreads the layers), a device
            ("cpu", "cuda", "cuda:1", "mps"), or a JSON object from module names to devices,
            "cpu" and "disk" included.
        offload_folder: where weights that are kept on disk go if the checkpoint is a `.bin`;
            safetensors are read where they lie.
        report: receives one line per step that a person waits for.
        hubs: hubs in the order they are asked.

    Raises:
        CheckpointError: the model cannot be found, read, trusted, or held in memory. Nothing
            stays loaded.
    """
    placement, asked_dtype = parse_device_map(device_map), parse_dtype(dtype)
    found = find_model(model, hubs=hubs, report=report)
    config = _read_config(found.folder)
    tokenizer = _read_tokenizer(found.folder)
    _require_vocabulary(config, tokenizer, found.folder)
    defaults = _read_generation_defaults(found.folder)
    files, parameter_count = _compare_weights(found.folder, config, placement)
    torch_dtype = asked_dtype or choose_dtype(placement, config, parameter_count)
    require_memory(placement, parameter_count * torch_dtype.itemsize)
    report(f"Loading {found.name}: {parameter_count:,} parameters as {dtype_text(torch_dtype)}.")
    loaded = _load(found.folder, config, files, torch_dtype, placement, offload_folder)
    return LoadedModel(
        model=loaded,
        tokenizer=tokenizer,
        name=found.name,
        folder=found.folder,
        source=found.source,
        dtype=dtype_text(torch_dtype),
        device=device_text(loaded),
        parameter_count=parameter_count,
        context_length=config.max_position_embeddings,
        generation_defaults=defaults,
    )


def _read_config(folder: Path) -> YuanConfig:
    content = read_json(folder / "config.json")
    if content.get("model_type") != YuanConfig.model_type:
        raise CheckpointError(
            f"config.json must describe a dense Yuan2 model (model_type 'yuan'); {folder} has "
            f"model_type {content.get('model_type')!r}. Pass a dense Yuan2 model: 2B, 51B or 102B."
        )
    try:
        return YuanConfig.from_dict(content)
    except Exception as error:  # strict dataclasses wrap the validators' own errors
        raise CheckpointError(
            f"config.json must describe a dense Yuan2 model; in {folder}: "
            f"{one_line(error.__cause__ or error, 300)}."
        ) from error


def _read_tokenizer(folder: Path) -> YuanTokenizer:
    path = folder / "tokenizer.model"
    if not path.is_file():
        raise CheckpointError(
            f"A model folder must hold the SentencePiece file tokenizer.model; {folder} has none. "
            f"Copy it from the page of the model."
        )
    refuse_lfs_pointer(path)
    try:
        return YuanTokenizer.from_pretrained(str(folder), local_files_only=True)
    except CheckpointError:
        raise
    except Exception as error:  # from the JSON files beside it, in every form
        raise CheckpointError(
            f"The tokenizer files of a model must be readable; those in {folder} are not: "
            f"{one_line(error)}. Download them again."
        ) from error


def _require_vocabulary(config: YuanConfig, tokenizer: YuanTokenizer, folder: Path) -> None:
    """Every id that the tokenizer or the config can produce has a row in the embedding."""
    if len(tokenizer) > config.vocab_size:
        raise CheckpointError(
            f"The embedding must have a row for every token; in {folder} vocab_size is "
            f"{config.vocab_size} and the tokenizer has {len(tokenizer)} tokens. "
            f"Use the tokenizer.model that came with these weights."
        )
    for name in ("eod", "sep", "pad", "bos", "eos"):
        value = getattr(config, f"{name}_token_id")
        for token_id in value if isinstance(value, list) else [value]:
            if token_id is not None and not 0 <= token_id < config.vocab_size:
                raise CheckpointError(
                    f"{name}_token_id must be from 0 to {config.vocab_size - 1} (vocab_size - 1); "
                    f"{folder / 'config.json'} says {token_id}. Download the file again."
                )


def _read_generation_defaults(folder: Path) -> GenerationDefaults:
    path = folder / "generation_config.json"
    if not path.exists():
        return GenerationDefaults()
    content = read_json(path)
    known = {field.name: content.get(field.name) for field in fields(GenerationDefaults)}
    for name, value in known.items():
        if value is not None and not _is_setting(name, value):
            raise CheckpointError(
                f"generation_config.json must give {name} as a "
                f"{'boolean' if name == 'do_sample' else 'number'}; {path} says {value!r}. "
                f"Correct the file, or remove it."
            )
    return GenerationDefaults(**known)


def _is_setting(name: str, value: object) -> bool:
    if name == "do_sample":
        return isinstance(value, bool)
    kinds = int if name in ("top_k", "max_new_tokens") else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool)


def _compare_weights(
    folder: Path, config: YuanConfig, placement: DeviceMap
) -> tuple[tuple[Path, ...], int]:
    """The weight files, checked against the model that they are for, and its parameter count."""
    files = find_weight_files(folder)
    try:
        with torch.device("meta"):
            model = YuanForCausalLM(config)
    except Exception as error:  # sizes that no layer can have: each layer complains in its way
        raise CheckpointError(
            f"config.json must describe a model that can be built; in {folder}: "
            f"{one_line(error)}. Download the file again."
        ) from error
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    require_cover(placement, expected, is_tied=config.tie_word_embeddings)
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    require_match(read_shapes(files), expected, may_lack=tied, where=folder)
    return files, model.num_parameters()


def _load(
    folder: Path,
    config: YuanConfig,
    files: Sequence[Path],
    dtype: torch.dtype,
    placement: DeviceMap,
    offload_folder: str | Path | None,
) -> YuanForCausalLM:
    total = sum(file.stat().st_size for file in files)
    try:
        with _quiet_transformers(shows_progress=total >= _PROGRESS_BAR_FROM_BYTES):
            model, loading_info = YuanForCausalLM.from_pretrained(
                str(folder),
                config=config,
                dtype=dtype,
                device_map=placement,
                offload_folder=offload_folder and str(offload_folder),
                use_safetensors=files[0].suffix == ".safetensors",
                weights_only=True,
                local_files_only=True,
                output_loading_info=True,
            )
    except Exception as error:  # transformers, accelerate and torch: no common base class
        raise _explain_loading_error(folder, error) from error
    _require_clean(loading_info, config, folder)
    return model.eval().requires_grad_(False)


@contextlib.contextmanager
def _quiet_transformers(*, shows_progress: bool) -> Iterator[None]:
    """Keeps transformers' reports out of the terminal: what matters in them is an error of ours."""
    verbosity = transformers_logging.get_verbosity()
    had_progress = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    if not shows_progress:
        transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if had_progress:
            transformers_logging.enable_progress_bar()


def _explain_loading_error(folder: Path, error: Exception) -> CheckpointError:
    message = str(error)
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in message:
        return out_of_memory("loading stopped with too little")
    if "offload_folder" in message or "offload_dir" in message:
        return CheckpointError(
            "Weights that are kept on disk must have a folder to go to; none is given. "
            "Add --offload-folder FOLDER, on a disk with room for them."
        )
    if isinstance(error, PermissionError):
        return unreadable(Path(error.filename or folder), error)
    return CheckpointError(
        f"The model in {folder} must load from start to end; it stopped: {one_line(error)}. "
        f"Check --device-map and --dtype, or download the model again."
    )


def _require_clean(loading_info: Mapping[str, Any], config: YuanConfig, folder: Path) -> None:
    """Holds transformers to what `_compare_weights` promised: no parameter is left random."""
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    faults = sorted(set(loading_info["missing_keys"]) - tied)
    faults += sorted(str(key[0]) for key in loading_info["mismatched_keys"])
    faults += sorted(map(str, loading_info["error_msgs"]))
    if faults:
        raise CheckpointError(
            f"Every parameter must come from the files of the model; in {folder} "
            f"{len(faults)} did not: {list_names(faults)}. Download the model again."
        )
