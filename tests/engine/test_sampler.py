"""Each row of a batch is chosen as the processors of transformers would have it, and by itself."""

import random
from dataclasses import replace
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

from yuan_demo.core.generation import TokenScores
from yuan_demo.core.sampling import MAX_SEED, SamplingParams
from yuan_demo.engine.sampler import (
    CANDIDATES,
    NARROW,
    SamplingRows,
    draw_seed,
    draws,
    is_wide,
    sample,
    unpack,
)

CPU = torch.device("cpu")
VOCABULARY = 300
EOS = 11
OCCURRED = [3, 7, 7, 20]
GRID = (torch.arange(2048) + 0.5) / 2048
"""Random numbers at even distances: a token's share of them is its probability, to a step."""


def logits(seed: int = 0, vocabulary: int = VOCABULARY) -> torch.Tensor:
    return torch.randn(1, vocabulary, generator=torch.Generator().manual_seed(seed)) * 2


def choose(
    scores: torch.Tensor, rows: list[SamplingParams], numbers: torch.Tensor
) -> list[tuple[int, TokenScores]]:
    """The choices of a batch of rows that all have seen `OCCURRED`."""
    seen = torch.zeros(scores.shape, dtype=torch.bool)
    seen[:, OCCURRED] = True
    is_penalized = any(row.repetition_penalty != 1 for row in rows)
    packed = sample(
        scores,
        SamplingRows.of(rows, CPU),
        numbers,
        EOS,
        seen=seen if is_penalized else None,
        wide=any(map(is_wide, rows)),
    )
    return unpack(packed)


def share(params: SamplingParams, scores: torch.Tensor) -> torch.Tensor:
    """Share of every token among the draws over the whole grid, (V,)."""
    rows = [params] * len(GRID)
    chosen = [token for token, _ in choose(scores.expand(len(GRID), -1), rows, GRID)]
    return torch.tensor(chosen).bincount(minlength=scores.shape[1]) / len(GRID)


def by_transformers(params: SamplingParams, scores: torch.Tensor) -> torch.Tensor:
    """Probability of every token, (V,)."""
    processors: list[Any] = [TemperatureLogitsWarper(params.temperature)]
    if params.repetition_penalty != 1:
        processors.insert(0, RepetitionPenaltyLogitsProcessor(params.repetition_penalty))
    if params.top_k:
        processors.append(TopKLogitsWarper(params.top_k))
    if params.top_p < 1:
        processors.append(TopPLogitsWarper(params.top_p))
    return LogitsProcessorList(processors)(torch.tensor([OCCURRED]), scores).softmax(-1)[0]


def random_params(rng: random.Random) -> SamplingParams:
    return SamplingParams(
        greedy=rng.random() < 0.15,
        temperature=rng.choice([0.3, 0.7, 1, 1.7, 5]),
        top_k=rng.choice([0, 1, 2, 5, 40, NARROW, NARROW + 1, 200, 100_000]),
        top_p=rng.choice([0.01, 0.3, 0.9, 0.99, 1]),
        repetition_penalty=rng.choice([1, 1, 0.5, 1.2, 3]),
    )


# --- each row by its own settings ---------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 1, "top_k": 0, "top_p": 1},
        {"temperature": 2, "top_k": 0, "top_p": 1},
        {"temperature": 1, "top_k": 3, "top_p": 1},
        {"temperature": 1, "top_k": 0, "top_p": 0.5},
        {"temperature": 0.5, "top_k": 8, "top_p": 0.9, "repetition_penalty": 3},
        {"temperature": 3, "top_k": NARROW, "top_p": 0.95, "repetition_penalty": 0.5},
        {"temperature": 3, "top_k": NARROW + 40, "top_p": 0.95},
    ],
    ids=["none", "temperature", "top-k", "top-p", "all", "as many as are looked at", "more"],
)
def test_tokens_are_drawn_as_the_processors_of_transformers_weigh_them(settings: dict[str, Any]):
    params = SamplingParams(greedy=False, **settings)
    expected = by_transformers(params, logits())

    found = share(params, logits())

    # A token's stretch of [0, 1) has one step of the grid more or less than its length.
    assert (found - expected).abs().max() <= 1.5 / len(GRID)
    assert not found[expected == 0].any()


