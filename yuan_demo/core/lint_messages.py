"""Rules of the linter about what stands in the messages."""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from yuan_demo.core.control_tokens import controls_in
from yuan_demo.core.findings import MAX_SPANS, Finding, Sent, Severity, joined, short
from yuan_demo.core.formats import Rewrite, rewritten
from yuan_demo.core.messages import Turn
from yuan_demo.core.repetition import runs_in, without_runs

N_TEXT = "<n>"
LEAST_REPEATED_TOKENS = 12
"""A run of fewer tokens, such as a drawn line, is no loop."""
LEAST_REPEATED_ANSWER = 8
"""Characters; shorter answers, `OK` and `好的。`, are given twice with good reason."""
MAX_SHOWN = 8
"""Characters that a sentence shows."""

# Zero width, byte order mark, soft hyphen, bidirectional overrides, C0 controls; and tag characters
# but in flags, where they belong. Joiners, which emoji and Persian need, are not among them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f\u00ad\u200b\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0020-\U000e007f]+"
)
_LINE_BREAK = re.compile("\r\n?")


def acting_control(sent: Sent) -> Finding | None:
    """Raw mode: control tokens in messages that act."""
    stretches: list[tuple[int, int]] = []
    names: dict[str, None] = {}
    position = 0
    for segment in sent.prompt.segments:
        end = position + len(segment.text)
        if segment.is_typed:
            stretches.append((position, end))
            names[segment.text] = None
        position = end
    if not stretches:
        return None
    name = next(iter(names))
    as_text = sent.tokenizer.encode_with_offsets(name, parse_control=False)
    values = {
        "names": ", ".join(names),
        "name": name,
        "as_text": tuple(token.token_id for token in as_text if token.start < token.end),
        "as_control": (sent.tokenizer.control_token_id(name),),
    }
    repair = sent.with_options(raw=False)
    return Finding("acting_control", Severity.WARNING, sent.spans(stretches), values, repair)


def typed_control(sent: Sent) -> Finding | None:
    """Safe mode: control tokens in messages that are sent as text."""
    if sent.options.raw:
        return None
    acting = sent.options.loading.acting_tokens
    stretches: list[tuple[int, int]] = []
    names: dict[str, None] = {}
    for place in sent.places:
        for control in controls_in(place.text) if "<" in place.text else ():
            if control.token.name in acting and place.start + control.end > 0:
                stretches.append((place.start + control.start, place.start + control.end))
                names[control.token.name] = None
    if not stretches:
        return None
    name = next(iter(names))
    first, past = sent.span(*stretches[0]) or (0, 0)
    values = {
        "names": ", ".join(names),
        "name": name,
        "as_text": tuple(token.token_id for token in sent.tokens[first:past]),
        "as_control": (sent.tokenizer.control_token_id(name),),
    }
    return Finding("typed_control", Severity.NOTE, sent.spans(stretches), values)


def typed_join(sent: Sent) -> Finding | None:
    """`<n>` in a message, where the format joins with the same characters."""
    if N_TEXT not in sent.format.turn + sent.format.question:
        return None
    stretches = [
        (place.start + match.start(), place.start + match.end())
        for place in sent.places
        for match in re.finditer(N_TEXT, place.text)
        if place.start + match.end() > 0
    ]
    if not stretches:
        return None
    repair = sent.with_texts(lambda text: text.replace(N_TEXT, "\n"))
    values = {"count": len(stretches)}
    return Finding("typed_join", Severity.WARNING, sent.spans(stretches), values, repair)


def greeting_turn(sent: Sent) -> Finding | None:
    """The conversation begins with an answer that nobody asked for."""
    if not sent.messages or sent.messages[0].role == "user" or sent.question == 1:
        return None
    spans = sent.spans_of_turns([1])
    if not spans:
        return None
    values = {"text": short(sent.messages[0].content), "tokens": spans[0][1] - spans[0][0]}
    return Finding("greeting_turn", Severity.WARNING, spans, values, sent.without_turns({1}))


def trailing_space(sent: Sent) -> Finding | None:
    """White space between the newest message and what ends it."""
    if sent.question is None or not sent.places or not sent.places[-1].is_newest:
        return None
    newest = sent.places[-1]
    kept = newest.text.rstrip()
    if not kept or kept == newest.text:
        return None
    repair = sent.with_newest_text(_without_trailing_space(kept, sent.format.rewrite))
    spans = sent.spans([(newest.start + len(kept), newest.start + len(newest.text))])
    values = {"count": len(newest.text) - len(kept)}
    return Finding("trailing_space", Severity.WARNING, spans, values, repair)


def _without_trailing_space(text: str, rewrite: Rewrite) -> str:
    """A message that still ends in no space when a format has taken away what it takes."""
    while (sent := rewritten(text, rewrite, is_question=True, is_newest=True)) != sent.rstrip():
        text = sent.rstrip()
    return text


