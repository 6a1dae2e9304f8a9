"""From pixels of the picture to places on the resting face.

The picture is undone step by step: framing and roll, then yaw and pitch (by the parallax of a
smooth head), then the person's asymmetry, and last the movement of the skin by action units.
Face coordinates are pixels of an average FER-2013 face: ``u`` from its midline, ``v`` its rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fermodels.data.synthetic.identity import Identity
from fermodels.data.synthetic.raster import SIZE, Array, bump, pixel_grid, ramp, smooth_noise
from fermodels.data.synthetic.spec import FaceSpec, Pose

PIVOT = (24.0, 6.0)
"""Row and depth about which the head turns."""

# unit: (centre |u|, centre v, sigma u, sigma v, du at u > 0, dv): where the skin is carried.
PUSHES: dict[str, tuple[tuple[float, float, float, float, float, float], ...]] = {
    "AU1": ((3.6, 12.6, 3.0, 2.7, 0.1, -2.5), (3.5, 7.0, 4.0, 3.0, 0.0, -0.9)),
    "AU2": ((10.6, 12.8, 3.4, 2.8, 0.1, -2.3), (10.0, 8.0, 4.0, 3.0, 0.0, -0.7)),
    "AU4": ((3.8, 13.4, 2.8, 2.3, -0.9, 1.7), (8.5, 13.2, 3.2, 2.3, -0.3, 1.0)),
    "AU6": ((9.8, 23.5, 4.0, 2.8, 0.0, -1.1), (13.5, 18.5, 2.2, 3.0, -0.5, 0.3)),
    "AU9": (
        (3.6, 13.8, 2.6, 2.4, -0.4, 1.1),
        (3.4, 28.8, 2.2, 2.6, 0.6, -1.8),
        (2.6, 23.0, 2.2, 2.5, 0.0, -1.1),
    ),
    "AU10": ((3.6, 29.6, 2.2, 2.2, 0.3, -0.7), (5.5, 31.5, 2.6, 2.2, 0.3, -1.0)),
    "AU12": ((9.0, 32.0, 3.4, 3.6, 1.2, -1.9), (10.0, 25.0, 4.0, 3.0, 0.2, -0.8)),
    "AU15": ((6.6, 39.0, 2.4, 2.6, 0.2, 1.3),),
    "AU17": ((0.0, 43.0, 4.2, 2.6, 0.0, -1.6),),
    "AU20": ((8.5, 38.0, 3.6, 3.6, 1.5, 0.4),),
    "AU24": ((0.0, 38.8, 4.5, 2.4, 0.0, -0.5),),
    "AU23": ((0.0, 38.8, 4.5, 2.4, 0.0, -0.3),),
}
JAW_DROP = {"AU26": 3.4, "AU27": 7.6}
"""Fall of the chin at full intensity, pixels."""


def jaw_drop(units: dict[str, float]) -> float:
    """Return how far the chin has fallen, in pixels; the two jaw units do not add."""
    return max(JAW_DROP[name] * units[name] for name in JAW_DROP)


@dataclass(frozen=True)
class Frame:
    """Where every fine sample lies, arrays (FINE, FINE) in face pixels."""

    u: Array
    """Across the face in front of the camera, before the skin moves."""
    v: Array
    u0: Array
    """The place of the resting skin that is now here."""
    v0: Array
    side: Array
    """|u0|: most features are drawn once for both sides."""
    head_x: Array
    """Upright, centred picture coordinates for what does not turn as the face does."""
    head_y: Array


def face_frame(spec: FaceSpec) -> Frame:
    """Return the sample positions for a face."""
    units = dict(spec.action_units)
    x, y = _upright(spec.pose)
    u, v = _unturned(x, y, spec.pose, spec.identity)
    rng = np.random.default_rng([spec.identity.seed, 3])
    u = u + np.float32(0.28) * smooth_noise(rng, 2, 2)
    v = v + np.float32(0.22) * smooth_noise(rng, 2, 2)
    u0, v0 = _resting(u, v, units)
    return Frame(u, v, u0, v0, np.abs(u0), x, y)


def _upright(pose: Pose) -> tuple[Array, Array]:
    x, y = pixel_grid()
    angle = np.deg2rad(pose.roll)
    cos, sin = np.float32(np.cos(angle) / pose.scale), np.float32(np.sin(angle) / pose.scale)
    dx = x - np.float32(SIZE / 2 - 0.5 + pose.shift_x)
    dy = y - np.float32(26.0 + pose.shift_y)
    return dx * cos + dy * sin, dy * cos - dx * sin + np.float32(26.0)


def _unturned(x: Array, y: Array, pose: Pose, who: Identity) -> tuple[Array, Array]:
    """Undo yaw and pitch: x = u cos + z sin, solved for u by a few fixed-point steps."""
    yaw, pitch = np.deg2rad(pose.yaw), np.deg2rad(pose.pitch)
    u, v = x / np.float32(np.cos(yaw)), y
    for _ in range(3):
        depth = _parallax(u, v, who)
        u = (x - depth * np.float32(np.sin(yaw))) * np.float32(1.0 / np.cos(yaw))
        v = PIVOT[0] + (y - PIVOT[0] - depth * np.float32(np.sin(pitch))) * np.float32(
            1.0 / np.cos(pitch)
        )
    return u, v


def _parallax(u: Array, v: Array, who: Identity) -> Array:
    """Smooth depth of the head above the pivot, gentle enough for the steps to converge."""
    across = u * np.float32(1.0 / who.face_width)
    along = (v - 24.0) * np.float32(1.0 / 26.0)
    head = 13.0 * (1.0 - np.minimum(across * across, 1.25)) - 3.0 * along * along
    nose = 3.0 * bump(u, v, (0.0, who.nose_tip - 1.0), (2.6, 4.0))
    out: Array = (head + nose - PIVOT[1]).astype(np.float32)
    return out


def _resting(u: Array, v: Array, units: dict[str, float]) -> tuple[Array, Array]:
    """Subtract what action units carried here."""
    side, sign = np.abs(u), np.clip(u * np.float32(0.8), -1.0, 1.0)
    du, dv = np.zeros_like(u), np.zeros_like(v)
    for name, pushes in PUSHES.items():
        if units[name] == 0.0:
            continue
        for cu, cv, su, sv, px, py in pushes:
            weight = bump(side, v, (cu, cv), (su, sv)) * np.float32(units[name])
            du += weight * np.float32(px)
            dv += weight * np.float32(py)
    drop = jaw_drop(units)
    half = 6.5 + 0.5 * drop
    dv += np.float32(drop) * ramp(v - np.float32(31.0 + half), half)
    return u - du * sign, v - dv
