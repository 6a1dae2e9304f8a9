"""Faces come out of any picture framed as FER-2013 frames them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from fermodels.data.photos import crop as photos_crop
from fermodels.data.photos.crop import read_photo, whole_picture
from fermodels.errors import PhotoError

FACE = (221.0, 116.0)
"""Between the astronaut's eyes and mouth, in her picture."""


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    """Eileen Collins, NASA, public domain: 512 x 512, in scikit-image's wheel."""
    data = pytest.importorskip("skimage.data", reason="the real photo is scikit-image's")
    return Image.fromarray(data.astronaut())


def encode(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def centre(face: photos_crop.Face) -> tuple[float, float]:
    left, top, right, bottom = face.box
    return (left + right) / 2, (top + bottom) / 2


def alike(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def test_astronaut_has_one_face_where_her_face_is(astronaut: Image.Image) -> None:
    (face,) = read_photo(encode(astronaut))
    assert face.image.shape == (48, 48)
    assert face.image.dtype == np.uint8
    assert not face.image.flags.writeable
    assert np.hypot(*np.subtract(centre(face), FACE)) < 12
    assert 90 < face.box[2] - face.box[0] < 130
    assert face.score > 0.5
    assert (face.angle, face.whole_picture) == (0.0, False)


def test_image_shows_what_the_box_holds(astronaut: Image.Image) -> None:
    (face,) = read_photo(encode(astronaut))
    plain = np.asarray(astronaut.convert("L").crop(face.box).resize((48, 48), Image.Resampling.BOX))
    assert alike(face.image, plain) > 0.98


def test_bytes_and_paths_give_the_same_face(astronaut: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "astronaut.png"
    path.write_bytes(encode(astronaut))
    faces = [read_photo(source)[0] for source in (path, str(path), path.read_bytes())]
    assert len({(face.box, face.score, face.image.tobytes()) for face in faces}) == 1


def test_crop_pasted_into_a_larger_canvas_comes_back(astronaut: Image.Image) -> None:
    (face,) = read_photo(encode(astronaut))
    crop = astronaut.crop(face.box)
    overlaps, likeness = [], []
    for side, left, top in ((110, 60, 40), (150, 90, 120), (200, 55, 77), (260, 160, 30)):
        pixels = np.asarray(crop.resize((side, side), Image.Resampling.BICUBIC))
        rim = ((top, 100), (left, 130), (0, 0))
        (found,) = read_photo(encode(Image.fromarray(np.pad(pixels, rim, mode="edge"))))
        overlaps.append(overlap(found.box, (left, top, left + side, top + side)))
        likeness.append(alike(found.image, face.image))
    assert np.mean(overlaps) > 0.8
    assert np.mean(likeness) > 0.85


def test_fer2013_crops_found_again_are_framed_alike_on_average(fer2013_dir: Path) -> None:
    from fermodels.data.readers.discover import read_faces

    images = read_faces(fer2013_dir).split("validation").images
    rng = np.random.default_rng(0)
    frames = []
    for index in rng.choice(len(images), 40, replace=False):
        side, left, top = int(rng.integers(100, 200)), *rng.integers(40, 100, 2)
        crop = Image.fromarray(images[index]).resize((side, side), Image.Resampling.BICUBIC)
        canvas = np.pad(np.asarray(crop), ((top, 60), (left, 60)), mode="edge")
        for face in read_photo(encode(Image.fromarray(canvas)))[:1]:
            if not face.angle:
                x, y = centre(face)
                width = face.box[2] - face.box[0]
                frames.append(((x - left) / side - 0.5, (y - top) / side - 0.5, width / side))
    assert len(frames) > 20, "dlib finds about three of four FER-2013 crops again"
    dx, dy, scale = np.median(frames, axis=0)
    assert abs(dx) < 0.03
    assert abs(dy) < 0.03
    assert 0.92 < scale < 1.08


@pytest.mark.parametrize("turn", [45, -45, 90, -90, 180])
def test_turned_face_is_found_and_stood_upright(astronaut: Image.Image, turn: int) -> None:
    (upright,) = read_photo(encode(astronaut))
    turned = astronaut.rotate(turn, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))
    (face,) = read_photo(encode(turned))
    assert (face.angle + turn) % 360 == 0
    assert alike(face.image, upright.image) > 0.8
    # Where the middle of her face went: turned anticlockwise around (256, 256), y down.
    angle = np.radians(turn)
    dx, dy = np.subtract(FACE, 256)
    wanted = np.add(
        256, (np.cos(angle) * dx + np.sin(angle) * dy, -np.sin(angle) * dx + np.cos(angle) * dy)
    )
    assert np.hypot(*np.subtract(centre(face), wanted)) < 14


def test_dark_and_blurred_faces_are_found(astronaut: Image.Image) -> None:
    dark = astronaut.point(lambda level: level * 0.12)
    blurred = astronaut.filter(ImageFilter.GaussianBlur(3))
    for picture in (dark, blurred):
        (face,) = read_photo(encode(picture))
        assert np.hypot(*np.subtract(centre(face), FACE)) < 14


@pytest.mark.parametrize("size", [110, 128, 256, 1000, 2000])
def test_face_is_found_at_any_size_and_its_box_scales(astronaut: Image.Image, size: int) -> None:
    faces = read_photo(encode(astronaut.resize((size, size), Image.Resampling.BICUBIC)))
    assert len(faces) == 1
    scaled = np.multiply(faces[0].box, 512 / size)
    assert overlap(tuple(scaled), (166, 60, 276, 170)) > 0.55


def test_all_faces_come_largest_first(astronaut: Image.Image) -> None:
    canvas = Image.new("RGB", (900, 512), (90, 90, 90))
    canvas.paste(astronaut.resize((300, 300)), (0, 0))
    canvas.paste(astronaut, (350, 0))
    faces = read_photo(encode(canvas))
    assert len(faces) == 2
    large, small = (centre(face) for face in faces)
    assert np.hypot(*np.subtract(large, np.add(FACE, (350, 0)))) < 12
    assert np.hypot(*np.subtract(small, np.multiply(FACE, 300 / 512))) < 12


@pytest.mark.parametrize("size", [(48, 48), (64, 64), (64, 40), (30, 50)])
def test_small_picture_is_taken_whole(size: tuple[int, int]) -> None:
    grey = np.random.default_rng(0).integers(0, 256, size[::-1], dtype=np.uint8)
    (face,) = read_photo(encode(Image.fromarray(grey)))
    assert face.whole_picture
    side = min(size)
    assert (face.box[2] - face.box[0], face.box[3] - face.box[1]) == (side, side)
    if size == (48, 48):
        np.testing.assert_array_equal(face.image, grey)


def test_picture_without_a_face_gives_none_and_its_central_square_on_request() -> None:
    y, x = np.mgrid[0:200, 0:300]
    picture = Image.fromarray(((x * 3 + y * 2) % 251).astype(np.uint8))
    assert read_photo(encode(picture)) == []
    face = whole_picture(encode(picture))
    assert face.box == (50, 0, 250, 200)
    assert (face.whole_picture, face.score) == (True, 0.0)
    plain = picture.crop(face.box).resize((48, 48), Image.Resampling.BOX)
    assert np.abs(face.image.astype(int) - np.asarray(plain, int)).mean() < 6


@pytest.mark.parametrize("shape", [(24, 3000), (3000, 24), (65, 24), (500, 25)])
def test_extreme_shapes_are_searched_without_a_fault(shape: tuple[int, int]) -> None:
    grey = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert read_photo(encode(Image.fromarray(grey))) == []
    assert whole_picture(encode(Image.fromarray(grey))).image.shape == (48, 48)


def test_frame_leaving_the_picture_repeats_its_edge() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (90, 70), dtype=np.uint8)
    frame = photos_crop._Frame(x=10.5, y=80.25, side=60.0)
    padded = Image.fromarray(np.pad(grey, 100, mode="edge"))
    box = (80.5, 150.25, 140.5, 210.25)
    wanted = padded.resize((48, 48), Image.Resampling.HAMMING, box=box)
    np.testing.assert_array_equal(
        photos_crop._cut(Image.fromarray(grey), frame), np.asarray(wanted)
    )


def test_huge_turned_frame_equals_the_same_frame_of_a_small_copy(astronaut: Image.Image) -> None:
    grey = astronaut.convert("L")
    small = photos_crop._cut(grey, photos_crop._Frame(221, 110, 120, angle=25))
    large = photos_crop._cut(
        grey.resize((5120, 5120)), photos_crop._Frame(2210, 1100, 1200, angle=25)
    )
    assert np.abs(small.astype(int) - large).mean() < 3


def test_unreadable_picture_raises_from_both_doors() -> None:
    for read in (read_photo, whole_picture):
        with pytest.raises(PhotoError, match="empty"):
            read(b"")


def test_nothing_is_written_to_disk(
    astronaut: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode(astronaut)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert read_photo(data)
    assert list(tmp_path.iterdir()) == []


def test_importing_the_photo_path_loads_no_heavy_library() -> None:
    code = (
        "import sys, fermodels.data.photos.crop; "
        "print(sorted({'dlib', 'skimage', 'scipy', 'torch', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
