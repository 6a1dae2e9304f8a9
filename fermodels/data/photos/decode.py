"""Untrusted picture bytes -> an upright 8-bit RGB picture, or one clear sentence saying why not.

Everything happens in memory. Sizes, and what decoding will take, are judged from the header, before
any pixel is decoded, so a small file that claims a huge picture costs nothing. Threads that open
photos share one budget of memory, and wait for each other where it is spent.
"""

from __future__ import annotations

import importlib.util
import re
import stat
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from threading import Condition, Lock

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, JpegImagePlugin, TiffImagePlugin, UnidentifiedImageError

from fermodels.data.photos.detect import LONGEST_SIDE
from fermodels.errors import ConfigError, PhotoError
from fermodels.memory import return_freed_memory

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Pillow's names of the formats that are opened; all other decoders stay out of reach."""

READABLE = "JPEG, PNG, WebP, GIF, BMP, TIFF or HEIC"
BACKDROP = (128, 128, 128, 255)
"""Mid-grey shown through transparent pixels: neither a dark nor a bright edge around a cut-out."""

PILLOW_PIXELS = 178_000_000
"""Above about this many pixels Pillow itself refuses to open a picture."""

ORDINARY_PIXELS = 16_000_000
"""Larger pictures are reduced while they are decoded, to 1/2, 1/4 or 1/8 of each side."""

STRIP_PIXELS = 1_000_000
"""Pixels converted at a time: a whole copy of a large picture takes a quarter of a gigabyte."""

SEARCH_BYTES = 80_000_000
"""What looking for faces takes besides the picture, at most (measured)."""

MAX_SCANS = 100
"""Passes over a JPEG: encoders write about ten, and each costs time for every pixel."""

BYTES_AT_ONCE = 420_000_000
"""Memory that all threads together may take for photos; one large photo takes most of it."""

COSTLY = {"WEBP": 16, "HEIF": 12, "bmp_rle": 16}
"""Bytes a pixel of the decoders that hold several copies; run lengths in BMP cost time instead."""

SCAN = re.compile(rb"\xff\xda\x00[\x06-\x0e]([\x01-\x04])", re.DOTALL)
"""A scan's header in a JPEG, and how many components it carries; pixels hold no such bytes."""

LARGE = 32_000_000
"""From this many bytes on, what a photo took is given back to the system at once."""

HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

UPRIGHTING = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation tag -> the turn that stands the picture upright (EXIF 2.3, tag 0x0112)."""

SIDEWAYS = tuple(UPRIGHTING[orientation] for orientation in (5, 6, 7, 8))
"""The turns that swap width and height."""


@dataclass(frozen=True)
class PhotoLimits:
    """How large, and how small, an uploaded picture may be."""

    max_bytes: int = 32 * 1024 * 1024
    """Largest file, in bytes."""

    max_pixels: int = 64_000_000
    """Largest width x height, in pixels."""

    max_memory: int = 320_000_000
    """Most bytes that decoding may take: about 4 a pixel, but 16 for WebP and 12 for HEIC."""

    max_side: int = 20_000
    """Longest side, in pixels."""

    min_side: int = 24
    """Shortest side, in pixels: half of the 48 that the networks see."""

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pixels", "max_memory", "max_side", "min_side"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: give a number of at least 1")
        if self.max_pixels > PILLOW_PIXELS:
            raise ConfigError(
                f"max_pixels is {self.max_pixels:,}, but Pillow opens no picture above "
                f"{PILLOW_PIXELS:,}: give that or less"
            )


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photo."""

    picture: Image.Image
    """Upright, 8-bit RGB; reduced where the photo has more than `ORDINARY_PIXELS`."""

    size: tuple[int, int]
    """Width and height of the photo, upright and not reduced."""


