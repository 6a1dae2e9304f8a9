"""Filters: how the first layer's look and grew, which are dead, doubled or noise; norms of all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fermodels.errors import CheckpointError, ConfigError, DataError
from fermodels.nets.catalog import History
from fermodels.nets.fernet import to_pixels
from fermodels.xai.model_access import check_layer, layer_names, locked_copy, outputs_of

SPECTRUM_SIDE = 32
"""Side in samples of the zero-padded spectrum; fine enough for kernels of 3 to 15 pixels."""

LOW_FREQUENCY = 0.25
"""Cycles per pixel: half of what a pixel grid can show; waves longer than 4 pixels."""

WHITE_SMOOTHNESS = 193 / SPECTRUM_SIDE**2
"""Expected smoothness of a filter of white noise: the share of frequencies that count as low."""


@dataclass(frozen=True, eq=False)
class FilterAudit:
    """What is amiss among the first layer's filters."""

    filters: NDArray[np.float32]
    """``(F, k, k)``."""
    smoothness: NDArray[np.float32]
    """``(F,)``: see `smoothness`; white noise has `WHITE_SMOOTHNESS`."""
    dead: tuple[int, ...]
    """Filters with next to no weight, or never active on the faces looked at."""
    duplicates: tuple[tuple[int, int, float], ...]
    """Pairs that look alike, with their cosine; -1 is the negative."""


def first_layer_filters(model: nn.Module, *, folded: bool = False) -> NDArray[np.float32]:
    """Return the first conv layer's kernels ``(F, k, k)``.

    Args:
        model: a model whose first conv layer reads one grey channel.
        folded: multiply by the batch norm's gain, as the ReLU behind it sees them.

    Raises:
        ConfigError: the first conv layer is missing or reads several channels.
    """
    conv = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    if conv is None or conv.weight.shape[1] != 1:
        shape = None if conv is None else tuple(conv.weight.shape)
        raise ConfigError(f"first conv kernel is {shape}: expected (filters, 1, k, k)")
    weight = conv.weight.detach().float().cpu()
    norm = next((m for m in model.modules() if isinstance(m, nn.BatchNorm2d)), None)
    if folded and norm is not None and norm.running_var is not None:
        gain = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
        weight = weight * gain.cpu().view(-1, 1, 1, 1)
    return weight.squeeze(1).numpy().copy()


def epoch_filters(history: History) -> NDArray[np.float32]:
    """Return the first layer's kernels after every epoch, ``(epochs, F, k, k)``.

    Raises:
        CheckpointError: the history holds no filters.
    """
    epochs = history.epochs
    if "filters" not in epochs or "filters_shape" not in epochs or len(epochs) == 0:
        raise CheckpointError("the training history holds no filters: train with this version")
    rows = zip(epochs["filters"], epochs["filters_shape"], strict=True)
    stack = [np.asarray(values, np.float32).reshape(tuple(shape)) for values, shape in rows]
    return np.stack(stack)[:, :, 0]


