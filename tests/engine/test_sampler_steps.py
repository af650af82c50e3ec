"""The sampler opened: what it shows is what the engine's own sampler does."""

import random
from typing import Any

import pytest
import torch

from yuan_demo.core.messages import Message
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.chat import ChatModel
from yuan_demo.engine.sampler import SamplingRows, draws, is_wide, sample, unpack
from yuan_demo.engine.sampler_steps import SamplerTrace, trace_choice

VOCABULARY = 500


def random_params(rng: random.Random) -> SamplingParams:
    return SamplingParams(
        max_new_tokens=50,
        greedy=rng.random() < 0.1,
        temperature=rng.choice([0.05, 0.7, 1.0, 1.9, 5.0]),
        top_k=rng.choice([0, 1, 2, 10, 40, 64, 65, 200]),
        top_p=rng.choice([0.01, 0.3, 0.9, 0.999, 1.0]),
        repetition_penalty=rng.choice([1.0, 1.0, 0.6, 1.3, 3.0]),
        seed=rng.randint(0, 2**50),
    )


def by_the_engine(
    logits: torch.Tensor, seen: list[int], params: SamplingParams, place: int
) -> tuple[int, dict[int, float]]:
    """(chosen id, chances of the ten candidates) by the vectorised sampler."""
    mask = torch.zeros(1, len(logits), dtype=torch.bool)
    mask[0, seen] = True
    packed = sample(
        logits[None],
        SamplingRows.of([params], logits.device),
        draws(params, params.max_new_tokens)[place, None],
        0,
        seen=mask if params.repetition_penalty != 1 else None,
        wide=is_wide(params),
    )
    [(chosen, scores)] = unpack(packed)
    chances = dict(zip(scores.candidate_ids, scores.candidate_probabilities, strict=True))
    return chosen, chances


def last(trace: SamplerTrace) -> dict[int, float]:
    return dict(zip(trace.token_ids, trace.steps[-1].probabilities, strict=True))


def test_the_same_token_and_the_same_chances_as_the_engine():
    rng = random.Random(6)
    compared = 0
    for seed in range(300):
        generator = torch.Generator().manual_seed(seed)
        logits = torch.randn(VOCABULARY, generator=generator) * rng.choice([0.5, 3, 8])
        seen = rng.sample(range(VOCABULARY), 20)
        params, place = random_params(rng), rng.randint(0, 49)

        trace = trace_choice(logits, seen, params, place)
        chosen, chances = by_the_engine(logits, seen, params, place)

        assert trace.chosen == chosen, params
        if not params.greedy:
            shown = last(trace)
            for token_id, chance in chances.items():
                assert shown[token_id] == pytest.approx(chance, abs=1e-5), params
                # Cut here is cut there.
                assert (shown[token_id] == 0) == (chance == 0), params
            compared += len(chances)
    assert compared > 2000


def test_an_answer_of_the_engine_is_chosen_again_token_by_token(tiny_loaded: Any):
    chat = ChatModel(tiny_loaded)
    params = SamplingParams(
        40, greedy=False, temperature=1.8, top_k=30, top_p=0.95, repetition_penalty=1.2, seed=8
    )
    *_, answer = chat.answer([Message("user", "你好")], params)
    prompt = list(answer.fitted.prompt.input_ids)
    with torch.inference_mode():
        ids = torch.tensor([[*prompt, *answer.token_ids]])
        logits = tiny_loaded.model(input_ids=ids, use_cache=False).logits[0].float()

    for place, token_id in enumerate(answer.token_ids):
        seen = [*prompt, *answer.token_ids[:place]]
        trace = trace_choice(logits[len(seen) - 1], seen, answer.params, place)
        assert trace.chosen == token_id
        start = trace.starts[trace.token_ids.index(token_id)]
        assert start <= trace.draw + 1e-6
        assert trace.draw <= start + last(trace)[token_id] + 1e-6
    assert len(answer.token_ids) > 10


def test_every_step_is_there_and_only_cuts():
    logits = torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(1)) * 3
    params = SamplingParams(
        greedy=False, temperature=2, top_k=20, top_p=0.5, repetition_penalty=1.5, seed=1
    )

    trace = trace_choice(logits, [3, 4], params, 0)

    names = [step.name for step in trace.steps]
    assert names == ["raw", "penalty", "temperature", "top_k", "top_p"]
    left = [step.left for step in trace.steps]
    assert left[:3] == [VOCABULARY] * 3
    assert left[3] == 20
    assert 1 <= left[4] < 20
    raw = logits.softmax(-1)
    assert trace.steps[0].probabilities == pytest.approx(raw[list(trace.token_ids)].tolist())


def test_settings_that_do_nothing_are_no_step():
    params = SamplingParams(greedy=False, temperature=1, top_k=0, top_p=1, seed=1)

    assert [s.name for s in trace_choice(torch.randn(90), [1], params, 3).steps] == [
        "raw",
        "temperature",
    ]
    greedy = trace_choice(torch.randn(90), [1], SamplingParams(), 3)
    assert [step.name for step in greedy.steps] == ["raw"]
    assert greedy.draw is None


def test_an_answers_numbers_do_not_depend_on_how_many_are_drawn():
    params = SamplingParams(greedy=False, seed=99)
    many = draws(params, 2000)

    for count in (1, 2, 7, 15, 16, 17, 100, 1999):
        assert torch.equal(draws(params, count), many[:count])
