"""Sanity checks: a map of what a network learned must change when the learning is undone.

Adebayo et al. 2018, "Sanity Checks for Saliency Maps", arXiv 1810.03292 (parameter
randomisation, cascading from the classifier down); Sixt et al. 2020, arXiv 1912.09818 (random
logit).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fermodels.data.emotions import EMOTIONS
from fermodels.data.samples import sample_faces
from fermodels.errors import DataError
from fermodels.explain.guard import twin
from fermodels.explain.trust_forward import to_unit
from fermodels.explain.trust_maps import Classes, Explainer, Faces
from fermodels.explain.trust_statistics import spearman, ssim

SEEDS = (0, 1)
"""Draws of random weights over which similarities are averaged."""
CALIBRATION = 64
"""Sample faces on which a random network's batch statistics are measured."""


@dataclass(frozen=True, eq=False)
class Randomisation:
    """How alike maps stay while a network's layers are replaced by noise, top to bottom.

    L stages, S seeds, N faces. Maps are compared with their signs: sizes alone stay alike
    where a method multiplies by the input, whatever the network.
    """

    layers: tuple[str, ...]
    """``(L,)``: the layer replaced last; those before it are replaced too."""
    top: int
    """The stage at which all layers above the convolutions are replaced."""
    spearman: NDArray[np.float64]
    """``(L, S, N)``: rank correlation with the original map."""
    ssim: NDArray[np.float64]
    """``(L, S, N)``: structural similarity to the original map."""
    unrelated: NDArray[np.float64]
    """``(S, N)``: rank correlation between the original map and the fully random network's map
    of another face: what two maps share that have neither weights nor face in common."""


@dataclass(frozen=True, eq=False)
class Cascade:
    """Ever more random copies of one network, from the classifier down."""

    layers: tuple[str, ...]
    """The layer made random last at each stage; those before it are random too."""
    networks: tuple[nn.Module, ...]
    """One per stage; they share the weights that are alike, and none with hooks or modes."""
    top: int
    """The stage at which all layers above the convolutions are random."""


def weight_blocks(model: nn.Module) -> list[str]:
    """Return the top-level parts that hold weights or statistics, from input to output."""
    names = [name for name, part in model.named_children() if part.state_dict()]
    return names or [""]  # a model without parts is one block


def cascade(model: nn.Module, seed: int) -> Cascade:
    """Make a model random layer by layer; the model itself is not touched.

    Each weight tensor is redrawn from a normal distribution with its own mean and spread, so
    that signals keep their size, and batch statistics are measured anew, so that no layer goes
    silent.
    """
    random = torch.Generator().manual_seed(seed)
    blocks, net = weight_blocks(model), model
    layers: list[str] = []
    networks: list[nn.Module] = []
    top = 0
    for number in range(len(blocks) - 1, -1, -1):
        net = twin(net)
        part = net.get_submodule(blocks[number])
        for weights in part.parameters():
            _redraw(weights, random)
        _measure_statistics(net, blocks[number:])
        if any(True for _ in part.parameters()):
            layers.append(blocks[number] or type(model).__name__)
            networks.append(net)
            if not any(isinstance(module, nn.Conv2d) for module in part.modules()):
                top = len(layers) - 1
    return Cascade(tuple(layers), tuple(networks), top)


@torch.no_grad()
def _redraw(weights: nn.Parameter, random: torch.Generator) -> None:
    """Give a twin's parameter values of its own; in place would write through to the model."""
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
            setattr(norm, name, values.clone())  # a twin's buffers are the model's own
        norm.reset_running_stats()
        norm.momentum = None  # the plain average of what it sees
        norm.train()
    images = sample_faces().images
    net(to_unit(net, images[:: len(images) // CALIBRATION][:CALIBRATION]))
    for norm in norms:
        norm.eval()


def randomisation(
    model: nn.Module,
    faces: Faces,
    explainer: Explainer,
    target_class: Classes,
    cascades: Sequence[Cascade] | None = None,
) -> Randomisation:
    """Explain the same faces and classes by ever more random copies of the network.

    Args:
        model: as for `fermodels.explain.attribution.explain`; it is not touched.
        faces: uint8 ``(N, 48, 48)``, at least two.
        explainer: what draws the maps.
        target_class: ``(N,)`` class indices, explained throughout.
        cascades: random copies, one cascade per seed; by default one for each of SEEDS.

    Raises:
        DataError: fewer than two faces.
    """
    if len(faces) < 2:
        raise DataError(f"{len(faces)} face: expected two or more, to compare unrelated maps")
    chosen = cascades or [cascade(model, seed) for seed in SEEDS]
    original = explainer(model, faces, target_class)
    alike, structure, unrelated = [], [], []
    for one in chosen:
        maps = [explainer(net, faces, target_class) for net in one.networks]
        alike.append([spearman(original, stage) for stage in maps])
        structure.append([ssim(original, stage) for stage in maps])
        unrelated.append(spearman(original, np.roll(maps[-1], 1, axis=0)))
    return Randomisation(
        layers=chosen[0].layers,
        top=chosen[0].top,
        spearman=np.array(alike).transpose(1, 0, 2),
        ssim=np.array(structure).transpose(1, 0, 2),
        unrelated=np.stack(unrelated),
    )


def random_logit(
    model: nn.Module, faces: Faces, explainer: Explainer, target_class: Classes, seed: int = 0
) -> NDArray[np.float64]:
    """Return how alike each face's maps of its class and of a random other one are, ``(N,)``.

    Spearman correlation, -1 to 1; lower is better: the map should depend on the question.
    """
    step = np.random.default_rng([seed, 7]).integers(1, len(EMOTIONS), len(faces))
    other = explainer(model, faces, (target_class + step) % len(EMOTIONS))
    return spearman(explainer(model, faces, target_class), other)
