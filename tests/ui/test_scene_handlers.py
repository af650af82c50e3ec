import json
import logging
import warnings
from collections.abc import Sequence
from itertools import product
from typing import Any

import gradio as gr
import pytest

from yuan_demo.core.lint import lint
from yuan_demo.core.messages import Message
from yuan_demo.engine.chat import ChatModel
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.history import conversation_of, notice, shown
from yuan_demo.ui.lessons import LESSONS
from yuan_demo.ui.page_settings import PageSettings
from yuan_demo.ui.scene_handlers import SCENE_OUTPUTS, SceneHandlers
from yuan_demo.ui.scenes import Scene, pack, unpack
from yuan_demo.ui.strings import ERRORS

TALK = ("你好", "您好，请问您需要哪方面的帮助？")
LONG = "".join(f"请用一句话介绍一下你自己{sign}" for sign in "，。：；？！")


def page(language: str = "en") -> gr.Request:
    return gr.Request(session_hash="page", headers={"accept-language": language})


def event(**data: Any) -> Any:
    return gr.EventData(None, data)


def said(*texts: str) -> list[dict[str, Any]]:
    """A chat of questions and answers in turn, as Gradio hands it to a handler."""
    roles = ("user", "assistant") * len(texts)
    return shown(map(Message, roles, texts))


def is_skip(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"__type__"}


@pytest.fixture
def scenes(tiny_loaded: Any) -> SceneHandlers:
    return SceneHandlers(PageHandlers(ChatModel(tiny_loaded)))


class PutUp:
    """What a handler gave for the chat, the message box and the controls."""

    def __init__(self, outputs: Sequence[Any]) -> None:
        self.chats = outputs[:3]
        self.draft = outputs[3]
        self.settings = PageSettings(*outputs[4:SCENE_OUTPUTS])
        self.rest = outputs[SCENE_OUTPUTS:]

    @property
    def texts(self) -> list[str]:
        first, second, third = self.chats
        assert first == second == third
        return [message.content for message in conversation_of(first)]


# --- repairs --------------------------------------------------------------------------------------

# Finding: what is typed, what was said before it, and settings against the defaults.
FAULTS: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "no_sep": ("天气", (), {"format": "roles"}),
    "broken_control": ("天气", (), {"loading": "no_added_tokens"}),
    "added_bos_eos": ("天气", (), {"loading": "no_flags"}),
    "acting_control": ("天<sep>气", (), {"raw": True}),
    "typed_join": ("天<n>气", ("a<n>b", "c"), {}),
    "trailing_space": ("天气  ", (), {}),
    "invisible_characters": ("天\u200b气", ("a\ufeff", "b"), {}),
    "format_changes_text": ("python", (), {"format": "fastchat_yuan2"}),
    "repeated_answer": ("天气", ("a", TALK[1], "b", TALK[1]), {"pinned": [3]}),
    "repeated_text": ("天气好的，" * 20, (), {}),
    "cut_inside": ("天气", (LONG, LONG), {"policy": "left_cut", "window": 80}),
    "short_answer_room": ("天气", (LONG, LONG), {"policy": "shrink_answer"}),
    "history_unwritten": ("天气", TALK, {"format": "last_question"}),
    "unanswered_question": ("天气", ("a", "", *TALK), {}),
}


def codes_of(scenes: SceneHandlers, draft: str, messages: list[Message], settings: Any) -> set[str]:
    messages = [*messages, Message("user", draft)]
    fitted = scenes.model.fit(messages, settings.options())
    return {finding.code for finding in lint(messages, fitted, scenes.model.tokenizer)}


