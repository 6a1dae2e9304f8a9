"""The conv/FC family and its HOG branch, as one configurable module."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from fermodels.data.dataset import FACE_SIDE
from fermodels.data.emotions import EMOTIONS
from fermodels.errors import ConfigError, DataError
from fermodels.nets.config import ConvSpec, FCSpec, NetConfig
from fermodels.nets.hog import HOG, HogConfig

PASS_VALUES = 128_000_000
"""Values in all layers that a batch may come to; half of it does for 64 faces in deep-6."""


def conv_block(channels: int, spec: ConvSpec, dropout_kind: str) -> nn.Sequential:
    """Conv-(SBN)-ReLU-(Dropout)-(MaxPool); every ReLU is its own module, never in place.

    Explainers hook modules: a shared or in-place ReLU silently turns guided backprop into the
    plain gradient and corrupts DeepLIFT.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(
        channels,
        spec.filters,
        spec.kernel,
        spec.stride,
        spec.pixels_of_padding,
        bias=not spec.batch_norm,  # batch norm has its own shift
    )
    if spec.batch_norm:
        layers["bn"] = nn.BatchNorm2d(spec.filters)
    layers["relu"] = nn.ReLU(inplace=False)
    if spec.dropout > 0 and dropout_kind == "element":
        layers["dropout"] = nn.Dropout(spec.dropout)
    if spec.pool:
        layers["pool"] = nn.MaxPool2d(spec.pool)
    if spec.dropout > 0 and dropout_kind == "channel":
        # scaling a whole channel by 0 or 1/(1-p) commutes with max: same function, 1/4 the work
        layers["dropout"] = nn.Dropout2d(spec.dropout)
    return nn.Sequential(layers)


def fc_block(inputs: int, spec: FCSpec) -> nn.Sequential:
    """Affine-(BN)-ReLU-(Dropout)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["linear"] = nn.Linear(inputs, spec.units, bias=not spec.batch_norm)
    if spec.batch_norm:
        layers["bn"] = nn.BatchNorm1d(spec.units)
    layers["relu"] = nn.ReLU(inplace=False)
    if spec.dropout > 0:
        layers["dropout"] = nn.Dropout(spec.dropout)
    return nn.Sequential(layers)


class BranchNorm(nn.Module):
    """Standardise each feature of a branch, then scale the branch to half of the joint energy.

    Without it 36,864 conv features drown 900 HOG features and the net ignores HOG (about 1%
    of the decision). After it both branches bring the same expected squared length.
    """

    def __init__(self, features: int, joint: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features, affine=False)
        self.gain = math.sqrt(joint / (2 * features))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, features)`` to the same shape."""
        normed: Tensor = self.norm(x)
        return normed * self.gain


