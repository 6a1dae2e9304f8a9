"""Convolutions whose weights are laid out once for the processor, forwards and backwards.

For one face a CPU spends a third of a pass rearranging weights: oneDNN's kernels want them in
blocks, and torch lays them out anew in every call. Explaining asks the same network again and
again, so the blocks are kept, and with them those of the transposed convolution, which leads a
gradient back to the input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from fermodels.explain.twin_conv import TwinConv2d, is_plain

CACHE = 4_000_000
"""Bytes of maps at a time: steps of 2 to 8 MB are equally soon, more or less take longer."""


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


class PackedConv2d(TwinConv2d):
    """A convolution of a twin whose weights are laid out once."""

    def blocks(self, faces: int, sides: torch.Size) -> _Blocks:
        """Return the weights laid out for maps like these, once per model and size.

        One face takes another layout than several; how many they are makes no difference.
        """
        size = (min(faces, 2), self.weight.shape[1], *sides)
        make = partial(_Blocks.of, self.weight, self.padding, list(size))
        return self._once(f"blocks {size}", [self.weight], make)

    def maps(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` float32 to ``(N, O, h, w)``, without a graph."""
        blocks = self.blocks(len(x), x.shape[2:])
        return _convolve(x, blocks.forward, self.bias, blocks.padding)

    def lead_back(self, gradient: Tensor, sides: torch.Size) -> Tensor:
        """Return the gradient at the input, ``(N, C, *sides)``, of one at the maps."""
        if self.weight.shape[1] == 1:
            return self._sum_of_taps(gradient, sides)
        blocks = self.blocks(len(gradient), sides)
        return _convolve(gradient, blocks.backward, None, blocks.padding_back)

    def faces_at_a_time(self, sides: torch.Size) -> int:
        """Return how many faces' maps fit in CACHE."""
        return max(1, CACHE // (4 * len(self.weight) * math.prod(self.sides_of_maps(sides))))

    def _sum_of_taps(self, gradient: Tensor, sides: torch.Size) -> Tensor:
        """Return every tap's share of the gradient at one channel, summed in place."""
        (high, wide), (top, left), (rows, columns) = gradient.shape[2:], self.padding, self.taps
        shares = self.weight.flatten(1).T @ gradient.permute(0, 2, 3, 1).flatten(0, 2).T
        shares = shares.view(rows, columns, len(gradient), high, wide)
        padded = gradient.new_zeros(len(gradient), high + rows - 1, wide + columns - 1)
        for row in range(rows):
            for column in range(columns):
                padded[:, row : row + high, column : column + wide] += shares[row, column]
        return padded[:, None, top : top + sides[0], left : left + sides[1]]
