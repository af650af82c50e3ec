"""The endpoints for programs: `/tokenize` and `/inspect` (`/chat` is the chat's own).

Hiding an endpoint in Gradio does not close it, and anybody may call these: all input is checked.
"""

from typing import Any

import gradio as gr

from yuan_demo.core.budget import FittedPrompt
from yuan_demo.core.errors import PageError
from yuan_demo.core.lint import Finding, lint
from yuan_demo.core.messages import Message
from yuan_demo.core.prompt import PromptToken
from yuan_demo.engine.chat import ChatModel
from yuan_demo.ui.checks import require_message, require_text
from yuan_demo.ui.history import conversation_of
from yuan_demo.ui.page_settings import PageSettings
from yuan_demo.ui.strings import error_text


def add_api(model: ChatModel) -> None:
    """Adds the endpoints to the page that is being built."""
    defaults = PageSettings.defaults(model)

    def tokenize(text: str, parse_control: bool = False) -> dict[str, Any]:
        """Encodes a text. With parse_control, control tokens in it are read as such.

        Returns ids, pieces and [start, end) character offsets, one entry per token.
        """
        try:
            require_text(text)
        except PageError as error:
            raise gr.Error(error_text(error, "en")) from error
        tokens = model.tokenizer.encode_with_offsets(text, parse_control=parse_control)
        return {
            "ids": [token.token_id for token in tokens],
            "pieces": [token.piece for token in tokens],
            "offsets": [[token.start, token.end] for token in tokens],
        }

    def inspect(
        message: str,
        history: list[dict[str, Any]] | None = None,
        max_new_tokens: int | None = None,
        settings: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The prompt that sending `message` after `history` would give the model.

        `settings` are those of the page by name, where they differ from its defaults: format,
        turn_template, question_template, raw, loading, policy, window, pinned.

        Returns the tokens with their origins, the budget of the window, the dropped turns, and
        what the linter found.
        """
        try:
            messages = [*conversation_of(history), Message("user", require_message(message))]
            chosen = defaults.changed(settings if isinstance(settings, dict) else {})
            if max_new_tokens is not None:
                chosen = chosen._replace(max_new_tokens=max_new_tokens)
            fitted = model.fit(messages, chosen.options())
            fitted.require_fit()
        except PageError as error:
            raise gr.Error(error_text(error, "en")) from error
        return _inspected(fitted, lint(messages, fitted, model.tokenizer))

    gr.api(tokenize, api_name="tokenize")
    gr.api(inspect, api_name="inspect")


def _inspected(fitted: FittedPrompt, findings: tuple[Finding, ...]) -> dict[str, Any]:
    budget = fitted.budget
    return {
        "input_ids": list(fitted.prompt.input_ids),
        "tokens": [_row(token) for token in fitted.prompt.tokens],
        "text": fitted.prompt.text,
        "budget": {
            "window": budget.window,
            "history": budget.history,
            "message": budget.message,
            "reserved": budget.reserved,
            "free": budget.free,
        },
        "dropped_turns": [turn.number for turn in fitted.dropped],
        "findings": [
            {"code": finding.code, "severity": str(finding.severity), "tokens": finding.spans}
            for finding in findings
        ],
    }


def _row(token: PromptToken) -> dict[str, Any]:
    return {
        "position": token.position,
        "id": token.token_id,
        "piece": token.encoded.piece,
        "origin": str(token.origin),
        "turn": token.turn,
        "start": token.encoded.start,
        "end": token.encoded.end,
    }
