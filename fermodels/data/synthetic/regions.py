"""Which pixels an action unit moves, and where the parts of a face are: measured by rendering."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fermodels.data.synthetic.action_units import AU_NAMES, check_action_units
from fermodels.data.synthetic.eyes import draw_eyes
from fermodels.data.synthetic.frame import face_frame
from fermodels.data.synthetic.head import nose_height, outline
from fermodels.data.synthetic.mouth import draw_mouth
from fermodels.data.synthetic.raster import Array, average
from fermodels.data.synthetic.render import render_image, render_levels
from fermodels.data.synthetic.spec import FaceSpec

Mask = NDArray[np.bool_]
MOVED_BY = 4.0
"""Grey levels by which a pixel must change to count as moved."""
PARTS: tuple[str, ...] = ("eyes", "brows", "nose", "mouth")


@dataclass(frozen=True, eq=False)
class SyntheticFace:
    """A rendered face and what is known about it."""

    image: NDArray[np.uint8]
    """Grey levels, uint8 (48, 48)."""
    action_units: dict[str, float]
    """Intensity 0..1 of every unit, in registry order."""
    regions: dict[str, Mask]
    """Active unit -> pixels it moves, bool (48, 48)."""
    parts: dict[str, Mask]
    """``eyes``, ``brows``, ``nose``, ``mouth`` -> their pixels, bool (48, 48)."""

    @property
    def vector(self) -> NDArray[np.float32]:
        """Intensities as float32 (A,), in the order of AU_NAMES."""
        return np.array([self.action_units[name] for name in AU_NAMES], np.float32)


def render(spec: FaceSpec) -> SyntheticFace:
    """Render a face with the regions of its active units and the masks of its parts."""
    units = check_action_units(spec.action_units)
    active = {name: intensity for name, intensity in units.items() if intensity > 0}
    shown = face_mask(spec)  # the units together may leave less of a face than one alone
    regions = {name: moved & shown for name, moved in action_unit_regions(spec, active).items()}
    return SyntheticFace(render_image(spec), units, regions, face_parts(spec))


def action_unit_regions(
    spec: FaceSpec, intensities: dict[str, float] | None = None, threshold: float = MOVED_BY
) -> dict[str, Mask]:
    """Return the pixels that each unit alone moves on this person, in this pose and light.

    A pixel belongs to a unit when its noise-free grey level differs by more than ``threshold``
    between the resting face and the face with that unit alone at its intensity, and it lies on
    that face: a falling jaw also shades the neck and uncovers what is behind the head, but neck
    and background are no muscle's skin.

    Args:
        spec: the face; its own intensities do not matter when ``intensities`` is given.
        intensities: unit -> intensity; by default every unit of the registry at 1.
        threshold: grey levels.

    Raises:
        DataError: unknown unit or an intensity outside 0..1.
    """
    wanted = dict.fromkeys(AU_NAMES, 1.0) if intensities is None else intensities
    resting = render_levels(replace(spec, action_units={}), noise=False)
    found = {}
    for name, intensity in wanted.items():
        alone = replace(spec, action_units={name: intensity})
        moved = np.abs(render_levels(alone, noise=False) - resting) > threshold
        found[name] = moved & face_mask(alone)
    return found


def face_mask(spec: FaceSpec) -> Mask:
    """Return the pixels within the face's outline, from forehead to chin; bool (48, 48).

    Neck, ears and background are outside; hair and glasses in front of the face are inside.
    """
    inside = outline(face_frame(spec), spec.identity) < 1.0
    return average(inside.astype(np.float32)) > 0.5


def face_parts(spec: FaceSpec) -> dict[str, Mask]:
    """Return where the parts of this face are, in its expression and pose; bool (48, 48) each."""
    units, who = dict(spec.action_units), spec.identity
    frame = face_frame(spec)
    eyes, mouth = draw_eyes(frame, who, spec.pose, units), draw_mouth(frame, who, units)
    lips = np.maximum(np.maximum(mouth.upper_lip, mouth.lower_lip), mouth.opening)
    cover: dict[str, Array] = {
        "eyes": np.maximum(eyes.opening, eyes.lash),
        "brows": eyes.brow * np.float32(1.0 / who.brow_darkness),
        "nose": nose_height(frame, who) * np.float32(0.7),
        "mouth": np.maximum(lips, mouth.line),
    }
    return {name: average(cover[name]) > 0.4 for name in PARTS}
