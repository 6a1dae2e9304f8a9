"""Integrals of the score's gradient along the straight path from a baseline to a face.

One adaptive integral (`integrate`) serves three methods: integrated gradients (over the pixels),
layer conductance (over a layer's maps) and internal influence (over the path itself). It adds
points where the gradient turns until the map is accurate enough.

The gradient at the baseline and at the face is never used. The networks subtract the mean face, so
at that baseline all inputs of the first layer are zero: every pooling window that responds is
tied, which of its pixels gets the gradient is the implementation's choice, and two correct
implementations differ by 102%.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fermodels.data.dataset import FACE_SIDE
from fermodels.xai.attribution.request import (
    AttributionRequest,
    Options,
    Parts,
    check_maps,
    enlarge,
    score,
)
from fermodels.xai.model_access import in_batches, outputs_of

DENSER = 1.25
"""Points are even in ``alpha ** (1 / DENSER)``: near the mean face the gradient turns more quickly
than near the face. 50 such points err by 6% (deep) to 22% (hybrids) less (8 validation faces)."""

SAFETY = 2.0
"""Expected errors are reported times this. Without added points, the true error was 0.8 to 1.25
times the expected one with 20 to 100 points (13 validation faces, four networks), and up to 2.0
times it with 5; see `benchmarks.path_error`."""

Samples = tuple[Tensor, tuple[Tensor, ...]]
"""At K points of a path: positions, which broadcast to ``(K, C, h, w)``, and the integrand per
branch, ``(K, C, h, w)``."""

Evaluate = Callable[[list[Tensor]], list[Samples]]
"""``[alphas (K,) for each path]`` -> samples for each path."""


def integrated_gradients(q: AttributionRequest) -> Parts:
    """Gradients averaged along the straight path from the baseline to the face.

    What each pixel added to the score on the way, so that all pixels sum to the difference
    between face and baseline. Two figures say how nearly: the completeness error compares the
    sums, where errors cancel; the path error estimates how far the map itself is off, pixel by
    pixel. Pixels equal to the baseline get no credit. In a hybrid both branches' maps sum to
    that difference together.
    """
    paths = pixel_paths(q.net, q.faces, q.baselines, q.target_vector, len(q.inputs), q.options)
    q.path_error = torch.stack([path.error() for path in paths])
    branches = zip(*(path.integrals() for path in paths), strict=True)
    return q.parts([torch.stack(maps) for maps in branches])


def layer_conductance(q: AttributionRequest) -> Parts:
    """How much of the score's change flows through each place of the chosen conv layer.

    Integrated gradients, counted at a hidden layer: all places and channels together sum to the
    difference between face and baseline, whichever layer is chosen. Coarse in late layers. Of a
    hybrid it shows the conv branch only, and the completeness error says how much HOG adds.
    """
    paths = [_layer_path(q, row, over_maps=True) for row in range(len(q.faces))]
    q.path_error = torch.stack([path.error() for path in paths])
    cells = torch.stack([path.integrals()[0] for path in paths])
    # a cell's pixels share what it has, so that pixels sum to what cells sum to
    return {"conv": enlarge(cells) * (cells[0].numel() / FACE_SIDE**2)}


def internal_influence(q: AttributionRequest) -> Parts:
    """How much the score would move if a place of the chosen layer responded more.

    The gradient at a hidden layer, averaged from the baseline to the face and summed over
    channels. Like saliency it shows where the model is sensitive, not what it detected there; it
    does not sum to the score. Of a hybrid it shows the conv branch only.
    """
    paths = [_layer_path(q, row, over_maps=False) for row in range(len(q.faces))]
    cells = torch.stack([path.integrals()[0] for path in paths])
    errors = torch.stack([path.error() for path in paths])
    q.path_error = errors * (FACE_SIDE**2 / cells[0].numel())  # a cell is shown in many pixels
    return {"conv": enlarge(cells)}


def pixel_paths(
    net: nn.Module,
    faces: Tensor,
    baselines: Tensor,
    target_vector: Tensor,
    branches: int,
    options: Options,
) -> list[Path]:
    """Integrate the score's gradient over the pixels, for all faces together.

    Args:
        net: maps one input per branch to outputs ``(N, K)``.
        faces: ``(N, 1, 48, 48)``.
        baselines: ``(N, 1, 48, 48)``.
        target_vector: ``(N, K)``; the score is its product with the outputs.
        branches: 1, or 2 for a hybrid.
        options: ``steps``, ``tolerance`` and ``refine``, see `integrate`.
    """
    delta = faces - baselines

    def evaluate(alphas: list[Tensor]) -> list[Samples]:
        counts = [len(points) for points in alphas]
        face = torch.arange(len(alphas)).repeat_interleave(torch.tensor(counts))
        shares, integrands = torch.cat(alphas), []
        for rows in in_batches(torch.arange(len(face))):
            at, share = face[rows], shares[rows].to(faces).view(-1, 1, 1, 1)
            point = torch.lerp(baselines[at], faces[at], share)
            inputs = tuple(point.clone().requires_grad_() for _ in range(branches))
            total = score(net, inputs, target_vector[at]).sum()
            gradients = torch.autograd.grad(total, inputs, materialize_grads=True)
            integrands.append([delta[at] * gradient for gradient in gradients])
        by_branch = [torch.cat(values).split(counts) for values in zip(*integrands, strict=True)]
        positions = [points.view(-1, 1, 1, 1) for points in alphas]
        return list(zip(positions, zip(*by_branch, strict=True), strict=True))

    ends = torch.tensor([0.0, 1.0], dtype=torch.float64).view(2, 1, 1, 1)
    return integrate(evaluate, [ends] * len(faces), options)


def _layer_path(q: AttributionRequest, row: int, over_maps: bool) -> Path:
    """Integrate the gradient at a layer over its maps, or over the path; one face at a time,
    since the maps of every point are kept."""
    delta = q.faces[row] - q.baselines[row]

    def evaluate(alphas: list[Tensor]) -> list[Samples]:
        (points,) = alphas
        maps: list[Tensor] = []
        gradients: list[Tensor] = []
        for some in in_batches(points):
            shares = some.to(delta).view(-1, 1, 1, 1)
            inputs = tuple((q.baselines[row] + shares * delta).requires_grad_() for _ in q.inputs)
            with outputs_of(q.net, [q.layer]) as outputs:
                total = q.score(*inputs, rows=row).sum()
            output = check_maps(outputs.get(q.layer), q.layer)
            gradients += torch.autograd.grad(total, output, materialize_grads=True)
            maps.append(output.detach())
        positions = torch.cat(maps) if over_maps else points.view(-1, 1, 1, 1)
        return [(positions, (torch.cat(gradients),))]

    ((ends, _),) = evaluate([torch.tensor([0.0, 1.0], dtype=torch.float64)])
    return integrate(evaluate, [ends], q.options)[0]


def integrate(evaluate: Evaluate, ends: list[Tensor], options: Options) -> list[Path]:
    """Integrate along paths from 0 to 1, adding points where the integrals are least certain.

    Each path has a budget of its own: a face's map must not depend on its batch.

    Args:
        evaluate: gives positions and integrands at points strictly between 0 and 1.
        ends: for each path the positions at 0 and at 1, ``(2, ...)``.
        options: ``steps``, the points at first; ``tolerance``, the relative error at which no
            point is added; ``refine``, the points that may be added, as a multiple of steps.
            Without the last two none is.
    """
    steps = int(options["steps"])
    budget = int(steps * (1 + options.get("refine", 0)))
    alphas = [open_points(steps)] * len(ends)
    paths = [
        Path(points, torch.cat([end[:1], positions, end[1:]]), integrands)
        for points, end, (positions, integrands) in zip(alphas, ends, evaluate(alphas), strict=True)
    ]
    while True:
        alphas = [path.points_to_add(options.get("tolerance", 0), budget) for path in paths]
        if not any(len(points) for points in alphas):
            return paths
        paths = [
            path.merged(points, *samples)
            for path, points, samples in zip(paths, alphas, evaluate(alphas), strict=True)
        ]


@dataclass(eq=False)
class Path:
    """The points known on one path from 0 to 1; the integral is over `positions`."""

    alphas: Tensor
    """Where, ``(K,)`` float64 on the CPU, ascending, between 0 and 1; at least two."""
    positions: Tensor
    """At 0, at each point and at 1: broadcasts to ``(K + 2, C, h, w)``."""
    integrands: tuple[Tensor, ...]
    """Per branch ``(K, C, h, w)``."""

    def integrals(self) -> list[Tensor]:
        """Return each branch's integral, summed over channels, ``(1, h, w)``.

        Trapezoids between the points, and the nearest integrand up to the ends.
        """
        middles = (self.positions[1:-2] + self.positions[2:-1]) / 2
        widths = torch.cat([self.positions[:1], middles, self.positions[-1:]]).diff(dim=0)
        return [(widths.to(g) * g).sum((0, 1), keepdim=True)[0] for g in self.integrands]

    def variances(self) -> Tensor:
        """Return the expected squared error of the branches' sum in each gap, ``(K + 1, h, w)``."""
        return variances(self.alphas, self.positions, torch.stack(self.integrands).sum(0))

    def error(self) -> Tensor:
        """Return how far the map is off at most, in the sum of its pixels' absolute errors."""
        return expected_error(self.variances())

    def points_to_add(self, tolerance: float, budget: int) -> Tensor:
        """Return points to add where the map errs most; none once it is accurate enough.

        That is, once its error is at most `tolerance` times its own absolute sum, or `budget`
        points are known. Completeness is no criterion: a path that stopped where its sum happens
        to be right would no longer tell how good the map is, and where the score hardly changes,
        rounding would decide.
        """
        variance = self.variances()
        total = torch.stack(self.integrals()).sum(0)
        if float(expected_error(variance)) <= tolerance * float(total.abs().sum()):
            return self.alphas[:0]
        gaps = worst_gaps(variance, budget - len(self.alphas))
        ends = with_ends(self.alphas)
        return added_points(torch.stack([ends[:-1], ends[1:]], 1)[gaps])

    def merged(self, alphas: Tensor, positions: Tensor, integrands: tuple[Tensor, ...]) -> Path:
        """Return the path with more points sorted in."""
        alphas, order = torch.cat([self.alphas, alphas]).sort()
        inner = torch.cat([self.positions[1:-1], positions])[order]
        pairs = zip(self.integrands, integrands, strict=True)
        return Path(
            alphas,
            torch.cat([self.positions[:1], inner, self.positions[-1:]]),
            tuple(torch.cat(pair)[order] for pair in pairs),
        )


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


