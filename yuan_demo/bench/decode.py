"""`bench decode`: the app's own loop beside `generate` of transformers, in turn, in one process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import torch
from transformers import GenerationConfig

from yuan_demo.bench import BenchError
from yuan_demo.bench.report import Cell, Report, median
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.chat import ChatModel
from yuan_demo.engine.engine import Engine
from yuan_demo.model.checkpoint import LoadedModel, load_checkpoint
from yuan_demo.settings import Settings

NEVER = 2**31 - 1
"""An id beyond every vocabulary: an answer that ended early would not be measured in full."""

SHORT_PROMPT = 16
"""Tokens before the answer that is measured; reading them costs about as much as one token."""

PASSAGE = (
    "源2.0 是一个开源的大语言模型，它在注意力之前加了一层局部过滤。"
    "A language model reads a text as tokens and writes the next one, again and again. "
)

Run = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Work:
    """What both sides do.

    Attributes:
        name: of the row.
        input_ids: the prompt.
        params: sampling; `max_new_tokens` are generated, however often the model would stop.
        tokens: what is counted per second: those generated, or those of the prompt.
    """

    name: str
    input_ids: Sequence[int]
    params: SamplingParams
    tokens: int


def measure(settings: Settings, *, new_tokens: int, prompt_tokens: int, repeat: int) -> Report:
    """Times the engine (A) and `generate` (B) in turn: A B A B.

    Args:
        settings: the model and how the app would load it.
        new_tokens: tokens of each answer.
        prompt_tokens: tokens of the prompt whose reading is measured.
        repeat: pairs per row, after one that is not counted.

    Raises:
        CheckpointError: the model cannot be loaded.
        BenchError: the window cannot hold so many tokens.
    """
    torch.set_num_threads(settings.threads)
    loaded = load_checkpoint(
        settings.model,
        dtype=settings.dtype,
        device_map=settings.device_map,
        offload_folder=settings.offload_folder,
    )
    chat = ChatModel(loaded, settings.context_window)
    _require_room(chat.context_window, new_tokens, prompt_tokens)
    rows, samples = [], {}
    for work in _works(chat, new_tokens, prompt_tokens):
        seconds = paired(_engine_run(chat, work), _generate_run(loaded, work), repeat)
        rows.append(_row(work, seconds))
        samples[f"{work.name}, engine, s"] = [ours for ours, _ in seconds]
        samples[f"{work.name}, generate, s"] = [theirs for _, theirs in seconds]
    title = (
        f"{loaded.name}, {loaded.parameter_count / 1e6:.1f} M parameters, {loaded.dtype} on "
        f"{loaded.device}, {settings.threads} thread(s), {repeat} pairs in turn"
    )
    return Report(title, rows, samples, ["Ratio above 1: the app's loop is faster than generate."])


def paired(ours: Run, theirs: Run, repeat: int) -> list[tuple[float, float]]:
    """Seconds of both, in turn; the first pair warms up and is left out.

    In turn and not one after the other, so that what else the machine does meets both alike.
    """
    return [(_seconds(ours), _seconds(theirs)) for _ in range(repeat + 1)][1:]


def _seconds(run: Run) -> float:
    _wait_for_device()
    started = perf_counter()
    run()
    _wait_for_device()
    return perf_counter() - started


def _wait_for_device() -> None:
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def _works(chat: ChatModel, new_tokens: int, prompt_tokens: int) -> tuple[Work, ...]:
    greedy = replace(chat.default_params, max_new_tokens=new_tokens, greedy=True)
    sampling = replace(greedy, greedy=False, seed=1)
    short = _prompt(chat, SHORT_PROMPT)
    return (
        Work("decode, greedy", short, greedy, new_tokens),
        Work("decode, sampling", short, sampling, new_tokens),
        Work(
            f"prefill of {prompt_tokens} tokens",
            _prompt(chat, prompt_tokens),
            replace(greedy, max_new_tokens=1),
            prompt_tokens,
        ),
    )


def _prompt(chat: ChatModel, tokens: int) -> list[int]:
    """Exactly so many tokens of text."""
    ids: list[int] = chat.tokenizer.encode(PASSAGE)
    return (ids * (tokens // len(ids) + 1))[:tokens]


def _engine_run(chat: ChatModel, work: Work) -> Run:
    engine = Engine(chat.loaded.model, chat.context_window, NEVER)

    def run() -> None:
        for _ in engine.generate(work.input_ids, work.params):
            pass

    return run


def _generate_run(loaded: LoadedModel, work: Work) -> Run:
    params = work.params
    ids = torch.tensor([work.input_ids], device=loaded.model.device)
    sampling = {"temperature": params.temperature, "top_k": params.top_k, "top_p": params.top_p}
    config = GenerationConfig(
        max_new_tokens=params.max_new_tokens,
        do_sample=not params.greedy,
        repetition_penalty=params.repetition_penalty,
        eos_token_id=NEVER,
        pad_token_id=loaded.tokenizer.eod_token_id,
        **({} if params.greedy else sampling),
    )

    def run() -> None:
        output = loaded.model.generate(
            ids, attention_mask=torch.ones_like(ids), generation_config=config
        )
        generated = output.shape[1] - ids.shape[1]
        if generated != params.max_new_tokens:
            raise BenchError(
                f"Both sides must generate {params.max_new_tokens} tokens; generate made "
                f"{generated}. Look for an end token in the model's generation_config.json."
            )

    return run


def _require_room(window: int, new_tokens: int, prompt_tokens: int) -> None:
    needed = max(SHORT_PROMPT + new_tokens, prompt_tokens + 1)
    if needed > window:
        raise BenchError(
            f"Prompt and answer must fit the window; {needed} tokens are asked of {window}. "
            f"Lower --new-tokens or --prompt-tokens."
        )


def _row(work: Work, seconds: Sequence[tuple[float, float]]) -> dict[str, Cell]:
    ratios = [theirs / ours for ours, theirs in seconds]
    return {
        "": work.name,
        "engine tokens/s": work.tokens / median(ours for ours, _ in seconds),
        "slowest": work.tokens / max(ours for ours, _ in seconds),
        "generate tokens/s": work.tokens / median(theirs for _, theirs in seconds),
        "ratio": median(ratios),
        "least ratio": min(ratios),
        "greatest ratio": max(ratios),
    }
