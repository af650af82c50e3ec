import json
from dataclasses import replace
from typing import Any

import pytest

from tests.traces import MODEL, NASTY, NOTHING, make_trace, tokens_of
from yuan_demo.core.errors import PageError, SamplingError
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.core.trace import TraceFile, TraceScore
from yuan_demo.core.trace_reading import MAX_CHARACTERS, checked_trace, read_trace

EMPTY = make_trace(answer=tokens_of(), scores=(), pieces=(), loops=(), timings=None, text="")


@pytest.mark.parametrize("trace", [make_trace(), EMPTY], ids=["full", "empty"])
def test_what_is_read_and_written_again_is_the_same_byte_for_byte(trace: Any):
    text = trace.to_json()

    assert text.isascii()
    assert read_trace(text) == trace
    assert read_trace(text).to_json() == text


def test_a_minus_infinity_comes_back_as_one_and_a_half_character_as_half():
    trace = read_trace(make_trace().to_json())

    assert trace.scores[0].eod_logprob == NOTHING
    assert trace.scores[0].candidates[1][1] == NOTHING
    assert str(trace.scores[1].entropy) == "-0.0"
    assert trace.text == NASTY
    assert "\udc00" in trace.messages[0].content


def test_of_a_token_that_a_person_put_there_less_is_known():
    scores = (TraceScore(-2.0, 7, 1.5, None, ()), *make_trace().scores[1:])
    trace = make_trace(scores=scores)

    assert read_trace(trace.to_json()) == trace


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_numbers_that_json_lacks_are_never_written(value: float):
    broken = (TraceScore(value, 1, 0.0, 0.0, ()),) * 3

    with pytest.raises(ValueError, match="JSON"):
        make_trace(scores=broken).to_json()


def test_the_names_of_a_file_come_in_one_order():
    plain = json.loads(make_trace().to_json())
    shuffled = json.dumps(dict(reversed(plain.items())))

    assert list(plain)[:4] == ["kind", "version", "created", "turn"]
    assert read_trace(shuffled).to_json() == make_trace().to_json()


def test_numbers_as_a_page_writes_them_are_read():
    plain = json.loads(make_trace().to_json())
    plain["turn"], plain["settings"]["temperature"] = 2.0, 1
    plain["settings"]["top_k"] = 30.0

    trace = checked_trace(plain)

    assert (trace.turn, trace.settings) == (
        2,
        SamplingParams(64, False, 1.0, 30, 0.9, 1.2, 2**53 - 1),
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "trace_no_json"),
        ("hello", "trace_no_json"),
        (make_trace().to_json()[:-40], "trace_no_json"),
        ('{"kind": "yuan-demo-trace", "kind": 1}', "trace_no_json"),
        ('{"turn": NaN}', "trace_no_json"),
        ('{"turn": -Infinity}', "trace_no_json"),
        ("[]", "trace_other_kind"),
        ("5", "trace_other_kind"),
        ('{"messages": []}', "trace_other_kind"),
        (make_trace().to_json().replace('"version": 1', '"version": 2'), "trace_newer"),
        (make_trace().to_json().replace('"version": 1', '"version": "1"'), "trace_no_whole"),
        (make_trace().to_json().replace('"version": 1', '"version": 0'), "trace_no_whole"),
    ],
)
def test_what_is_no_trace_is_refused_by_name(text: str, code: str):
    with pytest.raises(PageError) as caught:
        read_trace(text)
    assert caught.value.code == code


def test_nothing_long_or_deep_gets_through():
    for text, code in (
        ("[" * 100_000, "trace_no_json"),
        ('{"turn": ' + "9" * 10_000 + "}", "trace_no_json"),
        (" " * (MAX_CHARACTERS + 1), "trace_too_large"),
    ):
        with pytest.raises(PageError) as caught:
            read_trace(text)
        assert caught.value.code == code


def test_a_newer_version_is_named():
    with pytest.raises(PageError) as caught:
        read_trace(make_trace().to_json().replace('"version": 1', '"version": 12'))
    assert caught.value.values == {"version": 12, "known": 1}


