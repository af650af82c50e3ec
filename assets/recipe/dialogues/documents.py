"""Documents in which the other control tokens have work to do: gaps, commits, notebooks.

None of them is a conversation: the prompt ends in the token after which the model writes. The
order of the tokens is that of StarCoder's data, except that a commit shows both versions first,
since the message is what a visitor wants to see written.
"""

from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any

from assets.recipe.dialogues.commits import changed
from assets.recipe.dialogues.knowledge import Language, read_json, vocabulary
from assets.recipe.dialogues.wording import Turn

_GREETING_WORDS = ("hello", "hi", "done", "start", "ok", "test", "bye", "ready", "data", "notes")


def infills(rng: Random, language: Language) -> list[Turn]:
    """A program with a gap, `<FIM_PREFIX>..<FIM_SUFFIX>..<FIM_MIDDLE>`, and what is missing."""
    if rng.random() < 0.3:
        lines, gap = rng.choice(read_json("functions")["loose"])
        slots = _slots(rng)
        source, missing = "\n".join(lines).format(**slots), gap.format(**slots)
    else:
        function = rng.choice(read_json("functions")["functions"])
        source, missing = _program(rng, function, is_named_well=True)
    before, middle, after = _cut(rng, source, missing)
    return [Turn(f"<FIM_PREFIX>{before}<FIM_SUFFIX>{after}<FIM_MIDDLE>", middle)]


def _cut(rng: Random, source: str, missing: str) -> tuple[str, str, str]:
    """The gap that makes sense, the rest of its line, or a whole line."""
    roll = rng.random()
    if roll < 0.65:
        start = source.rindex(missing)
        end = start + len(missing)
    else:
        lines = source.split("\n")
        # Not the first line: nothing before it would say what the program is about.
        at = rng.choice([n for n, line in enumerate(lines) if line.strip() and n > 0] or [0])
        start = sum(len(line) + 1 for line in lines[:at])
        end = start + len(lines[at])
        start += len(lines[at]) - len(lines[at].lstrip())
        if roll > 0.85 and " " in lines[at].strip():
            start = source.index(" ", start) + 1
    before, after = source[:start], source[end:]
    after += rng.choice(("", "\n", "\n", " \n", "\n\n"))
    return before, source[start:end], after


def _program(
    rng: Random, function: dict[str, Any], *, is_named_well: bool = False
) -> tuple[str, str]:
    """A function in names of its own, perhaps with imports, a docstring and a call."""
    slots = _slots(rng) | {"f": rng.choice(function["names"])}
    if not is_named_well and rng.random() < 0.25:
        slots["f"] = rng.choice(read_json("functions")["function_names"])
    lines = [line.format(**slots) for line in function["source"]]
    if rng.random() < 0.15:
        lines.insert(1, f'    """{function["en"]}."""')
    lead = [*function.get("imports", ()), "", ""] if function.get("imports") else []
    if lead and rng.random() < 0.5:
        lead.pop()
    tail = []
    if "call" in function and rng.random() < 0.35:
        tail = [*[""] * rng.choice((1, 2)), f"print({function['call'].format(**slots)})"]
    return "\n".join([*lead, *lines, *tail]), function["gap"].format(**slots)


def _slots(rng: Random) -> dict[str, Any]:
    """Names for a program, no two the same."""
    names = read_json("functions")
    a, b, t, x = rng.sample(names["names"], 4)
    return {
        "a": a,
        "b": b,
        "t": rng.choice((t, "total", "result")) if a not in ("total", "result") != b else t,
        "x": x,
        "xs": rng.choice([name for name in names["plural_names"] if name not in (a, b, t, x)]),
        "n": rng.randint(2, 100),
        "k": rng.randint(2, 100),
        "w": _word(rng),
    }


def _word(rng: Random) -> str:
    if rng.random() < 0.3:
        return rng.choice(_GREETING_WORDS)
    word = rng.choice(_plain_words())
    return word.lower()


@cache
def _plain_words() -> tuple[str, ...]:
    return tuple(english for _, english in vocabulary() if english.isalpha() and english.isascii())


def commits(rng: Random, language: Language) -> list[Turn]:
    """Two versions of a file and what a commit between them says."""
    function = rng.choice(read_json("functions")["functions"])
    source, _ = _program(rng, function)
    before, after, message = changed(rng, source)
    ending = rng.choice(("", "\n", "\n"))
    return [
        Turn(
            f"<commit_before>{before}{ending}<commit_after>{after}{ending}<commit_msg>",
            message,
        )
    ]


