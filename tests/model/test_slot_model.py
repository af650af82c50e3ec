"""The network over slots equals the reference numbers, however a conversation comes to it."""

import copy
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from yuan_demo.model.cached_model import CachedModel
from yuan_demo.model.linear import PlainLinear, make_linear
from yuan_demo.model.modeling_yuan import YuanForCausalLM
from yuan_demo.model.slot_model import SlotModel
from yuan_demo.model.slot_rows import BLOCK

LOGITS = {"atol": 1e-4, "rtol": 1e-4}
POSITIONS = 208

# Folder, and the names of its ids and logits. `dense-eod` is the attention that ignores `<eod>`.
PROMPTS = [
    *(("dense-basic", f"len{n}.input_ids", f"len{n}.logits") for n in (1, 2, 3, 17, 200)),
    ("dense-odd-3x16", "input_ids", "logits"),
    ("dense-odd-6x12", "input_ids", "logits"),
    ("dense-tied", "input_ids", "logits"),
    ("dense-untied", "input_ids", "logits"),
    ("dense-eod", "input_ids", "logits_plain_causal"),
]
# Folder, and the names of its prompt, of prompt and answer, and of the logits of each step.
ANSWERS = [
    *(
        ("dense-cached", f"len{n}.prompt", f"len{n}.ids", f"len{n}.logits_cached")
        for n in (1, 2, 3, 17)
    ),
    ("dense-odd-3x16", "input_ids", "generated_ids", "generated_logits"),
    ("dense-odd-6x12", "input_ids", "generated_ids", "generated_logits"),
]
LENGTHS = [1, 2, 15, 16, 17, 31, 32, 33, 40]

Golden = Callable[[str], Any]  # a GoldenCase, see conftest.py


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    # As the engine calls it. Under load a pass waits longer for a second thread than it takes.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def loaded() -> dict[str, YuanForCausalLM]:
    return {}  # what loading one takes is longer than most tests


@pytest.fixture
def reference(golden: Golden, loaded: dict[str, YuanForCausalLM]) -> YuanForCausalLM:
    if not loaded:
        loaded["dense-basic"] = golden("dense-basic").model()
    # A model of its own: its matrices become views of those of the network.
    return copy.deepcopy(loaded["dense-basic"])


@pytest.fixture
def network(reference: YuanForCausalLM) -> SlotModel:
    return in_slots(reference)


@pytest.fixture
def ids(golden: Golden) -> list[int]:
    return golden("dense-basic").tensors["len200.input_ids"][0].tolist()


@pytest.fixture
def expected(golden: Golden) -> torch.Tensor:
    """Reference logits after each of `ids`, (200, V)."""
    return golden("dense-basic").tensors["len200.logits"]


def in_slots(model: YuanForCausalLM, slots: int = 3, positions: int = POSITIONS) -> SlotModel:
    return SlotModel(model, slots, positions, lambda matrix: make_linear(matrix, "auto"))


def whole(model: YuanForCausalLM, ids: list[int]) -> torch.Tensor:
    return model(torch.tensor([ids])).logits[0]


# --- whole prompts and chunks -------------------------------------------------------------------


@pytest.mark.parametrize(("case", "name", "logits"), PROMPTS)
def test_a_whole_prompt_equals_the_reference(golden: Golden, case: str, name: str, logits: str):
    tensors = golden(case).tensors
    prompt = tensors[name][0].tolist()

    found = in_slots(golden(case).model()).prefill(1, 0, prompt, keep=len(prompt))

    assert_close(found, tensors[logits].view_as(found), **LOGITS)


@pytest.mark.parametrize("chunk", [1, 2, 15, 16, 17, 128])
def test_chunks_equal_the_whole_prompt(
    network: SlotModel, ids: list[int], expected: torch.Tensor, chunk: int
):
    count = min(len(ids), 40 * chunk)
    ends = [*range(chunk, count, chunk), count]
    found = [network.prefill(0, start, ids[start:end]) for start, end in pairwise([0, *ends])]

    assert_close(torch.cat(found), expected[torch.tensor(ends) - 1], **LOGITS)


