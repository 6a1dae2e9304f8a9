"""Batch norms merged into the convolutions before them: the same function, fewer passes."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def quicken(net: nn.Module) -> None:
    """Prepare a twin for many passes: batch norms folded, channels last; the same function.

    A fifth and a tenth of a pass on a CPU; the copies of the weights cost about one.
    """
    fold_batch_norms(net)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # in no stub


def fold_batch_norms(net: nn.Module) -> None:
    """Merge each 2-D batch norm of a twin into the convolution before it; twice does no harm.

    Both must follow each other in one nn.Sequential; others stay as they are. The batch norms'
    places are kept by identities, so all names stay.

    Args:
        net: a twin in eval mode; the weights it shares are not touched, merged ones are new.
    """
    for block in list(net.modules()):
        if not isinstance(block, nn.Sequential):
            continue
        for (name, layer), (after, norm) in pairwise(list(block.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                block.set_submodule(name, fuse_conv_bn_eval(layer, norm))
                block.set_submodule(after, nn.Identity())
