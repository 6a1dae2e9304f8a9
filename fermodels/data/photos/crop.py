"""Any picture -> the faces in it, framed as FER-2013 frames them.

FER-2013's crops came from a detector whose frame is wider and higher on the head than dlib's. 400
of its training crops were laid at random sizes and places into larger pictures; of the 290 that
dlib found again, the crop was 1.16 times as wide as the box and its centre lay 0.08 box widths
higher (medians), and faces are cut out by that rule. Sizes and places must be random for such a
measurement: dlib's boxes move in steps, so crops of one size show one step, not the average.
Nothing is written to disk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fermodels.data.dataset import FACE_SIDE
from fermodels.data.photos.decode import PhotoLimits, opened_photo
from fermodels.data.photos.detect import (
    DEFAULT_DETECTOR,
    DETECTORS,
    Detection,
    FaceDetector,
    detect_faces,
    unturn,
)

ALREADY_A_CROP = 64
"""A picture whose sides are at most this is taken for a face crop, not searched."""


@dataclass(frozen=True, eq=False)
class Face:
    """One face as the networks want it, and where it came from."""

    image: NDArray[np.uint8]
    """Grey levels 0..255, shape (48, 48), read-only."""

    box: tuple[int, int, int, int]
    """Left, top, right, bottom of what `image` shows, in pixels of the upright picture.

    Clipped to the picture. For a turned face: the unturned square around the same centre.
    """

    score: float
    """dlib's margin (above 0 a face, above 1 a clear one); 0 for a picture taken whole."""

    whole_picture: bool
    """True if no detector ran: the picture's central square was taken."""

    angle: float = 0.0
    """Degrees anticlockwise by which the face was turned to stand upright."""


@dataclass(frozen=True)
class _Frame:
    """A square to cut out: centre, side (pixels) and the anticlockwise turn that rights it."""

    x: float
    y: float
    side: float
    angle: float = 0.0


def read_photo(
    source: bytes | str | Path,
    *,
    limits: PhotoLimits | None = None,
    detector: str = DEFAULT_DETECTOR,
) -> list[Face]:
    """Return every face of a picture, largest first; an empty list if none is found.

    A picture of at most 64 pixels a side is already a crop and comes back whole, as one face.

    Args:
        source: the picture file's bytes, or its path (JPEG, PNG, WebP, GIF, BMP, TIFF; HEIC with
            pillow-heif).
        limits: sizes allowed; the defaults of `PhotoLimits` when None.
        detector: a name in `fermodels.data.photos.detect.DETECTORS`.

    Raises:
        PhotoError: the picture cannot be read, or the face detector is missing.
    """
    with opened_photo(source, limits=limits) as photo:
        return faces_of(photo.picture, photo.size, detector)


def faces_of(
    picture: Image.Image, size: tuple[int, int] | None = None, detector: str = DEFAULT_DETECTOR
) -> list[Face]:
    """Return every face of a decoded, upright picture, as `read_photo` does.

    Args:
        picture: from `opened_photo`, or a video's frame; any mode that converts to grey.
        size: width and height of the picture that boxes refer to, where it was reduced.
        detector: a name in `fermodels.data.photos.detect.DETECTORS`.

    Raises:
        PhotoError: the face detector is missing.
    """
    grey = picture.convert("L")
    size = size or grey.size
    if max(size) <= ALREADY_A_CROP:
        return [_centre_square(grey, size)]
    own = DETECTORS[detector]
    return [_cut_face(grey, face, own, size) for face in detect_faces(grey, detector)]


def whole_picture(source: bytes | str | Path, *, limits: PhotoLimits | None = None) -> Face:
    """Return the picture's central square as one face, for a crop or when none is found.

    Raises:
        PhotoError: the picture cannot be read.
    """
    with opened_photo(source, limits=limits) as photo:
        return whole_face(photo.picture, photo.size)


def whole_face(picture: Image.Image, size: tuple[int, int] | None = None) -> Face:
    """Return the central square of a decoded, upright picture as one face; see `faces_of`."""
    return _centre_square(picture.convert("L"), size or picture.size)


def _centre_square(grey: Image.Image, size: tuple[int, int]) -> Face:
    frame = _Frame(grey.width / 2, grey.height / 2, float(min(grey.size)))
    return Face(_cut(grey, frame), _box(grey, frame, size), score=0.0, whole_picture=True)


def _cut_face(
    grey: Image.Image, detection: Detection, detector: FaceDetector, size: tuple[int, int]
) -> Face:
    """Frame a detection as FER-2013 would and cut it out."""
    dx, dy = unturn(0.0, -detector.frame_rise * detection.side, detection.angle)
    side = detector.frame_scale * detection.side
    frame = _Frame(detection.x + dx, detection.y + dy, side, detection.angle)
    return Face(
        _cut(grey, frame),
        _box(grey, frame, size),
        score=detection.score,
        whole_picture=False,
        angle=detection.angle,
    )


def _box(grey: Image.Image, frame: _Frame, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the frame's left, top, right, bottom in a picture of `size`, rounded and clipped."""
    half = frame.side / 2
    across, down = size[0] / grey.width, size[1] / grey.height
    left, right = (min(max(round((frame.x + d) * across), 0), size[0]) for d in (-half, half))
    top, bottom = (min(max(round((frame.y + d) * down), 0), size[1]) for d in (-half, half))
    return left, top, right, bottom


def _cut(grey: Image.Image, frame: _Frame) -> NDArray[np.uint8]:
    """Return the frame as uint8 (48, 48), turned upright, edges repeated outside the picture."""
    shrink = int(frame.side) // (4 * FACE_SIDE)
    if shrink > 1:
        # Averaged down first, a face that fills a 64-megapixel picture turns in milliseconds.
        small = _Frame(frame.x / shrink, frame.y / shrink, frame.side / shrink, frame.angle)
        return _cut(grey.reduce(shrink), small)
    half = frame.side / 2
    reach = half * math.sqrt(2) if frame.angle else half
    left, top = math.floor(frame.x - reach), math.floor(frame.y - reach)
    right, bottom = math.ceil(frame.x + reach), math.ceil(frame.y + reach)
    window = _window(grey, left, top, right, bottom)
    x, y = frame.x - left, frame.y - top
    if frame.angle:
        window = window.rotate(frame.angle, Image.Resampling.BICUBIC, center=(x, y))
    # HAMMING averages when it shrinks (no moire) without BILINEAR's blur.
    shrinks = frame.side >= FACE_SIDE
    filter_ = Image.Resampling.HAMMING if shrinks else Image.Resampling.BICUBIC
    box = (x - half, y - half, x + half, y + half)
    face = np.array(window.resize((FACE_SIDE, FACE_SIDE), filter_, box=box))
    face.setflags(write=False)
    return face


def _window(grey: Image.Image, left: int, top: int, right: int, bottom: int) -> Image.Image:
    """Crop whole pixels; those outside the picture repeat its nearest edge pixel."""
    inside = max(left, 0), max(top, 0), min(right, grey.width), min(bottom, grey.height)
    pixels = np.asarray(grey.crop(inside))
    rows = (inside[1] - top, bottom - inside[3])
    columns = (inside[0] - left, right - inside[2])
    return Image.fromarray(np.pad(pixels, (rows, columns), mode="edge"))
