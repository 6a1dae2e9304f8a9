"""What passes through a conv layer on the way from the baseline to the face.

As in integrated gradients no gradient is taken at the baseline, see `fermodels.explain.path`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from fermodels.explain.batches import evenly
from fermodels.explain.cams import enlarge, require_maps
from fermodels.explain.guard import outputs_of
from fermodels.explain.path import added_points, expected_error, open_points, with_ends, worst_gaps
from fermodels.explain.question import ROWS, Parts, Question
from fermodels.nets.networks import FACE_SIDE


def layer_conductance(q: Question) -> Parts:
    """How much of the score's change flows through each place of the chosen conv layer.

    Integrated gradients, counted at a hidden layer: all places and channels together sum to the
    difference between face and baseline, whichever layer is chosen. Coarse in late layers. Of a
    hybrid it shows the conv branch only, and the completeness error says how much HOG adds.
    """
    found = [_refined(q, row) for row in range(len(q.faces))]
    q.report(torch.stack([expected_error(gaps.flow_variance) for gaps in found]))
    cells = torch.stack([gaps.flow.sum(0) for gaps in found])
    # a cell's pixels share what it has, so that pixels sum to what cells sum to
    return {"conv": enlarge(cells.unsqueeze(1)) * (cells[0].numel() / FACE_SIDE**2)}


def internal_influence(q: Question) -> Parts:
    """How much the score would move if a place of the chosen layer responded more.

    The gradient at a hidden layer, averaged from the baseline to the face and summed over
    channels. Like saliency it tells where the model is sensitive, not what it found there; it
    does not sum to the score. Of a hybrid it shows the conv branch only.
    """
    found = [_even(q, row) for row in range(len(q.faces))]
    cells = torch.stack([gaps.influence.sum(0) for gaps in found])
    misses = torch.stack([expected_error(gaps.influence_variance) for gaps in found])
    q.report(misses * (FACE_SIDE**2 / cells[0].numel()))  # a cell is shown in many pixels
    return {"conv": enlarge(cells.unsqueeze(1))}


@dataclass(eq=False)
class _Gaps:
    """Stretches of one face's path from the baseline (0) to the face (1), in any order."""

    ends: Tensor
    """Where each begins and ends, ``(K, 2)`` float64."""
    flow: Tensor
    """Change of the layer's maps times the score's mean gradient there, ``(K, h, w)``."""
    influence: Tensor
    """That mean gradient times the stretch's length, ``(K, h, w)``."""
    flow_variance: Tensor
    """How far `flow` is expected to be off, squared, ``(K, h, w)``."""
    influence_variance: Tensor
    """The same of `influence`."""

    def at(self, rows: Tensor) -> _Gaps:
        """Return some of them."""
        return _Gaps(*(values[rows] for values in vars(self).values()))


def _joined(parts: Iterable[_Gaps]) -> _Gaps:
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return _Gaps(*(torch.cat(values) for values in columns))


def _even(q: Question, row: int) -> _Gaps:
    """Measure the path's first points; a chunk begins with the last point of the one before."""
    points = with_ends(open_points(int(q.options["steps"])))
    chunks = evenly(torch.arange(len(points) - 1), ROWS - 1)
    return _joined(_measure(q, row, points[None, int(c[0]) : int(c[-1]) + 2]) for c in chunks)


def _refined(q: Question, row: int) -> _Gaps:
    """Split the stretches that err most until the map is near enough, or the budget is spent."""
    found = _even(q, row)
    budget = int(q.options["steps"] * q.options["refine"])
    while float(expected_error(found.flow_variance)) > q.options["tolerance"] * float(
        found.flow.sum(0).abs().sum()
    ):
        bad = worst_gaps(found.flow_variance, budget)
        if not len(bad):
            break
        ends = found.ends[bad]
        chains = torch.stack([ends[:, 0], added_points(ends), ends[:, 1]], 1)
        others = torch.ones(len(found.ends), dtype=torch.bool).index_fill(0, bad, False)
        measured = [_measure(q, row, some) for some in chains.split(ROWS // 3)]
        found = _joined([found.at(others), *measured])
        budget -= len(bad)
    return found


def _measure(q: Question, row: int, chains: Tensor) -> _Gaps:
    """Measure the stretches between neighbours in each chain of points ``(G, L)``, L above 2.

    At the ends of the path the neighbour's gradient stands in; maps are those of the ends.
    """
    require_maps(q)
    way = q.faces[row] - q.baselines[row]
    shares = chains.to(way).reshape(-1, 1, 1, 1)
    inputs = tuple((q.baselines[row] + shares * way).requires_grad_() for _ in q.inputs)
    with outputs_of(q.net, [q.layer]) as seen:
        score = q.score(*inputs, directions=q.directions[row].expand(len(shares), -1))
    maps = seen[q.layer]
    (gradient,) = torch.autograd.grad(score.sum(), maps, materialize_grads=True)
    change = maps.detach().unflatten(0, chains.shape).diff(dim=1)
    gradient = gradient.unflatten(0, chains.shape)
    turn, mean = gradient.diff(dim=1), (gradient[:, 1:] + gradient[:, :-1]) / 2
    lengths = chains.diff(dim=1)
    for end, near, beyond in ((0, 1, 1), (-1, -2, -2)):
        at_end = chains[:, end] == (0 if end == 0 else 1)
        mean[at_end, end] = gradient[at_end, near]
        # so that a twelfth of its square is a third of e / D of the square of the next one's
        scale = 2 * (lengths[at_end, end] / lengths[at_end, beyond]).sqrt()
        turn[at_end, end] = turn[at_end, beyond] * scale.to(turn).view(-1, 1, 1, 1)
    turn, mean, change = (values.flatten(0, 1) for values in (turn, mean, change))
    length = lengths.flatten().to(way).view(-1, 1, 1)
    return _Gaps(
        ends=torch.stack([chains[:, :-1], chains[:, 1:]], -1).flatten(0, 1),
        flow=(change * mean).sum(1),
        influence=mean.sum(1) * length,
        flow_variance=(change * turn).sum(1).square() / 12,
        influence_variance=(turn.sum(1) * length).square() / 12,
    )
