"""Convolutions with fewer multiplications, for many faces: Winograd's minimal filtering.

A tile of ``m x m`` outputs of a filter of size ``r x r`` takes ``m^2 r^2`` multiplications by
the definition and ``(m + r - 1)^2`` this way: a quarter of them for 3 x 3 filters and a sixth
for 5 x 5, for tiles of 4. The function is the same; its rounding errors are ten to thirty times
those of a plain convolution, up to 1e-5 of the largest value. Lavin & Gray 2016, arXiv 1509.09308,
section 4.1; the points are those of Barabasz et al. 2020, doi 10.1145/3412380.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TypeGuard

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.xai.fast_forward.convolution import FastConv2d, is_plain
from fermodels.xai.model_access import evenly

POINTS = (0.0, 1.0, -1.0, 0.5, -2.0, -0.5, 2.0)
"""Where filter and data, as polynomials, are multiplied; infinity is the last point of all. More
points would allow larger tiles, which lose digits."""
ONE = POINTS.index(1.0)
CHANNELS = 64
"""Fewest channels on either side for which saved multiplications outweigh the added passes."""
WORKSPACE = 20_000_000
"""Bytes of transformed tiles at a time: about what the caches hold."""

Float = NDArray[np.float64]


def minimal_filter(outputs: int, kernel_size: int) -> tuple[Float, Float, Float]:
    """Return Lavin & Gray's transforms: ``A.T @ ((G @ filter) * (B.T @ data))``, their eq. 7.

    That is the filter slid over the data.

    Args:
        outputs: m, how many values come out.
        kernel_size: r, the filter's length; ``m + r - 1`` values of data go in.

    Returns:
        ``A.T (m, n)``, ``G (n, r)`` and ``B.T (n, n)`` with ``n = m + r - 1``, by the Toom-Cook
        algorithm: evaluate at n points, multiply, interpolate; transposed.
    """
    n = outputs + kernel_size - 1
    points = np.array(POINTS[: n - 1])
    a_t, g, b_t = np.zeros((outputs, n)), np.zeros((n, kernel_size)), np.zeros((n, n))
    a_t[:, :-1] = points ** np.arange(outputs)[:, None]
    for row, point in enumerate(points):
        others = np.delete(points, row)
        g[row] = point ** np.arange(kernel_size) / np.prod(point - others)
        b_t[row, :-1] = np.poly(others)[::-1]
    a_t[-1, -1] = g[-1, -1] = 1
    b_t[-1] = np.poly(points)[::-1]
    return a_t, g, b_t


def tile_sizes(kernel_size: int) -> range:
    """Return the tile sizes there are points for; a tile overlaps its next neighbours only."""
    return range(max(2, kernel_size - 1), len(POINTS) + 3 - kernel_size)


def best_tile(height: int, width: int, kernel_size: int) -> int:
    """Return the tile side that takes the fewest multiplications for a map."""

    def cost(side: int) -> int:
        tiles = -(-height // side) * -(-width // side)
        return tiles * (side + kernel_size - 1) ** 2

    return min(tile_sizes(kernel_size), key=cost)


def fits(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is a plain convolution that Winograd's algorithm makes faster."""
    if not is_plain(layer):
        return False
    height, width = layer.kernel_size
    enough = min(layer.in_channels, layer.out_channels) >= CHANNELS
    return enough and height == width > 1 and len(tile_sizes(height)) > 0