@pytest.mark.parametrize("code", FAULTS)
def test_a_repair_mends_what_was_found(scenes: SceneHandlers, code: str):
    draft, before, changes = FAULTS[code]
    settings = scenes.pages.defaults.changed({"max_new_tokens": 40} | changes)
    history = said(*before)
    if code == "short_answer_room":
        # The answer shrinks to next to nothing beside this much history.
        used = len(scenes.model.fit(_asked(history, draft), settings.options()).whole.tokens)
        settings = settings._replace(window=used + 20, max_new_tokens=used - 20)
    assert code in codes_of(scenes, draft, list(conversation_of(history)), settings)

    outputs = scenes.repair(draft, history, event(code=code), page(), *settings)

    put_up = PutUp(outputs)
    is_kept = all(map(is_skip, put_up.chats))
    messages = list(conversation_of(history)) if is_kept else list(conversation_of(put_up.chats[0]))
    assert code not in codes_of(scenes, put_up.draft, messages, put_up.settings)
    # What is sound stays: the words of the question, and the conversation where it has no fault.
    assert put_up.draft.replace("\n", "") in draft.replace("<n>", "").replace("\u200b", "")
    assert set(texts(messages)) <= {text.replace("<n>", "\n").strip("\ufeff") for text in before}


def _asked(history: Any, draft: str) -> list[Message]:
    return [*conversation_of(history), Message("user", draft)]


def texts(messages: list[Message]) -> list[str]:
    return [message.content for message in messages]


def test_a_repair_that_leaves_the_messages_alone_keeps_the_notices_of_the_chat(
    scenes: SceneHandlers,
):
    history = [*said("a"), notice("refused"), *said(*TALK)]
    settings = scenes.pages.defaults._replace(format="roles")

    put_up = PutUp(scenes.repair("天气", history, event(code="no_sep"), page(), *settings))

    assert all(map(is_skip, put_up.chats))
    assert put_up.settings.question_template.endswith("<sep>")


def test_a_repair_without_a_draft_mends_the_conversation(scenes: SceneHandlers):
    outputs = scenes.repair(
        "", said("a<n>b", "c"), event(code="typed_join"), page(), *scenes.pages.defaults
    )

    assert PutUp(outputs).texts == ["a\nb", "c"]
    assert PutUp(outputs).draft == ""


def test_pins_follow_their_turns_when_a_repair_takes_one_away(scenes: SceneHandlers):
    draft, before, _ = FAULTS["repeated_answer"]
    settings = scenes.pages.defaults._replace(pinned=[1, 3])

    outputs = scenes.repair(
        draft, said(*before[:4], "c", "d"), event(code="repeated_answer"), page(), *settings
    )

    assert PutUp(outputs).texts == ["a", TALK[1], "c", "d"]
    assert PutUp(outputs).settings.pinned == [1, 2]


@pytest.mark.parametrize("code", ["trailing_space", "no such code", None, 5, ["x"]])
def test_a_repair_of_what_is_not_there_changes_nothing(scenes: SceneHandlers, code: Any):
    outputs = scenes.repair("天气", [], event(code=code), page(), *scenes.pages.defaults)

    assert len(outputs) == SCENE_OUTPUTS
    assert all(map(is_skip, outputs))


# --- lessons and the way back ---------------------------------------------------------------------


@pytest.mark.parametrize(("name", "language"), list(product(LESSONS, ["en", "zh"])))
def test_a_lesson_sets_everything_aside_and_back_brings_it_back(
    scenes: SceneHandlers, name: str, language: str
):
    own = scenes.pages.defaults.changed({"format": "roles", "pinned": [1], "greedy": False})
    history = said(*TALK)

    opened = scenes.open_lesson("a draft ", history, None, event(name=name), page(language), *own)
    banner, stash = opened[SCENE_OUTPUTS:]
    back = scenes.come_back(json.loads(json.dumps(stash)), page(language))

    is_chinese = language == "zh"
    assert json.loads(banner)["active"] == name
    assert json.loads(banner)["title"] == LESSONS[name].title[is_chinese]
    assert PutUp(opened).draft
    assert PutUp(opened).draft != "a draft "
    PutUp(opened).settings.options()
    assert (PutUp(back).texts, PutUp(back).draft) == (list(TALK), "a draft ")
    assert PutUp(back).settings == own
    assert PutUp(back).rest == ["", {}]


