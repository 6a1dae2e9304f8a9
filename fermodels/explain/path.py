"""Integrated gradients, with points added where the score bends until the sum is right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fermodels.explain.question import Parts, Question, expect, in_batches, logits_of


def integrated_gradients(q: Question) -> Parts:
    """Gradients averaged along the straight path from the baseline to the face.

    What each pixel added to the score on the way, so that all pixels sum to the difference
    between face and baseline; the completeness error says how nearly. Pixels equal to the
    baseline get no credit. In a hybrid both branches' maps sum to that difference together.
    """
    paths = _even_paths(q, int(q.options["steps"]))
    # each face has a budget of its own: its map must not depend on what it is batched with
    allowed = int(q.options["steps"] * (1 + q.options["refine"]))
    while True:
        wanted = [path.worst(q.options["tolerance"], allowed) for path in paths]
        if not any(len(alphas) for alphas in wanted):
            break
        _extend(q, paths, wanted)
    sums = [path.integral() for path in paths]
    way = q.faces - q.baselines
    return q.parts([way * torch.stack(branch) for branch in zip(*sums, strict=True)])


@dataclass(eq=False)
class _Path:
    """The points known on one face's path, from the baseline (0) to the face (1)."""

    alphas: Tensor
    """Where, ``(K,)`` float64 on the CPU, ascending from 0 to 1."""
    scores: Tensor
    """The score there, ``(K,)``."""
    slopes: Tensor
    """Its derivative along the path, ``(K,)``."""
    gradients: list[Tensor]
    """Its gradient there, per branch ``(K, 1, 48, 48)``."""

    def misses(self) -> Tensor:
        """How far the trapezoid over each gap is from the score's true change, ``(K - 1,)``."""
        trapezoids = self.alphas.diff() * (self.slopes[1:] + self.slopes[:-1]) / 2
        return self.scores.diff() - trapezoids

    def worst(self, tolerance: float, allowed: int) -> Tensor:
        """Return midpoints of the gaps that make the sum miss by more than `tolerance`.

        None if more than `allowed` points are known already. Every gap that misses more than an
        average gap is halved: kinks are few, so that is a small part of the path.
        """
        misses = self.misses()
        change = (self.scores[-1] - self.scores[0]).abs()
        if len(self.alphas) > allowed or misses.sum().abs() <= tolerance * change:
            return self.alphas[:0]
        gaps = misses.abs() > misses.abs().mean()
        return ((self.alphas[1:] + self.alphas[:-1]) / 2)[gaps]

    def merged(self, other: _Path) -> _Path:
        """Return the path with the other's points sorted in."""
        alphas, order = torch.cat([self.alphas, other.alphas]).sort()
        pairs = zip(self.gradients, other.gradients, strict=True)
        return _Path(
            alphas,
            torch.cat([self.scores, other.scores])[order],
            torch.cat([self.slopes, other.slopes])[order],
            [torch.cat(pair)[order] for pair in pairs],
        )

    def integral(self) -> list[Tensor]:
        """Return the trapezoid sum of the gradients, per branch ``(1, 48, 48)``."""
        gaps = self.alphas.diff()
        weights = torch.zeros_like(self.alphas)
        weights[1:] += gaps / 2
        weights[:-1] += gaps / 2
        return [torch.einsum("k,kchw->chw", weights.to(g), g) for g in self.gradients]


def _even_paths(q: Question, steps: int) -> list[_Path]:
    """Evaluate `steps` equal steps, from the baselines to the faces, whose logits are kept."""
    n, points = len(q.faces), steps + 1
    even = torch.arange(points, dtype=torch.float64) / steps
    face = torch.arange(n).repeat_interleave(points)
    started, logits = _evaluate(q, face, even.repeat(n))
    paths = [_rows(started, slice(i * points, (i + 1) * points)) for i in range(n)]
    drop = torch.stack([path.scores[-1] - path.scores[0] for path in paths])
    q.settle(logits[steps::points], drop)
    return paths


def _extend(q: Question, paths: list[_Path], wanted: list[Tensor]) -> None:
    """Put the wanted points of all paths through the network together and sort them in."""
    counts = [len(alphas) for alphas in wanted]
    face = torch.arange(len(paths)).repeat_interleave(torch.tensor(counts))
    found, _ = _evaluate(q, face, torch.cat(wanted))
    start = 0
    for i, count in enumerate(counts):
        if count:
            paths[i] = paths[i].merged(_rows(found, slice(start, start + count)))
        start += count


def _rows(path: _Path, rows: slice) -> _Path:
    gradients = [gradient[rows] for gradient in path.gradients]
    return _Path(path.alphas[rows], path.scores[rows], path.slopes[rows], gradients)


def _evaluate(q: Question, face: Tensor, alphas: Tensor) -> tuple[_Path, Tensor]:
    """Return score, slope and gradient at ``baseline + alpha * (face - baseline)``, and logits."""
    logits, gradients = [], []
    for rows in in_batches(torch.arange(len(face))):
        at, share = face[rows], alphas[rows].to(q.faces).view(-1, 1, 1, 1)
        point = torch.lerp(q.baselines[at], q.faces[at], share)
        inputs = tuple(point.clone().requires_grad_() for _ in q.inputs)
        found = expect(logits_of(q.net, inputs), len(rows), q.directions.shape[1])
        score = (found * q.directions[at]).sum()
        gradients.append(torch.autograd.grad(score, inputs, materialize_grads=True))
        logits.append(found.detach())
    every = torch.cat(logits)
    joined = [torch.cat(branch) for branch in zip(*gradients, strict=True)]
    scores = (every * q.directions[face]).sum(1).double().cpu()
    return _Path(alphas, scores, _slopes(q, face, joined), joined), every


def _slopes(q: Question, face: Tensor, gradients: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    """Return the derivative along each face's path, ``(M,)`` float64 on the CPU."""
    way = (q.faces - q.baselines)[face]
    total = sum((way * g for g in gradients), torch.zeros_like(way))
    return total.sum((1, 2, 3)).double().cpu()
