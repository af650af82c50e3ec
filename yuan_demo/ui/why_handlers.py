"""What happens on the events of the Why tab: which parts of the prompt made the model say it.

The page sends what an answer was made of, as its record has it, and what was measured of it before;
nothing is remembered here.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter
from typing import Any

from yuan_demo.core.budget import FittedPrompt
from yuan_demo.core.errors import PageError, PromptError
from yuan_demo.core.messages import Message
from yuan_demo.core.parts import Part, Range, parts_of, words_of
from yuan_demo.core.sharing import finest
from yuan_demo.engine.aside import Cancelled
from yuan_demo.engine.asked import string_ids
from yuan_demo.engine.causes import MAX_PASSES, Causes, Stretch, words_of_answer
from yuan_demo.engine.gradients import gradient_times_input
from yuan_demo.ui.asks import AskHandlers, Sent, tells
from yuan_demo.ui.checks import require_text
from yuan_demo.ui.page_settings import PageSettings
from yuan_demo.ui.why_view import answer_word_views, effects_view, part_view

ANSWER_SO_FAR = -1
"""Stands in a path for the part of the answer before the stretch."""
NOTICEABLE = 0.1
"""Nats: a turn with less of an effect is not opened unasked. A tenth of the probability."""
_TELL_SECONDS = 0.1
"""Between two views of a measurement under way."""

Path = tuple[int, ...]


class WhyHandlers(AskHandlers):
    """The handlers of one page's Why tab."""

    @tells("causes")
    def measure(self, sent: Sent, cancelled: threading.Event) -> Iterator[dict[str, Any]]:
        """Leaves out the parts at a path one by one, and tells what is lost with each.

        With an empty path these are the turns, and then what the turn with the largest effect falls
        into, if the passes are enough for all of that.

        Yields:
            `tree` of parts (`why_view.part_view`), `against` [id, piece] or None, `base` the
            measure with the whole prompt, `levels` [{`path`, `effects` (`why_view.effects_view`)
            and, of words, `parts`}], `spent` passes and `is_over`; each time all that is known.
        """
        stretch, path = self._stretch(sent), _path(sent.get("path"))
        tree, spent = parts_of(stretch.prompt), _spent(sent.get("spent"))
        _require_path(tree, path)
        if spent >= MAX_PASSES:
            raise PageError("no_passes_left", limit=MAX_PASSES)
        causes = Causes(self.model, stretch, MAX_PASSES - spent, cancelled)
        levels: list[dict[str, Any]] = []
        told = {
            "tree": [part_view(part) for part in tree],
            "against": self._named(stretch.against),
            "levels": levels,
        }
        measured = self._levels(causes, stretch, tree, path, levels)
        try:
            told["base"] = causes.base(_number(sent.get("base")))
            last = perf_counter()
            for _ in measured:
                if perf_counter() - last > _TELL_SECONDS:
                    last = perf_counter()
                    yield told | {"spent": spent + causes.used, "is_over": False}
        except Cancelled:
            pass
        yield told | {"spent": spent + causes.used, "is_over": True}

    @tells("gradients")
    def gradients(self, sent: Sent, cancelled: threading.Event) -> dict[str, Any]:
        """Gradient times input of all tokens before the stretch.

        Returns:
            `values` one per token, `tree` and `against` as `measure` tells them.
        """
        stretch = self._stretch(sent)
        try:
            values = gradient_times_input(self.model.aside, stretch, cancelled)
        except Cancelled:
            return {}
        return {
            "values": [float(f"{value:.4g}") for value in values],
            "tree": [part_view(part) for part in parts_of(stretch.prompt)],
            "against": self._named(stretch.against),
        }

    def _levels(
        self,
        causes: Causes,
        stretch: Stretch,
        tree: Sequence[Part],
        path: Path,
        levels: list[dict[str, Any]],
    ) -> Iterator[None]:
        """Measures one level after the other, noting what is known after every pass."""
        if path == (ANSWER_SO_FAR,):
            spelled, places = words_of_answer(stretch, self.model)
            start = len(stretch.prompt.prompt.tokens)
            level = {"path": list(path), "parts": answer_word_views(spelled, places, start)}
            yield from _note(level, levels, causes.effects_of_answer(places))
            return
        below = _below(tree, path)
        if not below:
            below = words_of(stretch.prompt, _at(tree, path))
            level = {"path": list(path), "parts": [part_view(part) for part in below]}
        else:
            level = {"path": list(path)}
        yield from _note(level, levels, causes.effects(below))
        for place in _next_places(path, below, level, causes.left):
            # From a turn on the sentences of its messages come with it.
            yield from self._levels(causes, stretch, tree, (*path, place), levels)

    def _stretch(self, sent: Sent) -> Stretch:
        """What is asked about.

        Raises:
            PageError: what was sent is no answer of this model, or the stretch is none of it.
        """
        fitted = self._fitted(sent)
        answer = self.checked_ids(sent.get("answer"), least=1)
        start, end = sent.get("start"), sent.get("end")
        is_range = type(start) is int and type(end) is int and 0 <= start < end <= len(answer)
        against = sent.get("against")
        if not is_range or (against is not None and end - start > 1):
            raise PageError("bad_stretch", tokens=len(answer), start=start, end=end)
        before = [*fitted.prompt.input_ids, *answer[:start]]
        other = self._other(against, before, answer[start])
        return Stretch(fitted, tuple(answer[:end]), start, other)

    def _other(self, against: Any, before: Sequence[int], own: int) -> int | None:
        """The token that a candidate's id or a string stands for."""
        if against is None:
            return None
        if isinstance(against, str):
            text = require_text(against)
            if not text:
                raise PromptError("empty_message")
            [other, *_] = string_ids(self._like(text, before, own), before, self.model.tokenizer)
        else:
            [other] = self.checked_ids([against], least=1)
        if other == own:
            [piece] = self.model.tokenizer.convert_ids_to_tokens([own])
            raise PageError("same_token", piece=piece)
        return other

    def _like(self, text: str, before: Sequence[int], own: int) -> str:
        """A string with a blank before it if it is to stand for a token that has one.

        Who types a name means the word, of which `▁Tom` is the token and not `Tom`.
        """
        tokenizer = self.model.tokenizer
        last, piece = tokenizer.convert_ids_to_tokens([before[-1], own])
        # Behind a control token a text begins, with that mark anyway.
        begins = tokenizer.control_token_id(last) == before[-1]
        is_bare = not text[0].isspace() and tokenizer.control_token_id(text) is None
        return f" {text}" if piece.startswith("▁") and is_bare and not begins else text

    def _fitted(self, sent: Sent) -> FittedPrompt:
        """The prompt of an answer, made again from what the page keeps of it."""
        ids, options = self.checked_ids(sent.get("prompt"), least=1), sent.get("options")
        messages = _messages(sent.get("messages"))
        given = options if isinstance(options, dict) else {}
        settings = PageSettings.defaults(self.model).changed(given)
        fitted = self.model.fit(messages, settings.options())
        fitted.require_fit()
        if list(fitted.prompt.input_ids) != ids:
            raise PageError("other_prompt")
        return fitted

    def _named(self, token_id: int | None) -> list[Any] | None:
        if token_id is None:
            return None
        return [token_id, *self.model.tokenizer.convert_ids_to_tokens([token_id])]


