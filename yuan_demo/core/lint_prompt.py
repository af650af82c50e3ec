"""Rules of the linter about what the format, the tokenizer's loading and the window do."""

from dataclasses import replace
from itertools import takewhile

from yuan_demo.core.control_tokens import BOS_TOKEN
from yuan_demo.core.findings import Finding, Repair, Sent, Severity, joined, short
from yuan_demo.core.formats import CUSTOM, MAX_TEMPLATE_CHARACTERS, N_JOIN, USER
from yuan_demo.core.options import EOS_TOKEN, Loading, Policy
from yuan_demo.core.prompt import END_OF_QUESTION, Origin

FEW_ANSWER_TOKENS = 32
"""An answer with less room than this is hardly a sentence."""


def no_sep(sent: Sent) -> Finding | None:
    """Nothing tells the model that the question is over."""
    segments = [segment for segment in sent.prompt.segments if segment.text]
    end = len(sent.tokens)
    if sent.question is None or not segments:
        return None
    if not sent.options.loading.has_flags:
        segments.pop()
        end -= 1
    last = segments[-1] if segments else None
    if not last or (last.origin is Origin.CONTROL and last.text == END_OF_QUESTION):
        return None
    values = {"template": sent.format.question}
    return Finding("no_sep", Severity.ERROR, ((end - 1, end),), values, _with_sep(sent))


def _with_sep(sent: Sent) -> Repair | None:
    question = sent.format.question
    before, sep, _ = question.partition(END_OF_QUESTION)
    # What stands behind a `<sep>` that is there already, a line break as a rule, has to go.
    closed = before + END_OF_QUESTION if sep and USER in before else question + END_OF_QUESTION
    if len(closed) > MAX_TEMPLATE_CHARACTERS:
        return None
    return sent.with_options(format=replace(sent.format, name=CUSTOM, question=closed))


def broken_control(sent: Sent) -> Finding | None:
    """Control tokens of the format that this loading does not know, and writes as text."""
    idle = sent.options.loading.idle_tokens
    stretches: list[tuple[int, int]] = []
    names: dict[str, None] = {}
    position = 0
    for segment in sent.prompt.segments:
        end = position + len(segment.text)
        if segment.origin is Origin.CONTROL and segment.text in idle:
            stretches.append((position, end))
            names[segment.text] = None
        position = end
    spans = sent.spans(stretches)
    if not spans:
        return None
    first, past = sent.span(*stretches[-1]) or spans[-1]
    pieces = " ".join(token.encoded.piece for token in sent.tokens[first:past])
    values = {"names": ", ".join(names), "count": len(stretches), "pieces": pieces}
    repair = sent.with_options(loading=Loading.EXACT)
    return Finding("broken_control", Severity.ERROR, spans, values, repair)


def added_bos_eos(sent: Sent) -> Finding | None:
    """`<s>` and `</s>`, which the tokenizer's default flags put around the prompt."""
    if sent.options.loading.has_flags or not sent.tokens:
        return None
    spans, names = [], []
    if not sent.is_cut:
        spans.append((0, 1))
        names.append(BOS_TOKEN)
    if sent.question is not None:
        spans.append((len(sent.tokens) - 1, len(sent.tokens)))
        names.append(EOS_TOKEN)
    if not spans:
        return None
    repair = sent.with_options(loading=Loading.EXACT)
    values = {"names": ", ".join(names)}
    return Finding("added_bos_eos", Severity.ERROR, joined(spans), values, repair)


def cut_inside(sent: Sent) -> Finding | None:
    """The prompt begins in the middle of a turn."""
    if not sent.is_cut or not sent.tokens:
        return None
    cut = sent.fitted.dropped_tokens
    turn = sent.tokens[0].turn
    lost = sum(
        1 for _ in takewhile(lambda t: t.turn == turn, reversed(sent.fitted.whole.tokens[:cut]))
    )
    if not lost:
        return None
    # A question that is too long alone would not fit by dropping turns either.
    repair = sent.with_options(policy=Policy.DROP_OLDEST) if turn != sent.question else None
    spans = sent.spans_of_turns([turn])
    return Finding("cut_inside", Severity.WARNING, spans, {"turn": turn, "tokens": lost}, repair)


def format_changes_text(sent: Sent) -> Finding | None:
    """The format sends messages otherwise than they were said."""
    changed = [place for place in sent.places if place.text != place.message.content]
    if not changed:
        return None
    said, text = changed[0].message.content, changed[0].text
    # It is the end that formats change: show both from a little before it.
    start = max(0, min(len(said), len(text)) - 12)
    lead = "…" if start else ""
    values = {
        "count": len(changed),
        "before": lead + short(said[start:]),
        "after": lead + short(text[start:]),
    }
    ends = ((place.start + len(place.text) - 1, place.start + len(place.text)) for place in changed)
    repair = sent.with_options(format=N_JOIN)
    return Finding("format_changes_text", Severity.WARNING, sent.spans(ends), values, repair)


def short_answer_room(sent: Sent) -> Finding | None:
    """The answer was shrunk to next to nothing."""
    budget, asked = sent.fitted.budget, sent.options.reserved
    if sent.fitted.fault or budget.reserved >= min(asked, FEW_ANSWER_TOKENS):
        return None
    # Dropping turns helps if the newest question alone leaves the room that was asked for.
    helps = budget.message + asked <= budget.window and not sent.options.pinned
    repair = sent.with_options(policy=Policy.DROP_OLDEST) if helps else None
    values = {"tokens": budget.reserved, "asked": asked}
    return Finding("short_answer_room", Severity.WARNING, (), values, repair)


def history_unwritten(sent: Sent) -> Finding | None:
    """The format leaves the conversation so far out."""
    count = len(sent.fitted.unwritten)
    if not count:
        return None
    repair = sent.with_options(format=N_JOIN)
    return Finding("history_unwritten", Severity.NOTE, (), {"count": count}, repair)
