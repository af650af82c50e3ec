"""The page: layout and wiring, nothing else."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from yuan_demo.core.formats import CUSTOM
from yuan_demo.ui import panel as parts
from yuan_demo.ui.answer_handlers import AnswerHandlers
from yuan_demo.ui.api import add_api
from yuan_demo.ui.asks import AskHandlers
from yuan_demo.ui.branch_handlers import BranchHandlers
from yuan_demo.ui.branch_wiring import wire_branches, wire_duel
from yuan_demo.ui.chatbot import VerbatimChatbot
from yuan_demo.ui.compare import CompareHandlers
from yuan_demo.ui.controls import Controls, format_choices, make_controls
from yuan_demo.ui.duel_handlers import DuelHandlers
from yuan_demo.ui.events import QUIET as _QUIET
from yuan_demo.ui.events import SPOKEN as _SPOKEN
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.inside_handlers import InsideHandlers
from yuan_demo.ui.page_settings import naming_settings
from yuan_demo.ui.scene_handlers import SceneHandlers
from yuan_demo.ui.strings import EXAMPLES
from yuan_demo.ui.trace_api import add_trace_api
from yuan_demo.ui.trace_handlers import TraceHandlers
from yuan_demo.ui.why_handlers import WhyHandlers
from yuan_demo.ui.words import I18N

# Fixed, all: Gradio draws a fresh secret per process, and what was stored under another one is
# unreadable after a restart. It is no secret, and hides nothing from whoever has the browser.
_HISTORY_KEY = "yuan-demo-conversation"
_STASH_KEY = "yuan-demo-set-aside"
_SECRET = "yuan-demo-v1"

MAX_ANSWERS_AT_ONCE = 300
"""Answers computed or in the engine's line; only more than these wait in Gradio's own queue."""


@dataclass(frozen=True, slots=True)
class _Formats:
    """What the Formats tab is made of, beside the settings."""

    other: gr.Dropdown
    reference: gr.Textbox
    ask: gr.Button
    result: gr.HTML


@dataclass(frozen=True, slots=True)
class _Page:
    """Everything on the page that events read or change."""

    chat: gr.ChatInterface
    controls: Controls
    header: gr.HTML
    banner: gr.HTML
    context: gr.HTML
    tokens: gr.HTML
    answer: gr.HTML
    files: gr.HTML
    why: gr.HTML
    inside: gr.HTML
    formats_tab: gr.Tab
    formats: _Formats
    duel: gr.HTML
    lessons: gr.HTML
    store: gr.BrowserState
    stash: gr.BrowserState
    language: gr.Textbox
    link: gr.Textbox

    @property
    def histories(self) -> list[Any]:
        """The conversation in all three places where Gradio keeps it."""
        return [self.chat.chatbot, self.chat.chatbot_state, self.chat.chatbot_value]

    @property
    def said(self) -> list[Any]:
        """What is typed and what was said."""
        return [self.chat.textbox, self.chat.chatbot]

    @property
    def scene(self) -> list[Any]:
        """All that a link, a lesson or a repair puts up (`scene_handlers.SCENE_OUTPUTS`)."""
        return [*self.histories, self.chat.textbox, *self.controls.components()]


def build_demo(handlers: PageHandlers) -> gr.Blocks:
    """Builds the page around its handlers and the model that they answer with."""
    with gr.Blocks(
        title="Yuan2 demo · 源2.0 演示",
        fill_height=True,
        fill_width=True,
        analytics_enabled=False,
    ) as demo:
        page = _lay_out(handlers)
        repaint = _wire_panel(handlers, page)
        scenes = SceneHandlers(handlers)
        _wire_scenes(scenes, page, repaint)
        _wire_formats(CompareHandlers(handlers), page)
        _wire_answer(demo, AnswerHandlers(handlers), page)
        _wire_why(demo, WhyHandlers(handlers), page)
        _wire_inside(demo, InsideHandlers(handlers), page)
        traces = TraceHandlers(handlers)
        _wire_files(demo, traces, page)
        wire_branches(BranchHandlers(handlers), page, repaint)
        wire_duel(demo, DuelHandlers(handlers), page)
        _wire_loading(demo, handlers, scenes, page, repaint)
        add_api(handlers.model)
        add_trace_api(traces)
    demo.queue(default_concurrency_limit=MAX_ANSWERS_AT_ONCE)
    return demo


# --- layout -------------------------------------------------------------------------------------


def _lay_out(handlers: PageHandlers) -> _Page:
    model = handlers.model
    header = parts.page_header()
    language, link = gr.Textbox(visible=False), gr.Textbox(visible=False)
    store = gr.BrowserState([], storage_key=_HISTORY_KEY, secret=_SECRET)
    stash = gr.BrowserState(None, storage_key=_STASH_KEY, secret=_SECRET)
    controls = make_controls(model)
    with gr.Row(scale=1, equal_height=False, elem_id="page"):
        # The chat takes the panel as an output, so the panel must exist before it.
        left = gr.Column(scale=3, min_width=340, elem_id="chat-column")
        with gr.Column(scale=2, min_width=320, elem_id="token-panel"):
            banner = parts.lesson_banner()
            context = parts.context_panel(handlers.first_view())
            with gr.Tabs(elem_id="panel-tabs"):
                with gr.Tab(I18N("tab_prompt")):
                    tokens = parts.token_list()
                    _lay_out_prompt_settings(controls)
                with gr.Tab(I18N("tab_answer")):
                    answer = parts.answer_tokens()
                    files = parts.answer_files()
                with gr.Tab(I18N("tab_why")):
                    why = parts.answer_causes()
                    inside = parts.model_inside()
                with gr.Tab(I18N("tab_formats")) as formats_tab:
                    formats = _lay_out_formats(controls)
                    duel = parts.duel()
                with gr.Tab(I18N("tab_lessons")):
                    lessons = parts.lesson_list()
        with left:
            chat = _lay_out_chat(handlers, controls, context)
    return _Page(
        chat,
        controls,
        header,
        banner,
        context,
        tokens,
        answer,
        files,
        why,
        inside,
        formats_tab,
        formats,
        duel,
        lessons,
        store,
        stash,
        language,
        link,
    )


def _lay_out_prompt_settings(controls: Controls) -> None:
    with gr.Accordion(I18N("prompt_settings"), open=False, elem_id="prompt-settings"):
        controls.policy.render()
        controls.window.render()
        controls.raw.render()
        controls.loading.render()
        controls.pinned.render()


def _lay_out_formats(controls: Controls) -> _Formats:
    with gr.Row(elem_id="format-choices"):
        controls.format.render()
        other = gr.Dropdown(
            format_choices(),
            value="roles",
            label=I18N("compare_with"),
            info=I18N("compare_with_info"),
        )
    with gr.Group(visible=False) as templates:
        controls.turn_template.render()
        controls.question_template.render()
    for choice in (controls.format, other):
        choice.change(
            lambda *names: gr.update(visible=CUSTOM in names),
            [controls.format, other],
            templates,
            **_QUIET,
        )
    reference = gr.Textbox(
        label=I18N("reference"), info=I18N("reference_info"), lines=1, max_lines=4
    )
    ask = gr.Button(I18N("compare"), variant="primary")
    return _Formats(other, reference, ask, parts.format_comparison())


def _lay_out_chat(handlers: PageHandlers, controls: Controls, context: gr.HTML) -> gr.ChatInterface:
    return gr.ChatInterface(
        naming_settings(handlers.chat),
        chatbot=VerbatimChatbot(
            label=I18N("chatbot_label"),
            show_label=False,
            scale=1,
            min_height=240,
            buttons=["copy", "copy_all"],
            # Plain text: what was typed and generated stands there character by character.
            render_markdown=False,
            elem_id="conversation",
            render=False,
        ),
        textbox=gr.Textbox(
            label=I18N("message_label"),
            show_label=False,
            placeholder=I18N("message_placeholder"),
            scale=7,
            max_lines=8,
            autofocus=True,
            submit_btn=True,
            stop_btn=True,
            elem_id="message-box",
            render=False,
        ),
        # Those that stand in the panel are already placed; the chat places the others.
        additional_inputs=controls.components(),
        additional_inputs_accordion=gr.Accordion(I18N("settings"), open=False, render=False),
        additional_outputs=[context],
        examples=[[text] for text in EXAMPLES["en"]],
        run_examples_on_click=False,
        editable=True,
        validator=handlers.validate,
        concurrency_limit=MAX_ANSWERS_AT_ONCE,
        api_name="chat",
        show_progress="hidden",
        analytics_enabled=False,
    )


# --- wiring -------------------------------------------------------------------------------------


def _wire_panel(handlers: PageHandlers, page: _Page) -> dict[str, Any]:
    """Repaints the panel on every edit; returns the repaint for those who change more."""
    chat, controls = page.chat, page.controls
    repaint = {
        "fn": handlers.preview,
        "inputs": [*page.said, *controls.components()],
        "outputs": page.context,
        "trigger_mode": "always_last",
        **_QUIET,
    }
    # `.change`, not `.input`: the latter fires on key presses only, and so misses deleting,
    # pasting and every Chinese input method (Gradio 6.31). One event for all of them: two events
    # run beside each other, and the answer to the older may come last.
    edits = [chat.textbox.change, *(control.change for control in controls.of_the_prompt())]
    gr.on(edits, **repaint)
    # Pins are numbers of turns, and these are gone.
    chat.chatbot.clear(lambda: [], None, controls.pinned, **_QUIET).then(**repaint)
    return repaint


def _wire_scenes(scenes: SceneHandlers, page: _Page, repaint: dict[str, Any]) -> None:
    """Lessons, repairs, pins, links, and the way back to one's own conversation."""
    settings, everything = page.controls.components(), [*page.scene, page.banner, page.stash]
    page.lessons.lesson(
        scenes.open_lesson, [*page.said, page.stash, *settings], everything, **_SPOKEN
    ).then(**repaint)
    page.banner.back(scenes.come_back, page.stash, everything, **_SPOKEN).then(**repaint)
    inputs = [*page.said, *settings]
    page.tokens.repair(scenes.repair, inputs, page.scene, **_SPOKEN).then(**repaint)
    pinned = page.controls.pinned
    page.context.pin(scenes.pin, pinned, pinned, **_SPOKEN).then(**repaint)
    page.header.link(scenes.share, inputs, page.header, **_SPOKEN)


