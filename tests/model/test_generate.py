"""Cached decoding equals the whole pass, and `generate()` of transformers works on Yuan2."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch.testing import assert_close
from transformers import Cache, CompileConfig, DynamicCache, StaticCache

from yuan_demo.model.modeling_yuan import YuanForCausalLM

LOGITS = {"atol": 1e-4, "rtol": 1e-4}
PROMPT_LENGTHS = [1, 2, 3, 17]

Golden = Callable[[str], Any]  # a GoldenCase, see conftest.py


def dynamic_cache(model: YuanForCausalLM) -> Cache:
    return DynamicCache(config=model.config)


def static_cache(model: YuanForCausalLM) -> Cache:
    return StaticCache(config=model.config, max_cache_len=256)


CACHES = pytest.mark.parametrize("make_cache", [dynamic_cache, static_cache])


COMPILED_GRAPHS: list[torch.fx.GraphModule] = []


def counting_backend(graph: torch.fx.GraphModule, example_inputs: list) -> Callable:
    """torch.compile's "eager" backend that counts; a function, as generate() copies its backend."""
    COMPILED_GRAPHS.append(graph)
    return graph.forward


def logits_in_chunks(
    model: YuanForCausalLM,
    input_ids: torch.Tensor,
    lengths: Sequence[int],
    cache: Cache,
    attention_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Logits of all tokens, fed in chunks of the given lengths; the last chunk takes the rest."""
    ends = [sum(lengths[: index + 1]) for index in range(len(lengths))]
    logits = []
    for start, end in zip([0, *ends], [*ends, input_ids.shape[1]], strict=True):
        mask = None if attention_mask is None else attention_mask[:, :end]
        chunk = input_ids[:, start:end]
        logits.append(model(chunk, attention_mask=mask, past_key_values=cache).logits)
    return torch.cat(logits, dim=1)


@CACHES
@pytest.mark.parametrize("length", PROMPT_LENGTHS)
def test_decoding_token_by_token_equals_the_reference(
    golden: Golden, length: int, make_cache: Callable[[YuanForCausalLM], Cache]
) -> None:
    reference = golden("dense-cached")
    model, ids = reference.model(), reference.tensors[f"len{length}.ids"]
    lengths = [length] + [1] * (ids.shape[1] - length - 2)
    logits = logits_in_chunks(model, ids[:, :-1], lengths, make_cache(model))[0, length - 1 :]
    assert_close(logits, reference.tensors[f"len{length}.logits_cached"], **LOGITS)
    assert torch.equal(logits.argmax(-1), ids[0, length:])
    uncached = reference.tensors[f"len{length}.logits_uncached"]
    assert_close(logits[: len(uncached)], uncached, **LOGITS)


@CACHES
@pytest.mark.parametrize(
    "lengths",
    [[1] * 16, [1, 1], [2], [16], [1, 3, 5], [5, 5, 5], [8, 1, 1, 1]],
    ids=str,
)
def test_a_prompt_in_chunks_equals_the_whole_prompt(
    golden: Golden, lengths: list[int], make_cache: Callable[[YuanForCausalLM], Cache]
) -> None:
    reference = golden("dense-basic")
    model = reference.model()
    logits = logits_in_chunks(
        model, reference.tensors["len17.input_ids"], lengths, make_cache(model)
    )
    assert_close(logits[0], reference.tensors["len17.logits"], **LOGITS)


@CACHES
def test_long_chunks_equal_the_whole_prompt(
    golden: Golden, make_cache: Callable[[YuanForCausalLM], Cache]
) -> None:
    reference = golden("dense-basic")
    model, input_ids = reference.model(), reference.tensors["len200.input_ids"]
    logits = logits_in_chunks(model, input_ids, [64, 64, 1, 63], make_cache(model))
    assert_close(logits[0], reference.tensors["len200.logits"], **LOGITS)


@CACHES
@pytest.mark.parametrize("lengths", [[1] * 10, [3, 4], [6, 1], [9]], ids=str)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_left_padded_prompt_in_chunks_equals_the_row_alone(
    golden: Golden,
    attention: str,
    lengths: list[int],
    make_cache: Callable[[YuanForCausalLM], Cache],
) -> None:
    reference = golden("dense-left-padded")
    tensors = reference.tensors
    model = reference.model(attn_implementation=attention)
    logits = logits_in_chunks(
        model, tensors["input_ids"], lengths, make_cache(model), tensors["attention_mask"]
    )
    assert_close(logits[0, -5:], tensors["row0_alone.prompt_logits"], **LOGITS)
    assert_close(logits[1], tensors["row1_alone.prompt_logits"], **LOGITS)


def test_a_padded_row_leaves_zeros_where_its_pads_were(golden: Golden) -> None:
    reference = golden("dense-left-padded")
    model, tensors = reference.model(), reference.tensors
    cache = dynamic_cache(model)
    pads = slice(0, 6)
    model(
        tensors["input_ids"][:, pads],
        attention_mask=tensors["attention_mask"][:, pads],
        past_key_values=cache,
    )
    for layer in cache.layers:
        for state in layer.conv_states.values():
            assert state[0].abs().max() == 0.0
            assert state[1].abs().max() > 0.0


@pytest.mark.parametrize("implementation", ["dynamic", "static"])
@pytest.mark.parametrize("length", PROMPT_LENGTHS)
def test_generate_gives_the_ids_of_the_reference(
    golden: Golden, length: int, implementation: str
) -> None:
    reference = golden("dense-cached")
    generated = reference.model().generate(
        reference.tensors[f"len{length}.prompt"],
        max_new_tokens=48,
        do_sample=False,
        eos_token_id=None,
        cache_implementation=implementation,
        return_dict_in_generate=True,
        output_logits=True,
    )
    assert torch.equal(generated.sequences, reference.tensors[f"len{length}.ids"])
    expected = reference.tensors[f"len{length}.logits_cached"]
    assert_close(torch.cat(generated.logits), expected, **LOGITS)


@pytest.mark.parametrize("case", ["dense-odd-3x16", "dense-odd-6x12"])
def test_generate_gives_the_ids_of_the_reference_for_other_head_counts(
    golden: Golden, case: str
) -> None:
    reference = golden(case)
    generated = reference.model().generate(
        reference.tensors["input_ids"],
        max_new_tokens=24,
        do_sample=False,
        eos_token_id=None,
        return_dict_in_generate=True,
        output_logits=True,
    )
    assert torch.equal(generated.sequences, reference.tensors["generated_ids"])
    expected = reference.tensors["generated_logits"]
    assert_close(torch.cat(generated.logits), expected, **LOGITS)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("implementation", ["dynamic", "static"])
def test_generate_on_a_padded_batch_gives_each_row_what_it_gets_alone(
    golden: Golden, implementation: str, attention: str
) -> None:
    reference = golden("dense-left-padded")
    tensors = reference.tensors
    generated = reference.model(attn_implementation=attention).generate(
        tensors["input_ids"],
        attention_mask=tensors["attention_mask"],
        max_new_tokens=12,
        do_sample=False,
        eos_token_id=None,
        cache_implementation=implementation,
        return_dict_in_generate=True,
        output_logits=True,
    )
    logits = torch.stack(generated.logits, dim=1)
    for row in (0, 1):
        alone = tensors[f"row{row}_alone.generated_ids"][0, -12:]
        assert torch.equal(generated.sequences[row, -12:], alone)
        expected = tensors[f"row{row}_alone.generated_logits_cached"]
        assert_close(logits[row], expected, **LOGITS)


def test_beam_search_with_a_cache_equals_beam_search_without(golden: Golden) -> None:
    reference = golden("dense-cached")
    model, prompt = reference.model(), reference.tensors["len17.prompt"]
    settings = {"max_new_tokens": 12, "num_beams": 4, "num_return_sequences": 4}
    settings |= {"do_sample": False, "eos_token_id": None}
    cached, uncached = (
        model.generate(prompt, use_cache=use_cache, **settings) for use_cache in (True, False)
    )
    assert torch.equal(cached, uncached)
    assert len({tuple(row.tolist()) for row in cached}) == 4


def test_guessing_ahead_from_the_prompt_changes_nothing(golden: Golden) -> None:
    reference = golden("dense-cached")
    # Repeating ids, so that some guesses are right and some are cropped from the cache again.
    prompt = reference.tensors["len2.ids"]
    settings = {"max_new_tokens": 16, "do_sample": False, "eos_token_id": None}
    model = reference.model()
    guessed = model.generate(prompt, prompt_lookup_num_tokens=3, **settings)
    assert torch.equal(guessed, model.generate(prompt, **settings))


def test_a_second_turn_continues_on_the_same_cache(golden: Golden) -> None:
    reference = golden("dense-cached")
    model, prompt = reference.model(), reference.tensors["len17.prompt"]
    cache = dynamic_cache(model)
    settings = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None}
    first = model.generate(prompt, past_key_values=cache, **settings)
    second_prompt = torch.cat((first, prompt[:, :5]), dim=1)
    continued = model.generate(second_prompt, past_key_values=cache, **settings)
    assert torch.equal(continued, model.generate(second_prompt, **settings))


@CACHES
def test_a_cache_that_was_reset_remembers_nothing(
    golden: Golden, make_cache: Callable[[YuanForCausalLM], Cache]
) -> None:
    reference = golden("dense-basic")
    model = reference.model()
    cache = make_cache(model)
    model(reference.tensors["len200.input_ids"], past_key_values=cache)
    cache.reset()
    logits = logits_in_chunks(model, reference.tensors["len17.input_ids"], [1, 3], cache)
    assert_close(logits[0], reference.tensors["len17.logits"], **LOGITS)


@pytest.fixture
def compiled_graphs() -> list[torch.fx.GraphModule]:
    """What `counting_backend` compiled in this test."""
    torch._dynamo.reset()
    COMPILED_GRAPHS.clear()
    return COMPILED_GRAPHS


def test_a_compiled_step_is_one_graph_and_equals_the_reference(
    golden: Golden, compiled_graphs: list[torch.fx.GraphModule]
) -> None:
    reference = golden("dense-cached")
    model = reference.model()
    step = torch.compile(model.__call__, fullgraph=True, backend=counting_backend)
    cache = static_cache(model)
    for length in (17, 3):
        ids = reference.tensors[f"len{length}.ids"]
        logits = [model(ids[:, :length], past_key_values=cache).logits[:, -1]]
        for position in range(length, length + 8):
            # Not a slice: it has the stride of its prompt, and each stride is a graph of its own.
            token = ids[0, position].view(1, 1)
            logits.append(step(token, past_key_values=cache).logits[:, -1])
        expected = reference.tensors[f"len{length}.logits_cached"][:9]
        assert_close(torch.cat(logits), expected, **LOGITS)
        cache.reset()
    assert len(compiled_graphs) == 1


def test_generate_compiles_its_step_for_a_padded_batch_too(
    golden: Golden, compiled_graphs: list[torch.fx.GraphModule]
) -> None:
    reference = golden("dense-left-padded")
    compile_config = CompileConfig(fullgraph=True, backend=counting_backend, mode=None)
    compile_config._compile_all_devices = True
    generated = reference.model().generate(
        reference.tensors["input_ids"],
        attention_mask=reference.tensors["attention_mask"],
        max_new_tokens=12,
        do_sample=False,
        eos_token_id=None,
        cache_implementation="static",
        compile_config=compile_config,
    )
    for row in (0, 1):
        alone = reference.tensors[f"row{row}_alone.generated_ids"][0, -12:]
        assert torch.equal(generated[row, -12:], alone)
    assert len(compiled_graphs) == 1
