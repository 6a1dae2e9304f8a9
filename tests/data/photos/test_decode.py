"""Untrusted bytes become upright RGB, or one clear sentence."""

from __future__ import annotations

import struct
import threading
import time
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile, ImageOps
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from fermodels.data.photos import decode as photos_decode
from fermodels.data.photos.decode import PhotoLimits, opened_photo
from fermodels.errors import ConfigError, PhotoError
from tests.hostile.pictures import many_scans, tiled_tiff


def encode(image: Image.Image, format_: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def decode_photo(source: bytes | str | Path, **limits: PhotoLimits) -> Image.Image:
    """Return the picture alone."""
    with opened_photo(source, **limits) as photo:
        return photo.picture


@pytest.fixture
def scene() -> Image.Image:
    """A 64 x 48 picture, smooth, different in every corner and channel."""
    y, x = np.mgrid[0:48, 0:64]
    return Image.fromarray(np.stack([x * 4, y * 5, (x + y) * 2], axis=-1).astype(np.uint8))


def png_header(width: int, height: int) -> bytes:
    """A well-formed PNG that claims a size and holds next to no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    idat = chunk(b"IDAT", zlib.compress(b"\0"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + idat + chunk(b"IEND", b"")


def assert_one_sentence(error: PhotoError) -> None:
    text = str(error)
    assert "\n" not in text
    assert 30 < len(text) < 400
    assert ":" in text, "the next step follows a colon"


@pytest.mark.parametrize("format_", ["PNG", "BMP", "TIFF", "GIF", "JPEG", "WEBP"])
def test_every_allowed_format_shows_the_same_picture(scene: Image.Image, format_: str) -> None:
    lossless = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}.get(format_, {})
    difference = np.abs(
        np.asarray(decode_photo(encode(scene, format_, **lossless)), np.int16)
        - np.asarray(scene, np.int16)
    )
    # GIF has 256 colours and JPEG is lossy; the others are exact.
    assert difference.mean() <= {"GIF": 10.0, "JPEG": 3.0}.get(format_, 0.0)


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(scene: Image.Image, format_: str, orientation: int) -> None:
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a),
        7: lambda a: np.rot90(a[::-1, ::-1].swapaxes(0, 1), 0),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    stored = Image.fromarray(np.ascontiguousarray(undo(np.asarray(scene))))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options: dict[str, object] = {"exif": exif}
    if format_ == "TIFF":
        tags = ImageFileDirectory_v2()
        tags[ExifTags.Base.Orientation] = orientation
        options = {"tiffinfo": tags}
    shown = decode_photo(encode(stored, format_, **options))
    assert shown.size == scene.size
    assert np.abs(np.asarray(shown, float) - np.asarray(scene, float)).mean() < 8


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
def test_png_modes_keep_their_grey(mode: str) -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))
    if mode == "I;16":
        image = Image.fromarray(ramp.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(ramp).convert(mode)
    shown = np.asarray(decode_photo(encode(image)).convert("L"))
    wanted = np.asarray(image.convert("L")) if mode == "1" else ramp
    np.testing.assert_array_equal(shown, wanted)


def test_float_tiff_from_zero_to_one_keeps_its_grey() -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))
    data = encode(Image.fromarray(ramp.astype(np.float32) / 255), "TIFF")
    np.testing.assert_array_equal(np.asarray(decode_photo(data).convert("L")), ramp)


@pytest.mark.parametrize("value", [float("nan"), -1.0, 300.0])
def test_grey_values_outside_the_known_range_are_named(value: float) -> None:
    data = encode(Image.fromarray(np.full((48, 48), value, np.float32)), "TIFF")
    with pytest.raises(PhotoError, match="grey values run from") as caught:
        decode_photo(data)
    assert_one_sentence(caught.value)


def test_cmyk_jpeg_is_not_inverted() -> None:
    red = Image.new("RGB", (48, 48), (200, 30, 30))
    shown = np.asarray(decode_photo(encode(red.convert("CMYK"), "JPEG")))
    assert np.abs(shown.astype(int) - (200, 30, 30)).max() < 12


def test_transparent_pixels_show_mid_grey_and_half_transparent_ones_blend() -> None:
    image = Image.new("RGBA", (48, 48), (255, 255, 255, 0))
    image.paste((255, 255, 255, 128), (0, 0, 24, 48))
    shown = np.asarray(decode_photo(encode(image)))
    assert (shown[:, 24:] == 128).all()
    assert np.abs(shown[:, :24].astype(int) - 192).max() <= 1


def test_transparent_palette_entry_shows_mid_grey() -> None:
    image = Image.new("P", (48, 48), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    shown = np.asarray(decode_photo(encode(image, transparency=0)))
    assert (shown == 128).all()


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animation_shows_its_first_frame(format_: str) -> None:
    first, second = Image.new("RGB", (48, 48), "white"), Image.new("RGB", (48, 48), "black")
    data = encode(first, format_, save_all=True, append_images=[second, second])
    assert np.asarray(decode_photo(data)).min() >= 250


def test_multi_picture_jpeg_of_a_phone_shows_its_first_picture() -> None:
    first, second = Image.new("RGB", (48, 48), "white"), Image.new("RGB", (48, 48), "black")
    data = encode(first, "MPO", save_all=True, append_images=[second])
    assert np.asarray(decode_photo(data)).min() >= 250


HOSTILE = {
    "empty": (b"", "0 bytes"),
    "text": (b"this is only a text file named face.jpg\n" * 9, "begins with b'this is '"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg' width='99' height='99'/>", "<svg xml"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EOF", "begins with"),
    "pdf": (b"%PDF-1.4\n1 0 obj\n<<>>\nendobj", "begins with"),
    "zip": (b"PK\x03\x04" + bytes(100), "begins with"),
    "png bomb": (png_header(50_000, 50_000), "far more pixels"),
    "png no width": (png_header(0, 50), ""),
    "png one pixel": (png_header(1, 1), "1 x 1"),
    "png too long": (png_header(30_000, 30), "30000 x 30"),
    "png without pixels": (png_header(100, 100), "damaged or cut short"),
    "gif with script behind": (b"GIF89a/*" + b"*/=alert(1);" * 20, ""),
    "jpeg start only": (b"\xff\xd8\xff\xe0", ""),
    "bmp with negative width": (
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, -99, 99, 1, 24, 0, 0, 0, 0, 0, 0),
        "",
    ),
}


@pytest.mark.parametrize(("data", "says"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bytes_get_one_sentence(data: bytes, says: str) -> None:
    with pytest.raises(PhotoError) as caught:
        decode_photo(data)
    assert_one_sentence(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize("format_", ["PNG", "BMP", "TIFF", "GIF", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_picture_gets_one_sentence(format_: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), format_)
    with pytest.raises(PhotoError) as caught:
        decode_photo(data[: int(len(data) * share)])
    assert_one_sentence(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("format_", ["PNG", "BMP", "TIFF", "GIF", "JPEG", "WEBP"])
def test_altered_bytes_give_a_picture_or_a_photo_error_and_nothing_else(
    scene: Image.Image, format_: str
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = encode(scene, format_, **({} if format_ in ("BMP", "GIF") else {"exif": exif}))
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        altered = bytearray(data)
        # Headers are where the decisions are: half of the changes go there.
        for place in (*rng.integers(0, len(data), 3), *rng.integers(0, min(99, len(data)), 3)):
            altered[place] = rng.integers(0, 256)
        try:
            assert decode_photo(bytes(altered)).mode == "RGB"
        except PhotoError as error:
            assert_one_sentence(error)
            refused += 1
    assert refused > 0, "no alteration was ever noticed: this test tests nothing"


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(50_000, 50_000), (10_000, 10_000), (8_001, 8_000)])
def test_bomb_is_refused_before_a_pixel_is_decoded(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    def decode(self: ImageFile.ImageFile) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    with pytest.raises(PhotoError, match="pixels"):
        decode_photo(png_header(*size))


def test_each_limit_is_enforced_and_named(scene: Image.Image, tmp_path: Path) -> None:
    data = encode(scene)
    path = tmp_path / "scene.png"
    path.write_bytes(data)
    for limits, says in (
        (PhotoLimits(max_bytes=len(data) - 1), f"{len(data):,} bytes"),
        (PhotoLimits(max_pixels=64 * 48 - 1), "64 x 48"),
        (PhotoLimits(max_side=63), "64 x 48"),
        (PhotoLimits(min_side=49), "too small"),
    ):
        for source in (data, path, str(path)):
            with pytest.raises(PhotoError, match=says) as caught:
                decode_photo(source, limits=limits)
            assert_one_sentence(caught.value)
    exact = PhotoLimits(max_bytes=len(data), max_pixels=64 * 48, max_side=64, min_side=48)
    assert decode_photo(path, limits=exact).size == (64, 48)


@pytest.mark.parametrize("field", ["max_bytes", "max_pixels", "max_memory", "max_side", "min_side"])
def test_limits_below_one_or_above_pillows_own_are_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        PhotoLimits(**{field: 0})
    with pytest.raises(ConfigError, match="max_pixels"):
        PhotoLimits(max_pixels=10**9)


def test_paths_that_are_no_picture_file_get_one_sentence(tmp_path: Path) -> None:
    sources: list[str | Path] = [
        tmp_path,
        tmp_path / "missing.jpg",
        "https://example.org/face.jpg",
        "face\0.jpg",
        "f" * 5000,
        "",
    ]
    if Path("/dev/zero").exists():
        sources.append("/dev/zero")
    for source in sources:
        with pytest.raises(PhotoError) as caught:
            decode_photo(source)
        assert_one_sentence(caught.value)


def test_heic_without_its_reader_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos_decode.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PhotoError, match="pip install pillow-heif") as caught:
        decode_photo(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    assert_one_sentence(caught.value)


def test_heic_is_read_and_damage_named_when_its_reader_is_installed(scene: Image.Image) -> None:
    pytest.importorskip("pillow_heif", reason="pillow-heif is optional").register_heif_opener()
    data = encode(scene, "HEIF", quality=95)
    shown = np.asarray(decode_photo(data), float)
    assert np.abs(shown - np.asarray(scene, float)).mean() < 6
    with pytest.raises(PhotoError) as caught:
        decode_photo(data[: len(data) // 2])
    assert_one_sentence(caught.value)


def plain_way(data: bytes) -> Image.Image:
    """Decode as Pillow's manual does, with whole copies and nothing reduced."""
    image = Image.open(BytesIO(data))
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        grey = np.asarray(upright).astype(np.float32) * (255 / 65535) + 0.5
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if upright.has_transparency_data:
        grey = Image.new("RGBA", upright.size, (128, 128, 128, 255))
        return Image.alpha_composite(grey, upright.convert("RGBA")).convert("RGB")
    return upright.convert("RGB")


def large_scene(width: int, height: int) -> Image.Image:
    """Smooth, different in every corner and channel."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return Image.fromarray(
        np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)], -1).astype(
            np.uint8
        )
    )


def stored_in_every_way(picture: Image.Image) -> dict[str, bytes]:
    """Return a picture in the formats and modes that take different paths."""
    few, exif = picture.quantize(32), Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    soft = picture.copy()
    soft.putalpha(picture.getchannel(0))
    deep = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    return {
        "JPEG": encode(picture, "JPEG", quality=90),
        "JPEG in scans": encode(picture, "JPEG", quality=90, progressive=True),
        "JPEG turned": encode(picture, "JPEG", quality=90, exif=exif),
        "JPEG in CMYK": encode(picture.convert("CMYK"), "JPEG", quality=90),
        "PNG": encode(picture, compress_level=1),
        "PNG with alpha": encode(soft, compress_level=1),
        "PNG of a palette": encode(few),
        "PNG of a palette with transparency": encode(few, transparency=3),
        "PNG of 16 bits": encode(deep, compress_level=1),
        "TIFF": encode(picture, "TIFF", compression="tiff_lzw"),
        "TIFF turned": encode(picture, "TIFF", compression="tiff_lzw", exif=exif),
        "GIF": encode(few, "GIF"),
    }


def test_an_ordinary_photo_is_to_the_pixel_what_pillow_makes_of_it() -> None:
    for name, data in stored_in_every_way(large_scene(1501, 1003)).items():
        with opened_photo(data) as photo:
            expected = plain_way(data)
            assert photo.size == photo.picture.size == expected.size, name
            assert np.array_equal(np.asarray(photo.picture), np.asarray(expected)), name


def test_a_large_photo_comes_reduced_and_says_its_size() -> None:
    for name, data in stored_in_every_way(large_scene(5203, 3103)).items():
        with opened_photo(data) as photo:
            expected = plain_way(data)
            assert photo.size == expected.size, name
            assert photo.picture.size == tuple(-(-side // 4) for side in expected.size), name
            small = expected.resize(photo.picture.size, Image.Resampling.BOX)
            apart = np.abs(np.asarray(photo.picture, float) - np.asarray(small, float))
            assert apart.mean() < 1.5 and np.quantile(apart, 0.99) < 8, (name, apart.mean())


def test_what_decoding_takes_is_judged_from_the_header() -> None:
    for data, says in (
        (encode(Image.new("RGB", (4600, 4600)), "WEBP"), "this WEBP takes 339 MB"),
        (encode(Image.new("RGB", (7600, 7600)), "JPEG", progressive=True, subsampling=0), "JPEG"),
        (tiled_tiff(20_000), "this TIFF takes 400 MB"),
    ):
        with pytest.raises(PhotoError, match=says) as caught:
            decode_photo(data)
        assert_one_sentence(caught.value)


def test_a_jpeg_of_endless_scans_is_refused_before_any_is_decoded() -> None:
    assert decode_photo(many_scans(20)).size == (48, 48)
    with pytest.raises(PhotoError, match=r"2,01. scans") as caught:
        decode_photo(many_scans(2000))
    assert_one_sentence(caught.value)


def test_threads_share_the_memory_for_photos_and_the_large_one_gets_its_turn() -> None:
    budget, held, most, order = photos_decode._MemoryBudget(10), [], [0], []

    def work(size: int) -> None:
        with budget.taken(size):
            held.append(min(size, 10))
            most[0] = max(most[0], sum(held))
            time.sleep(0.02)
            held.remove(min(size, 10))
            order.append(size)

    sizes = [3, 3, 3, 99, *[3] * 12]
    threads = [threading.Thread(target=work, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
        time.sleep(0.001)
    for thread in threads:
        thread.join(10)
    assert most[0] <= 10
    assert order.index(99) <= 4, "small ones must not pass a large one for ever"
    with pytest.raises(ZeroDivisionError), budget.taken(10):
        _ = 1 / 0
    with budget.taken(10):
        pass