@pytest.mark.parametrize("seed", range(6))
def test_random_settings_side_by_side_are_each_as_transformers_has_them(seed: int):
    rng = random.Random(seed)
    rows = [random_params(rng) for _ in range(24)]
    scores = torch.cat([logits(100 * seed + row) for row in range(len(rows))])
    numbers = torch.rand(len(rows), generator=torch.Generator().manual_seed(seed))

    choices = choose(scores, rows, numbers)

    for row, (params, (token, found)) in enumerate(zip(rows, choices, strict=True)):
        alone = choose(scores[row, None], [params], numbers[row, None])[0]
        assert token == alone[0]
        expected = by_transformers(params, scores[row, None])
        if params.greedy:
            expected = (expected == expected.max()).float()
        assert expected[token] > 0
        shown = torch.tensor(found.candidate_probabilities)
        wanted = expected[list(found.candidate_ids)]
        torch.testing.assert_close(shown, wanted, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("greedy", [True, False])
@pytest.mark.parametrize("top_k", [0, 5, 40])
def test_the_company_of_a_wide_or_penalized_row_changes_no_other(greedy: bool, top_k: int):
    params = SamplingParams(greedy=greedy, temperature=1.5, top_k=top_k, top_p=0.95)
    companions = [
        SamplingParams(greedy=False, temperature=5, top_k=0, top_p=1),
        SamplingParams(greedy=False, top_k=3, repetition_penalty=3),
    ]
    for number in GRID[:: len(GRID) // 40]:
        alone = choose(logits(), [params], number[None])[0]
        together = choose(
            torch.cat([logits(), logits(1), logits(2)]), [params, *companions], number.repeat(3)
        )[0]

        assert together[0] == alone[0]
        assert together[1].candidate_ids == alone[1].candidate_ids
        assert together[1].candidate_probabilities == pytest.approx(
            alone[1].candidate_probabilities, abs=1e-5
        )


def test_tokens_as_good_as_the_kth_stay_as_in_transformers():
    scores = torch.full((1, VOCABULARY), -5.0)
    scores[0, [5, 8, 13, 21]] = torch.tensor([3.0, 2.0, 2.0, 2.0])
    params = SamplingParams(greedy=False, temperature=1, top_k=2, top_p=1)

    found = share(params, scores)

    assert found.nonzero().flatten().tolist() == [5, 8, 13, 21]
    assert (found - by_transformers(params, scores)).abs().max() <= 1.5 / len(GRID)


def test_a_vocabulary_smaller_than_what_is_looked_at():
    params = SamplingParams(greedy=False, temperature=1, top_k=40, top_p=0.9)
    scores = logits(vocabulary=30)

    assert (share(params, scores) - by_transformers(params, scores)).abs().max() <= 1.5 / len(GRID)


@pytest.mark.parametrize("number", [0.0, 1 - 2**-24])
@pytest.mark.parametrize("top_k", [0, 1, 5])
def test_the_ends_of_the_interval_draw_the_first_and_the_last_token_left(number: float, top_k: int):
    params = SamplingParams(greedy=False, temperature=1, top_k=top_k, top_p=0.9)
    expected = by_transformers(params, logits())

    token, _ = choose(logits(), [params], torch.tensor([number]))[0]

    left = expected[expected > 0]
    assert expected[token] == (left.max() if number == 0 else left.min())


# --- greedy and penalty -------------------------------------------------------------------------


def test_greedy_takes_the_most_likely_whatever_the_other_settings_say():
    params = SamplingParams(greedy=True, temperature=5, top_k=40, top_p=0.01)

    for number in (0.0, 0.5, 0.999):
        token, _ = choose(logits(), [params], torch.tensor([number]))[0]
        assert token == logits().argmax()


def test_greedy_heeds_the_repetition_penalty():
    scores = torch.zeros(1, VOCABULARY)
    scores[0, 7], scores[0, 8] = 3.0, 2.0

    plain = choose(scores, [SamplingParams()], torch.zeros(1))[0]
    penalized = choose(scores, [SamplingParams(repetition_penalty=2)], torch.zeros(1))[0]

    assert (plain[0], penalized[0]) == (7, 8)
    # What the model thought stays what it thought.
    assert penalized[1].rank == 2
    assert penalized[1].candidate_ids[:2] == (7, 8)
    assert penalized[1].candidate_probabilities[:2] == (0, 1)


def test_logits_of_half_precision_are_weighed_in_single_precision():
    # 10 / 1.005 = 9.9502 is more than 9.9375, but rounds to it in bfloat16.
    scores = torch.zeros(1, VOCABULARY, dtype=torch.bfloat16)
    scores[0, 5], scores[0, 7] = 9.9375, 10.0
    scores = scores.float()  # as a network gives them

    assert choose(scores, [SamplingParams(repetition_penalty=1.005)], torch.zeros(1))[0][0] == 7

    # At temperature 0.01 the 0.0127 between them weigh exp(1.27) to 1; rounded they would be even.
    params = SamplingParams(greedy=False, temperature=0.01, repetition_penalty=1.005)
    assert share(params, scores)[7] == pytest.approx(3.56 / 4.56, abs=0.01)


def test_the_logits_that_it_is_given_stay_as_they_are():
    scores = logits()
    for top_k in (0, 3):
        params = SamplingParams(greedy=False, temperature=2, top_k=top_k, repetition_penalty=2)
        choose(scores, [params], torch.tensor([0.3]))

    assert torch.equal(scores, logits())


# --- what is told of a choice -------------------------------------------------------------------


@pytest.mark.parametrize("top_k", [0, 5])
@pytest.mark.parametrize("penalty", [1, 2])
def test_scores_are_the_models_own(top_k: int, penalty: float):
    params = SamplingParams(greedy=False, temperature=3, top_k=top_k, repetition_penalty=penalty)
    logprobs = logits().double().log_softmax(-1)[0]
    best = logprobs.topk(CANDIDATES)
    for number in GRID[:: len(GRID) // 20]:
        token, found = choose(logits(), [params], number[None])[0]

        assert found.logprob == pytest.approx(logprobs[token].item(), abs=1e-5)
        assert found.rank == (logprobs > logprobs[token]).sum() + 1
        assert found.entropy == pytest.approx(-(logprobs.exp() * logprobs).sum().item(), abs=1e-4)
        assert found.eos_logprob == pytest.approx(logprobs[EOS].item(), abs=1e-5)
        assert found.candidate_ids == tuple(best.indices.tolist())
        assert found.candidate_logprobs == pytest.approx(best.values.tolist(), abs=1e-5)


# --- seeds --------------------------------------------------------------------------------------


def test_a_seed_repeats_its_numbers_and_nothing_else_disturbs_them():
    params = SamplingParams(greedy=False, seed=9)
    first = draws(params, 50)
    torch.rand(3)
    draws(replace(params, seed=10), 50)

    assert torch.equal(draws(params, 50), first)
    # A longer answer begins as the shorter one.
    assert torch.equal(draws(params, 80)[:50], first)
    assert not torch.equal(draws(replace(params, seed=10), 50), first)
    assert not torch.equal(draws(replace(params, seed=None), 50), first)


@pytest.mark.parametrize("seed", [0, MAX_SEED])
def test_every_allowed_seed_gives_numbers_from_0_to_below_1(seed: int):
    numbers = draws(SamplingParams(greedy=False, seed=seed), 2000)

    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert numbers.mean() == pytest.approx(0.5, abs=0.05)


def test_drawn_seeds_are_allowed_and_differ():
    seeds = {SamplingParams(seed=draw_seed()).seed for _ in range(100)}

    assert len(seeds) == 100


@pytest.mark.parametrize(
    ("top_k", "expected"), [(0, True), (1, False), (NARROW, False), (NARROW + 1, True)]
)
def test_all_tokens_are_sorted_only_where_that_is_needed(top_k: int, expected: bool):
    assert is_wide(SamplingParams(top_k=top_k, greedy=False)) is expected
    assert not is_wide(SamplingParams(top_k=top_k, greedy=True))


def test_settings_can_be_put_in_the_place_of_others():
    rng = random.Random(1)
    before, after = ([random_params(rng) for _ in range(4)] for _ in range(2))
    scores = torch.cat([logits(seed) for seed in range(4)])
    rows, numbers = SamplingRows.of(before, CPU), torch.full((4,), 0.4)
    columns = [getattr(rows, name) for name in rows.__slots__]

    rows.copy_(SamplingRows.of(after, CPU))

    # The same tensors, as a captured graph reads them.
    for name, column in zip(rows.__slots__, columns, strict=True):
        assert getattr(rows, name) is column
    wanted = sample(scores, SamplingRows.of(after, CPU), numbers, EOS, wide=True)
    assert torch.equal(sample(scores, rows, numbers, EOS, wide=True), wanted)
