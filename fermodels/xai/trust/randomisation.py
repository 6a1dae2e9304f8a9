"""Networks whose learning is undone: a map of what was learned must not survive it.

Adebayo et al. 2018, "Sanity Checks for Saliency Maps", arXiv 1810.03292 (parameter
randomisation, from the classifier down). `fermodels.xai.trust.judge` compares the maps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from fermodels.data.samples import sample_faces
from fermodels.xai.model_access import shared_weight_copy
from fermodels.xai.trust.maps import to_unit

CALIBRATION = 64
"""Sample faces on which a random network's batch statistics are measured."""


@dataclass(frozen=True, eq=False)
class RandomCopy:
    """Two ever more random copies of one network, without its hooks and modes."""

    top: nn.Module
    """All layers above the convolutions are random, and with them every decision."""
    whole: nn.Module
    """All weights are random; it shares those above the convolutions with `top`."""


def weight_blocks(model: nn.Module) -> list[str]:
    """Return the top-level parts that hold weights or statistics, from input to output."""
    names = [name for name, part in model.named_children() if part.state_dict()]
    return names or [""]  # a model without parts is one block


def random_copy(model: nn.Module, seed: int) -> RandomCopy:
    """Make copies of a model random, from the classifier down; the model is not touched.

    Each weight tensor is redrawn from a normal distribution with its own mean and spread, so
    that signals keep their size, and batch statistics are measured anew, so that no layer goes
    silent. A model that is convolutions throughout, or has none, is random as a whole in both.
    """
    random = torch.Generator().manual_seed(seed)
    blocks = weight_blocks(model)
    convs = [number for number, name in enumerate(blocks) if _has_convolutions(model, name)]
    first = convs[-1] + 1 if convs else 0
    top = _randomised(model, blocks[first:], random) if first < len(blocks) else None
    whole = top if first == 0 else _randomised(top or model, blocks[:first], random)
    assert whole is not None
    return RandomCopy(top or whole, whole)


def random_copies(model: nn.Module, seeds: Iterable[int]) -> Iterator[RandomCopy]:
    """Make random copies one at a time: together they may need a gigabyte."""
    return (random_copy(model, seed) for seed in seeds)


def _has_convolutions(model: nn.Module, block: str) -> bool:
    return any(isinstance(part, nn.Conv2d) for part in model.get_submodule(block).modules())


def _randomised(model: nn.Module, blocks: list[str], random: torch.Generator) -> nn.Module:
    """Return a copy with random weights in these blocks, the statistics measured from there up."""
    net = shared_weight_copy(model)
    for block in reversed(blocks):
        for weights in net.get_submodule(block).parameters():
            _redraw(weights, random)
    every = weight_blocks(net)
    _measure_statistics(net, every[every.index(blocks[0]) :])
    return net


@torch.no_grad()
def _redraw(weights: nn.Parameter, random: torch.Generator) -> None:
    """Give a copy's parameter values of its own; in place would write through to the model."""
    noise = torch.randn(weights.shape, generator=random).to(weights)
    weights.data = weights.mean() + weights.std(correction=0) * noise


@torch.no_grad()
def _measure_statistics(net: nn.Module, blocks: list[str]) -> None:
    """Let the batch norms in these blocks average over sample faces; the others stay."""
    norms = [
        module
        for block in blocks
        for module in net.get_submodule(block).modules()
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d))
    ]
    if not norms:
        return
    for norm in norms:
        for name, values in norm.named_buffers():
            setattr(norm, name, values.clone())  # a copy's buffers are the model's own
        norm.reset_running_stats()
        norm.momentum = None  # the plain average of what it sees
        norm.train()
    images = sample_faces().images
    net(to_unit(net, images[:: len(images) // CALIBRATION][:CALIBRATION]))
    for norm in norms:
        norm.eval()