def test_a_second_lesson_keeps_what_the_first_one_set_aside(scenes: SceneHandlers):
    defaults = scenes.pages.defaults
    first = scenes.open_lesson("mine", said(*TALK), None, event(name="roles"), page(), *defaults)
    lesson = PutUp(first)

    second = scenes.open_lesson(
        lesson.draft, lesson.chats[0], first[-1], event(name="repeats"), page(), *lesson.settings
    )
    back = PutUp(scenes.come_back(second[-1], page()))

    assert (back.texts, back.draft, back.settings) == (list(TALK), "mine", defaults)


def test_the_way_back_from_nothing_is_an_empty_page(scenes: SceneHandlers):
    back = PutUp(scenes.come_back(None, page()))

    assert (back.texts, back.draft, back.settings) == ([], "", scenes.pages.defaults)


def test_nothing_is_put_up_while_an_answer_is_written(scenes: SceneHandlers):
    scenes.pages.visitor(page()).is_answering = True
    defaults = scenes.pages.defaults
    said_of_it = ERRORS["answer_running"][0]

    with pytest.warns(UserWarning, match=said_of_it):
        lesson = scenes.open_lesson("", [], None, event(name="roles"), page(), *defaults)
    with pytest.warns(UserWarning, match=said_of_it):
        back = scenes.come_back({"m": []}, page())
    with pytest.warns(UserWarning, match=said_of_it):
        repair = scenes.repair("天气 ", [], event(code="trailing_space"), page(), *defaults)

    assert [len(lesson), len(back)] == [SCENE_OUTPUTS + 2] * 2
    assert all(map(is_skip, [*lesson, *back, *repair]))


# --- pins -----------------------------------------------------------------------------------------


def test_a_pin_is_put_and_taken_away(scenes: SceneHandlers):
    assert scenes.pin([], event(turn=2), page()) == [2]
    assert scenes.pin([2], event(turn=1), page()) == [1, 2]
    assert scenes.pin([1, 2], event(turn=2), page()) == [1]


# --- links ----------------------------------------------------------------------------------------


def test_a_question_that_a_page_was_left_with_says_so_and_is_not_sent(scenes: SceneHandlers):
    history = scenes.restore(said(*TALK, "Hello?"), "", None, page())[0]

    assert history[-1]["metadata"] == {"id": "notice"}
    assert "Press retry" in history[-1]["content"]
    assert [message.content for message in conversation_of(history)] == list(TALK)


def test_a_link_restores_conversation_draft_and_settings(scenes: SceneHandlers):
    settings = scenes.pages.defaults.changed({"format": "roles", "pinned": [1], "seed": 7})
    history = [*said("a"), notice("refused"), *said("a<b>\n\U0001f469", "\tb")]
    shared = json.loads(scenes.share("draft &lt;", history, page(), *settings))

    opened = PutUp(scenes.restore([], json.dumps(shared["scene"]), None, page()))

    assert opened.texts == ["a<b>\n\U0001f469", "\tb"]
    assert (opened.draft, opened.settings) == ("draft &lt;", settings)
    assert json.loads(opened.rest[0])["active"] == "link"


def test_asking_for_the_same_link_twice_gives_two_values(scenes: SceneHandlers):
    ask = [scenes.share("a", [], page(), *scenes.pages.defaults) for _ in range(2)]

    # Gradio passes an equal value over, and nothing would be copied.
    assert ask[0] != ask[1]


def test_a_link_sets_the_kept_conversation_aside(scenes: SceneHandlers):
    opened = PutUp(scenes.restore(said(*TALK), json.dumps({"m": [["u", "x"]]}), None, page()))
    back = PutUp(scenes.come_back(opened.rest[1], page()))

    assert opened.texts == ["x"]
    assert back.texts == list(TALK)


