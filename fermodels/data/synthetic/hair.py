"""Hair, beard and spectacles."""

from __future__ import annotations

import numpy as np

from fermodels.data.synthetic.eyes import EYE_ROW
from fermodels.data.synthetic.frame import Frame
from fermodels.data.synthetic.identity import Identity
from fermodels.data.synthetic.raster import Array, bump, ramp, smooth_noise

# style: (thickness above the skull, thickness at the sides, lowest row, half width of the face
# left free at eye level)
STYLES: dict[str, tuple[float, float, float, float]] = {
    "bald": (0.0, 0.0, 18.0, 17.4),
    "short": (2.2, 0.7, 20.0, 16.2),
    "fringe": (3.0, 3.5, 80.0, 15.4),
    "long": (3.0, 4.5, 80.0, 15.8),
    "back": (1.6, 0.4, 21.0, 16.4),
}


def strands(frame: Frame, who: Identity) -> Array:
    """Return streaks, roughly -1..1, that run down from the crown."""
    rng = np.random.default_rng([who.seed, 4])
    angle = np.arctan2(frame.head_x, frame.head_y + 14.0)
    radius = np.hypot(frame.head_x, frame.head_y + 14.0)
    total = np.zeros_like(angle)
    for frequency in (23.0, 41.0, 67.0, 97.0):
        phase, drift = rng.uniform(0, 6.28), rng.uniform(-0.25, 0.25)
        total += np.sin(np.float32(frequency) * angle + np.float32(drift) * radius + phase)
    return np.asarray(total * 0.22, np.float32)


def front_hair(frame: Frame, who: Identity, streaks: Array) -> Array:
    """Return the opacity of hair in front of the face."""
    _, _, lowest, free = STYLES[who.hair_style]
    rng = np.random.default_rng([who.seed, 5])
    lean, wisp = rng.uniform(-0.12, 0.12), rng.uniform(0.4, 1.1)
    u, v = frame.u, frame.v
    ragged = np.float32(wisp) * streaks + np.float32(0.7) * smooth_noise(rng, 5, 5)
    # The free face is an arch: straight sides below the eyes, a superellipse above them.
    spring = 17.0
    rise = np.clip((spring - v) * np.float32(1.0 / (spring - who.hairline)), 0.0, 1.6)
    rise = rise * (1.0 + np.float32(lean) * u * np.float32(1.0 / free))
    across = np.abs(u) * np.float32(1.0 / free)
    power = 3.2 if who.hair_style == "fringe" else 2.4
    arch = (across**power + np.maximum(rise, 0.0) ** power) ** np.float32(1 / power)
    opening = np.float32(1.0) - arch + ragged * np.float32(1.0 / free)
    cover = ramp(-opening * np.float32(free), 1.0) * ramp(lowest + 2.0 * streaks - v, 2.0)
    out: Array = cover * _skull(frame, who)
    return out


def _skull(frame: Frame, who: Identity) -> Array:
    """Silhouette of the head with its hair."""
    top, side, lowest, _ = STYLES[who.hair_style]
    x, y = frame.head_x, frame.head_y
    # Hair follows the head's turn a little, as its silhouette is nearly round.
    half = who.face_width + 0.9 + side + 0.35 * np.maximum(y - 20.0, 0.0) * (lowest > 60.0) * 0.3
    up = np.clip((20.0 - y) * np.float32(1.0 / (24.0 + top)), 0.0, 1.0)
    width = half * np.sqrt(np.maximum(1.0 - up**2.4, 1e-4))
    return ramp(width - np.abs(x), 0.7)


def back_hair(frame: Frame, who: Identity) -> Array:
    """Return the opacity of hair behind the face and neck."""
    _, _, lowest, _ = STYLES[who.hair_style]
    return _skull(frame, who) * ramp(lowest - frame.head_y, 2.0)


def hair_shade(frame: Frame, who: Identity, streaks: Array) -> Array:
    """Return the light that hair sends back, relative to its albedo."""
    radius = np.hypot(frame.head_x * 0.9, frame.head_y - 16.0)
    sheen = np.exp(-(((radius - 17.0 - 1.5 * streaks) / 3.0) ** 2))
    out: Array = (0.8 + 0.3 * streaks + 0.8 * sheen * (1.0 + 0.7 * streaks)).clip(0.15, 3.0)
    return out


def beard(frame: Frame, who: Identity) -> Array:
    """Return the opacity of moustache and beard."""
    if who.beard == 0.0:
        return np.zeros_like(frame.u)
    x, v, row = frame.side, frame.v0, who.mouth_row
    rng = np.random.default_rng([who.seed, 6])
    jaw = ramp(v - (row + 3.2 - 0.9 * np.maximum(x - 5.0, 0.0) ** 1.0), 1.6)
    jaw = jaw * ramp(v - 27.0, 4.0)
    moustache = bump(x, v, (2.6, row - 3.1), (3.6, 1.1)) * 1.2 + bump(
        x, v, (7.6, row + 1.0), (1.1, 3.0)
    )
    cover = np.clip(np.maximum(jaw, moustache), 0.0, 1.0)
    grain = 0.75 + 0.25 * rng.standard_normal(cover.shape).astype(np.float32).clip(-1.5, 1.5)
    out: Array = np.clip(cover * grain * who.beard, 0.0, 0.92)
    return out


def glasses(frame: Frame, who: Identity) -> Array:
    """Return the opacity of a spectacle frame."""
    if who.glasses == 0.0:
        return np.zeros_like(frame.u)
    x, y = np.abs(frame.u) - np.float32(who.eye_spacing + 0.1), frame.v - np.float32(EYE_ROW + 0.6)
    round_box = (np.abs(x / 5.2) ** 3.2 + np.abs(y / 3.9) ** 3.2) ** np.float32(1 / 3.2)
    ring = np.exp(-(((round_box - 1.0) * 4.4 / (who.glasses + 0.12)) ** 2))
    bridge = np.exp(-(((frame.v - EYE_ROW + 0.9) / (who.glasses + 0.1)) ** 2))
    bridge = bridge * ramp(2.6 - np.abs(frame.u), 0.3)
    arm = np.exp(-(((frame.v - EYE_ROW + 0.4) / 0.45) ** 2)) * ramp(np.abs(frame.u) - 12.6, 0.3)
    arm = arm * ramp(17.0 - np.abs(frame.u), 0.5)
    out: Array = np.maximum(np.maximum(ring, bridge), arm) * 0.9
    return out
