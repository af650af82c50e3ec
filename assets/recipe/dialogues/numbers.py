"""Families about numbers: sums, chains of sums, order, parity, sequences, word problems."""

from random import Random

from assets.recipe.dialogues.grammar import chinese_numeral, plural
from assets.recipe.dialogues.knowledge import Language, category
from assets.recipe.dialogues.wording import Turn, exchange

_SHOWN = {"+": "+", "-": "-", "*": "×", "/": "÷"}
_TYPED = {"+": "+", "-": "-", "*": "*×x", "/": "/÷"}
_SPOKEN = {
    "zh": {"+": ("加", "加上"), "-": ("减", "减去"), "*": ("乘", "乘以"), "/": ("除以",)},
    "en": {"+": ("plus",), "-": ("minus",), "*": ("times", "multiplied by"), "/": ("divided by",)},
}
_PEOPLE = {
    "zh": ("小明", "小红", "我", "妈妈", "老师", "小刚"),
    "en": ("Tom", "Lily", "Bob", "Anna", "Sam"),
}


def _operands(rng: Random, operator: str) -> tuple[int, int]:
    """Two numbers that a person would ask about; a division has no remainder."""
    roll = rng.random()
    if operator in "+-":
        limit = 10 if roll < 0.3 else 100 if roll < 0.78 else 1000
        a, b = rng.randrange(limit), rng.randrange(limit)
        return (b, a) if operator == "-" and a < b and rng.random() < 0.85 else (a, b)
    if operator == "*":
        a, b = (
            (rng.randint(0, 12), rng.randint(0, 12))
            if roll < 0.75
            else (rng.randint(10, 99), rng.randint(2, 9))
        )
        return (b, a) if rng.random() < 0.5 else (a, b)
    b, quotient = (
        (rng.randint(1, 12), rng.randint(1, 12))
        if roll < 0.8
        else (rng.randint(2, 9), rng.randint(10, 50))
    )
    return b * quotient, b


def _result(a: int, operator: str, b: int) -> int:
    return {"+": a + b, "-": a - b, "*": a * b}[operator] if operator != "/" else a // b


def _equation(a: int, operator: str, b: int) -> str:
    return f"{a} {_SHOWN[operator]} {b} = {_result(a, operator, b)}"


def arithmetic(rng: Random, language: Language) -> list[Turn]:
    """One sum, in symbols, in words or bare."""
    operator = rng.choice("+++---**/")
    a, b = _operands(rng, operator)
    result, equation = _result(a, operator, b), _equation(a, operator, b)
    kind = rng.choices(["symbols", "words", "bare", "characters"], [40, 30, 20, 10])[0]
    space = rng.choice(["", " "])
    expression = f"{a}{space}{rng.choice(_TYPED[operator])}{space}{b}"
    if kind == "bare":
        return [Turn(expression + rng.choice(["", "=", "=?", " = ?", "＝"]), equation)]
    verb = rng.choice(_SPOKEN[language][operator])
    if (
        kind == "characters"
        and language == "zh"
        and min(a, b) >= 0
        and max(a, b) <= 100
        and abs(result) < 1000
    ):
        spoken = {
            "a": chinese_numeral(a),
            "b": chinese_numeral(b),
            "result": chinese_numeral(result),
        }
        return [exchange(rng, "zh", "sum_in_characters", verb=verb, equation=equation, **spoken)]
    if kind == "words":
        return [exchange(rng, language, "sum_words", a=a, b=b, verb=verb, equation=equation)]
    return [
        exchange(
            rng, language, "sum_symbols", expression=expression, equation=equation, result=result
        )
    ]


