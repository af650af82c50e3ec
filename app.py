"""The Yuan2 demo: `python app.py` serves it; `demo` is what Spaces and studios look for.

Reads the settings, loads one model for all visitors, builds the page and launches it.
"""

import os
import sys

# Before gradio and transformers are imported, which read these once: nothing leaves the machine.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import torch

from yuan_demo.core.errors import YuanDemoError
from yuan_demo.engine.chat import ChatModel
from yuan_demo.model.checkpoint import load_checkpoint
from yuan_demo.settings import Settings, load_settings, require_free_port
from yuan_demo.ui.demo import build_demo
from yuan_demo.ui.server import launch


def load(settings: Settings) -> ChatModel:
    """The model that the settings name, ready to chat."""
    torch.set_num_threads(settings.threads)
    loaded = load_checkpoint(
        settings.model,
        dtype=settings.dtype,
        device_map=settings.device_map,
        offload_folder=settings.offload_folder,
    )
    return ChatModel(loaded, settings.context_window)


is_main = __name__ == "__main__"
try:
    settings = load_settings(sys.argv[1:] if is_main else [], os.environ)
    if is_main:
        require_free_port(settings.host, settings.port)
    model = load(settings)
except YuanDemoError as error:
    sys.exit(f"error: {error}")

demo = build_demo(model)

if is_main:
    launch(demo, model, settings)
    demo.block_thread()