class FERNet(nn.Module):
    """A network of the paper's family: 48x48 grey faces in, seven logits out.

    The training mean face travels inside as the buffer ``mean_face`` and is subtracted in
    `forward`, so callers hand over plain pixels. Blocks are the attributes ``conv1``..``convM``,
    ``fc1``..``fcN`` and ``classifier``.
    """

    mean_face: Tensor

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean_face", torch.zeros(1, 1, FACE_SIDE, FACE_SIDE))
        self._build_conv(config)
        inputs = config.conv_features
        if config.hog:
            inputs = self._build_hog(inputs)
        for number, spec in enumerate(config.fc, start=1):
            self.add_module(f"fc{number}", fc_block(inputs, spec))
            inputs = spec.units
        self.classifier = nn.Linear(inputs, len(EMOTIONS))
        # near-zero logits, so that an untrained net's loss is ln 7, the paper's first sanity check
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def _build_conv(self, config: NetConfig) -> None:
        channels = 1
        for number, spec in enumerate(config.conv, start=1):
            self.add_module(f"conv{number}", conv_block(channels, spec, config.dropout_kind))
            channels = spec.filters
        self.flatten = nn.Flatten()

    def _build_hog(self, conv_features: int) -> int:
        self.hog = HOG(HogConfig(binning="soft"))
        joint = conv_features + self.hog.num_features
        self.conv_norm = BranchNorm(conv_features, joint)
        self.hog_norm = BranchNorm(self.hog.num_features, joint)
        return joint

    @property
    def has_hog(self) -> bool:
        """Whether HOG features join the conv features."""
        return self.config.hog

    @property
    def conv_layers(self) -> list[str]:
        """Names of the conv blocks, first to last."""
        return [f"conv{number}" for number in range(1, len(self.config.conv) + 1)]

    @property
    def fc_layers(self) -> list[str]:
        """Names of the hidden FC blocks, first to last."""
        return [f"fc{number}" for number in range(1, len(self.config.fc) + 1)]

    @property
    def parameter_count(self) -> int:
        """Number of trainable values."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def conv_maps(self, x: Tensor) -> Tensor:
        """Map faces ``(N, 1, 48, 48)`` in [0, 1] to the last conv block's ``(N, C, h, w)``."""
        x = x - self.mean_face
        for name in self.conv_layers:
            x = self.get_submodule(name)(x)
        return x

    def features(self, x: Tensor) -> Tensor:
        """Return the penultimate features ``(N, units)`` of faces ``(N, 1, 48, 48)`` in [0, 1]."""
        return self._features(x, x)

    def _features(self, x_conv: Tensor, x_hog: Tensor) -> Tensor:
        # rows of (row, column, channel): a view of channels-last maps, where the usual
        # (channel, row, column) order would copy them through memory twice a step
        joined: Tensor = self.flatten(self.conv_maps(x_conv).permute(0, 2, 3, 1))
        if self.config.hog:
            # float32: HOG's block normalisation and batch statistics suffer in bfloat16
            conv, hog = joined.float(), self.hog(x_hog)
            joined = torch.cat([self.conv_norm(conv), self.hog_norm(hog)], dim=1)
        for name in self.fc_layers:
            joined = self.get_submodule(name)(joined)
        return joined

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(N, 7)`` of faces ``(N, 1, 48, 48)``, float in [0, 1]."""
        return self.forward_branches(x, x)

    def forward_branches(self, x_conv: Tensor, x_hog: Tensor) -> Tensor:
        """Return logits when the conv and the HOG branch see faces of their own.

        ``forward(x) == forward_branches(x, x)``; on a net without HOG `x_hog` is not looked at.
        """
        logits: Tensor = self.classifier(self._features(x_conv, x_hog))
        return logits

    @torch.no_grad()
    def predict(self, faces: np.ndarray, batch_size: int = 64) -> np.ndarray:
        """Return probabilities ``(N, 7)`` float32, rows summing to 1.

        Args:
            faces: uint8 ``(N, 48, 48)``, or one face ``(48, 48)``.
            batch_size: faces per forward pass; fewer if the network is so large.

        Raises:
            DataError: wrong shape or dtype.
            ConfigError: the model is in training mode, where answers depend on the batch.
        """
        if self.training:
            raise ConfigError("the model is in training mode: call model.eval() before predict")
        rows = [self(batch).float().softmax(1) for batch in self._batches(faces, batch_size)]
        return torch.cat(rows).cpu().numpy()

    def _batches(self, faces: np.ndarray, batch_size: int) -> Iterator[Tensor]:
        pixels = to_pixels(faces)
        fit = max(1, PASS_VALUES // self.config.cost[0])
        for batch in pixels.split(min(batch_size, fit)):
            yield batch.to(self.mean_face.device).float() / 255


def to_pixels(faces: np.ndarray) -> Tensor:
    """Return uint8 faces ``(N, 48, 48)`` or ``(48, 48)`` as a uint8 tensor ``(N, 1, 48, 48)``.

    Raises:
        DataError: wrong shape or dtype, or no faces at all.
    """
    faces = np.asarray(faces)
    if faces.ndim == 2:
        faces = faces[None]
    if faces.dtype != np.uint8 or faces.ndim != 3 or faces.shape[1:] != (FACE_SIDE, FACE_SIDE):
        raise DataError(
            f"faces are {faces.dtype} of shape {faces.shape}: expected uint8 (N, 48, 48)"
        )
    if len(faces) == 0:
        raise DataError("no faces: the array has shape (0, 48, 48); pass at least one")
    return torch.from_numpy(faces.copy()).unsqueeze(1)  # a read-only face stays untouched
