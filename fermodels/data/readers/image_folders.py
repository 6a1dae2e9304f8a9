"""Image folders: ``train/angry/*.jpg``, ``test/Happy/*.png``, or class folders alone."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from fermodels.data.dataset import FACE_SHAPE
from fermodels.data.emotions import EMOTIONS, parse_emotion
from fermodels.data.photos.decode import FORMATS, check_header, decoding_bytes
from fermodels.data.readers import split_names
from fermodels.data.readers.rows import DataSource, Reader, Rows
from fermodels.errors import DataError, PhotoError

PICTURES = (".jpg", ".jpeg", ".png", ".bmp")


@dataclass(frozen=True)
class Picture:
    """One image file and what its place says about it."""

    path: Path
    split: str
    label: int


def is_form(folder: Path) -> bool:
    """Tell whether a folder holds split folders of class folders, or class folders."""
    return any(
        any(_class_of(inner) is not None for inner in subfolders(split))
        for split in [folder, *_split_folders(folder)]
    )


def pictures(folder: Path) -> list[Picture]:
    """Return every picture, by split and then by file name in natural order.

    Natural order puts ``fer9.png`` before ``fer10.png``, so copies whose names carry row
    numbers come back in the original order, whatever their class folder.

    Raises:
        DataError: a class folder is empty or its name unknown.
    """
    files: list[Picture] = []
    splits = _split_folders(folder)
    for split_folder in splits or [folder]:
        split = split_names.parse(split_folder.name) or "train"
        inside = [p for c in subfolders(split_folder) for p in _class_pictures(c, split)]
        if not inside:
            raise DataError(
                f"{split_folder} holds no class folders: expected folders such as "
                f"{', '.join(EMOTIONS)} with jpg, png or bmp files"
            )
        files += inside
    return sorted(files, key=lambda p: (p.split, natural_key(p.path.name), p.label))


def read(files: Sequence[Picture]) -> Rows:
    """Read the pictures that `pictures` found.

    Raises:
        DataError: a picture cannot be read or has another size.
    """
    reader = PictureReader()
    images = np.stack([reader.read(p.path.read_bytes(), str(p.path)) for p in files])
    return Rows(
        images,
        np.array([p.label for p in files], np.int64),
        np.array([p.split for p in files]),
        np.array([p.path.name for p in files]),
        reader.notes(),
    )


def natural_key(name: str) -> str:
    """Return a sort key in which numbers inside a name count as numbers."""
    return re.sub(r"\d+", lambda digits: digits.group().zfill(12), name.lower())


def subfolders(folder: Path) -> list[Path]:
    """Return the folders inside a folder by name, hidden and system ones left out."""
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))
    )


def _split_folders(folder: Path) -> list[Path]:
    return [path for path in subfolders(folder) if split_names.parse(path.name)]


def _class_of(folder: Path) -> int | None:
    try:
        return parse_emotion(folder.name)
    except DataError:
        return None


def _class_pictures(folder: Path, split: str) -> Iterator[Picture]:
    """Yield a class folder's pictures; nothing for a folder that is no class and holds none."""
    files = [path for path in folder.iterdir() if path.suffix.lower() in PICTURES]
    # a pipe that is named like a picture would be waited for
    files = [path for path in files if not path.name.startswith(".") and path.is_file()]
    label = _class_of(folder)
    if label is None and files:
        raise DataError(
            f"{folder} holds {len(files):,} pictures but {folder.name!r} is no known expression: "
            f"expected {', '.join(EMOTIONS)} or 0 to 6; rename or remove the folder"
        )
    if label is not None and not files:
        raise DataError(
            f"{folder} is empty: expected jpg, png or bmp files of that expression; "
            "unpack the data again or remove the folder"
        )
    for path in files:
        yield Picture(path, split, label or 0)


# --- One encoded 48x48 picture (PNG, JPEG, BMP) -> grey levels


MAX_MEMORY = 16_000_000
"""Bytes that decoding one face may take: a TIFF of 48x48 can claim tiles of a gigabyte."""

_DECODE_ERRORS = (UnidentifiedImageError, OSError, ValueError, SyntaxError, PhotoError)


class PictureReader:
    """Decodes faces one after another and remembers what it had to convert."""

    def __init__(self) -> None:
        self.coloured = 0
        self.lossy = 0
        self.seen = 0

    def read(self, data: bytes, where: str) -> NDArray[np.uint8]:
        """Return one face, uint8 ``(48, 48)``; colour becomes grey by ITU-R 601 luma.

        Raises:
            DataError: not a picture, cut short, of another size or deeper than 8 bits.
        """
        try:
            check_header(data)
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            if picture.size == FACE_SHAPE:  # nothing larger is decoded: it may be a bomb
                cost = decoding_bytes(picture, data, picture.size)
                if cost > MAX_MEMORY:
                    raise DataError(
                        f"{where} takes {cost:,} bytes to decode, more than {MAX_MEMORY:,}: save "
                        "it as PNG"
                    )
                picture.load()
        except (*_DECODE_ERRORS, Image.DecompressionBombError) as error:
            raise DataError(
                f"{where} is not a whole picture ({error}; {len(data):,} bytes): "
                "expected jpg, png or bmp; replace or remove it"
            ) from error
        if picture.size != FACE_SHAPE:
            raise DataError(
                f"{where} is {picture.width}x{picture.height} pixels: expected 48x48, as FER-2013 "
                "has; for photos, crop faces first with fermodels.read_photo"
            )
        if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
            raise DataError(
                f"{where} has mode {picture.mode} (more than 8 bits a pixel): "
                "expected 8-bit grey or colour; save it as 8-bit grey"
            )
        self.seen += 1
        self.coloured += picture.mode != "L"
        self.lossy += picture.format == "JPEG"
        return np.asarray(picture if picture.mode == "L" else picture.convert("L"), np.uint8)

    def notes(self) -> tuple[str, ...]:
        """Return what a person should know about the pictures read so far."""
        notes = []
        if self.coloured:
            notes.append(f"{self.coloured:,} of {self.seen:,} pictures were colour: made grey.")
        if self.lossy:
            notes.append(
                f"{self.lossy:,} of {self.seen:,} pictures are JPEG, which changes pixels a "
                "little: sample ids and content hash differ from those of lossless copies."
            )
        return tuple(notes)


# --- Recognising the form


def source_in(folder: Path) -> DataSource | None:
    """Return the class folders in a folder, or None if there are none.

    Raises:
        DataError: see `pictures`.
    """
    if not is_form(folder):
        return None
    inside = pictures(folder)
    return DataSource(READER.form, folder, [p.path for p in inside], lambda: read(inside))


READER = Reader(
    "image folders",
    "folders such as train/angry with jpg, png or bmp files",
    in_folder=source_in,
    names_in=lambda folder: ["image folders"] if is_form(folder) else [],
)
