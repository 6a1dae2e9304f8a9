"""The paper's two sanity checks, run before training and recorded beside its results."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fermodels.nets.fernet import FERNet
from train.device import Runtime
from train.evidence import to_floats

EXPECTED_LOSS = math.log(7)
SUBSET = 70
STEPS = 150


def _without_dropout(net: FERNet) -> FERNet:
    """Return a training-mode copy whose dropout layers pass everything."""
    plain = copy.deepcopy(net).train()
    for module in plain.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.p = 0.0
    return plain


def initial_loss(net: FERNet, faces: Tensor, labels: Tensor) -> float:
    """Return the cross-entropy of the untrained net without regularisation; about ln 7."""
    plain = _without_dropout(net)
    with torch.no_grad():
        return float(F.cross_entropy(plain(to_floats(faces)).float(), labels))


def overfit_subset(
    net: FERNet, faces: Tensor, labels: Tensor, runtime: Runtime
) -> tuple[float, int]:
    """Train a copy on a few faces; return its accuracy on them and the steps it took."""
    plain = _without_dropout(net)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-3, weight_decay=0.0)
    pixels, accuracy = to_floats(faces), 0.0
    for step in range(1, STEPS + 1):
        with runtime.autocast():
            logits = plain(pixels)
        accuracy = float((logits.argmax(1) == labels).float().mean())
        if accuracy == 1.0:
            return accuracy, step
        optimizer.zero_grad()
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
    return accuracy, STEPS


def sanity_checks(net: FERNet, faces: Tensor, labels: Tensor, runtime: Runtime) -> dict[str, Any]:
    """Run both checks on the first training faces; the net itself is left as it was.

    Args:
        net: the untrained network.
        faces: training faces, uint8 ``(N, 1, 48, 48)``.
        labels: int64 ``(N,)``.
        runtime: device and precision.
    """
    state = torch.get_rng_state()
    accuracy, steps = overfit_subset(net, faces[:SUBSET], labels[:SUBSET], runtime)
    report = {
        "initial_loss": initial_loss(net, faces[:512], labels[:512]),
        "expected_initial_loss": EXPECTED_LOSS,
        "initial_loss_faces": min(512, len(faces)),
        "overfit_accuracy": accuracy,
        "overfit_faces": min(SUBSET, len(faces)),
        "overfit_steps": steps,
    }
    torch.set_rng_state(state)
    return report