def smoothness(filters: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return each filter's share of spectral energy below 1/4 cycle per pixel, 0 to 1.

    Noise has `WHITE_SMOOTHNESS` (0.19) on average, a constant or a soft edge is near 1, a
    checkerboard near 0. Filters that are all zero get NaN.

    Args:
        filters: ``(..., k, k)``; the answer has the shape ``(...)``.
    """
    energy = np.abs(np.fft.fft2(filters, s=(SPECTRUM_SIDE, SPECTRUM_SIDE))) ** 2
    frequency = np.fft.fftfreq(SPECTRUM_SIDE)
    low = np.hypot(frequency[:, None], frequency[None, :]) < LOW_FREQUENCY
    total = energy.sum((-2, -1))
    share = np.full(total.shape, np.nan)
    np.divide(energy[..., low].sum(-1), total, out=share, where=total > 0)
    return share.astype(np.float32)


def dead_filters(filters: NDArray[np.floating], threshold: float = 0.01) -> tuple[int, ...]:
    """Return filters whose norm is below `threshold` times the largest."""
    norms = np.sqrt((np.asarray(filters) ** 2).sum((-2, -1)))
    if norms.max() == 0:
        return tuple(range(len(norms)))
    return tuple(int(i) for i in np.flatnonzero(norms < threshold * norms.max()))


def duplicate_filters(
    filters: NDArray[np.floating], threshold: float = 0.95
) -> tuple[tuple[int, int, float], ...]:
    """Return pairs ``(i, j, cosine)``, i < j, whose cosine's size is above `threshold`."""
    flat = np.asarray(filters, np.float64).reshape(len(filters), -1)
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    unit = np.divide(flat, norms, out=np.zeros_like(flat), where=norms > 0)
    cosines = unit @ unit.T
    rows, columns = np.nonzero(np.triu(np.abs(cosines) > threshold, k=1))
    pairs = [(int(i), int(j), float(cosines[i, j])) for i, j in zip(rows, columns, strict=True)]
    return tuple(sorted(pairs, key=lambda pair: -abs(pair[2])))


@dataclass(frozen=True, eq=False)
class KernelNorms:
    """How much weight each filter of a conv layer carries."""

    layer: str
    """Dotted name of the convolution."""
    norms: NDArray[np.float32]
    """``(F,)``: Euclidean norm of each filter over its input channels and places."""
    gained: NDArray[np.float32]
    """``(F,)``: the same times the size of the batch norm's gain, as the ReLU feels it; equal to
    `norms` where there is no batch norm."""
    dead: tuple[int, ...]
    """Filters whose gained norm is below 1% of the layer's largest."""


def kernel_norms(model: nn.Module) -> list[KernelNorms]:
    """Return the norms of every conv layer's filters, first layer to last.

    A batch norm makes a filter's own norm meaningless (any factor is divided out again), so both
    are given: what is stored, and what acts.
    """
    layers = []
    for name in layer_names(model):
        conv = model.get_submodule(name)
        if not isinstance(conv, nn.Conv2d):
            continue
        norms = conv.weight.detach().float().flatten(1).norm(dim=1).cpu().numpy()
        gained = norms * _gain_behind(model, name, len(norms))
        dead = dead_filters(gained[:, None, None])
        layers.append(KernelNorms(name, norms, gained.astype(np.float32), dead))
    return layers


def _gain_behind(model: nn.Module, conv: str, filters: int) -> NDArray[np.float32]:
    """Return the size of the batch norm's factor per filter of the same block; 1 without one."""
    block = model.get_submodule(conv.rpartition(".")[0])
    norm = next((m for m in block.children() if isinstance(m, nn.BatchNorm2d)), None)
    if norm is None or norm.running_var is None:
        return np.ones(filters, np.float32)
    gain = norm.weight.detach().abs() / (norm.running_var + norm.eps).sqrt()
    return np.asarray(gain.float().cpu().numpy(), np.float32)


def never_active(
    model: nn.Module, faces: NDArray[np.uint8], layer: str = "conv1.relu"
) -> tuple[int, ...]:
    """Return the layer's channels that stay at or below zero for all `faces`.

    Raises:
        ConfigError: unknown layer.
        DataError: faces of the wrong shape or dtype.
    """
    check_layer(model, layer)
    pixels = to_pixels(faces)
    highest: torch.Tensor | None = None
    with locked_copy(model) as net, torch.no_grad(), outputs_of(net, [layer]) as outputs:
        device = next(net.parameters()).device
        for batch in pixels.split(64):
            net(batch.to(device).float() / 255)
            peak = outputs[layer].amax((0, 2, 3))
            highest = peak if highest is None else torch.maximum(highest, peak)
    if highest is None:
        raise DataError("no faces given: pass at least one")
    return tuple(int(i) for i in (highest <= 0).nonzero().flatten())


def audit_filters(model: nn.Module, faces: NDArray[np.uint8] | None = None) -> FilterAudit:
    """Look for dead, doubled and noisy filters in the first layer.

    Args:
        model: a FERNet; it is not touched.
        faces: uint8 ``(N, 48, 48)`` on which a filter must fire at least once; None looks at
            weights only.
    """
    filters = first_layer_filters(model)
    dead = set(dead_filters(filters))
    if faces is not None:
        dead |= set(never_active(model, faces))
    return FilterAudit(
        filters, smoothness(filters), tuple(sorted(dead)), duplicate_filters(filters)
    )