class _MemoryBudget:
    """Lets threads go on while what they take together stays within a number of bytes."""

    def __init__(self, total: int) -> None:
        self._total = self._free = total
        self._change = Condition()
        self._next = Lock()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Hold `size` bytes, or all where there are fewer; wait until they are free."""
        size = min(size, self._total)
        # One waits at a time, in front of the rest: small photos do not starve a large one.
        with self._next, self._change:
            self._change.wait_for(lambda: self._free >= size)
            self._free -= size
        try:
            yield
        finally:
            with self._change:
                self._free += size
                self._change.notify_all()


_budget = _MemoryBudget(BYTES_AT_ONCE)


@contextmanager
def opened_photo(
    source: bytes | str | Path, *, limits: PhotoLimits | None = None
) -> Iterator[Photo]:
    """Decode a photo, and hold its share of the memory for photos until the block ends.

    The first frame of an animation is taken, the EXIF orientation applied, transparency laid over
    mid-grey and 16-bit samples cut to 8. Colour profiles are ignored: they hardly move luma.

    Args:
        source: the file's bytes, or the path of a local file.
        limits: sizes allowed; the defaults of `PhotoLimits` when None.

    Raises:
        PhotoError: no such file, a size outside `limits`, a format not read, or a damaged file.
    """
    limits = limits or PhotoLimits()
    data = source if isinstance(source, bytes) else _read_file(source, limits)
    if not data:
        raise PhotoError("the picture is empty (0 bytes): choose the file again")
    if len(data) > limits.max_bytes:
        raise _too_many_bytes(len(data), limits)
    image = _open(data)
    size = image.size
    _check_size(size, limits)
    shrink = _shrink(image, data)
    cost = decoding_bytes(image, data, size, shrink)
    if cost > limits.max_memory:
        raise PhotoError(
            f"the picture measures {size[0]} x {size[1]} pixels, and decoding this {image.format} "
            f"takes {cost / 1e6:,.0f} MB, more than the {limits.max_memory / 1e6:,.0f} allowed: "
            "save it smaller, or as a baseline JPEG"
        )
    try:
        with _budget.taken(cost + SEARCH_BYTES):
            photo = _decode(image, size, shrink)
            del image  # its pixels would stay for as long as faces are looked for
            yield photo
    finally:
        if cost >= LARGE:
            return_freed_memory()


def _shrink(image: ImageFile.ImageFile, data: bytes) -> int:
    """Return by how much each side is still to be divided once the picture is decoded.

    A JPEG is told to reduce itself as it is decoded.
    """
    width, height = image.size
    shrink = 1
    if width * height > ORDINARY_PIXELS:
        fitting = [factor for factor in (2, 4, 8) if max(image.size) // factor >= LONGEST_SIDE]
        shrink = fitting[-1]
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        _check_scans(data)
        if shrink > 1:
            image.draft(image.mode, (width // shrink, height // shrink))
    return shrink // -(-width // image.width)


def decoding_bytes(
    image: ImageFile.ImageFile, data: bytes, size: tuple[int, int], shrink: int = 1
) -> int:
    """Return about how many bytes decoding a picture takes, judged from its header.

    Args:
        image: opened, not decoded; a JPEG may have been told to reduce itself.
        data: the file.
        size: width and height in the file.
        shrink: by how much each side is divided afterwards.

    Raises:
        PhotoError: the header is damaged.
    """
    pixels = image.width * image.height
    for name in (image.format, *(tile.codec_name for tile in image.tile)):
        if name in COSTLY:
            return pixels * COSTLY[name]
    stored = 1 if image.mode in ("1", "L", "P") else 2 if image.mode.startswith("I;") else 4
    # The pixels as stored; the result, in RGB and turned; and the grey copy that is searched.
    cost = stored * pixels + 5 * pixels // shrink**2
    try:
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            cost += _coefficient_bytes(image, data, size)
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            cost += _strip_bytes(image)
            if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
                cost += stored * pixels  # Pillow turns the whole picture
    except Exception as error:
        raise _damaged(error) from error
    return cost


def _check_scans(data: bytes) -> None:
    scans = len(SCAN.findall(data))
    if scans > MAX_SCANS:
        raise PhotoError(
            f"the JPEG comes in {scans:,} scans, more than the {MAX_SCANS} allowed: open it in an "
            "image viewer and save it again"
        )


def _coefficient_bytes(
    image: JpegImagePlugin.JpegImageFile, data: bytes, size: tuple[int, int]
) -> int:
    """Return what libjpeg holds until a JPEG's last scan; nothing where one scan is all."""
    together = all(components == bytes([image.layers]) for components in SCAN.findall(data))
    if together and "progressive" not in image.info:
        return 0
    blocks = [across * down for _, across, down, _ in image.layer]
    most = max(across for _, across, _, _ in image.layer) * max(
        down for _, _, down, _ in image.layer
    )
    return 2 * size[0] * size[1] * sum(blocks) // most


