"""Names of the layers one can look into."""

from __future__ import annotations

from torch import nn

from fermodels.errors import ConfigError
from fermodels.nets.networks import FERNet
from fermodels.nets.variants import VARIANTS

KINDS = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d)


def map_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return all layers that output maps, first to last, by dotted name.

    These are the convolutions and the batch norms, ReLUs and max-pools that sit in the same
    block as one: ``conv1.conv``, ``conv1.bn``, ``conv1.relu``, ``conv1.pool``, ...
    """
    found: dict[str, nn.Module] = {}
    for block, module in model.named_modules():
        children = dict(module.named_children())
        if any(isinstance(child, nn.Conv2d) for child in children.values()):
            for name, child in children.items():
                if isinstance(child, KINDS):
                    found[f"{block}.{name}" if block else name] = child
    return found


def layer_names(model: nn.Module) -> list[str]:
    """Return the names of `map_layers`."""
    return list(map_layers(model))


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
    layers = map_layers(model)
    if not layers:
        raise ConfigError(f"{type(model).__name__} has no conv layer: choose another method")
    relus = [name for name, layer in layers.items() if isinstance(layer, nn.ReLU)]
    return (relus or list(layers))[-1]


def check_layer(model: nn.Module, layer: str) -> str:
    """Return `layer` if it outputs maps.

    Raises:
        ConfigError: it does not exist, or outputs no maps; lists the choices.
    """
    names = layer_names(model)
    if layer not in names:
        raise ConfigError(f"layer {layer!r} is unknown: expected one of {', '.join(names)}")
    return layer
