"""The arithmetic and the arguments of the benchmark; what it measures is nobody's promise here."""

import base64
import json
import math
import re
import zlib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch

from yuan_demo.bench import BenchError, diagnostics, roofline, turns
from yuan_demo.bench.__main__ import main
from yuan_demo.bench.against import Rival, find_other
from yuan_demo.bench.page import Edit, Repaint, link_fragment
from yuan_demo.bench.report import Report, machine, percentile, share_within, table
from yuan_demo.bench.server import widened
from yuan_demo.bench.streams import Stream, overall_rate, ratios, steady_rate
from yuan_demo.bench.subject import random_model, shape_config, spread
from yuan_demo.bench.ui import DRAFT, latencies, limit_ms
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.sampler import SamplingRows, sample, unpack
from yuan_demo.model.configuration_yuan import YuanConfig
from yuan_demo.model.locate import EMBEDDED_FOLDER


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        (range(1, 11), 0.9, 9),
        (range(1, 41), 0.9, 36),
        (range(1, 41), 1, 40),
        ([7.0], 0.9, 7.0),
        ([3, 1, 2], 0.5, 2),
        ([5, 1], 0.01, 1),
    ],
)
def test_a_percentile_is_a_measured_value_that_the_share_does_not_exceed(
    values: list[float], share: float, expected: float
) -> None:
    found = percentile(values, share)
    assert found == expected
    assert sum(value <= found for value in values) >= math.ceil(share * len(values) - 1e-9)


@pytest.mark.parametrize(("values", "share"), [([], 0.9), ([1.0], 0.0), ([1.0], 1.5)])
def test_a_percentile_of_nothing_is_refused(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="need values"):
        percentile(values, share)


def test_a_value_at_the_limit_is_within_it() -> None:
    assert share_within([149.9, 150.0, 150.1, 300.0], 150.0) == 0.5


def test_a_table_lines_up_and_writes_a_dash_for_what_is_missing() -> None:
    lines = table([{"": "type", "ms": 118.4}, {"": "delete", "ms": 9.0, "n": 4}]).splitlines()
    assert lines[0].split() == ["ms", "n"]
    assert lines[2].split() == ["type", "118", "-"]
    assert lines[3].split() == ["delete", "9.00", "4"]
    assert len(set(map(len, lines))) == 1


def test_json_keeps_rows_samples_and_what_it_was_measured_on() -> None:
    report = Report("title", [{"ms": 1.5}], {"all": [1.0, 2.0]}, ["a note"])
    written = json.loads(report.to_json({"json": Path("x")}, {"cores": 2}))
    assert written["rows"] == [{"ms": 1.5}]
    assert written["samples"] == {"all": [1.0, 2.0]}
    assert written["machine"] == {"cores": 2}
    assert written["settings"] == {"json": "x"}


def test_parts_are_within_the_json() -> None:
    report = Report("title", [], parts=[Report("part", [{"ms": 1.5}], notes=["a note"])])
    assert report.to_text() == "title"
    assert json.loads(report.to_json({}, {}))["parts"][0]["rows"] == [{"ms": 1.5}]


def test_a_machine_without_gradio_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yuan_demo.bench.report.version", _absent)
    assert machine()["gradio"] is None


def _absent(package: str) -> str:
    raise PackageNotFoundError(package)


def test_an_edit_counts_until_the_panel_shows_it() -> None:
    edits = [Edit(0, "a"), Edit(200, "ab")]
    repaints = [Repaint(60, "a"), Repaint(275, "ab")]
    assert latencies(edits, repaints) == [60, 75]


def test_an_edit_that_a_later_one_replaced_counts_until_that_one_is_shown() -> None:
    edits = [Edit(0, "a"), Edit(50, "ab"), Edit(100, "abc")]
    repaints = [Repaint(120, "a"), Repaint(220, "abc")]
    assert latencies(edits, repaints) == [120, 170, 120]


def test_a_repaint_of_an_earlier_text_does_not_count() -> None:
    # The second edit takes back the first; "" was on the screen before, but not because of it.
    edits = [Edit(10, "a"), Edit(20, "")]
    assert latencies(edits, [Repaint(5, ""), Repaint(70, "a"), Repaint(90, "")]) == [60, 70]