def chains(rng: Random, language: Language) -> list[Turn]:
    """A sum and then 'now add 5': the last result is what must be remembered."""
    operator = rng.choice("+-*")
    a, b = _operands(rng, operator)
    verb = rng.choice(_SPOKEN[language][operator])
    turns = [
        exchange(
            rng, language, "sum_words", a=a, b=b, verb=verb, equation=_equation(a, operator, b)
        )
    ]
    value = _result(a, operator, b)
    for _ in range(rng.randint(1, 3)):
        step, k = rng.choice("+-"), rng.randint(1, 20)
        key = "go_on_adding" if step == "+" else "go_on_subtracting"
        turns.append(exchange(rng, language, key, k=k, equation=_equation(value, step, k)))
        value = _result(value, step, k)
    return turns


def too_large(rng: Random, language: Language) -> list[Turn]:
    """A sum that a model of this size would get wrong, and says so."""
    a, b = rng.randrange(10**4, 10**9), rng.randrange(10**4, 10**9)
    return [exchange(rng, language, "too_large", expression=f"{a}{rng.choice('+-*/')}{b}")]


def comparisons(rng: Random, language: Language) -> list[Turn]:
    """Which of two numbers is larger."""
    a, b = rng.sample(range(rng.choice([10, 100, 1000])), 2)
    return [
        exchange(
            rng,
            language,
            rng.choice(["larger", "smaller"]),
            a=a,
            b=b,
            larger=max(a, b),
            smaller=min(a, b),
        )
    ]


def number_lists(rng: Random, language: Language) -> list[Turn]:
    """Sorting, reversing and counting a short list of numbers."""
    numbers = rng.sample(range(rng.choice([10, 20, 100])), rng.randint(3, 6))
    comma = "、" if language == "zh" else ", "
    results = {
        "sort_up": comma.join(map(str, sorted(numbers))),
        "sort_down": comma.join(map(str, sorted(numbers, reverse=True))),
        "reverse_numbers": comma.join(map(str, reversed(numbers))),
        "maximum": max(numbers),
        "minimum": min(numbers),
        "how_many_numbers": len(numbers),
    }
    key = rng.choice(list(results))
    separator = rng.choice(["、", ", ", " ", "，"] if language == "zh" else [", ", " ", ","])
    return [
        exchange(rng, language, key, numbers=separator.join(map(str, numbers)), result=results[key])
    ]


def parity(rng: Random, language: Language) -> list[Turn]:
    """Odd or even."""
    n = rng.randrange(rng.choice([10, 100, 1000]))
    return [exchange(rng, language, "odd" if n % 2 else "even", n=n)]


def sequences(rng: Random, language: Language) -> list[Turn]:
    """The next number of an arithmetic sequence."""
    start, step = rng.randint(0, 20), rng.choice([1, 1, 2, 2, 3, 5, 10])
    numbers = (", " if language == "en" else "，").join(str(start + step * i) for i in range(4))
    return [
        exchange(rng, language, "next_number", numbers=numbers, step=step, result=start + step * 4)
    ]


def counting(rng: Random, language: Language) -> list[Turn]:
    """Counting from one number to another."""
    a = rng.choice([1, 1, 1, rng.randint(2, 9)])
    b = a + rng.randint(3, 14)
    comma = "、" if language == "zh" else ", "
    return [
        exchange(rng, language, "count_to", a=a, b=b, result=comma.join(map(str, range(a, b + 1))))
    ]


def word_problems(rng: Random, language: Language) -> list[Turn]:
    """A sum told as a story about fruit."""
    operator = rng.choice("+-*")
    a, b = (
        (rng.randint(2, 9), rng.randint(2, 9))
        if operator == "*"
        else (rng.randint(2, 30), rng.randint(1, 20))
    )
    if operator == "-":
        a, b = max(a, b), min(a, b)
    chinese, english = rng.choice(category("fruit"))
    key = {"+": "story_plus", "-": "story_minus", "*": "story_times"}[operator]
    slots = {
        "who": rng.choice(_PEOPLE[language]),
        "things": chinese if language == "zh" else plural(english),
        "equation": _equation(a, operator, b),
        "result": _result(a, operator, b),
    }
    return [exchange(rng, language, key, a=a, b=b, **slots)]
