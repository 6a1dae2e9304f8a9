"""How a network is trained: one frozen, checked value, and the recipes that fill it.

Every field becomes a command-line flag (`fermodels.cli`); its docstring is the flag's help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from fermodels.errors import ConfigError
from fermodels.nets.config import ConvSpec, FCSpec, NetConfig
from fermodels.nets.variants import VARIANTS

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("constant", "cosine")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class TrainConfig:
    """One training run."""

    epochs: int = 35
    """Passes over the training faces."""
    batch_size: int = 128
    """Faces per step, over all processes together."""
    learning_rate: float = 0.01
    """Peak learning rate."""
    weight_decay: float = 1e-7
    """L2 regularisation of all weights (the paper's "regularisation")."""
    optimizer: str = "sgd"
    """sgd (Nesterov) or adamw."""
    momentum: float = 0.9
    """Nesterov momentum of sgd; first beta of adamw."""
    schedule: str = "cosine"
    """constant, or cosine decay to zero over the run; both after the warm-up."""
    warmup_epochs: float = 0.5
    """Epochs over which the learning rate rises linearly to its peak."""
    label_smoothing: float = 0.0
    """Share of the target spread evenly over the seven classes."""
    conv_dropout: float = 0.0
    """Dropout probability in every conv block."""
    fc_dropout: float = 0.0
    """Dropout probability in every FC block."""
    flip: bool = True
    """Mirror each training face with probability 1/2."""
    rotate: float = 0.0
    """Largest random rotation, in degrees."""
    scale: float = 0.0
    """Largest random zoom, as a fraction."""
    shift: float = 0.0
    """Largest random shift, as a fraction of the face's side."""
    brightness: float = 0.0
    """Largest random brightness and contrast change, as a fraction."""
    erase: int = 0
    """Side in pixels of a random square set to the mean face; 0 for none."""
    ema_decay: float = 0.0
    """Decay per step of the weight average that is evaluated and kept; 0 for none."""
    gradient_clip: float = 0.0
    """Largest gradient norm; 0 for no clipping."""
    seed: int = 0
    """Seed of initial weights, data order, augmentation and dropout."""
    precision: str = "auto"
    """auto (bf16 where it is fast), fp32 or bf16."""
    compile: bool = False
    """Compile the network with torch.compile."""

    def __post_init__(self) -> None:
        self._one_of("optimizer", OPTIMIZERS)
        self._one_of("schedule", SCHEDULES)
        self._one_of("precision", PRECISIONS)
        self._within("epochs", 1, 10_000)
        self._within("batch_size", 2, 65_536)
        self._within("learning_rate", 1e-9, 100)
        for name in ("weight_decay", "warmup_epochs", "gradient_clip"):
            self._within(name, 0, 10_000)
        for name in ("momentum", "label_smoothing", "conv_dropout", "fc_dropout", "ema_decay"):
            self._within(name, 0, 0.99999)
        for name, high in (("rotate", 180), ("scale", 0.9), ("shift", 0.9), ("brightness", 0.9)):
            self._within(name, 0, high)
        self._within("erase", 0, 48)
        self._within("seed", 0, 2**31 - 1)

    def _one_of(self, name: str, choices: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if value not in choices:
            raise ConfigError(f"{name} is {value!r}: expected one of {', '.join(choices)}")

    def _within(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not isinstance(value, int | float) or not low <= value <= high:
            raise ConfigError(f"{name} is {value!r}: expected {low:g} to {high:g}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> TrainConfig:
        """Read back what `to_dict` wrote.

        Raises:
            ConfigError: an unknown setting, or one outside its range.
        """
        unknown = sorted(set(raw) - {field.name for field in fields(cls)})
        if unknown:
            raise ConfigError(f"unknown training settings {unknown}: written by another version?")
        return cls(**raw)


# Tables 1 and 2 of the paper give epochs, batch, learning rate and regularisation. Dropout,
# optimiser and schedule are not given: these were chosen on validation. (Shallow by SGD had
# reached 50.1% validation after 10 epochs, by AdamW 48.3% after 2.)
_PAPER_SHALLOW: dict[str, Any] = {
    "epochs": 30,
    "optimizer": "adamw",
    "learning_rate": 0.001,
    "weight_decay": 1e-6,
    "conv_dropout": 0.25,
    "fc_dropout": 0.5,
}
_PAPER_DEEP: dict[str, Any] = {
    "epochs": 35,
    "learning_rate": 0.01,
    "weight_decay": 1e-7,
    "conv_dropout": 0.2,
    "fc_dropout": 0.5,
}
_STRONG_DEEP: dict[str, Any] = {
    "epochs": 60,
    "learning_rate": 0.1,
    "weight_decay": 5e-4,
    "label_smoothing": 0.1,
    "conv_dropout": 0.05,
    "fc_dropout": 0.3,
    "rotate": 10.0,
    "scale": 0.1,
    "shift": 0.08,
    "brightness": 0.2,
    "erase": 10,
    "ema_decay": 0.999,
    "warmup_epochs": 5,
    "gradient_clip": 5.0,
}
_STRONG_SHALLOW: dict[str, Any] = {
    **_STRONG_DEEP,
    "learning_rate": 0.02,
    "weight_decay": 1e-3,
    "conv_dropout": 0.0,
    "fc_dropout": 0.2,
    "rotate": 6.0,
    "scale": 0.06,
    "shift": 0.05,
    "brightness": 0.1,
    "erase": 0,
}

RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "paper": {"shallow": _PAPER_SHALLOW, "deep": _PAPER_DEEP},
    "strong": {"shallow": _STRONG_SHALLOW, "deep": _STRONG_DEEP},
}
"""Recipe -> family -> settings; everything else keeps its default."""


def recipe(name: str, variant: str) -> TrainConfig:
    """Return the settings of a recipe for a variant.

    Raises:
        ConfigError: no such recipe.
    """
    if name not in RECIPES:
        raise ConfigError(f"recipe is {name!r}: expected one of {', '.join(RECIPES)}")
    return TrainConfig(**RECIPES[name][VARIANTS[variant].family])


# --- A variant of one's own: the paper's layer choices as command-line overrides of a variant


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