def test_an_edit_that_is_never_shown_is_an_error() -> None:
    with pytest.raises(BenchError, match="never showed 'ab'"):
        latencies([Edit(0, "a"), Edit(200, "ab")], [Repaint(60, "a")])


def test_the_draft_has_the_40_characters_that_the_report_speaks_of() -> None:
    assert len(DRAFT) == 40


@pytest.mark.parametrize(
    ("tokens", "limit"), [(1, 150), (2000, 150), (2001, 250), (8000, 250), (9000, 250)]
)
def test_the_limit_of_an_edit_is_that_of_the_next_greater_length(tokens: int, limit: float) -> None:
    assert limit_ms(tokens) == limit


def test_a_scene_reads_as_it_was_written_from_its_link() -> None:
    scene = {"m": [["u", "你好 👋"], ["a", "x" * 5000]], "s": {"max_new_tokens": 1}}
    fragment = link_fragment(scene)

    packed = fragment.removeprefix("#s=")
    raw = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
    assert json.loads(zlib.decompress(raw, wbits=-zlib.MAX_WBITS)) == scene
    assert fragment.startswith("#s=")
    assert "=" not in packed


def test_a_widened_model_has_the_window_asked_for_and_is_gone_afterwards() -> None:
    with widened(EMBEDDED_FOLDER, 8256) as folder:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        own = json.loads((EMBEDDED_FOLDER / "config.json").read_text(encoding="utf-8"))
        assert config["max_position_embeddings"] == 8256
        assert config["hidden_size"] == own["hidden_size"]
        assert {path.name for path in folder.iterdir()} == {
            path.name for path in EMBEDDED_FOLDER.iterdir()
        }
    assert not folder.exists()


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["sprint"],
        ["ui", "--tokens", "0"],
        ["start", "--repeat", "-1"],
        ["decode"],
        ["engine", "--new-tokens", "many"],
        ["engine", "--shape", "3b"],
        ["engine", "--rows", "decode,speed"],
        ["ui", "--por", "1"],
    ],
)
def test_wrong_arguments_measure_nothing(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "usage: python -m yuan_demo.bench" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["start", "ui", "engine", "linear", "why"])
def test_a_flag_that_app_py_would_refuse_is_refused_in_its_words(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--threads", "none"]) == 2
    assert "--threads must be a whole number" in capsys.readouterr().err


def test_flags_of_app_py_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[list[str]] = []

    def measure(flags: list[str], *, repeat: int, answers: int) -> Report:
        handed.append(flags)
        return Report(f"{repeat} {answers}", [])

    monkeypatch.setattr("yuan_demo.bench.start.measure", measure)
    assert main(["start", "--device-map", '{"": "cpu"}', "--context-window", "512"]) == 0
    assert handed == [['--device-map={"": "cpu"}', "--context-window=512"]]


def test_every_kind_of_linear_layer_that_this_machine_has_gets_a_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from yuan_demo.bench import linear

    monkeypatch.setattr(linear, "HEAD_SHAPE", (64, 2048))
    monkeypatch.setattr(linear, "LAYER_SHAPES", ((64, 2048), (64, 1024), (64, 8192)) * 2)
    monkeypatch.setattr(linear, "BANDWIDTH_BYTES", 2**20)
    report = linear.measure(
        dtype=torch.float32, threads=torch.get_num_threads(), layers=2, batches=[1, 3], repeat=2
    )
    names = [(row[""], row["M"]) for row in report.rows]
    assert names == [
        (name, batch) for batch in (1, 3) for name in ("default", "prepacked", "int8", "int4")
    ]
    assert {row["ratio"] for row in report.rows if row[""] == "default"} == {1.0}
    assert len(report.samples["int4, M = 3, s"]) == 2


def test_more_than_the_memory_holds_is_refused() -> None:
    from yuan_demo.bench import linear

    with pytest.raises(BenchError, match="--layers 8"):
        linear.measure(dtype=torch.bfloat16, threads=1, layers=1_000_000, batches=[1], repeat=1)


@pytest.mark.parametrize(
    ("kind", "expected"), [("none", 2048), ("auto", 2048), ("int8", 1024), ("int4", 544)]
)
def test_bytes_of_1024_bfloat16_weights(kind: str, expected: int) -> None:
    from yuan_demo.bench.linear import weight_bytes

    assert weight_bytes(kind, 1024, torch.bfloat16) == expected


# --- engine -------------------------------------------------------------------------------------

SMALL = YuanConfig(
    vocab_size=10,
    hidden_size=4,
    intermediate_size=6,
    num_hidden_layers=2,
    num_attention_heads=2,
    pad_token_id=0,
)


def test_the_roofline_of_a_small_model_is_what_a_pencil_says() -> None:
    # A layer: 4 x 16 of attention, 2 x 16 of the filter, 3 x 24 of the feed-forward, 3 norms of 4,
    # biases of 2 and 4: 186. Two of them, the last norm of 4 and the head of 40: 416 weights.
    assert roofline.weights_per_step(SMALL) == 2 * 186 + 4 + 40
    # Two layers, a key and a value of 4 numbers of 2 bytes each.
    assert roofline.bytes_per_position(SMALL, itemsize=2) == 32
    moved = roofline.step_bytes(SMALL, filled=[3, 5], itemsize=2)
    assert moved == 2 * 416 + 8 * 32
    assert roofline.tokens_per_second(moved, rows=2, bandwidth=1088e3) == 2000


@pytest.mark.parametrize(
    ("shape", "billions"), [("embedded", 0.014184), ("2b", 2.0888), ("51b", 51.844)]
)
def test_a_step_reads_every_weight_of_a_tied_model_once(shape: str, billions: float) -> None:
    config = shape_config(shape)
    assert roofline.weights_per_step(config) / 1e9 == pytest.approx(billions, rel=1e-4)
    assert config.eod_token_id == 8175, "that of the tokenizer that comes with it"


def test_a_random_model_has_as_many_parameters_as_a_step_reads_and_is_the_same_every_time() -> None:
    config = shape_config("embedded", layers=1)
    one, same = (random_model(config, "x", "bfloat16", "cpu") for _ in range(2))
    assert one.parameter_count == roofline.weights_per_step(config)
    assert one.model.dtype is torch.bfloat16
    for mine, other in zip(one.model.parameters(), same.model.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_layers_are_spread_evenly_and_a_tied_head_stays_with_the_embedding() -> None:
    devices = [torch.device("cuda", 0), torch.device("cuda", 1)]
    places = spread(shape_config("2b", layers=5), devices)
    assert [places[f"model.layers.{i}"].index for i in range(5)] == [0, 0, 0, 1, 1]
    assert (places["lm_head"].index, places["model.norm"].index) == (0, 1)


def _stream(asked: float, *arrived: float) -> Stream:
    return Stream(asked, arrived, tuple(range(len(arrived))))


def test_rates_of_visitors() -> None:
    streams = [_stream(0, 1, 2, 3, 4), _stream(0, 2, 3, 4, 5)]
    assert streams[0].first_seconds == 1
    assert streams[0].tokens_per_second == 1
    assert overall_rate(streams) == 8 / 5
    assert steady_rate(streams) == 2, "from 2 to 4 both are written"
    assert steady_rate([_stream(0, 1, 2), _stream(0, 3, 4)]) is None
    assert ratios([(1, 2), (2, 2), (1, 5)]) == (2, 1, 5)


@pytest.mark.parametrize("greedy", [True, False])
def test_the_double_without_diagnostics_chooses_the_same_tokens(greedy: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 100, generator=generator)
    rows = SamplingRows.of([SamplingParams(greedy=greedy)] * 3, logits.device)
    draw = torch.rand(3, generator=generator)
    told = unpack(sample(logits, rows, draw, -1))
    untold = unpack(diagnostics.choose_only(logits, rows, draw, -1))
    assert [token_id for token_id, _ in untold] == [token_id for token_id, _ in told]
    assert untold[0][1].candidate_ids == ()


OTHER = """
def load(model, device, dtype):
    return [model, device, dtype]

def prefill(handle, ids):
    handle.append(ids)
    return 7

def decode(handle, count):
    return [8] * count
"""


def test_a_file_with_the_three_functions_is_called_with_a_model_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OTHER, encoding="utf-8")
    rival = Rival(find_other(str(file)), random_model(SMALL, "x", "float32", "cpu"))
    assert rival.prefill([1, 2])[1] == 7
    assert rival.decode(3)[1] == [8, 8, 8]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def load(model, device, dtype): ...\ndecode = 3\n", "lacks prefill, decode"),
        ("import no_such_module_of_anybody", "must run.*ModuleNotFoundError"),
        (None, "must be reference, no-cache or a Python file"),
    ],
)
def test_a_file_that_cannot_be_timed_is_refused_before_anything_is_loaded(
    text: str | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    assert main(["engine", "--against", str(file)]) == 2
    out, err = capsys.readouterr()
    assert re.search(message, err)
    assert "Loading" not in out


def test_functions_that_fail_or_return_too_little_are_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OTHER.replace("[8] * count", "[8]").replace("return 7", "1 / 0"), "utf-8")
    rival = Rival(find_other(str(file)), random_model(SMALL, "x", "float32", "cpu"))
    with pytest.raises(BenchError, match=r"prefill of .* raised ZeroDivisionError"):
        rival.prefill([1])
    with pytest.raises(BenchError, match="must return 3 tokens; it returned 1"):
        rival.decode(3)


