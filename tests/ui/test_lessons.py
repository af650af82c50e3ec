"""Every lesson keeps what its text promises, in both languages and with every tokenizer."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from yuan_demo.core.errors import PromptError
from yuan_demo.core.messages import Message, turns_of
from yuan_demo.core.options import Loading, Policy
from yuan_demo.core.prompt import Origin
from yuan_demo.engine.chat import Answer, ChatModel
from yuan_demo.model.checkpoint import load_checkpoint
from yuan_demo.ui.lesson_conversations import LONG_TALKS
from yuan_demo.ui.lesson_texts import LESSON_TEXTS, LESSON_WORDS, SHORT_TALKS, TABLE_WORDS
from yuan_demo.ui.lessons import LESSONS, LessonStart, in_bytes
from yuan_demo.ui.page_settings import PageSettings
from yuan_demo.ui.strings import Language

PROJECT = Path(__file__).resolve().parents[2]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
PROMISED = [
    "fourth_question", "join_is_three", "special_tokens", "roles", "repeats", "sep_injection",
    "forgotten_flag", "transformers_indentation", "shared_model",
]  # fmt: skip

both_languages = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(scope="module")
def embedded() -> ChatModel:
    folder = PROJECT / "assets" / "yuan2-embedded"
    return ChatModel(
        load_checkpoint(str(folder), dtype="float32", device_map="cpu", report=lambda _: None)
    )


@pytest.fixture(params=["embedded", "published"])
def vocabulary(request: pytest.FixtureRequest) -> ChatModel:
    """The embedded model with its own vocabulary, and with that of the published checkpoints."""
    embedded: ChatModel = request.getfixturevalue("embedded")
    if request.param == "embedded":
        return embedded
    tokenizer = request.getfixturevalue("real_tokenizer")
    return ChatModel(replace(embedded.loaded, tokenizer=tokenizer))


@pytest.fixture(params=["tiny", "embedded"])
def model(request: pytest.FixtureRequest) -> ChatModel:
    if request.param == "tiny":
        return ChatModel(request.getfixturevalue("tiny_loaded"))
    return request.getfixturevalue("embedded")


def put_up(name: str, model: ChatModel, language: Language, **changes: object):
    """The lesson's conversation with its question, and the page's settings with some changes."""
    start = LESSONS[name].start(model, language)
    settings = PageSettings.defaults(model).changed(start.settings).changed(changes)
    return (*start.messages, Message("user", start.draft)), settings


def fitted_by(name: str, model: ChatModel, language: Language, **changes: object):
    messages, settings = put_up(name, model, language, **changes)
    return model.fit(messages, settings.options())


def answered(
    name: str,
    model: ChatModel,
    language: Language,
    edited: Mapping[int, str] | None = None,
    **changes: object,
) -> Answer:
    """The model's answer to a lesson's question; `edited` replaces messages by their place."""
    messages, settings = put_up(name, model, language, **changes)
    messages = tuple(
        replace(message, content=(edited or {}).get(place, message.content))
        for place, message in enumerate(messages)
    )
    return list(model.answer(messages, settings.params(), settings.options()))[-1]


def rows_of(start: LessonStart) -> tuple[tuple[str, ...], ...]:
    assert start.table is not None
    return start.table.rows


# --- all of them ----------------------------------------------------------------------------------


def test_the_lessons_that_were_asked_for_are_there():
    assert set(PROMISED) <= set(LESSONS)
    assert [lesson.name for lesson in LESSONS.values()] == list(LESSONS)
    assert set(LESSON_TEXTS) == set(LESSONS)


@pytest.mark.parametrize("name", LESSONS)
@both_languages
def test_a_lesson_can_be_put_up(name: str, language: Language, model: ChatModel):
    start = LESSONS[name].start(model, language)

    assert not start.messages or start.messages[-1].role == "assistant"
    assert [message.role for message in start.messages[:2]] in ([], ["user", "assistant"])
    assert start.draft.strip()
    assert set(start.settings) <= set(PageSettings._fields)
    fitted = fitted_by(name, model, language)
    put_up(name, model, language)[1].params()
    assert (fitted.fault is None) is (name != "fourth_question")


@pytest.mark.parametrize("name", LESSONS)
@both_languages
def test_a_table_has_a_cell_for_every_head(name: str, language: Language, model: ChatModel):
    table = LESSONS[name].start(model, language).table

    assert table is not None
    assert len(table.rows) >= 2
    assert all(len(row) == len(table.head) for row in table.rows)
    assert all(isinstance(cell, str) and cell for row in table.rows for cell in row)


@pytest.mark.parametrize("window", [64, 100, 512])
@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_can_be_put_up_where_the_demo_was_started_with_a_small_window(
    name: str, window: int, embedded: ChatModel
):
    small = ChatModel(embedded.loaded, window)

    assert fitted_by(name, small, "en").budget.window <= window


def test_all_words_are_there_in_both_languages():
    pairs = [pair for triple in LESSON_TEXTS.values() for pair in triple]
    pairs += [*TABLE_WORDS.values(), *LESSON_WORDS.values()]

    for english, chinese in pairs:
        assert english.strip()
        assert chinese.strip()
        assert re.findall(r"\{(\w+)\}", english) == re.findall(r"\{(\w+)\}", chinese)
        assert not re.search(r"[\u4e00-\u9fff]", english), english
    for english, chinese in [*(text for _, text, _ in LESSON_TEXTS.values())]:
        assert 2 <= len(re.findall(r"[.?!](?: |$)", english)) <= 4, english
        assert re.search(r"[\u4e00-\u9fff]", chinese)


def test_conversations_are_in_the_language_of_the_page():
    for english, chinese in SHORT_TALKS.values():
        assert len(english) == len(chinese)
        assert not re.search(r"[\u4e00-\u9fff]", "".join(english))
        assert re.search(r"[\u4e00-\u9fff]", "".join(chinese))


def test_the_scripts_ask_for_words_that_are_there():
    for name in ("lessons.js", "lesson_banner.js"):
        source = (PROJECT / "assets" / name).read_text(encoding="utf-8")
        asked = set(re.findall(r"'(lesson_\w+)'", source))
        assert asked
        assert asked <= set(LESSON_WORDS)
        assert "innerHTML" not in source


# --- the window -----------------------------------------------------------------------------------


@both_languages
def test_the_fourth_question_has_exactly_1038_tokens(language: Language, vocabulary: ChatModel):
    start = LESSONS["fourth_question"].start(vocabulary, language)
    fitted = fitted_by("fourth_question", vocabulary, language)

    assert len(turns_of(start.messages)) == 3
    assert len(fitted.prompt.tokens) == 1038
    assert fitted.budget.window == 1024
    assert fitted.fault == "window_full"
    with pytest.raises(PromptError, match="window_full"):
        fitted.require_fit()


@both_languages
def test_its_answers_are_whole_sentences_about_equally_long(
    language: Language, vocabulary: ChatModel
):
    start = LESSONS["fourth_question"].start(vocabulary, language)
    answers = [message.content for message in start.messages if message.role == "assistant"]

    assert all(answer.endswith((".", "。")) for answer in answers)
    assert min(map(len, answers)) * 2 > max(map(len, answers))
    # The history alone still went through the baseline: it is the fourth question that dies.
    fitted = vocabulary.fit(
        start.messages, PageSettings.defaults(vocabulary).options(), open_question=False
    )
    assert len(fitted.whole.tokens) <= 1024


@both_languages
def test_the_ways_out_are_what_would_be_sent(language: Language, embedded: ChatModel):
    rows = rows_of(LESSONS["fourth_question"].start(embedded, language))
    policies = [Policy.STOP, Policy.DROP_OLDEST, Policy.KEEP_FIRST, Policy.SHRINK_ANSWER]

    for row, policy in zip(rows, [*policies, Policy.LEFT_CUT], strict=False):
        fitted = fitted_by("fourth_question", embedded, language, policy=policy.value)
        assert row[1] == f"{len(fitted.prompt.tokens):,}"
        assert (fitted.fault is None) is (policy is not Policy.STOP)
        if fitted.fault is None:
            assert row[3] == str(fitted.budget.reserved)
            assert len(fitted.prompt.tokens) + fitted.budget.reserved <= 1024
        for turn in fitted.dropped:
            assert str(turn.number) in row[2]
    assert str(1038 - 960) in rows[0][3]
    assert str(1038 - 960) in rows[4][2]
    assert "2,048" in rows[5][0]
    assert rows[5][1:] == ("1,038", rows[0][2], "64")


@both_languages
def test_the_long_answers_are_ordinary_text(language: Language):
    talk = LONG_TALKS[language]

    sentences = [sentence for answer in talk.answers for sentence in answer]
    assert len(set(sentences)) == len(sentences) >= 60
    assert all(sentence.endswith((".", "。")) for sentence in sentences)


@pytest.mark.parametrize(
    ("language", "told", "untold"),
    [
        ("en", "Your name is Ada.", "You have not told me your name yet."),
        ("zh", "你叫小明。", "你还没有告诉我你的名字。"),
    ],
)
def test_the_forgotten_name_comes_back_when_its_turn_is_pinned(
    embedded: ChatModel, language: Language, told: str, untold: str
):
    forgot = answered("forgotten_name", embedded, language)
    pinned = answered("forgotten_name", embedded, language, pinned=[1])

    assert (forgot.text, pinned.text) == (untold, told)
    assert [turn.number for turn in forgot.fitted.dropped] == [1]
    assert [turn.number for turn in pinned.fitted.dropped] == [2]


# --- tokens ---------------------------------------------------------------------------------------


def test_the_join_is_three_tokens_and_merges_with_what_is_before(vocabulary: ChatModel):
    rows = {row[0]: row for row in rows_of(LESSONS["join_is_three"].start(vocabulary, "en"))}

    assert rows["<n>"][1:3] == ("3", "▁< n >")
    assert ".<" in rows["1.<n>2."][2].split()
    assert "><" in rows["<n><n>"][2]
    assert rows["a line break"][1:] == ("1", "<0x0A>", "13")


@both_languages
def test_the_newline_format_costs_less(language: Language, vocabulary: ChatModel):
    prompt = fitted_by("join_is_three", vocabulary, language).prompt
    newline = fitted_by("join_is_three", vocabulary, language, format="newline").prompt

    assert len(newline.tokens) < len(prompt.tokens)


@both_languages
def test_raw_mode_makes_one_token_of_some_symbols_only(language: Language, vocabulary: ChatModel):
    safe = fitted_by("special_tokens", vocabulary, language).prompt
    raw = fitted_by("special_tokens", vocabulary, language, raw=True).prompt

    acting = [token.encoded.piece for token in raw.tokens if token.origin is Origin.CONTROL]
    assert acting == ["<sep>", "<eod>", "<mask>", "<sep>"]
    assert [token.origin for token in safe.tokens].count(Origin.CONTROL) == 1


@both_languages
def test_the_injection_acts_in_raw_mode_only(language: Language, vocabulary: ChatModel):
    raw, safe = rows_of(LESSONS["sep_injection"].start(vocabulary, language))

    assert raw[2:] == ("2", "<sep>")
    assert safe[2] == "1"
    assert len(safe[3].split()) >= 3
    assert raw[1] == str(len(fitted_by("sep_injection", vocabulary, language).prompt.tokens))


@both_languages
def test_the_small_model_does_not_fall_for_the_injection(language: Language, embedded: ChatModel):
    raw = answered("sep_injection", embedded, language, greedy=True)
    safe = answered("sep_injection", embedded, language, greedy=True, raw=False)

    assert {"en": "Paris", "zh": "巴黎"}[language] in raw.text
    assert raw.text == safe.text


@both_languages
def test_the_forgotten_flags_ruin_prompt_and_answer(language: Language, embedded: ChatModel):
    exact, *_, plain = rows_of(LESSONS["forgotten_flag"].start(embedded, language))
    good = answered("forgotten_flag", embedded, language, loading=Loading.EXACT.value)
    bad = answered("forgotten_flag", embedded, language)

    assert exact[2].endswith(" <sep>")
    assert plain[2].startswith("<s> ")
    assert re.search(r"< sep > </s>$", plain[2])
    capital = {"en": "Paris", "zh": "巴黎"}[language]
    assert capital in good.text
    assert good.finish_reason == "stop"
    assert capital not in bad.text


def test_the_facts_on_indentation_are_the_reference_numbers(golden_lines: list[dict[str, Any]]):
    reference = {line["text"]: line for line in golden_lines}

    for reading in readings():
        assert reading["own_ids"] == reference[reading["text"]]["ids"]
        assert reading["own_pieces"] == reference[reading["text"]]["tokens"]


def test_the_facts_on_indentation_are_those_of_the_installed_transformers(
    transformers_own: Any, golden_lines: list[dict[str, Any]]
):
    for reading in readings():
        ids = transformers_own.encode(reading["text"], add_special_tokens=False)
        assert ids == reading["transformers_ids"]
        assert transformers_own.convert_ids_to_tokens(ids) == reading["transformers_pieces"]
    code = [line for line in golden_lines if line["category"] == "code"]
    wrong = [
        line
        for line in code
        if transformers_own.encode(line["text"], add_special_tokens=False) != line["ids"]
    ]
    assert (len(wrong), len(code)) == (49, 59)
    for text in LESSON_TEXTS["transformers_indentation"][1]:
        assert "49" in text
        assert "59" in text


def readings() -> list[dict[str, Any]]:
    return json.loads((PROJECT / "assets" / "indentation.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def transformers_own(real_tokenizer: Any) -> Any:
    """What `LlamaTokenizer.from_pretrained` builds; made without protobuf, which it would ask for.

    It takes the pieces from the model file and a merge list from their ids, as here.
    """
    from transformers import LlamaTokenizer, __version__
    from transformers.tokenization_utils_base import generate_merges

    assert __version__.startswith("5.23")
    sp_model = real_tokenizer.sp_model
    vocab = {sp_model.id_to_piece(index): index for index in range(sp_model.get_piece_size())}
    return LlamaTokenizer(vocab=vocab, merges=generate_merges(vocab))


@both_languages
def test_the_table_on_indentation_shows_only_differences(language: Language, embedded: ChatModel):
    start = LESSONS["transformers_indentation"].start(embedded, language)

    assert start.draft == readings()[0]["text"]
    assert ("▁▁▁▁▁▁▁ (4706) ▁print (1596)", "▁▁▁▁▁▁▁▁ (308) print (2158)") in rows_of(start)
    assert all(own != other for own, other in rows_of(start))


# --- formats and answers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "reference"), [("en", "Your name is Ada."), ("zh", "你叫小明。")]
)
def test_roles_help_the_small_model_less_than_the_format_it_knows(
    embedded: ChatModel, language: Language, reference: str
):
    known = answered("roles", embedded, language, format="n_join")
    roles = answered("roles", embedded, language)

    assert (known.text, known.finish_reason) == (reference, "stop")
    assert roles.text != reference
    assert reference in LESSON_TEXTS["roles"][2][language == "zh"]
    cost = {row[0]: row[1:] for row in rows_of(LESSONS["roles"].start(embedded, language))}
    (join, around_join), _, (with_roles, around_roles) = cost.values()
    assert int(join) < int(with_roles)
    assert int(around_join) < int(around_roles)
    assert int(with_roles) == len(roles.fitted.prompt.tokens)


@both_languages
def test_the_second_answer_repeats_and_what_the_table_says_of_it_is_so(
    embedded: ChatModel, language: Language
):
    first = LESSONS["repeats"].start(embedded, language).messages[1].content
    other = {
        "en": "Why can't a bicycle stand up by itself? Because it is two-tired.",
        "zh": "老师问：“谁能用‘果然’造句？”小明说：“我先吃水果，然后喝汽水。”",
    }[language]
    tries: list[Callable[[], Answer]] = [
        lambda: answered("repeats", embedded, language),
        lambda: answered("repeats", embedded, language, format="newline"),
        lambda: answered("repeats", embedded, language, edited={1: other}),
        lambda: answered("repeats", embedded, language, repetition_penalty=1.2),
    ]

    same = TABLE_WORDS["same"][language == "zh"]
    said = [(answer().text == first, same) for answer in tries]
    seen = [row[1] == same for row in rows_of(LESSONS["repeats"].start(embedded, language))]
    assert [is_same for is_same, _ in said] == seen == [True, True, True, False]


@both_languages
def test_the_first_answers_of_a_lesson_are_the_small_models_own(
    embedded: ChatModel, language: Language
):
    for name in ("repeats", "forgotten_name", "roles"):
        messages, settings = put_up(name, embedded, language, window=embedded.context_window)
        settings = settings.changed({"format": "n_join"})
        answer = list(embedded.answer(messages[:1], settings.params(), settings.options()))[-1]
        assert answer.text == messages[1].content


@both_languages
def test_without_sep_the_small_model_talks_to_itself(embedded: ChatModel, language: Language):
    without = answered("missing_sep", embedded, language)
    with_sep = answered("missing_sep", embedded, language, format="n_join")

    assert without.text.count("<n>") >= 3
    assert without.finish_reason == "length"
    assert without.text.startswith(with_sep.text)
    assert with_sep.finish_reason == "stop"


# --- memory ---------------------------------------------------------------------------------------


def test_the_memory_of_a_conversation_is_that_of_a_real_cache(embedded: ChatModel):
    import torch
    from transformers import DynamicCache

    network, tokens = embedded.loaded.model, 40
    cache = DynamicCache(config=network.config)
    with torch.inference_mode():
        network(torch.arange(tokens)[None], past_key_values=cache, use_cache=True)
    rows = rows_of(LESSONS["shared_model"].start(embedded, "en"))
    keys, states = 0, 0
    for layer in cache.layers:
        keys += layer.keys.nbytes + layer.values.nbytes
        states += sum(state.nbytes for state in conv_states(layer))

    assert rows[2][1] == in_bytes(keys // tokens)
    assert rows[3][1] == in_bytes(states)
    weights = sum(parameter.nbytes for parameter in network.parameters())
    full = keys // tokens * embedded.context_window + states
    assert rows[0][1] == f"{sum(p.numel() for p in network.parameters()):,}"
    assert [row[1] for row in rows[1:2]] == [in_bytes(weights)]
    assert [row[1] for row in rows[4:]] == [
        in_bytes(full),
        in_bytes(weights + 10 * full),
        in_bytes(10 * (weights + full)),
    ]


def conv_states(layer: Any) -> Sequence[Any]:
    states = layer.conv_states
    return list(states.values()) if isinstance(states, Mapping) else list(states)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (15360, "15.4 kB"), (99_960, "100 kB"), (476_400_000, "476 MB"),
     (999_600, "1.0 MB"), (8_400_000_000, "8.4 GB")],
)  # fmt: skip
def test_sizes_are_short(count: int, text: str):
    assert in_bytes(count) == text
