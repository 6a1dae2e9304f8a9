"""What a network of the paper's family is made of, as frozen, checked values.

The family is ``[Conv-(SBN)-ReLU-(Dropout)-(MaxPool)] x M - [Affine-(BN)-ReLU-(Dropout)] x N -
Affine - Softmax`` (Alizadeh & Fazel 2017, arXiv 1704.06756, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypeVar

from fermodels.data.dataset import FACE_SIDE
from fermodels.errors import ConfigError

DROPOUT_KINDS = ("channel", "element")
MAX_WIDTH = 16_384
MAX_LAYERS = 32
MAX_VALUES = 8_000_000
"""Numbers that one face may become in all layers together: 7 times deep-6's, the paper's largest.

This bound and the next hold for one's own networks too: what could be trained but not loaded would
be refused after its last epoch, not before its first.
"""
MAX_MULTIPLY_ADDS = 10_000_000_000
"""Multiplications that one face may take: 21 times deep-6's."""
HOG_FEATURES = 900
HOG_VALUES = 60_000
"""What the HOG branch keeps of one face while it works: gradients and four votes a pixel."""


def _check(ok: bool, what: str, value: object, expected: str) -> None:
    """Raise ConfigError naming the setting, the value seen and what is allowed, unless `ok`."""
    if not ok:
        raise ConfigError(f"{what} is {value!r}: expected {expected}")


