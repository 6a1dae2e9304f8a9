"""Layers that follow each other in a network's blocks, for rearranging a twin."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torch import nn

Named = tuple[str, nn.Module]
"""A layer and its name in its block."""

IDLE = (nn.Identity, nn.Dropout, nn.Dropout2d)
"""Layers that do nothing in eval mode."""


def adjacent(
    net: nn.Module, skip: tuple[type[nn.Module], ...] = ()
) -> Iterator[tuple[str, nn.Sequential, Named, Named]]:
    """Yield each pair of successive layers of each nn.Sequential, which may change meanwhile.

    Args:
        net: a twin in eval mode.
        skip: kinds of layers to look past, such as IDLE.

    Yields:
        The block's dotted name, the block, the first layer, the second.
    """
    for path, block in list(net.named_modules()):
        if not isinstance(block, nn.Sequential):
            continue
        kept = [(name, one) for name, one in block.named_children() if not isinstance(one, skip)]
        for first, second in pairwise(kept):
            yield path, block, first, second
