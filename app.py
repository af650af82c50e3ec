"""The Yuan2 demo: `python app.py` serves it; `demo` is what Spaces and studios look for.

Reads the settings, loads one model for all visitors, builds the page and launches it.
"""

import gc
import os
import signal
import sys

# Read once, when gradio and the hubs' clients are imported: nothing leaves the machine unasked.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from yuan_demo.core.errors import SettingsError, YuanDemoError
from yuan_demo.settings import load_settings, require_free_port

IS_MAIN = __name__ == "__main__"
if IS_MAIN:
    # Until there is anybody to say goodbye to.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))

try:
    settings = load_settings(sys.argv[1:] if IS_MAIN else [], os.environ)
    if IS_MAIN:
        require_free_port(settings.host, settings.port)
except SettingsError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)

# Only now what takes seconds to import: --help and a wrong flag answer at once. Imports make
# objects by the hundred thousand, none of which is garbage.
gc.disable()
import torch

from yuan_demo.engine.chat import ChatModel
from yuan_demo.model.checkpoint import load_checkpoint
from yuan_demo.ui.demo import build_demo
from yuan_demo.ui.handlers import PageHandlers
from yuan_demo.ui.server import launch, serve

try:
    torch.set_num_threads(settings.threads)
    loaded = load_checkpoint(
        settings.model,
        dtype=settings.dtype,
        device_map=settings.device_map,
        offload_folder=settings.offload_folder,
    )
    model = ChatModel(
        loaded,
        settings.context_window,
        slots=settings.slots,
        answer_seconds=settings.answer_seconds,
        quantize=settings.quantize,
    )
except YuanDemoError as error:
    sys.exit(f"error: {error}")

if (settings.context_window or 0) > model.context_window:
    print(f"--context-window is limited to {model.context_window}, all that this model has.")
handlers = PageHandlers(model)
demo = build_demo(handlers)

# What is loaded stays: without this a full collection, looking at all of it, now and then stopped a
# keystroke for 300 ms (the worst of 120; 25 ms with it).
gc.enable()
if IS_MAIN:
    model.engine.warm_up(report=print)
gc.collect()
gc.freeze()

if IS_MAIN:
    serve(model, launch(demo, handlers, settings))
