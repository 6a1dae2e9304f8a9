"""Convolutions whose weights are laid out once for the processor, forwards and backwards.

For one face a CPU spends a third of a pass rearranging weights: oneDNN's kernels want them in
blocks, and torch lays them out anew in every call. Explaining asks the same network again and
again, so the blocks are kept, and with them those of the transposed convolution, which leads a
gradient back to the input.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from fermodels.explain.guard import HOOK_TABLES
from fermodels.explain.kept import kept


def pack(net: nn.Module, model: nn.Module) -> None:
    """Let a twin's convolutions use blocks kept for its model; the same function, sooner.

    Layers that oneDNN has no blocks for, or that somebody hooked, stay as they are.

    Args:
        net: a twin of `model`, whose lock is held.
        model: what the blocks are kept for; they go when it goes.
    """
    if not torch.backends.mkldnn.is_available():
        return
    for name, layer in list(net.named_modules()):
        if name and is_plain(layer):
            net.set_submodule(name, PackedConv2d(layer, model, name))


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


@dataclass(frozen=True, eq=False)
class _Blocks:
    """A convolution's weights in oneDNN's own layout, for maps of one size."""

    forward: Tensor
    backward: Tensor
    padding: list[int]
    padding_back: list[int]

    @classmethod
    def of(cls, weight: Tensor, padding: list[int], size: list[int]) -> _Blocks:
        """Lay out weights ``(O, I, r, s)`` for maps of `size` ``(N, I, H, W)``."""
        plain = weight.detach()
        back = [taps - 1 - pad for taps, pad in zip(plain.shape[2:], padding, strict=True)]
        turned = plain.flip(2, 3).transpose(0, 1).contiguous()
        sides = [side + pad - gone for side, pad, gone in zip(size[2:], padding, back, strict=True)]
        size_back = [size[0], len(plain), *sides]
        return cls(
            _laid_out(plain, padding, size), _laid_out(turned, back, size_back), padding, back
        )


def _laid_out(weight: Tensor, padding: list[int], size: list[int]) -> Tensor:
    # without the size oneDNN guesses, and where it guessed wrong it lays out anew in every call
    blocks: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
        weight, padding, [1, 1], [1, 1], 1, size
    )
    return blocks


def _convolve(x: Tensor, blocks: Tensor, bias: Tensor | None, padding: list[int]) -> Tensor:
    rows = x.contiguous(memory_format=torch.channels_last)
    maps: Tensor = torch.ops.mkldnn._convolution_pointwise(
        rows, blocks, bias, padding, [1, 1], [1, 1], 1, "none", [], ""
    )
    return maps


class PackedConv2d(nn.Module):
    """A convolution of a twin: gradients reach its input, not its weights."""

    def __init__(self, layer: nn.Conv2d, model: nn.Module, name: str) -> None:
        super().__init__()
        self.padding = [int(pad) for pad in layer.padding]
        self.weight = layer.weight.detach()
        self.bias = None if layer.bias is None else layer.bias.detach()
        self._kept = partial(kept, model)
        self._name = f"packed {name}"
        self._blocks: dict[tuple[int, ...], _Blocks] = {}

    def blocks(self, x: Tensor) -> _Blocks:
        """Return the weights laid out for maps like these, once per model and size.

        One face takes another layout than several; how many they are makes no difference.
        """
        size = (min(len(x), 2), *x.shape[1:])
        if size not in self._blocks:
            make = partial(_Blocks.of, self.weight, self.padding, list(size))
            self._blocks[size] = self._kept(f"{self._name} {size}", [self.weight], make)
        return self._blocks[size]

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` float32 as the nn.Conv2d did."""
        maps: Tensor = _Convolution.apply(  # type: ignore[no-untyped-call]  # torch gives none
            x, self.blocks(x), self.bias
        )
        return maps


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, blocks: _Blocks, bias: Tensor | None) -> Tensor:
        ctx.blocks = blocks
        return _convolve(x, blocks.forward, bias, blocks.padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        blocks: _Blocks = ctx.blocks
        return _convolve(gradient, blocks.backward, None, blocks.padding_back), None, None
