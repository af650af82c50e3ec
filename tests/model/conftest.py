"""Reference cases of the dense model: the folders of `tests/golden`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from yuan_demo.model.modeling_yuan import YuanForCausalLM

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@dataclass(frozen=True)
class GoldenCase:
    """One folder of reference numbers.

    Attributes:
        weights_folder: a folder that `from_pretrained` takes.
        tensors: inputs and expected outputs by name.
        facts: `golden.json`.
    """

    weights_folder: Path
    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]

    def model(self, **kwargs: Any) -> YuanForCausalLM:
        """The model of the case, loaded as anybody would load it, for inference only."""
        model = AutoModelForCausalLM.from_pretrained(self.weights_folder, **kwargs)
        return model.eval().requires_grad_(False)


@pytest.fixture
def golden() -> Callable[[str], GoldenCase]:
    """Loads a reference case by the name of its folder."""

    def load(name: str) -> GoldenCase:
        folder = GOLDEN / name
        facts = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
        return GoldenCase(
            weights_folder=(folder / facts.get("weights_from", ".")).resolve(),
            tensors=load_file(folder / facts.get("golden_from", ".") / "golden.safetensors"),
            facts=facts,
        )

    return load
