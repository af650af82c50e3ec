"""A prompt without some of its parts, as if somebody had taken them out by hand."""

from collections.abc import Sequence
from dataclasses import replace

from yuan_demo.core.budget import FittedPrompt, write
from yuan_demo.core.messages import Turn
from yuan_demo.core.parts import Part, Range, cut_turn, kept_turns
from yuan_demo.core.tokens import Tokenizer


def ids_without(
    fitted: FittedPrompt, parts: Sequence[Part], tokenizer: Tokenizer
) -> tuple[int, ...]:
    """The ids of a prompt without some of its parts.

    Words are taken out of the tokens that were sent. Anything else is taken out of what was said,
    and the rest is written and encoded anew; it is the rest of what was sent, also if there were
    room now for turns that had been dropped. The newest question cannot be missing: it is emptied.

    Args:
        fitted: the prompt as it was sent.
        parts: at least one, of one kind.
        tokenizer: the one that it was encoded with.
    """
    if parts[0].kind == "word":
        ids = fitted.prompt.input_ids
        gone = {place for part in parts for place in range(*part.tokens)}
        return tuple(each for place, each in enumerate(ids) if place not in gone)
    numbers = {part.turn for part in parts}
    question = fitted.turns[-1]
    # Where tokens were cut off the beginning, the same number is cut off again, of the turns that
    # they belong to, unless the turn that was cut is missing itself.
    cut = cut_turn(fitted)
    is_cut_again = cut is not None and cut not in numbers
    turns = kept_turns(fitted) if not is_cut_again else (*fitted.dropped, *kept_turns(fitted))
    left = []
    for turn in turns:
        own = [part for part in parts if part.turn == turn.number]
        rest = without(turn, own, is_question=turn is question) if own else turn
        left += [rest] if rest else []
    ids = write(left, tokenizer, fitted.options).input_ids
    return ids[fitted.dropped_tokens :] if is_cut_again else ids


def without(turn: Turn, parts: Sequence[Part], *, is_question: bool) -> Turn | None:
    """A turn as if some of its parts had not been said; None if nothing of it is left.

    Behind a last sentence that stays, no blank is left. `is_question` empties what would be gone.
    """
    gone = {part.message for part in parts if part.kind == "message"}
    if any(part.kind == "turn" for part in parts):
        gone = set(range(len(turn.messages)))
    spans: dict[int | None, list[Range]] = {}
    for part in parts:
        if part.kind == "sentence" and part.span:
            spans.setdefault(part.message, []).append(part.span)
    messages = []
    for place, message in enumerate(turn.messages):
        content = message.content
        if place in gone:
            content = ""
        elif place in spans:
            content = _cut(content, spans[place])
        is_touched = place in gone or place in spans
        if content or is_question or not is_touched:
            messages.append(replace(message, content=content))
    return replace(turn, messages=tuple(messages)) if messages else None


def _cut(text: str, spans: Sequence[Range]) -> str:
    """A text without some stretches of it."""
    position, kept = 0, []
    for start, end in sorted(spans):
        kept.append(text[position:start])
        position = end
    rest = "".join([*kept, text[position:]])
    return rest.rstrip() if spans and position == len(text) else rest
