"""Names of the layers one can look into."""

from __future__ import annotations

from torch import nn

from fermodels.errors import ConfigError
from fermodels.nets.networks import FERNet
from fermodels.nets.variants import VARIANTS

KINDS = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d)


def layer_names(model: nn.Module) -> list[str]:
    """Return the dotted names of all layers that output maps, first to last.

    These are the convolutions and the batch norms, ReLUs and max-pools that sit in the same
    block as one: ``conv1.conv``, ``conv1.bn``, ``conv1.relu``, ``conv1.pool``, ...
    """
    blocks = {
        name: module
        for name, module in model.named_modules()
        if any(isinstance(child, nn.Conv2d) for child in module.children())
    }
    return [
        f"{block}.{name}" if block else name
        for block, module in blocks.items()
        for name, child in module.named_children()
        if isinstance(child, KINDS)
    ]


def target_layer(model: nn.Module) -> str:
    """Return the layer that class-activation methods weigh unless told otherwise.

    A variant's own choice, else the last ReLU among the conv blocks, else their last layer.

    Raises:
        ConfigError: the model has no conv layer.
    """
    if isinstance(model, FERNet):
        for variant in VARIANTS.values():
            if variant.config == model.config:
                return variant.target_layer
    names = layer_names(model)
    if not names:
        raise ConfigError(f"{type(model).__name__} has no conv layer: choose another method")
    relus = [name for name in names if isinstance(model.get_submodule(name), nn.ReLU)]
    return (relus or names)[-1]


def check_layer(model: nn.Module, layer: str) -> str:
    """Return `layer` if it outputs maps.

    Raises:
        ConfigError: it does not exist, or outputs no maps; lists the choices.
    """
    names = layer_names(model)
    if layer not in names:
        raise ConfigError(f"layer {layer!r} is unknown: expected one of {', '.join(names)}")
    return layer
