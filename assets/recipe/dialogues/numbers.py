"""Families about numbers: sums, chains of sums, order, parity, sequences, word problems."""

from random import Random

from assets.recipe.dialogues.grammar import chinese_numeral, english_numeral, plural
from assets.recipe.dialogues.knowledge import Language, category, read_json
from assets.recipe.dialogues.people import person
from assets.recipe.dialogues.sums import chain, equation, result_of, worked
from assets.recipe.dialogues.wording import Turn, exchange

_TYPED = {"+": "+", "-": "-", "*": "*×x", "/": "/÷"}
_SPOKEN = {
    "zh": {"+": ("加", "加上"), "-": ("减", "减去"), "*": ("乘", "乘以"), "/": ("除以",)},
    "en": {"+": ("plus",), "-": ("minus",), "*": ("times", "multiplied by"), "/": ("divided by",)},
}
_TOLD = {"+": "told_plus", "-": "told_minus", "*": "told_times", "/": "told_divided"}


def _operands(rng: Random, operator: str) -> tuple[int, int]:
    """Two numbers that a person would ask about."""
    roll = rng.random()
    if operator in "+-":
        limit = 11 if roll < 0.2 else 100 if roll < 0.86 else 1000
        a, b = rng.randrange(limit), rng.randrange(limit)
        return (b, a) if operator == "-" and a < b and rng.random() < 0.9 else (a, b)
    if operator == "*":
        if roll < 0.5:
            return rng.randint(0, 12), rng.randint(0, 12)
        a, b = rng.randint(10, 99), rng.randint(2, 9 if roll < 0.7 else 99)
        return (b, a) if rng.random() < 0.5 else (a, b)
    b = rng.randint(1, 12) if roll < 0.8 else rng.randint(2, 40)
    if rng.random() < 0.15:
        return rng.randint(b, 99 if b < 99 else b + 9), b
    return b * (rng.randint(1, 12) if roll < 0.55 else rng.randint(1, max(12, 99 // b))), b


def arithmetic(rng: Random, language: Language) -> list[Turn]:
    """One sum, in symbols, in words, told or bare, worked out in steps."""
    operator = rng.choice("+++---***//")
    a, b = _operands(rng, operator)
    slots = {"equation": worked(a, operator, b, language), "result": result_of(a, operator, b)}
    kind = rng.choices(["symbols", "words", "bare", "told", "several"], [30, 22, 14, 26, 8])[0]
    space = rng.choice(["", "", " "])
    expression = f"{a}{space}{rng.choice(_TYPED[operator])}{space}{b}"
    if kind == "bare":
        return [
            Turn(
                expression + rng.choice(["", "", "=", "=?", " = ?", "＝", "？", "?", "=几"]),
                slots["equation"] + ("。" if language == "zh" else "."),
            )
        ]
    if kind == "several":
        return _several(rng, language)
    spoken = _as_spoken(rng, language, a, b)
    if kind == "told":
        return [exchange(rng, language, _TOLD[operator], **spoken, **slots)]
    if kind == "words":
        verb = rng.choice(_SPOKEN[language][operator])
        return [exchange(rng, language, "sum_words", **spoken, verb=verb, **slots)]
    return [exchange(rng, language, "sum_symbols", expression=expression, **slots)]


def _as_spoken(rng: Random, language: Language, a: int, b: int) -> dict[str, str]:
    """The numbers in digits, or both in words."""
    if min(a, b) < 0 or max(a, b) > 999 or rng.random() > 0.25:
        return {"a": str(a), "b": str(b)}
    in_words = chinese_numeral if language == "zh" else english_numeral
    return {"a": in_words(a), "b": in_words(b)}


def _several(rng: Random, language: Language) -> list[Turn]:
    numbers = [rng.randrange(1, 40) for _ in range(rng.choice((3, 3, 4)))]
    operators = "".join(rng.choice("+++-") for _ in numbers[1:])
    text, result = chain(numbers, operators, language)
    space = rng.choice(["", " "])
    expression = str(numbers[0]) + "".join(
        f"{space}{operator}{space}{number}"
        for operator, number in zip(operators, numbers[1:], strict=True)
    )
    return [
        exchange(rng, language, "sum_symbols", expression=expression, equation=text, result=result)
    ]


def one_sum(rng: Random, language: Language) -> tuple[Turn, int]:
    """A sum and its result, for whoever asks for the result later."""
    operator = rng.choice("++--*")
    a, b = _operands(rng, operator)
    result = result_of(a, operator, b)
    slots = {"equation": worked(a, operator, b, language), "result": result}
    if rng.random() < 0.5:
        expression = f"{a}{rng.choice(_TYPED[operator])}{b}"
        return exchange(rng, language, "sum_symbols", expression=expression, **slots), result
    verb = rng.choice(_SPOKEN[language][operator])
    return exchange(rng, language, "sum_words", a=a, b=b, verb=verb, **slots), result


def chains(rng: Random, language: Language) -> list[Turn]:
    """A sum and then 'now add 5': the last result is what must be remembered."""
    turn, value = one_sum(rng, language)
    turns = [turn]
    for _ in range(rng.randint(1, 3)):
        step, k = rng.choice("+-"), rng.randint(1, 20)
        key = "go_on_adding" if step == "+" else "go_on_subtracting"
        turns.append(exchange(rng, language, key, k=k, equation=equation(value, step, k)))
        value = result_of(value, step, k)
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
    chinese, english = rng.choice(category(rng.choice(("fruit", "school supply", "animal"))))
    key = {"+": "story_plus", "-": "story_minus", "*": "story_times"}[operator]
    slots = {
        "who": _somebody(rng, language),
        "things": chinese if language == "zh" else plural(english),
        "equation": worked(a, operator, b, language),
        "result": result_of(a, operator, b),
    }
    return [exchange(rng, language, key, a=a, b=b, **slots)]


def _somebody(rng: Random, language: Language) -> str:
    listed = read_json("people")["in_word_problems"][language]
    return rng.choice(listed) if rng.random() < 0.6 else person(rng, language)