def _note(
    level: dict[str, Any],
    levels: list[dict[str, Any]],
    effects: Iterable[tuple[Range, float]],
) -> Iterator[None]:
    known: dict[Range, float] = {}
    level["effects"] = []
    levels.append(level)
    for place, effect in effects:
        known[place] = effect
        level["effects"] = effects_view(known, finest(known))
        yield


def _next_places(
    path: Path, below: Sequence[Part], level: dict[str, Any], left: int
) -> Iterator[int]:
    """Which of the parts just measured are opened with them."""
    if path:
        yield from (place for place, part in enumerate(below) if len(path) == 1 and part.parts)
        return
    alone = [(effect, start) for start, end, effect in level["effects"] if end == start + 1]
    effect, place = max(alone, default=(0.0, 0))
    needed = sum(1 + len(part.parts) for part in below[place].parts)
    if effect >= NOTICEABLE and 0 < needed <= left:
        yield place


def _at(tree: Sequence[Part], path: Path) -> Part:
    part = tree[path[0]]
    for place in path[1:]:
        part = part.parts[place]
    return part


def _below(tree: Sequence[Part], path: Path) -> Sequence[Part]:
    return _at(tree, path).parts if path else tree


def _require_path(tree: Sequence[Part], path: Path) -> None:
    if path == (ANSWER_SO_FAR,):
        return
    for place in path:
        if not 0 <= place < len(tree):
            raise PageError("bad_part", path=list(path))
        tree = tree[place].parts


def _path(value: Any) -> Path:
    if not isinstance(value, list) or any(type(place) is not int for place in value):
        raise PageError("bad_part", path=value)
    return tuple(value)


def _spent(value: Any) -> int:
    return min(max(value, 0), MAX_PASSES) if type(value) is int else 0


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) else None


def _messages(value: Any) -> list[Message]:
    """[role, text] pairs, the newest question last."""
    messages = []
    for index, item in enumerate(value if isinstance(value, list) else []):
        if not isinstance(item, list) or len(item) != 2 or item[0] not in ("user", "assistant"):
            raise PromptError("bad_history", index=index)
        messages.append(Message(item[0], require_text(item[1])))
    if not messages or messages[-1].role != "user":
        raise PageError("other_prompt")
    return messages
