"""Everything that decides a synthetic face, and how such decisions are drawn from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fermodels.data.synthetic.action_units import check_action_units
from fermodels.data.synthetic.emfacs import Prototype, prototypes
from fermodels.data.synthetic.identity import Identity, random_identity


@dataclass(frozen=True)
class Pose:
    """Where the head is and looks. Angles in degrees, shifts in pixels."""

    yaw: float = 0.0
    """Positive turns the nose to the picture's right."""
    pitch: float = 0.0
    """Positive lowers the nose."""
    roll: float = 0.0
    """Positive turns the head clockwise in the picture."""
    scale: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    gaze_x: float = 0.0
    """Shift of the irises, in pixels."""
    gaze_y: float = 0.0


@dataclass(frozen=True)
class Light:
    """Illumination and exposure. Angles in degrees."""

    azimuth: float = 20.0
    """Key light, positive from the picture's right."""
    elevation: float = 35.0
    """Key light above the horizon."""
    key: float = 1.0
    """Strength of the key light."""
    ambient: float = 0.45
    """Strength of the light from all around."""
    softness: float = 0.3
    """0 a bare bulb, 1 an overcast sky."""
    specular: float = 0.3
    """Shine of the skin."""
    exposure: float = 1.0
    """Factor on all light."""
    contrast: float = 1.0
    """Slope of the tone curve about mid grey."""


@dataclass(frozen=True)
class Camera:
    """Sensor and background."""

    blur: float = 0.35
    """Standard deviation of the lens blur, pixels."""
    noise: float = 1.5
    """Standard deviation of sensor noise, grey levels."""
    background: float = 0.3
    """Mean linear brightness behind the head."""
    clutter: float = 0.3
    """Contrast of what is behind the head."""
    seed: int = 0
    """Draws noise and background."""


@dataclass(frozen=True)
class FaceSpec:
    """All that decides a synthetic face; equal specs render equal pixels."""

    identity: Identity
    action_units: Mapping[str, float] = field(default_factory=dict)
    """Unit -> intensity 0..1; absent units are 0."""
    pose: Pose = field(default_factory=Pose)
    light: Light = field(default_factory=Light)
    camera: Camera = field(default_factory=Camera)

    def __post_init__(self) -> None:
        object.__setattr__(self, "action_units", check_action_units(self.action_units))


def random_spec(seed: int, emotion: str | int | None = None) -> FaceSpec:
    """Draw a person, an expression, a pose and a light.

    Args:
        seed: equal seeds give equal specs; the person, pose and light depend on nothing else.
        emotion: name or label 0..6; None draws one of the seven.

    Raises:
        DataError: no such expression.
    """
    rng = np.random.default_rng([seed, 2])
    drawn = int(rng.integers(7))
    identity = random_identity(seed)
    pose, light = _pose(rng), _light(rng, identity.skin)
    camera = Camera(
        blur=round(float(rng.uniform(0.15, 0.5)), 4),
        noise=round(float(rng.uniform(0.5, 3.0)), 4),
        background=round(float(rng.choice([0.06, 0.2, 0.4, 0.75]) * rng.uniform(0.7, 1.2)), 4),
        clutter=round(float(rng.uniform(0.0, 0.6)), 4),
        seed=seed,
    )
    chosen = prototypes(drawn if emotion is None else emotion)
    return FaceSpec(identity, _intensities(rng, chosen), pose, light, camera)


def _intensities(rng: np.random.Generator, chosen: tuple[Prototype, ...]) -> dict[str, float]:
    """One prototype, its intensities varied together and apart."""
    weights = np.array([prototype.weight for prototype in chosen])
    picked = chosen[int(rng.choice(len(chosen), p=weights / weights.sum()))]
    strength = rng.uniform(0.85, 1.1)
    return {
        name: round(float(np.clip(mean * strength * rng.uniform(0.9, 1.12), 0.0, 1.0)), 4)
        for name, mean in picked.action_units.items()
    }


def _pose(rng: np.random.Generator) -> Pose:
    def normal(spread: float, reach: float = 2.0) -> float:
        return round(spread * float(np.clip(rng.standard_normal(), -reach, reach)), 4)

    yaw = normal(10.0)
    return Pose(
        yaw=yaw,
        pitch=normal(4.0),
        roll=normal(5.0),
        scale=round(1.08 + normal(0.06), 4),
        shift_x=normal(1.0),
        shift_y=round(0.4 + normal(1.0), 4),
        gaze_x=round(-0.025 * yaw + normal(0.2), 4),
        gaze_y=normal(0.1),
    )


def _light(rng: np.random.Generator, skin: float) -> Light:
    """Exposure follows the skin only in part, as cameras do."""
    target = float(np.exp(rng.normal(np.log(0.41), 0.24)))
    key, ambient = float(rng.uniform(0.7, 1.2)), float(rng.uniform(0.15, 0.45))
    received = (0.7 * skin + 0.3 * 0.38) * (0.75 * key + 0.8 * ambient)
    return Light(
        azimuth=round(float(np.clip(rng.normal(0, 32), -65, 65)), 4),
        elevation=round(float(np.clip(rng.normal(27, 13), 0, 60)), 4),
        key=round(key, 4),
        ambient=round(ambient, 4),
        softness=round(float(rng.uniform(0.2, 0.8)), 4),
        specular=round(float(rng.uniform(0.1, 0.5)), 4),
        exposure=round(target / received, 4),
        contrast=round(float(rng.uniform(1.2, 1.6)), 4),
    )
