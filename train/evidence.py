"""The evidence that grows while a network trains: filters, sparsity, entropy, norms, confusion."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fermodels.nets.fernet import FERNet
from fermodels.xai.inspect.activations import spatial_entropy
from train.device import Runtime

EVALUATION_BATCH = 512

LOOKED_AT = 64
"""Validation faces whose activations are kept as evidence."""


@torch.no_grad()
def logits_in_batches(net: FERNet, faces: Tensor, runtime: Runtime) -> Tensor:
    """Return float32 logits ``(N, 7)`` of uint8 faces ``(N, 1, 48, 48)``, in eval mode."""
    was_training = net.training
    net.eval()
    rows = []
    for batch in faces.split(EVALUATION_BATCH):
        with runtime.autocast():
            rows.append(net(to_floats(batch)).float())
    net.train(was_training)
    return torch.cat(rows)


def to_floats(faces: Tensor) -> Tensor:
    """Turn uint8 pixels into float32 in [0, 1], in the layout that convolutions prefer."""
    return faces.float().div_(255).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def activation_evidence(net: FERNet, probe: Tensor) -> tuple[list[float], list[float]]:
    """Return, per conv layer, the share of exact zeros and the mean spatial entropy after ReLU.

    Args:
        net: the network; its mode is restored.
        probe: the same few faces every epoch, uint8 ``(N, 1, 48, 48)``.
    """
    sparsity: list[float] = []
    entropy: list[float] = []

    def look(_module: nn.Module, _inputs: object, maps: Tensor) -> None:
        sparsity.append(float((maps == 0).float().mean()))
        entropy.append(spatial_entropy(maps))

    was_training = net.training
    handles = [
        net.get_submodule(f"{name}.relu").register_forward_hook(look) for name in net.conv_layers
    ]
    try:
        net.eval()
        net(to_floats(probe))
    finally:
        for handle in handles:
            handle.remove()
        net.train(was_training)
    return sparsity, entropy


def norms(net: FERNet, of: Callable[[nn.Parameter], Tensor | None]) -> list[float]:
    """Return the L2 norm of `of(parameter)` for every weight matrix or kernel; NaN where absent."""
    values = [of(p) for _, p in weight_matrices(net)]
    return [math.nan if v is None else float(v.detach().float().norm()) for v in values]


def weight_matrices(net: FERNet) -> list[tuple[str, nn.Parameter]]:
    """Return the named kernels and affine matrices, first layer to last."""
    return [(name, p) for name, p in net.named_parameters() if p.dim() > 1]


def _loss_and_confusion(logits: Tensor, labels: Tensor) -> tuple[float, list[int]]:
    loss = float(F.cross_entropy(logits, labels))
    cells = torch.bincount(labels * 7 + logits.argmax(1), minlength=49)
    return loss, cells.tolist()


def epoch_evidence(
    net: FERNet,
    runtime: Runtime,
    validation: tuple[Tensor, Tensor],
    train_probe: tuple[Tensor, Tensor],
) -> dict[str, Any]:
    """Return one row of the epoch history (all but the running training figures).

    Args:
        net: the network, or its weight average, as it would be kept now.
        runtime: device and precision.
        validation: uint8 faces ``(N, 1, 48, 48)`` and labels of the validation split.
        train_probe: the same fixed training faces every epoch.
    """
    loss, confusion = _loss_and_confusion(
        logits_in_batches(net, validation[0], runtime), validation[1]
    )
    clean = logits_in_batches(net, train_probe[0], runtime).argmax(1) == train_probe[1]
    sparsity, entropy = activation_evidence(net, validation[0][:LOOKED_AT])
    filters = net.get_parameter("conv1.conv.weight").detach().float().cpu()
    return {
        "train_clean_accuracy": float(clean.float().mean()),
        "validation_loss": loss,
        "validation_accuracy": sum(confusion[::8]) / sum(confusion),
        "confusion_matrix": confusion,
        "layers": net.conv_layers,
        "sparsity": sparsity,
        "entropy": entropy,
        "weight_names": [name for name, _ in weight_matrices(net)],
        "weight_norms": norms(net, lambda p: p),
        "filters": filters.flatten().tolist(),
        "filters_shape": list(filters.shape),
    }
