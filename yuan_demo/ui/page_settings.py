"""All settings of a page as one record: what its controls hold, in their order.

Values come from a page, a link, a lesson or a program, and any of these may send nonsense: nothing
is believed before `params()` and `options()` have checked it.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import wraps
from typing import Any, NamedTuple

from yuan_demo.core.errors import PromptError
from yuan_demo.core.formats import N_JOIN, format_named
from yuan_demo.core.options import Loading, Policy, PromptOptions
from yuan_demo.core.sampling import SamplingParams
from yuan_demo.engine.chat import ChatModel

RANDOM_SEED = -1
"""Stands for "draw one"; a number and not None, so that programs may leave the seed out."""


class PageSettings(NamedTuple):
    """Every setting; see `SamplingParams` and `PromptOptions` for what each means.

    Attributes:
        seed: `RANDOM_SEED` draws one.
        format: name of a format, or `"custom"` for the two templates.
        pinned: numbers of turns.
        stop_at_loop: last, so that programs that name no settings keep their order.
    """

    max_new_tokens: Any
    greedy: Any
    temperature: Any
    top_k: Any
    top_p: Any
    repetition_penalty: Any
    seed: Any
    format: Any
    turn_template: Any
    question_template: Any
    raw: Any
    loading: Any
    policy: Any
    window: Any
    pinned: Any
    stop_at_loop: Any

    @classmethod
    def defaults(cls, model: ChatModel) -> "PageSettings":
        """Where the controls stand at first."""
        params, options = model.default_params, model.default_options
        return cls(
            **asdict(params) | {"seed": RANDOM_SEED if params.seed is None else params.seed},
            format=options.format.name,
            turn_template=as_typed(N_JOIN.turn),
            question_template=as_typed(N_JOIN.question),
            raw=options.raw,
            loading=str(options.loading),
            policy=str(options.policy),
            window=options.window,
            pinned=[],
        )

    def changed(self, changes: Mapping[str, Any]) -> "PageSettings":
        """These settings with some others; names that are none of them are passed over."""
        return self._replace(**{k: v for k, v in changes.items() if k in self._fields})

    def params(self) -> SamplingParams:
        """How tokens are chosen.

        Raises:
            SamplingError: a value is outside its range.
        """
        return SamplingParams(
            self.max_new_tokens,
            self.greedy,
            self.temperature,
            self.top_k,
            self.top_p,
            self.repetition_penalty,
            None if self.seed == RANDOM_SEED else self.seed,
            bool(self.stop_at_loop),
        )

    def options(self) -> PromptOptions:
        """How the prompt is made; `ChatModel.fit` checks the numbers.

        Raises:
            PromptError: a choice is none, a template cannot work, or a pin is no turn number.
        """
        if self.loading not in list(Loading):
            raise PromptError(
                "unknown_choice", name="loading", value=self.loading, known=", ".join(Loading)
            )
        if self.policy not in list(Policy):
            raise PromptError(
                "unknown_choice", name="policy", value=self.policy, known=", ".join(Policy)
            )
        return PromptOptions(
            self.window,
            self.max_new_tokens,
            format_named(
                self.format, as_meant(self.turn_template), as_meant(self.question_template)
            ),
            bool(self.raw),
            Loading(self.loading),
            Policy(self.policy),
            frozenset(_turn_numbers(self.pinned)),
        )

    def with_options(self, options: PromptOptions) -> "PageSettings":
        """These settings, their prompt made as `options` say."""
        return self._replace(**prompt_settings(options))


def prompt_settings(options: PromptOptions) -> dict[str, Any]:
    """Where the controls of the prompt stand when it is made as `options` say."""
    return {
        "max_new_tokens": options.reserved,
        "format": options.format.name,
        "turn_template": as_typed(options.format.turn),
        "question_template": as_typed(options.format.question),
        "raw": options.raw,
        "loading": str(options.loading),
        "policy": str(options.policy),
        "window": options.window,
        "pinned": sorted(options.pinned),
    }


def naming_settings(handler: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """A generator whose signature names each setting that `handler` takes as `*settings`.

    Gradio reads the names from there: programs then write `raw=True`, not `param_12=True`.
    """

    @wraps(handler)
    def named(*args: Any) -> Iterator[Any]:
        yield from handler(*args)

    signature = inspect.signature(handler)
    kept = [p for p in signature.parameters.values() if p.kind is not p.VAR_POSITIONAL]
    settings = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        for name in PageSettings._fields
    ]
    named.__signature__ = signature.replace(parameters=[*kept, *settings])
    return named


def as_typed(template: str) -> str:
    """A template as it stands in a box of one line: a line break is written `\\n`."""
    return template.replace("\n", "\\n")


def as_meant(typed: Any) -> str:
    """The template that was typed."""
    return str(typed).replace("\\n", "\n")


def _turn_numbers(value: Any) -> Sequence[int]:
    numbers = value or []
    if not isinstance(numbers, list | tuple) or any(type(number) is not int for number in numbers):
        raise PromptError("bad_pins", value=value)
    return numbers
