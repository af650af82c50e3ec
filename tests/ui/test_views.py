import json
import random
from collections.abc import Callable
from time import process_time
from typing import Any

import pytest
import regex

from yuan_demo.core.budget import FittedPrompt, fit
from yuan_demo.core.control_tokens import CONTROL_TOKENS
from yuan_demo.core.generation import Timings
from yuan_demo.core.messages import Message, turns_of
from yuan_demo.core.options import Policy, PromptOptions
from yuan_demo.core.prompt import Prompt, render, tokenize
from yuan_demo.core.spelling import spell_answer
from yuan_demo.core.tokens import EncodedToken
from yuan_demo.engine.chat import Answer
from yuan_demo.ui.cells import cells_of
from yuan_demo.ui.views import PromptView, Surroundings, error_view

PHANTOM, CROSSES, TYPED = 1, 2, 4
Draw = Callable[[random.Random], tuple[Message, ...]]


def prompt_of(tokenizer: Any, *texts: str) -> Prompt:
    """The prompt of questions and answers by turns."""
    messages = [Message("assistant" if i % 2 else "user", text) for i, text in enumerate(texts)]
    return tokenize(render(turns_of(messages)), tokenizer)


def cells_by_page(prompt: Prompt, **kwargs: Any) -> dict[str, Any]:
    """The cells as the page gets them: through JSON, where numbers as keys become text."""
    return json.loads(json.dumps(cells_of(prompt, **kwargs)))


def flags_of(cells: dict[str, Any]) -> dict[str, int]:
    """Flags by the text of their cell."""
    return {
        cells["t"][int(index)]: flag[0] if isinstance(flag, list) else flag
        for index, flag in cells["f"].items()
    }


def sizes(cells: dict[str, Any]) -> list[int]:
    return [cells["n"].get(str(index), 1) for index in range(len(cells["t"]))]


# --- cells --------------------------------------------------------------------------------------


def test_arrays_agree_and_lose_nothing(tokenizer: Any, random_conversation: Draw):
    rng = random.Random(31)
    for _ in range(100):
        prompt = tokenize(render(turns_of(random_conversation(rng))), tokenizer)

        cells = cells_by_page(prompt)

        assert "".join(cells["t"]) == prompt.text
        assert len(cells["o"]) == len(cells["r"]) == len(cells["t"])
        assert sum(sizes(cells)) == len(cells["i"]) == len(cells["p"])
        assert cells["i"] == list(prompt.input_ids)
        assert cells["p"] == [token.encoded.piece for token in prompt.tokens]
        assert set(cells["n"].values()) <= set(range(2, len(cells["i"]) + 1))


def test_origin_and_turn_of_a_cell_are_those_of_its_first_token(
    tokenizer: Any, random_conversation: Draw
):
    codes = {"user": "u", "assistant": "a", "join": "j", "control": "c"}
    rng = random.Random(32)
    for _ in range(50):
        prompt = tokenize(render(turns_of(random_conversation(rng))), tokenizer)
        cells = cells_by_page(prompt)

        token = 0
        for origin, turn, size in zip(cells["o"], cells["r"], sizes(cells), strict=True):
            first = prompt.tokens[token]
            assert (origin, turn) == (codes[first.origin], first.turn)
            token += size


@pytest.mark.parametrize(
    "character",
    ["龘", "👍", "👍🏽", "👨‍👩‍👧‍👦", "🇨🇳", "👩🏾‍🚀", "e\u0301", "x\u0323\u0302", "각", "\r\n"],
    ids=lambda character: character.encode("unicode-escape").decode(),
)
def test_a_visible_character_over_several_tokens_is_one_cell(tokenizer: Any, character: str):
    for text in (character, f"q{character}q", character * 3):
        prompt = prompt_of(tokenizer, text)
        assert len(prompt.tokens) > len(text) / 3  # it is not one piece

        cells = cells_by_page(prompt)

        shown = [cell for cell in cells["t"] if character in cell]
        assert shown == [character] * text.count(character)
        assert "\ufffd" not in "".join(cells["t"])