@dataclass(frozen=True, eq=False)
class WinogradFilters:
    """A convolution's filters, evaluated at all points."""

    values: Tensor
    """``(n * n, I, O)``."""
    bias: Tensor | None
    """``(O,)``."""
    a_t: Tensor
    """The inverse transform ``(m, n)``."""
    b_t: Tensor
    """The data transform ``(n, n)``."""

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor | None, tile: int) -> WinogradFilters:
        """Evaluate filters ``(O, I, r, r)`` for tiles of ``tile x tile`` outputs."""
        outs, ins, kernel_size, _ = weight.shape
        a_t, g, b_t = (
            torch.from_numpy(matrix).to(weight) for matrix in minimal_filter(tile, kernel_size)
        )
        rows = weight.detach().permute(2, 3, 1, 0).reshape(kernel_size**2, ins * outs)
        values = (torch.kron(g, g) @ rows).view(-1, ins, outs)
        return cls(values, bias, a_t, b_t)

    @property
    def tile(self) -> int:
        """Outputs on a side of a tile."""
        return len(self.a_t)

    @property
    def span(self) -> int:
        """Inputs on a side of a tile."""
        return len(self.b_t)

    def rows(self, tiles: int) -> int:
        """Return how many faces of `tiles` tiles each go through at a time."""
        widest = max(self.values.shape[1:])
        return max(1, WORKSPACE // (4 * self.span**2 * tiles * widest))

    def correlate(self, x: Tensor) -> Tensor:
        """Return the tiles' outputs, ``(N, h, m, w, m, O)``, of padded ``(N, H, W, I)``."""
        tiles = x.unfold(1, self.span, self.tile).unfold(2, self.span, self.tile)
        n, rows, columns = tiles.shape[:3]
        blocks = tiles.permute(4, 5, 0, 1, 2, 3).flatten(2)
        points = _both(self.b_t, blocks).view(self.span**2, -1, self.values.shape[1])
        products = torch.bmm(points, self.values)
        if self.bias is not None:  # what is b at the point 1 and 0 at all others is b everywhere
            products[ONE * (self.span + 1)] += self.bias
        outputs = _both(self.a_t, products.view(self.span, self.span, -1))
        shape = (self.tile, self.tile, n, rows, columns, self.values.shape[2])
        return outputs.view(shape).permute(2, 3, 0, 4, 1, 5)

    def backward_input(self, gradient: Tensor) -> Tensor:
        """Return the gradients at each tile's inputs, ``(N, h, n, w, n, I)``: the adjoint.

        Args:
            gradient: at the tiles' outputs, ``(N, h, m, w, m, O)``.
        """
        n, rows, _, columns, _, _ = gradient.shape
        blocks = gradient.permute(2, 4, 0, 1, 3, 5).reshape(self.tile, self.tile, -1)
        points = _both(self.a_t.T.contiguous(), blocks)
        points = points.view(self.span**2, -1, self.values.shape[2])
        products = torch.bmm(points, self.values.transpose(1, 2))
        inputs = _both(self.b_t.T.contiguous(), products.view(self.span, self.span, -1))
        shape = (self.span, self.span, n, rows, columns, self.values.shape[1])
        return inputs.view(shape).permute(2, 3, 0, 4, 1, 5)

    def join(self, tiles: Tensor) -> Tensor:
        """Sum tiles' inputs ``(N, h, n, w, n, I)`` where they overlap, (N, h m + r - 1, ..., I)."""
        count, rows, _, columns, _, ins = tiles.shape
        m, rest = self.tile, self.span - self.tile
        padded = tiles.new_empty(count, rows + 1, m, columns + 1, m, ins)
        padded[:, -1] = padded[:, :, :, -1] = 0
        padded[:, :-1, :, :-1] = tiles[:, :, :m, :, :m]
        padded[:, 1:, :rest, :-1] += tiles[:, :, m:, :, :m]
        padded[:, :-1, :, 1:, :rest] += tiles[:, :, :m, :, m:]
        padded[:, 1:, :rest, 1:, :rest] += tiles[:, :, m:, :, m:]
        joined = padded.view(count, (rows + 1) * m, (columns + 1) * m, ins)
        return joined[:, : rows * m + rest, : columns * m + rest]


def _both(matrix: Tensor, blocks: Tensor) -> Tensor:
    """Apply ``(k, a)`` to both leading dimensions of ``(a, a, L)``."""
    rows = (matrix @ blocks.flatten(1)).view(len(matrix), *blocks.shape[1:])
    return torch.bmm(matrix.expand(len(rows), -1, -1), rows)


class WinogradConv2d(FastConv2d):
    """A convolution of a shared-weight copy with fewer multiplications."""

    def filters(self, size: torch.Size) -> WinogradFilters:
        """Return the filters for an input of that size, evaluated once per model and tile side."""
        tile = best_tile(*self.map_size(size), self.kernel_size[0])
        weights = [self.weight] if self.bias is None else [self.weight, self.bias]
        make = partial(WinogradFilters.of, self.weight, self.bias, tile)
        return self._cached(f"filters {tile}", weights, make)

    def faces_at_a_time(self, size: torch.Size) -> int:
        """Return how many faces' transformed tiles fit in WORKSPACE."""
        filters, (height, width) = self.filters(size), self.map_size(size)
        return filters.rows(-(-height // filters.tile) * -(-width // filters.tile))

    def maps(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` float32 to ``(N, O, h, w)``, without a graph."""
        filters, (top, left) = self.filters(x.shape[2:]), self.padding
        height, width = self.map_size(x.shape[2:])
        m, bottom, right = filters.tile, -height % filters.tile, -width % filters.tile
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, left, left + right, top, top + bottom))
        maps = x.new_empty(len(x), height + bottom, width + right, len(self.weight))
        tiles = maps.view(len(x), (height + bottom) // m, m, (width + right) // m, m, -1)
        most = self.faces_at_a_time(x.shape[2:])
        for into, rows in zip(evenly(tiles, most), evenly(padded, most), strict=True):
            into.copy_(filters.correlate(rows))
        return maps[:, :height, :width].permute(0, 3, 1, 2)

    def backward_input(self, gradient: Tensor, size: torch.Size) -> Tensor:
        """Return the gradient at the input, ``(N, C, *size)``, of one at the maps."""
        filters, (top, left) = self.filters(size), self.padding
        height, width = gradient.shape[2:]
        m, bottom, right = filters.tile, -height % filters.tile, -width % filters.tile
        rows = gradient.permute(0, 2, 3, 1)
        if bottom or right:  # padding by nothing would copy
            rows = F.pad(rows, (0, 0, 0, right, 0, bottom))
        tiles = rows.reshape(len(gradient), (height + bottom) // m, m, (width + right) // m, m, -1)
        batches = evenly(tiles, self.faces_at_a_time(size))
        parts = [filters.join(filters.backward_input(rows)) for rows in batches]
        padded = parts[0] if len(parts) == 1 else torch.cat(parts)
        return padded[:, top : top + size[0], left : left + size[1]].permute(0, 3, 1, 2)
