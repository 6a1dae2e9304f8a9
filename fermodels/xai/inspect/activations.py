"""What every layer makes of a face: maps, how many are silent, how widely they spread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.errors import ConfigError, DataError
from fermodels.nets.fernet import to_pixels
from fermodels.xai.model_access import check_layer, layer_names, locked_copy, outputs_of

ORDERS = ("response", "channel")


@dataclass(frozen=True, eq=False)
class ActivationMaps:
    """One layer's answer to one face."""

    layer: str
    maps: NDArray[np.float32]
    """``(C, H, W)``, in the chosen order; activations as they are, never rescaled."""
    channels: NDArray[np.int64]
    """``(C,)``: which channel each map is."""
    responses: NDArray[np.float32]
    """``(C,)``: mean absolute activation of each map."""
    sparsity: float
    """Share of exact zeros in the layer, 0 to 1."""
    entropy: float
    """See `spatial_entropy`; of the positive part, which is what a ReLU lets through."""


def activations(model: nn.Module, face: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Return the maps ``(C, H, W)`` of every layer in `layer_names`, in one forward pass.

    Args:
        model: any model with conv layers; it is not touched.
        face: uint8 ``(48, 48)``.

    Raises:
        DataError: not one face.
    """
    return _look(model, face, layer_names(model))


def activation_maps(
    model: nn.Module,
    face: NDArray[np.uint8],
    layer: str,
    order: Literal["response", "channel"] = "response",
) -> ActivationMaps:
    """Return one layer's maps for a face, strongest first or by channel number.

    Raises:
        ConfigError: unknown layer or order; lists the choices.
        DataError: not one face.
    """
    if order not in ORDERS:
        raise ConfigError(f"order is {order!r}: expected {' or '.join(ORDERS)}")
    maps = _look(model, face, [check_layer(model, layer)])[layer]
    responses = np.abs(maps).mean((1, 2))
    channels = np.arange(len(maps))
    if order == "response":
        channels = np.argsort(-responses, kind="stable")
    entropy = spatial_entropy(torch.from_numpy(maps).clamp_min(0)[None])
    return ActivationMaps(
        layer, maps[channels], channels, responses[channels], sparsity(maps), entropy
    )


def _look(
    model: nn.Module, face: NDArray[np.uint8], names: list[str]
) -> dict[str, NDArray[np.float32]]:
    pixels = to_pixels(face)
    if len(pixels) != 1:
        raise DataError(f"{len(pixels)} faces given: expected one face, uint8 (48, 48)")
    with locked_copy(model) as net, torch.no_grad(), outputs_of(net, names) as outputs:
        net((pixels.float() / 255).to(next(net.parameters()).device))
        return {name: outputs[name][0].float().cpu().numpy() for name in names}


def sparsity(maps: NDArray[np.float32]) -> float:
    """Return the share of exact zeros, 0 to 1."""
    return float((maps == 0).mean())


def spatial_entropy(maps: Tensor) -> float:
    """Return how widely maps ``(N, C, H, W)`` >= 0 spread their response, 0 (a point) to 1 (flat).

    Shannon entropy of each map normalised to sum 1, over ln(H W); the mean over maps that
    respond at all, NaN if none does.
    """
    flat = maps.float().flatten(2)
    total = flat.sum(2, keepdim=True)
    alive = total.squeeze(2) > 0
    if not alive.any():
        return math.nan
    share = flat / total.clamp_min(1e-12)
    entropy = -(share * share.clamp_min(1e-12).log()).sum(2) / math.log(flat.shape[2])
    return float(entropy[alive].mean())
