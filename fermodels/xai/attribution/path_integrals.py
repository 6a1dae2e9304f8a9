"""Integrated gradients, with points added where the gradient turns until the map is near enough.

The gradient is never taken at the baseline itself. The networks subtract the mean face, so there
all inputs of the first layer are zero: every pooling window that responds is tied, which of its
pixels gets the gradient is the implementation's choice, and two correct ones differ by 102%.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from fermodels.data.dataset import FACE_SIDE
from fermodels.xai.attribution.request import (
    AttributionRequest,
    Parts,
    enlarge,
    logits_of,
    require_maps,
)
from fermodels.xai.model_access import ROWS, evenly, in_batches, outputs_of

DENSER = 1.25
"""Points are even in ``alpha ** (1 / DENSER)``: near the mean face the gradient turns more quickly
than near the face. 50 such points err by 6% (deep) to 22% (hybrids) less (8 validation faces)."""

SAFETY = 2.0
"""Expected errors are reported times this. Without added points, the true error was 0.8 to 1.25
times the expected one with 20 to 100 points (13 validation faces, four networks), and up to 2.0
times it with 5; see `benchmarks.path_error`."""


def integrated_gradients(q: AttributionRequest) -> Parts:
    """Gradients averaged along the straight path from the baseline to the face.

    What each pixel added to the score on the way, so that all pixels sum to the difference
    between face and baseline. Two figures say how nearly: the completeness error compares the
    sums, where misses cancel; the path error estimates how far the map itself is off, pixel by
    pixel. Pixels equal to the baseline get no credit. In a hybrid both branches' maps sum to
    that difference together.
    """
    _score_ends(q)
    steps = int(q.options["steps"])
    # each face has a budget of its own: its map must not depend on what it is batched with
    budget = int(steps * (1 + q.options["refine"]))
    paths = _evaluate(q, [open_points(steps)] * len(q.faces))
    while True:
        wanted = [path.wanted(q.options["tolerance"], budget) for path in paths]
        if not any(len(alphas) for alphas in wanted):
            break
        found = _evaluate(q, wanted)
        paths = [path.merged(more) for path, more in zip(paths, found, strict=True)]
    q.report(torch.stack([path.error() for path in paths]))
    sums = [path.integral() for path in paths]
    way = q.faces - q.baselines
    return q.parts([way * torch.stack(branch) for branch in zip(*sums, strict=True)])


def open_points(steps: int) -> Tensor:
    """Return points inside the path, ``(steps,)`` float64, neither baseline (0) nor face (1)."""
    edges = (torch.arange(steps + 1, dtype=torch.float64) / steps) ** DENSER
    return (edges[1:] + edges[:-1]) / 2


def with_ends(alphas: Tensor) -> Tensor:
    """Return ``(K,)`` points between 0 and 1."""
    return torch.cat([alphas.new_zeros(1), alphas, alphas.new_ones(1)])


def added_points(gaps: Tensor) -> Tensor:
    """Return where to take the gradient next in each of the gaps ``(G, 2)``, ``(G,)``.

    In the middle; but in a gap at an end of the path, where it is known on one side only, nearer
    to that end: at a third, so that both parts err equally little.
    """
    start, end = gaps.unbind(1)
    middle = (start + end) / 2
    return torch.where(start == 0, end / 3, torch.where(end == 1, 1 - (1 - start) / 3, middle))


def variances(alphas: Tensor, values: Tensor) -> Tensor:
    """Return how far each gap's integral is expected to be off, squared, ``(K + 1, ...)``.

    Kinks are many and small, so along the path a pixel's gradient walks at random. Between two
    points that differ by d, a distance D apart, a random walk's integral misses the trapezoid by
    ``D d / sqrt(12)`` in the root mean square. At the ends, where the nearest value stands for
    the rest of the path, e long, it misses by ``d sqrt(e^3 / 3 D)``, d and D the next gap's.

    Args:
        alphas: K points at which the values are known, ascending, at least two.
        values: ``(K, ...)``.
    """
    lengths, turns = alphas.diff().to(values), values.diff(dim=0).square()
    inner = turns * _column(lengths.square() / 12, turns)
    first = turns[:1] / lengths[0] * float(alphas[0]) ** 3 / 3
    last = turns[-1:] / lengths[-1] * float(1 - alphas[-1]) ** 3 / 3
    return torch.cat([first, inner, last])


def expected_error(variance: Tensor) -> Tensor:
    """Return SAFETY times the expected sum of absolute errors of a map, from gaps' `variances`."""
    # of normal errors, the mean size is sqrt(2 / pi) of the root mean square
    return SAFETY * math.sqrt(2 / math.pi) * variance.sum(0).sqrt().sum()


def worst_gaps(variance: Tensor, allowed: int) -> Tensor:
    """Return indices of the gaps that err more than the average one, `allowed` at most."""
    sizes = variance.sqrt().flatten(1).sum(1)
    order = sizes.argsort(descending=True)[: max(0, allowed)]
    return order[sizes[order] > sizes.mean()].cpu()


