"""placeholder"""

import torch
import torch.nn.functional as F
from torch import nn


class PlainLinear(nn.Module):
    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = weight
        self.scale = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.ndim == 2 and len(x) <= 4 and x.dtype == torch.float32:
            if len(x) == 1:
                return torch.mm(self.weight, torch.cat([x, x]).t())[:, 0][None]
            return torch.mm(self.weight, x.t()).t()
        return F.linear(x, self.weight)


def make_linear(weight: torch.Tensor, kind: str = "auto") -> nn.Module:
    return PlainLinear(weight)
