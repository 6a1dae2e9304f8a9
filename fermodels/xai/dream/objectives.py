"""OBJECTIVES: what a dream may want more of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fermodels.data.dataset import FACE_SIDE
from fermodels.errors import ConfigError
from fermodels.nets.fernet import FERNet
from fermodels.xai.dream.parameterisations import resize
from fermodels.xai.model_access import check_layer, layer_names, outputs_of, target_layer


@dataclass(frozen=True)
class DreamTarget:
    """An objective with everything decided."""

    objective: str
    layer: str = ""
    """Dotted layer name; empty if the objective looks at logits only."""
    channel: int = 0
    position: tuple[int, int] = (0, 0)
    """Row and column of a neuron in its map."""
    target: int = 0
    contrast: int = 0


Measure = Callable[[Tensor, Tensor, DreamTarget], Tensor]
"""``(logits (N, 7), maps (N, C, h, w), aim)`` -> ``(N,)``; maps are the logits if not needed."""


@dataclass(frozen=True)
class Objective:
    """One thing to maximise, describing itself."""

    name: str
    title: str
    help: str
    needs: tuple[str, ...]
    """Which of layer, channel, position, target, contrast it looks at."""
    source: str
    measure: Measure
    jitter: int
    """Random shift in pixels that suits it: less than what it looks at is wide."""
    blur: float
    """Blur of the steps in pixels that suits it."""


def layer(_logits: Tensor, maps: Tensor, _dream_target: DreamTarget) -> Tensor:
    """Whatever the layer already sees, more of it: half the mean squared activation.

    The original DeepDream. Early layers give strokes, late ones parts of faces.
    """
    return (maps**2).mean((1, 2, 3)) / 2


def channel(_logits: Tensor, maps: Tensor, dream_target: DreamTarget) -> Tensor:
    """The mean activation of one channel: the texture or part that this filter looks for.

    Behind the ReLU it wants strong responses anywhere; before it, no place may object. A channel
    that is silent everywhere passes no gradient: then take the layer before the ReLU.
    """
    return maps[:, dream_target.channel].mean((1, 2))


def neuron(_logits: Tensor, maps: Tensor, dream_target: DreamTarget) -> Tensor:
    """One channel at one place: what it wants to see right there.

    Taken before the ReLU, since a silent unit passes no gradient behind it.
    """
    row, column = dream_target.position
    return maps[:, dream_target.channel, row, column]


def class_(logits: Tensor, _maps: Tensor, dream_target: DreamTarget) -> Tensor:
    """The logit of a class: the most typical face of an expression, to this model."""
    return logits[:, dream_target.target]


def difference(logits: Tensor, _maps: Tensor, dream_target: DreamTarget) -> Tensor:
    """One class's logit minus another's: what turns the one expression into the other."""
    return logits[:, dream_target.target] - logits[:, dream_target.contrast]


_DEEPDREAM = "Mordvintsev et al. 2015, Inceptionism"
_CIRCUITS = "Olah et al. 2017, doi 10.23915/distill.00007"
_SIMONYAN = "Simonyan et al. 2014, arXiv 1312.6034, section 2"


def _objective(
    measure: Measure, title: str, source: str, *needs: str, jitter: int = 3, blur: float = 1.0
) -> Objective:
    name, text = measure.__name__.rstrip("_"), inspect.getdoc(measure) or ""
    return Objective(name, title, text, needs, source, measure, jitter, blur)


OBJECTIVES: dict[str, Objective] = {
    entry.name: entry
    for entry in (
        _objective(class_, "Expression", _SIMONYAN, "target"),
        _objective(difference, "Expression A, not B", _SIMONYAN, "target", "contrast"),
        _objective(layer, "Whole layer (DeepDream)", _DEEPDREAM, "layer", jitter=2, blur=0.5),
        _objective(channel, "Channel", _CIRCUITS, "layer", "channel", jitter=2, blur=0.5),
        _objective(neuron, "Neuron", _CIRCUITS, "layer", "channel", "position", jitter=0, blur=0.5),
    )
}
"""Objectives by name, in the order a picker shows them."""


def pick_objective(name: str) -> Objective:
    """Return an objective.

    Raises:
        ConfigError: unknown; lists the choices.
    """
    if name not in OBJECTIVES:
        raise ConfigError(f"objective {name!r} is unknown: expected {', '.join(OBJECTIVES)}")
    return OBJECTIVES[name]


def evaluate(net: nn.Module, image: Tensor, dream_target: DreamTarget) -> tuple[Tensor, Tensor]:
    """Return objective ``(N,)`` and logits ``(N, 7)`` of images ``(N, 1, s, s)``, with graph.

    On a canvas other than 48 pixels only the conv layers are run, and the logits are empty,
    ``(N, 0)``. The net must have been stretched to it: see `stretched`.
    """
    with outputs_of(net, [dream_target.layer] if dream_target.layer else []) as outputs:
        if image.shape[-1] == FACE_SIDE:
            logits = net(image)
        else:
            _conv_maps(net, image)
            logits = image.new_empty(len(image), 0)
    return pick_objective(dream_target.objective).measure(
        logits, outputs.get(dream_target.layer, logits), dream_target
    ), logits


def _conv_maps(net: nn.Module, image: Tensor) -> Tensor:
    if not isinstance(net, FERNet):
        raise ConfigError(
            f"the model is a {type(net).__name__}: a canvas of {image.shape[-1]} pixels needs a "
            f"FERNet; dream at {FACE_SIDE}"
        )
    return net.conv_maps(image)


@contextmanager
def stretched(net: nn.Module, side: int) -> Iterator[None]:
    """Let a copy subtract its mean face from pictures of `side` pixels; undone afterwards."""
    mean = getattr(net, "mean_face", None)
    if not isinstance(mean, Tensor) or side == mean.shape[-1]:
        yield
        return
    net.mean_face = resize(mean, side)
    try:
        yield
    finally:
        net.mean_face = mean


def decide(
    net: nn.Module,
    start: Tensor,
    objective: str,
    layer: str | None,
    channel: int | None,
    position: tuple[int, int] | None,
    target: int | None,
    contrast: int | None,
) -> DreamTarget:
    """Fill in what was left open, by looking at how the network sees the start image.

    A missing target becomes the predicted class, a missing layer the variant's target layer (what
    feeds its ReLU for a neuron), a missing channel the one that responds most, a missing position
    the centre.

    Raises:
        ConfigError: something needed is missing or does not exist.
    """
    needs = pick_objective(objective).needs
    name = ""
    if "layer" in needs:
        default = before_relu if "position" in needs else target_layer
        name = default(net) if layer is None else check_layer(net, layer)
    with torch.no_grad(), outputs_of(net, [name] if name else []) as outputs:
        logits = net(start) if start.shape[-1] == FACE_SIDE else _conv_maps(net, start)
    if "target" in needs and target is None:
        target = int(logits[0].argmax())
    if "contrast" in needs and (contrast is None or contrast == target):
        raise ConfigError(
            f"objective {objective!r} has contrast {contrast} and target {target}: "
            "give two different classes"
        )
    if "channel" in needs:
        channel, position = _unit(outputs[name][0], name, channel, position)
    return DreamTarget(
        objective, name, channel or 0, position or (0, 0), target or 0, contrast or 0
    )


def _unit(
    maps: Tensor, layer: str, channel: int | None, position: tuple[int, int] | None
) -> tuple[int, tuple[int, int]]:
    channels, height, width = maps.shape
    if channel is None:
        channel = int(maps.mean((1, 2)).argmax())
    row, column = (height // 2, width // 2) if position is None else position
    if not 0 <= channel < channels:
        raise ConfigError(f"channel is {channel}: {layer} has channels 0 to {channels - 1}")
    if not (0 <= row < height and 0 <= column < width):
        raise ConfigError(f"position is {(row, column)}: {layer} has maps of {height}x{width}")
    return channel, (row, column)


def before_relu(model: nn.Module) -> str:
    """Return the layer that feeds the target layer's ReLU: units there always pass a gradient."""
    target, names = target_layer(model), layer_names(model)
    feeder = names[max(0, names.index(target) - 1)]
    is_relu = isinstance(model.get_submodule(target), nn.ReLU)
    return feeder if is_relu and feeder.rpartition(".")[0] == target.rpartition(".")[0] else target
