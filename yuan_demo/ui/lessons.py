"""Lessons: one click puts up a conversation, its settings, and a table made by the loaded model."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path

from yuan_demo.core.control_tokens import CONTROL_TOKENS
from yuan_demo.core.formats import FORMATS, format_named
from yuan_demo.core.messages import Message
from yuan_demo.core.options import Loading, Policy, PromptOptions
from yuan_demo.core.prompt import Origin, Prompt
from yuan_demo.core.tokens import EncodedToken
from yuan_demo.engine.chat import MIN_WINDOW, ChatModel
from yuan_demo.ui.label_strings import LABELS
from yuan_demo.ui.lesson_conversations import LONG_TALKS, cut_to
from yuan_demo.ui.lesson_texts import LESSON_TEXTS, SHORT_TALKS, TABLE_WORDS
from yuan_demo.ui.strings import Language

BASELINE_WINDOW = 1024
"""What the camp's baseline passes to `generate` as `max_length`."""
BASELINE_PROMPT = 1038
"""Tokens of the prompt that the baseline dies of."""
VISITORS = 10

_RESERVED = 64
_INDENTATION = Path(__file__).resolve().parents[2] / "assets" / "indentation.json"


@dataclass(frozen=True, slots=True)
class Table:
    """Plain words: heads of the columns, and rows of as many cells."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class LessonStart:
    """What a lesson puts up.

    Attributes:
        messages: the history; it ends in an answer, or is empty.
        draft: what stands in the message box.
        settings: changes against the defaults, by the names of `PageSettings`.
        table: facts to look at, or None.
    """

    messages: tuple[Message, ...]
    draft: str
    settings: Mapping[str, object]
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson; title, text and task are (English, Chinese).

    Attributes:
        name: stable, for programs.
        title: a line.
        text: a few sentences.
        task: what to try.
        start: makes what it puts up, for a model and a language.
    """

    name: str
    title: tuple[str, str]
    text: tuple[str, str]
    task: tuple[str, str]
    start: Callable[[ChatModel, Language], LessonStart]


def _say(language: Language, key: str, **values: object) -> str:
    words = TABLE_WORDS.get(key) or LABELS[key]
    return words[language == "zh"].format(**values)


def _head(language: Language, *keys: str) -> tuple[str, ...]:
    return tuple(_say(language, key) for key in keys)


