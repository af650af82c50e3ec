"""What the demo is started with: flags, and a `YUAN_DEMO_…` variable for each of them.

Studios and Spaces start `app.py` without arguments, so everything a flag can say an environment
variable can say too; a flag wins. Nothing heavy is imported: `--help` answers at once.
"""

import argparse
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from yuan_demo import __version__
from yuan_demo.core.errors import SettingsError
from yuan_demo.model.locate import EMBEDDED_FOLDER

DEFAULT_PORT = 7860
DEFAULT_ANSWER_SECONDS = 600
MOST_SLOTS = 256
SMALLEST_CONTEXT_WINDOW = 64
DTYPES = ("auto", "bfloat16", "float16", "float32")
QUANTIZATIONS = ("none", "int8", "int4")

_TRUE_WORDS = ("1", "true", "yes", "on")
_FALSE_WORDS = ("0", "false", "no", "off", "")

_EXAMPLES = """\
examples:
  python app.py
      the small model that ships with the demo, on http://127.0.0.1:7860
  python app.py --model IEITYuan/Yuan2-2B-Mars-hf
      the 2-billion model, downloaded once (4 GB) from ModelScope, or else from Hugging Face
  python app.py --model ~/models/Yuan2-2B-hf --device-map cuda:1 --dtype bfloat16
      a folder on this disk, on the second GPU
  python app.py --share --auth teacher:chalk
      a public link, with a name and a password
  YUAN_DEMO_MODEL=hf:IEITYuan/Yuan2-2B-hf YUAN_DEMO_PORT=8080 python app.py
      the same by environment; a flag wins over its variable
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """One valid value for every flag.

    Attributes:
        model: a folder, `owner/name`, `ms:owner/name` or `hf:owner/name`.
        host: address to listen on; "0.0.0.0" is every address of the machine.
        port: 1 to 65535.
        share: whether to open a public link through Gradio's servers.
        auth: name and password that visitors must give, or None.
        context_window: tokens of prompt and answer together; None for what the model was made for.
        dtype: "auto", "bfloat16", "float16" or "float32".
        quantize: "none", "int8" or "int4": what the weights of linear layers are rounded to.
        device_map: "auto", a device, or a JSON object, as `load_checkpoint` takes it.
        threads: CPU threads of torch.
        offload_folder: where weights go that fit no memory, or None.
        slots: conversations computed at once, 1 to 256; None for what memory allows.
        answer_seconds: an answer that takes longer is ended; None for no limit.
    """

    model: str
    host: str
    port: int
    share: bool
    auth: tuple[str, str] | None = field(repr=False)
    context_window: int | None
    dtype: str
    quantize: str
    device_map: str
    threads: int
    offload_folder: str | None
    slots: int | None
    answer_seconds: int | None


def load_settings(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Reads flags and variables.

    Args:
        argv: the arguments after the name of the program: `sys.argv[1:]`.
        environ: `os.environ`, or what a test puts in its place.

    Raises:
        SettingsError: a value cannot work: the rule, the value, and what to do. Print it and exit
            with status 2, as command line programs do.
        SystemExit: with status 0, after `--help` or `--version`.
    """
    values = _values(vars(_parser().parse_args(list(argv))), environ)
    in_studio = environ.get("MODELSCOPE_ENVIRONMENT") == "studio" or bool(environ.get("SPACE_ID"))
    return Settings(
        # A studio's proxy reaches the app from outside its container, where 127.0.0.1 ends.
        host=values("host", _text, "0.0.0.0" if in_studio else "127.0.0.1"),
        model=values("model", _text, str(EMBEDDED_FOLDER)),
        port=values("port", _port, DEFAULT_PORT),
        share=values("share", _boolean, False),
        auth=values("auth", _auth, None),
        context_window=values("context_window", _context_window, None),
        dtype=values("dtype", _dtype, "auto"),
        quantize=values("quantize", _quantize, "none"),
        device_map=values("device_map", _device_map, "auto"),
        # One core stays free for the page: with all of them busy, keystrokes wait for tokens.
        threads=values("threads", _threads, max(1, available_cores() - 1)),
        offload_folder=values("offload_folder", _text, None),
        slots=values("slots", _slots, None),
        answer_seconds=values("answer_seconds", _answer_seconds, DEFAULT_ANSWER_SECONDS) or None,
    )


