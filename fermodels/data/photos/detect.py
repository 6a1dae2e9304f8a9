"""Where are the faces? dlib's HOG frontal detector, with rescue for dark and turned pictures.

`DETECTORS` holds what a face detector must offer; a new one is one function and one entry.
dlib's: Dalal & Triggs (2005) HOG windows scored by max-margin object detection (King, 2015,
arXiv:1502.00046). It sees upright, roughly frontal faces of about 80 pixels and more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fermodels.errors import PhotoError

LONGEST_SIDE = 1280
"""Larger pictures are searched at this size: faces of 1/16 of the longer side and more."""

TINY_SIDE = 160
"""Pictures are searched at twice their size; up to this longer side, at four times."""

SURE_SCORE = 0.35
"""A score that false boxes were not seen to reach; below it the rescue has a look as well."""

TURN_MARGIN = 0.5
"""By how much a turned search must outscore a weak upright one to be believed."""

TURNS = (25, -25, 45, -45, 90, -90, 180)
"""Anticlockwise turns, in degrees, tried when no upright face is sure."""


LOOKS = 8
"""Looks over which a box is averaged.

dlib's boxes move in steps of a tenth of their width. On 1,143 re-detected validation crops of
FER-2013, averaging over 8 looks lifted a HOG classifier from 50.7% to 53.3%, the untouched crops
having 53.9%; it takes about 20 ms a face.
"""


@dataclass(frozen=True)
class Detection:
    """A square that a detector takes for a face, in pixels of the picture that was searched."""

    x: float
    """Centre, from the left edge."""

    y: float
    """Centre, from the top edge."""

    side: float
    """Width of the box."""

    score: float
    """The detector's confidence; dlib's margin: above 0 is a face, above 1 a clear one."""

    angle: float = 0.0
    """Degrees anticlockwise by which the picture was turned for the face to stand upright."""


class _Rectangle(Protocol):
    def left(self) -> int: ...
    def top(self) -> int: ...
    def width(self) -> int: ...
    def height(self) -> int: ...


class _Detector(Protocol):
    def run(
        self, image: NDArray[np.uint8], upsample_num_times: int, adjust_threshold: float
    ) -> tuple[Sequence[_Rectangle], Sequence[float], Sequence[int]]: ...


def detect_with_dlib(grey: Image.Image) -> list[Detection]:
    """Find faces with dlib's HOG detector.

    If no upright face is sure, the picture is searched again with local contrast equalised
    (CLAHE), then turned by each of `TURNS`; the most convincing search wins.

    Raises:
        PhotoError: dlib is not installed.
    """
    working = _working_copy(grey)
    with _detector_from_pool() as detector:
        faces = _search(detector, working)
        if _confidence(faces) < SURE_SCORE:
            faces = _rescue(detector, working, faces)
    zoom = grey.width / working.width, grey.height / working.height
    return [
        replace(face, x=face.x * zoom[0], y=face.y * zoom[1], side=face.side * max(zoom))
        for face in faces
    ]


@dataclass(frozen=True)
class FaceDetector:
    """A way to find faces, and how FER-2013 frames what it finds."""

    find: Callable[[Image.Image], list[Detection]]
    """Grey picture (mode "L", any size) -> faces in any order, in that picture's pixels."""

    frame_scale: float
    """Side of FER-2013's frame over the side of this detector's box."""

    frame_rise: float
    """How far the frame's centre lies above the box's, in box sides."""


DETECTORS: dict[str, FaceDetector] = {
    "dlib-hog": FaceDetector(detect_with_dlib, frame_scale=1.16, frame_rise=0.08),
}
"""Detectors by name; how the frame of dlib's was measured: `fermodels.data.photos.crop`."""

DEFAULT_DETECTOR = "dlib-hog"


def detect_faces(grey: Image.Image, detector: str = DEFAULT_DETECTOR) -> list[Detection]:
    """Find all faces of a grey picture, largest first.

    Args:
        grey: picture of mode "L", any size.
        detector: a name in DETECTORS.

    Raises:
        PhotoError: the detector is not installed.
    """
    faces = DETECTORS[detector].find(grey)
    return sorted(faces, key=lambda face: (-face.side, -face.score))


def unturn(dx: float, dy: float, angle: float) -> tuple[float, float]:
    """Return what an offset in a picture turned `angle` degrees anticlockwise was before it."""
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return cosine * dx - sine * dy, sine * dx + cosine * dy


def _working_copy(grey: Image.Image) -> Image.Image:
    """Return the picture at a size worth searching: the time grows with its area."""
    shrink = LONGEST_SIDE / max(grey.size)
    if shrink >= 1.0:
        return grey
    size = max(1, round(grey.width * shrink)), max(1, round(grey.height * shrink))
    return grey.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def _rescue(detector: _Detector, working: Image.Image, faces: list[Detection]) -> list[Detection]:
    """Look again with equalised contrast, then turned; return the most convincing search."""
    equalised = _equalise(working)
    upright = max(faces, _search(detector, equalised), key=_confidence)
    if _confidence(upright) >= SURE_SCORE:
        return upright
    turned = max((_search(detector, equalised, angle) for angle in TURNS), key=_confidence)
    # Seven more searches are seven more chances of a false box, and a weak upright face often
    # scores a little more when tilted: a turn has to be sure, and clearly better.
    wanted = max(SURE_SCORE, _confidence(upright) + TURN_MARGIN)
    return turned if _confidence(turned) >= wanted else upright


