"""The page: layout and wiring, nothing else."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.chat import ChatModel
from yuan_demo.ui.api import add_api
from yuan_demo.ui.chatbot import VerbatimChatbot
from yuan_demo.ui.handlers import RANDOM_SEED, PageHandlers
from yuan_demo.ui.history import restored
from yuan_demo.ui.panel import page_header, token_panel
from yuan_demo.ui.strings import EXAMPLES, GRADIO_OWN, LABELS

# Fixed, both: Gradio draws a fresh secret per process, and what was stored under another one is
# unreadable after a restart. It is no secret, and hides nothing from whoever has the browser.
_HISTORY_KEY = "yuan-demo-conversation"
_HISTORY_SECRET = "yuan-demo-v1"

MAX_ANSWERS_AT_ONCE = 32
"""Answers computed at the same time; Gradio queues the others and shows their place."""

# Past the queue, where it would wait behind answers; unseen; not for programs.
_QUIET = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

I18N = gr.I18n(
    **{
        "en": {key: english for key, (english, _) in LABELS.items()},
        "zh-CN": {key: chinese for key, (_, chinese) in LABELS.items()} | GRADIO_OWN,
    }
)


@dataclass(frozen=True, slots=True)
class _Settings:
    """The sampling controls, in the order in which the chat function takes them."""

    max_new_tokens: gr.Slider
    greedy: gr.Checkbox
    temperature: gr.Slider
    top_k: gr.Slider
    top_p: gr.Slider
    repetition_penalty: gr.Slider
    seed: gr.Number

    def components(self) -> list[Any]:
        return [getattr(self, name) for name in self.__slots__]


def build_demo(model: ChatModel) -> gr.Blocks:
    """Builds the page around the model that answers and tokenizes."""
    handlers = PageHandlers(model)
    defaults = model.default_params
    with gr.Blocks(
        title="Yuan2 demo · 源2.0 演示",
        fill_height=True,
        fill_width=True,
        analytics_enabled=False,
    ) as demo:
        page_header()
        language = gr.Textbox(visible=False)
        store = gr.BrowserState([], storage_key=_HISTORY_KEY, secret=_HISTORY_SECRET)
        with gr.Row(scale=1, equal_height=False, elem_id="page"):
            # The chat takes the panel as an output, so the panel must exist before it.
            left = gr.Column(scale=3, min_width=340, elem_id="chat-column")
            with gr.Column(scale=2, min_width=320, elem_id="panel-column"):
                panel = token_panel(model, handlers.first_view(defaults.max_new_tokens))
            with left:
                settings = _settings(model, defaults)
                chat = _chat(handlers, settings, panel)
        repaint = _wire_panel(handlers, chat, settings, panel)
        _wire_history(demo, handlers, chat, store, repaint)
        _wire_language(demo, handlers, chat, language)
        add_api(model, defaults)
    demo.queue(default_concurrency_limit=MAX_ANSWERS_AT_ONCE)
    return demo


def _settings(model: ChatModel, defaults: SamplingParams) -> _Settings:
    """The controls, not yet placed: the chat puts them into its fold-out."""

    def slider(name: str, low: float, high: float, step: float) -> gr.Slider:
        return gr.Slider(
            low,
            # A model's own default may lie beyond what the slider offers otherwise.
            max(high, getattr(defaults, name)),
            getattr(defaults, name),
            step=step,
            label=I18N(name),
            info=I18N(f"{name}_info"),
            render=False,
        )

    return _Settings(
        slider("max_new_tokens", 1, model.max_reserved, 1),
        gr.Checkbox(defaults.greedy, label=I18N("greedy"), info=I18N("greedy_info"), render=False),
        slider("temperature", 0.05, 2, 0.05),
        slider("top_k", 0, 200, 1),
        slider("top_p", 0.05, 1, 0.05),
        slider("repetition_penalty", 0.8, 2, 0.05),
        gr.Number(
            RANDOM_SEED, label=I18N("seed"), info=I18N("seed_info"), precision=0, render=False
        ),
    )


def _chat(handlers: PageHandlers, settings: _Settings, panel: gr.HTML) -> gr.ChatInterface:
    return gr.ChatInterface(
        handlers.chat,
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
        additional_inputs=settings.components(),
        additional_inputs_accordion=gr.Accordion(I18N("settings"), open=False, render=False),
        additional_outputs=[panel],
        examples=[[text] for text in EXAMPLES["en"]],
        run_examples_on_click=False,
        editable=True,
        validator=handlers.validate,
        concurrency_limit=MAX_ANSWERS_AT_ONCE,
        api_name="chat",
        show_progress="hidden",
        analytics_enabled=False,
    )


def _wire_panel(
    handlers: PageHandlers, chat: gr.ChatInterface, settings: _Settings, panel: gr.HTML
) -> dict[str, Any]:
    """Repaints the panel on every edit; returns the repaint for those who change more."""
    repaint = {
        "fn": handlers.preview,
        "inputs": [chat.textbox, chat.chatbot, settings.max_new_tokens],
        "outputs": panel,
        "trigger_mode": "always_last",
        **_QUIET,
    }
    # `.change`, not `.input`: the latter fires on key presses only, and so misses deleting,
    # pasting and every Chinese input method (Gradio 6.31).
    chat.textbox.change(**repaint)
    chat.chatbot.clear(**repaint)
    settings.max_new_tokens.change(**repaint)
    return repaint


def _wire_history(
    demo: gr.Blocks,
    handlers: PageHandlers,
    chat: gr.ChatInterface,
    store: gr.BrowserState,
    repaint: dict[str, Any],
) -> None:
    """Keeps the conversation: over a stop, a reload, and a restart of the server."""
    everywhere = [chat.chatbot, chat.chatbot_state, chat.chatbot_value]
    # Gradio's own stop only cancels: what the page shows would be missing from the state that the
    # next message is sent with (6.31).
    chat.textbox.stop(handlers.stop, **_QUIET).then(
        lambda shown: (shown, shown), chat.chatbot, everywhere[1:], **_QUIET
    ).then(**repaint)
    # In the page, without a trip to the server: this fires on every streamed token. Not before the
    # kept conversation is back: a page that is left while it loads would store its empty chat.
    chat.chatbot.change(
        None,
        [chat.chatbot, store],
        store,
        js="(shown, kept) => ['loaded' in document.documentElement.dataset ? shown : kept]",
    )
    demo.load(lambda kept: [restored(kept)] * 3, store, everywhere, **_QUIET).then(
        None, js="() => window.yuanDemo.whenLoaded()"
    ).then(**repaint)


def _wire_language(
    demo: gr.Blocks, handlers: PageHandlers, chat: gr.ChatInterface, language: gr.Textbox
) -> None:
    demo.load(
        handlers.greet,
        language,
        chat.chatbot,
        js="() => document.documentElement.lang.startsWith('zh') ? 'zh' : 'en'",
        **_QUIET,
    )
    demo.unload(handlers.leave)
