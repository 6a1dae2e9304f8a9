"""How many pieces a picture's file consists of before its pixels: a bound on reading its header.

Pillow walks through markers, chunks and comments one by one in Python, and joins some of them each
time anew: a GIF of 10 MB with two million comments keeps it busy for a minute and a half before a
size is known. Here the pieces are counted by their lengths alone, up to a bound.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import islice

from fermodels.errors import PhotoError

MAX_PIECES = 20_000
"""Markers, chunks or blocks; a PNG of 10 MB in pieces of 8 kB, as libpng writes it, has 1,300."""

MAX_VALUES = 200_000
"""Numbers that one TIFF tag may list: strips' places, one a row at most."""


def check_header(data: bytes) -> None:
    """See that reading a picture's header takes a bounded time.

    What is no picture, or is damaged, passes: Pillow says what is wrong with it.

    Args:
        data: the file.

    Raises:
        PhotoError: it consists of more than MAX_PIECES pieces.
    """
    for start, pieces in PIECES.items():
        if data.startswith(start):
            try:
                many = sum(1 for _ in islice(pieces(data), MAX_PIECES + 1)) > MAX_PIECES
            except (IndexError, struct.error):
                return
            if many:
                raise PhotoError(
                    f"the picture's header consists of more than {MAX_PIECES:,} pieces: open it in "
                    "an image viewer and save it again"
                )


def _png(data: bytes) -> Iterator[None]:
    """Yield once a chunk."""
    at = 8
    while at < len(data):
        at += 12 + int(struct.unpack_from(">I", data, at)[0])
        yield


def _jpeg(data: bytes) -> Iterator[None]:
    """Yield once a marker, or a byte that fills a gap, up to the first scan."""
    at = 2
    while True:
        marker = data[at + 1]
        if data[at] != 0xFF or marker in (0x00, 0xFF):
            at += 1
        elif marker in (0xDA, 0xD9):
            return
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            at += 2
        else:
            at += 2 + max(2, int(struct.unpack_from(">H", data, at + 2)[0]))
        yield


def _gif(data: bytes) -> Iterator[None]:
    """Yield once a block, or a part of one, up to the first picture."""
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while data[at] != 0x2C:
        at += 1
        if data[at - 1] == 0x21:
            at += 1
            while data[at]:
                at += data[at] + 1
                yield
            at += 1
        yield


def _tiff(data: bytes) -> Iterator[None]:
    """Yield once a tag of the first picture, and for each tag that lists too many numbers enough
    to fail."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    place, size, head, count = (8, 20, "QHQ", "Q") if big else (4, 12, "IHI", "H")
    first = int(struct.unpack_from(f"{order}{head[0]}", data, place)[0])
    at = first + struct.calcsize(f"{order}{count}")
    for _ in range(int(struct.unpack_from(f"{order}{count}", data, first)[0])):
        kind, values = struct.unpack_from(f"{order}2x{head[1:]}", data, at)
        yield
        if kind not in (1, 2, 6, 7) and values > MAX_VALUES:  # bytes and texts may be long
            yield from [None] * MAX_PIECES
        at += size


PIECES: dict[bytes, Callable[[bytes], Iterator[None]]] = {
    b"\x89PNG\r\n\x1a\n": _png,
    b"\xff\xd8": _jpeg,
    b"GIF8": _gif,
    b"II": _tiff,
    b"MM": _tiff,
}
"""How a file begins -> what walks through it. WebP's and BMP's headers are of fixed size."""
