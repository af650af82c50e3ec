"""`bench engine`: the engine as the app uses it, beside what its memory allows.

Candidates, rank and entropy of every token are always on, as in the app; what they cost is a part
of its own. Everything that is compared is measured in turn within the run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from yuan_demo.bench import PARTS, BenchError, diagnostics, roofline, turns
from yuan_demo.bench.against import Rival, find_other
from yuan_demo.bench.memory import in_use, peaks
from yuan_demo.bench.report import Cell, Report, median
from yuan_demo.bench.soak import VISITORS, soak
from yuan_demo.bench.streams import (
    Prompts,
    Stream,
    in_turn,
    overall_rate,
    ratios,
    steady_rate,
    visit,
    visit_at_once,
)
from yuan_demo.bench.subject import Subject, make_subject
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.settings import Settings

_STEP_PAIRS = 2
"""So many more for diagnostics: they cost little beside whatever else a machine does."""
_CHOICE_PAIRS = 15
_RATIO = "A ratio above 1: the engine is faster than the other implementation."
_ROOFLINE = (
    "The roofline is what reading the weights once a step, and every row's keys and values, would "
    "take at the bandwidth measured at the start of this run. Weights that fit the processor's "
    "cache can be faster than that."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Attributes:
        rows: parts, of `PARTS`.
        contexts: tokens before the answers of one visitor; those without room are left out.
        visitors: how many ask at once.
        visitor_context: tokens before each of their answers.
        prefill: lengths of prompts whose reading is measured.
        new_tokens: of an answer after its first token.
        repeat: how often each measurement is repeated, after a first time that is not counted.
        soak: short requests sent at the end; 0 for none.
        against: another implementation, as `--against` names it.
    """

    rows: Sequence[str] = PARTS
    contexts: Sequence[int] = (16, 1024, 4096)
    visitors: Sequence[int] = (1, 4, 16, 64)
    visitor_context: int = 16
    prefill: Sequence[int] = (1024,)
    new_tokens: int = 64
    repeat: int = 3
    soak: int = 0
    against: str | None = None


def measure(settings: Settings, plan: Plan, shape: str | None, layers: int | None) -> Report:
    """Measures the parts of a plan.

    Args:
        settings: the model, and how the app would load it.
        plan: what to measure.
        shape: of a random model; None for the one of the settings.
        layers: of the random model; None for all of its shape.

    Raises:
        CheckpointError: the model cannot be loaded.
        BenchError: something of the plan cannot be done.
    """
    other = find_other(plan.against) if plan.against else None
    subject = make_subject(settings, shape, layers)
    # Before anything else takes memory that the app would not.
    loading = peaks("peak until the engine was ready")
    rival = Rival(other, subject.again()) if other else None
    bench = Bench(subject, plan, rival, loading)
    title, parts = bench.title(settings.threads), []
    print(title, flush=True)
    for name in (*plan.rows, *(["soak"] if plan.soak else [])):
        parts.append(getattr(bench, name)())
        # At once: a run that is stopped has said what it knew.
        print(f"\n{parts[-1].to_text()}\n", flush=True)
    subject.chat.engine.close(0.0)
    return Report(title, [], parts=parts)