@pytest.mark.parametrize("first", [1, 15, 16, 17, 31, 32, 33])
def test_every_cut_equals_the_whole_prompt(
    network: SlotModel, ids: list[int], expected: torch.Tensor, first: int
):
    for second in (1, 15, 16, 17):
        cuts = [0, first, first + second, 80]
        parts = [network.prefill(2, a, ids[a:b], keep=b - a) for a, b in pairwise(cuts)]

        assert_close(torch.cat(parts), expected[:80], **LOGITS)


@pytest.mark.parametrize("keep", [1, 2, 17])
def test_the_last_logits_are_kept(
    network: SlotModel, ids: list[int], expected: torch.Tensor, keep: int
):
    network.prefill(0, 0, ids[:20])

    assert_close(network.prefill(0, 20, ids[20:37], keep), expected[37 - keep : 37], **LOGITS)


# --- one more token -----------------------------------------------------------------------------


@pytest.mark.parametrize(("case", "prompt", "generated", "logits"), ANSWERS)
def test_steps_behind_a_prompt_equal_the_reference(
    golden: Golden, case: str, prompt: str, generated: str, logits: str
):
    tensors = golden(case).tensors
    network, ids = in_slots(golden(case).model()), tensors[generated][0].tolist()
    start = tensors[prompt].shape[1]

    found = [network.prefill(1, 0, ids[:start])]
    for at in range(start, len(ids) - 1):
        found.append(network.decode([1], [at], torch.tensor([ids[at]])))

    assert_close(torch.cat(found), tensors[logits], **LOGITS)
    assert torch.cat(found).argmax(-1).tolist() == ids[start:]


def test_steps_from_the_very_first_token_equal_the_reference(
    network: SlotModel, ids: list[int], expected: torch.Tensor
):
    # What a former conversation left must not be seen.
    network.prefill(0, 0, ids[100:140])
    found = [network.decode([0], [at], torch.tensor([ids[at]])) for at in range(35)]

    assert_close(torch.cat(found), expected[:35], **LOGITS)


def test_rows_of_a_ragged_batch_equal_each_alone(reference: YuanForCausalLM, ids: list[int]):
    held = [0, *LENGTHS]
    network = in_slots(reference, slots=len(held), positions=64)
    prompts = [ids[7 * i : 7 * i + length] for i, length in enumerate(held)]
    going_on = ids[160:178]
    # Not in order: a row is its slot's, not its number's.
    slots = torch.randperm(len(held), generator=torch.Generator().manual_seed(0)).tolist()
    for slot, prompt in zip(slots, prompts, strict=True):
        if prompt:
            network.prefill(slot, 0, prompt)

    steps = []
    for number, token in enumerate(going_on):
        at = [length + number for length in held]
        steps.append(network.decode(slots, at, torch.full((len(held),), token)))

    for row, prompt in enumerate(prompts):
        alone = whole(reference, prompt + going_on)[len(prompt) :]
        assert_close(torch.stack([step[row] for step in steps]), alone, **LOGITS)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
def test_a_batch_of_every_small_size_equals_the_rows_alone(
    reference: YuanForCausalLM, ids: list[int], rows: int
):
    # Products of few rows are taken in another way than those of many.
    network = in_slots(reference, slots=5)
    for slot in range(rows):
        network.prefill(slot, 0, ids[slot : slot + 20])
    tokens = ids[100 : 100 + rows]

    found = network.decode(list(range(rows)), [20] * rows, torch.tensor(tokens))

    for slot, token in enumerate(tokens):
        alone = whole(reference, [*ids[slot : slot + 20], token])[-1]
        assert_close(found[slot], alone, **LOGITS)


# --- going back, going on, branches -------------------------------------------------------------


