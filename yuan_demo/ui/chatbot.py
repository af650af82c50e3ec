"""The chat's message list, letter by letter."""

from typing import Any

import gradio as gr
from gradio.components.chatbot import TextMessage


class VerbatimChatbot(gr.Chatbot):
    """Shows and returns every message as it was typed or generated.

    Gradio's own passes text through `inspect.cleandoc` (6.31), which takes away indentation and
    blank lines; and what it shows becomes the history, so the model would get other text than it
    had written.
    """

    # Gradio names the component of the front end after the base class of a template.
    is_template = True

    def _postprocess_content(self, chat_message: Any) -> Any:
        if isinstance(chat_message, str):
            return TextMessage(text=chat_message)
        return super()._postprocess_content(chat_message)