@pytest.mark.parametrize("other", ["reference", "no-cache"])
def test_the_engine_is_measured_from_end_to_end(
    other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(roofline, "measured_bandwidth", lambda device: 1e10)
    monkeypatch.setattr(turns, "ANSWER_TOKENS", 3)
    file = tmp_path / "figures.json"
    quick = "--repeat 1 --new-tokens 4 --contexts 16 4096 --visitors 1 3 --prefill 40 --soak 20"
    flags = f"engine --shape embedded --layers 1 --dtype float32 --device-map cpu {quick}"

    assert main([*flags.split(), "--against", other, "--json", str(file)]) == 0

    written = json.loads(file.read_text(encoding="utf-8"))
    parts = {part["title"].split(",")[0].split(":")[0]: part for part in written["parts"]}
    assert list(parts) == [
        "one visitor", "visitors at once", "reading a prompt", "time to the first token",
        "candidates", "memory", "soak",
    ]  # fmt: skip
    assert all(part["rows"] for part in written["parts"])
    assert "random embedded, 1 layers" in written["title"]
    sampling, greedy = parts["one visitor"]["rows"]
    assert greedy["same ids"] == "yes"
    assert greedy["% of it"] == pytest.approx(
        100 * greedy["tokens/s"] / greedy["roofline tokens/s"]
    )
    assert greedy["ratio"] == pytest.approx(greedy["tokens/s"] / greedy["other tokens/s"])
    assert "ratio" not in sampling
    assert "Left out: 4096 tokens; the window is 2048." in parts["one visitor"]["notes"]
    assert [row["at once"] for row in parts["visitors at once"]["rows"]] == [1, 3]
    first, *later = parts["time to the first token"]["rows"]
    assert (first["ratio to turn 1"], first["reused tokens"]) == (1, 0)
    assert all(0 < row["reused tokens"] < row["prompt tokens"] for row in later)
    assert parts["soak"]["notes"] == ["Ids of 10 of 10 answers are those of generate."]
    assert [row["requests"] for row in parts["soak"]["rows"]] == [2, 2]
    assert "same ids" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--shape 2b --model x", "give one of the two"),
        ("--layers 2", "Only a random model can be cut to 2 layers"),
        ("--shape embedded --layers 1 --context-window 64 --contexts 60", "window of 64 tokens"),
        ('--shape embedded --device-map {"":"cpu"}', "--device-map is an object"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_a_sentence(
    flags: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(roofline, "measured_bandwidth", lambda device: 1e10)
    assert main(["engine", *flags.split(), "--rows", "decode"]) == 2
    assert message in capsys.readouterr().err


def test_causes_are_timed_and_their_passes_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "--turns", "2", "--repeat", "1", "--context-window", "256"]) == 0

    printed = capsys.readouterr().out
    assert "Causes of 16 tokens, 2 turns" in printed
    # The whole, two turns, and the strongest of them: two messages, one of two sentences, or three.
    assert re.search(r"to its sentences +[5-8] ", printed)
    assert "gradient times input" in printed
