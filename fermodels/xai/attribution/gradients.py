"""Attribution by gradients, at the face or averaged over random points near it.

`smoothable` averages any method's maps over noisy copies of the face. A method takes an
AttributionRequest and returns one tensor per branch; its docstring is the help text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor

from fermodels.xai.attribution.request import AttributionRequest, Parts
from fermodels.xai.model_access import ROWS, in_batches

Points = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""``(face indices, sample indices)`` -> (where to take the gradient, what to multiply it by)."""


def saliency(q: AttributionRequest) -> Parts:
    """How much the score would move if a pixel changed a little, either way.

    The size of the gradient: fast, sharp, noisy. It tells where the model is sensitive, not
    what is evidence for the class. In a hybrid the whole is the size of the summed gradient, so the
    two branches, shown by size too, need not add up to it.
    """
    return q.parts(q.gradients())


def input_x_gradient(q: AttributionRequest) -> Parts:
    """The gradient times how far the pixel is from the baseline.

    A straight-line guess of what each pixel contributed; exact for a linear model only. With
    the mean face as baseline it multiplies by what the first layer sees; with black, by the
    plain pixel value.
    """
    return q.parts([(q.faces - q.baselines) * gradient for gradient in q.gradients()])


def gradient_shap(q: AttributionRequest) -> Parts:
    """Expected gradients: random points on the way from random baselines.

    An estimate of Shapley values. Pass several faces as the baseline to average over them;
    with one baseline and no noise it is integrated gradients at random points. Noise on the
    face smooths the map, but then the sum no longer comes out.
    """
    samples = int(q.options["samples"])
    random = generator(q)
    noise = q.options["noise"] * normal((samples, 1, *q.faces.shape[2:]), random, q.faces)
    # one draw in each of `samples` equal intervals: as unbiased as uniform draws, less spread
    alphas = (torch.arange(samples) + torch.rand(samples, generator=random)) / samples
    drawn = torch.randint(len(q.baselines), (samples,), generator=random)
    alphas = alphas.to(q.faces).view(-1, 1, 1, 1)

    def between(face: Tensor, sample: Tensor) -> tuple[Tensor, Tensor]:
        baseline = q.baselines[face if q.paired else drawn[sample]]
        delta = q.faces[face] + noise[sample] - baseline
        return baseline + alphas[sample] * delta, delta / samples

    return q.parts(summed_gradients(q, samples, between))


def smoothgrad(q: AttributionRequest) -> Parts:
    """The gradient averaged over noisy copies of the face.

    Removes much of the noise of plain gradients. Signed: brighter where more light in the
    pixel would raise the score, darker where it would lower it.
    """
    samples = int(q.options["samples"])
    noise = normal((samples, 1, *q.faces.shape[2:]), generator(q), q.faces)
    scale = q.options["noise"] * contrast(q.faces)
    share = torch.full((1, 1, 1, 1), 1 / samples).to(q.faces)

    def nearby(face: Tensor, sample: Tensor) -> tuple[Tensor, Tensor]:
        return q.faces[face] + scale[face] * noise[sample], share

    return q.parts(summed_gradients(q, samples, nearby))


def summed_gradients(q: AttributionRequest, samples: int, points: Points) -> list[Tensor]:
    """Return ``sum over samples of factor * gradient(point)`` per branch, each ``(N, 1, 48, 48)``.

    All points of all faces go through the network in batches of at most ROWS.
    """
    n = len(q.faces)
    totals = [torch.zeros_like(q.faces) for _ in q.inputs]
    for rows in in_batches(torch.arange(n * samples, device=q.faces.device)):
        face, sample = rows // samples, rows % samples
        point, factor = points(face, sample)
        inputs = tuple(point.detach().clone().requires_grad_() for _ in q.inputs)
        score = q.score(*inputs, rows=face).sum()
        gradients = torch.autograd.grad(score, inputs, materialize_grads=True)
        for total, gradient in zip(totals, gradients, strict=True):
            total.index_add_(0, face, gradient * factor)
    return totals


# --- Any gradient method, averaged over noisy copies of the face


Run = Callable[[AttributionRequest], Parts]


def smoothable(run: Run) -> Run:
    """Give a method the options ``smooth``, ``smooth_noise`` and ``seed``.

    With ``smooth`` above 0 its map is the average over that many copies of the face with normal
    noise, whose standard deviation is ``smooth_noise`` times the face's brightness range
    (Smilkov et al. 2017, arXiv 1706.03825, section 2). The explained class stays the one of the
    face itself. Copies go through the method together, at most ROWS rows at a time.
    """

    @wraps(run)
    def smoothed(q: AttributionRequest) -> Parts:
        copies = int(q.options["smooth"])
        if copies == 0:
            return run(q)
        totals: Parts = {}
        path_errors: list[Tensor] = []
        drawn = normal((copies, 1, *q.faces.shape[2:]), generator(q), q.faces)
        scale = (q.options["smooth_noise"] * contrast(q.faces)).unsqueeze(1)
        for noise in drawn.split(max(1, ROWS // len(q.faces))):
            count = len(noise)  # rows face by face, N * count of them
            noisy = AttributionRequest(
                q.net,
                (q.faces.unsqueeze(1) + scale * noise).flatten(0, 1),
                q.baselines.repeat_interleave(count, 0) if q.paired else q.baselines,
                q.paired,
                q.options,
                q.layer,
                q.target_class.repeat(count),
                None if q.contrast is None else q.contrast.repeat(count),
            )
            for name, part in run(noisy).items():
                summed = part.reshape(len(q.faces), count, *part.shape[1:]).sum(1)
                totals[name] = totals[name] + summed if name in totals else summed
            if noisy.path_error is not None:
                path_errors.append(noisy.path_error.reshape(len(q.faces), count).sum(1))
        if path_errors:  # an average is off by no more than its parts are on average
            q.path_error = torch.stack(path_errors).sum(0) / copies
        return {name: total / copies for name, total in totals.items()}

    return smoothed


def generator(q: AttributionRequest) -> torch.Generator:
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
