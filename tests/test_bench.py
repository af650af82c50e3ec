"""The arithmetic and the arguments of the benchmark; what it measures is nobody's promise here."""

import base64
import json
import math
import zlib
from pathlib import Path

import pytest
import torch

from yuan_demo.bench import BenchError
from yuan_demo.bench.__main__ import main
from yuan_demo.bench.page import Edit, Repaint, link_fragment
from yuan_demo.bench.report import Report, percentile, share_within, table
from yuan_demo.bench.server import widened
from yuan_demo.bench.ui import DRAFT, latencies, limit_ms
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
        ["engine", "--new-tokens", "many"],
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


@pytest.mark.parametrize("command", ["start", "ui", "engine", "linear"])
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
