"""Sums worked out in steps that a small model can take, each no harder than a table of one digit.

A sum with a number of two digits or more is cut at its tens, as it is done in the head; measured on
the first version, which wrote the result at once, carries were what went wrong.
"""

from assets.recipe.dialogues.knowledge import Language

SHOWN = {"+": "+", "-": "-", "*": "×", "/": "÷"}
_KNOWN_BY_HEART = 12
_WORDS: dict[Language, tuple[str, str, str, str]] = {
    "zh": ("：", "，", "，所以 ", "余"),
    "en": (": ", ", ", ", so ", "remainder"),
}


def result_of(a: int, operator: str, b: int) -> int:
    """The whole number that comes out; a division leaves its remainder away."""
    return {"+": a + b, "-": a - b, "*": a * b}[operator] if operator != "/" else a // b


def equation(a: int, operator: str, b: int, language: Language = "zh") -> str:
    """`12 + 30 = 42`, with a remainder where there is one."""
    text = f"{a} {SHOWN[operator]} {b} = {result_of(a, operator, b)}"
    remainder = a % b if operator == "/" else 0
    return f"{text} {_WORDS[language][3]} {remainder}" if remainder else text


def worked(a: int, operator: str, b: int, language: Language) -> str:
    """The sum with its steps: `47 + 38: 47 + 30 = 77, 77 + 8 = 85, so 47 + 38 = 85`."""
    colon, comma, so, _ = _WORDS[language]
    steps = _STEPS[operator](a, b)
    if not steps:
        return equation(a, operator, b, language)
    return (
        f"{a} {SHOWN[operator]} {b}{colon}{comma.join(steps)}{so}"
        f"{equation(a, operator, b, language)}"
    )


def chain(numbers: list[int], operators: str, language: Language) -> tuple[str, int]:
    """A sum of several numbers from left to right, with steps; the text and the result."""
    colon, comma, so, _ = _WORDS[language]
    value, steps, shown = numbers[0], [], str(numbers[0])
    for operator, number in zip(operators, numbers[1:], strict=True):
        steps.append(equation(value, operator, number))
        shown += f" {SHOWN[operator]} {number}"
        value = result_of(value, operator, number)
    return f"{shown}{colon}{comma.join(steps)}{so}{shown} = {value}", value


def _places(number: int) -> list[int]:
    """385 as 300, 80 and 5."""
    digits = str(number)
    parts = [int(digit) * 10 ** (len(digits) - 1 - at) for at, digit in enumerate(digits)]
    return [part for part in parts if part]


def _plus(a: int, b: int) -> list[str]:
    a, b = max(a, b), min(a, b)
    return _one_by_one(a, "+", b) if b > 9 else []


def _minus(a: int, b: int) -> list[str]:
    if b < 10 and a >= b:
        return []
    if a >= b:
        return _one_by_one(a, "-", b)
    return _one_by_one(b, "-", a) if a > 9 else [equation(b, "-", a)]


def _one_by_one(a: int, operator: str, b: int) -> list[str]:
    steps = []
    for part in _places(b):
        steps.append(equation(a, operator, part))
        a = result_of(a, operator, part)
    # A single step would only say the sum again.
    return steps if len(steps) > 1 else []


def _times(a: int, b: int) -> list[str]:
    if max(a, b) <= _KNOWN_BY_HEART or min(a, b) < 2:
        return []
    products = [(left, right) for left in _places(a) for right in _places(b)]
    steps = [equation(left, "*", right) for left, right in products]
    total = products[0][0] * products[0][1]
    for left, right in products[1:]:
        steps.append(equation(total, "+", left * right))
        total += left * right
    return steps if len(products) > 1 else []


def _divided(a: int, b: int) -> list[str]:
    quotient, remainder = divmod(a, b)
    if remainder == 0 and (quotient <= _KNOWN_BY_HEART and b <= _KNOWN_BY_HEART):
        return []
    tens = quotient // 10 * 10
    if remainder or not tens or tens == quotient:
        steps = [equation(b, "*", quotient)]
        return [*steps, equation(a, "-", b * quotient)] if remainder else steps
    rest = a - b * tens
    return [
        equation(b, "*", tens),
        equation(a, "-", b * tens),
        equation(rest, "/", b),
        equation(tens, "+", quotient - tens),
    ]


_STEPS = {"+": _plus, "-": _minus, "*": _times, "/": _divided}
