"""The token panel and the head of the page: components with markup of their own.

The markup is fixed; all data goes through props and `textContent`. Gradio fills Handlebars and
then evaluates the result as a JavaScript template literal, so a value inside a template could run
as code (shown on 6.31): no template here has a place for one.
"""

import json
from pathlib import Path
from typing import Any

import gradio as gr

from yuan_demo.core.control_tokens import CONTROL_TOKENS
from yuan_demo.core.tokens import Tokenizer
from yuan_demo.engine.chat import ChatModel
from yuan_demo.ui.strings import PANEL

_ASSETS = Path(__file__).resolve().parents[2] / "assets"

_PANEL_HTML = """
<div class="tp">
  <div class="tp-model"></div>
  <div class="tp-card">
    <div class="tp-bar-head"></div>
    <div class="tp-bar" role="img"></div>
    <div class="tp-legend"></div>
  </div>
  <div class="tp-notice" role="status"></div>
  <div class="tp-card">
    <div class="tp-tools">
      <div class="tp-state"></div><div class="tp-switch" role="group"></div>
    </div>
    <div class="tp-list" tabindex="0"></div>
    <div class="tp-key"></div>
  </div>
  <details class="tp-card"><summary></summary><dl class="tp-glossary"></dl></details>
  <div class="tp-tip" role="tooltip"></div>
</div>
"""

_HEADER_HTML = """
<header class="hd">
  <h1>Yuan2 <span></span></h1><p></p>
  <div class="hd-lang" role="group">
    <button type="button" data-language="zh" lang="zh">中文</button>
    <button type="button" data-language="en" lang="en">English</button>
  </div>
</header>
"""


def token_panel(model: ChatModel, value: str) -> gr.HTML:
    """The panel beside the chat; its value is a view of `yuan_demo.ui.views`."""
    return gr.HTML(
        value,
        html_template=_PANEL_HTML,
        js_on_load=asset("panel.js"),
        apply_default_css=False,
        elem_id="token-panel",
        words=json.dumps(PANEL),
        glossary=json.dumps(_glossary(model.tokenizer)),
        model=json.dumps(_model_facts(model)),
    )


def page_styles() -> str:
    """The style sheet of the page.

    The panel's part is here and not in its `css_template`: Gradio writes that anew with every
    value, and the browser then restyles every token (40 ms a keystroke against 8; 6.31).
    """
    return f"{asset('page.css')}\n#token-panel {{ {asset('panel.css')} }}"


def page_header() -> gr.HTML:
    """Name of the demo and the language switch."""
    return gr.HTML(
        "",
        html_template=_HEADER_HTML,
        css_template=asset("header.css"),
        js_on_load=asset("header.js"),
        apply_default_css=False,
        elem_id="page-header",
    )


def asset(name: str) -> str:
    """The text of a file in `assets/`."""
    return (_ASSETS / name).read_text(encoding="utf-8")


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
    }
