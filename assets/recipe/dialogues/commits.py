"""Small changes to a program, each with the line that a commit would say of it."""

import re
from collections.abc import Callable
from random import Random

from assets.recipe.dialogues.knowledge import read_json

Change = Callable[[Random, str], tuple[str, str, str] | None]
_OPERATORS = {" + ": " - ", " - ": " + ", " * ": " + ", " > ": " < ", " < ": " > ", " == ": " != "}


def changed(rng: Random, source: str) -> tuple[str, str, str]:
    """The program before and after a change, and the message."""
    while True:
        made = rng.choice(_CHANGES)(rng, source)
        if made is not None and made[0] != made[1]:
            return made


def _function(source: str) -> str:
    found = re.search(r"def (\w+)", source)
    assert found is not None, source
    return found[1]


def _other(rng: Random, table: str, *taken: str) -> str:
    return rng.choice([name for name in read_json("functions")[table] if name not in taken])


def _rename_function(rng: Random, source: str) -> tuple[str, str, str]:
    old, new = _function(source), _other(rng, "function_names", _function(source))
    before, after = _renamed(source, old, new), source
    # The better name is the one that says what the function does; sometimes it is the other one.
    if rng.random() < 0.35:
        return source, before, f"Rename {old} to {new}"
    return before, after, f"Rename {new} to {old}"


def _rename_variable(rng: Random, source: str) -> tuple[str, str, str] | None:
    names = [
        name
        for name in dict.fromkeys(re.findall(r"\b[a-z]\w*\b", source))
        if name in read_json("functions")["names"] and name != _function(source)
    ]
    if not names:
        return None
    old = rng.choice(names)
    new = _other(rng, "names", *re.findall(r"\w+", source))
    return source, _renamed(source, old, new), f"Rename {old} to {new}"


def _renamed(source: str, old: str, new: str) -> str:
    return re.sub(rf"\b{old}\b", new, source)


def _add_docstring(rng: Random, source: str) -> tuple[str, str, str] | None:
    if '"""' in source:
        return None
    name = _function(source)
    lines = source.split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith("def"))
    words = name.replace("_", " ").capitalize()
    text = rng.choice((words, f"{words} the input", f"Return {words.lower()}", "Do the work"))
    lines.insert(at + 1, f'    """{text}."""')
    return source, "\n".join(lines), f"Add a docstring to {name}"


def _add_comment(rng: Random, source: str) -> tuple[str, str, str]:
    comment = rng.choice(("# TODO: test this", "# see the manual", "# works for numbers only"))
    return source, f"{comment}\n{source}", f"Add a comment to {_function(source)}"


def _fix_operator(rng: Random, source: str) -> tuple[str, str, str] | None:
    present = [operator for operator in _OPERATORS if operator in source]
    if not present:
        return None
    right = rng.choice(present)
    before = source.replace(right, _OPERATORS[right], 1)
    return before, source, f"Fix the operator in {_function(source)}"


def _check_zero(rng: Random, source: str) -> tuple[str, str, str] | None:
    found = re.search(r"(\w+) / (\w+)$", source, re.MULTILINE)
    if found is None or found[2].isdigit():
        return None
    lines = source.split("\n")
    at = next(number for number, line in enumerate(lines) if found[0] in line)
    value = rng.choice(("None", "0"))
    lines[at:at] = [f"    if {found[2]} == 0:", f"        return {value}"]
    return source, "\n".join(lines), "Handle division by zero"


def _check_empty(rng: Random, source: str) -> tuple[str, str, str] | None:
    found = re.search(r"def \w+\((\w+)\):", source)
    if found is None or found[1] not in read_json("functions")["plural_names"]:
        return None
    lines = source.split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith("def"))
    lines[at + 1 : at + 1] = [
        f"    if not {found[1]}:",
        f"        return {rng.choice(('None', '0'))}",
    ]
    return source, "\n".join(lines), f"Handle empty {found[1]} in {_function(source)}"


def _debug_print(rng: Random, source: str) -> tuple[str, str, str]:
    lines = source.split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith("def"))
    name = _other(rng, "names")
    text = rng.choice((f"    print('debug', {name})", f"    print({name})", "    print('here')"))
    lines.insert(at + 1, text)
    longer = "\n".join(lines)
    if rng.random() < 0.75:
        return longer, source, "Remove the debug print"
    return source, longer, "Add a debug print"


def _setting(rng: Random, source: str) -> tuple[str, str, str]:
    name = rng.choice(
        ("timeout", "port", "retries", "limit", "size", "version", "max_length", "width", "epochs")
    )
    name = name.upper() if rng.random() < 0.3 else name
    old, new = rng.sample(range(1, 200), 2)
    rest = f"\n\n\n{source}" if rng.random() < 0.3 else ""
    return f"{name} = {old}{rest}", f"{name} = {new}{rest}", f"Change {name} from {old} to {new}"


def _spelling(rng: Random, source: str) -> tuple[str, str, str]:
    word = rng.choice(
        ("hello", "welcome", "finished", "received", "password", "address", "message", "success")
    )
    at = rng.randrange(1, len(word) - 1)
    wrong = rng.choice((word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:]))
    call = rng.choice(
        ("print('{}')", "title = '{}'", "# {}", "raise ValueError('{}')", "return '{}'")
    )
    return call.format(wrong), call.format(word), f"Fix the spelling of {word}"


def _add_import(rng: Random, source: str) -> tuple[str, str, str]:
    module = rng.choice(("os", "sys", "math", "json", "re", "random", "time", "numpy", "logging"))
    text = rng.choice((source, "x = 1", "print('hello')", "data = []"))
    longer = f"import {module}\n\n{text}"
    if rng.random() < 0.75:
        return text, longer, f"Import {module}"
    return longer, text, f"Remove the import of {module}"


def _add_parameter(rng: Random, source: str) -> tuple[str, str, str]:
    name = _function(source)
    parameter = _other(rng, "names", *re.findall(r"\w+", source))
    default = rng.choice(("", "=0", "=None", "=True"))
    after = re.sub(
        rf"def {name}\(([^)]*)\):",
        lambda found: f"def {name}({found[1]}{', ' if found[1] else ''}{parameter}{default}):",
        source,
    )
    if rng.random() < 0.3:
        greet = (
            "def hi():\n    print('hi')",
            f"def hi({parameter}):\n    print('hi', {parameter})",
        )
        return *greet, f"Add the parameter {parameter} to hi"
    return source, after, f"Add the parameter {parameter} to {name}"


def _use_pi(rng: Random, source: str) -> tuple[str, str, str] | None:
    if "math.pi" not in source:
        return None
    body = source.replace("import math\n", "").lstrip("\n")
    return body.replace("math.pi", "3.14"), source, "Use math.pi"


def _add_function(rng: Random, source: str) -> tuple[str, str, str]:
    name = _other(rng, "function_names", _function(source))
    more = f"{source}\n\n\ndef {name}():\n    pass"
    if rng.random() < 0.6:
        return source, more, f"Add {name}"
    return more, source, f"Remove {name}"


_CHANGES: tuple[Change, ...] = (
    _rename_function,
    _rename_variable,
    _add_docstring,
    _add_comment,
    _fix_operator,
    _check_zero,
    _check_zero,
    _check_empty,
    _debug_print,
    _setting,
    _spelling,
    _add_import,
    _add_parameter,
    _use_pi,
    _add_function,
)