def _column(weights: Tensor, like: Tensor) -> Tensor:
    return weights.view(-1, *[1] * (like.ndim - 1))


@dataclass(eq=False)
class _Path:
    """The points known on one face's path, from the baseline (0) to the face (1)."""

    alphas: Tensor
    """Where, ``(K,)`` float64 on the CPU, ascending, between 0 and 1."""
    gradients: list[Tensor]
    """The score's gradient there, per branch ``(K, 1, 48, 48)``."""
    way: Tensor
    """Face minus baseline, ``(1, 48, 48)``."""

    def variances(self) -> Tensor:
        """Return the map's expected error in each gap, squared, ``(K + 1, 1, 48, 48)``."""
        total = torch.stack(self.gradients).sum(0) if len(self.gradients) > 1 else self.gradients[0]
        return variances(self.alphas, self.way * total)

    def error(self) -> Tensor:
        """Return how far the map is off at most, in the sum of its pixels' absolute errors."""
        return expected_error(self.variances())

    def wanted(self, tolerance: float, budget: int) -> Tensor:
        """Return points to add where the map errs most; none once it is near enough.

        That is, once its error is at most `tolerance` times its own absolute sum, or `budget`
        points are known. Its sum has no say: stopped where that happens to be right, it would
        no longer tell how good the map is, and where the score hardly changes, rounding decides.
        """
        variance = self.variances()
        whole = sum((self.way * part for part in self.integral()), torch.zeros_like(self.way))
        if float(expected_error(variance)) <= tolerance * float(whole.abs().sum()):
            return self.alphas[:0]
        gaps = worst_gaps(variance, budget - len(self.alphas))
        ends = with_ends(self.alphas)
        return added_points(torch.stack([ends[:-1], ends[1:]], 1)[gaps])

    def merged(self, other: _Path) -> _Path:
        """Return the path with the other's points sorted in."""
        alphas, order = torch.cat([self.alphas, other.alphas]).sort()
        pairs = zip(self.gradients, other.gradients, strict=True)
        return _Path(alphas, [torch.cat(pair)[order] for pair in pairs], self.way)

    def integral(self) -> list[Tensor]:
        """Return the gradients' integral, per branch ``(1, 48, 48)``.

        Trapezoids between the points, and the nearest gradient up to the ends.
        """
        ends = with_ends((self.alphas[1:] + self.alphas[:-1]) / 2)
        return [torch.einsum("k,kchw->chw", ends.diff().to(g), g) for g in self.gradients]


def _score_ends(q: AttributionRequest) -> None:
    """Score faces and baselines, without gradients; one baseline for all is scored once."""
    below = q.baselines[:1] if bool((q.baselines == q.baselines[:1]).all()) else q.baselines
    with torch.no_grad():
        both = in_batches(torch.cat([q.faces, below]))
        found = torch.cat([logits_of(q.net, (rows,) * len(q.inputs)) for rows in both])
    q.settle(found[: len(q.faces)], found[len(q.faces) :])


def _evaluate(q: AttributionRequest, wanted: list[Tensor]) -> list[_Path]:
    """Take the score's gradient at the wanted points of all faces' paths together."""
    counts = [len(alphas) for alphas in wanted]
    face = torch.arange(len(wanted)).repeat_interleave(torch.tensor(counts))
    alphas, way, gradients = torch.cat(wanted), q.faces - q.baselines, []
    for rows in in_batches(torch.arange(len(face))):
        at, share = face[rows], alphas[rows].to(q.faces).view(-1, 1, 1, 1)
        point = torch.lerp(q.baselines[at], q.faces[at], share)
        inputs = tuple(point.clone().requires_grad_() for _ in q.inputs)
        score = q.score(*inputs, directions=q.directions[at]).sum()
        gradients.append(torch.autograd.grad(score, inputs, materialize_grads=True))
    branches = [torch.cat(branch).split(counts) for branch in zip(*gradients, strict=True)]
    by_face = zip(*branches, strict=True)
    return [
        _Path(alphas, list(found), one)
        for alphas, found, one in zip(wanted, by_face, way, strict=True)
    ]


# --- What passes through a conv layer on the way from the baseline to the face
#
# As in integrated gradients no gradient is taken at the baseline.


def layer_conductance(q: AttributionRequest) -> Parts:
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


def internal_influence(q: AttributionRequest) -> Parts:
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


def _even(q: AttributionRequest, row: int) -> _Gaps:
    """Measure the path's first points; a chunk begins with the last point of the one before."""
    points = with_ends(open_points(int(q.options["steps"])))
    chunks = evenly(torch.arange(len(points) - 1), ROWS - 1)
    return _joined(_measure(q, row, points[None, int(c[0]) : int(c[-1]) + 2]) for c in chunks)


def _refined(q: AttributionRequest, row: int) -> _Gaps:
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


def _measure(q: AttributionRequest, row: int, chains: Tensor) -> _Gaps:
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
