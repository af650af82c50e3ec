"""What puts up another scene: lessons, links, repairs, pins, and the way back."""

import json
import logging
from collections.abc import Callable, Sequence
from functools import wraps
from time import time_ns
from typing import Any

import gradio as gr

from yuan_demo.core.errors import PageError
from yuan_demo.core.lint import lint
from yuan_demo.core.messages import Message
from yuan_demo.ui.chatbot import escape
from yuan_demo.ui.checks import clean
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.history import conversation_of, notice, restored, shown
from yuan_demo.ui.lessons import LESSONS
from yuan_demo.ui.page_settings import PageSettings
from yuan_demo.ui.scenes import Scene, pack, unpack
from yuan_demo.ui.strings import (
    error_text,
    event_heading,
    left_line_text,
    toast_heading,
    unanswered_text,
)
from yuan_demo.ui.visitors import Visitor

logger = logging.getLogger(__name__)

LINK_BANNER = {
    "active": ("link", "link"),
    "title": ("Opened from a link", "由链接打开"),
    "text": (
        "This conversation and its settings came with the link. Yours is set aside.",
        "这段对话和设置来自链接。你自己的对话已暂存。",
    ),
}
"""What stands above the panel of a page that a link opened, in both languages."""

AWAY_BANNER = {
    "active": ("away", "away"),
    "title": ("Your own conversation is set aside", "你自己的对话已暂存"),
    "text": (
        "You were in a lesson or a link when this page was loaded anew; settings are back to the "
        "defaults.",
        "页面重新加载前，你正在课程或链接中；设置已恢复为默认值。",
    ),
}
"""What stands there after a reload, which would otherwise take away the way back."""

SCENE_OUTPUTS = 4 + len(PageSettings._fields)
"""Chat (its three states), message box, and every control."""


def _never_raises(outputs: int) -> Callable[..., Any]:
    """A handler whose errors become a toast, and which then changes none of its outputs."""

    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(handler)
        def handle(self: "SceneHandlers", *args: Any) -> Any:
            request = next(arg for arg in args if isinstance(arg, gr.Request))
            visitor = self.pages.visitor(request)
            try:
                return handler(self, *args)
            except PageError as error:
                _warn(error, visitor)
            except Exception:
                logger.exception("%s failed", handler.__name__)
                _warn(PageError("unexpected"), visitor)
            return [gr.skip()] * outputs if outputs > 1 else gr.skip()

        return handle

    return decorate