def _wire_formats(compare: CompareHandlers, page: _Page) -> None:
    formats = page.formats
    inputs = [*page.said, formats.reference, formats.other, *page.controls.components()]
    # A format is never compared with itself.
    page.controls.format.change(
        compare.other_than, [page.controls.format, formats.other], formats.other, **_QUIET
    )
    changes = (page.formats_tab.select, page.controls.format.change, formats.other.change)
    for event in changes:
        event(compare.tokens, inputs, formats.result, **_QUIET)
    formats.ask.click(
        compare.ask,
        inputs,
        formats.result,
        concurrency_limit=1,
        show_progress="hidden",
        api_visibility="private",
    )


def _wire_asks(
    part: gr.HTML, handlers: AskHandlers, *names: str, trigger_mode: str = "once"
) -> None:
    """What a part asks for beside the chat: events, each called like its handler.

    Through the queue: it may wait behind answers, and the engine lets those pass.
    """
    for name in names:
        event, handler = getattr(part, name), getattr(handlers, name)
        event(handler, None, part, **_SPOKEN | {"trigger_mode": trigger_mode})


def _wire_ends(demo: gr.Blocks, part: gr.HTML, handlers: AskHandlers) -> None:
    """What ends an ask: the part's own stop, and a page that is closed."""
    part.stop_asking(handlers.stop, **_QUIET)
    demo.unload(handlers.leave)


