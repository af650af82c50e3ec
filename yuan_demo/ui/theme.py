"""Looks of the page around the panel."""

import gradio as gr

# No web fonts: the page must load without a network. Chinese falls to the system's own fonts.
_FONTS = ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"]
_MONO = ["ui-monospace", "Menlo", "Consolas", "DejaVu Sans Mono", "Noto Sans Mono CJK SC"]

THEME = gr.themes.Soft(
    primary_hue="blue",
    neutral_hue="slate",
    font=_FONTS,
    font_mono=[*_MONO, "monospace"],
    radius_size=gr.themes.sizes.radius_md,
).set(
    body_background_fill="*neutral_50",
    # 4.8 : 1 on white; the theme's own grey has 2.6 : 1.
    body_text_color_subdued="*neutral_500",
    # 5.2 : 1 under its white words; the theme's own blues have 3.7 : 1 and 2.5 : 1.
    button_primary_background_fill="*primary_600",
    button_primary_background_fill_hover="*primary_700",
    button_primary_background_fill_dark="*primary_600",
    button_primary_background_fill_hover_dark="*primary_700",
    # 2.6 : 1 on white, so that an empty box can be seen; the theme's own has 1.2 : 1.
    checkbox_border_color="*neutral_400",
    # Plain labels: the panel beside them is colourful enough.
    block_title_background_fill="none",
    block_title_text_color="*body_text_color",
    block_title_padding="0",
    block_title_text_weight="500",
)
