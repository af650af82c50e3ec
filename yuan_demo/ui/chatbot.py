"""The chat's message list, letter by letter."""

import html
from typing import Any

import gradio as gr
from gradio.components.chatbot import TextMessage


def escape(text: str) -> str:
    """Text as the page may hold it: no character of it can begin a tag or an entity."""
    return html.escape(text, quote=False)


def unescape(text: str) -> str:
    """What `escape` was given. Not `html.unescape`, which knows more entities than it wrote."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


class VerbatimChatbot(gr.Chatbot):
    """Shows and returns every message exactly as it was typed or generated.

    Gradio 6.31 passes text through `inspect.cleandoc`, which takes away indentation and blank
    lines, and puts it into the page as HTML even with `render_markdown=False`; what it shows then
    becomes the history, so the model would get other text than it had written. Here text is
    escaped on its way to the page and unescaped on its way back; `assets/page.js` unescapes what
    the page itself hands out, on copying and editing.
    """

    # Gradio names the component of the front end after the base class of a template.
    is_template = True

    def _postprocess_content(self, chat_message: Any) -> Any:
        if isinstance(chat_message, str):
            return TextMessage(text=escape(chat_message))
        if isinstance(chat_message, dict) and chat_message.get("type") == "text":
            return TextMessage(text=escape(chat_message["text"]))
        return super()._postprocess_content(chat_message)

    def _preprocess_content(self, chat_message: Any) -> Any:
        if isinstance(chat_message, TextMessage):
            return {"type": "text", "text": unescape(chat_message.text)}
        return super()._preprocess_content(chat_message)