def test_cells_are_cut_nowhere_but_between_visible_characters(
    tokenizer: Any, random_conversation: Draw
):
    rng = random.Random(33)
    for _ in range(50):
        prompt = tokenize(render(turns_of(random_conversation(rng))), tokenizer)
        allowed = {match.start() for match in regex.finditer(r"\X", prompt.text)}
        end = 0
        for segment in prompt.segments:
            allowed.add(end)
            end += len(segment.text)

        start = 0
        for text in cells_by_page(prompt)["t"]:
            assert start in allowed | {len(prompt.text)}
            start += len(text)


def test_what_need_not_be_grouped_is_not(tokenizer: Any):
    prompt = prompt_of(tokenizer, "The quick brown fox, def f(x):\n    return 1", "你好，天气很好")

    assert sizes(cells_by_page(prompt)) == [1] * len(prompt.tokens)


def test_a_mark_that_begins_a_message_does_not_join_the_text_before_it(tokenizer: Any):
    cells = cells_by_page(prompt_of(tokenizer, "a", "\u0301b"))

    assert cells["o"][cells["t"].index("\u0301")] == "a"


def test_a_prompt_without_marks_and_joiners_is_grouped_as_any_other(tokenizer: Any):
    # Where nothing can join there is a shorter way; a mark at the end forces the other.
    text = "a\nb <n> c\n\n  d 好👍"
    plain_cells = cells_by_page(prompt_of(tokenizer, text))
    marked_cells = cells_by_page(prompt_of(tokenizer, text, "e\u0301"))

    length = len(text)
    assert cut_to(plain_cells["t"], length) == cut_to(marked_cells["t"], length)


def cut_to(texts: list[str], length: int) -> list[str]:
    kept: list[str] = []
    for text in texts:
        if sum(map(len, kept)) < length:
            kept.append(text)
    return kept


def test_no_more_than_the_limit_is_drawn(tokenizer: Any):
    prompt = prompt_of(tokenizer, "龘" * 50)

    cells = cells_by_page(prompt, limit=20)

    assert cells["i"] == list(prompt.input_ids[:20])
    assert sum(sizes(cells)) == 20


# --- flags --------------------------------------------------------------------------------------


def test_the_mark_before_the_text_is_flagged_as_a_phantom(tokenizer: Any):
    cells = cells_by_page(prompt_of(tokenizer, "龘"))

    assert (cells["t"][0], cells["p"][0], cells["f"]["0"]) == ("", "▁", PHANTOM)
    assert list(cells["f"]) == ["0"]


def test_a_token_over_a_join_is_flagged(real_tokenizer: Any):
    cells = cells_by_page(prompt_of(real_tokenizer, "1.", "好"))

    assert flags_of(cells)[".<"] == CROSSES


@pytest.mark.parametrize("name", CONTROL_TOKENS)
def test_the_cells_of_a_typed_control_token_are_flagged_with_its_name(tokenizer: Any, name: str):
    # Typed by the user and written by the model; between and after them joins that nobody typed.
    prompt = prompt_of(tokenizer, f"好{name}好", f"天{name}", "你")
    typed = [(1, 1 + len(name)), (len(name) + 6, 2 * len(name) + 6)]
    assert [prompt.text[start:end] for start, end in typed] == [name, name]

    cells = cells_by_page(prompt)

    end = 0
    for index, text in enumerate(cells["t"]):
        start, end = end, end + len(text)
        is_typed = bool(text) and any(start < last and first < end for first, last in typed)
        flag = cells["f"].get(str(index), 0)
        assert isinstance(flag, list) == is_typed, text
        if is_typed:
            assert flag[0] & TYPED
            assert flag[1] == name


def test_joins_and_the_control_token_of_the_template_are_not_typed(tokenizer: Any):
    cells = cells_by_page(prompt_of(tokenizer, "你好", "您好", "天气"))

    assert all(flag & TYPED == 0 for flag in flags_of(cells).values())
    assert cells["o"].count("c") == 1
    assert cells["t"][-1] == "<sep>"


def test_nothing_is_flagged_that_only_looks_alike(tokenizer: Any):
    cells = cells_by_page(prompt_of(tokenizer, "好<seq>好 < n> <SEP> a<b"))

    assert all(flag & TYPED == 0 for flag in flags_of(cells).values())


def test_names_side_by_side_each_have_their_own_flag(tokenizer: Any):
    cells = cells_by_page(prompt_of(tokenizer, "好<sep><n><eod>"))

    names = [flag[1] for flag in cells["f"].values() if isinstance(flag, list)]
    assert list(dict.fromkeys(names)) == ["<sep>", "<n>", "<eod>"]