def _strip_bytes(image: TiffImagePlugin.TiffImageFile) -> int:
    """Return the size of a TIFF's strips or tiles: each is decoded whole, however large."""
    tags = image.tag_v2
    width = int(tags.get(TiffImagePlugin.TILEWIDTH, image.width))
    rows = min(int(tags.get(TiffImagePlugin.ROWSPERSTRIP, image.height)), image.height)
    height = int(tags.get(TiffImagePlugin.TILELENGTH, rows))
    samples = int(tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1))
    bits = max(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,)))
    return width * height * samples * int(bits) // 8


def _read_file(source: str | Path, limits: PhotoLimits) -> bytes:
    """Return the file's bytes, at most one more than allowed."""
    try:
        status = Path(source).stat()
        # A pipe or a device has no size to judge and may never end.
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is not a regular file")
        if status.st_size > limits.max_bytes:
            raise _too_many_bytes(status.st_size, limits)
        with Path(source).open("rb") as file:
            return file.read(limits.max_bytes + 1)
    except PhotoError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise PhotoError(
            f"cannot read {str(source)[:120]!r} ({reason}): give the path of a local picture, "
            "or its bytes"
        ) from error


def _too_many_bytes(size: int, limits: PhotoLimits) -> PhotoError:
    return PhotoError(
        f"the picture file has {size:,} bytes, more than the {limits.max_bytes:,} allowed: "
        "save it smaller or as JPEG"
    )


