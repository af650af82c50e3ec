"""Gradio's chat history, in and out.

Gradio hands a message back as a list of parts. Three kinds of messages stand in the chat, but were
never said by the model and are never sent to it: a notice, which is an error sentence in the place
of an answer or behind one that was ended, an event, which tells what had to go before an answer,
and a place in line, which stands where the answer will.
"""

from collections.abc import Iterable
from typing import Any

from yuan_demo.core.errors import PageError
from yuan_demo.core.messages import Message
from yuan_demo.ui.chatbot import escape, unescape
from yuan_demo.ui.checks import clean, require_length

_NOTICE_ID, _EVENT_ID, _LINE_ID = "notice", "event", "line"


def notice(text: str) -> dict[str, Any]:
    """A sentence of ours in the place of an answer."""
    return {"role": "assistant", "content": f"⚠️ {text}", "metadata": {"id": _NOTICE_ID}}


def in_line(text: str) -> dict[str, Any]:
    """Where a question stands in line, in the place of its answer."""
    return {"role": "assistant", "content": text, "metadata": {"id": _LINE_ID}}


def settled(shown: list[dict[str, Any]], left_line: str) -> list[dict[str, Any]]:
    """A chat in which nobody waits any more: places in line become notices that say so."""
    return [
        notice(left_line) if isinstance(item, dict) and _kind(item) == _LINE_ID else item
        for item in shown
    ]


def event(heading: str, text: str) -> dict[str, Any]:
    """What happened to the conversation before the answer that follows it.

    Its first line stands behind the heading, the rest is folded away.
    """
    metadata = _event_metadata(heading, text)
    return {"role": "assistant", "content": text, "metadata": metadata}


def _event_metadata(heading: str, text: str) -> dict[str, Any]:
    title = escape(f"{heading}: {text.partition(chr(10))[0]}")
    return {"id": _EVENT_ID, "title": title, "status": "done"}


def conversation_of(history: list[dict[str, Any]] | None) -> tuple[Message, ...]:
    """The messages that the model may see.

    Raises:
        PageError: the history, which anybody may send over the API, is not a list of messages.
    """
    return tuple(message for _, message in placed_messages(history))


def placed_messages(history: list[dict[str, Any]] | None) -> list[tuple[int, Message]]:
    """The messages that the model may see, each with its place in the chat.

    A question that a notice or a place in line answers was refused, failed or given up: the model
    never saw it, nor will it.

    Raises:
        PageError: the history is not a list of messages.
    """
    if not isinstance(history, list | None):
        raise PageError("bad_history", index=0)
    placed: list[tuple[int, Message]] = []
    for index, item in enumerate(history or ()):
        if not isinstance(item, dict) or item.get("role") not in ("user", "assistant"):
            raise PageError("bad_history", index=index)
        kind = _kind(item)
        if kind in (_NOTICE_ID, _LINE_ID):
            if placed and placed[-1][1].role == "user":
                placed.pop()
        elif kind != _EVENT_ID:
            text = _text_of(item.get("content"), index)
            message = Message(item["role"], clean(text) if item["role"] == "user" else text)
            placed.append((index, message))
    return placed


def shown(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """A conversation as the chat takes it."""
    # In parts, as Gradio itself holds it: its retry and undo read them.
    return [
        {"role": message.role, "content": [{"type": "text", "text": message.content}]}
        for message in messages
    ]


def restored(kept: Any, event_heading: str, left_line: str) -> list[dict[str, Any]]:
    """The history that a browser kept, as the chat takes it; nothing if it is no history.

    What it kept is what the page held, so the texts are escaped (`VerbatimChatbot`).

    The browser's storage is anybody's to write: only roles, texts, notices and events come back. A
    page that was left while it stood in line has lost its place.
    """
    try:
        return [
            _restored_message(item, index, event_heading, left_line)
            for index, item in enumerate(kept or [])
            if item["role"] in ("user", "assistant")
        ]
    except (PageError, TypeError, KeyError, AttributeError):
        return []


def _restored_message(
    item: dict[str, Any], index: int, event_heading: str, left_line: str
) -> dict[str, Any]:
    if _kind(item) == _LINE_ID:
        return notice(left_line)
    text = unescape(_text_of(item["content"], index))
    message = {"role": item["role"], "content": [{"type": "text", "text": text}]}
    if _kind(item) == _NOTICE_ID:
        message["metadata"] = {"id": _NOTICE_ID}
    if _kind(item) == _EVENT_ID:
        message["metadata"] = _event_metadata(event_heading, text)
    return message


def _kind(item: dict[str, Any]) -> Any:
    metadata = item.get("metadata")
    kind = metadata.get("id") if isinstance(metadata, dict) else None
    return kind if isinstance(kind, str) else None


def _text_of(content: Any, index: int) -> str:
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, dict) else part for part in content)
        content = "".join(part for part in parts if isinstance(part, str))
    if not isinstance(content, str):
        raise PageError("bad_history", index=index)
    require_length(content)
    return content
