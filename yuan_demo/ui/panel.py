"""The components of the page with markup of their own, and the scripts and styles they need.

The markup is fixed; all data goes through props and `textContent`. Gradio fills Handlebars and
then evaluates the result as a JavaScript template literal, so a value inside a template could run
as code (shown on 6.31): no template here has a place for one.
"""

import json
from collections import ChainMap
from pathlib import Path
from typing import Any

import gradio as gr

from yuan_demo.core.control_tokens import CONTROL_TOKENS
from yuan_demo.core.tokens import Tokenizer
from yuan_demo.engine.chat import ChatModel
from yuan_demo.engine.model_facts import ModelFacts
from yuan_demo.ui.answer_strings import ANSWER
from yuan_demo.ui.branch_strings import BRANCHES, DUEL, PAIR
from yuan_demo.ui.inside_strings import INSIDE
from yuan_demo.ui.label_strings import LABELS, PARTS
from yuan_demo.ui.lesson_texts import LESSON_WORDS
from yuan_demo.ui.lessons import LESSONS
from yuan_demo.ui.lint_strings import FINDINGS, REPAIRS
from yuan_demo.ui.panel_strings import PANEL
from yuan_demo.ui.trace_strings import TRACE
from yuan_demo.ui.why_strings import WHY

_ASSETS = Path(__file__).resolve().parents[2] / "assets"

_HEADER_HTML = """
<header class="hd">
  <h1>Yuan2 <span></span></h1><p></p>
  <button type="button" class="hd-share"></button>
  <div class="hd-lang" role="group">
    <button type="button" data-language="zh" lang="zh">中文</button>
    <button type="button" data-language="en" lang="en">English</button>
  </div>
  <dialog></dialog>
</header>
"""

_CONTEXT_HTML = '<div class="cx"></div>'
_TOKENS_HTML = '<div class="tl"></div>'

WORDS = (PANEL, PARTS, LESSON_WORDS, ANSWER, BRANCHES, PAIR, DUEL, WHY, INSIDE, TRACE)
"""All that the page's own scripts say; no two tables have a key in common."""

_SCRIPTS = (
    "page.js",
    "tools.js",
    "link.js",
    "chat.js",
    "busy.js",
    "answer_store.js",
    "forest.js",
    "pair.js",
)
"""Run before Gradio's own, in this order."""


def page_header() -> gr.HTML:
    """Name of the demo, the language switch, and the link; its value is a scene for a link."""
    return gr.HTML(
        "",
        html_template=_HEADER_HTML,
        css_template=asset("header.css"),
        js_on_load=asset("header.js"),
        apply_default_css=False,
        elem_id="page-header",
    )


def context_panel(value: str) -> gr.HTML:
    """The model, the context bar and the turns; its value is a view of `yuan_demo.ui.views`, which
    it hands on to the token list and the chat."""
    return _part("context-panel", _CONTEXT_HTML, "context.js", value=value)


def token_list() -> gr.HTML:
    """Every token of the prompt, and what the linter says of it."""
    return _part("token-list", _TOKENS_HTML, "tokens.js", "tokens_card.js", "tokens_tools.js")


def answer_tokens() -> gr.HTML:
    """What the model thought of every token of an answer."""
    names = ("", "_report", "_prompt", "_sampler", "_asked", "_details")
    scripts = [f"answer{name}.js" for name in names]
    # Before what starts all.
    scripts.insert(-1, "branches.js")
    return _part("answer-tokens", '<div class="an"></div>', *scripts)


def answer_files() -> gr.HTML:
    """The answer that is shown as a file: saved, opened, generated again."""
    return _part("answer-files", '<div class="tr"></div>', "trace.js")


def answer_causes() -> gr.HTML:
    """Which parts of the prompt made the model say a stretch of an answer."""
    scripts = ("why.js", "why_tree.js", "why_stretch.js")
    return _part("answer-causes", '<div class="wy"></div>', *scripts)


