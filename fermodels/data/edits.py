"""Changing a part of a face: arrays in, arrays out; a chain of changes fits into an address."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fermodels.data.dataset import FACE_SIDE
from fermodels.data.emotions import EMOTIONS
from fermodels.errors import ConfigError

BLUR_SIGMA = 2.5
"""Standard deviation in pixels: wrinkles and edges go, light and dark stay."""

Face = NDArray[np.uint8]
"""Grey levels ``(48, 48)``."""


@dataclass(frozen=True)
class Area:
    """A rectangle of pixels; ends are exclusive."""

    top: int
    """First row."""
    bottom: int
    """Row after the last."""
    left: int
    """First column."""
    right: int
    """Column after the last."""

    def __post_init__(self) -> None:
        rows = 0 <= self.top < self.bottom <= FACE_SIDE
        if not (rows and 0 <= self.left < self.right <= FACE_SIDE):
            raise ConfigError(
                f"rows {self.top} to {self.bottom}, columns {self.left} to {self.right} hold no "
                f"pixel of a face: give ends from 0 to {FACE_SIDE}, the second above the first"
            )

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index a face with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


Run = Callable[[Face, Area, Face], NDArray[np.floating] | Face]
"""``(face, area, donor)`` -> the new content of the area."""


@dataclass(frozen=True)
class Edit:
    """One way to change an area."""

    name: str
    title: str
    help: str
    run: Run
    needs_donor: bool = False
    """Whether another face is to be chosen."""


def erase(face: Face, area: Area, _donor: Face) -> NDArray[np.floating]:
    """Fill it with the mean of the pixels just around it."""
    grown = np.zeros(face.shape, bool)
    top, left = max(0, area.top - 2), max(0, area.left - 2)
    grown[top : area.bottom + 2, left : area.right + 2] = True
    grown[area.slices] = False
    around = face[grown] if grown.any() else face
    shape = (area.bottom - area.top, area.right - area.left)
    return np.full(shape, around.mean(dtype=np.float64))


def blur(face: Face, area: Area, _donor: Face) -> NDArray[np.floating]:
    """Take its fine detail away; light and dark stay."""
    from scipy.ndimage import gaussian_filter

    soft: NDArray[np.float64] = gaussian_filter(face.astype(np.float64), BLUR_SIGMA, mode="nearest")
    return soft[area.slices]


def mirror(face: Face, area: Area, _donor: Face) -> Face:
    """Swap its left and right."""
    return face[area.slices][:, ::-1]


def upside_down(face: Face, area: Area, _donor: Face) -> Face:
    """Turn it upside down, as in Thompson's Thatcher illusion (1980)."""
    return face[area.slices][::-1]


def paste(_face: Face, area: Area, donor: Face) -> Face:
    """Put the same part of another face in its place."""
    return donor[area.slices]


def _edit(run: Run, title: str, *, needs_donor: bool = False) -> Edit:
    name = getattr(run, "__name__", title).replace("_", "-")
    return Edit(name, title, inspect.getdoc(run) or "", run, needs_donor)


EDITS: dict[str, Edit] = {
    edit.name: edit
    for edit in (
        _edit(erase, "Erase"),
        _edit(blur, "Blur"),
        _edit(mirror, "Mirror"),
        _edit(upside_down, "Upside down"),
        _edit(paste, "Paste", needs_donor=True),
    )
}
"""Edits by name, in the order a picker shows them."""


@dataclass(frozen=True)
class Step:
    """One edit of one area."""

    edit: str
    """A name in EDITS."""
    area: Area
    donor: str = ""
    """Expression of the face that is pasted from; empty for other edits."""

    def __post_init__(self) -> None:
        if self.edit not in EDITS:
            raise ConfigError(f"edit {self.edit!r} is unknown: expected {', '.join(EDITS)}")
        if EDITS[self.edit].needs_donor != (self.donor in EMOTIONS):
            raise ConfigError(
                f"{self.edit} from {self.donor!r}: a paste names one of {', '.join(EMOTIONS)}, "
                "no other edit names any"
            )

    def __str__(self) -> str:
        area = self.area
        place = f"{area.top}.{area.bottom}.{area.left}.{area.right}"
        return f"{self.edit}:{place}{f':{self.donor}' if self.donor else ''}"


def apply(face: Face, steps: Sequence[Step], donors: Mapping[str, Face]) -> Face:
    """Return a face after a chain of edits; the face given is not changed.

    Args:
        face: uint8 ``(48, 48)``.
        steps: in order.
        donors: expression -> the face that is pasted from.
    """
    edited = face.copy()
    for step in steps:
        content = EDITS[step.edit].run(edited, step.area, donors.get(step.donor, edited))
        edited[step.area.slices] = np.clip(np.round(content), 0, 255).astype(np.uint8)
    return edited


_STEP = re.compile(r"([a-z-]+):(\d{1,2})\.(\d{1,2})\.(\d{1,2})\.(\d{1,2})(?::([a-z]+))?")


def write(steps: Sequence[Step]) -> str:
    """Return a chain of edits as a short text for an address."""
    return ",".join(map(str, steps))


def read(text: str) -> list[Step]:
    """Read back what `write` wrote.

    Raises:
        ConfigError: anything else.
    """
    steps = []
    for part in filter(None, text.split(",")):
        match = _STEP.fullmatch(part)
        if match is None:
            raise ConfigError(
                f"{part[:60]!r} is no edit: expected such as erase:30.42.14.34 "
                "(first row, row after the last, first column, column after the last)"
            )
        edit, *ends, donor = match.groups()
        steps.append(Step(edit, Area(*map(int, ends)), donor or ""))
    return steps
