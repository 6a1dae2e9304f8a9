"""Untrusted picture bytes -> an upright 8-bit RGB picture, or one clear sentence saying why not.

Everything happens in memory. Sizes are judged from the header, before any pixel is decoded, so a
small file that claims a huge picture costs nothing.
"""

from __future__ import annotations

import importlib.util
import stat
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from fermodels.errors import ConfigError, PhotoError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Pillow's names of the formats that are opened; all other decoders stay out of reach."""

READABLE = "JPEG, PNG, WebP, GIF, BMP, TIFF or HEIC"
BACKDROP = (128, 128, 128, 255)
"""Mid-grey shown through transparent pixels: neither a dark nor a bright edge around a cut-out."""

PILLOW_PIXELS = 178_000_000
"""Above about this many pixels Pillow itself refuses to open a picture."""

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


@dataclass(frozen=True)
class PhotoLimits:
    """How large, and how small, an uploaded picture may be."""

    max_bytes: int = 32 * 1024 * 1024
    """Largest file, in bytes."""

    max_pixels: int = 64_000_000
    """Largest width x height, in pixels; decoding holds about four bytes for each."""

    max_side: int = 20_000
    """Longest side, in pixels."""

    min_side: int = 24
    """Shortest side, in pixels: half of the 48 that the networks see."""

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pixels", "max_side", "min_side"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: give a number of at least 1")
        if self.max_pixels > PILLOW_PIXELS:
            raise ConfigError(
                f"max_pixels is {self.max_pixels:,}, but Pillow opens no picture above "
                f"{PILLOW_PIXELS:,}: give that or less"
            )


def decode_photo(source: bytes | str | Path, *, limits: PhotoLimits | None = None) -> Image.Image:
    """Return the picture upright, as 8-bit RGB.

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
    _check_size(image.size, limits)
    return _decode(image)


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


def _open(data: bytes) -> Image.Image:
    """Read the header only; Pillow decodes no pixel here."""
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
    seen = f"the picture measures {width} x {height} pixels"
    if min(size) < limits.min_side:
        raise PhotoError(
            f"{seen}, too small to hold a face: use one of at least {limits.min_side} pixels a side"
        )
    if max(size) > limits.max_side or width * height > limits.max_pixels:
        raise PhotoError(
            f"{seen}, more than the {limits.max_side:,} a side or {limits.max_pixels:,} in all "
            "that are allowed: save it smaller"
        )


def _decode(image: Image.Image) -> Image.Image:
    """Decode the first frame, stand it upright and bring it to RGB."""
    try:
        image.load()
        upright = _upright(image)
        return _to_rgb(upright)
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


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; Pillow has already done so for TIFF and removed the tag."""
    turn = UPRIGHTING.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return 8-bit RGB whatever the mode: deep samples cut, transparency over mid-grey."""
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_to_8_bits(np.asarray(image))).convert("RGB")
    if image.mode == "LAB":
        raise PhotoError("the picture uses the colour mode LAB: save it as RGB")
    if image.has_transparency_data:
        backdrop = Image.new("RGBA", image.size, BACKDROP)
        return Image.alpha_composite(backdrop, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _to_8_bits(samples: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return uint8 (H, W) from integer samples of 0..65535 or float samples of 0..1."""
    low, high = float(samples.min()), float(samples.max())
    whole = np.issubdtype(samples.dtype, np.integer)
    ceiling = 65535.0 if whole else 1.0
    # A NaN fails this comparison too.
    if not 0.0 <= low <= high <= ceiling:
        raise PhotoError(
            f"the picture's grey values run from {low:g} to {high:g} where 0 to {ceiling:g} was "
            "expected: save it with 8 bits a channel"
        )
    return (samples.astype(np.float32) * (255.0 / ceiling) + 0.5).astype(np.uint8)
