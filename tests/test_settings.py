"""Flags and variables give the same settings; a wrong value is one sentence and never a guess."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from yuan_demo.core.errors import SettingsError
from yuan_demo.model.locate import EMBEDDED_FOLDER
from yuan_demo.settings import available_cores, load_settings, require_free_port

PROJECT = Path(__file__).resolve().parents[1]

EVERY_SETTING = [
    ("model", "hf:owner/name", "hf:owner/name"),
    ("host", "0.0.0.0", "0.0.0.0"),
    ("port", "8080", 8080),
    ("auth", "teacher:a:b", ("teacher", "a:b")),
    ("context-window", "64", 64),
    ("dtype", "bfloat16", "bfloat16"),
    ("quantize", "int8", "int8"),
    ("device-map", '{"": "cpu"}', '{"": "cpu"}'),
    ("threads", "3", 3),
    ("offload-folder", "/somewhere", "/somewhere"),
    ("slots", "256", 256),
    ("answer-seconds", "30", 30),
]


def refusal(argv: list[str], environ: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as refused:
        load_settings(argv, environ or {})
    message = str(refused.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


def variable(name: str) -> str:
    return f"YUAN_DEMO_{name.upper().replace('-', '_')}"


def test_without_arguments_the_embedded_model_is_served_to_this_machine_only() -> None:
    settings = load_settings([], {})
    assert settings.model == str(EMBEDDED_FOLDER)
    assert EMBEDDED_FOLDER == PROJECT / "assets" / "yuan2-embedded"
    assert (settings.host, settings.port, settings.share) == ("127.0.0.1", 7860, False)
    assert (settings.auth, settings.context_window, settings.offload_folder) == (None, None, None)
    assert (settings.dtype, settings.quantize, settings.device_map) == ("auto", "none", "auto")
    assert (settings.slots, settings.answer_seconds) == (None, 600)
    assert settings.threads == max(1, available_cores() - 1)


@pytest.mark.parametrize(("name", "text", "value"), EVERY_SETTING)
def test_flag_and_variable_say_the_same_and_the_flag_wins(
    name: str, text: str, value: object
) -> None:
    field = name.replace("-", "_")
    assert getattr(load_settings([f"--{name}", text], {}), field) == value
    assert getattr(load_settings([], {variable(name): text}), field) == value
    # A variable that is overruled is not looked at, so it may even be wrong.
    assert getattr(load_settings([f"--{name}={text}"], {variable(name): ""}), field) == value


def test_no_limit_is_written_as_0() -> None:
    assert load_settings(["--answer-seconds", "0"], {}).answer_seconds is None


@pytest.mark.parametrize(
    ("argv", "word", "shared"),
    [
        ([], "true", True),
        ([], "ON", True),
        ([], "1", True),
        ([], "no", False),
        ([], "", False),
        (["--share"], "no", True),
        (["--no-share"], "yes", False),
    ],
)
def test_share_is_a_word_or_a_flag(argv: list[str], word: str, shared: bool) -> None:
    assert load_settings(argv, {"YUAN_DEMO_SHARE": word}).share is shared


@pytest.mark.parametrize("environ", [{"MODELSCOPE_ENVIRONMENT": "studio"}, {"SPACE_ID": "a/b"}])
def test_studio_is_reached_from_outside(environ: dict[str, str]) -> None:
    settings = load_settings([], environ)
    assert (settings.host, settings.port) == ("0.0.0.0", 7860)
    assert load_settings(["--host", "127.0.0.1"], environ).host == "127.0.0.1"


@pytest.mark.parametrize("is_flag", [True, False], ids=["flag", "variable"])
@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("port", "0", ["1 to 65535", "'0'", "7860"]),
        ("port", "65536", ["1 to 65535", "'65536'"]),
        ("port", "-1", ["'-1'"]),
        ("port", "８０８０", ["whole number"]),
        ("port", "7_860", ["'7_860'"]),
        ("port", "9" * 5000, ["whole number"]),
        ("port", "", ["''"]),
        ("context-window", "63", ["64 or more", "'63'", "2048"]),
        ("context-window", "1e3", ["whole number", "'1e3'"]),
        ("context-window", "1000.5", ["whole number"]),
        ("threads", "0", ["1 to 1024", "'0'"]),
        ("slots", "0", ["1 to 256", "'0'", "16"]),
        ("slots", "257", ["1 to 256", "'257'"]),
        ("slots", "many", ["whole number"]),
        ("answer-seconds", "-1", ["0 or more", "'-1'", "600"]),
        ("answer-seconds", "1.5", ["whole number"]),
        ("dtype", "int8", ["auto, bfloat16, float16, float32", "'int8'"]),
        ("dtype", "", ["''"]),
        ("quantize", "int2", ["none, int8, int4", "'int2'", "Use none"]),
        ("quantize", "INT8", ["'INT8'"]),
        ("quantize", "", ["''"]),
        ("device-map", "{", ["valid JSON", "{"]),
        ("device-map", "[1]", ["an object", "[1]"]),
        ("device-map", "{}", ["an object"]),
        ("device-map", " ", ["must not be empty"]),
        ("model", "", ["must not be empty"]),
        ("host", "", ["must not be empty"]),
        ("offload-folder", "", ["must not be empty"]),
        ("auth", "", ["USER:PASSWORD", "no colon"]),
        ("auth", ":secret", ["an empty side"]),
        ("auth", "teacher:", ["an empty side"]),
    ],
)
def test_wrong_value_is_refused_with_its_name_and_a_right_one(
    name: str, text: str, words: list[str], is_flag: bool
) -> None:
    message = refusal([f"--{name}={text}"]) if is_flag else refusal([], {variable(name): text})
    for word in [*words, f"--{name}" if is_flag else variable(name)]:
        assert word in message


def test_share_variable_must_be_a_boolean_word() -> None:
    message = refusal([], {"YUAN_DEMO_SHARE": "perhaps"})
    assert "YUAN_DEMO_SHARE" in message
    assert "'perhaps'" in message


def test_password_is_in_no_message_and_no_repr() -> None:
    assert "hunter2" not in refusal(["--auth", "hunter2"])
    assert "hunter2" not in repr(load_settings(["--auth", "teacher:hunter2"], {}))


@pytest.mark.parametrize(
    "argv", [["--prot", "1"], ["--port"], ["surplus"], ["--por", "80"], ["--share=yes"]]
)
def test_unknown_and_unfinished_flags_point_to_help(argv: list[str]) -> None:
    assert "--help" in refusal(argv)


def test_help_names_every_flag_and_imports_nothing_heavy() -> None:
    script = (
        "import sys, yuan_demo.settings as s\n"
        "try: s.load_settings(['--help'], {})\n"
        "finally: print('HEAVY', {'torch', 'transformers', 'gradio'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", script]
    shown = subprocess.run(
        command, cwd=PROJECT, env=os.environ | {"COLUMNS": "80"}, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert "HEAVY set()" in shown.stdout
    assert "examples:" in shown.stdout
    for name in [f"--{name}" for name, _, _ in EVERY_SETTING] + ["--share", "--version"]:
        assert name in shown.stdout


@pytest.mark.parametrize(
    ("content", "expected"),
    [("200000 100000\n", 2), ("50000 100000\n", 1), ("max 100000\n", None), ("?", None)],
)
def test_cores_of_a_container_are_its_share(
    content: str, expected: int | None, tmp_path: Path
) -> None:
    quota_file = tmp_path / "cpu.max"
    whole_machine = available_cores(quota_file)
    quota_file.write_text(content)
    assert available_cores(quota_file) == min(expected or whole_machine, whole_machine)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_taken_port_is_refused_with_a_free_one(taken_port: int) -> None:
    with pytest.raises(SettingsError) as refused:
        require_free_port("127.0.0.1", taken_port)
    message = str(refused.value)
    assert str(taken_port) in message
    suggested = int(message.partition("--port ")[2].partition(",")[0])
    require_free_port("127.0.0.1", suggested)
    with socket.create_server(("127.0.0.1", suggested)):
        pass


def test_free_port_is_left_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    require_free_port("127.0.0.1", port)
    require_free_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a" * 300, "127.0.0.1.5"])
def test_host_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match=r"an address of this machine.*--host 127\.0\.0\.1"):
        require_free_port(host, 7860)
