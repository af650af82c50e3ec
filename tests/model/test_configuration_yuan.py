"""What a Yuan2 config.json may say, and what it is refused for."""

import json
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig

from yuan_demo.model.configuration_yuan import YuanConfig

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CONFIG_FILES = sorted(GOLDEN.glob("dense-*/config.json"))
# Width, layers, heads and feed-forward width of the published dense models.
FAMILY = {"2B": (2048, 24, 32, 8192), "51B": (8192, 42, 64, 18432), "102B": (8192, 84, 64, 36864)}


def test_the_reference_folder_has_every_dense_case() -> None:
    assert len(CONFIG_FILES) == 12


@pytest.mark.parametrize("path", CONFIG_FILES, ids=lambda path: path.parent.name)
def test_every_key_of_a_checkpoint_keeps_its_value(path: Path) -> None:
    written = json.loads(path.read_text(encoding="utf-8"))
    config = AutoConfig.from_pretrained(path.parent)
    assert isinstance(config, YuanConfig)
    assert config.dtype == getattr(torch, written.pop("torch_dtype"))
    for forgotten in ("auto_map", "transformers_version"):
        written.pop(forgotten)
    assert {key: getattr(config, key) for key in written} == written


def test_a_missing_tie_word_embeddings_means_true() -> None:
    assert YuanConfig.from_dict({"model_type": "yuan"}).tie_word_embeddings is True
    assert YuanConfig.from_dict({"tie_word_embeddings": False}).tie_word_embeddings is False


@pytest.mark.parametrize(("width", "layers", "heads", "inner"), FAMILY.values(), ids=FAMILY)
def test_the_family_differs_by_configuration_only(
    width: int, layers: int, heads: int, inner: int
) -> None:
    config = YuanConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
    )
    assert config.layer_types == ["hybrid"] * layers
    assert config.number_of_conv_states == 2


def test_the_defaults_are_yuan2_2b() -> None:
    config = YuanConfig()
    shape = (config.hidden_size, config.num_hidden_layers, config.num_attention_heads)
    assert (*shape, config.intermediate_size) == FAMILY["2B"]
    assert config.eos_token_id == config.pad_token_id == config.eod_token_id == 77185


def test_a_saved_configuration_reads_back_equal(tmp_path: Path) -> None:
    config = YuanConfig(num_hidden_layers=3, hidden_size=64, num_attention_heads=4)
    config.save_pretrained(tmp_path)
    assert YuanConfig.from_pretrained(tmp_path).to_dict() == config.to_dict()


def test_a_saved_configuration_names_no_code_of_the_original_repository(tmp_path: Path) -> None:
    AutoConfig.from_pretrained(GOLDEN / "dense-basic").save_pretrained(tmp_path)
    assert "auto_map" not in json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"use_shareqk": True}, "use_shareqk must be absent or false, got True"),
        ({"moe_config": {"moe_num_experts": 4}}, "moe_config must be absent or false"),
        ({"attention_projection_size": 4096}, "attention_projection_size must be absent"),
        ({"causal_mask": False}, "causal_mask must be true, got false"),
        ({"num_attention_heads": 30}, "multiple of num_attention_heads, got 2048 and 30"),
        ({"hidden_size": 96}, "head size must be even, got 3"),
        ({"hidden_size": 33, "num_attention_heads": 1}, "hidden_size must be even, got 33"),
        ({"num_hidden_layers": 2, "layer_types": ["hybrid"]}, "num_hidden_layers"),
        ({"num_hidden_layers": 1, "layer_types": ["conv"]}, 'Every Yuan2 layer is "hybrid"'),
        ({"hidden_size": "2048"}, "hidden_size"),
        ({"num_attention_heads": 0}, "num_attention_heads must be 1 or more, got 0"),
        ({"num_hidden_layers": -1}, "num_hidden_layers must be 1 or more, got -1"),
        ({"hidden_act": "sliu"}, 'hidden_act must be known, as "silu" is, got "sliu"'),
        ({"vocab_size": 100}, r"pad_token_id must be in 0..99 \(vocab_size\), got 77185"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_configuration_that_cannot_work_is_refused(wrong: dict, sentence: str) -> None:
    with pytest.raises(StrictDataclassError, match=sentence):
        YuanConfig.from_dict({"model_type": "yuan", **wrong})


def test_flags_of_the_original_code_are_accepted_when_they_change_nothing() -> None:
    for use_flash_attention in (True, False):
        YuanConfig.from_dict(
            {"use_flash_attention": use_flash_attention, "use_shareqk": False, "moe_config": None}
        )
