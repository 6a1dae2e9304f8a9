"""What does the network say when a muscle moves? Action units -> rendered face -> probabilities.

The faces are rendered (`fermodels.data.synthetic`), so a unit can be moved alone, by a known
amount, on the same person in the same light: an experiment that photographs do not allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import t as student
from torch import nn

from fermodels.data.emotions import EMOTIONS
from fermodels.data.synthetic import FaceSpec, Pose, random_spec, render_image
from fermodels.data.synthetic.action_units import AU_NAMES, check_action_units
from fermodels.errors import ConfigError
from fermodels.nets.fernet import FERNet
from fermodels.xai.model_access import logits_of_faces, shared_weight_copy

FRONTAL = Pose(scale=1.08, shift_y=0.4)
"""Straight at the camera, as large as FER-2013 cuts faces."""

Units = Mapping[str, float]
"""Action unit -> intensity 0..1; absent units are 0."""


def frontal_person(person: int, action_units: Units | None = None) -> FaceSpec:
    """Return an invented person, seen from the front, with these action units.

    Args:
        person: draws identity, light and camera; equal numbers give equal people.
        action_units: intensities 0..1 by name, such as ``{"AU12": 0.8}``.

    Raises:
        DataError: an unknown unit, or an intensity outside 0..1.
    """
    drawn = random_spec(person, "neutral")
    return replace(drawn, pose=FRONTAL, action_units=dict(action_units or {}))


def fernet_copy(model: nn.Module) -> FERNet:
    """Return a shared-weight copy for many passes, while others use the model.

    Raises:
        ConfigError: the model is no FERNet.
    """
    if not isinstance(model, FERNet):
        raise ConfigError(f"the model is a {type(model).__name__}: expected a FERNet")
    return shared_weight_copy(model)


@dataclass(frozen=True, eq=False)
class ResponseCurves:
    """How the seven probabilities follow one action unit, over several people."""

    unit: str
    intensities: NDArray[np.float64]
    """``(G,)``, 0 to 1."""
    mean: NDArray[np.float64]
    """``(G, 7)``: mean probability over the people."""
    low: NDArray[np.float64]
    """``(G, 7)``: lower end of the 95% t interval of that mean, at least 0."""
    high: NDArray[np.float64]
    """``(G, 7)``: upper end, at most 1."""
    people: tuple[int, ...]
    """Seeds of the rendered people."""

    @property
    def effect(self) -> NDArray[np.float64]:
        """``(7,)``: mean probability at full intensity minus that at none."""
        rise: NDArray[np.float64] = self.mean[-1] - self.mean[0]
        return rise


def response_curves(
    model: nn.Module,
    unit: str,
    state: Units | None = None,
    people: Sequence[int] = tuple(range(8)),
    steps: int = 9,
) -> ResponseCurves:
    """Turn one action unit up from 0 to 1 on several people and watch all expressions.

    Args:
        model: a FERNet; it is not touched.
        unit: which one, such as ``AU12``.
        state: the other action units of the faces; its own entry for `unit` does not matter.
        people: seeds of `frontal_person`, two or more for an interval.
        steps: intensities on the grid, 2 or more. A curve takes steps x people renderings of
            about 10 ms each.

    Raises:
        DataError: an unknown unit, or an intensity outside 0..1.
        ConfigError: too few people or steps.
    """
    if len(people) < 2 or steps < 2:
        raise ConfigError(f"{len(people)} people and {steps} steps: expected 2 or more of each")
    check_action_units({unit: 0.0})
    grid, units = np.linspace(0, 1, steps), dict(state or {})
    specs = [frontal_person(p, units | {unit: float(level)}) for level in grid for p in people]
    faces = np.stack([render_image(look) for look in specs])
    logits = logits_of_faces(fernet_copy(model), faces).reshape(steps, len(people), len(EMOTIONS))
    probabilities = softmax(logits, axis=-1)
    mean = probabilities.mean(1)
    error = probabilities.std(1, ddof=1) / np.sqrt(len(people))
    half = error * student.ppf(0.975, len(people) - 1)
    return ResponseCurves(
        unit, grid, mean, np.maximum(mean - half, 0), np.minimum(mean + half, 1), tuple(people)
    )


def as_vector(units: Units) -> NDArray[np.float64]:
    """Return intensities ``(A,)`` in the order of AU_NAMES."""
    return np.array([units.get(name, 0.0) for name in AU_NAMES])


def as_units(vector: NDArray[np.float64]) -> dict[str, float]:
    """Return a vector of intensities ``(A,)`` by name, all units."""
    return dict(zip(AU_NAMES, vector.tolist(), strict=True))
