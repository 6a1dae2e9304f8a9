"""The mouth: four curves that action units bend, and what shows between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fermodels.data.synthetic.frame import Frame, jaw_drop
from fermodels.data.synthetic.identity import Identity
from fermodels.data.synthetic.raster import Array, bump, ramp


@dataclass(frozen=True)
class Mouth:
    """Masks 0..1 and bumps of the mouth, arrays (FINE, FINE)."""

    upper_lip: Array
    lower_lip: Array
    opening: Array
    line: Array
    """Darkness where closed lips meet and at the corners."""
    teeth: Array
    tongue: Array
    depth: Array
    """0 at the lips' edge, 1 deep inside the opening."""
    relief: Array
    """Height of the lips above the skin, pixels."""
    half_width: float
    corner_row: float


@dataclass(frozen=True)
class MouthShape:
    """Numbers that the curves need, pixels."""

    half_width: float
    row: float
    bend: float
    """Corner row minus centre row, spread over the whole width."""
    droop: float
    """The same, at the corners only."""
    gap_up: float
    gap_down: float
    roundness: float
    upper: float
    lower: float
    press: float
    drop: float


def mouth_shape(who: Identity, a: dict[str, float]) -> MouthShape:
    """Return the mouth that these units make of this person's."""
    drop = jaw_drop(a)
    stretch = (
        1.0
        + 0.38 * a["AU12"] + 0.26 * a["AU20"] + 0.06 * a["AU10"] + 0.08 * a["AU16"]
        - 0.05 * a["AU26"] - 0.22 * a["AU27"] - 0.10 * a["AU23"] - 0.08 * a["AU24"]
        - 0.04 * a["AU17"] + 0.03 * a["AU15"]
    )  # fmt: skip
    part = max(a["AU25"], 0.35 * a["AU26"], a["AU27"], 0.5 * a["AU16"])
    open_by_jaw = drop * (0.25 + 0.75 * part)
    squeeze = (1.0 - 0.5 * a["AU24"]) * (1.0 - 0.35 * a["AU23"])
    stretched = 1.0 - 0.3 * a["AU12"] - 0.25 * a["AU20"]
    return MouthShape(
        half_width=who.mouth_width * stretch,
        row=who.mouth_row - 0.5 * a["AU10"] - 0.4 * a["AU9"] - 1.2 * a["AU17"] + 0.3 * a["AU12"]
        + 0.12 * drop,
        bend=-0.15 - 3.5 * a["AU12"] + 0.9 * a["AU15"] + 1.1 * a["AU17"] + 0.6 * a["AU20"]
        + 0.5 * a["AU10"] + 0.4 * a["AU9"] + 0.28 * drop,
        droop=1.9 * a["AU15"] + 0.2 * a["AU24"] + 0.3 * a["AU20"],
        gap_up=part * (0.3 + 1.1 * a["AU12"] + 0.3 * a["AU20"]) + 1.0 * a["AU10"] * part
        + 0.35 * a["AU9"] * part + 0.10 * open_by_jaw,
        gap_down=part * (0.85 + 1.25 * a["AU12"] + 0.4 * a["AU20"] + 1.3 * a["AU16"])
        + 0.95 * open_by_jaw,
        roundness=0.62 - 0.12 * a["AU27"] - 0.1 * a["AU20"] - 0.08 * a["AU16"],
        upper=1.25 * who.lip_fullness * squeeze * stretched * (1 - 0.15 * a["AU10"]),
        lower=1.8 * who.lip_fullness * squeeze * stretched * (1 + 0.12 * a["AU17"]),
        press=max(a["AU23"], a["AU24"]),
        drop=drop,
    )  # fmt: skip


