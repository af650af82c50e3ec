"""The ways in which people write a conversation down for Yuan2.

A format is two templates. `turn` writes every earlier turn, `question` the newest message; what
they hold beside `{user}` and `{assistant}` is put there by the format and by nobody else. A control
token named in a template acts; `<n>` is ordinary text, wherever it stands.

The templates are facts read from the public front ends that they are named after; two of these
also change what was said, which `Rewrite` reproduces so that it can be seen.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from yuan_demo.core.control_tokens import CUT_TOKENS
from yuan_demo.core.errors import PromptError

MAX_TEMPLATE_CHARACTERS = 500
USER, ASSISTANT = "{user}", "{assistant}"

_PLACE = re.compile(r"\{(?:user|assistant)\}")
_CONTROL = re.compile(f"({'|'.join(map(re.escape, CUT_TOKENS))})")
_ENDS_A_SENTENCE = tuple("。！？；：，、….!?;:,")


class Rewrite(StrEnum):
    """What a front end does to the messages before it writes them down."""

    NOTHING = "nothing"
    STRIP_CHARACTERS = "strip_characters"
    """FastChat's `yuan2` template ends in `.rstrip("<n>")`, which takes away any of the three
    characters from the end of the question: `python` is sent as `pytho`."""
    ADD_PUNCTUATION = "add_punctuation"
    """YuanChat ends an earlier question in `？` and an earlier answer in `。` where they end in no
    punctuation of their own."""


class Layout(NamedTuple):
    """The literal parts of a format, between which the messages stand.

    Attributes:
        before_user: of an earlier question.
        between: an earlier question and its answer.
        after: a turn that is over.
        before_question: of the newest question.
        after_question: behind it; here the model goes on.
        writes_turns: False if earlier turns are not written at all.
        writes_answers: False if of earlier turns only the questions are.
    """

    before_user: str
    between: str
    after: str
    before_question: str
    after_question: str
    writes_turns: bool
    writes_answers: bool


@dataclass(frozen=True, slots=True)
class PromptFormat:
    """One way to write a conversation.

    Attributes:
        name: stable, for programs and links; `"custom"` for one that a person wrote.
        turn: template of an earlier turn; empty leaves the history out.
        question: template of the newest message.
        rewrite: what is done to the messages first.

    Raises:
        PromptError: a template has a place too few, twice or in the wrong order, or is too long.
    """

    name: str
    turn: str
    question: str
    rewrite: Rewrite = Rewrite.NOTHING

    def __post_init__(self) -> None:
        for template in (self.turn, self.question):
            if len(template) > MAX_TEMPLATE_CHARACTERS:
                raise PromptError(
                    "template_too_long", count=len(template), limit=MAX_TEMPLATE_CHARACTERS
                )
        if _PLACE.findall(self.question) != [USER]:
            raise PromptError("bad_question_template", template=self.question)
        if _PLACE.findall(self.turn) not in ([USER, ASSISTANT], [USER], []) or (
            self.turn and USER not in self.turn
        ):
            raise PromptError("bad_turn_template", template=self.turn)

    @property
    def layout(self) -> Layout:
        """The literal parts."""
        return _layout(self.turn, self.question)


@lru_cache(maxsize=256)
def _layout(turn: str, question: str) -> Layout:
    before_user, *rest = _PLACE.split(turn)
    between = rest[0] if len(rest) == 2 else ""
    before_question, after_question = _PLACE.split(question)
    return Layout(
        before_user,
        between,
        rest[-1] if rest else "",
        before_question,
        after_question,
        writes_turns=bool(turn),
        writes_answers=ASSISTANT in turn,
    )


@lru_cache(maxsize=256)
def literal_parts(text: str) -> tuple[str, ...]:
    """Cuts the literal part of a template at its control tokens: `("<eod>", "\\n")`."""
    return tuple(filter(None, _CONTROL.split(text)))


def rewritten(text: str, rewrite: Rewrite, *, is_question: bool, is_newest: bool) -> str:
    """A message as a format sends it.

    Args:
        text: as it was said.
        rewrite: what the format does.
        is_question: said by the user.
        is_newest: the message to be answered.
    """
    if rewrite is Rewrite.STRIP_CHARACTERS and is_newest:
        return text.rstrip("<n>")
    if rewrite is Rewrite.ADD_PUNCTUATION and not is_newest and text:
        return text if text.endswith(_ENDS_A_SENTENCE) else text + ("？" if is_question else "。")
    return text


N_JOIN = PromptFormat("n_join", "{user}<n>{assistant}<n>", "{user}<sep>")
"""The default: the Datawhale camp's baseline, and what FastChat's training code for Yuan2 makes."""

FORMATS: dict[str, PromptFormat] = {
    known.name: known
    for known in (
        N_JOIN,
        PromptFormat("newline", "{user}\n{assistant}\n", "{user}<sep>"),
        PromptFormat("sep", "{user}<sep>{assistant}<sep>", "{user}<sep>"),
        PromptFormat("llama_factory", "{user}<sep>{assistant}<eod>\n", "{user}<sep>"),
        PromptFormat("roles", "User: {user}\nAssistant: {assistant}\n", "User: {user}\nAssistant:"),
        PromptFormat("last_question", "", "{user}<sep>"),
        PromptFormat("fastchat_yuan2", N_JOIN.turn, N_JOIN.question, Rewrite.STRIP_CHARACTERS),
        PromptFormat("yuanchat", N_JOIN.turn, N_JOIN.question, Rewrite.ADD_PUNCTUATION),
    )
}
"""The named formats, in the order in which a page lists them."""

CUSTOM = "custom"


def format_named(name: object, turn: str = "", question: str = "") -> PromptFormat:
    """The format of that name; for `"custom"` one made from the two templates.

    Raises:
        PromptError: there is no such format, or a template cannot work.
    """
    if name == CUSTOM:
        return PromptFormat(CUSTOM, turn, question)
    if not isinstance(name, str) or name not in FORMATS:
        raise PromptError("unknown_format", name=name, known=", ".join([*FORMATS, CUSTOM]))
    return FORMATS[name]
