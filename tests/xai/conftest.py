"""Toy models one can solve by hand, and small networks that behave like trained ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.nets.config import ConvSpec, FCSpec, NetConfig
from fermodels.nets.fernet import FERNet, to_pixels

Faces = NDArray[np.uint8]


class Linear(nn.Module):
    """logits = W x: every pixel's contribution is known."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(7, 48 * 48, generator=random))
        self.register_buffer("mean_face", torch.rand(1, 1, 48, 48, generator=random))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.T


def toy_cnn() -> nn.Sequential:
    """One identity convolution, ReLU, flatten, affine: class activation maps by hand."""
    conv = nn.Conv2d(1, 1, 1)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        conv.bias.zero_()
    block = nn.Sequential(OrderedDict(conv=conv, relu=nn.ReLU(), pool=nn.MaxPool2d(8)))
    return nn.Sequential(
        OrderedDict(conv1=block, flatten=nn.Flatten(), classifier=nn.Linear(36, 7))
    ).eval()


def smooth_faces(n: int, seed: int = 0) -> Faces:
    """Blobs of light of face-like contrast, uint8 ``(n, 48, 48)``."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:48, :48]
    faces = np.zeros((n, 48, 48))
    for _ in range(12):
        at = random.uniform(4, 44, (2, n, 1, 1))
        width = random.uniform(3, 9, (n, 1, 1))
        sign = random.uniform(-1, 1, (n, 1, 1))
        faces += sign * np.exp(-((rows - at[0]) ** 2 + (columns - at[1]) ** 2) / (2 * width**2))
    faces = 128 + 90 * faces + random.normal(0, 3, faces.shape)
    return faces.clip(0, 255).astype(np.uint8)


def settle(config: NetConfig, seed: int = 0) -> FERNet:
    """A random network whose batch statistics, mean face and logits have a trained net's size."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = FERNet(config)
        nn.init.normal_(net.classifier.weight, std=1.0)
    pixels = to_pixels(smooth_faces(256, seed=99)).float() / 255
    net.mean_face.copy_(pixels.mean(0, keepdim=True))
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.momentum = None  # the plain average of what it sees
    with torch.no_grad():
        net.train()(pixels)
    return net.eval()


def shrunk(config: NetConfig) -> NetConfig:
    """The same layers with a few filters each: same code paths, a thousandth of the work."""
    return replace(
        config,
        conv=tuple(replace(spec, filters=min(spec.filters, 6)) for spec in config.conv),
        fc=tuple(replace(spec, units=min(spec.units, 16)) for spec in config.fc),
    )


SMALL = NetConfig((ConvSpec(4, 3), ConvSpec(8, 3)), (FCSpec(16),))


@pytest.fixture
def faces() -> Faces:
    """Three faces."""
    return smooth_faces(3)


@pytest.fixture
def make_faces() -> Callable[..., Faces]:
    return smooth_faces


@pytest.fixture
def linear() -> Linear:
    return Linear().eval()


@pytest.fixture
def cnn() -> nn.Sequential:
    return toy_cnn()


@pytest.fixture
def net() -> FERNet:
    """A small network without HOG."""
    return settle(SMALL)


@pytest.fixture
def hybrid() -> FERNet:
    """A small network with HOG."""
    return settle(replace(SMALL, hog=True))


@pytest.fixture
def build() -> Callable[[NetConfig], FERNet]:
    """Make a small settled network with the layers of a config."""
    return lambda config: settle(shrunk(config))
