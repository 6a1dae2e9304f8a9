"""What passes through a conv layer on the way from the baseline to the face."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from fermodels.explain.cams import enlarge, require_maps
from fermodels.explain.guard import outputs_of
from fermodels.explain.question import ROWS, Parts, Question
from fermodels.nets.networks import FACE_SIDE

Take = Callable[[Tensor, Tensor, Tensor], Tensor]
"""``(maps, slopes, weights)`` of some points of a path -> ``(K, C, h, w)`` to be summed."""


def layer_conductance(q: Question) -> Parts:
    """How much of the score's change flows through each place of the chosen conv layer.

    Integrated gradients, counted at a hidden layer: all places and channels together sum to the
    difference between face and baseline, whichever layer is chosen. Coarse in late layers. Of a
    hybrid it shows the conv branch only, and the completeness error says how much HOG adds.
    """

    def trapezoids(maps: Tensor, slopes: Tensor, _weights: Tensor) -> Tensor:
        return (slopes[1:] + slopes[:-1]) / 2 * maps.diff(dim=0)

    return {"conv": _spread_cells(_summed(q, trapezoids))}


def internal_influence(q: Question) -> Parts:
    """How much the score would move if a place of the chosen layer responded more.

    The gradient at a hidden layer, averaged from the baseline to the face and summed over
    channels. Like saliency it tells where the model is sensitive, not what it found there; it
    does not sum to the score. Of a hybrid it shows the conv branch only.
    """

    def average(_maps: Tensor, slopes: Tensor, weights: Tensor) -> Tensor:
        return weights.view(-1, 1, 1, 1) * slopes

    return {"conv": enlarge(_summed(q, average))}


def _summed(q: Question, take: Take) -> Tensor:
    """Sum what is taken from each chunk of the path over points and channels, ``(N, 1, h, w)``."""
    cells = [
        torch.stack([take(*chunk).sum((0, 1)) for chunk in _along_path(q, row)]).sum(0)
        for row in range(len(q.faces))
    ]
    return torch.stack(cells).unsqueeze(1)


def _along_path(q: Question, row: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the layer's maps, the score's gradient there and trapezoid weights, each ``(K, ...)``.

    The points run from baseline to face in equal steps. A chunk begins with the last point of
    the one before, so that differences between neighbours lose nothing.
    """
    require_maps(q)
    steps = int(q.options["steps"])
    for first in range(0, steps, ROWS - 1):
        points = torch.arange(first, min(first + ROWS - 1, steps) + 1, device=q.faces.device)
        shares = (points / steps).to(q.faces).view(-1, 1, 1, 1)
        point = torch.lerp(q.baselines[row], q.faces[row], shares)
        # a leaf, so that the maps have a graph: a twin's weights need no gradients
        inputs = tuple(point.clone().requires_grad_() for _ in q.inputs)
        with outputs_of(q.net, [q.layer]) as seen:
            score = q.score(*inputs, directions=q.directions[row].expand(len(point), -1))
        (slopes,) = torch.autograd.grad(score.sum(), seen[q.layer], materialize_grads=True)
        weights = torch.full_like(shares.flatten(), 1 / steps)
        weights[[0, -1]] /= 2
        yield seen[q.layer].detach(), slopes, weights


def _spread_cells(cells: Tensor) -> Tensor:
    """Enlarge ``(N, 1, h, w)`` so that the pixels sum to what the cells sum to."""
    return enlarge(cells) * (cells[0].numel() / FACE_SIDE**2)
