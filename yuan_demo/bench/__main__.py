"""`python -m yuan_demo.bench COMMAND`: prints a table; `--json FILE` keeps all numbers."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from yuan_demo.bench import PARTS, SHAPES, BenchError
from yuan_demo.bench.report import Report, machine
from yuan_demo.core.errors import YuanDemoError
from yuan_demo.settings import available_cores, load_settings

APP_FLAGS = (
    "model",
    "dtype",
    "quantize",
    "device-map",
    "offload-folder",
    "context-window",
    "slots",
    "threads",
)
"""Flags of app.py that change speed; here they mean the same."""


def main(argv: Sequence[str]) -> int:
    """Runs one command.

    Returns:
        The exit status: 0, or 2 if nothing could be measured. A missed limit is no failure.
    """
    options = _parser().parse_args(list(argv))
    before = machine()
    try:
        report = options.run(options, app_flags(options))
    except YuanDemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    after = {"load, 1 minute, at the end": machine()["load, 1 minute"]}
    print(" · ".join(f"{name} {value}" for name, value in (before | after).items()))
    print(report.to_text())
    if options.json:
        asked = {name: value for name, value in vars(options).items() if name != "run"}
        options.json.write_text(report.to_json(asked, before | after) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m yuan_demo.bench", description=__doc__, allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    start = _add(commands, "start", _start, "first page, first token, memory")
    start.add_argument("--repeat", type=_count, default=3, help="starts (default: 3)")
    start.add_argument("--answers", type=_count, default=5, help="answers per start (default: 5)")

    ui = _add(commands, "ui", _ui, "keystroke to repainted panel, opening the tab, in Chromium")
    ui.add_argument(
        "--tokens",
        type=_count,
        nargs="+",
        default=[50, 500, 2000, 8000],
        help="lengths of the prompt; longer than the window is left out (default: 50 to 8000)",
    )
    ui.add_argument("--pace", type=_count, default=150, help="ms between keys (default: 150)")
    ui.add_argument("--pastes", type=_count, default=10, help="pastes per length (default: 10)")
    ui.add_argument("--openings", type=_count, default=5, help="of the tab (default: 5)")
    ui.add_argument("--browser", metavar="FILE", help="a Chromium (default: the one on the PATH)")

    why = _add(commands, "why", _why, "finding the turn that an answer owes to")
    why.add_argument("--turns", type=_count, default=10, help="of the conversation (default: 10)")
    why.add_argument("--repeat", type=_count, default=3, help="conversations (default: 3)")

    linear = _add(
        commands,
        "linear",
        _linear,
        "products of a 2B model by kind of linear layer; all cores unless --threads says otherwise",
        flags=("dtype", "threads"),
    )
    linear.add_argument("--layers", type=_count, default=24, help="of the decoder (default: 24)")
    linear.add_argument(
        "--batches", type=_count, nargs="+", default=[1, 4], help="rows at a time (default: 1 4)"
    )
    linear.add_argument("--repeat", type=_count, default=10, help="passes (default: 10)")

    engine = _add(commands, "engine", _engine, "tokens per second, first token, memory, roofline")
    engine.add_argument("--shape", choices=SHAPES, help="a random model of that shape, no file")
    engine.add_argument("--layers", type=_count, help="of the random model (default: all)")
    engine.add_argument(
        "--rows", type=_parts, metavar="LIST", help=f"of {','.join(PARTS)} (default: all)"
    )
    engine.add_argument(
        "--contexts",
        type=_count,
        nargs="+",
        help="tokens before the answers; without room in the window left out "
        "(default: 16 1024 4096)",
    )
    engine.add_argument(
        "--visitors", type=_count, nargs="+", help="how many ask at once (default: 1 4 16 64)"
    )
    engine.add_argument("--visitor-context", type=_count, help="before each (default: 16)")
    engine.add_argument("--prefill", type=_count, nargs="+", help="tokens read (default: 1024)")
    engine.add_argument("--new-tokens", type=_count, help="per answer (default: 64)")
    engine.add_argument("--repeat", type=_count, help="measurements per figure (default: 3)")
    engine.add_argument("--soak", type=_count, help="so many short requests (default: none)")
    engine.add_argument(
        "--against",
        metavar="FILE",
        help="time another implementation in turn: reference, no-cache, or a Python file with "
        "load, prefill and decode (see yuan_demo/bench/against.py)",
    )
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace, list[str]], Report],
    text: str,
    *,
    flags: Sequence[str] = APP_FLAGS,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    command.set_defaults(run=run)
    command.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    app = command.add_argument_group("as app.py takes them")
    for flag in flags:
        app.add_argument(f"--{flag}", metavar=flag.rpartition("-")[2].upper())
    return command


def app_flags(options: argparse.Namespace) -> list[str]:
    """The flags for app.py, checked as app.py would check them.

    Raises:
        SettingsError: a value cannot work.
    """
    values = {flag: getattr(options, flag.replace("-", "_"), None) for flag in APP_FLAGS}
    flags = [f"--{flag}={value}" for flag, value in values.items() if value is not None]
    load_settings(flags, os.environ)
    return flags


# Each command imports what it needs, and only once the flags are known to be right.
def _start(options: argparse.Namespace, flags: list[str]) -> Report:
    from yuan_demo.bench import start

    return start.measure(flags, repeat=options.repeat, answers=options.answers)


def _ui(options: argparse.Namespace, flags: list[str]) -> Report:
    from yuan_demo.bench import ui

    return ui.measure(
        flags,
        sizes=options.tokens,
        pace_ms=options.pace,
        pastes=options.pastes,
        openings=options.openings,
        browser=options.browser,
    )


def _why(options: argparse.Namespace, flags: list[str]) -> Report:
    from yuan_demo.bench import why

    settings = load_settings(flags, os.environ)
    return why.measure(settings, turns=options.turns, repeat=options.repeat)


def _engine(options: argparse.Namespace, flags: list[str]) -> Report:
    from yuan_demo.bench import engine

    if options.shape and options.model:
        raise BenchError("--shape makes a random model, --model loads one; give one of the two.")
    asked = {field.name: getattr(options, field.name) for field in fields(engine.Plan)}
    plan = engine.Plan(**{name: value for name, value in asked.items() if value is not None})
    return engine.measure(load_settings(flags, os.environ), plan, options.shape, options.layers)


def _parts(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        raise argparse.ArgumentTypeError(
            f"must be of {','.join(PARTS)}, separated by commas, but {unknown[0]!r} is none of them"
        )
    return names


def _linear(options: argparse.Namespace, flags: list[str]) -> Report:
    from yuan_demo.bench import linear
    from yuan_demo.model.placement import parse_dtype

    settings = load_settings(flags, os.environ)
    return linear.measure(
        dtype=parse_dtype("bfloat16" if settings.dtype == "auto" else settings.dtype),
        threads=settings.threads if options.threads else available_cores(),
        layers=options.layers,
        batches=options.batches,
        repeat=options.repeat,
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, but is {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