def _history(name: str, language: Language) -> tuple[tuple[Message, ...], str]:
    """The history and the draft of a short conversation."""
    *said, draft = SHORT_TALKS[name][language == "zh"]
    roles = ("user", "assistant") * (len(said) // 2)
    return tuple(map(Message, roles, said)), draft


def _options(model: ChatModel, window: int) -> PromptOptions:
    """The window, as far as the model has it, with a small reservation."""
    window = max(MIN_WINDOW, min(window, model.context_window))
    return PromptOptions(window, min(_RESERVED, window // 2))


def _greedy(model: ChatModel, longest: int = _RESERVED) -> dict[str, object]:
    """Settings under which an answer is the same every time."""
    return {
        "greedy": True,
        "repetition_penalty": 1.0,
        "max_new_tokens": min(longest, model.max_reserved),
    }


def _whole(
    model: ChatModel, messages: Sequence[Message], draft: str, options: PromptOptions | None = None
) -> Prompt:
    """The prompt as it is before anything is dropped."""
    options = options or model.default_options
    return model.fit((*messages, Message("user", draft)), options).whole


def _pieces(tokens: Iterable[EncodedToken]) -> str:
    """Pieces side by side, without the phantom space mark."""
    return " ".join(token.piece for token in tokens if token.start < token.end)


# --- the window -----------------------------------------------------------------------------------


def _fourth_question(model: ChatModel, language: Language) -> LessonStart:
    options = replace(_options(model, BASELINE_WINDOW), policy=Policy.STOP)
    talk = LONG_TALKS[language]
    messages = cut_to(BASELINE_PROMPT, talk, model.tokenizer, options)
    policies = (Policy.STOP, *(policy for policy in Policy if policy is not Policy.STOP))
    ways = {_say(language, f"policy_{p}"): replace(options, policy=p) for p in policies}
    own = model.context_window
    if own > options.window:
        ways[_say(language, "own_window", n=f"{own:,}")] = replace(options, window=own)
    table = _ways_out(model, messages, talk.draft, ways, language)
    settings = {
        "window": options.window,
        "policy": Policy.STOP.value,
        "max_new_tokens": options.reserved,
    }
    return LessonStart(messages, talk.draft, settings, table)


def _forgotten_name(model: ChatModel, language: Language) -> LessonStart:
    messages, draft = _history("forgotten_name", language)
    options = _options(model, BASELINE_WINDOW)
    # One token less than the whole needs: the oldest turn goes, and no other.
    needed = len(_whole(model, messages, draft).tokens) + options.reserved
    options = replace(options, window=min(needed - 1, model.context_window))
    ways = {
        _say(language, "policy_drop_oldest"): options,
        _say(language, "pinned"): replace(options, pinned=frozenset({1})),
    }
    table = _ways_out(model, messages, draft, ways, language)
    settings = {"window": options.window, "policy": Policy.DROP_OLDEST.value}
    return LessonStart(messages, draft, settings | _greedy(model), table)


def _ways_out(
    model: ChatModel,
    messages: Sequence[Message],
    draft: str,
    ways: Mapping[str, PromptOptions],
    language: Language,
) -> Table:
    """What each way would send."""
    rows: list[tuple[str, ...]] = []
    for name, options in ways.items():
        fitted = model.fit((*messages, Message("user", draft)), options)
        left_out = _say(language, "nothing")
        if fitted.dropped:
            turns = ", ".join(str(turn.number) for turn in fitted.dropped)
            left_out = _say(language, "turns", n=turns)
        elif fitted.dropped_tokens:
            left_out = _say(language, "first_tokens", n=fitted.dropped_tokens)
        room = f"{fitted.budget.reserved:,}"
        if fitted.fault:
            room = _say(language, "refused", n=fitted.budget.excess)
        rows.append((name, f"{len(fitted.prompt.tokens):,}", left_out, room))
    return Table(_head(language, "policy", "prompt", "left_out", "room"), tuple(rows))


# --- tokens ---------------------------------------------------------------------------------------


def _join_is_three(model: ChatModel, language: Language) -> LessonStart:
    messages, draft = _history("join_is_three", language)
    rows = []
    for text in ("<n>", "1.<n>2.", "?<n>", "<n><n>", "\n"):
        tokens = model.tokenizer.encode_with_offsets(text, parse_control=False)
        tokens = [token for token in tokens if token.start < token.end]
        name = _say(language, "line_break") if text == "\n" else text
        ids = " ".join(str(token.token_id) for token in tokens)
        rows.append((name, str(len(tokens)), _pieces(tokens), ids))
    table = Table(_head(language, "text", "tokens", "pieces", "ids"), tuple(rows))
    return LessonStart(messages, draft, {"format": "n_join"}, table)


def _special_tokens(model: ChatModel, language: Language) -> LessonStart:
    rows = []
    for is_cut in (True, False):
        for documented in (True, False):
            names = [
                token.name
                for token in CONTROL_TOKENS.values()
                if token.cut is is_cut and token.documented is documented
            ]
            kind = ("one_token" if is_cut else "looks") + ("_documented" if documented else "")
            sizes = sorted({_size(name, model, is_cut=is_cut) for name in names})
            rows.append(
                (_say(language, kind), " ".join(names), " / ".join(str(size) for size in sizes))
            )
    messages, draft = _history("special_tokens", language)
    table = Table(_head(language, "kind", "symbols", "tokens_each"), tuple(rows))
    return LessonStart(messages, draft, {"raw": False}, table)


def _size(name: str, model: ChatModel, *, is_cut: bool) -> int:
    """Tokens of a symbol that acts, or of the pieces of one that does not."""
    if is_cut and model.tokenizer.control_token_id(name) is not None:
        return 1
    tokens = model.tokenizer.encode_with_offsets(name, parse_control=False)
    return sum(token.start < token.end for token in tokens)


def _sep_injection(model: ChatModel, language: Language) -> LessonStart:
    messages, draft = _history("sep_injection", language)
    typed = draft.index("<sep>")
    rows = []
    for mode, raw in (("raw", True), ("safe", False)):
        prompt = _whole(model, messages, draft, replace(model.default_options, raw=raw))
        start = prompt.text.index(draft) + typed
        acting = [token for token in prompt.tokens if token.origin is Origin.CONTROL]
        read = [
            token.encoded
            for token in prompt.tokens
            if token.encoded.start < start + len("<sep>") and token.encoded.end > start
        ]
        counts = (str(len(prompt.tokens)), str(len(acting)))
        rows.append((_say(language, mode), *counts, _pieces(read)))
    table = Table(_head(language, "mode", "prompt", "acting_sep", "typed_sep"), tuple(rows))
    return LessonStart(messages, draft, {"raw": True, "format": "n_join"}, table)


def _forgotten_flag(model: ChatModel, language: Language) -> LessonStart:
    messages, draft = _history("forgotten_flag", language)
    rows = []
    for loading in Loading:
        options = replace(model.default_options, loading=loading)
        tokens = _whole(model, messages, draft, options).tokens
        reads = _pieces(token.encoded for token in tokens)
        rows.append((_say(language, f"loading_{loading}"), str(len(tokens)), reads))
    table = Table(_head(language, "loading", "prompt", "model_reads"), tuple(rows))
    settings = {"loading": Loading.PLAIN.value, "format": "n_join"}
    return LessonStart(messages, draft, settings | _greedy(model), table)


def _transformers_indentation(_model: ChatModel, language: Language) -> LessonStart:
    readings = json.loads(_INDENTATION.read_text(encoding="utf-8"))
    rows: list[tuple[str, ...]] = []
    for reading in readings:
        pairs = [
            [
                f"{piece} ({token_id})"
                for piece, token_id in zip(
                    reading[f"{side}_pieces"], reading[f"{side}_ids"], strict=True
                )
            ]
            for side in ("own", "transformers")
        ]
        own, other = pairs
        for kind, a, b, c, d in SequenceMatcher(None, own, other, autojunk=False).get_opcodes():
            if kind != "equal":
                rows.append((" ".join(own[a:b]), " ".join(other[c:d])))
    table = Table(_head(language, "own_tokenizer", "transformers"), tuple(dict.fromkeys(rows)))
    return LessonStart((), readings[0]["text"], {}, table)


# --- formats and answers --------------------------------------------------------------------------


def _roles(model: ChatModel, language: Language) -> LessonStart:
    messages, draft = _history("roles", language)
    rows = []
    for name in ("n_join", "newline", "roles"):
        options = replace(model.default_options, format=FORMATS[name])
        prompt = _whole(model, messages, draft, options)
        around = sum(token.origin in (Origin.JOIN, Origin.CONTROL) for token in prompt.tokens)
        label = _say(language, f"format_{name}")
        rows.append((label, str(len(prompt.tokens)), str(around)))
    table = Table(_head(language, "format", "prompt", "around"), tuple(rows))
    return LessonStart(messages, draft, {"format": "roles"} | _greedy(model), table)


def _repeats(model: ChatModel, language: Language) -> LessonStart:
    messages, draft = _history("repeats", language)
    same, other = _say(language, "same"), _say(language, "other_joke")
    tried = (("as_loaded", same), ("newline_format", same), ("edited", same), ("penalty", other))
    rows = tuple((_say(language, change), seen) for change, seen in tried)
    table = Table(_head(language, "tried", "second_answer"), rows)
    return LessonStart(messages, draft, {"format": "n_join"} | _greedy(model), table)


def _missing_sep(model: ChatModel, language: Language) -> LessonStart:
    messages, draft = _history("missing_sep", language)
    template = {"turn_template": "{user}<n>{assistant}<n>", "question_template": "{user}<n>"}
    without = format_named("custom", *template.values())
    rows = []
    for prompt_format in (FORMATS["n_join"], without):
        options = replace(model.default_options, format=prompt_format)
        tokens = _whole(model, messages, draft, options).tokens
        label = _say(language, f"format_{prompt_format.name}")
        rows.append((label, prompt_format.question, _pieces(token.encoded for token in tokens)))
    table = Table(_head(language, "format", "template", "model_reads"), tuple(rows))
    settings = {"format": "custom"} | template | _greedy(model, 2 * _RESERVED)
    return LessonStart(messages, draft, settings, table)


def _shared_model(model: ChatModel, language: Language) -> LessonStart:
    loaded, config = model.loaded, model.loaded.model.config
    width = loaded.model.dtype.itemsize * config.num_hidden_layers * config.hidden_size
    weights = loaded.parameter_count * loaded.model.dtype.itemsize
    per_token = 2 * width
    # One column of h for the first convolution, one of half the width for the second.
    states = width + width // 2
    full = per_token * model.context_window + states
    window = f"{model.context_window:,}"
    rows = (
        (_say(language, "parameters"), f"{loaded.parameter_count:,}"),
        (_say(language, "weights", dtype=loaded.dtype), in_bytes(weights)),
        (_say(language, "cache_token"), in_bytes(per_token)),
        (_say(language, "filter"), in_bytes(states)),
        (_say(language, "cache_full", n=window), in_bytes(full)),
        (_say(language, "shared", n=VISITORS), in_bytes(weights + VISITORS * full)),
        (_say(language, "copied", n=VISITORS), in_bytes(VISITORS * (weights + full))),
    )
    messages, draft = _history("shared_model", language)
    return LessonStart(messages, draft, {}, Table(_head(language, "what", "size"), rows))


def in_bytes(count: int) -> str:
    """A size with three digits: `57.0 MB`; a kB is 1,000 bytes."""
    size, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if size >= 99.95 or unit == "B" else f"{size:.1f} {unit}"


_STARTS: dict[str, Callable[[ChatModel, Language], LessonStart]] = {
    "fourth_question": _fourth_question,
    "forgotten_name": _forgotten_name,
    "join_is_three": _join_is_three,
    "special_tokens": _special_tokens,
    "missing_sep": _missing_sep,
    "sep_injection": _sep_injection,
    "roles": _roles,
    "repeats": _repeats,
    "forgotten_flag": _forgotten_flag,
    "transformers_indentation": _transformers_indentation,
    "shared_model": _shared_model,
}

LESSONS: dict[str, Lesson] = {
    name: Lesson(name, *LESSON_TEXTS[name], start) for name, start in _STARTS.items()
}
"""Every lesson by its name, in the order in which a page lists them."""