@pytest.mark.parametrize("length", [16, 17, 40, 48])
@pytest.mark.parametrize("decoded", [0, 1, 20])
def test_a_slot_goes_on_differently_behind_any_whole_block(
    reference: YuanForCausalLM, ids: list[int], length: int, decoded: int
):
    network = in_slots(reference)
    for back in range(0, length + decoded + 1, BLOCK):
        network.prefill(1, 0, ids[:length])
        for at in range(length, length + decoded):
            network.decode([1], [at], torch.tensor([ids[at]]))
        other = ids[100:121]

        found = network.prefill(1, back, other, keep=len(other))

        assert_close(found, whole(reference, ids[:back] + other)[back:], **LOGITS)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_slot_goes_on_behind_its_end(
    network: SlotModel, ids: list[int], expected: torch.Tensor, length: int
):
    network.prefill(1, 0, ids[:length])
    for at in range(length, length + 5):
        network.decode([1], [at], torch.tensor([ids[at]]))

    found = network.prefill(1, length + 5, ids[length + 5 : 90], keep=85 - length)

    assert_close(found, expected[length + 5 : 90], **LOGITS)


def test_going_back_to_within_a_block_would_be_wrong(
    network: SlotModel, ids: list[int], expected: torch.Tensor
):
    # The tests above can fail; and why the pool of slots counts in blocks.
    network.prefill(1, 0, ids[:40])

    found = network.prefill(1, 20, ids[20:40], keep=20)

    assert (found - expected[20:40]).abs().max() > 0.01


@pytest.mark.parametrize("count", [1, 15, 16, 17, 32, 40])
def test_a_copy_and_its_source_both_go_on(reference: YuanForCausalLM, ids: list[int], count: int):
    network = in_slots(reference)
    branches = {0: ids[:count] + ids[100:118], 2: ids[:count] + ids[140:158]}
    network.prefill(2, 0, ids[60:110])  # somebody's before
    network.prefill(0, 0, ids[:count])

    network.copy(0, 2, count)

    # In turns, so that each would disturb the other if they shared anything.
    found: dict[int, list[torch.Tensor]] = {0: [], 2: []}
    for at in range(count, count + 18):
        for slot, branch in branches.items():
            found[slot].append(network.decode([slot], [at], torch.tensor([branch[at]])))

    for slot, branch in branches.items():
        assert_close(torch.cat(found[slot]), whole(reference, branch)[count:], **LOGITS)


def test_a_copy_of_a_beginning_leaves_the_rest_of_its_source(
    network: SlotModel, ids: list[int], expected: torch.Tensor
):
    network.prefill(0, 0, ids[:90])
    network.copy(0, 1, 48)

    found = network.prefill(1, 48, ids[48:90], keep=42)
    network.prefill(1, 16, ids[150:190])

    assert_close(found, expected[48:90], **LOGITS)
    assert_close(network.prefill(0, 90, ids[90:100], keep=10), expected[90:100], **LOGITS)


def test_slots_do_not_touch_each_other(network: SlotModel, ids: list[int]):
    network.prefill(0, 0, ids[:50])
    network.prefill(2, 0, ids[50:100])
    names = ("keys", "values", "narrow_state", "wide_state")

    def held(slot: int) -> list[torch.Tensor]:
        # As bits: where nothing was written yet anything may stand, also what equals nothing.
        tensors = [getattr(layer, name)[slot] for layer in network.layers for name in names]
        return [tensor.view(torch.int32).clone() for tensor in tensors]

    before = {slot: held(slot) for slot in (0, 2)}
    network.prefill(1, 0, ids[:POSITIONS])
    network.prefill(1, 16, ids[100:150])
    network.decode([1], [66], torch.tensor([3]))
    network.copy(0, 1, 50)

    for slot, tensors in before.items():
        assert all(map(torch.equal, tensors, held(slot)))


# --- weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["dense-tied", "dense-untied", "dense-odd-3x16"])
def test_the_model_stays_usable_and_unchanged(golden: Golden, case: str):
    tensors, model = golden(case).tensors, golden(case).model()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}

    in_slots(model).prefill(0, 0, [1, 2, 3])

    assert_close(model(tensors["input_ids"]).logits[0], tensors["logits"], **LOGITS)
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


