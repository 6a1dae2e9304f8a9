"""A convolution of a twin, computed some other way: what all such ways share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeGuard, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fermodels.explain.guard import HOOK_TABLES
from fermodels.explain.kept import kept

Made = TypeVar("Made")


class TwinConv2d(nn.Module, ABC):
    """The same function as a plain nn.Conv2d; gradients reach its input, not its weights."""

    def __init__(self, layer: nn.Conv2d, model: nn.Module, name: str) -> None:
        """Take a layer's place.

        Args:
            layer: a plain one, see `is_plain`.
            model: what is made of its weights is kept for this.
            name: the layer's, in `model`.
        """
        super().__init__()
        self.taps = (layer.kernel_size[0], layer.kernel_size[1])
        self.padding = [int(pad) for pad in layer.padding]
        self.weight = layer.weight.detach()
        self.bias = None if layer.bias is None else layer.bias.detach()
        self._kept = partial(kept, model)
        self._name = name
        self._found: dict[str, Any] = {}

    @abstractmethod
    def maps(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` float32 to ``(N, O, h, w)``, without a graph."""

    @abstractmethod
    def lead_back(self, gradient: Tensor, sides: torch.Size) -> Tensor:
        """Return the gradient at the input, ``(N, C, *sides)``, of one at the maps."""

    @abstractmethod
    def faces_at_a_time(self, sides: torch.Size) -> int:
        """Return for how many inputs of these sides the work fits the processor's caches."""

    def sides_of_maps(self, sides: torch.Size) -> tuple[int, int]:
        """Return the maps' height and width for an input's."""
        high, wide = (
            side + 2 * pad - taps + 1
            for side, pad, taps in zip(sides, self.padding, self.taps, strict=True)
        )
        return high, wide

    def _once(self, name: str, weights: Sequence[Tensor], make: Callable[[], Made]) -> Made:
        """Return what `make` made of these weights, which is looked up once and kept."""
        if name not in self._found:
            self._found[name] = self._kept(f"{name} of {self._name}", weights, make)
        found: Made = self._found[name]
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` float32 as the nn.Conv2d did, up to rounding."""
        if not (x.requires_grad and torch.is_grad_enabled()):
            return self.maps(x)
        maps: Tensor = _Convolution.apply(x, self)  # type: ignore[no-untyped-call]  # untyped
        return maps


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, conv: TwinConv2d) -> Tensor:
        ctx.conv, ctx.sides = conv, x.shape[2:]
        return conv.maps(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.conv.lead_back(gradient, ctx.sides), None


def is_plain(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a plain same-stride convolution on the CPU that nobody hooked."""
    return (
        type(layer) is nn.Conv2d
        and layer.weight.device.type == "cpu"
        and not layer.weight.is_inference()  # counts no versions: a change would go unseen
        and layer.stride == layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and all(pad < side for pad, side in zip(layer.padding, layer.kernel_size, strict=True))
        and not is_hooked(layer)
    )


def is_hooked(layer: nn.Module) -> bool:
    """Whether somebody listens to a layer, and would miss it."""
    return any(getattr(layer, table) for table in HOOK_TABLES)
