"""The height of head, nose, cheeks, sockets and furrows over the picture plane, in pixels."""

from __future__ import annotations

import numpy as np

from fermodels.data.synthetic.eyes import Eyes
from fermodels.data.synthetic.frame import Frame
from fermodels.data.synthetic.identity import Identity
from fermodels.data.synthetic.mouth import Mouth
from fermodels.data.synthetic.raster import Array, bump, crease, ramp

WIDEST = 22.0
"""Row of the cheekbones, where the outline is widest."""


def outline(frame: Frame, who: Identity) -> Array:
    """Return 0 at the midline of the cheekbones, 1 on the outline, more outside it.

    The outline is a superellipse below the cheekbones and another above them.
    """
    below = np.clip((frame.v0 - WIDEST) * np.float32(1.0 / (who.chin - WIDEST)), 0.0, 1.4)
    above = np.clip((WIDEST - frame.v0) * np.float32(1.0 / 27.0), 0.0, 1.4)
    narrow = 1.0 - np.float32(who.taper) * np.minimum(below, 1.0)
    across = frame.side / (np.float32(who.face_width) * narrow)
    level = np.minimum(across, 1.6) ** 2 + below ** np.float32(who.jaw) + above * above
    out: Array = np.sqrt(level)
    return out


def head_height(frame: Frame, who: Identity, radius: Array) -> Array:
    """Return the bald, resting head without nose or furrows."""
    r = np.minimum(radius, 0.985)
    out: Array = np.float32(15.0) * np.sqrt(1.0 - r ** np.float32(3.2))
    return out


def nose_height(frame: Frame, who: Identity) -> Array:
    """Return ridge, tip and wings."""
    x, v, tip = frame.side, frame.v0, who.nose_tip
    along = np.clip((v - 14.5) * (1.0 / (tip - 14.5)), 0.0, 1.0)
    rise = who.nose_height * (0.10 + 0.52 * along**1.8) * ramp(v - 15.0, 3.5)
    fall = ramp(tip + 1.4 - 0.4 * x - v, 1.3)
    width = 0.26 * who.nose_width + 0.35 + 0.75 * along
    ridge = rise * fall * np.exp(-((x / width) ** 2))
    ball = 1.35 * bump(x, v, (0.0, tip - 0.2), (0.42 * who.nose_width, 1.5))
    wing = (0.78 * who.nose_width, tip + 0.75)
    wings = 1.45 * bump(x, v, wing, (0.26 * who.nose_width, 1.2))
    septum = 0.25 * bump(x, v, (0.0, tip + 1.9), (0.8, 0.9))
    out: Array = (ridge + ball + wings + septum).astype(np.float32)
    return out


def flesh_height(frame: Frame, who: Identity, a: dict[str, float], row: float) -> Array:
    """Return brow ridge, sockets, cheeks, the ring about the mouth and the chin."""
    x, v = frame.side, frame.v0
    smile = a["AU12"] + 0.6 * a["AU6"]
    h = 0.75 * bump(x, v, (6.5, who.brow_height - 0.2), (4.6, 1.5))
    h += 0.5 * a["AU4"] * bump(x, v, (3.4, who.brow_height), (1.8, 1.4))
    h -= 1.3 * bump(x, v, (4.1, 16.9), (1.9, 2.0))
    h -= 1.2 * bump(x, v, (8.4, 16.0), (3.2, 1.5))
    h -= (0.35 + 0.5 * who.age) * bump(x, v, (6.2, 21.4), (3.0, 0.9))
    h += 1.25 * who.cheek * bump(x, v, (9.0, 24.8), (3.4, 2.7))
    h += 1.15 * smile * bump(x, v, (8.9, 26.5), (3.0, 2.4))
    h -= (0.5 - 0.4 * (who.cheek - 1.0)) * bump(x, v, (11.0, 34.0), (3.0, 4.0))
    h += (0.5 - 0.4 * a["AU12"]) * bump(x, v, (0.0, row + 0.3), (5.0, 4.0))
    h -= 0.35 * bump(x, v, (0.0, row - 3.6), (0.7, 1.5))
    h -= (0.9 + 0.5 * a["AU17"]) * bump(x, v, (0.0, row + 4.0), (3.6, 1.0))
    h += (1.3 + 0.6 * a["AU17"]) * bump(x, v, (0.0, row + 7.8), (3.2, 2.4))
    out: Array = h.astype(np.float32)
    return out


def furrows(frame: Frame, who: Identity, a: dict[str, float], mouth: Mouth) -> Array:
    """Return the depth of folds and wrinkles, about 0..1, that age and action units cut."""
    x, v = np.abs(frame.u), frame.v
    out = _nasolabial(x, v, who, a, mouth)
    out = out + _upper_face(x, v, who, a) + _nose_wrinkles(x, v, a)
    crow = max(a["AU6"], 0.5 * a["AU12"]) * (0.35 + 0.5 * who.age) + 0.2 * who.age
    corner = who.eye_spacing + who.eye_width
    if crow > 0.05:
        for dy, rise in ((-0.9, -1.3), (0.5, 0.3), (1.5, 1.7)):
            path = [(corner + 0.8, 18.0 + 0.5 * dy), (corner + 3.2, 18.0 + dy + rise * 0.8)]
            out = out + np.float32(0.6 * crow) * crease(x, v, path, 0.35)
    return np.asarray(out + _chin(x, v, a, mouth), np.float32)


