"""What a model answers to many altered faces: batched, without gradients, model untouched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.explain.baselines import BaselineLike, baseline_faces
from fermodels.explain.folding import quicken
from fermodels.explain.guard import borrowed, twin
from fermodels.explain.question import in_batches
from fermodels.explain.trust_maps import Classes, Explainer, Faces, Maps
from fermodels.nets.networks import to_pixels


@contextmanager
def lent(model: nn.Module) -> Iterator[nn.Module]:
    """Lend out a quick twin for forward passes only; see `fermodels.explain.guard.borrowed`."""
    with borrowed(model) as net, torch.no_grad():
        quicken(net, model)
        yield net


def to_unit(net: nn.Module, faces: Faces) -> Tensor:
    """Return uint8 faces as float32 ``(N, 1, 48, 48)`` in [0, 1] where the network is."""
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    return to_pixels(faces).to(device).float() / 255


def logits(net: nn.Module, images: Tensor) -> Tensor:
    """Return logits ``(M, 7)`` of images ``(M, 1, 48, 48)``, a few at a time."""
    return torch.cat([net(part) for part in in_batches(images)])


def target_probability(
    net: nn.Module, images: Tensor, target_class: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the probability ``(M,)`` of each image's own class."""
    rows = torch.arange(len(images))
    found = logits(net, images).softmax(1).cpu()[rows, torch.from_numpy(target_class)]
    return found.double().numpy()


def completeness_error(
    model: nn.Module,
    faces: Faces,
    attribution: Maps,
    target_class: Classes,
    baseline: BaselineLike = "mean-face",
) -> NDArray[np.float64]:
    """Return |sum of the map - drop| / |drop| per face, ``(N,)``; drop = f(face) - f(baseline).

    Sundararajan et al. 2017, arXiv 1703.01365, proposition 1. Lower is better; 0 is exact.
    """
    rows, target = torch.arange(len(faces)), torch.from_numpy(target_class)
    with lent(model) as net:
        x = to_unit(net, faces)
        below = baseline_faces(net, x, baseline).expand_as(x)
        drop = (logits(net, x) - logits(net, below)).cpu()[rows, target].double().numpy()
    missed = np.abs(attribution.sum((1, 2), dtype=np.float64) - drop)
    return np.asarray(missed / np.maximum(np.abs(drop), 1e-6))


def passes_per_face(model: nn.Module, explainer: Explainer) -> int:
    """Count the faces that a method puts through the network to explain one grey face.

    A measure of cost that is the same on every machine; gradients come on top. The first layer
    with weights counts them: a hybrid's branches are entered apart.
    """
    net = twin(model)
    seen: list[int] = []
    layers = [m for m in net.modules() if next(m.parameters(recurse=False), None) is not None]
    # hooks are copied with the twin that the method makes of this one
    layers[0].register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))
    face = (np.indices((48, 48)).sum(0) % 256).astype(np.uint8)
    explainer(net, face[None], np.zeros(1, np.int64))
    return sum(seen)
