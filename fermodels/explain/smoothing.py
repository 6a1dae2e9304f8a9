"""Any gradient method, averaged over noisy copies of the face."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor

from fermodels.explain.question import ROWS, Parts, Question, ask, fixed

Run = Callable[[Question], Parts]


def smoothable(run: Run) -> Run:
    """Give a method the options ``smooth``, ``smooth_noise`` and ``seed``.

    With ``smooth`` above 0 its map is the average over that many copies of the face with normal
    noise, whose standard deviation is ``smooth_noise`` times the face's brightness range
    (Smilkov et al. 2017, arXiv 1706.03825, section 2). The explained class stays the one of the
    face itself. Copies go through the method together, at most ROWS rows at a time.
    """

    @wraps(run)
    def smoothed(q: Question) -> Parts:
        copies = int(q.options["smooth"])
        if copies == 0:
            return run(q)
        totals: Parts = {}
        missed: list[Tensor] = []
        drawn = normal((copies, 1, *q.faces.shape[2:]), generator(q), q.faces)
        for noise in drawn.split(max(1, ROWS // len(q.faces))):
            noisy = _noisy(q, noise)
            for name, part in run(noisy).items():
                summed = part.reshape(len(q.faces), len(noise), *part.shape[1:]).sum(1)
                totals[name] = totals[name] + summed if name in totals else summed
            if noisy.path_miss is not None:
                missed.append(noisy.path_miss.reshape(len(q.faces), len(noise)).sum(1))
        if missed:  # an average is off by no more than its parts are on average
            q.report(torch.stack(missed).sum(0) / copies)
        return {name: total / copies for name, total in totals.items()}

    return smoothed


def generator(q: Question) -> torch.Generator:
    """Return the seeded source of a method's noise."""
    return torch.Generator().manual_seed(int(q.options["seed"]))


def normal(shape: tuple[int, ...], random: torch.Generator, like: Tensor) -> Tensor:
    """Return standard normal noise, drawn on the CPU so that every device gets the same.

    All faces of a call share it: a face's map must not depend on what it is batched with.
    """
    return torch.randn(shape, generator=random).to(like)


def contrast(faces: Tensor) -> Tensor:
    """Return each face's brightness range, ``(N, 1, 1, 1)``: what noise is measured by."""
    return (faces.amax((1, 2, 3)) - faces.amin((1, 2, 3))).view(-1, 1, 1, 1)


def _noisy(q: Question, noise: Tensor) -> Question:
    """Ask about K noisy copies of each face: rows face by face, ``N * K`` of them."""
    scale = q.options["smooth_noise"] * contrast(q.faces)
    faces = q.faces.unsqueeze(1) + scale.unsqueeze(1) * noise
    directions = q.directions.repeat_interleave(len(noise), 0)
    below = q.baselines.repeat_interleave(len(noise), 0) if q.paired else q.baselines
    copies = faces.flatten(0, 1)
    return ask(q.net, copies, below, q.paired, q.layer, fixed(directions), q.options)
