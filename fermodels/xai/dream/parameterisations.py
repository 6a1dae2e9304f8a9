"""How a dream is painted: parameterisations of its detail, and what is done to picture and step."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Parameterisation:
    """A linear, invertible way to write the detail ``(1, 1, s, s)`` added to the start image."""

    name: str
    title: str
    help: str
    encode: Callable[[Tensor], Tensor]
    decode: Callable[[Tensor], Tensor]


class Pixel:
    """Grey levels themselves: every pixel is free, so fine grain comes easily."""

    @staticmethod
    def encode(detail: Tensor) -> Tensor:
        return detail

    @staticmethod
    def decode(parameters: Tensor) -> Tensor:
        return parameters


class Fourier:
    """Waves, long ones easier than short ones: natural-looking shades instead of grain."""

    @staticmethod
    def encode(detail: Tensor) -> Tensor:
        waves = torch.fft.rfft2(detail, norm="ortho") / _wave_scale(detail.shape[-1], detail)
        return torch.view_as_real(waves)

    @staticmethod
    def decode(parameters: Tensor) -> Tensor:
        side = parameters.shape[-3]
        waves = torch.view_as_complex(parameters.contiguous()) * _wave_scale(side, parameters)
        detail: Tensor = torch.fft.irfft2(waves, s=(side, side), norm="ortho")
        return detail


def _wave_scale(side: int, like: Tensor) -> Tensor:
    """1/frequency, as in photographs (Olah et al. 2017); the constant counts as the longest wave.

    Its largest value is 1: a step in the longest waves is then as large as a step in pixels.
    """
    rows = torch.fft.fftfreq(side, device=like.device)
    columns = torch.fft.rfftfreq(side, device=like.device)
    frequency = torch.hypot(rows[:, None], columns[None, :])
    scale: Tensor = (1 / side) / frequency.clamp_min(1 / side)
    return scale


PARAMETERISATIONS: dict[str, Parameterisation] = {
    kind.__name__.lower(): Parameterisation(
        kind.__name__.lower(), title, inspect.getdoc(kind) or "", kind.encode, kind.decode
    )
    for kind, title in ((Pixel, "Pixels"), (Fourier, "Fourier waves"))
}
"""Parameterisations by name."""


def resize(images: Tensor, side: int) -> Tensor:
    """Resize ``(N, 1, s, s)`` to ``(N, 1, side, side)``, averaging when it shrinks."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(
        images, size=(side, side), mode="bilinear", align_corners=False, antialias=True
    )


def render(start: Tensor, detail: Tensor) -> Tensor:
    """Return the picture in [0, 1]: the start image ``(1, 1, s, s)`` plus detail of any size."""
    return (start + resize(detail, start.shape[-1])).clamp(0, 1)


def shift(images: Tensor, reach: int, random: torch.Generator) -> Tensor:
    """Move by up to `reach` pixels each way, mirrored at the edges: detail must not hang on a grid.

    More than about 4 pixels would carry a 48-pixel face's parts to other faces' places.
    """
    if reach == 0:
        return images
    height, width = images.shape[-2:]
    down, right = (int(v) for v in torch.randint(2 * reach + 1, (2,), generator=random))
    padded = F.pad(images, (reach, reach, reach, reach), mode="reflect")
    return padded[..., down : down + height, right : right + width]


def total_variation_gradient(detail: Tensor) -> Tensor:
    """Return the gradient of the smoothed total variation, each value in about [-4, 4].

    Sum over neighbours of sqrt(d^2 + 0.01^2): below 1/100 of the grey range it is quadratic.
    """
    leaf = detail.detach().clone().requires_grad_()
    with torch.enable_grad():
        steps = [leaf.diff(dim=2).square(), leaf.diff(dim=3).square()]
        total = sum((step.add(1e-4).sqrt().sum() for step in steps), torch.zeros(()))
        (gradient,) = torch.autograd.grad(total, leaf)
    return gradient


def rms(values: Tensor) -> float:
    """Return the root mean square."""
    return float(values.square().mean().sqrt())


def to_frame(picture: Tensor) -> Tensor:
    """Return a picture ``(1, 1, s, s)`` in [0, 1] as uint8 ``(s, s)`` on the CPU."""
    return (picture.detach()[0, 0] * 255).round().to(torch.uint8).cpu()
