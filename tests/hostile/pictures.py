"""Pictures made to do harm, small enough to keep as code: name -> bytes."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
from PIL import Image, PngImagePlugin

NOISE = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)


def encode(format_: str, **options: object) -> bytes:
    """Return 48 x 48 pixels of noise as a file."""
    buffer = BytesIO()
    Image.fromarray(NOISE).save(buffer, format_, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *more: bytes, pixels: bytes = b"\0") -> bytes:
    """Return a PNG that claims a size, with extra chunks before its pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    tail = chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + tail


def tiff(width: int, height: int) -> bytes:
    """Return a TIFF whose header claims a size and whose one strip holds nothing."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1),
            (273, 4, 8), (277, 3, 1), (278, 4, height), (279, 4, 1)]  # fmt: skip
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + body + bytes(4)


def tiled_tiff(side: int) -> bytes:
    """Return a TIFF of 48 x 48 pixels whose one deflated tile unfolds to `side` squared bytes."""
    packer = zlib.compressobj(9)
    row = bytes(side)
    tile = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    tags = [(256, 4, 48), (257, 4, 48), (258, 3, 8), (259, 3, 8), (262, 3, 1), (277, 3, 1),
            (322, 4, side), (323, 4, side), (324, 4, 134), (325, 4, len(tile))]  # fmt: skip
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + body + bytes(4) + tile


def many_scans(scans: int) -> bytes:
    """Return a progressive JPEG that repeats its last scan."""
    sound = encode("JPEG", progressive=True)
    last, end = sound.rindex(b"\xff\xda"), sound.rindex(b"\xff\xd9")
    return sound[:end] + sound[last:end] * scans + sound[end:]


def webp(width: int, height: int) -> bytes:
    """Return a WebP whose extended header claims a size."""
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif(width: int, height: int) -> bytes:
    """Return a GIF of one empty frame on a screen of a claimed size."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0)
    return (
        b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame + b"\2\0;"
    )


def ico() -> bytes:
    """Return an icon around a PNG that claims 50,000 pixels a side."""
    inner = png(50_000, 50_000)
    return b"\0\0\1\0\1\0" + struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(inner), 22) + inner


def text_bomb() -> bytes:
    """Return a PNG with 80 MB of compressed text in 80 KB."""
    body = b"Comment\0\0" + zlib.compress(bytes(80_000_000), 9)
    return png(48, 48, chunk(b"zTXt", body))


def endless_frames() -> bytes:
    """Return an animated PNG that claims four thousand million frames."""
    return png(48, 48, chunk(b"acTL", struct.pack(">II", 2**32 - 1, 0)))


def with_text(text: str) -> bytes:
    """Return a sound PNG that carries a script in its text."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", text)
    return encode("PNG", pnginfo=info)


BAD: dict[str, bytes] = {
    "zero bytes": b"",
    "one byte": b"\xff",
    "text": b"this is no picture\n" * 20,
    "html": b"<html><script>alert(1)</script></html>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 48\n(%pipe%id) (r) file\n%%EOF",
    "pickle": b"\x80\x04\x95" + bytes(30),
    "zip": b"PK\x03\x04" + bytes(60),
    "icon bomb": ico(),
    "png bomb": png(50_000, 50_000),
    "png bomb under Pillow's limit": png(13_000, 13_000),
    "tiff bomb": tiff(60_000, 60_000),
    "tiff of no pixels": tiff(48, 48),
    "webp bomb": webp(16_384, 16_384),
    "webp of no pixels": webp(48, 48),
    "gif bomb": gif(65_535, 65_535),
    "png too wide": png(2**31 - 1, 1),
    "png of negative size": png(2**32 - 1, 2**32 - 1),
    "png text bomb": text_bomb(),
    "tiff tile bomb": tiled_tiff(20_000),
    "png of endless frames": endless_frames(),
    "png with too few pixels": png(48, 48, pixels=b"\0"),
    "png with a broken stream": encode("PNG").replace(b"IDAT", b"IDAT\xff", 1),
    **{f"{name} cut short": encode(name)[:len(encode(name)) // 2]
       for name in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP")},
}  # fmt: skip
"""Every one must end in one sentence of ours."""

ODD: dict[str, bytes] = {
    "jpeg named png": encode("JPEG"),
    "jpeg and zip at once": encode("JPEG") + b"PK\x03\x04" + bytes(60) + b"PK\x05\x06" + bytes(18),
    "gif and script at once": encode("GIF") + b"/*<script>alert(1)</script>*/",
    "png with a script inside": with_text("<script>alert(1)</script>"),
    "animated gif": encode("GIF", save_all=True, append_images=[Image.new("RGB", (48, 48))] * 3),
    "jpeg in cmyk": (lambda b: (Image.fromarray(NOISE).convert("CMYK").save(b, "JPEG"), b)[1])(
        BytesIO()
    ).getvalue(),
}
"""Strange but sound: read as pictures, and as nothing else."""
