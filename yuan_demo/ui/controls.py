"""The controls of the page's settings: made unplaced, one for each field of `PageSettings`."""

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from yuan_demo.core.formats import CUSTOM, FORMATS
from yuan_demo.core.options import Loading, Policy
from yuan_demo.engine.chat import MIN_WINDOW, ChatModel
from yuan_demo.ui.page_settings import PageSettings
from yuan_demo.ui.words import I18N


class _Slider(gr.Slider):
    """A slider that takes every number.

    Gradio 6.31 refuses one outside the range before any handler runs: a `3` on the way to `300`,
    or a link from a demo with a larger window, would stop the panel and the chat without a word.
    Here all settings are checked by the handlers, which say why (`PageSettings`).
    """

    # Gradio names the component of the front end after the base class of a template.
    is_template = True

    def preprocess(self, payload: float | None) -> float | None:
        """The value as it stands there."""
        return payload


@dataclass(frozen=True, slots=True)
class Controls:
    """The controls, in the order of `PageSettings`.

    Those of sampling are placed by the chat, those of the prompt by whoever lays out the panel.
    """

    max_new_tokens: gr.Slider
    greedy: gr.Checkbox
    temperature: gr.Slider
    top_k: gr.Slider
    top_p: gr.Slider
    repetition_penalty: gr.Slider
    seed: gr.Number
    format: gr.Dropdown
    turn_template: gr.Textbox
    question_template: gr.Textbox
    raw: gr.Checkbox
    loading: gr.Dropdown
    policy: gr.Dropdown
    window: gr.Slider
    pinned: gr.State
    stop_at_loop: gr.Checkbox

    def components(self) -> list[Any]:
        """All of them."""
        return [getattr(self, field.name) for field in fields(self)]

    def of_the_prompt(self) -> list[Any]:
        """Those whose change is a change of the prompt, but for the pins: nobody types these."""
        names = PageSettings._fields
        names = ("max_new_tokens", *names[names.index("format") : names.index("pinned")])
        return [getattr(self, name) for name in names]


def format_choices() -> list[tuple[Any, str]]:
    """Every format by its name in the language of the page."""
    return [(I18N(f"format_{name}"), name) for name in (*FORMATS, CUSTOM)]


def make_controls(model: ChatModel) -> Controls:
    """Makes the controls, standing at the defaults."""
    defaults = PageSettings.defaults(model)

    def slider(name: str, low: float, high: float, step: float) -> _Slider:
        value = getattr(defaults, name)
        # A model's own default may lie beyond what the slider offers otherwise.
        high = max(high, value)
        return _Slider(low, high, value, step=step, render=False, **_words(name))

    def choice(name: str, options: type[Policy] | type[Loading]) -> gr.Dropdown:
        choices = [(I18N(f"{name}_{option}"), str(option)) for option in options]
        return gr.Dropdown(choices, value=getattr(defaults, name), render=False, **_words(name))

    def template(name: str) -> gr.Textbox:
        return gr.Textbox(getattr(defaults, name), lines=1, render=False, **_words(name))

    return Controls(
        slider("max_new_tokens", 1, model.max_reserved, 1),
        gr.Checkbox(defaults.greedy, render=False, **_words("greedy")),
        slider("temperature", 0.05, 2, 0.05),
        slider("top_k", 0, 200, 1),
        slider("top_p", 0.05, 1, 0.05),
        slider("repetition_penalty", 0.8, 2, 0.05),
        gr.Number(defaults.seed, precision=0, render=False, **_words("seed")),
        gr.Dropdown(format_choices(), value=defaults.format, render=False, **_words("format")),
        template("turn_template"),
        template("question_template"),
        gr.Checkbox(defaults.raw, render=False, **_words("raw")),
        choice("loading", Loading),
        choice("policy", Policy),
        slider("window", min(MIN_WINDOW, model.context_window), model.context_window, 1),
        gr.State(defaults.pinned, render=False),
        gr.Checkbox(defaults.stop_at_loop, render=False, **_words("stop_at_loop")),
    )


def _words(name: str) -> dict[str, Any]:
    return {"label": I18N(name), "info": I18N(f"{name}_info")}
