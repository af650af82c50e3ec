"""How a conversation becomes a prompt: everything that a person can choose about it."""

from dataclasses import dataclass
from enum import StrEnum

from yuan_demo.core.control_tokens import (
    ADDED_TOKENS,
    BOS_TOKEN,
    CUT_TOKENS,
    EOD_TOKEN,
    UNK_TOKEN,
)
from yuan_demo.core.formats import N_JOIN, PromptFormat

EOS_TOKEN = "</s>"
"""What the published tokenizer_config.json ends a text with, unless it is told otherwise."""


class Policy(StrEnum):
    """What happens when a conversation is too long for the window."""

    DROP_OLDEST = "drop_oldest"
    """Whole turns go, the oldest first."""
    KEEP_FIRST = "keep_first"
    """The same, but the first turn stays."""
    SHRINK_ANSWER = "shrink_answer"
    """Less is reserved for the answer, down to `MIN_ANSWER_TOKENS`; then the oldest turns go."""
    LEFT_CUT = "left_cut"
    """The prompt is cut at a token, wherever that falls: `input_ids[-limit:]`."""
    STOP = "stop"
    """Nothing is sent; the demo says why."""


MIN_ANSWER_TOKENS = 16
"""`Policy.SHRINK_ANSWER` leaves an answer this many tokens."""


class Loading(StrEnum):
    """How the tokenizer is loaded: correctly, or with a step of the recipe forgotten.

    The published tokenizer must be loaded with `add_bos_token=False, add_eos_token=False,
    eos_token='<eod>'`, and given its 15 added tokens. Each way to forget is the tokenizer's
    behaviour with the slow LlamaTokenizer of transformers 4.41.
    """

    EXACT = "exact"
    NO_FLAGS = "no_flags"
    """Flags forgotten: `<s>` before every prompt, `</s>` behind it, `<eod>` is ordinary text."""
    NO_ADDED_TOKENS = "no_added_tokens"
    """Added tokens forgotten: `<sep>` is ordinary text of several pieces."""
    PLAIN = "plain"
    """Both forgotten."""

    @property
    def has_flags(self) -> bool:
        """Whether the flags were given."""
        return self in (Loading.EXACT, Loading.NO_ADDED_TOKENS)

    @property
    def acting_tokens(self) -> frozenset[str]:
        """Names that a text is cut at, each being one token."""
        added = ADDED_TOKENS if self in (Loading.EXACT, Loading.NO_FLAGS) else ()
        end = EOD_TOKEN if self.has_flags else EOS_TOKEN
        return frozenset((*added, end, BOS_TOKEN, UNK_TOKEN))

    @property
    def idle_tokens(self) -> frozenset[str]:
        """Names that are one token otherwise, but ordinary text when so loaded."""
        return frozenset((*CUT_TOKENS, EOS_TOKEN)) - self.acting_tokens


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """How a conversation is written and what is done when it is too long.

    Attributes:
        window: tokens that prompt and answer share.
        reserved: tokens of it kept for the answer; less than `window`.
        format: how the turns are written.
        raw: control tokens in messages act; otherwise they are text.
        loading: how the tokenizer is loaded.
        policy: what happens when it is full.
        pinned: numbers of turns that dropping passes over.
    """

    window: int
    reserved: int
    format: PromptFormat = N_JOIN
    raw: bool = False
    loading: Loading = Loading.EXACT
    policy: Policy = Policy.DROP_OLDEST
    pinned: frozenset[int] = frozenset()
