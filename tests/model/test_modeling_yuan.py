"""Yuan2 equals the numbers of the reference implementation, whole prompts at a time."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from transformers import AutoModel, AutoModelForCausalLM, DynamicCache

from yuan_demo.model.configuration_yuan import YuanConfig
from yuan_demo.model.modeling_yuan import YuanForCausalLM, YuanRotaryEmbedding

LOGITS = {"atol": 1e-4, "rtol": 1e-4}
STATES = {"atol": 1e-4, "rtol": 0.0}

# Folder, and the prefix of its tensors.
PROMPTS = [
    *(("dense-basic", f"len{length}.") for length in (1, 2, 3, 17, 200)),
    ("dense-bin", "len17."),
    ("dense-bin-sharded", ""),
    ("dense-internals", ""),
    ("dense-odd-3x16", ""),
    ("dense-odd-6x12", ""),
    ("dense-tied", ""),
    ("dense-untied", ""),
]

Golden = Callable[[str], Any]  # a GoldenCase, see conftest.py


def tiny_model(**kwargs: object) -> YuanForCausalLM:
    """A model with random weights, biases included, small enough to build in every test."""
    torch.manual_seed(0)
    shape = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
    }
    ids = dict.fromkeys(("pad", "bos", "eos", "eod", "sep"), 7)
    config = YuanConfig(**shape, **{f"{name}_token_id": id_ for name, id_ in ids.items()}, **kwargs)
    model = YuanForCausalLM(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize(("case", "prefix"), PROMPTS)
def test_logits_equal_the_reference(golden: Golden, case: str, prefix: str, attention: str) -> None:
    reference = golden(case)
    model = reference.model(attn_implementation=attention)
    logits = model(reference.tensors[f"{prefix}input_ids"]).logits
    expected = reference.tensors[f"{prefix}logits"].view_as(logits)
    assert_close(logits, expected, **LOGITS)


def test_an_eod_inside_the_prompt_does_not_cut_the_view(golden: Golden) -> None:
    reference = golden("dense-eod")
    logits = reference.model()(reference.tensors["input_ids"]).logits[0]
    assert_close(logits, reference.tensors["logits_plain_causal"], **LOGITS)


def test_positions_that_start_again_do_not_cut_the_view(golden: Golden) -> None:
    reference = golden("dense-eod")
    model, input_ids = reference.model(), reference.tensors["input_ids"]
    restarting = torch.tensor([list(range(12)) * 2])
    all_visible = torch.ones_like(input_ids)
    assert_close(
        model(input_ids, position_ids=restarting, use_cache=False).logits,
        model(input_ids, position_ids=restarting, attention_mask=all_visible).logits,
        **LOGITS,
    )


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_left_padded_row_equals_the_row_alone(golden: Golden, attention: str) -> None:
    reference = golden("dense-left-padded")
    tensors = reference.tensors
    model = reference.model(attn_implementation=attention)
    logits = model(
        tensors["input_ids"],
        attention_mask=tensors["attention_mask"],
        position_ids=tensors["position_ids"],
    ).logits
    assert_close(logits[0, -5:], tensors["row0_alone.prompt_logits"], **LOGITS)
    assert_close(logits[1], tensors["row1_alone.prompt_logits"], **LOGITS)


def test_the_id_used_as_padding_does_not_matter(golden: Golden) -> None:
    reference = golden("dense-left-padded")
    model, mask = reference.model(), reference.tensors["attention_mask"]
    other_pads = reference.tensors["input_ids"].masked_fill(mask == 0, 9)
    logits = model(other_pads, attention_mask=mask).logits
    assert_close(logits[0, -5:], reference.tensors["row0_alone.prompt_logits"], **LOGITS)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_later_token_never_changes_an_earlier_one(golden: Golden, attention: str) -> None:
    reference = golden("dense-left-padded")
    model, mask = (
        reference.model(attn_implementation=attention),
        reference.tensors["attention_mask"],
    )
    input_ids = reference.tensors["input_ids"]
    changed = input_ids.clone()
    changed[:, -1] += 1
    before, after = (model(ids, attention_mask=mask).logits for ids in (input_ids, changed))
    assert_close(before[0, -5:-1], after[0, -5:-1], **LOGITS)
    assert_close(before[1, :-1], after[1, :-1], **LOGITS)


def test_hidden_states_and_attention_weights_equal_the_reference(golden: Golden) -> None:
    reference = golden("dense-internals")
    outputs = reference.model(attn_implementation="eager")(
        reference.tensors["input_ids"], output_hidden_states=True, output_attentions=True
    )
    assert len(outputs.hidden_states) == 4
    assert len(outputs.attentions) == 3
    for index, hidden_states in enumerate(outputs.hidden_states):
        assert_close(hidden_states, reference.tensors[f"hidden_states.{index}"], **STATES)
    for index, weights in enumerate(outputs.attentions):
        assert_close(weights, reference.tensors[f"attentions.{index}"], **STATES)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("layers.0.input_layernorm", "layer0.input_norm_out"),
        ("layers.0.self_attn.lf_gate", "layer0.lfa_out"),
        ("layers.1.self_attn.lf_gate", "layer1.lfa_out"),
        ("layers.2.self_attn.lf_gate", "layer2.lfa_out"),
        ("layers.0.self_attn", "layer0.attn_out"),
        ("layers.0.mlp", "layer0.mlp_out"),
    ],
)
def test_what_each_module_returns_equals_the_reference(
    golden: Golden, module: str, name: str
) -> None:
    reference = golden("dense-internals")
    model, seen = reference.model(), []
    model.model.get_submodule(module).register_forward_hook(lambda *args: seen.append(args[-1]))
    model(reference.tensors["input_ids"])
    output = seen[0][0] if isinstance(seen[0], tuple) else seen[0]
    assert_close(output, reference.tensors[name], **STATES)


def test_query_and_key_before_rotary_equal_the_reference(golden: Golden) -> None:
    reference = golden("dense-internals")
    attention = reference.model().model.layers[0].self_attn
    query, key = attention._mixed_query_and_key(reference.tensors["layer0.lfa_out"])
    assert_close(query, reference.tensors["layer0.query_before_rotary"], **STATES)
    assert_close(key, reference.tensors["layer0.key_before_rotary"], **STATES)


def test_the_cache_holds_what_the_reference_caches(golden: Golden) -> None:
    reference = golden("dense-internals")
    model, tensors = reference.model(), reference.tensors
    cache = DynamicCache(config=model.config)
    model(tensors["input_ids"], past_key_values=cache)
    assert_close(cache.layers[0].keys, tensors["layer0.key"], **STATES)
    for index, layer in enumerate(cache.layers):
        assert_close(layer.values, tensors[f"layer{index}.value"], **STATES)
        # The reference keeps the last two inputs of conv1 and computes conv1 again; here the cache
        # keeps the last input of each convolution.
        memory = tensors[f"layer{index}.cache_lfa_memory"]
        conv1 = model.model.layers[index].self_attn.lf_gate.conv1
        assert_close(layer.conv_states[0].squeeze(-1), memory[:, 1], **STATES)
        assert_close(layer.conv_states[1].squeeze(-1), conv1(memory)[:, 1], **STATES)


@pytest.mark.parametrize("labels", ["labels_same", "labels_same_ignore"])
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_the_loss_shifts_the_labels(golden: Golden, labels: str, training: bool) -> None:
    reference = golden("dense-loss")
    model = reference.model().train(training)
    loss = model(reference.tensors["input_ids"], labels=reference.tensors[labels]).loss
    mode = "train.reset_false" if training else "eval.reset_false"
    expected = reference.facts["checks"]["losses"][mode]["shifted_copy"][labels]
    assert_close(loss.item(), expected, **STATES)


def test_the_loss_is_taken_on_the_logits_of_the_reference(golden: Golden) -> None:
    reference = golden("dense-loss")
    outputs = reference.model()(reference.tensors["input_ids"])
    assert_close(outputs.logits, reference.tensors["logits.reset_false"], **LOGITS)


def test_a_masked_loss_is_refused_and_plain_inference_is_not() -> None:
    model = tiny_model(use_loss_mask=True)
    input_ids = torch.tensor([[1, 2, 3]])
    assert model(input_ids).loss is None
    with pytest.raises(NotImplementedError, match="use_loss_mask must be false"):
        model(input_ids, labels=input_ids)


def test_gradients_have_the_norms_of_the_reference(golden: Golden) -> None:
    reference = golden("dense-loss")
    model = reference.model(tie_word_embeddings=False).requires_grad_(True).train()
    input_ids = reference.tensors["input_ids"]
    model(input_ids, labels=reference.tensors["labels_same"]).loss.backward()
    expected = reference.facts["checks"]["untied_gradient_norms_shifted_plain_mean_train"]
    measured = {name: p.grad.norm().item() for name, p in model.named_parameters()}
    assert measured == pytest.approx(expected, abs=1e-4)


def test_the_padding_row_gets_no_gradient_from_the_lookup(golden: Golden) -> None:
    reference = golden("dense-loss")
    model = reference.model(tie_word_embeddings=False).requires_grad_(True).train()
    input_ids, pad = reference.tensors["input_ids"], model.config.pad_token_id
    assert (input_ids == pad).any()
    model(input_ids, labels=input_ids).loss.backward()
    gradient = model.model.embed_tokens.weight.grad
    assert gradient[pad].abs().max().item() == 0.0
    sep_norm = reference.facts["checks"]["embedding_gradient_row_norm_of_sep"]
    assert gradient[model.config.sep_token_id].norm().item() == pytest.approx(sep_norm, abs=1e-4)


def test_gradient_checkpointing_changes_no_gradient() -> None:
    input_ids = torch.randint(0, 64, (2, 9), generator=torch.Generator().manual_seed(1))
    norms = []
    for checkpointed in (False, True):
        model = tiny_model().requires_grad_(True).train()
        if checkpointed:
            model.activation_checkpointing_enable()
        model(input_ids, labels=input_ids, use_cache=False).loss.backward()
        norms.append({name: p.grad.norm().item() for name, p in model.named_parameters()})
    assert norms[1] == pytest.approx(norms[0], abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_rotary_tables_are_right_far_out_whatever_the_dtype(
    golden: Golden, dtype: torch.dtype
) -> None:
    model = golden("dense-basic").model(dtype=torch.float32).to(dtype)
    rotary: YuanRotaryEmbedding = model.model.rotary_emb
    positions = torch.tensor([[0, 1, 4096, 8191]])
    cosines, sines = rotary(torch.empty(0, dtype=dtype), positions)
    pairs = torch.arange(0, 16, 2, dtype=torch.float64)
    angles = positions[..., None].double() * 10000.0 ** (-pairs / 16)
    angles = torch.cat((angles, angles), dim=-1)
    # Half a unit in the last place of the dtype, and what float32 leaves of an angle of 8191.
    tolerance = {"atol": torch.finfo(dtype).eps / 2 + 1e-3, "rtol": 0.0}
    assert_close(cosines.double(), angles.cos(), **tolerance)
    assert_close(sines.double(), angles.sin(), **tolerance)


def test_bfloat16_weights_give_nearly_the_logits_of_float32(golden: Golden) -> None:
    reference = golden("dense-basic")
    model = reference.model(dtype=torch.bfloat16)
    logits = model(reference.tensors["len200.input_ids"]).logits[0].float()
    error = (logits - reference.tensors["len200.logits"]).abs()
    assert model.dtype == torch.bfloat16
    assert error.mean() < 0.1, "a wrong path moves the logits by several units"


def test_a_configuration_decides_the_dtype_that_is_loaded(tmp_path: Path) -> None:
    tiny_model().to(torch.bfloat16).save_pretrained(tmp_path)
    assert AutoModelForCausalLM.from_pretrained(tmp_path).dtype == torch.bfloat16


def test_logits_to_keep_gives_the_last_logits_only() -> None:
    model, input_ids = tiny_model(), torch.tensor([[1, 2, 3, 4]])
    last = model(input_ids, logits_to_keep=1).logits
    assert_close(last, model(input_ids).logits[:, -1:])


def test_embeddings_may_be_given_in_place_of_ids() -> None:
    model, input_ids = tiny_model(), torch.tensor([[1, 2, 3, 4]])
    embeddings = model.get_input_embeddings()(input_ids)
    assert_close(model(inputs_embeds=embeddings).logits, model(input_ids).logits)


@pytest.mark.parametrize("both", [True, False], ids=["both", "neither"])
def test_exactly_one_of_ids_and_embeddings_is_asked_for(both: bool) -> None:
    model, input_ids = tiny_model(), torch.tensor([[1, 2]])
    given = {"input_ids": input_ids, "inputs_embeds": model.model.embed_tokens(input_ids)}
    with pytest.raises(ValueError, match="exactly one of input_ids and inputs_embeds"):
        model(**(given if both else {}))


def test_auto_model_gives_the_model_without_its_head(golden: Golden) -> None:
    reference = golden("dense-internals")
    body = AutoModel.from_pretrained(reference.weights_folder)
    hidden_states = body(reference.tensors["input_ids"]).last_hidden_state
    assert_close(hidden_states, reference.tensors["hidden_states.3"], **STATES)


@pytest.mark.parametrize("method", ["generate_batch", "init_continuous_batching"])
def test_continuous_batching_is_refused(method: str) -> None:
    with pytest.raises(NotImplementedError, match=r"call generate\(\) instead"):
        getattr(tiny_model(), method)([[1, 2, 3]])


def test_a_tied_checkpoint_loads_without_its_copy_of_the_head(
    golden: Golden, tmp_path: Path
) -> None:
    reference = golden("dense-tied")
    shutil.copy(reference.weights_folder / "config.json", tmp_path)
    weights = reference.weights_folder / "model-without-lm-head.safetensors"
    shutil.copy(weights, tmp_path / "model.safetensors")
    model, info = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert model.lm_head.weight is model.model.embed_tokens.weight
    logits = model(reference.tensors["input_ids"]).logits[0]
    assert_close(logits, reference.tensors["logits"], **LOGITS)


def test_an_untied_head_stays_its_own(golden: Golden) -> None:
    model = golden("dense-untied").model()
    assert not torch.equal(model.lm_head.weight, model.model.embed_tokens.weight)


def test_stored_rotary_frequencies_are_ignored(golden: Golden, tmp_path: Path) -> None:
    reference = golden("dense-odd-3x16")
    weights = load_file(reference.weights_folder / "model.safetensors")
    frequencies = [key for key in weights if key.endswith("rotary_emb.inv_freq")]
    assert frequencies, "the case must store frequencies to show anything"
    wrong = {key: weights[key].bfloat16() * 2 for key in frequencies}
    save_file(weights | wrong, tmp_path / "model.safetensors", {"format": "pt"})
    shutil.copy(reference.weights_folder / "config.json", tmp_path)
    model, info = AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["unexpected_keys"]
    logits = model(reference.tensors["input_ids"]).logits[0]
    assert_close(logits, reference.tensors["logits"], **LOGITS)


@pytest.mark.parametrize("case", ["dense-tied", "dense-untied", "dense-odd-6x12"])
def test_a_saved_model_keeps_its_logits_and_the_names_of_its_weights(
    golden: Golden, case: str, tmp_path: Path
) -> None:
    reference = golden(case)
    model = reference.model()
    model.save_pretrained(tmp_path)
    names = set(load_file(reference.weights_folder / "model.safetensors"))
    saved = set(load_file(tmp_path / "model.safetensors"))
    assert saved == {name for name in names if "inv_freq" not in name} - (
        {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    )
    input_ids = reference.tensors["input_ids"]
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(again(input_ids).logits, model(input_ids).logits)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_layers_offloaded_to_disk_change_nothing(tmp_path: Path, tied: bool) -> None:
    model = tiny_model(tie_word_embeddings=tied)
    model.save_pretrained(tmp_path / "model")
    places = {"model.embed_tokens": "cpu", "model.rotary_emb": "cpu", "model.norm": "cpu"}
    places |= {"lm_head": "cpu", "model.layers.0": "disk", "model.layers.1": "cpu"}
    offloaded = AutoModelForCausalLM.from_pretrained(
        tmp_path / "model",
        device_map=places | {"model.layers.2": "disk"},
        offload_folder=tmp_path / "offload",
    )
    conv = offloaded.model.layers[2].self_attn.lf_gate.conv1
    assert conv.weight.device.type == "meta", "the layer must be offloaded to show anything"
    input_ids = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    expected = model(input_ids).logits
    assert_close(offloaded(input_ids).logits, expected)
    cache = DynamicCache(config=model.config)
    steps = [offloaded(token[None], past_key_values=cache).logits for token in input_ids.T]
    assert_close(torch.cat(steps, dim=1), expected, **LOGITS)