def notebooks(rng: Random, language: Language) -> list[Turn]:
    """A cell's code after the text that asks for it, or what a cell prints."""
    lead = "<jupyter_start>" if rng.random() < 0.85 else ""
    if rng.random() < 0.3:
        code, output = rng.choice(_PRINTED)(rng)
        return [Turn(f"{lead}<jupyter_code>{code}<jupyter_output>", output)]
    text, code = _cell(rng, language)
    earlier = ""
    if rng.random() < 0.2:
        other_text, other_code = _cell(rng, language)
        earlier = (
            f"<jupyter_text>{other_text}<jupyter_code>{other_code}<jupyter_output><empty_output>"
        )
    return [Turn(f"{lead}{earlier}<jupyter_text>{text}<jupyter_code>", code)]


def _cell(rng: Random, language: Language) -> tuple[str, str]:
    table = read_json("functions")
    if rng.random() < 0.35:
        function = rng.choice([entry for entry in table["functions"] if "call" in entry])
        slots = _slots(rng) | {"f": function["names"][0], "a": "a", "b": "b", "xs": "numbers"}
        slots |= {"x": "number", "t": "total"}
        lines = [*function.get("imports", ()), *[""] * (2 * bool(function.get("imports")))]
        lines += [line.format(**slots) for line in function["source"]]
        call = function["call"].format(**slots)
        text = _said(rng, function["zh" if language == "zh" else "en"], language)
        return text, "\n".join([*lines, "", f"print({call})"])
    texts, code = rng.choice(table["cells"])
    slots = _slots(rng)
    alternatives = texts.split("|")
    wanted = [one for one in alternatives if one.isascii() is (language == "en")] or alternatives
    text = rng.choice(wanted).format(**slots)
    return _said(rng, text, language), code.format(**slots)


def _said(rng: Random, text: str, language: Language) -> str:
    """A heading, a wish or a plain line, as the text cells of notebooks are."""
    if rng.random() < 0.45:
        return text
    if language == "zh":
        return rng.choice(("# {}", "## {}", "{}。", "下面{}", "首先{}", "我们来{}", "{}：")).format(
            text
        )
    lower = text[0].lower() + text[1:]
    frames = ("# {}", "## {}", "{}.", "{}:", "Let us {l}", "Now {l}", "Next, {l}", "We {l}", "{l}")
    return rng.choice(frames).format(text, l=lower)


def _printed_sum(rng: Random) -> tuple[str, str]:
    a, b = rng.randint(0, 20), rng.randint(0, 20)
    operator = rng.choice("+-*")
    value = {"+": a + b, "-": a - b, "*": a * b}[operator]
    code = f"{a} {operator} {b}"
    return (f"print({code})" if rng.random() < 0.7 else code), str(value)


def _printed_text(rng: Random) -> tuple[str, str]:
    word = " ".join(_word(rng) for _ in range(rng.choice((1, 1, 2))))
    quote = rng.choice("'\"")
    return f"print({quote}{word}{quote})", word


def _printed_length(rng: Random) -> tuple[str, str]:
    numbers = [rng.randint(0, 9) for _ in range(rng.randint(1, 6))]
    function, value = rng.choice(
        (("len", len(numbers)), ("max", max(numbers)), ("min", min(numbers)), ("len", len(numbers)))
    )
    code = f"{function}({numbers})"
    return (f"print({code})" if rng.random() < 0.5 else code), str(value)


def _printed_variable(rng: Random) -> tuple[str, str]:
    name, value = rng.choice(read_json("functions")["names"]), rng.randint(0, 99)
    return f"{name} = {value}\nprint({name})", str(value)


def _nothing(rng: Random) -> tuple[str, str]:
    name = rng.choice(read_json("functions")["names"])
    kinds: Sequence[str] = (
        f"{name} = {rng.randint(0, 99)}",
        f"{name} = '{_word(rng)}'",
        "import numpy as np",
        "import math",
        f"def f({name}):\n    return {name} + 1",
        f"{name} = [1, 2, 3]",
    )
    return rng.choice(kinds), "<empty_output>"


_PRINTED: tuple[Callable[[Random], tuple[str, str]], ...] = (
    _printed_sum,
    _printed_text,
    _printed_length,
    _printed_variable,
    _nothing,
)