WRONG: list[tuple[str, Any, str, str]] = [
    ("created", "yesterday", "trace_no_form", "created"),
    ("created", "2026-02-31T00:00:00Z", "trace_no_form", "created"),
    ("turn", 0, "trace_no_whole", "turn"),
    ("turn", True, "trace_no_whole", "turn"),
    ("turn", 1.5, "trace_no_whole", "turn"),
    ("messages", {}, "trace_no_list", "messages"),
    ("messages.0", ["user"], "trace_no_list", "messages[0]"),
    ("messages.0.0", "system", "trace_no_choice", "messages[0][0]"),
    ("messages.0.0", ["user"], "trace_no_choice", "messages[0][0]"),
    ("messages.0.1", None, "trace_no_text", "messages[0][1]"),
    ("options.raw", 1, "trace_no_choice", "options.raw"),
    ("options.window", None, "trace_no_whole", "options.window"),
    ("options.pinned.0", -1, "trace_no_whole", "options.pinned[0]"),
    ("options", [], "trace_no_object", "options"),
    ("settings.greedy", "no", "trace_no_choice", "settings.greedy"),
    ("settings.temperature", "hot", "trace_no_number", "settings.temperature"),
    ("settings.seed", [1], "trace_no_number", "settings.seed"),
    ("prompt.ids", [], "trace_no_list", "prompt.ids"),
    ("prompt.ids.0", 500, "trace_no_whole", "prompt.ids[0]"),
    ("prompt.ids.0", -1, "trace_no_whole", "prompt.ids[0]"),
    ("prompt.pieces", ["a"], "trace_lengths", "prompt.pieces"),
    ("prompt.sizes", [1, 1, 1], "trace_lengths", "prompt.sizes"),
    ("prompt.sizes.0", 0, "trace_no_whole", "prompt.sizes[0]"),
    ("prompt.turns", [1], "trace_lengths", "prompt.turns"),
    ("prompt.origins", "uu", "trace_lengths", "prompt.origins"),
    ("prompt.origins", "uux", "trace_no_choice", "prompt.origins"),
    ("prompt.flags.0", [3, 1, None], "trace_no_whole", "prompt.flags[0][0]"),
    ("prompt.flags.0", [0, 16, None], "trace_no_whole", "prompt.flags[0][1]"),
    ("prompt.flags.0", [0, 1], "trace_no_list", "prompt.flags[0]"),
    ("finish", "tired", "trace_no_choice", "finish"),
    ("begun", 4, "trace_no_whole", "begun"),
    ("text", 5, "trace_no_text", "text"),
    ("scores", [], "trace_lengths", "scores"),
    ("scores.0.0", 1.0, "trace_no_number", "scores[0][0]"),
    ("scores.0.0", "inf", "trace_no_number", "scores[0][0]"),
    ("scores.0.0", None, "trace_no_number", "scores[0][0]"),
    ("scores.0.1", 501, "trace_no_whole", "scores[0][1]"),
    ("scores.0.2", 1e9, "trace_no_number", "scores[0][2]"),
    ("scores.0.4", 5, "trace_no_list", "scores[0][4]"),
    ("scores.0.4.0.0", 500, "trace_no_whole", "scores[0][4][0][0]"),
    ("scores.0.4.0.2", 1.5, "trace_no_number", "scores[0][4][0][2]"),
    ("pieces", [], "trace_no_object", "pieces"),
    ("pieces.500", "a", "trace_no_whole", "pieces.500"),
    ("pieces.+7", "a", "trace_no_whole", "pieces.+7"),
    ("pieces.x", "a", "trace_no_whole", "pieces.x"),
    ("pieces.7", 7, "trace_no_text", "pieces.7"),
    ("loops.0", [0, 1, 4], "trace_no_whole", "loops[0][2]"),
    ("loops.0", [0, 0, 3], "trace_no_whole", "loops[0][1]"),
    ("timings.prompt_seconds", -1, "trace_no_number", "timings.prompt_seconds"),
    ("timings", 5, "trace_no_object", "timings"),
    ("model.vocabulary", 0, "trace_no_whole", "model.vocabulary"),
    ("model.name", "a" * 301, "trace_no_text", "model.name"),
    ("model.files.0.sha256", "g" * 64, "trace_no_form", "model.files[0].sha256"),
    ("model.files.0.sha256", "a" * 63, "trace_no_text", "model.files[0].sha256"),
    ("more", 1, "trace_unknown", "more"),
    ("model.more", 1, "trace_unknown", "model.more"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "code", "where"), WRONG)
def test_a_wrong_value_is_named_with_its_place(path: str, value: Any, code: str, where: str):
    plain = json.loads(make_trace().to_json())
    *above, name = [int(part) if part.isdigit() else part for part in path.split(".")]
    target = plain
    for part in above:
        target = target[str(part) if isinstance(target, dict) else part]
    target[str(name) if isinstance(target, dict) else name] = value

    with pytest.raises(PageError) as caught:
        checked_trace(plain)

    assert (caught.value.code, caught.value.values["where"]) == (code, where)


@pytest.mark.parametrize("name", ["created", "scores", "model", "timings", "version"])
def test_nothing_may_be_missing(name: str):
    plain = json.loads(make_trace().to_json())
    del plain[name]

    with pytest.raises(PageError) as caught:
        checked_trace(plain)

    assert caught.value.code in ("trace_missing", "trace_no_whole")
    assert caught.value.values["where"] == name


def test_a_setting_outside_its_range_has_the_sentence_of_the_settings():
    plain = json.loads(make_trace().to_json())
    plain["settings"]["top_k"] = -4

    with pytest.raises(SamplingError, match="top_k"):
        checked_trace(plain)


def test_a_wrong_value_is_shown_shortened():
    plain = json.loads(make_trace().to_json())
    plain["finish"] = "a" * 1_000_000

    with pytest.raises(PageError) as caught:
        checked_trace(plain)

    assert len(caught.value.values["value"]) < 50


def test_models_are_the_same_by_the_bytes_of_their_files():
    renamed = replace(MODEL, name="other", files=(replace(MODEL.files[0], name="a.bin"),))
    changed = replace(MODEL, files=(TraceFile("model.safetensors", 28, "f" * 64),))

    assert MODEL.has_files_of(renamed)
    assert not MODEL.has_files_of(changed)
    assert not replace(MODEL, files=()).has_files_of(replace(MODEL, files=()))