class Bench:
    """One model, measured part by part.

    Args:
        subject: the model.
        plan: what to measure.
        rival: what it is compared with.
        loading: memory taken until the engine was ready, in bytes by name.
    """

    def __init__(
        self, subject: Subject, plan: Plan, rival: Rival | None, loading: Mapping[str, float]
    ) -> None:
        self._subject, self._plan, self._rival = subject, plan, rival
        self._loading = loading
        self._chat = subject.chat
        self._engine = subject.chat.engine
        self._loaded = subject.chat.loaded
        self._config = self._loaded.model.config
        self._device = self._engine.network.head_device
        self._itemsize = self._loaded.model.model.norm.weight.dtype.itemsize
        self._window = self._chat.context_window
        self._prompts = Prompts(self._config.vocab_size)
        self._sampling = replace(self._chat.default_params, greedy=False, seed=1)
        self._bandwidth = roofline.measured_bandwidth(self._device)

    def title(self, threads: int) -> str:
        """What is measured, where, and how often."""
        loaded, place = self._loaded, f"cpu, {threads} thread(s)"
        if self._device.type == "cuda":
            place = f"{loaded.device} ({torch.cuda.get_device_name(self._device)})"
        return (
            f"{loaded.name}: {loaded.parameter_count / 1e6:,.1f} M parameters, {loaded.dtype} on "
            f"{place}, {self._bandwidth / 1e9:,.1f} GB/s, {self._engine.network.slots} slots of "
            f"{self._window} tokens; medians of {self._plan.repeat}"
        )

    def decode(self) -> Report:
        """Tokens per second of one visitor."""
        rows, samples = [], {}
        count = self._plan.new_tokens
        contexts, notes = self._fitting(self._plan.contexts, count + 1)
        for context in contexts:
            prompt = self._prompts.next(context)
            for name in ("sampling", "greedy"):
                params = self._params(count + 1, greedy=name == "greedy")
                row, seconds = self._decode_row(prompt, params)
                rows.append({"": f"decode, {name}", "context": context, **row})
                samples[f"decode, {name}, context {context}, s"] = seconds
        return Report(
            f"one visitor, {count} tokens after the first{self._beside()}",
            rows,
            samples,
            [_ROOFLINE, *self._about_ratio(), *notes],
        )

    def visitors(self) -> Report:
        """Tokens per second of several visitors at once."""
        rows, samples = [], {}
        count, context = self._plan.new_tokens, self._plan.visitor_context
        self._fitting([context], count + 1)
        params = self._params(count + 1)
        for visitors in self._plan.visitors:
            prompts = [self._prompts.next(context) for _ in range(visitors)]
            tries = [
                visit_at_once(self._engine, prompts, params) for _ in range(self._plan.repeat + 1)
            ][1:]
            rows.append(self._visitors_row(visitors, context + count / 2, tries))
            samples[f"{visitors} visitors, tokens/s overall"] = [overall_rate(s) for s in tries]
        return Report(
            f"visitors at once, sampling, context {context}, {count} tokens after the first",
            rows,
            samples,
            [
                "steady: while all are being written; none where some stand in line. overall: "
                "from the questions to the last token, reading the prompts included."
            ],
        )

    def prefill(self) -> Report:
        """Tokens per second of reading a prompt."""
        rows, samples = [], {}
        lengths, notes = self._fitting(self._plan.prefill, 1)
        params = self._params(1, greedy=True)
        for length in lengths:
            prompt: list[int] = []

            def ours(length: int = length, prompt: list[int] = prompt) -> float:
                prompt[:] = self._prompts.next(length)
                return visit(self._engine, prompt, params).first_seconds

            def theirs(prompt: list[int] = prompt) -> float:
                assert self._rival is not None
                return self._rival.prefill(prompt)[0]

            runs = [ours, theirs] if self._rival else [ours]
            seconds = in_turn(runs, self._plan.repeat)
            rows.append({"": "prefill", "tokens": length, **_speed_row(length, seconds)})
            samples[f"prefill of {length}, s"] = [own for own, *_ in seconds]
        title = f"reading a prompt{self._beside()}"
        return Report(title, rows, samples, [*self._about_ratio(), *notes])

    def turns(self) -> Report:
        """Time to the first token in the course of a conversation."""
        repeat = range(1, self._plan.repeat + 1)
        turns.converse(self._chat, 0, pauses=True)
        paused = [turns.converse(self._chat, number, pauses=True) for number in repeat]
        # Numbers of their own: what the engine has read of other conversations must not help.
        hurried = [
            turns.converse(self._chat, len(repeat) + number, pauses=False) for number in repeat
        ]
        samples = {
            f"first token of turn {turn}, s": [one[turn - 1].seconds for one in paused]
            for turn in turns.TURNS
        }
        return Report(
            f"time to the first token, answers of {turns.ANSWER_TOKENS} tokens",
            turns.rows(paused, hurried),
            samples,
            ["Between turns the engine prepares for the next one, but where it says otherwise."],
        )

    def diagnostics(self) -> Report:
        """A step with and without what is told about each token."""
        rows, samples = [], {}
        params = self._params(self._plan.new_tokens + 1)
        repeat = _STEP_PAIRS * self._plan.repeat
        for visitors in sorted({1, min(16, self._engine.network.slots)}):
            measured = {
                "step": diagnostics.step_pairs(
                    self._engine, visitors, self._prompts, params, repeat
                )
            }
            # On a GPU it is a part of the captured step, and takes longer alone.
            if self._device.type == "cpu":
                measured["its choice alone"] = diagnostics.sampler_pairs(
                    visitors, self._config.vocab_size, params, _CHOICE_PAIRS
                )
            for name, pairs in measured.items():
                rows.append({"": name, "visitors": visitors, **_with_and_without(pairs)})
                samples[f"{name} of {visitors} with, s"] = [pair[0] for pair in pairs]
                samples[f"{name} of {visitors} without, s"] = [pair[1] for pair in pairs]
        return Report("candidates, rank and entropy, with and without, in turn", rows, samples)

    def memory(self) -> Report:
        """What the process has taken by now."""
        network = self._engine.network
        sizes: dict[str, float] = {
            "weights": self._loaded.parameter_count * self._itemsize,
            f"{network.slots} slots of {network.positions} tokens": network.bytes_of_slots,
            "one slot": network.bytes_of_slots / network.slots,
        }
        sizes |= self._loading | peaks("peak since, measuring included")
        sizes["now"] = in_use(self._device)
        rows = [{"": name, "MB": size / 1e6} for name, size in sizes.items()]
        notes = []
        if self._rival:
            notes.append("Once the engine is ready the other implementation's model is in it, too.")
        return Report("memory", rows, notes=notes)

    def soak(self) -> Report:
        """Many short requests."""
        done = soak(
            self._engine,
            self._plan.soak,
            self._prompts,
            self._sampling,
            partial(in_use, self._device),
        )
        notes = []
        if self._loaded.dtype == "float32":
            checker = Rival(find_other("reference"), self._subject.again())
            wrong, checked = done.wrong(checker)
            notes.append(
                f"Ids of {checked - len(wrong)} of {checked} answers are those of generate"
                + (f"; not those of requests {wrong}." if wrong else ".")
            )
        else:
            notes.append(f"Ids are compared in float32 only; this was {self._loaded.dtype}.")
        samples = {"memory, MB": [one.memory / 1e6 for one in done.asked]}
        title = f"soak: {self._plan.soak} short requests by {VISITORS} visitors"
        return Report(title, done.rows(), samples, notes)

    # --- parts of parts -------------------------------------------------------------------------

    def _decode_row(
        self, prompt: list[int], params: SamplingParams
    ) -> tuple[dict[str, Cell], list[float]]:
        count, written = params.max_new_tokens - 1, []

        def ours() -> float:
            stream = visit(self._engine, prompt, params)
            written.append(list(stream.ids))
            return stream.further_seconds

        def theirs() -> float:
            assert self._rival is not None
            _, first = self._rival.prefill(prompt)
            seconds, ids = self._rival.decode(count)
            written.append([first, *ids])
            return seconds

        is_pair = self._rival is not None and params.greedy
        seconds = in_turn([ours, theirs] if is_pair else [ours], self._plan.repeat)
        row = _speed_row(count, seconds)
        row |= self._beside_roofline(row["tokens/s"], [len(prompt) + count / 2])
        if is_pair:
            row["same ids"] = "yes" if written[-1] == written[-2] else "NO"
        return row, [own for own, *_ in seconds]

    def _visitors_row(
        self, visitors: int, filled: float, tries: Sequence[Sequence[Stream]]
    ) -> dict[str, Cell]:
        steady = [rate for streams in tries if (rate := steady_rate(streams))]
        slots = self._engine.network.slots
        total = median(steady) if steady and visitors <= slots else None
        each = [stream.tokens_per_second for streams in tries for stream in streams]
        first = [stream.first_seconds for streams in tries for stream in streams]
        return {
            "": "visitors",
            "at once": visitors,
            "tokens/s steady": total,
            "tokens/s overall": median(map(overall_rate, tries)),
            "per visitor": median(each),
            "slowest visitor": min(each),
            "first token ms": 1000 * median(first),
            "worst ms": 1000 * max(first),
            **self._beside_roofline(total, [filled] * min(visitors, slots)),
        }

    def _beside_roofline(self, reached: float | None, filled: Sequence[float]) -> dict[str, Cell]:
        """The most that memory allows with rows so full, and how much of that was reached."""
        moved = roofline.step_bytes(self._config, filled, self._itemsize)
        most = roofline.tokens_per_second(moved, len(filled), self._bandwidth)
        share = None if reached is None else 100 * reached / most
        return {"MB per step": moved / 1e6, "roofline tokens/s": most, "% of it": share}

    def _params(self, tokens: int, *, greedy: bool = False) -> SamplingParams:
        return replace(self._sampling, max_new_tokens=tokens, greedy=greedy)

    def _fitting(self, lengths: Sequence[int], room: int) -> tuple[list[int], list[str]]:
        """Lengths of prompts with room for an answer, and a note on the others.

        Raises:
            BenchError: there is room for none of them.
        """
        fitting = [length for length in lengths if length + room <= self._window]
        left_out = [str(length) for length in lengths if length not in fitting]
        if not fitting:
            raise BenchError(
                f"Prompt and answer must fit the window of {self._window} tokens; none of "
                f"{', '.join(left_out)} does with {room} more. Ask for fewer."
            )
        left = ", ".join(left_out)
        return fitting, [f"Left out: {left} tokens; the window is {self._window}."] if left else []

    def _beside(self) -> str:
        return f", in turn with {self._plan.against}" if self._rival else ""

    def _about_ratio(self) -> list[str]:
        return [_RATIO] if self._rival else []


def _with_and_without(pairs: Sequence[Sequence[float]]) -> dict[str, Cell]:
    """Seconds with and without something, in pairs."""
    middle, least, greatest = ratios((without, with_it) for with_it, without in pairs)
    return {
        "with ms": 1000 * median(with_it for with_it, _ in pairs),
        "without ms": 1000 * median(without for _, without in pairs),
        "ratio": middle,
        "least ratio": least,
        "greatest ratio": greatest,
    }


def _speed_row(tokens: int, seconds: Sequence[Sequence[float]]) -> dict[str, Cell]:
    """Speed of so many tokens in so many seconds, and of another implementation if it is there."""
    row: dict[str, Cell] = {
        "tokens/s": tokens / median(own for own, *_ in seconds),
        "slowest": tokens / max(own for own, *_ in seconds),
    }
    if len(seconds[0]) == 1:
        return row
    middle, least, greatest = ratios(seconds)
    return row | {
        "other tokens/s": tokens / median(other for _, other in seconds),
        "ratio": middle,
        "least ratio": least,
        "greatest ratio": greatest,
    }
