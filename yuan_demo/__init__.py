"""The Yuan2 demo: chat with Yuan2 and see exactly what the model sees."""

__version__ = "0.1.0"