def invisible_characters(sent: Sent) -> Finding | None:
    """Characters that nobody sees but the model, brought along by copying."""
    stretches: list[tuple[int, int]] = []
    names: dict[str, None] = {}
    for place in sent.places:
        for start, end in _invisible(place.text):
            if place.start + end > 0:
                stretches.append((place.start + start, place.start + end))
                names[f"U+{ord(place.text[start]):04X}"] = None
    if not stretches:
        return None
    values = {"names": ", ".join(islice(names, MAX_SHOWN)), "count": len(stretches)}
    repair = sent.with_texts(lambda text: _INVISIBLE.sub("", _LINE_BREAK.sub("\n", text)))
    return Finding("invisible_characters", Severity.WARNING, sent.spans(stretches), values, repair)


@lru_cache(maxsize=256)
def _invisible(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(match.span() for match in _INVISIBLE.finditer(text))


def repeated_answer(sent: Sent) -> Finding | None:
    """The same answer more than once."""
    first_turn: dict[str, int] = {}
    again: dict[int, str] = {}
    for place in sent.places:
        said = place.message.content.strip()
        if place.message.role == "user" or len(said) < LEAST_REPEATED_ANSWER or place.is_newest:
            continue
        if first_turn.setdefault(said, place.turn) != place.turn:
            again.setdefault(place.turn, said)
    if not again:
        return None
    turn, said = next(iter(again.items()))
    values = {"first": first_turn[said], "turn": turn, "text": short(said), "count": len(again)}
    spans = sent.spans(
        (place.start, place.start + len(place.text))
        for place in sent.places
        if place.message.content.strip() in again.values() and place.message.role == "assistant"
    )
    repair = sent.without_turns(_turns_that_repeat(sent))
    return Finding("repeated_answer", Severity.WARNING, spans, values, repair)


def _turns_that_repeat(sent: Sent) -> set[int]:
    """Turns, sent or not, with an answer that an earlier one has."""
    seen: dict[str, int] = {}
    repeating: set[int] = set()
    for turn in sent.turns:
        for message in turn.messages if turn.number != sent.question else ():
            said = message.content.strip()
            if message.role == "user" or len(said) < LEAST_REPEATED_ANSWER:
                continue
            if seen.setdefault(said, turn.number) != turn.number:
                repeating.add(turn.number)
    return repeating


def repeated_text(sent: Sent) -> Finding | None:
    """A stretch several times in a row inside one message."""
    spans: list[tuple[int, int]] = []
    shown: dict[str, int] = {}
    for place in sent.places:
        for run in runs_in(place.message.content):
            span = sent.span(place.start + run.start, place.start + min(run.end, len(place.text)))
            if span and span[1] - span[0] >= LEAST_REPEATED_TOKENS:
                spans.append(span)
                unit = place.message.content[run.start : run.start + run.period]
                shown.setdefault(unit, run.times)
    if not spans:
        return None
    text, times = next(iter(shown.items()))
    values = {"text": short(text), "times": times, "count": len(spans)}
    repair = sent.with_texts(without_runs)
    return Finding("repeated_text", Severity.WARNING, joined(spans)[:MAX_SPANS], values, repair)


def unanswered_question(sent: Sent) -> Finding | None:
    """An earlier question that got no answer, or an empty one."""
    numbers = {turn.number for turn in sent.turns if _is_unanswered(turn)} - {sent.question}
    present = sorted(numbers & {place.turn for place in sent.places})
    spans = sent.spans_of_turns(present)
    if not spans:
        return None
    values = {"turns": ", ".join(map(str, present[:MAX_SHOWN])), "count": len(present)}
    repair = sent.without_turns(numbers)
    return Finding("unanswered_question", Severity.NOTE, spans, values, repair)


def _is_unanswered(turn: Turn) -> bool:
    first, *answers = turn.messages
    return first.role == "user" and not any(answer.content.strip() for answer in answers)


def odd_tokens(sent: Sent) -> Iterator[Finding]:
    """Characters spelled in bytes, and pieces over the edge of a message: one look at all tokens.

    A byte that is a character of its own, such as a line break, is nothing to speak of.
    """
    spelled: defaultdict[int, list[int]] = defaultdict(list)
    crossing: list[int] = []
    for position, encoded, _, _, _, crosses in sent.tokens:
        if crosses:
            crossing.append(position)
        if encoded[1][:3] == "<0x" and encoded[4] >= b"\x80":
            spelled[encoded[2]].append(position)
    if spelled:
        characters = dict.fromkeys(sent.prompt.text[start] for start in spelled)
        positions = (position for places in spelled.values() for position in places)
        values = {
            "characters": " ".join(islice(characters, MAX_SHOWN)),
            "count": len(spelled),
            "tokens": sum(map(len, spelled.values())),
        }
        spans = joined((position, position + 1) for position in positions)[:MAX_SPANS]
        yield Finding("byte_characters", Severity.NOTE, spans, values)
    if crossing:
        values = {"piece": sent.tokens[crossing[0]].encoded.piece, "count": len(crossing)}
        spans = joined((position, position + 1) for position in crossing)[:MAX_SPANS]
        yield Finding("join_merged", Severity.NOTE, spans, values)