def _confidence(faces: list[Detection]) -> float:
    return max((face.score for face in faces), default=-math.inf)


def _search(detector: _Detector, picture: Image.Image, angle: float = 0.0) -> list[Detection]:
    """Run the detector on the picture turned by `angle`; boxes come back to the unturned one."""
    turned = picture
    if angle:
        mean = round(float(np.asarray(picture).mean()))
        turned = picture.rotate(angle, Image.Resampling.BILINEAR, expand=True, fillcolor=mean)
    zoom = _enlargement(picture)
    enlarged = turned.resize(
        (round(turned.width * zoom), round(turned.height * zoom)), Image.Resampling.BICUBIC
    )
    faces = _suppress_weak_and_nested(_run(detector, enlarged, 0.0))
    steady = [_steady(detector, enlarged, face) for face in faces]
    upright = [_unturned(face, angle, zoom, turned.size, picture.size) for face in steady]
    # Corners filled in by the turn are no part of the picture.
    return [f for f in upright if 0 <= f.x < picture.width and 0 <= f.y < picture.height]


def _run(detector: _Detector, picture: Image.Image, threshold: float) -> list[Detection]:
    """Return dlib's boxes that score above the threshold, as they stand."""
    boxes, scores, _ = detector.run(np.array(picture), 0, threshold)
    return [
        Detection(
            box.left() + box.width() / 2, box.top() + box.height() / 2, float(box.width()), score
        )
        for box, score in zip(boxes, scores, strict=True)
    ]


def _steady(detector: _Detector, picture: Image.Image, face: Detection) -> Detection:
    """Average the box over looks at the same face, each a little smaller and aside."""
    looks = [_look(detector, picture, face, index) for index in range(LOOKS)]
    boxes = np.array([(look.x, look.y, look.side) for look in looks if look is not None])
    if not len(boxes):
        return face
    x, y, side = (float(value) for value in boxes.mean(axis=0))
    return replace(face, x=x, y=y, side=side)


def _look(
    detector: _Detector, picture: Image.Image, face: Detection, index: int
) -> Detection | None:
    """Find the face again in a window around it; None if it is not seen this time."""
    # Sizes between two steps of dlib's pyramid; places that fill a square evenly.
    zoom = 80 * (1 + 0.2 * (index + 0.5) / LOOKS) / face.side
    x = face.x + 0.1 * face.side * (index * 0.618 % 1 - 0.5)
    y = face.y + 0.1 * face.side * ((index * 0.382 + 0.3) % 1 - 0.5)
    reach = 1.1 * face.side
    left, top = max(x - reach, 0.0), max(y - reach, 0.0)
    right, bottom = min(x + reach, picture.width), min(y + reach, picture.height)
    size = round((right - left) * zoom), round((bottom - top) * zoom)
    window = picture.resize(size, Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    best = max(_run(detector, window, -0.5), key=lambda look: look.score, default=None)
    if best is None:
        return None
    again = replace(best, x=left + best.x / zoom, y=top + best.y / zoom, side=best.side / zoom)
    near = max(abs(again.x - face.x), abs(again.y - face.y)) < face.side / 4
    return again if near else None


def _enlargement(picture: Image.Image) -> float:
    """Return how many times larger to search: dlib misses faces under 80 pixels."""
    longest = max(picture.size)
    return min(4.0 if longest <= TINY_SIDE else 2.0, LONGEST_SIDE / longest)


def _unturned(
    face: Detection, angle: float, zoom: float, turned: tuple[int, int], size: tuple[int, int]
) -> Detection:
    """Map a box of the turned, enlarged picture to the plain one, around their common centre."""
    dx, dy = unturn(face.x / zoom - turned[0] / 2, face.y / zoom - turned[1] / 2, angle)
    return Detection(size[0] / 2 + dx, size[1] / 2 + dy, face.side / zoom, face.score, angle)


def _suppress_weak_and_nested(faces: list[Detection]) -> list[Detection]:
    """Keep the best box, and others only if sure and not centred in a better one."""
    chosen: list[Detection] = []
    for face in sorted(faces, key=lambda face: -face.score):
        nested = any(
            max(abs(face.x - better.x), abs(face.y - better.y)) < better.side / 2
            for better in chosen
        )
        if not chosen or (face.score >= SURE_SCORE and not nested):
            chosen.append(face)
    return chosen


def _equalise(grey: Image.Image) -> Image.Image:
    """Contrast-limited adaptive histogram equalisation (Pizer et al., 1987)."""
    from skimage.exposure import equalize_adapthist

    levels = equalize_adapthist(np.asarray(grey), clip_limit=0.01)
    return Image.fromarray((levels * 255).astype(np.uint8))


_idle: list[_Detector] = []


@contextmanager
def _detector_from_pool() -> Iterator[_Detector]:
    """Give a detector to one thread at a time.

    dlib's detectors keep scratch state and release the interpreter lock, so two threads must not
    share one. They take a third of a second to build and Streamlit starts a thread for every
    rerun, so one per thread would be built over and over: idle ones are reused.
    """
    try:
        detector = _idle.pop()
    except IndexError:
        detector = _build_detector()
    try:
        yield detector
    finally:
        _idle.append(detector)


def _build_detector() -> _Detector:
    try:
        import dlib
    except ImportError as error:
        raise PhotoError(
            f"finding faces needs dlib, which does not load ({error}): "
            "run `pip install dlib-bin`, or use the whole picture"
        ) from error
    detector: _Detector = dlib.get_frontal_face_detector()
    return detector