def variances(alphas: Tensor, positions: Tensor, integrand: Tensor) -> Tensor:
    """Return the expected squared error of each gap's integral, ``(K + 1, h, w)``.

    Kinks are many and small, so along the path a gradient walks at random. Between two points
    where it differs by d, p apart, a random walk's integral misses the trapezoid by
    ``p d / sqrt(12)`` in the root mean square. At the ends, where the nearest value stands for the
    rest of the path, e long and p of positions, it misses by ``p d sqrt(e / 3 D)``, d and D the
    difference and the length of the next gap.

    Args:
        alphas: K points at which the integrand is known, ascending, at least two.
        positions: at 0, at each point and at 1; broadcasts to ``(K + 2, C, h, w)``.
        integrand: ``(K, C, h, w)``; channels are summed.
    """
    lengths, turns = with_ends(alphas).diff(), integrand.diff(dim=0)
    first = turns[:1] * float(2 * (lengths[0] / lengths[1]).sqrt())
    last = turns[-1:] * float(2 * (lengths[-1] / lengths[-2]).sqrt())
    turns = torch.cat([first, turns, last])
    return (positions.diff(dim=0).to(turns) * turns).sum(1).square() / 12


def expected_error(variance: Tensor) -> Tensor:
    """Return SAFETY times the expected sum of absolute errors of a map, from gaps' `variances`."""
    # of normal errors, the mean size is sqrt(2 / pi) of the root mean square
    return SAFETY * math.sqrt(2 / math.pi) * variance.sum(0).sqrt().sum()


def worst_gaps(variance: Tensor, allowed: int) -> Tensor:
    """Return indices of the gaps that err more than the average one, `allowed` at most."""
    sizes = variance.sqrt().flatten(1).sum(1)
    order = sizes.argsort(descending=True)[: max(0, allowed)]
    return order[sizes[order] > sizes.mean()].cpu()