def _nasolabial(x: Array, v: Array, who: Identity, a: dict[str, float], mouth: Mouth) -> Array:
    strength = min(
        0.12 + 0.35 * who.age + 0.8 * a["AU12"] + 0.7 * a["AU9"] + 0.75 * a["AU10"]
        + 0.25 * a["AU20"] + 0.12 * a["AU15"] + 0.15 * a["AU27"], 1.25,
    )  # fmt: skip
    lift = 1.1 * a["AU9"] + 0.6 * a["AU10"]
    reach = mouth.half_width + 1.3
    path = [
        (who.nose_width + 0.5, who.nose_tip + 0.1 - lift),
        (0.45 * who.nose_width + 0.5 * reach + 0.5 + 0.7 * a["AU10"], 32.2 - 0.5 * lift),
        (reach + 0.5, mouth.corner_row - 0.9),
        (reach + 0.7, mouth.corner_row + 0.6),
    ]
    return crease(x, v, path, 0.85) * np.float32(strength)


def _upper_face(x: Array, v: Array, who: Identity, a: dict[str, float]) -> Array:
    out = np.zeros_like(x)
    inner, outer = a["AU1"], a["AU2"]
    raised = 0.10 * who.age + (0.3 + 0.5 * who.age) * max(inner, outer)
    if raised > 0.04:
        lines = sum(
            np.exp(-(((v - row + 0.02 * x * x * (outer - 0.3)) / 0.42) ** 2))
            for row in (4.6, 7.0, 9.3)
        )
        reach = inner * ramp(7.5 - x, 2.5) + outer * ramp(x - 4.0, 2.0) * ramp(13.0 - x, 2.5)
        reach = np.clip(reach + 0.6 * who.age * ramp(10.0 - x, 3.0), 0.0, 1.0)
        out += np.float32(0.8 * raised) * lines * reach
    frown = a["AU4"] + 0.25 * who.age + 0.3 * a["AU9"]
    if frown > 0.05:
        path = [(1.5, 15.4), (1.7, 13.6), (2.2, 11.8)]
        out += np.float32(min(0.65 * frown, 0.8)) * crease(x, v, path, 0.55)
        if a["AU4"] > 0:
            out += np.float32(0.45 * a["AU4"]) * crease(x, v, [(0.0, 16.3), (2.2, 16.5)], 0.45)
    return out


def _nose_wrinkles(x: Array, v: Array, a: dict[str, float]) -> Array:
    if a["AU9"] == 0.0:
        return np.zeros_like(x)
    bars = [[(0.0, 17.6), (2.4, 17.0)], [(0.0, 19.6), (2.2, 19.4)], [(2.0, 21.4), (3.4, 23.0)]]
    total = sum(crease(x, v, bar, 0.6) for bar in bars)
    return np.asarray(total, np.float32) * np.float32(0.6 * a["AU9"])


def _chin(x: Array, v: Array, a: dict[str, float], mouth: Mouth) -> Array:
    out = np.zeros_like(x)
    if a["AU17"] > 0:
        dimples = np.sin(x * np.float32(4.3)) * np.sin(v * np.float32(4.7) + 0.6)
        out += np.float32(0.28 * a["AU17"]) * dimples * bump(x, v, (0.0, 43.2), (2.8, 1.8))
    hook = max(0.4 * a["AU15"], 0.5 * a["AU20"], 0.3 * a["AU12"], 0.25 * a["AU24"])
    if hook > 0:
        corner = (mouth.half_width + 0.7, mouth.corner_row)
        down = 2.4 * (a["AU15"] > 0) + 0.4
        path = [(corner[0], corner[1] - 0.8), (corner[0] + 0.6, corner[1] + down)]
        out += np.float32(hook) * crease(x, v, path, 0.45)
    return out


def face_height(
    frame: Frame, who: Identity, a: dict[str, float], eyes: Eyes, mouth: Mouth, radius: Array
) -> tuple[Array, Array]:
    """Return height and furrow depth, each (FINE, FINE)."""
    cuts = furrows(frame, who, a, mouth)
    h = head_height(frame, who, radius) + nose_height(frame, who)
    h = h + flesh_height(frame, who, a, who.mouth_row)
    h = h + eyes.relief + 0.25 * eyes.brow - 0.25 * eyes.crease
    h = h + mouth.relief - 0.6 * mouth.line - 0.8 * mouth.opening - 0.45 * cuts
    return h.astype(np.float32), cuts
