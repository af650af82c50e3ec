"""A scene: everything of a page that can be put up at once, by a link, a lesson or a repair.

Putting one up sets the visitor's own conversation aside; it comes back when asked for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from yuan_demo.core.errors import PageError
from yuan_demo.core.messages import Message
from yuan_demo.ui.checks import require_text
from yuan_demo.ui.page_settings import PageSettings

MAX_MESSAGES = 1000
"""More turns than a link can hold."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What stands on a page.

    Attributes:
        messages: the conversation.
        draft: what stands in the message box.
        settings: where the controls stand.
    """

    messages: tuple[Message, ...]
    draft: str
    settings: PageSettings


def pack(scene: Scene, defaults: PageSettings) -> dict[str, Any]:
    """A scene as JSON: short, for a link; settings only where they differ from the defaults."""
    changes = {
        name: value
        for name, value in scene.settings._asdict().items()
        if value != getattr(defaults, name)
    }
    packed: dict[str, Any] = {
        "m": [["ua"[message.role == "assistant"], message.content] for message in scene.messages]
    }
    if scene.draft:
        packed["d"] = scene.draft
    if changes:
        packed["s"] = changes
    return packed


def unpack(packed: Any, defaults: PageSettings) -> Scene:
    """The scene that `pack` made; whatever else comes, and anything may, is refused.

    Raises:
        PageError: it is no scene, or its settings are none.
    """
    if not isinstance(packed, Mapping):
        raise PageError("bad_link")
    messages, draft = packed.get("m"), packed.get("d", "")
    settings = packed.get("s", {})
    if not (
        isinstance(messages, list)
        and len(messages) <= MAX_MESSAGES
        and isinstance(settings, Mapping)
    ):
        raise PageError("bad_link")
    scene = Scene(tuple(_messages(messages)), require_text(draft), defaults.changed(settings))
    scene.settings.params()
    scene.settings.options()
    return scene


def _messages(packed: Iterable[Any]) -> Iterable[Message]:
    for item in packed:
        if not (isinstance(item, list) and len(item) == 2 and item[0] in ("u", "a")):
            raise PageError("bad_link")
        yield Message("user" if item[0] == "u" else "assistant", require_text(item[1]))
