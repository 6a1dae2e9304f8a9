"""What passes through a conv layer on the way from the baseline to the face."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from fermodels.explain.cams import enlarge, require_maps
from fermodels.explain.guard import outputs_of
from fermodels.explain.question import ROWS, Parts, Question
from fermodels.nets.networks import FACE_SIDE

Combine = Callable[[Tensor, Tensor], Tensor]


def layer_conductance(q: Question) -> Parts:
    """How much of the score's change flows through each place of the chosen conv layer.

    Integrated gradients, counted at a hidden layer: all places and channels together sum to the
    difference between face and baseline, whichever layer is chosen. Coarse in late layers. Of a
    hybrid it shows the conv branch only, and the completeness error says how much HOG adds.
    """
    cells = torch.stack([_refined(q, row).flow.sum(0) for row in range(len(q.faces))])
    # a cell's pixels share what it has, so that pixels sum to what cells sum to
    return {"conv": enlarge(cells.unsqueeze(1)) * (cells[0].numel() / FACE_SIDE**2)}


def internal_influence(q: Question) -> Parts:
    """How much the score would move if a place of the chosen layer responded more.

    The gradient at a hidden layer, averaged from the baseline to the face and summed over
    channels. Like saliency it tells where the model is sensitive, not what it found there; it
    does not sum to the score. Of a hybrid it shows the conv branch only.
    """
    cells = torch.stack([_even(q, row).influence.sum(0) for row in range(len(q.faces))])
    return {"conv": enlarge(cells.unsqueeze(1))}


@dataclass(eq=False)
class _Gaps:
    """Stretches of one face's path from the baseline (0) to the face (1), in any order."""

    start: Tensor
    """Where each begins, ``(K,)``."""
    end: Tensor
    """Where it ends, ``(K,)``."""
    rise: Tensor
    """By how much the score changes, ``(K,)``."""
    miss: Tensor
    """How far the trapezoids, HOG's included, are from that, ``(K,)``."""
    flow: Tensor
    """Change of the layer's maps times the score's mean gradient there, ``(K, h, w)``."""
    influence: Tensor
    """That mean gradient times the stretch's length, ``(K, h, w)``."""

    def at(self, rows: Tensor) -> _Gaps:
        """Return some of them."""
        return _Gaps(*(values[rows] for values in vars(self).values()))


def _joined(parts: Iterable[_Gaps]) -> _Gaps:
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return _Gaps(*(torch.cat(values) for values in columns))


def _even(q: Question, row: int) -> _Gaps:
    """Measure equal steps; a chunk begins with the last point of the one before."""
    steps = int(q.options["steps"])
    points = torch.arange(steps + 1, device=q.faces.device).to(q.faces) / steps
    firsts = range(0, steps, ROWS - 1)
    return _joined(_measure(q, row, points[None, first : first + ROWS]) for first in firsts)


def _refined(q: Question, row: int) -> _Gaps:
    """Halve the stretches that miss most until the sum is right, as integrated gradients do."""
    found = _even(q, row)
    budget = int(q.options["steps"] * q.options["refine"])
    while budget > 0 and found.miss.sum().abs() > q.options["tolerance"] * found.rise.sum().abs():
        bad = found.miss.abs() > found.miss.abs().mean()
        if not bad.any():
            break
        start, end = found.start[bad], found.end[bad]
        halves = torch.stack([start, (start + end) / 2, end], 1)
        measured = [_measure(q, row, some) for some in halves.split(ROWS // 3)]
        found = _joined([found.at(~bad), *measured])
        budget -= len(halves)
    return found


def _measure(q: Question, row: int, chains: Tensor) -> _Gaps:
    """Measure the stretches between neighbours in each chain of points ``(G, L)``."""
    require_maps(q)
    way = q.faces[row] - q.baselines[row]
    shares = chains.reshape(-1, 1, 1, 1)
    inputs = tuple((q.baselines[row] + shares * way).requires_grad_() for _ in q.inputs)
    with outputs_of(q.net, [q.layer]) as seen:
        score = q.score(*inputs, directions=q.directions[row].expand(len(shares), -1))
    maps = seen[q.layer]
    gradient, *hog = torch.autograd.grad(score.sum(), (maps, *inputs[1:]), materialize_grads=True)
    length = chains.diff(dim=1).flatten()
    mean = _between(gradient, chains, _mean)
    flow = (_between(maps.detach(), chains, _change) * mean).sum(1)
    rise = _between(score.detach(), chains, _change)
    hog_flow = sum(_between((way * g).sum((1, 2, 3)), chains, _mean) * length for g in hog)
    return _Gaps(
        start=chains[:, :-1].flatten(),
        end=chains[:, 1:].flatten(),
        rise=rise,
        miss=rise - flow.sum((1, 2)) - hog_flow,
        flow=flow,
        influence=mean.sum(1) * length.view(-1, 1, 1),
    )


def _between(values: Tensor, chains: Tensor, what: Combine) -> Tensor:
    """Combine each point's value ``(G * L, ...)`` with the next one's in its chain."""
    by_chain = values.view(*chains.shape, *values.shape[1:])
    return what(by_chain[:, :-1], by_chain[:, 1:]).flatten(0, 1)


def _mean(one: Tensor, other: Tensor) -> Tensor:
    return (one + other) / 2


def _change(one: Tensor, other: Tensor) -> Tensor:
    return other - one
