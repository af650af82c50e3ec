"""Answers as files: saved, opened, generated again, and copied as Python.

The page keeps the answers and sends the one that is meant, or the text of a file that it opened.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

from yuan_demo.core.errors import PageError
from yuan_demo.core.script import python_script
from yuan_demo.core.trace import Trace, TraceModel
from yuan_demo.core.trace_reading import read_trace
from yuan_demo.engine.model_facts import ModelFacts
from yuan_demo.engine.replay import Replay, replay, text_of
from yuan_demo.ui.answer_view import LOWEST
from yuan_demo.ui.asks import AskHandlers, Sent, tells
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.trace_view import record_of_trace, trace_of_record

_LOOK_SECONDS = 0.2
_EMBEDDED = "assets/yuan2-embedded"


class TraceHandlers(AskHandlers):
    """The handlers of one page's traces."""

    def __init__(self, pages: PageHandlers) -> None:
        super().__init__(pages)
        self.facts = ModelFacts(self.model)

    @tells("saved")
    def save_trace(self, sent: Sent, cancelled: threading.Event) -> Iterator[dict[str, Any]]:
        """The file of an answer.

        Yields:
            `share` of the model's files that has been read, then `file` its text and `name`.
        """
        trace = self._trace(sent)
        if self._is_of_another_model(sent):
            raise PageError("trace_model_gone")
        yield from self._progress(cancelled)
        if not cancelled.is_set():
            trace = replace(trace, model=self.facts.whole(0) or trace.model)
            name = f"yuan-trace-{trace.created[:10]}-turn{trace.turn}.json"
            yield {"file": trace.to_json(), "name": name}

    @tells("opened")
    def open_trace(self, sent: Sent, cancelled: threading.Event) -> Iterator[dict[str, Any]]:
        """What a file holds.

        Yields:
            `share` as above, then `record` (`trace_view.record_of_trace`), which says whether its
            model is `foreign`: another one than the one that is loaded.
        """
        trace = self._trace(sent)
        is_same = _may_be(trace.model, self.facts.without_files())
        if is_same:
            yield from self._progress(cancelled)
            is_same = self._model_of(trace.model) == "same"
        if is_same:
            self._require_spelling(trace)
        if not cancelled.is_set():
            yield {"record": record_of_trace(trace) | {"foreign": not is_same}}

    @tells("replayed")
    def replay_trace(self, sent: Sent, cancelled: threading.Event) -> Iterator[dict[str, Any]]:
        """An answer generated again by the model that is loaded.

        Yields:
            `agreed` tokens of `all`, `waiting` while others go first; at last also what
            `replayed` says.
        """
        trace = self._trace(sent)
        now, told_at = Replay(), float("-inf")
        for now in self.replay(trace, cancelled):
            if now.finish is None and perf_counter() - told_at >= _LOOK_SECONDS:
                told_at = perf_counter()
                count = len(trace.answer.ids)
                yield {"agreed": now.agreed, "all": count, "waiting": now.is_waiting}
        if now.finish in (None, "cancelled"):
            return
        if "file" in sent:
            yield from self._progress(cancelled)
        is_own = "file" not in sent and not self._is_of_another_model(sent)
        yield self.replayed(trace, now, is_own=is_own)

    @tells("script", can_be_stopped=False)
    def copy_script(self, sent: Sent, cancelled: threading.Event) -> dict[str, Any]:
        """An answer as a Python script.

        Returns:
            `script`, its text.
        """
        trace = self._trace(sent)
        if len(trace.answer.ids) <= trace.begun:
            raise PageError("trace_no_answer")
        if self._is_of_another_model(sent):
            raise PageError("trace_model_gone")
        text = "".join(trace.prompt.texts)
        encoded = self.model.tokenizer.encode_with_offsets(text)
        gives_ids = tuple(token.token_id for token in encoded) == trace.prompt.ids
        name = _EMBEDDED if trace.model.source == "embedded" else trace.model.name
        return {"script": python_script(trace, name, text if gives_ids else None)}

    def replay(self, trace: Trace, cancelled: threading.Event) -> Iterator[Replay]:
        """Generates an answer again (`engine.replay`).

        Raises:
            PageError: it has no tokens, or ids that this model has not.
        """
        if len(trace.answer.ids) <= trace.begun:
            raise PageError("trace_no_answer")
        self.checked_ids(list(trace.prompt.ids), least=1)
        self.checked_ids(list(trace.answer.ids), least=1)
        return replay(self.model.engine, trace, cancelled)

    def replayed(self, trace: Trace, end: Replay, *, is_own: bool = False) -> dict[str, Any]:
        """How a replay went, when it has ended.

        Args:
            trace: what was expected.
            end: the last of the replay.
            is_own: it is known to be of the model that is loaded.

        Returns:
            `agreed` tokens of `all`; `isSame` if these are all, otherwise `at`, the number of the
            first that differs, and [piece, log-probability] of the two as `expected` and `got`,
            None where generation ended before it, for a `reason`; `change`, the most by which a
            log-probability of the others differs; `model`: same, other or unknown by its files;
            and `differs`, [name, then, now] of what else is another.
        """
        told: dict[str, Any] = {
            "agreed": end.agreed,
            "all": len(trace.answer.ids),
            "isSame": end.agreed == len(trace.answer.ids),
            "change": end.largest_change,
            "model": "same" if is_own else self._model_of(trace.model),
            "differs": _differences(trace.model, self.facts.without_files()),
        }
        if told["isSame"]:
            return told
        got = None
        if end.token_id is not None:
            [piece] = self.model.tokenizer.convert_ids_to_tokens([end.token_id])
            got = [piece, end.scores.logprob]
        expected = [trace.answer.pieces[end.agreed], trace.scores[end.agreed].logprob]
        return told | {
            "at": end.agreed + 1,
            "expected": [expected[0], max(expected[1], LOWEST)],
            "got": got,
            "reason": end.finish,
        }

    def _model_of(self, model: TraceModel) -> str:
        loaded = self.facts.whole(0)
        if loaded is None or not loaded.files or not model.files:
            return "unknown"
        return "same" if model.has_files_of(loaded) else "other"

    def _trace(self, sent: Sent) -> Trace:
        """What is meant: the text of a `file`, or a `record` of the page's own.

        Raises:
            PageError: it is neither.
        """
        if "file" in sent:
            if not isinstance(sent["file"], str):
                raise PageError("trace_other_kind")
            return read_trace(sent["file"])
        record = sent.get("record")
        cells = record.get("cells") if isinstance(record, dict) else None
        ids = self.checked_ids(cells.get("i") if isinstance(cells, dict) else None, least=0)
        text = text_of(ids, self.model.tokenizer)
        return trace_of_record(record, text, self.facts.without_files())

    def _require_spelling(self, trace: Trace) -> None:
        """Raises PageError if the ids of a file of this model are not those of its pieces."""
        for name, tokens in (("prompt", trace.prompt), ("answer", trace.answer)):
            spelled = self.model.tokenizer.convert_ids_to_tokens(list(tokens.ids))
            for place, (piece, found) in enumerate(zip(spelled, tokens.pieces, strict=True)):
                if piece != found:
                    where, token_id = f"{name}.ids[{place}]", tokens.ids[place]
                    raise PageError(
                        "trace_other_piece", where=where, id=token_id, piece=piece, found=found
                    )

    def _is_of_another_model(self, sent: Sent) -> bool:
        """Whether a record was kept while another model was loaded."""
        return "file" not in sent and sent["record"].get("model") != self.facts.mark

    def _progress(self, cancelled: threading.Event) -> Iterator[dict[str, Any]]:
        """Waits until the model's files are read."""
        while self.facts.whole(_LOOK_SECONDS) is None and not cancelled.is_set():
            yield {"share": self.facts.share}


def _may_be(model: TraceModel, loaded: TraceModel) -> bool:
    """Whether two models may be one: their files need not be read to see that others are not."""
    return (model.parameters, model.vocabulary) == (loaded.parameters, loaded.vocabulary)


def _differences(then: TraceModel, now: TraceModel) -> list[list[str]]:
    names = ("dtype", "device", "quantize", "torch", "transformers")
    return [
        [name, getattr(then, name), getattr(now, name)]
        for name in names
        if getattr(then, name) != getattr(now, name)
    ]
