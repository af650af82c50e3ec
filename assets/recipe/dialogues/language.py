"""Families about language: translation, antonyms, word forms, categories, spelling, repeating."""

from random import Random

from assets.recipe.dialogues.grammar import as_noun, capitalised, plural, with_article
from assets.recipe.dialogues.knowledge import (
    Language,
    category,
    chinese_of,
    english_of,
    pair,
    read_json,
    read_rows,
    vocabulary,
)
from assets.recipe.dialogues.people import person
from assets.recipe.dialogues.wording import Turn, exchange

_UNITS = {"day of the week": ("周", "天"), "month": ("年", "个月"), "season": ("年", "个季节")}


def word_translations(rng: Random, language: Language) -> list[Turn]:
    """One word into the other language, asked in either."""
    chinese, english = rng.choice(vocabulary())
    if rng.random() < 0.5:
        return [
            exchange(
                rng, language, "word_to_english", exact=True, zh=chinese, en=english_of()[chinese]
            )
        ]
    return [
        exchange(rng, language, "word_to_chinese", exact=True, zh=chinese_of()[english], en=english)
    ]


def sentence(rng: Random) -> tuple[str, str]:
    """A short sentence in Chinese and English: a phrase of the list or a made one."""
    roll = rng.random()
    if roll < 0.4:
        row = rng.choice(read_rows("phrases"))
        return row["chinese"], row["english"]
    return _subject_verb_object(rng) if roll < 0.8 else _description(rng)


def _subject_verb_object(rng: Random) -> tuple[str, str]:
    grammar = read_json("sentences")
    subject_zh, subject = pair(rng.choice(grammar["subjects"]))
    verb_zh, verb, verb_s = rng.choice(grammar["verbs"]).split("|")
    kind = rng.choice(grammar["objects"])
    word_zh, word = rng.choice(category(kind))
    object_ = word if kind == "drink" else plural(word) if verb == "like" else as_noun(word)
    return (
        f"{subject_zh}{verb_zh}{word_zh}",
        f"{subject} {verb_s if subject in ('He', 'She') else verb} {object_}.",
    )


def _description(rng: Random) -> tuple[str, str]:
    grammar = read_json("sentences")
    adjective_zh, adjective = pair(rng.choice(grammar["adjectives"]))
    noun_zh, noun = rng.choice(category(rng.choice(grammar["described"])))
    return f"这个{noun_zh}很{adjective_zh}", f"This {noun} is {adjective}."


def sentence_translations(rng: Random, language: Language) -> list[Turn]:
    """One sentence into the other language."""
    chinese, english = sentence(rng)
    key = "sentence_to_english" if rng.random() < 0.55 else "sentence_to_chinese"
    zh_sentence = chinese if chinese[-1] in "？！" else chinese + "。"
    return [
        exchange(rng, language, key, exact=True, zh=chinese, en=english, zh_sentence=zh_sentence)
    ]


def antonyms(rng: Random, language: Language) -> list[Turn]:
    """The opposite of a word."""
    a, b = pair(rng.choice(read_json("words")["antonyms"][language]))
    a, b = (b, a) if rng.random() < 0.4 else (a, b)
    return [exchange(rng, language, "antonym", a=a, b=b)]


def word_forms(rng: Random, language: Language) -> list[Turn]:
    """English past tenses and plurals."""
    key, table = rng.choice([("past_tense", "past_tenses"), ("plural", "plurals")])
    a, b = pair(rng.choice(read_json("words")[table]))
    return [exchange(rng, language, key, a=a, b=b)]


def categories(rng: Random, language: Language) -> list[Turn]:
    """Is a cat an animal; name three animals."""
    kinds = read_json("words")["categories"]
    kind = rng.choice(kinds)
    if rng.random() < 0.5:
        return [_membership(rng, language, kind, rng.choice(kinds))]
    index = 0 if language == "zh" else 1
    words = [pair(word)[index] for word in rng.sample(kind["words"], min(3, len(kind["words"])))]
    name = kind["chinese"] if language == "zh" else plural(kind["english"])
    comma = "、" if language == "zh" else ", "
    return [exchange(rng, language, "name_three", category=name, result=comma.join(words))]


def _membership(rng: Random, language: Language, kind: dict, asked: dict) -> Turn:
    if rng.random() < 0.5:
        asked = kind
    key = "is_a_yes" if asked is kind else "is_a_no"
    chinese, english = pair(rng.choice(kind["words"]))
    if language == "zh":
        return exchange(
            rng, "zh", key, word=chinese, asked=asked["chinese"], category=kind["chinese"]
        )
    a_category, a_asked = with_article(kind["english"]), with_article(asked["english"])
    # "Is tennis a sport": the names of sports, colours and days take no article.
    word = as_noun(english) if kind["english"] in ("animal", "vehicle", "job", "fruit") else english
    return exchange(rng, "en", key, exact=True, word=word, a_asked=a_asked, a_category=a_category)


def calendar(rng: Random, language: Language) -> list[Turn]:
    """Days, months and seasons in their order."""
    english = rng.choice(list(_UNITS))
    index = 0 if language == "zh" else 1
    words = [names[index] for names in category(english)]
    whole, unit = _UNITS[english]
    if rng.random() < 0.15:
        kind = next(
            entry for entry in read_json("words")["categories"] if entry["english"] == english
        )
        name = kind["chinese"] if language == "zh" else plural(english)
        comma = "、" if language == "zh" else ", "
        return [
            exchange(rng, language, "name_all", category=name, unit=whole, result=comma.join(words))
        ]
    at = rng.randrange(len(words))
    key, other = rng.choice(
        [("comes_after", words[(at + 1) % len(words)]), ("comes_before", words[at - 1])]
    )
    b = other if language == "zh" else capitalised(other)
    return [exchange(rng, language, key, a=words[at], b=b, unit=unit)]


def spelling(rng: Random, language: Language) -> list[Turn]:
    """Letters of an English word."""
    word = rng.choice(
        [english for _, english in vocabulary() if english.isalpha() and len(english) < 10]
    )
    results = {
        "spell": "-".join(word.lower()),
        "letter_count": len(word),
        "capital_letters": word.upper(),
        "first_letter": word[0],
    }
    key = rng.choice(list(results))
    return [exchange(rng, language, key, exact=True, word=word, result=results[key])]


def echoes(rng: Random, language: Language) -> list[Turn]:
    """Repeating what was said: copying is what memory is made of."""
    roll = rng.random()
    index = 0 if language == "zh" else 1
    if roll < 0.5:
        text = sentence(rng)[index]
    elif roll < 0.7:
        text = person(rng, language)
    else:
        text = ("" if language == "zh" else " ").join(
            rng.choice(vocabulary())[index] for _ in range(rng.randint(1, 4))
        )
    return [exchange(rng, language, "echo", exact=True, text=text)]


def say_again(rng: Random, language: Language, before: Turn) -> Turn:
    """'Say that again' after any turn."""
    return exchange(rng, language, "say_again", last=before.assistant)


def what_did_i_say(rng: Random, language: Language, before: Turn) -> Turn:
    """'What did I just ask?' after any turn."""
    return exchange(rng, language, "what_did_i_say", last=before.user)
