"""Maps to be judged: a method's, and those of controls that never look at the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fermodels.explain.attribution import explain
from fermodels.explain.registry import Number

Faces = NDArray[np.uint8]
"""uint8 ``(N, 48, 48)``."""
Maps = NDArray[np.float32]
"""float32 ``(N, 48, 48)``."""
Classes = NDArray[np.int64]
"""int64 ``(N,)``."""

Explainer = Callable[[nn.Module, Faces, Classes], Maps]
"""``(model, faces, target classes)`` -> one map per face."""

GRADIENTS = frozenset(
    {"saliency", "smoothgrad", "guided-backprop", "deconvolution", "guided-grad-cam"}
)
"""Methods whose values are slopes: how the score would move if a pixel got brighter.

The others' are contributions: what a pixel added to the score. A slope's sign speaks of the
pixel's brightness, not for or against the class.
"""


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

    Contributions as they are, the size of slopes (see GRADIENTS).
    """
    return np.abs(attribution) if method in GRADIENTS else attribution


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