def _open(data: bytes) -> ImageFile.ImageFile:
    """Read the header only; Pillow decodes no pixel here."""
    check_header(data)
    formats = [*FORMATS, *_heif_formats(data)]
    try:
        return Image.open(BytesIO(data), formats=formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError(
            "the picture's header claims far more pixels than can be decoded safely: "
            "save it at a smaller size"
        ) from error
    except UnidentifiedImageError as error:
        raise PhotoError(
            f"this is not a picture that can be read (it begins with {data[:8]!r}): use {READABLE}"
        ) from error
    # Decoders fed hostile bytes raise nearly anything (struct, index, key, zlib errors ...).
    except Exception as error:
        raise _damaged(error) from error


def _heif_formats(data: bytes) -> tuple[str, ...]:
    """Return ("HEIF",) for a HEIC picture if pillow-heif is installed, () for other pictures."""
    if data[4:8] != b"ftyp" or data[8:12] not in HEIF_BRANDS:
        return ()
    if importlib.util.find_spec("pillow_heif") is None:
        raise PhotoError(
            "this is a HEIC picture and reading those needs pillow-heif: "
            "run `pip install pillow-heif` or save the picture as JPEG"
        )
    importlib.import_module("pillow_heif").register_heif_opener()
    return ("HEIF",)


def _check_size(size: tuple[int, int], limits: PhotoLimits) -> None:
    width, height = size
    measures = f"the picture measures {width} x {height} pixels"
    if min(size) < limits.min_side:
        raise PhotoError(
            f"{measures}, too small to hold a face: use one of at least {limits.min_side} pixels "
            "a side"
        )
    if max(size) > limits.max_side or width * height > limits.max_pixels:
        raise PhotoError(
            f"{measures}, more than the {limits.max_side:,} a side or {limits.max_pixels:,} in "
            "all that are allowed: save it smaller"
        )


def _decode(image: ImageFile.ImageFile, size: tuple[int, int], shrink: int) -> Photo:
    """Decode the first frame, bring it to RGB, reduce it to 1/`shrink` and stand it upright."""
    try:
        image.load()
        picture = _to_rgb(image, shrink)
        # Pillow has turned a TIFF already, and removed the tag.
        turn = UPRIGHTING.get(image.getexif().get(ExifTags.Base.Orientation, 1))
        if turn is not None:
            picture = picture.transpose(turn)
        return Photo(picture, size[::-1] if turn in SIDEWAYS else size)
    except PhotoError:
        raise
    except Exception as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> PhotoError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return PhotoError(
        f"the picture is damaged or cut short ({reason}): open it in an image viewer and save it "
        "again"
    )


def _to_rgb(image: Image.Image, shrink: int) -> Image.Image:
    """Return 8-bit RGB whatever the mode: deep samples cut, transparency over mid-grey.

    Done strip by strip: a whole copy of a large picture would take as much again.
    """
    if image.mode == "LAB":
        raise PhotoError("the picture uses the colour mode LAB: save it as RGB")
    if image.mode == "RGB" and shrink == 1 and not image.has_transparency_data:
        return image
    rows = max(1, STRIP_PIXELS // image.width // shrink) * shrink
    strips = [
        (0, top, image.width, min(top + rows, image.height)) for top in range(0, image.height, rows)
    ]
    deep = image.mode == "F" or image.mode.startswith("I")
    ceiling = _ceiling(np.asarray(image.crop(s)) for s in strips) if deep else None
    picture = Image.new("RGB", (-(-image.width // shrink), -(-image.height // shrink)))
    for strip in strips:
        part = _part_to_rgb(image.crop(strip), ceiling)
        picture.paste(part.reduce(shrink) if shrink > 1 else part, (0, strip[1] // shrink))
    return picture


def _part_to_rgb(part: Image.Image, ceiling: float | None) -> Image.Image:
    if ceiling is not None:
        levels = np.asarray(part).astype(np.float32) * (255.0 / ceiling) + 0.5
        return Image.fromarray(levels.astype(np.uint8)).convert("RGB")
    if part.has_transparency_data:
        backdrop = Image.new("RGBA", part.size, BACKDROP)
        return Image.alpha_composite(backdrop, part.convert("RGBA")).convert("RGB")
    return part.convert("RGB")


def _ceiling(parts: Iterable[NDArray[np.generic]]) -> float:
    """Return what counts as white: integer samples run to 65535, float samples to 1.

    Raises:
        PhotoError: samples outside of that.
    """
    spans = [(float(part.min()), float(part.max()), part.dtype) for part in parts]
    low, high = float(np.min([s[0] for s in spans])), float(np.max([s[1] for s in spans]))
    ceiling = 65535.0 if np.issubdtype(spans[0][2], np.integer) else 1.0
    # A NaN fails this comparison too.
    if not 0.0 <= low <= high <= ceiling:
        raise PhotoError(
            f"the picture's grey values run from {low:g} to {high:g} where 0 to {ceiling:g} was "
            "expected: save it with 8 bits a channel"
        )
    return ceiling


# --- How many pieces a picture's file consists of before its pixels: a bound on reading its header
#
# Pillow walks through markers, chunks and comments one by one in Python, and joins some of them
# each time anew: a GIF of 10 MB with two million comments keeps it busy for a minute and a half
# before a size is known. Here the pieces are counted by their lengths alone, up to a bound.


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
