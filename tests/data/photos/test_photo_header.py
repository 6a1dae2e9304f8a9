"""A header of millions of pieces is refused before Pillow begins; ordinary files never are."""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from fermodels.data.photos.decode import MAX_PIECES, PIECES, check_header, opened_photo
from fermodels.errors import PhotoError

PIXELS = np.random.default_rng(0).integers(0, 255, (60, 60, 3), np.uint8)


def encoded(kind: str, **how: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, kind, **how)
    return stream.getvalue()


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + crc


def in_gif(block: bytes, count: int) -> bytes:
    gif = encoded("GIF")
    first = gif.index(b"\x2c", 13 + 768)
    return gif[:first] + block * count + gif[first:]


def tiff(strips: int) -> bytes:
    once = {256: 100, 257: 100, 258: 8, 259: 1, 262: 1, 277: 1, 278: 1}
    tags = [*((tag, 3, 1, value) for tag, value in once.items()), (273, 4, strips, 200),
            (279, 4, strips, 200)]  # fmt: skip
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags))
    return head + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4 * strips + 4)


PNG, JPEG = encoded("PNG"), encoded("JPEG")
COSTLY: dict[str, Callable[[], bytes]] = {
    "comments of a GIF": lambda: in_gif(b"\x21\xfe\x01a\x00", 1_500_000),
    "parts of one comment of a GIF": lambda: in_gif(b"\x21\xfe" + b"\x01a" * 3_000_000 + b"\0", 1),
    "bytes between a GIF's blocks": lambda: in_gif(b"\x00", 5_000_000),
    "chunks of a PNG": lambda: PNG[:33] + chunk(b"teST") * 800_000 + PNG[33:],
    "markers of a JPEG": lambda: JPEG[:2] + b"\xff\xfe\x00\x02" * 2_000_000 + JPEG[2:],
    "EXIF parts of a JPEG": lambda: JPEG[:2] + b"\xff\xe1\x00\x08Exif\0\0" * 900_000 + JPEG[2:],
    "fill of a JPEG": lambda: JPEG[:2] + b"\xff" * 9_000_000 + JPEG[2:],
    "strips of a TIFF": lambda: tiff(1_200_000),
}  # fmt: skip


@pytest.mark.parametrize("name", COSTLY)
def test_a_header_of_millions_of_pieces_costs_next_to_nothing(name: str) -> None:
    data = COSTLY[name]()
    begun = time.process_time()
    with pytest.raises(PhotoError, match="pieces: open it in an image viewer"), opened_photo(data):
        pass
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_ordinary_pictures_pass(kind: str) -> None:
    with opened_photo(encoded(kind)) as photo:
        assert photo.size == (60, 60)


@pytest.mark.parametrize(
    "data",
    [
        encoded("PNG", pnginfo=None, dpi=(72, 72)), encoded("JPEG", comment="x" * 60_000),
        encoded("JPEG", progressive=True, exif=Image.Exif().tobytes()),
        encoded("TIFF", compression="tiff_lzw"), encoded("GIF", comment="x" * 5_000),
    ],
)  # fmt: skip
def test_pictures_with_much_about_them_pass(data: bytes) -> None:
    check_header(data)


@pytest.mark.parametrize("start", PIECES)
def test_cut_and_damaged_headers_are_left_to_pillow(start: bytes) -> None:
    dice = np.random.default_rng(0)
    for length in range(0, 60):
        check_header(start + dice.bytes(length))
        check_header(start + bytes(length))
        check_header(start + b"\xff" * length)


def test_a_piece_longer_than_the_file_ends_the_count() -> None:
    check_header(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 2**31 - 1) + b"IDAT" * MAX_PIECES)