class SceneHandlers:
    """The handlers that change more of a page than its panel.

    Args:
        pages: the handlers of the chat, which know the visitors.
    """

    def __init__(self, pages: PageHandlers) -> None:
        self.pages = pages
        self.model = pages.model

    @_never_raises(SCENE_OUTPUTS + 2)
    def open_lesson(
        self,
        draft: str,
        history: list[dict[str, Any]],
        stash: Any,
        event: gr.EventData,
        request: gr.Request,
        *settings: Any,
    ) -> list[Any]:
        """Puts up a lesson; gives the scene, the banner, and what was set aside."""
        visitor = self._idle(request)
        lesson = LESSONS[event.name]
        own = self._scene(draft, history, settings)
        start = lesson.start(self.model, visitor.language)
        scene = Scene(start.messages, start.draft, self.pages.defaults.changed(start.settings))
        is_chinese = visitor.language == "zh"
        banner = {
            "active": lesson.name,
            "title": lesson.title[is_chinese],
            "text": lesson.text[is_chinese],
            "task": lesson.task[is_chinese],
            "table": start.table
            and {"head": list(start.table.head), "rows": [list(row) for row in start.table.rows]},
        }
        return [*_put_up(scene), json.dumps(banner), self._set_aside(own, stash)]

    @_never_raises(SCENE_OUTPUTS + 2)
    def come_back(self, stash: Any, request: gr.Request) -> list[Any]:
        """Puts the visitor's own conversation up again."""
        self._idle(request)
        own = unpack(stash or {"m": []}, self.pages.defaults)
        # Not None, which Gradio 6.31 does not write into the browser's storage: after a reload, an
        # older conversation would still stand there as the one set aside.
        return [*_put_up(own), "", {}]

    @_never_raises(1)
    def share(
        self, draft: str, history: list[dict[str, Any]], request: gr.Request, *settings: Any
    ) -> str:
        """The scene for a link; the number makes it a new value when asked again."""
        packed = pack(self._scene(draft, history, settings), self.pages.defaults)
        return json.dumps({"scene": packed, "asked": time_ns()})

    def restore(self, kept: Any, link: str, stash: Any, request: gr.Request) -> list[Any]:
        """What a page that loads shows: what a link says, or else what the browser kept."""
        visitor = self.pages.visitor(request)
        language = visitor.language
        history = restored(kept, event_heading(language), left_line_text(language))
        if history and history[-1]["role"] == "user":
            # Nobody is writing any more; without this the next question would join this one.
            history.append(notice(unanswered_text(language)))
        if link:
            try:
                scene = unpack(json.loads(link), self.pages.defaults)
                own = Scene(conversation_of(history), "", self.pages.defaults)
                banner = _banner(LINK_BANNER, visitor)
                return [*_put_up(scene), banner, self._set_aside(own, stash)]
            except (PageError, ValueError) as error:
                _warn(error if isinstance(error, PageError) else PageError("bad_link"), visitor)
            except Exception:
                logger.exception("a link could not be opened")
                _warn(PageError("bad_link"), visitor)
        unchanged = [gr.skip()] * (SCENE_OUTPUTS - 3)
        banner = _banner(AWAY_BANNER, visitor) if stash else gr.skip()
        return [history, history, history, *unchanged, banner, gr.skip()]

    @_never_raises(SCENE_OUTPUTS)
    def repair(
        self,
        draft: str,
        history: list[dict[str, Any]],
        event: gr.EventData,
        request: gr.Request,
        *settings: Any,
    ) -> list[Any]:
        """Mends what the linter found, as the page and not the click says it stands."""
        self._idle(request)
        scene = self._scene(draft, history, settings)
        messages = [*scene.messages, Message("user", clean(draft))] if draft else scene.messages
        options = scene.settings.options()
        fitted = self.model.fit(messages, options, open_question=bool(draft))
        findings = lint(messages, fitted, self.model.tokenizer, open_question=bool(draft))
        repairs = [finding.repair for finding in findings if finding.code == event.code]
        repair = repairs[0] if repairs else None
        if repair is None:
            return [gr.skip()] * SCENE_OUTPUTS
        mended = list(repair.messages)
        new_draft = mended.pop().content if draft else ""
        changed = scene.settings
        if repair.options != options:
            changed = changed.with_options(repair.options)
        put_up = _put_up(Scene(tuple(mended), new_draft, changed))
        # The chat as it stands has notices that a rebuilt one would lose.
        return [gr.skip()] * 3 + put_up[3:] if tuple(mended) == scene.messages else put_up

    @_never_raises(1)
    def pin(self, pinned: list[int], event: gr.EventData, request: gr.Request) -> list[int]:
        """Pins a turn, or lets it go."""
        return sorted(set(pinned) ^ {int(event.turn)})

    def _scene(self, draft: str, history: list[dict[str, Any]], settings: Sequence[Any]) -> Scene:
        return Scene(conversation_of(history), draft or "", PageSettings(*settings))

    def _set_aside(self, own: Scene, stash: Any) -> Any:
        """What is to be kept: the first scene set aside, not a lesson left for another one."""
        return stash or pack(own, self.pages.defaults)

    def _idle(self, request: gr.Request) -> Visitor:
        """The visitor, who must not be waiting for an answer: its end would overwrite the scene."""
        visitor = self.pages.visitor(request)
        if visitor.is_answering:
            raise PageError("answer_running")
        return visitor


def _put_up(scene: Scene) -> list[Any]:
    history = shown(scene.messages)
    return [history, history, history, scene.draft, *scene.settings]


def _banner(words: dict[str, tuple[str, str]], visitor: Visitor) -> str:
    return json.dumps({name: pair[visitor.language == "zh"] for name, pair in words.items()})


def _warn(error: PageError, visitor: Visitor) -> None:
    """Shows a toast. Gradio draws its text as HTML, and it may quote what somebody wrote."""
    text = escape(error_text(error, visitor.language))
    gr.Warning(text, title=toast_heading(visitor.language))