def test_a_link_opened_in_a_lesson_keeps_what_the_lesson_set_aside(scenes: SceneHandlers):
    own = pack(Scene((Message("user", "mine"),), "d", scenes.pages.defaults), scenes.pages.defaults)

    opened = PutUp(scenes.restore(said("lesson", "b"), '{"m": []}', own, page()))

    assert unpack(opened.rest[1], scenes.pages.defaults).draft == "d"


@pytest.mark.parametrize(("language", "word"), [("en", "set aside"), ("zh", "暂存")])
def test_a_page_loaded_anew_in_a_lesson_still_has_the_way_back(
    scenes: SceneHandlers, language: str, word: str
):
    opened = scenes.restore(said("lesson", "b"), "", {"m": [["u", "mine"]]}, page(language))

    banner, stash = opened[SCENE_OUTPUTS:]
    assert conversation_of(opened[0])[0].content == "lesson"
    assert word in json.loads(banner)["title"]
    assert is_skip(stash)


def test_a_page_without_a_link_shows_what_the_browser_kept_and_no_banner(scenes: SceneHandlers):
    outputs = scenes.restore(said(*TALK), "", None, page())

    assert outputs[0] == outputs[1] == outputs[2] == said(*TALK)
    assert all(map(is_skip, outputs[3:]))
    assert len(outputs) == SCENE_OUTPUTS + 2


@pytest.mark.parametrize(
    "link",
    [
        "?",
        "null",
        "[]",
        '{"m": 5}',
        '{"m": [["x", "y"]]}',
        '{"m": [], "s": {"format": "<img src=x>"}}',
        '{"m": [], "s": {"window": 5}}',
        '{"m": [], "s": {"max_new_tokens": {}}}',
        '{"m": [], "s": {"pinned": [[]]}}',
        "[" * 100_000,
    ],
    ids=lambda link: link[:40],
)
def test_a_broken_link_leaves_the_conversation_alone_and_says_why(
    scenes: SceneHandlers, link: str, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.CRITICAL), warnings.catch_warnings(record=True) as toasts:
        warnings.simplefilter("always")
        outputs = scenes.restore(said(*TALK), link, None, page())

    # A window that no model has is found when the prompt is made, and said in the panel.
    if '"window"' not in link:
        assert len(toasts) == 1
        assert "<img" not in str(toasts[0].message)
        assert conversation_of(outputs[0]) == conversation_of(said(*TALK))
        assert all(map(is_skip, outputs[3:]))
    assert len(outputs) == SCENE_OUTPUTS + 2


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("draft", [None, "", "a", 5, "好" * 300_000, "\ud83d"])
@pytest.mark.parametrize("history", [None, [], "text", [5], [{"role": "user"}]])
def test_whatever_comes_in_no_handler_raises(
    scenes: SceneHandlers, draft: Any, history: Any, caplog: pytest.LogCaptureFixture
):
    broken = scenes.pages.defaults.changed(
        {"format": ["x"], "window": "x", "pinned": "x", "max_new_tokens": None}
    )
    with caplog.at_level(logging.CRITICAL):
        for settings, data in product(
            (scenes.pages.defaults, broken), ({}, {"name": {}, "turn": None, "code": "no_sep"})
        ):
            happened = event(**data)
            opened = scenes.open_lesson(draft, history, draft, happened, page(), *settings)
            assert len(opened) == SCENE_OUTPUTS + 2
            assert len(scenes.come_back(draft, page())) == SCENE_OUTPUTS + 2
            assert len(scenes.restore(history, draft, draft, page())) == SCENE_OUTPUTS + 2
            repaired = scenes.repair(draft, history, happened, page(), *settings)
            assert len(repaired) == SCENE_OUTPUTS
            scenes.pin(history, happened, page())
            scenes.share(draft, history, page(), *settings)


def test_a_toast_quotes_what_was_written_as_text(scenes: SceneHandlers):
    link = json.dumps({"m": [], "s": {"format": "custom", "question_template": "<img src=x>"}})

    with pytest.warns(UserWarning, match="&lt;img src=x&gt;"):
        scenes.restore([], link, None, page())
