"""What there is to classify: pictures, folders of them, and videos, one frame at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from fermodels.data.photos.decode import PhotoLimits, opened_photo
from fermodels.errors import DataError, PhotoError

PICTURES = (
    ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif",
)  # fmt: skip
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")
"""Endings looked for in folders; a file named by itself may end as it likes."""

_VIDEO_MARKS = (
    (0, b"\x1aE\xdf\xa3"), (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"wide"), (8, b"AVI "),
)  # fmt: skip
"""Offset and bytes by which Matroska/WebM, MP4/QuickTime and AVI files are known."""


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """One decoded picture."""

    picture: Image.Image
    """Upright, RGB."""

    time: float | None = None
    """Seconds from the video's start; None for a picture."""

    size: tuple[int, int] | None = None
    """Width and height of the photo that `picture` is a reduced copy of; None if it is none."""


@dataclass(frozen=True, eq=False)
class Source:
    """A file that holds one picture or a video's frames; nothing is read before `frames`."""

    name: str
    """The file as it is told in the results."""

    frames: Callable[[], Iterator[SourceFrame]]
    """Yields what the file shows; raises PhotoError when it cannot be read."""


def find(paths: Sequence[str | Path], every: float) -> list[Source]:
    """Return every picture and video that the paths name, each once, folders in depth.

    Hidden files and linked folders are left out.

    Args:
        paths: files and folders.
        every: seconds between the frames taken from a video; 0 takes all.

    Raises:
        DataError: a path does not exist, or a folder holds nothing to classify.
    """
    files = dict.fromkeys(file for path in paths for file in _files_of(Path(path).expanduser()))
    return [_source(file, every) for file in files]


def _files_of(path: Path) -> list[Path]:
    if path.suffix.lower() == ".parquet":
        raise DataError(
            f"{name_of(path)} is a parquet table: run python -m fermodels.classify.shards on it"
        )
    if path.is_dir():
        return _inside(path)
    if not path.exists():
        raise DataError(f"{name_of(path)} does not exist: give a picture, a video or a folder")
    return [path]


def _inside(folder: Path) -> list[Path]:
    """Return a folder's pictures and videos, sorted by path."""
    files: list[Path] = []
    for place, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".")]
        visible = [Path(place, name) for name in names if not name.startswith(".")]
        files += [path for path in visible if path.suffix.lower() in PICTURES + VIDEOS]
    if not files:
        raise DataError(
            f"{name_of(folder)} holds no picture and no video: expected files such as .jpg, .png "
            "or .mp4"
        )
    return sorted(files)


def name_of(path: Path) -> str:
    """Return a path as text that any file can hold: bytes that are no UTF-8 become escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _source(path: Path, every: float) -> Source:
    if path.suffix.lower() in VIDEOS:
        return Source(name_of(path), lambda: video_frames(path, every))
    return Source(name_of(path), lambda: photo_frames(path))


def photo_frames(photo: bytes | Path, limits: PhotoLimits | None = None) -> Iterator[SourceFrame]:
    """Yield a photo's one frame; what it takes is counted until the next one is asked for.

    Raises:
        PhotoError: it cannot be read.
    """
    with opened_photo(photo, limits=limits) as opened:
        yield SourceFrame(opened.picture, size=opened.size)


def video_frames(
    path: Path, every: float, limits: PhotoLimits | None = None
) -> Iterator[SourceFrame]:
    """Yield a video's frames, the first and then one every `every` seconds.

    Args:
        path: an MP4, QuickTime, AVI, Matroska or WebM file; told by its content, since a
            playlist that was merely named so would make the decoder open other files.
        every: seconds from one frame to the next; 0 takes all.
        limits: size allowed for a frame; the defaults of `PhotoLimits` when None.

    Raises:
        PhotoError: not such a file, frames too large, or none that can be decoded.
    """
    import cv2

    _check_content(path)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # its faults are told by us, once
    # An absolute path, so that no part of it can be taken for a protocol.
    capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
    try:
        _check_frame_size(capture, path, limits or PhotoLimits())
        any_frame = False
        for time, pixels in _spaced(capture, every):
            any_frame = True
            yield SourceFrame(Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)), time)
        if not any_frame:
            raise PhotoError(
                f"the video {name_of(path)} holds no frame that can be decoded: "
                "convert it to MP4 (H.264) and try again"
            )
    finally:
        capture.release()


def _spaced(capture: Any, every: float) -> Iterator[tuple[float, Any]]:
    """Yield time and BGR pixels of the frames wanted; the others are not converted."""
    import cv2

    due = 0.0
    while capture.grab():
        time = max(0.0, capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        if time < due:
            continue
        decoded, pixels = capture.retrieve()
        if decoded:
            yield time, pixels
            due = time + every - 1e-6  # times are rounded to the container's clock


def _check_content(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise PhotoError(
            f"cannot read {name_of(path)} ({error.strerror or error}): check its permissions"
        ) from error
    if not any(head[at : at + len(mark)] == mark for at, mark in _VIDEO_MARKS):
        raise PhotoError(
            f"{name_of(path)} is not a video that can be read (it begins with {head[:8]!r}): "
            "use MP4, QuickTime, AVI, Matroska or WebM"
        )


def _check_frame_size(capture: Any, path: Path, limits: PhotoLimits) -> None:
    import cv2

    width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise PhotoError(
            f"the frames of {name_of(path)} measure {width} x {height} pixels, more than the "
            f"{limits.max_pixels:,} in all that are allowed: save the video smaller"
        )