def draw_mouth(frame: Frame, who: Identity, a: dict[str, float]) -> Mouth:
    """Return the mouth's masks at every fine sample."""
    shape = mouth_shape(who, a)
    u, v = np.abs(frame.u), frame.v
    t = u * np.float32(1.0 / shape.half_width)
    inside = np.clip(1.0 - t * t, 0.0, 1.0)
    tc = np.minimum(t, 1.25)
    line_row = shape.row + shape.bend * (tc**1.8 - 0.12) + shape.droop * tc**4
    open_up = line_row - shape.gap_up * inside**shape.roundness
    open_down = line_row + shape.gap_down * inside**shape.roundness
    bow = 1.0 - 0.22 * np.exp(-((u / 0.8) ** 2)) + 0.10 * np.exp(-(((u - 1.7) / 1.0) ** 2))
    top = open_up - shape.upper * inside**0.75 * bow
    bottom = open_down + shape.lower * inside**0.6
    soft, within = 0.3, ramp(1.0 - t, 0.06)
    upper_lip = ramp(v - top, soft) * ramp(open_up - v, soft) * within
    lower_lip = ramp(v - open_down, soft) * ramp(bottom - v, soft) * within
    gap = open_down - open_up
    opening = ramp(v - open_up, 0.25) * ramp(open_down - v, 0.25) * within * ramp(gap - 0.35, 0.3)
    return Mouth(
        upper_lip, lower_lip, opening,
        line=_line(shape, u, v, t, line_row, gap),
        teeth=_teeth(shape, who, u, v, t, open_up, open_down),
        tongue=bump(u, v, (0.0, shape.row + shape.gap_down), (3.4, 1.6 + 0.2 * shape.drop)),
        depth=ramp(np.minimum(v - open_up, open_down - v) - 0.5, 0.9),
        relief=_relief(shape, v, top, open_up, open_down, bottom, inside),
        half_width=shape.half_width,
        corner_row=shape.row + 0.88 * shape.bend + shape.droop,
    )  # fmt: skip


def _line(shape: MouthShape, u: Array, v: Array, t: Array, line_row: Array, gap: Array) -> Array:
    width = 0.33 + 0.12 * shape.press
    closed = np.exp(-(((v - line_row) / width) ** 2)) * ramp(1.06 - t, 0.1) * ramp(1.0 - gap, 0.5)
    corner_row = shape.row + 0.88 * shape.bend + shape.droop
    corner = bump(u, v, (shape.half_width + 0.15, corner_row), (0.6, 0.5))
    out: Array = np.maximum(closed * (0.75 + 0.2 * shape.press), 0.55 * corner)
    return out


def _teeth(
    shape: MouthShape, who: Identity, u: Array, v: Array, t: Array, up: Array, down: Array
) -> Array:
    """Upper teeth hang from the skull and lower ones rise with the jaw; lips reveal them."""
    arch = 0.10 * (u / 3.0) ** 2
    upper_edge = who.mouth_row + 1.3 - arch * 1.5 - 0.6 * ramp(t - 0.55, 0.3)
    upper = ramp(upper_edge - v, 0.35) * ramp(v - up + 0.1, 0.3)
    lower_edge = who.mouth_row + 1.6 + 0.92 * shape.drop + arch
    lower = ramp(v - lower_edge - 0.2, 0.35) * ramp(lower_edge + 1.7 - v, 0.4) * 0.55
    lower *= ramp(down - v, 0.4) * ramp(down - lower_edge - 0.9, 0.6)
    gaps = 1.0 - 0.10 * (np.cos(u * np.float32(2 * np.pi / 1.9)) > 0.8)
    out: Array = np.maximum(upper, lower) * gaps * (1.0 - 0.75 * ramp(t - 0.72, 0.2))
    return out


def _relief(
    shape: MouthShape, v: Array, top: Array, up: Array, down: Array, bottom: Array, inside: Array
) -> Array:
    fade = inside**0.5
    press = 1.0 - 0.6 * shape.press
    upper = np.exp(-(((v - 0.5 * (top + up)) / (0.35 + 0.55 * shape.upper)) ** 2)) * 0.4
    lower = np.exp(-(((v - 0.5 * (down + bottom)) / (0.35 + 0.5 * shape.lower)) ** 2)) * 1.05
    out: Array = (upper + lower) * fade * np.float32(press)
    return out
