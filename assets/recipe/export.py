"""From a training run to a model folder laid out like a published Yuan2 checkpoint."""

import csv
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from assets.recipe.evaluate import REPORTS

_RECIPE = Path(__file__).resolve().parent
# The keys of published configurations, in their order; what a Python file of theirs would be needed
# for (`auto_map`) is left out, since the demo brings the classes.
_CONFIG_KEYS = (
    "hidden_act",
    "hidden_size",
    "initializer_range",
    "intermediate_size",
    "max_position_embeddings",
    "model_max_length",
    "num_attention_heads",
    "num_hidden_layers",
    "rms_norm_eps",
    "dropout",
    "tie_word_embeddings",
    "use_cache",
    "causal_mask",
    "use_flash_attention",
    "reset_attention_mask",
    "reset_position_ids",
    "use_loss_mask",
    "eod_token",
    "sep_token",
    "eod_token_id",
    "sep_token_id",
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
    "vocab_size",
)
_GENERATION_CONFIG = {
    "do_sample": False,
    "repetition_penalty": 1.0,
    "max_new_tokens": 256,
}
_TOKENIZER_CONFIG = {
    "tokenizer_class": "YuanTokenizer",
    "bos_token": "<s>",
    "eos_token": "<eod>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "add_bos_token": False,
    "add_eos_token": False,
    "clean_up_tokenization_spaces": False,
    "model_max_length": 2048,
}


def export(checkpoint: Path, folder: Path) -> None:
    """Writes the model folder that the demo ships.

    Args:
        checkpoint: what `recipe.py all` wrote: shards of weights, tokenizer, losses, evaluations.
        folder: model folder to write; files of the same names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    _write_weights(checkpoint, folder)
    _write_json(folder / "config.json", _published_config(config))
    ids = {name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    _write_json(folder / "generation_config.json", _GENERATION_CONFIG | ids)
    _write_json(folder / "tokenizer_config.json", _TOKENIZER_CONFIG)
    for name in ("tokenizer.model", "loss.csv", *REPORTS):
        # A model may be exported into the folder that it was trained in.
        if (checkpoint / name).resolve() != (folder / name).resolve():
            shutil.copyfile(checkpoint / name, folder / name)
    (folder / "README.md").write_text(model_card(folder), encoding="utf-8")


def _write_weights(checkpoint: Path, folder: Path) -> None:
    weights = {}
    for shard in sorted(checkpoint.glob("model*.safetensors")):
        weights |= load_file(shard)
    # The head is the embedding, and one copy of it is enough.
    weights.pop("lm_head.weight", None)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _published_config(config: Mapping[str, Any]) -> dict[str, Any]:
    head = {
        "architectures": ["YuanForCausalLM"],
        "tokenizer_class": "YuanTokenizer",
        "model_type": "yuan",
    }
    shared = {name: config[name] for name in _CONFIG_KEYS}
    return (
        head
        | shared
        | {"torch_dtype": "bfloat16", "transformers_version": config["transformers_version"]}
    )


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def model_card(folder: Path) -> str:
    """The model card with the figures of `loss.csv` and of the evaluations in their places."""
    template = (_RECIPE / "model_card.md").read_text(encoding="utf-8")
    parameters = sum(tensor.numel() for tensor in load_file(folder / "model.safetensors").values())
    with (folder / "loss.csv").open(newline="") as file:
        losses = list(csv.DictReader(file))
    report, others = (json.loads((folder / name).read_text(encoding="utf-8")) for name in REPORTS)
    figures = {
        "parameters": f"{parameters / 1e6:.1f} million",
        "weights_size": f"{(folder / 'model.safetensors').stat().st_size / 1e6:.0f} MB",
        "steps": f"{int(losses[-1]['step']) + 1:,}",
        "minutes": f"{float(losses[-1]['seconds']) / 60:.1f}",
        "loss_table": _loss_table(losses),
        "evaluation_table": _evaluation_table(report["families"]),
        "leaks": str(report["leaks"]),
        "others_table": _evaluation_table(others["families"]),
        "others_leaks": str(others["leaks"]),
    }
    for name, value in figures.items():
        template = template.replace("{" + name + "}", value)
    return template


def _loss_table(losses: list[dict[str, str]]) -> str:
    """Ten lines of the loss curve; all of it is in `loss.csv`."""
    chosen = dict.fromkeys(round(index * (len(losses) - 1) / 9) for index in range(10))
    lines = [
        f"| {int(losses[at]['step']):,} | {losses[at]['loss']} | {losses[at]['answer_loss']} |"
        for at in chosen
    ]
    return "\n".join(["| step | loss | loss on last answers |", "| ---: | ---: | ---: |", *lines])


def _evaluation_table(families: Mapping[str, tuple[int, int]]) -> str:
    lines = [f"| {family} | {right} of {asked} |" for family, (right, asked) in families.items()]
    right, asked = (sum(counts) for counts in zip(*families.values(), strict=True))
    return "\n".join(
        ["| family | right |", "| --- | ---: |", *lines, f"| all | {right} of {asked} |"]
    )
