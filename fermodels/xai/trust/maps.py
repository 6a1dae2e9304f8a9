"""Maps to be evaluated: a method's, and those of controls that never look at the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.nets.fernet import to_pixels
from fermodels.xai.attribution.baselines import BaselineLike, baseline_faces
from fermodels.xai.attribution.explain import explain
from fermodels.xai.attribution.registry import METHODS, Number
from fermodels.xai.fast_forward.prepare import quicken
from fermodels.xai.model_access import in_batches, locked_copy, shared_weight_copy

Faces = NDArray[np.uint8]
"""uint8 ``(N, 48, 48)``."""
Maps = NDArray[np.float32]
"""float32 ``(N, 48, 48)``."""
Classes = NDArray[np.int64]
"""int64 ``(N,)``."""

Explainer = Callable[[nn.Module, Faces, Classes], Maps]
"""``(model, faces, target classes)`` -> one map per face."""


def explainer(method: str, options: Mapping[str, Number] | None = None) -> Explainer:
    """Return a method of METHODS as an Explainer, signed where the method is."""
    settings: dict[str, Any] = dict(options or {})

    def maps(model: nn.Module, faces: Faces, target_class: Classes) -> Maps:
        return explain(model, faces, method, target_class, **settings).attribution

    return maps


def random_maps(_model: nn.Module, faces: Faces, _target_class: Classes, seed: int = 0) -> Maps:
    """Uniform noise, another for every face: what a map that knows nothing scores."""
    rng = np.random.default_rng([seed, 1])
    return rng.random(faces.shape, dtype=np.float32)


def edge_maps(_model: nn.Module, faces: Faces, _target_class: Classes) -> Maps:
    """Sobel's gradient magnitude of the face: sharp, plausible, and blind to the model."""
    from skimage.filters import sobel

    edges = [sobel(face / 255.0) for face in faces]  # type: ignore[no-untyped-call]
    return np.stack(edges).astype(np.float32)


CONTROLS: dict[str, Explainer] = {"random": random_maps, "edge": edge_maps}
"""Maps that no model had a part in; a method worth having beats them."""


def importance(attribution: Maps, method: str) -> Maps:
    """Return maps whose largest values mark the pixels that counted most for the class.

    Contributions as they are, the size of sensitivities (see `Method.kind`).

    Args:
        attribution: ``(N, 48, 48)``.
        method: its name in METHODS; any other name is taken for contributions.
    """
    return np.abs(attribution) if is_sensitivity(method) else attribution


def is_sensitivity(method: str) -> bool:
    """Return whether a name in METHODS stands for slopes; other names stand for contributions."""
    return method in METHODS and METHODS[method].kind == "sensitivity"


def ranks(importances: Maps, seed: int = 0) -> NDArray[np.int64]:
    """Return each pixel's place, int64 ``(N, 48, 48)``: 0 for the most important.

    Equal pixels (a clipped map is mostly zero) are put in random order, the same for equal
    seeds: in reading order they would favour the forehead.
    """
    flat = importances.reshape(len(importances), -1)
    dice = np.random.default_rng([seed, 2]).random(flat.shape)
    order = np.lexsort((dice, -flat), axis=1)
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(flat.shape[1])[None], axis=1)
    return places.reshape(importances.shape)


# --- Forward passes of many altered faces: batched, without gradients, model untouched


@contextmanager
def forward_copy(model: nn.Module) -> Iterator[nn.Module]:
    """Yield a fast shared-weight copy for forward passes only; see `locked_copy`."""
    with locked_copy(model) as net, torch.no_grad():
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
    probabilities = logits(net, images).softmax(1).cpu()[rows, torch.from_numpy(target_class)]
    return probabilities.double().numpy()


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
    with forward_copy(model) as net:
        x = to_unit(net, faces)
        baselines = baseline_faces(net, x, baseline).expand_as(x)
        drop = (logits(net, x) - logits(net, baselines)).cpu()[rows, target].double().numpy()
    gap = np.abs(attribution.sum((1, 2), dtype=np.float64) - drop)
    return np.asarray(gap / np.maximum(np.abs(drop), 1e-6))


def passes_per_face(model: nn.Module, explainer: Explainer) -> int:
    """Count the faces that a method puts through the network to explain one grey face.

    A measure of cost that is the same on every machine; gradients come on top. The first layer
    with weights counts them: a hybrid's branches are entered apart.
    """
    net = shared_weight_copy(model)
    counts: list[int] = []
    layers = [m for m in net.modules() if next(m.parameters(recurse=False), None) is not None]
    # hooks are copied with the copy that the method makes of this one
    layers[0].register_forward_pre_hook(lambda _module, inputs: counts.append(len(inputs[0])))
    face = (np.indices((48, 48)).sum(0) % 256).astype(np.uint8)
    explainer(net, face[None], np.zeros(1, np.int64))
    return sum(counts)