def available_cores(quota_file: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """CPU cores that this process may use.

    A container of 2 cores on a machine of 64 sees all 64 in `os.cpu_count()`; its share is in the
    control group (Linux, cgroup v2: quota and period in microseconds, or "max").
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text(encoding="ascii").split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return cores


def require_free_port(host: str, port: int) -> None:
    """Raises unless the app could listen on the port now; the message suggests a free one.

    Raises:
        SettingsError: the port is taken, needs other rights, or the host is not of this machine.
    """
    try:
        _listen(host, port)
    except PermissionError as error:
        raise SettingsError(
            f"A port below 1024 may need administrator rights; {port} was denied. "
            f"Use --port {DEFAULT_PORT}."
        ) from error
    except (socket.gaierror, OverflowError, UnicodeError) as error:
        raise _unusable_host(host) from error
    except OSError as error:
        raise _explain_port(host, port) from error


def _listen(host: str, port: int) -> int:
    """Binds and lets go; returns the port, which the system chooses if 0 is asked for."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as listener:
        if sys.platform != "win32":
            # Else a port whose last connections are being closed would count as taken, though
            # the server could have it; on Windows the option would mean the opposite.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1)
        return listener.getsockname()[1]


def _explain_port(host: str, port: int) -> SettingsError:
    try:
        free = _listen(host, 0)
    except OSError:
        return _unusable_host(host)
    return SettingsError(
        f"The port must be free; {port} on {host} is used by another program, perhaps an earlier "
        f"start of this one. Stop that program, or use --port {free}, which is free now."
    )


def _unusable_host(host: str) -> SettingsError:
    return SettingsError(
        f"The host must be an address of this machine; {host!r} is not. "
        f"Use --host 127.0.0.1, or --host 0.0.0.0 to be reached from other machines."
    )


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(
            f"Flags must be those that --help lists; {message}. "
            f"Run `python app.py --help` to see them."
        )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python app.py",
        description="Chat with a Yuan2 model and see exactly what it sees, token by token.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    model = parser.add_argument_group("the model")
    model.add_argument(
        "--model",
        metavar="MODEL",
        help="a folder, or an id owner/name: looked for on ModelScope, then on Hugging Face; "
        "ms:owner/name or hf:owner/name asks one of them only (default: the embedded model)",
    )
    model.add_argument(
        "--dtype",
        metavar="DTYPE",
        help="number format of the weights: auto, bfloat16, float16 or float32 (default: auto)",
    )
    model.add_argument(
        "--quantize",
        metavar="KIND",
        help="rounds the weights of linear layers to save memory and time: none, int8 (little is "
        "lost) or int4 (on a CPU only; answers change) (default: none)",
    )
    model.add_argument(
        "--device-map",
        metavar="MAP",
        help="where the weights go: auto, balanced, sequential, cpu, cuda, cuda:1, mps, or a JSON "
        "object from module names to devices (default: auto)",
    )
    model.add_argument(
        "--offload-folder",
        metavar="FOLDER",
        help="where weights go that fit no memory (default: none)",
    )
    model.add_argument(
        "--context-window",
        metavar="TOKENS",
        help=f"longest prompt and answer together, at least {SMALLEST_CONTEXT_WINDOW} "
        "(default: what the model was made for)",
    )
    model.add_argument(
        "--threads",
        metavar="N",
        help="CPU threads for the model (default: all cores but one, which serves the page)",
    )
    model.add_argument(
        "--slots",
        metavar="N",
        help=f"conversations computed at once, 1 to {MOST_SLOTS}; others wait in line "
        "(default: what memory allows)",
    )
    model.add_argument(
        "--answer-seconds",
        metavar="N",
        help="an answer that takes longer, its time in line included, is ended; 0 for no limit "
        f"(default: {DEFAULT_ANSWER_SECONDS})",
    )
    page = parser.add_argument_group("the page")
    page.add_argument(
        "--host",
        metavar="ADDRESS",
        help="address to listen on; 0.0.0.0 lets other machines in "
        "(default: 127.0.0.1, in a studio or Space 0.0.0.0)",
    )
    page.add_argument("--port", metavar="PORT", help=f"port to listen on (default: {DEFAULT_PORT})")
    page.add_argument(
        "--share",
        action="store_const",
        const="true",
        help="open a public link through Gradio's servers (default: the page stays here)",
    )
    page.add_argument(
        "--no-share",
        action="store_const",
        const="false",
        dest="share",
        help="overrule YUAN_DEMO_SHARE",
    )
    page.add_argument(
        "--auth", metavar="USER:PASSWORD", help="ask visitors for a name and a password"
    )
    parser.add_argument("--version", action="version", version=f"yuan-demo {__version__}")
    return parser


def _values(
    flags: Mapping[str, str | None], environ: Mapping[str, str]
) -> Callable[[str, Callable[[str, str], Any], Any], Any]:
    """A reader of one setting: the flag, else the variable, else the default."""

    def read(name: str, parse: Callable[[str, str], Any], default: Any) -> Any:
        variable = f"YUAN_DEMO_{name.upper()}"
        if flags[name] is not None:
            return parse(flags[name], f"--{name.replace('_', '-')}")
        if variable in environ:
            return parse(environ[variable], variable)
        return default

    return read


def _text(value: str, name: str) -> str:
    if not value.strip():
        raise SettingsError(
            f"{name} must not be empty; it is {value!r}. Give it a value, or leave it out."
        )
    return value


def _whole_number(value: str, name: str, *, least: int, most: int, example: str) -> int:
    rule = f"from {least} to {most}" if most < sys.maxsize else f"of {least} or more"
    # int() also takes `1_000`, ` 8 ` and Arabic digits: a mistake more often than a wish.
    is_number = value.isascii() and value.isdigit() and len(value) < 19
    if not is_number or not least <= int(value) <= most:
        raise SettingsError(
            f"{name} must be a whole number {rule}; it is {value!r}. Use for example {example}."
        )
    return int(value)


def _port(value: str, name: str) -> int:
    return _whole_number(value, name, least=1, most=65535, example=str(DEFAULT_PORT))


def _context_window(value: str, name: str) -> int:
    least = SMALLEST_CONTEXT_WINDOW
    return _whole_number(value, name, least=least, most=sys.maxsize, example="2048")


def _threads(value: str, name: str) -> int:
    return _whole_number(value, name, least=1, most=1024, example="2")


def _slots(value: str, name: str) -> int:
    return _whole_number(value, name, least=1, most=MOST_SLOTS, example="16")


def _answer_seconds(value: str, name: str) -> int:
    example = f"{DEFAULT_ANSWER_SECONDS}, or 0 for no limit"
    return _whole_number(value, name, least=0, most=sys.maxsize, example=example)


def _boolean(value: str, name: str) -> bool:
    word = value.strip().lower()
    if word not in _TRUE_WORDS + _FALSE_WORDS:
        raise SettingsError(
            f"{name} must be one of 1, true, yes, on, 0, false, no, off; it is {value!r}. "
            f"Set it to true or false."
        )
    return word in _TRUE_WORDS


def _auth(value: str, name: str) -> tuple[str, str]:
    user, colon, password = value.partition(":")
    if not (user and colon and password):
        # The value is not repeated: it may be a password, and terminals are shared and logged.
        raise SettingsError(
            f"{name} must be USER:PASSWORD with both sides filled; it has "
            f"{'an empty side' if colon else 'no colon'}. Use for example teacher:chalk."
        )
    return user, password


def _dtype(value: str, name: str) -> str:
    if value not in DTYPES:
        raise SettingsError(
            f"{name} must be one of {', '.join(DTYPES)}; it is {value!r}. Use auto if in doubt."
        )
    return value


def _quantize(value: str, name: str) -> str:
    if value not in QUANTIZATIONS:
        raise SettingsError(
            f"{name} must be one of {', '.join(QUANTIZATIONS)}; it is {value!r}. "
            f"Use none if in doubt, or int8 to save memory."
        )
    return value


def _device_map(value: str, name: str) -> str:
    if not value.lstrip().startswith(("{", "[")):
        return _text(value, name)
    try:
        content = json.loads(value)
    except ValueError as error:
        raise SettingsError(
            f"{name} in braces must be valid JSON; {value!r} is not ({error}). "
            f"""Use for example '{{"": "cpu"}}', or a plain name such as auto."""
        ) from error
    if not isinstance(content, dict) or not content:
        raise SettingsError(
            f"{name} as JSON must be an object from module names to devices; it is {value!r}. "
            f"""Use for example '{{"": "cpu"}}', or a plain name such as auto."""
        )
    return value
