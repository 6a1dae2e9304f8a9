"""VARIANTS: the paper's six networks. One dict feeds the CLI, pickers and tests."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fermodels.nets.config import ConvSpec, FCSpec, NetConfig


@dataclass(frozen=True)
class Variant:
    """One architecture."""

    family: str
    """``shallow`` or ``deep``: variants of a family share recipes and search spaces."""
    config: NetConfig
    """The network's layers."""
    summary: str
    """One line for a picker."""


def _deep(extra: int) -> NetConfig:
    """The paper's deep net, with `extra` 512@3x3 layers before its last pooling.

    The paper does not say where its fifth and sixth layers went. Here they share the last
    6x6 map and pooling stays at four, since a 48-pixel face cannot be halved six times.
    """
    head = (ConvSpec(64, 3), ConvSpec(128, 5), ConvSpec(512, 3))
    wide = tuple(ConvSpec(512, 3, pool=0) for _ in range(extra))
    return NetConfig((*head, *wide, ConvSpec(512, 3)), (FCSpec(256), FCSpec(512)))


_SHALLOW = NetConfig((ConvSpec(32, 3, pool=0), ConvSpec(64, 3)), (FCSpec(512),))
_DEEP = _deep(extra=0)

VARIANTS: dict[str, Variant] = {
    "shallow": Variant("shallow", _SHALLOW, "2 conv layers and 1 hidden FC layer"),
    "deep": Variant("deep", _DEEP, "4 conv layers and 2 hidden FC layers"),
    "deep-5": Variant("deep", _deep(extra=1), "the deep net with a fifth conv layer"),
    "deep-6": Variant("deep", _deep(extra=2), "the deep net with a fifth and sixth layer"),
    "hybrid-shallow": Variant(
        "shallow", replace(_SHALLOW, hog=True), "the shallow net joined by HOG features"
    ),
    "hybrid-deep": Variant("deep", replace(_DEEP, hog=True), "the deep net joined by HOG features"),
}
