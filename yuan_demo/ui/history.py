"""Gradio's chat history, in and out.

Gradio hands a message back as a list of parts; a notice of ours (an error sentence in the place
of an answer) stands in the chat, but was never said by the model and is never sent to it.
"""

from typing import Any

from yuan_demo.core.errors import PageError
from yuan_demo.core.messages import Message
from yuan_demo.ui.chatbot import unescape
from yuan_demo.ui.checks import clean, require_length

_NOTICE_ID = "notice"


def notice(text: str) -> dict[str, Any]:
    """A sentence of ours in the place of an answer."""
    return {"role": "assistant", "content": f"⚠️ {text}", "metadata": {"id": _NOTICE_ID}}


def conversation_of(history: list[dict[str, Any]] | None) -> tuple[Message, ...]:
    """The messages that the model may see.

    A question that a notice answers was refused or failed: the model never saw it, nor will it.

    Raises:
        PageError: the history, which anybody may send over the API, is not a list of messages.
    """
    if not isinstance(history, list | None):
        raise PageError("bad_history", index=0)
    messages = []
    for index, item in enumerate(history or ()):
        if not isinstance(item, dict) or item.get("role") not in ("user", "assistant"):
            raise PageError("bad_history", index=index)
        if _is_notice(item):
            if messages and messages[-1].role == "user":
                messages.pop()
        else:
            text = _text_of(item.get("content"), index)
            messages.append(Message(item["role"], clean(text) if item["role"] == "user" else text))
    return tuple(messages)


def restored(kept: Any) -> list[dict[str, Any]]:
    """The history that a browser kept, as the chat takes it; nothing if it is no history.

    What it kept is what the page held, so the texts are escaped (`VerbatimChatbot`).

    The browser's storage is anybody's to write: only roles, texts and notices come back.
    """
    try:
        return [
            {
                "role": item["role"],
                # In parts, as Gradio itself holds it: its retry and undo read them.
                "content": [{"type": "text", "text": unescape(_text_of(item["content"], index))}],
                **({"metadata": {"id": _NOTICE_ID}} if _is_notice(item) else {}),
            }
            for index, item in enumerate(kept or [])
            if item["role"] in ("user", "assistant")
        ]
    except (PageError, TypeError, KeyError, AttributeError):
        return []


def _is_notice(item: dict[str, Any]) -> bool:
    metadata = item.get("metadata")
    return isinstance(metadata, dict) and metadata.get("id") == _NOTICE_ID


def _text_of(content: Any, index: int) -> str:
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, dict) else part for part in content)
        content = "".join(part for part in parts if isinstance(part, str))
    if not isinstance(content, str):
        raise PageError("bad_history", index=index)
    require_length(content)
    return content
