"""Eyes, lids, lashes and brows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fermodels.data.synthetic.frame import Frame
from fermodels.data.synthetic.identity import Identity
from fermodels.data.synthetic.raster import Array, bump, ramp
from fermodels.data.synthetic.spec import Pose

EYE_ROW = 18.0


@dataclass(frozen=True)
class Eyes:
    """Masks 0..1 and bumps of both eyes, arrays (FINE, FINE)."""

    opening: Array
    iris: Array
    pupil: Array
    glint: Array
    shade: Array
    """Light left on the eyeball under lid and in the corners."""
    lash: Array
    crease: Array
    """Fold above the upper lid and edge below the lower one."""
    relief: Array
    brow: Array


def lid_heights(who: Identity, a: dict[str, float]) -> tuple[float, float]:
    """Return how far the upper lid stands above, and the lower below, the eye's axis; pixels."""
    upper = who.eye_opening * (
        1.12 + 0.9 * a["AU5"] - 0.42 * a["AU7"] - 0.12 * a["AU4"] - 0.2 * a["AU6"] - 0.42 * a["AU9"]
    )
    lower = who.eye_opening * (
        0.95 + 0.15 * a["AU5"] - 0.45 * a["AU7"] - 0.42 * a["AU6"] - 0.45 * a["AU9"]
    )
    closed = a["AU43"]
    return upper - closed * (upper + 0.75 * lower), lower * (1.0 - 0.25 * closed)


def draw_eyes(frame: Frame, who: Identity, pose: Pose, a: dict[str, float]) -> Eyes:
    """Return the masks of eyes and brows at every fine sample."""
    upper, lower = lid_heights(who, a)
    x = np.abs(frame.u) - np.float32(who.eye_spacing)
    y = frame.v - np.float32(EYE_ROW) + np.float32(who.eye_tilt) * x
    t = x * np.float32(1.0 / who.eye_width)
    arc = np.clip(1.0 - t * t, 0.0, 1.0)
    lid_top = -upper * arc**0.7 * (1.0 - 0.14 * t)
    lid_low = lower * arc**0.85 * (1.0 + 0.18 * t)
    within = ramp(1.0 - np.abs(t), 0.06)
    opening = ramp(y - lid_top, 0.22) * ramp(lid_low - y, 0.22) * within
    opening *= ramp(lid_low - lid_top - 0.25, 0.25)
    iris, pupil, glint = _iris(frame, who, pose)
    shade = (0.4 + 0.6 * ramp(y - lid_top - 0.6, 0.8)) * (1.0 - 0.55 * np.abs(t) ** 3)
    return Eyes(
        opening, iris, pupil, glint, shade,
        lash=_lashes(who, y, t, lid_top, lid_low),
        crease=_creases(who, a, y, t, lid_top, lid_low),
        relief=_lid_relief(x, y, arc, lid_top),
        brow=draw_brows(frame, who, a),
    )  # fmt: skip


def _iris(frame: Frame, who: Identity, pose: Pose) -> tuple[Array, Array, Array]:
    # The gaze shifts before folding, so that both eyes look the same way.
    x = np.abs(frame.u - np.float32(pose.gaze_x)) - np.float32(who.eye_spacing)
    y = frame.v - np.float32(EYE_ROW - 0.15 + pose.gaze_y)
    radius = np.sqrt(x * x + y * y)
    iris = ramp(1.6 - radius, 0.3)
    pupil = ramp(0.62 - radius, 0.25)
    signed = frame.u - np.sign(frame.u) * np.float32(who.eye_spacing) - np.float32(pose.gaze_x)
    glint = bump(signed, y, (-0.5, -0.5), (0.25, 0.25))
    return iris, pupil, glint


def _lashes(who: Identity, y: Array, t: Array, lid_top: Array, lid_low: Array) -> Array:
    reach = ramp(1.08 - np.abs(t), 0.12)
    thick = np.float32(0.42 + 0.28 * who.lash) * (1.0 + 0.25 * t)
    upper = np.exp(-(((y - lid_top + 0.05) / thick) ** 2)) * (0.75 + 0.25 * who.lash)
    lower = np.exp(-(((y - lid_low - 0.05) / 0.3) ** 2)) * (0.22 + 0.3 * who.lash)
    out: Array = np.maximum(upper, lower * (0.6 + 0.4 * t)) * reach
    return out


def _creases(
    who: Identity, a: dict[str, float], y: Array, t: Array, lid_top: Array, lid_low: Array
) -> Array:
    reach = ramp(1.12 - np.abs(t), 0.25)
    lift = 0.5 + 0.75 * who.lid_crease + 0.35 * a["AU1"] - 0.4 * a["AU4"] - 0.45 * a["AU5"]
    fold = np.exp(-(((y - lid_top + max(lift, 0.35)) / 0.36) ** 2)) * min(who.lid_crease, 1.0)
    bag_strength = 0.2 + 0.5 * who.age + 0.7 * a["AU6"] + 0.6 * a["AU7"] + 0.5 * a["AU9"]
    bag = np.exp(-(((y - lid_low - 1.5) / 0.5) ** 2)) * min(bag_strength, 1.0)
    out: Array = np.maximum(fold * 0.7, 0.55 * bag) * reach
    return out


def _lid_relief(x: Array, y: Array, arc: Array, lid_top: Array) -> Array:
    ball = bump(x, y, (0.0, 0.0), (2.6, 2.0)) * 1.3
    hood = np.exp(-(((y - lid_top + 0.45) / 0.5) ** 2)) * arc**0.5 * 0.25
    out: Array = ball + hood
    return out


def draw_brows(frame: Frame, who: Identity, a: dict[str, float]) -> Array:
    """Return the opacity of the brows' hair, 0..1."""
    x, y = frame.side, frame.v0
    s = (x - np.float32(2.9)) * np.float32(1.0 / 9.6)
    row = who.brow_height + 0.35 - who.brow_arch * (1.0 - ((s - 0.66) / 0.66) ** 2)
    half = who.brow_thickness * np.clip(1.15 - 0.75 * s, 0.3, 1.1)
    along = ramp(s - 0.02, 0.07) * ramp(1.0 - s, 0.12)
    across = np.exp(-(np.abs((y - row) / half) ** 2.6))
    strands = 0.86 + 0.14 * np.sin(x * np.float32(5.1) + y * np.float32(3.0))
    # Corrugator bunches the brow's inner end, which looks darker.
    out: Array = np.clip(along * across * strands * (who.brow_darkness + 0.1 * a["AU4"]), 0.0, 1.0)
    return out
