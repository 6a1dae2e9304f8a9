"""The settings of a dream, checked, and presets of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from fermodels.data.dataset import FACE_SIDE
from fermodels.errors import ConfigError
from fermodels.xai.dream.objectives import pick_objective
from fermodels.xai.dream.parameterisations import PARAMETERISATIONS


@dataclass(frozen=True)
class DreamSettings:
    """How to dream; every field can be given to `dream` by name."""

    objective: str = "class"
    """A name in OBJECTIVES."""
    target: int | str | None = None
    """Class to strengthen; None for the one predicted at the start."""
    contrast: int | str | None = None
    """Class to weaken, for the objective ``difference``."""
    layer: str | None = None
    """Dotted layer name; None for the variant's target layer (before its ReLU for a neuron)."""
    channel: int | None = None
    """Channel; None for the one that responds most to the start."""
    position: tuple[int, int] | None = None
    """Row and column of a neuron; None for the centre of the map."""
    parameterisation: str = "pixel"
    """A name in PARAMETERISATIONS."""
    octaves: tuple[int, ...] = (24, 34, 48)
    """Sides in pixels of the detail, in order; each is resized to the picture."""
    canvas: int = FACE_SIDE
    """Side of the picture in pixels, 48 to 192. Logits need 48; what looks at conv layers only may
    dream larger, so that more of a pattern fits in."""
    steps: int = 20
    """Steps per octave."""
    step_size: float = 0.02
    """RMS grey change of an octave's first step, falling to a quarter; 1 is black to white."""
    jitter: int | None = None
    """Largest random shift in pixels; None for what suits the objective (see `reach`). More than
    4 blurs a face's parts into each other."""
    blur: float | None = None
    """Gaussian blur of each step, in pixels of the octave, falling to a quarter within it; None
    for what suits the objective (see `smoothing`)."""
    tv: float = 0.1
    """Weight of smoothness (total variation) against the objective."""
    noise: float = 0.01
    """Standard deviation of the noise added to the start."""
    seed: int = 0
    """Fixes shifts and noise."""
    every: int = 4
    """Keep a frame every so many steps; 0 keeps the first and the last."""

    def __post_init__(self) -> None:
        pick_objective(self.objective)
        object.__setattr__(self, "octaves", tuple(self.octaves))  # JSON and URLs bring lists
        _check(
            self.parameterisation in PARAMETERISATIONS,
            "parameterisation",
            self.parameterisation,
            " or ".join(PARAMETERISATIONS),
        )
        octaves = self.octaves
        _check(1 <= len(octaves) <= 12, "octaves", octaves, "1 to 12 sides")
        _check(
            all(_is_int(s, 8, 192) for s in octaves), "octaves", octaves, "sides of 8 to 192 pixels"
        )
        _check(_is_int(self.canvas, FACE_SIDE, 192), "canvas", self.canvas, "48 to 192 pixels")
        if self.canvas != FACE_SIDE and "layer" not in pick_objective(self.objective).needs:
            raise ConfigError(
                f"canvas is {self.canvas} for objective {self.objective!r}: logits need "
                f"{FACE_SIDE} pixels; choose layer, channel or neuron"
            )
        _check(_is_int(self.steps, 1, 1000), "steps", self.steps, "1 to 1000")
        _check(0 < self.step_size <= 0.5, "step_size", self.step_size, "above 0, at most 0.5")
        _check(_is_int(self.reach, 0, 16), "jitter", self.jitter, "0 to 16 pixels")
        _check(0 <= self.smoothing <= 8, "blur", self.blur, "0 to 8 pixels")
        _check(0 <= self.tv <= 10, "tv", self.tv, "0 to 10")
        _check(0 <= self.noise <= 1, "noise", self.noise, "0 to 1")
        _check(_is_int(self.seed, 0, 2**63 - 1), "seed", self.seed, "0 to 2^63 - 1")
        _check(_is_int(self.every, 0, 12_000), "every", self.every, "0 to 12000")

    @property
    def reach(self) -> int:
        """Largest random shift in pixels."""
        return pick_objective(self.objective).jitter if self.jitter is None else self.jitter

    @property
    def smoothing(self) -> float:
        """Blur of each step at an octave's start, in pixels of the octave."""
        return pick_objective(self.objective).blur if self.blur is None else self.blur


def _is_int(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _check(ok: bool, what: str, value: object, expected: str) -> None:
    if not ok:
        raise ConfigError(f"{what} is {value!r}: expected {expected}")


def settings_of(objective: str, seed: int, given: Mapping[str, Any]) -> DreamSettings:
    """Build settings from keyword arguments.

    Raises:
        ConfigError: an unknown name or a value out of range; lists the choices.
    """
    known = [field.name for field in fields(DreamSettings)]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ConfigError(f"dream has no setting {unknown[0]!r}: expected {', '.join(known)}")
    try:
        return DreamSettings(objective=objective, seed=seed, **given)
    except TypeError as error:
        raise ConfigError(f"a dream setting is of the wrong type: {error}") from error


@dataclass(frozen=True)
class DreamPreset:
    """A named dream; its settings are keyword arguments of `dream`."""

    name: str
    title: str
    help: str
    settings: Mapping[str, Any]


DREAM_PRESETS: dict[str, DreamPreset] = {
    preset.name: preset
    for preset in (
        DreamPreset(
            "portrait",
            "Portrait of an expression",
            "From the average face to the model's idea of one expression.",
            {"objective": "class", "octaves": (24, 34, 48), "steps": 20},
        ),
        DreamPreset(
            "figure-11",
            "Figure 11 of the paper",
            "From one face per expression towards its own label; see `dream_of_each`.",
            {"objective": "class", "octaves": (24, 34, 48), "steps": 20, "noise": 0.0},
        ),
        DreamPreset(
            "deepdream",
            "DeepDream",
            "The original recipe: whatever a layer sees in this face, more of it.",
            {
                "objective": "layer",
                "octaves": (24, 34, 48),
                "steps": 10,
                "step_size": 0.015,
                "tv": 0.02,
            },
        ),
        DreamPreset(
            "channel",
            "Channel",
            "From noise to the pattern that excites one channel, in Fourier waves.",
            {"objective": "channel", "parameterisation": "fourier", "octaves": (48,), "steps": 40},
        ),
        DreamPreset(
            "wide-channel",
            "Channel (larger field)",
            "The same on a canvas of 96 pixels, where more of the pattern fits in.",
            {
                "objective": "channel",
                "parameterisation": "fourier",
                "canvas": 96,
                "octaves": (48, 96),
                "steps": 20,
            },
        ),
        DreamPreset(
            "turn",
            "Turn one expression into another",
            "The smallest strokes that trade one class's logit for another's.",
            {"objective": "difference", "step_size": 0.012, "steps": 16},
        ),
        DreamPreset(
            "quick",
            "Fast preview",
            "One octave, few steps: under a second.",
            {"objective": "class", "octaves": (48,), "steps": 12, "step_size": 0.03},
        ),
    )
}
"""Presets by name."""
