"""A variant of one's own: the paper's layer choices as command-line overrides of a variant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fermodels.errors import ConfigError
from fermodels.nets.config import ConvSpec, FCSpec, NetConfig

_CONV = ("filters", "kernels", "strides", "paddings", "conv_batch_norm", "pools")
_CONV_FIELDS = ("filters", "kernel", "stride", "padding", "batch_norm", "pool")


@dataclass(frozen=True)
class NetOverrides:
    """Layer settings that replace the variant's; one value stands for all layers."""

    filters: tuple[int, ...] = (0,)
    """Filters of each conv layer; their number sets the number of conv layers."""
    kernels: tuple[int, ...] = (0,)
    """Kernel side of each conv layer, in pixels."""
    strides: tuple[int, ...] = (0,)
    """Stride of each conv layer, in pixels."""
    paddings: tuple[int, ...] = (0,)
    """Zero-padding of each conv layer, in pixels; -1 for `same`."""
    pools: tuple[int, ...] = (0,)
    """Max-pool side of each conv layer; 0 for none."""
    conv_batch_norm: tuple[int, ...] = (0,)
    """Batch normalisation (1 or 0) of each conv layer."""
    hidden: tuple[int, ...] = (0,)
    """Neurons of each hidden FC layer; their number sets the number of FC layers."""
    fc_batch_norm: tuple[int, ...] = (0,)
    """Batch normalisation (1 or 0) of each FC layer."""
    hog: bool = False
    """Join HOG features before the first FC layer."""
    dropout_kind: str = "channel"
    """What conv dropout drops: channel or element."""


def _spread(values: tuple[int, ...], layers: int, flag: str) -> list[int]:
    if len(values) == 1:
        return list(values) * layers
    if len(values) != layers:
        raise ConfigError(
            f"--{flag.replace('_', '-')} has {len(values)} values for {layers} layers: "
            "give one value, or one per layer"
        )
    return list(values)


def apply_overrides(config: NetConfig, chosen: dict[str, Any]) -> NetConfig:
    """Return the network that a variant becomes under the flags that were given.

    Args:
        config: the variant's network.
        chosen: NetOverrides fields set on the command line, by name.

    Raises:
        ConfigError: value counts that do not fit, or layers out of range.
    """
    conv, fc = config.conv, config.fc
    if "filters" in chosen and len(chosen["filters"]) not in (1, len(conv)):
        conv = tuple(ConvSpec() for _ in chosen["filters"])
    for flag, name in zip(_CONV, _CONV_FIELDS, strict=True):
        if flag in chosen:
            values = _spread(tuple(chosen[flag]), len(conv), flag)
            typed: list[Any] = [bool(v) if name == "batch_norm" else v for v in values]
            conv = tuple(replace(s, **{name: v}) for s, v in zip(conv, typed, strict=True))
    if "hidden" in chosen:
        fc = tuple(FCSpec(units) for units in chosen["hidden"])
    if "fc_batch_norm" in chosen:
        values = _spread(tuple(chosen["fc_batch_norm"]), len(fc), "fc_batch_norm")
        fc = tuple(replace(s, batch_norm=bool(v)) for s, v in zip(fc, values, strict=True))
    kind = chosen.get("dropout_kind", config.dropout_kind)
    return NetConfig(conv, fc, chosen.get("hog", config.hog), kind)
