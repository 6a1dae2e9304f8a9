"""Infidelity and max-sensitivity, computed by Captum with the traps of its inputs avoided.

Both are of Yeh et al. 2019, "On the (In)fidelity and Sensitivity of Explanations",
arXiv 1901.09392.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.xai.attribution.baselines import BaselineLike, baseline_faces
from fermodels.xai.trust.maps import (
    Classes,
    Explainer,
    Faces,
    Maps,
    forward_copy,
    is_sensitivity,
    logits,
    to_unit,
)

SQUARES = 10
"""Squares that are covered, one at a time, on every face."""
SQUARE_SIDE_RANGE = (8, 25)
"""Smallest side of a square, and the first that is too large."""
RADIUS = 5
"""Grey levels by which noise may change a pixel, of 255: Captum's 0.02 in units of [0, 1]."""
NOISY = 4
"""Noisy copies of every face among which the worst counts."""


def squares(n: int, count: int, seed: int) -> NDArray[np.bool_]:
    """Return `count` random squares for each of n faces, bool ``(n * count, 48, 48)``."""
    rng = np.random.default_rng([seed, 4])
    side = rng.integers(*SQUARE_SIDE_RANGE, (n * count, 1))
    corner = rng.integers(0, 49 - side, (n * count, 2))
    at = np.arange(48)
    inside = (at >= corner[..., None]) & (at < (corner + side)[..., None])  # (M, 2, 48)
    return np.asarray(inside[:, 0, :, None] & inside[:, 1, None, :])


def infidelity(
    model: nn.Module,
    faces: Faces,
    attribution: Maps,
    target_class: Classes,
    method: str,
    baseline: BaselineLike = "mean-face",
    count: int = SQUARES,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return how far a map's sums miss the logit's changes when squares are covered, ``(N,)``.

    The mean of ``(scale * sum of the square's attribution - (f(x) - f(x covered)))**2`` in
    squared logits, at each map's best scale (their section 2.2), since maps have units of their
    own. Lower is better; a map of zeros scores the mean squared change itself.

    The trap: of contributions the covered pixels' values are summed as they are; slopes must
    first be multiplied by how far the pixels move (Captum's ``multiply_by_inputs=False``).

    Args:
        model: as for `fermodels.xai.attribution.explain.explain`; it is not touched.
        faces: uint8 ``(N, 48, 48)``.
        attribution: the method's own values, ``(N, 48, 48)``.
        target_class: ``(N,)`` class indices.
        method: its name in METHODS; says whether values are contributions or sensitivities.
        baseline: what covers a square.
        count: squares per face.
        seed: where the squares lie; the same for every method.
    """
    from captum.metrics import infidelity as captum_infidelity

    masks = torch.from_numpy(squares(len(faces), count, seed))[:, None]

    def cover(inputs: Tensor, baselines: Tensor) -> tuple[Tensor, Tensor]:
        mask = masks.to(inputs.device)
        moved = inputs - baselines if is_sensitivity(method) else torch.ones_like(inputs)
        return mask * moved, torch.where(mask, baselines, inputs)

    with forward_copy(model) as net:
        x = to_unit(net, faces)
        errors = captum_infidelity(
            lambda images: logits(net, images),
            cover,
            x,
            torch.from_numpy(attribution)[:, None].to(x),
            # contiguous and one per face, or Captum would not repeat them with the faces
            baselines=baseline_faces(net, x, baseline).expand_as(x).contiguous(),
            target=torch.from_numpy(target_class).to(x.device),
            n_perturb_samples=count,
            normalize=True,
        )
    return np.asarray(errors.double().cpu().numpy())


def max_sensitivity(
    model: nn.Module,
    faces: Faces,
    explainer: Explainer,
    target_class: Classes,
    count: int = NOISY,
    radius: int = RADIUS,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return the largest change of each face's map under faint noise, ``(N,)``, 0 upwards.

    ``max |map(x + noise) - map(x)| / |map(x)|`` with noise up to `radius` grey levels. Lower is
    better, though a map that never looks at the face scores 0.

    The trap: Captum's radius counts input units, which are [0, 1] here; noise is drawn in whole
    grey levels and clipped, so that a noisy face is a face.
    """
    from captum.metrics import sensitivity_max

    rng = np.random.default_rng([seed, 5])

    def noisy(inputs: Tensor) -> Tensor:
        levels = torch.from_numpy(rng.integers(-radius, radius + 1, inputs.shape))
        return ((inputs * 255).round() + levels).clamp(0, 255) / 255

    def maps(inputs: Tensor | tuple[Tensor, ...], target: Tensor) -> tuple[Tensor]:
        images = inputs[0] if isinstance(inputs, tuple) else inputs
        grey = (images[:, 0] * 255).round().byte().numpy()
        # a tuple: Captum would take a bare tensor's first axis for a list of inputs
        return (torch.from_numpy(explainer(model, grey, target.numpy())),)

    x = torch.from_numpy(faces.copy())[:, None].float() / 255
    changes = sensitivity_max(
        maps, x, noisy, n_perturb_samples=count, target=torch.from_numpy(target_class)
    )
    return np.asarray(changes.double().numpy())
