"""A convolution together with the pooling after it, a few faces at a time.

Three of four values in its maps are pooled away. For many faces at once they do not fit a
processor's caches: writing and reading them, and the zeros that a gradient is spread over in
the backward pass, take as long as the arithmetic.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fermodels.xai.fast_forward.convolution import IDLE, FastConv2d, adjacent, is_hooked
from fermodels.xai.model_access import evenly


def join_pooling(net: nn.Module) -> None:
    """Let a copy's convolutions do the max pooling that follows them; the same function.

    The pooling's place is taken by an identity. Layers that somebody hooked stay as they are.
    """
    for _, block, (name, conv), (after, pool) in adjacent(net, skip=IDLE):
        if isinstance(conv, FastConv2d) and _halves(pool):
            block.set_submodule(name, PooledConv2d(conv))
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
    """A convolution of a copy and 2 x 2 max pooling: gradients reach its input, not its weights."""

    def __init__(self, conv: FastConv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` float32 to ``(N, O, h // 2, w // 2)``."""
        maps: Tensor = _PooledConvolution.apply(x, self.conv)  # type: ignore[no-untyped-call]
        return maps


class _PooledConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, conv: FastConv2d) -> Tensor:
        ctx.conv, ctx.size, ctx.places = conv, x.shape[2:], []
        height, width = conv.map_size(ctx.size)
        pooled = _channels_last(x, len(x), len(conv.weight), height // 2, width // 2)
        most = conv.faces_at_a_time(ctx.size)
        for into, rows in zip(evenly(pooled, most), evenly(x, most), strict=True):
            largest, places = torch.ops.aten.max_pool2d_with_indices(conv.maps(rows), [2, 2])
            into.copy_(largest)
            ctx.places.append(places)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        gradients = gradient.split([len(places) for places in ctx.places])
        size = ctx.conv.map_size(ctx.size)
        inputs = [
            ctx.conv.backward_input(_spread(part, places, size), ctx.size)
            for part, places in zip(gradients, ctx.places, strict=True)
        ]
        return inputs[0] if len(inputs) == 1 else torch.cat(inputs), None


def _spread(gradient: Tensor, places: Tensor, size: tuple[int, int]) -> Tensor:
    """Put each gradient where its largest value was: ``(N, C, h // 2, w // 2)`` to (N, C, h, w)."""
    like = _channels_last(gradient, *gradient.shape[:2], *size)  # only shape and order are read
    spread = torch.ops.aten.max_pool2d_with_indices_backward(
        gradient, like, [2, 2], [2, 2], [0, 0], [1, 1], False, places
    )
    return cast(Tensor, spread)


def _channels_last(like: Tensor, *shape: int) -> Tensor:
    """Return an unwritten tensor, channels last, of the type and on the device of another."""
    return torch.empty(
        shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last
    )
