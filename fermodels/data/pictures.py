"""One encoded 48x48 picture (PNG, JPEG, BMP) -> grey levels."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from fermodels.data.dataset import FACE_SHAPE
from fermodels.data.photo_decode import FORMATS, decoding_bytes
from fermodels.data.photo_header import check_header
from fermodels.errors import DataError, PhotoError

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