def _is_int(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_probability(value: object) -> bool:
    """Whether this is a number that dropout takes: at least 0, below 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value < 1.0


@dataclass(frozen=True)
class ConvSpec:
    """One block Conv-(SBN)-ReLU-(Dropout)-(MaxPool)."""

    filters: int = 32
    """Number of output channels."""
    kernel: int = 3
    """Side of the square kernel, in pixels; odd, so that ``same`` padding is symmetric."""
    stride: int = 1
    """Step of the kernel, in pixels."""
    padding: int = -1
    """Zero-padding in pixels; -1 means ``same`` (half the kernel)."""
    batch_norm: bool = True
    """Spatial batch normalisation between convolution and ReLU."""
    dropout: float = 0.0
    """Probability of dropping a channel (or an element) while training."""
    pool: int = 2
    """Side and stride of the max-pool; 0 for none."""

    def __post_init__(self) -> None:
        _check(_is_int(self.filters, 1, MAX_WIDTH), "filters", self.filters, f"1 to {MAX_WIDTH}")
        _check(
            _is_int(self.kernel, 1, 15) and self.kernel % 2 == 1,
            "kernel",
            self.kernel,
            "odd, 1 to 15",
        )
        _check(_is_int(self.stride, 1, 8), "stride", self.stride, "1 to 8")
        _check(_is_int(self.padding, -1, 15), "padding", self.padding, "-1 (same) to 15")
        _check(_is_int(self.pool, 0, 8) and self.pool != 1, "pool", self.pool, "0 or 2 to 8")
        _check(isinstance(self.batch_norm, bool), "batch_norm", self.batch_norm, "true or false")
        _check(_is_probability(self.dropout), "conv dropout", self.dropout, "at least 0, below 1")

    @property
    def pixels_of_padding(self) -> int:
        """Padding in pixels, ``same`` resolved."""
        return self.kernel // 2 if self.padding < 0 else self.padding

    def output_side(self, side: int) -> int:
        """Side of this block's output map for a square input of `side` pixels."""
        side = (side + 2 * self.pixels_of_padding - self.kernel) // self.stride + 1
        return side // self.pool if self.pool else side


@dataclass(frozen=True)
class FCSpec:
    """One block Affine-(BN)-ReLU-(Dropout)."""

    units: int = 512
    """Number of hidden neurons."""
    batch_norm: bool = True
    """Batch normalisation between the affine layer and ReLU."""
    dropout: float = 0.0
    """Probability of dropping a neuron while training."""

    def __post_init__(self) -> None:
        _check(_is_int(self.units, 1, MAX_WIDTH), "units", self.units, f"1 to {MAX_WIDTH}")
        _check(isinstance(self.batch_norm, bool), "batch_norm", self.batch_norm, "true or false")
        _check(_is_probability(self.dropout), "FC dropout", self.dropout, "at least 0, below 1")


@dataclass(frozen=True)
class NetConfig:
    """A whole network; JSON-able through `to_dict` and `from_dict`."""

    conv: tuple[ConvSpec, ...]
    """Convolution blocks, first to last."""
    fc: tuple[FCSpec, ...]
    """Fully connected blocks, first to last."""
    hog: bool = False
    """Join soft-binned HOG features to the last conv features before the first FC block."""
    dropout_kind: Literal["channel", "element"] = "channel"
    """What conv dropout drops: whole channels (cheap, as strong) or single elements."""

    def __post_init__(self) -> None:
        _check(1 <= len(self.conv) <= MAX_LAYERS, "conv layers", len(self.conv), "1 to 32")
        _check(len(self.fc) <= MAX_LAYERS, "FC layers", len(self.fc), "0 to 32")
        _check(
            self.dropout_kind in DROPOUT_KINDS,
            "dropout_kind",
            self.dropout_kind,
            " or ".join(DROPOUT_KINDS),
        )
        _check(isinstance(self.hog, bool), "hog", self.hog, "true or false")
        sides = self.map_sides
        _check(min(sides) >= 1, "map sides", sides, "at least 1 pixel after every block")
        values, multiply_adds = self.cost
        _check(
            values <= MAX_VALUES, "number of values that one face becomes", values,
            f"at most {MAX_VALUES:,}; take fewer filters, or pool earlier",
        )  # fmt: skip
        _check(
            multiply_adds <= MAX_MULTIPLY_ADDS, "number of multiply-adds for one face",
            multiply_adds, f"at most {MAX_MULTIPLY_ADDS:,}; take fewer filters, or pool earlier",
        )  # fmt: skip

    @property
    def cost(self) -> tuple[int, int]:
        """What one face takes: values in all layers' outputs, and multiply-adds."""
        values = multiply_adds = 0
        side, channels = FACE_SIDE, 1
        for spec in self.conv:
            reach = (side + 2 * spec.pixels_of_padding - spec.kernel) // spec.stride + 1
            maps = spec.filters * reach**2
            multiply_adds += maps * channels * spec.kernel**2
            side, channels = spec.output_side(side), spec.filters
            # convolution, batch norm and ReLU each keep their maps; pooling makes smaller ones
            values += maps * (3 if spec.batch_norm else 2) + (
                channels * side**2 if spec.pool else 0
            )
        width = self.conv_features
        if self.hog:
            width += HOG_FEATURES
            values += HOG_VALUES + width
        for fc in self.fc:
            multiply_adds += width * fc.units
            values += fc.units * (3 if fc.batch_norm else 2)
            width = fc.units
        return values, multiply_adds + 7 * width

    @property
    def map_sides(self) -> tuple[int, ...]:
        """Side in pixels of each conv block's output for a 48x48 face."""
        side, sides = FACE_SIDE, []
        for spec in self.conv:
            side = spec.output_side(side) if side > 0 else 0
            sides.append(side)
        return tuple(sides)

    @property
    def conv_features(self) -> int:
        """Length of the flattened output of the last conv block."""
        return self.conv[-1].filters * self.map_sides[-1] ** 2

    def with_dropout(self, conv: float, fc: float) -> NetConfig:
        """Return a copy with these dropout probabilities in every conv and FC block."""
        return replace(
            self,
            conv=tuple(replace(spec, dropout=conv) for spec in self.conv),
            fc=tuple(replace(spec, dropout=fc) for spec in self.fc),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> NetConfig:
        """Read back what `to_dict` wrote.

        Raises:
            ConfigError: a key is missing, unknown, or of the wrong type or range.
        """
        _check_keys(cls, raw, "network config")
        try:
            conv = tuple(_spec(ConvSpec, item) for item in raw["conv"])
            fc = tuple(_spec(FCSpec, item) for item in raw["fc"])
            return cls(conv, fc, raw["hog"], raw["dropout_kind"])
        except TypeError as error:
            raise ConfigError(f"network config does not fit its schema: {error}") from error


Spec = TypeVar("Spec", ConvSpec, FCSpec)


def _check_keys(kind: type, raw: Mapping[str, Any], what: str) -> None:
    """Refuse missing and unknown keys: a config is read strictly or not at all."""
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{what} is {type(raw).__name__}: expected an object of settings")
    wanted = {field.name for field in fields(kind)}
    if set(raw) != wanted:
        missing, extra = sorted(wanted - set(raw)), sorted(set(raw) - wanted)
        raise ConfigError(f"{what} has missing keys {missing} and unknown keys {extra}")


def _spec(kind: type[Spec], raw: Mapping[str, Any]) -> Spec:
    _check_keys(kind, raw, kind.__name__)
    return kind(**raw)
