"""The convolution that sees the pixels, together with the pooling after it, a few faces at a time.

Its maps are the largest of a network and three of four values in them are pooled away. For many
faces at once they do not fit a processor's caches: writing and reading them, and the zeros that
a gradient is spread over on its way back, take longer than the arithmetic.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fermodels.explain.blocks import IDLE, adjacent
from fermodels.explain.packed import PackedConv2d, is_hooked, is_plain

CACHE = 4_000_000
"""Bytes of maps at a time: steps of 2 to 8 MB are equally soon, more or less take longer."""


def join_pooling(net: nn.Module, model: nn.Module) -> None:
    """Let a twin's convolution of one channel do the max pooling that follows; same function.

    The pooling's place is kept by an identity. Layers that somebody hooked stay as they are.

    Args:
        net: a twin of `model`, whose lock is held.
        model: what rearranged weights are kept for.
    """
    for path, block, (name, conv), (after, pool) in adjacent(net, skip=IDLE):
        if is_plain(conv) and conv.in_channels == 1 and _halves(pool):
            packed = PackedConv2d(conv, model, f"{path}.{name}")
            block.set_submodule(name, PooledConv2d(packed))
            block.set_submodule(after, nn.Identity())


def _halves(pool: nn.Module) -> bool:
    """Whether a layer is a plain max pooling over squares of 2 x 2 that nobody hooked."""
    return (
        type(pool) is nn.MaxPool2d
        and pool.kernel_size in (2, (2, 2))
        and pool.stride in (2, (2, 2))
        and pool.padding in (0, (0, 0))
        and pool.dilation in (1, (1, 1))
        and not pool.return_indices
        and not pool.ceil_mode
        and not is_hooked(pool)
    )


class PooledConv2d(nn.Module):
    """A convolution of a twin and 2 x 2 max pooling: gradients reach its input, not its weights."""

    def __init__(self, conv: PackedConv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, 1, H, W)`` float32 to ``(N, C, h // 2, w // 2)``."""
        maps: Tensor = _PooledConvolution.apply(x, self.conv)  # type: ignore[no-untyped-call]
        return maps


class _PooledConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, conv: PackedConv2d) -> Tensor:
        pooled, ctx.places = [], []
        for rows in x.split(_step(conv, x)):
            maps = conv(rows)
            found, places = torch.ops.aten.max_pool2d_with_indices(maps, [2, 2])
            pooled.append(found)
            ctx.places.append(places)
        ctx.conv, ctx.image, ctx.map = conv, x.shape[2:], maps.shape[1:]
        return torch.cat(pooled)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradients = gradient.split([len(places) for places in ctx.places])
        found = [
            _lead_back(_spread(part, places, ctx.map), ctx.conv, ctx.image)
            for part, places in zip(gradients, ctx.places, strict=True)
        ]
        return torch.cat(found), None


def _step(conv: PackedConv2d, x: Tensor) -> int:
    """Return how many faces' maps fit in CACHE."""
    return max(1, CACHE // (4 * len(conv.weight) * x.shape[2] * x.shape[3]))


def _spread(gradient: Tensor, places: Tensor, sides: torch.Size) -> Tensor:
    """Put each gradient where its largest value was: ``(N, C, h // 2, w // 2)`` to (N, C, h, w)."""
    like = gradient.new_empty(len(gradient), *sides)
    like = like.contiguous(memory_format=torch.channels_last)  # only its shape and order are read
    spread = torch.ops.aten.max_pool2d_with_indices_backward(
        gradient, like, [2, 2], [2, 2], [0, 0], [1, 1], False, places
    )
    return cast(Tensor, spread)


def _lead_back(gradient: Tensor, conv: PackedConv2d, image: torch.Size) -> Tensor:
    """Return the gradient at the image, ``(N, 1, H, W)``: every tap's share, summed in place."""
    (high, wide), (top, left) = gradient.shape[2:], conv.padding
    rows, columns = conv.weight.shape[2:]
    shares = conv.weight.flatten(1).T @ gradient.permute(0, 2, 3, 1).flatten(0, 2).T
    shares = shares.view(rows, columns, len(gradient), high, wide)
    padded = gradient.new_zeros(len(gradient), high + rows - 1, wide + columns - 1)
    for row in range(rows):
        for column in range(columns):
            padded[:, row : row + high, column : column + wide] += shares[row, column]
    return padded[:, None, top : top + image[0], left : left + image[1]]