def test_time_grows_with_the_text_and_not_with_its_square(tiny_loaded: Any):
    prompt = prompt_of(tiny_loaded.tokenizer, "<n>" * 20_000)

    started = process_time()
    cells_of(prompt, limit=60_000)

    # Comparing every cell with every name takes minutes at this length.
    assert process_time() - started < 10


# --- views --------------------------------------------------------------------------------------


def prompt_view(fitted: FittedPrompt, **around: Any) -> PromptView:
    return PromptView(fitted, Surroundings(2048, **around))


def bar_sum(view: dict[str, Any]) -> int:
    return sum(view["bar"][part] for part in ("history", "message", "answer", "reserved", "free"))


def answer_of(tokenizer: Any, text: str, finish: Any = None, timings: Any = None) -> Answer:
    messages = [Message("user", "你好"), Message("assistant", "您好"), Message("user", "天气")]
    fitted = fit(messages, tokenizer, PromptOptions(100, 50))
    return Answer(fitted, tuple(tokenizer.encode(text)), text, finish, timings)


def view_of(answer: Answer, tokenizer: Any, **kwargs: Any) -> dict[str, Any]:
    spelled = spell_answer(answer.token_ids, tokenizer, len(answer.fitted.prompt.tokens), 2)
    return json.loads(prompt_view(answer.fitted).answer(answer, spelled, **kwargs))


@pytest.mark.parametrize("question", ["你好", "好" * 200], ids=["fits", "too long"])
def test_a_preview_adds_up_to_the_window_and_names_what_falls_out(tokenizer: Any, question: str):
    messages = [
        Message("user", "天气很好？" * 40),
        Message("assistant", "b"),
        Message("user", question),
    ]
    fitted = fit(messages, tokenizer, PromptOptions(100, 30))

    view = json.loads(prompt_view(fitted).draft("preview", {"en": "no", "zh": "不"}))

    assert bar_sum(view) == view["bar"]["window"] == 100
    assert min(view["bar"].values()) >= 0
    assert (view["mode"], view["error"]) == ("preview", {"en": "no", "zh": "不"})
    assert view["dropped"] == {
        "turns": [1],
        "tokens": fitted.dropped_tokens,
        "before": len(fitted.whole.tokens),
        "after": len(fitted.prompt.tokens),
    }
    assert view["policy"] == "drop_oldest"
    assert view["prompt_tokens"] == len(fitted.prompt.tokens) == len(view["cells"]["i"])
    assert view["bar"]["message"] + view["bar"]["excess"] == view["prompt_tokens"]


def test_a_history_adds_up_and_nothing_is_an_empty_view(tokenizer: Any):
    messages = [Message("user", "你好"), Message("assistant", "b")]
    fitted = fit(messages, tokenizer, PromptOptions(100, 30), open_question=False)
    nothing = fit([], tokenizer, PromptOptions(100, 30), open_question=False)

    view, empty = (json.loads(prompt_view(item).draft("history")) for item in (fitted, nothing))

    assert (view["mode"], empty["mode"]) == ("history", "empty")
    assert bar_sum(view) == bar_sum(empty) == 100
    assert view["dropped"] is None
    assert empty["bar"]["free"] == 70


def test_an_answer_grows_inside_what_was_reserved_for_it(tokenizer: Any):
    before, after = (view_of(answer_of(tokenizer, text), tokenizer) for text in ("", "天气很好"))

    assert bar_sum(before) == bar_sum(after) == 100
    grown = after["bar"]["answer"]
    assert grown == len(after["answer"]["i"]) > 0
    assert after["bar"]["reserved"] == before["bar"]["reserved"] - grown == 50 - grown
    assert after["bar"]["free"] == before["bar"]["free"]


def test_an_answer_shows_the_ids_that_were_sent_and_those_that_came(tokenizer: Any):
    answer = answer_of(tokenizer, "天气很好")

    view = view_of(answer, tokenizer)

    assert view["cells"]["i"] == list(answer.fitted.prompt.input_ids)
    assert view["answer"]["i"] == list(answer.token_ids)
    assert set(view["answer"]["o"]) == {"n"}
    assert set(view["answer"]["r"]) == {2}


