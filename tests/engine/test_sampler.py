from typing import Any

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from yuan_demo.core.sampling import MAX_SEED, SamplingParams
from yuan_demo.engine.sampler import draw_seed, make_sampler

CPU = torch.device("cpu")
VOCABULARY = 50
IDS = torch.tensor([[3, 7, 7, 20]])
DRAWS = 6_000


def logits(seed: int = 0) -> torch.Tensor:
    return torch.randn(1, VOCABULARY, generator=torch.Generator().manual_seed(seed)) * 2


def sampled_share(params: SamplingParams) -> torch.Tensor:
    """Share of every token among the draws of one sampler, [V]."""
    sampler = make_sampler(params, CPU)
    drawn = torch.tensor([sampler(IDS, logits()) for _ in range(DRAWS)])
    return drawn.bincount(minlength=VOCABULARY) / DRAWS


@pytest.mark.parametrize(
    ("settings", "processors"),
    [
        ({"temperature": 1, "top_k": 0, "top_p": 1}, []),
        ({"temperature": 2, "top_k": 0, "top_p": 1}, [TemperatureLogitsWarper(2.0)]),
        ({"temperature": 1, "top_k": 3, "top_p": 1}, [TopKLogitsWarper(3)]),
        ({"temperature": 1, "top_k": 0, "top_p": 0.5}, [TopPLogitsWarper(0.5)]),
        (
            {"temperature": 0.5, "top_k": 8, "top_p": 0.9, "repetition_penalty": 3},
            [
                RepetitionPenaltyLogitsProcessor(3.0),
                TemperatureLogitsWarper(0.5),
                TopKLogitsWarper(8),
                TopPLogitsWarper(0.9),
            ],
        ),
    ],
    ids=["none", "temperature", "top-k", "top-p", "all"],
)
def test_tokens_are_drawn_as_the_processors_of_transformers_weigh_them(
    settings: dict[str, Any], processors: list[Any]
):
    expected = LogitsProcessorList(processors)(IDS, logits()).softmax(-1)[0]

    share = sampled_share(SamplingParams(greedy=False, seed=1, **settings))

    # Five standard deviations of a share among so many draws.
    tolerance = 5 * (expected * (1 - expected) / DRAWS).sqrt()
    assert torch.all((share - expected).abs() <= tolerance)
    assert torch.all(share[expected == 0] == 0)


def test_greedy_takes_the_most_likely_whatever_the_other_settings_say():
    params = SamplingParams(greedy=True, temperature=5, top_k=40, top_p=0.01)

    assert make_sampler(params, CPU)(IDS, logits()) == logits().argmax()


def test_greedy_heeds_the_repetition_penalty():
    scores = torch.zeros(1, VOCABULARY)
    scores[0, 7], scores[0, 8] = 3.0, 2.0

    plain = make_sampler(SamplingParams(), CPU)
    penalized = make_sampler(SamplingParams(repetition_penalty=2), CPU)

    assert plain(IDS, scores) == 7
    assert penalized(IDS, scores) == 8


def test_half_precision_logits_are_weighed_in_single_precision():
    # 10 / 1.005 = 9.9502 is more than 9.9375, but rounds to it in bfloat16.
    scores = torch.zeros(1, VOCABULARY, dtype=torch.bfloat16)
    scores[0, 5], scores[0, 7] = 9.9375, 10.0

    assert make_sampler(SamplingParams(repetition_penalty=1.005), CPU)(IDS, scores) == 7

    # At temperature 0.01 the 0.0127 between them weigh exp(1.27) to 1; rounded they would be even.
    sampler = make_sampler(
        SamplingParams(greedy=False, temperature=0.01, repetition_penalty=1.005, seed=0), CPU
    )
    drawn = [sampler(IDS, scores) for _ in range(500)]
    assert drawn.count(7) / 500 == pytest.approx(3.58 / 4.58, abs=0.1)


def test_the_logits_that_it_is_given_stay_as_they_are():
    scores = logits()
    params = SamplingParams(greedy=False, temperature=2, top_k=3, repetition_penalty=2, seed=0)

    make_sampler(params, CPU)(IDS, scores)

    assert torch.equal(scores, logits())


def test_a_seed_repeats_the_draws_and_no_other_sampler_disturbs_them():
    def draws(disturbed: bool) -> list[int]:
        sampler = make_sampler(SamplingParams(greedy=False, temperature=5, seed=9), CPU)
        other = make_sampler(SamplingParams(greedy=False, temperature=5, seed=9), CPU)
        drawn = []
        for _ in range(50):
            drawn.append(sampler(IDS, logits()))
            if disturbed:
                other(IDS, logits())
                torch.rand(3)
        return drawn

    assert draws(disturbed=False) == draws(disturbed=True)


@pytest.mark.parametrize("seed", [0, MAX_SEED])
def test_every_allowed_seed_seeds(seed: int):
    make_sampler(SamplingParams(greedy=False, seed=seed), CPU)(IDS, logits())


def test_drawn_seeds_are_allowed_and_differ():
    seeds = {SamplingParams(seed=draw_seed()).seed for _ in range(100)}

    assert len(seeds) == 100
