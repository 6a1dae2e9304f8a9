"""Models whose right answer is known, for the tests of trust."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Glow(nn.Module):
    """Logit 0 grows with the light in some pixels, by known weights; the other logits are 0."""

    mean_face: Tensor

    def __init__(self, seed: int = 0, gain: float = 8.0) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        weights = torch.rand(48, 48, generator=random)
        weights[torch.rand(48, 48, generator=random) < 0.8] = 0
        self.weights = nn.Parameter(weights)
        self.gain = gain
        self.register_buffer("mean_face", torch.zeros(1, 1, 48, 48))

    def forward(self, x: Tensor) -> Tensor:
        light = (x[:, 0] * self.weights).sum((1, 2)) / self.weights.sum()
        first = self.gain * (2 * light - 0.6)
        return torch.cat([first[:, None], torch.zeros(len(x), 6).to(x)], 1)

    def truth(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return what each pixel contributes to logit 0, against a black baseline."""
        scale = 2 * self.gain / float(self.weights.detach().sum())
        return (faces / 255 * self.weights.detach().numpy() * scale).astype(np.float32)


def straight() -> nn.Sequential:
    """One identity convolution, ReLU and affine: linear on faces, with every kind of layer."""
    torch.manual_seed(0)
    conv = nn.Conv2d(1, 1, 1)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        conv.bias.zero_()
    block = nn.Sequential(OrderedDict(conv=conv, relu=nn.ReLU()))
    layers = OrderedDict(conv1=block, flatten=nn.Flatten(), classifier=nn.Linear(48 * 48, 7))
    return nn.Sequential(layers).eval()