@pytest.mark.parametrize(
    ("finish", "is_stopped", "mode", "shown"),
    [
        (None, False, "answering", None),
        ("stop", False, "sent", "stop"),
        ("length", True, "sent", "length"),
        (None, True, "sent", "cancelled"),
    ],
)
def test_an_answer_is_sent_once_it_goes_on_no_more(
    tokenizer: Any, finish: Any, is_stopped: bool, mode: str, shown: Any
):
    view = view_of(answer_of(tokenizer, "好", finish), tokenizer, is_stopped=is_stopped)

    assert (view["mode"], view["finish"]) == (mode, shown)


def test_speed_is_told_when_there_is_one(tokenizer: Any):
    fast = answer_of(tokenizer, "好", "stop", Timings(5, 0.1, 11, 0.8))

    assert view_of(fast, tokenizer)["speed"] == 12.5
    assert (
        view_of(answer_of(tokenizer, "好", "stop", Timings(5, 0.1, 1, 0.1)), tokenizer)["speed"]
        is None
    )


def test_a_view_is_ascii_and_a_lone_surrogate_survives_it(tokenizer: Any):
    fitted = fit([Message("user", "a\ud800é</script>")], tokenizer, PromptOptions(100, 30))

    text = prompt_view(fitted).draft("preview")

    assert text.isascii()
    assert "".join(json.loads(text)["cells"]["t"]) == "a\ud800é</script><sep>"


def test_an_error_view_says_it_in_both_languages():
    assert json.loads(error_view({"en": "no", "zh": "不"})) == {
        "mode": "blocked",
        "error": {"en": "no", "zh": "不"},
    }


# --- what is gone from the chat, and what is pinned -----------------------------------------------


def conversation(*texts: str) -> list[Message]:
    return [Message("assistant" if place % 2 else "user", t) for place, t in enumerate(texts)]


def test_messages_that_are_dropped_are_named_by_their_places_in_the_chat(tokenizer: Any):
    messages = conversation("天气" * 60, "好", "你好", "您好", "b")
    fitted = fit(messages, tokenizer, PromptOptions(100, 30))

    # A notice and the question it answers stand between them.
    view = json.loads(prompt_view(fitted, places=[0, 1, 4, 5, 6]).draft("preview"))

    assert view["left_out"] == [0, 1]
    assert [row["s"] for row in view["turns"]] == ["dropped", "kept", "kept"]


@pytest.mark.parametrize(
    ("reserved", "left_out"), [(14, [0]), (24, [0]), (40, [0, 1]), (85, [0, 1, 2])]
)
def test_what_a_left_cut_takes_a_part_of_is_named_too(reserved: int, left_out: list[int]):
    # 10 + 3 + 50 + 3 + 20 characters and `<sep>`: 87 tokens. 86 or 76 of them leave the answer
    # whole, 60 cut into it, 15 into the question.
    messages = conversation("a" * 10, "b" * 50, "c" * 20)
    options = PromptOptions(100, reserved, policy=Policy.LEFT_CUT)

    view = json.loads(
        prompt_view(fit(messages, Characters(), options), places=[0, 1, 2]).draft("preview")
    )

    assert view["left_out"] == left_out
    assert view["cut"] == {14: 0, 24: None, 40: 1, 85: 2}[reserved]


class Characters:
    """One token per character, and one for `<sep>`."""

    def encode_with_offsets(self, text: str, *, parse_control: bool = True) -> list[EncodedToken]:
        return [EncodedToken(7, c, i, i + 1, c.encode()) for i, c in enumerate(text)]

    def control_token_id(self, token: str) -> int:
        return 1


def test_pins_are_told_as_they_are_now_also_behind_an_answer(tokenizer: Any):
    answer = answer_of(tokenizer, "好", "stop")

    assert view_of(answer, tokenizer)["pinned"] == []
    assert view_of(answer, tokenizer, pinned={2, 1})["pinned"] == [1, 2]


def test_what_does_not_fit_is_taken_off_the_history_first(tokenizer: Any):
    messages = conversation("天气" * 60, "好", "你好")
    fitted = fit(messages, tokenizer, PromptOptions(100, 30, policy=Policy.STOP))

    bar = json.loads(prompt_view(fitted).draft("blocked"))["bar"]

    assert bar["message"] == sum(token.turn == 2 for token in fitted.prompt.tokens)
    assert bar["history"] + bar["message"] == 70
    assert bar["excess"] == len(fitted.prompt.tokens) - 70