def model_inside() -> gr.HTML:
    """What happens inside the model at one token."""
    names = ("", "_lens", "_heat", "_cards")
    return _part("model-inside", '<div class="in"></div>', *(f"inside{name}.js" for name in names))


def format_comparison() -> gr.HTML:
    """Two formats side by side; its value is a view of `yuan_demo.ui.compare`."""
    return _part("format-comparison", '<div class="fc"></div>', "formats.js")


def duel() -> gr.HTML:
    """Two settings that answer the same question side by side."""
    return _part("duel", '<div class="du"></div>', "duel.js")


def lesson_list() -> gr.HTML:
    """The lessons to choose from."""
    return _part("lesson-list", '<div class="ls"></div>', "lessons.js")


def lesson_banner() -> gr.HTML:
    """The lesson or link that is open; its value is that as JSON, or empty."""
    return _part("lesson-banner", '<div class="lb"></div>', "lesson_banner.js")


def _part(elem_id: str, markup: str, *scripts: str, value: str = "") -> gr.HTML:
    # Scripts of one part share one scope, as if they were one file.
    return gr.HTML(
        value,
        html_template=markup,
        js_on_load="\n".join(map(asset, scripts)),
        apply_default_css=False,
        elem_id=elem_id,
    )


def page_styles() -> str:
    """The style sheet of the page.

    Those of the parts are here and not in their `css_template`: Gradio writes that anew with every
    value, and the browser then restyles every token (40 ms a keystroke against 8; 6.31).
    """
    nested = {
        "#token-panel": (
            "context.css",
            "tokens.css",
            "formats.css",
            "answer.css",
            "branches.css",
            "duel.css",
            "why.css",
            "inside.css",
            "trace.css",
        ),
        ":is(#lesson-list, #lesson-banner)": ("lessons.css",),
    }
    parts = [asset("page.css")]
    for selector, files in nested.items():
        parts += [f"{selector} {{ {asset(file)} }}" for file in files]
    return "\n".join(parts)


def page_script(model: ChatModel) -> str:
    """What runs before all other scripts of the page: our words and facts, and what uses them."""
    data = {
        "words": {**ChainMap(*WORDS), **_choice_words()},
        "findings": FINDINGS,
        "repairs": REPAIRS,
        "glossary": _glossary(model.tokenizer),
        "model": _model_facts(model),
        "lessons": [
            {"name": lesson.name, "title": lesson.title, "text": lesson.text}
            for lesson in LESSONS.values()
        ],
    }
    # Our own words; `<` is written so that none of them can end the script.
    constants = json.dumps(data).replace("<", "\\u003c")
    return "\n".join([f"window.yuanDemo = {constants};", *map(asset, _SCRIPTS)])


def asset(name: str) -> str:
    """The text of a file in `assets/`."""
    return (_ASSETS / name).read_text(encoding="utf-8")


def _choice_words() -> dict[str, tuple[str, str]]:
    """Names of formats and policies, which the panel says as well."""
    return {k: v for k, v in LABELS.items() if k.startswith(("format_", "policy_"))}


def _glossary(tokenizer: Tokenizer) -> list[dict[str, Any]]:
    return [
        {
            "name": token.name,
            "meaning": [token.meaning_en, token.meaning_zh],
            "ids": _ids_of(token.name, tokenizer),
        }
        for token in CONTROL_TOKENS.values()
    ]


def _ids_of(name: str, tokenizer: Tokenizer) -> list[int]:
    """The one id of a control token, or the ids of the pieces that its name falls into."""
    token_id = tokenizer.control_token_id(name)
    if token_id is not None and CONTROL_TOKENS[name].cut:
        return [token_id]
    pieces = tokenizer.encode_with_offsets(name, parse_control=False)
    return [piece.token_id for piece in pieces if piece.start < piece.end]


def _model_facts(model: ChatModel) -> dict[str, Any]:
    loaded = model.loaded
    return {
        "name": loaded.name,
        "parameters": round(loaded.parameter_count / 1e6, 1),
        "device": loaded.device,
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "is_embedded": loaded.source == "embedded",
        "mark": ModelFacts(model).mark,
    }
