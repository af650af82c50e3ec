"""Our words for Gradio's own components, which Gradio picks by the language of the page."""

import gradio as gr

from yuan_demo.ui.label_strings import LABELS
from yuan_demo.ui.strings import GRADIO_OWN

I18N = gr.I18n(
    **{
        "en": {key: english for key, (english, _) in LABELS.items()},
        "zh-CN": {key: chinese for key, (_, chinese) in LABELS.items()} | GRADIO_OWN,
    }
)