@pytest.mark.parametrize("case", ["dense-basic", "dense-untied"])
def test_no_matrix_is_held_twice_but_those_of_the_filter(golden: Golden, case: str):
    model = golden(case).model()
    convolutions = sum(
        conv.weight.nbytes
        for layer in model.model.layers
        for conv in (layer.self_attn.lf_gate.conv1, layer.self_attn.lf_gate.conv2)
    )
    before = held_bytes(model)

    network = in_slots(model)

    layer, fused = model.model.layers[0], network.layers[0]
    assert fused.gate_up.weight.data_ptr() == layer.mlp.gate_proj.weight.data_ptr()
    assert fused.down.weight.data_ptr() == layer.mlp.down_proj.weight.data_ptr()
    assert fused.query_key.weight.data_ptr() == layer.self_attn.q_proj.weight.data_ptr()
    assert fused.filter_in.weight.data_ptr() == layer.self_attn.v_proj.weight.data_ptr()
    assert network.head.weight.data_ptr() == model.lm_head.weight.data_ptr()
    added = convolutions + network.bytes_of_slots + network.rotary.nbytes
    assert held_bytes(model, network) == before + added


def test_with_other_products_the_model_gives_its_matrices_away(
    reference: YuanForCausalLM, ids: list[int], expected: torch.Tensor
):
    class Repacked(PlainLinear):
        def __init__(self, weight: torch.Tensor) -> None:
            super().__init__(weight.clone())

    network = SlotModel(reference, 1, POSITIONS, Repacked)

    assert reference.model.layers[0].mlp.up_proj.weight.numel() == 0
    assert_close(network.prefill(0, 0, ids, keep=200), expected, **LOGITS)


def held_bytes(*modules: torch.nn.Module) -> int:
    """Memory of all tensors of some modules, each storage once."""
    found: dict[int, int] = {}
    for part in (part for module in modules for part in module.modules()):
        own = (*part.parameters(recurse=False), *part.buffers(recurse=False))
        for tensor in (*own, *vars(part).values()):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                found[storage.data_ptr()] = storage.nbytes()
    return sum(found.values())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_nearly_the_logits_of_float32(
    golden: Golden, ids: list[int], expected: torch.Tensor, dtype: torch.dtype
):
    model = golden("dense-basic").model(dtype=dtype)
    plain_error = (whole(model, ids).float() - expected).abs().mean()
    network = in_slots(model)

    read = network.prefill(0, 0, ids[:150], keep=150)
    stepped = [network.decode([0], [at], torch.tensor([ids[at]])) for at in range(150, 200)]

    found = torch.cat([read, *stepped])
    assert found.dtype == torch.float32
    assert network.layers[0].keys.dtype == dtype
    error = (found - expected).abs().mean()
    assert error < 0.1, "a wrong path moves the logits by several units"
    assert error < plain_error * 1.2


# --- models that cannot be put into slots -------------------------------------------------------


def test_a_cached_model_gives_the_same_logits(
    reference: YuanForCausalLM, ids: list[int], expected: torch.Tensor
):
    cached = CachedModel(reference, 2, POSITIONS)
    assert (cached.rewind_block, cached.bytes_of_slots) == (None, 0)

    first = [cached.prefill(0, 0, ids[:20], keep=3), cached.prefill(0, 20, ids[20:37], keep=17)]
    other = cached.prefill(1, 0, ids[100:110])
    steps = [
        cached.decode([1, 0], [110 - 100 + n, 37 + n], torch.tensor([ids[110 + n], ids[37 + n]]))
        for n in range(6)
    ]
    again = cached.prefill(0, 0, ids[:5], keep=5)

    assert_close(torch.cat(first), expected[17:37], **LOGITS)
    assert_close(torch.stack([step[1] for step in steps]), expected[37:43], **LOGITS)
    alone = whole(reference, ids[100:116])
    assert_close(torch.cat([other, *(step[:1] for step in steps)]), alone[9:], **LOGITS)
    assert_close(again, expected[:5], **LOGITS)