def _wire_answer(demo: gr.Blocks, answers: AnswerHandlers, page: _Page) -> None:
    _wire_asks(page.answer, answers, "rate", "ask_string")
    # With the sliders: the newest setting is what counts.
    _wire_asks(page.answer, answers, "open_sampler", trigger_mode="always_last")
    _wire_ends(demo, page.answer, answers)


def _wire_why(demo: gr.Blocks, why: WhyHandlers, page: _Page) -> None:
    # A new question takes the place of the one under way.
    _wire_asks(page.why, why, "measure", "gradients", trigger_mode="multiple")
    _wire_ends(demo, page.why, why)


def _wire_inside(demo: gr.Blocks, inside: InsideHandlers, page: _Page) -> None:
    # Another token takes the place of the one that is looked at, so it must not wait for it.
    _wire_asks(page.inside, inside, "look_inside", trigger_mode="multiple")
    _wire_ends(demo, page.inside, inside)


def _wire_files(demo: gr.Blocks, traces: TraceHandlers, page: _Page) -> None:
    # The page asks one at a time, but maybe before Gradio has seen the end of the one before.
    names = ("save_trace", "open_trace", "replay_trace", "copy_script")
    _wire_asks(page.files, traces, *names, trigger_mode="multiple")
    _wire_ends(demo, page.files, traces)


def _wire_loading(
    demo: gr.Blocks,
    handlers: PageHandlers,
    scenes: SceneHandlers,
    page: _Page,
    repaint: dict[str, Any],
) -> None:
    """Keeps the conversation: over a stop, a reload, and a restart of the server."""
    chat = page.chat
    chat.textbox.stop(handlers.stop, **_QUIET).then(
        handlers.settle, chat.chatbot, page.histories, **_QUIET
    ).then(**repaint)
    # In the page, without a trip to the server: this fires on every streamed token. Not before the
    # kept conversation is back: a page that is left while it loads would store its empty chat.
    chat.chatbot.change(
        None,
        [chat.chatbot, page.store],
        page.store,
        js="(shown, kept) => [window.yuanDemo.whenShown(shown) ? shown : kept]",
    )
    demo.load(
        handlers.greet,
        page.language,
        chat.chatbot,
        js="() => document.documentElement.lang.startsWith('zh') ? 'zh' : 'en'",
        **_QUIET,
    ).then(
        scenes.restore,
        [page.store, page.link, page.stash],
        [*page.scene, page.banner, page.stash],
        js="async (kept, _, stash) => [kept, await window.yuanDemo.readLink(), stash]",
        **_SPOKEN,
    ).then(
        # What a link put up is kept from here on, like what is said.
        None,
        chat.chatbot,
        page.store,
        js="shown => { window.yuanDemo.whenLoaded(shown); return [shown]; }",
    ).then(**repaint)
    demo.unload(handlers.leave)
