"""Looks a prompt over for what makes an answer worse, and offers to mend it.

The rules stand in `lint_prompt` and `lint_messages`. They run on every keystroke: what depends on
the text of one message is remembered, and all tokens are looked at once.
"""

from collections.abc import Callable, Iterator, Sequence

from yuan_demo.core import lint_messages, lint_prompt
from yuan_demo.core.budget import FittedPrompt
from yuan_demo.core.findings import Finding, Repair, Sent, Severity
from yuan_demo.core.messages import Message
from yuan_demo.core.tokens import Tokenizer

_RULES: tuple[Callable[[Sent], Finding | None], ...] = (
    lint_prompt.no_sep,
    lint_prompt.broken_control,
    lint_prompt.added_bos_eos,
    lint_messages.acting_control,
    lint_messages.typed_join,
    lint_messages.greeting_turn,
    lint_messages.trailing_space,
    lint_messages.invisible_characters,
    lint_prompt.format_changes_text,
    lint_messages.repeated_answer,
    lint_messages.repeated_text,
    lint_prompt.cut_inside,
    lint_prompt.short_answer_room,
    lint_prompt.history_unwritten,
    lint_messages.typed_control,
    lint_messages.unanswered_question,
)

_RANK = {severity: rank for rank, severity in enumerate(Severity)}


def lint(
    messages: Sequence[Message],
    fitted: FittedPrompt,
    tokenizer: Tokenizer,
    *,
    open_question: bool = True,
) -> tuple[Finding, ...]:
    """What a person should know about a prompt, the most serious first; one finding for each code.

    Args:
        messages: the conversation that `fitted` was made of.
        fitted: the prompt, whether or not it can be sent.
        tokenizer: made its tokens.
        open_question: as it was given to `fit`.
    """
    sent = Sent(messages, fitted, tokenizer, open_question=open_question)
    return tuple(sorted(_findings(sent), key=lambda finding: _RANK[finding.severity]))


def _findings(sent: Sent) -> Iterator[Finding]:
    for rule in _RULES:
        finding = rule(sent)
        if finding:
            yield finding
    yield from lint_messages.odd_tokens(sent)


__all__ = ["Finding", "Repair", "Severity", "lint"]
