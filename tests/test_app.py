"""`python app.py` with bad input: one sentence with the next step, an exit status, no traceback."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EMBEDDED = ROOT / "assets" / "yuan2-embedded"


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "app.py", *flags], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def ends_in_one_sentence(result: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert lines[-1].startswith("error: ")
    return lines[-1]


def copy_of_embedded(folder: Path, *names: str) -> Path:
    for name in names:
        shutil.copy(EMBEDDED / name, folder / name)
    return folder


@pytest.mark.parametrize(
    "flags",
    [
        ("--port", "99999"),
        ("--auth", "no-colon"),
        ("--context-window", "12"),
        ("--dtype", "int3"),
        ("--device-map", "{broken"),
        ("--no-such-flag",),
    ],
    ids=" ".join,
)
def test_wrong_flag_names_the_flag(flags):
    result = run(*flags)

    assert result.returncode == 2
    assert flags[0] in ends_in_one_sentence(result)


def test_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = run("--port", port)

    assert result.returncode == 2
    assert port in ends_in_one_sentence(result)


def test_folder_without_weights(tmp_path):
    folder = copy_of_embedded(tmp_path, "config.json", "tokenizer.model")
    result = run("--model", str(folder), "--port", "7999")

    assert result.returncode == 1
    assert str(folder) in ends_in_one_sentence(result)


def test_truncated_safetensors(tmp_path):
    folder = copy_of_embedded(tmp_path, "config.json", "tokenizer.model", "model.safetensors")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000_000])
    result = run("--model", str(folder), "--port", "7999")

    assert result.returncode == 1
    assert "model.safetensors" in ends_in_one_sentence(result)
