"""The detector is shared safely between threads, and weak boxes are dropped."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from PIL import Image

from fermodels.data.photos import detect
from fermodels.data.photos.detect import Detection, detect_faces, unturn
from fermodels.errors import PhotoError


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    data = pytest.importorskip("skimage.data", reason="the real photo is scikit-image's")
    return Image.fromarray(data.astronaut()).convert("L")


def test_unturn_undoes_pillows_rotation() -> None:
    picture = np.zeros((201, 201), np.uint8)
    picture[40, 150] = 255
    for angle in detect.TURNS:
        turned = Image.fromarray(picture).rotate(angle, Image.Resampling.NEAREST, expand=True)
        y, x = np.argwhere(np.asarray(turned) == 255).mean(axis=0) + 0.5
        dx, dy = unturn(x - turned.width / 2, y - turned.height / 2, angle)
        np.testing.assert_allclose((100.5 + dx, 100.5 + dy), (150.5, 40.5), atol=1.0)


def test_threads_find_what_one_thread_finds_and_reuse_idle_detectors(
    astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detect, "_idle", [])
    pictures = [astronaut.resize((side, side)) for side in (200, 240, 256, 300)]
    alone = [detect_faces(picture) for picture in pictures]
    assert len(detect._idle) == 1
    together = Barrier(4)

    def find(picture: Image.Image) -> list[Detection]:
        together.wait()
        return detect_faces(picture)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(find, pictures)) == alone
    assert 1 <= len(detect._idle) <= 4


def test_detector_is_handed_back_when_a_search_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "_idle", [])

    def fail() -> None:
        with detect._detector_from_pool():
            raise RuntimeError("search failed")

    with pytest.raises(RuntimeError, match="search failed"):
        fail()
    assert len(detect._idle) == 1


def test_missing_dlib_says_what_to_install(
    astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detect, "_idle", [])
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(PhotoError, match="pip install dlib-bin"):
        detect_faces(astronaut)


def test_weak_or_nested_boxes_beside_a_better_one_are_dropped() -> None:
    best = Detection(x=100, y=100, side=80, score=1.0)
    nested = Detection(x=110, y=95, side=60, score=0.9)
    weak = Detection(x=300, y=100, side=90, score=detect.SURE_SCORE - 0.01)
    second = Detection(x=300, y=300, side=90, score=detect.SURE_SCORE)
    assert detect._suppress_weak_and_nested([weak, nested, second, best]) == [best, second]
    assert detect._suppress_weak_and_nested([weak]) == [weak], "a lone weak face is still a face"


def test_pictures_without_faces_give_no_box() -> None:
    data = pytest.importorskip("skimage.data", reason="the real photos are scikit-image's")
    for picture in (data.chelsea(), data.coffee(), data.coins(), data.brick(), data.rocket()):
        assert detect_faces(Image.fromarray(picture).convert("L")) == []


def test_averaged_boxes_follow_a_moving_face_more_evenly_than_single_ones(
    astronaut: Image.Image,
) -> None:
    with detect._detector_from_pool() as detector:
        single, steady = [], []
        for shift in range(0, 20, 2):
            moved = astronaut.crop((100 + shift, 20 + shift, 340 + shift, 260 + shift))
            twice = moved.resize((480, 480), Image.Resampling.BICUBIC)
            (face,) = detect._run(detector, twice, 0.0)
            averaged = detect._steady(detector, twice, face)
            single.append((face.x + 2 * shift, face.y + 2 * shift))
            steady.append((averaged.x + 2 * shift, averaged.y + 2 * shift))
    assert np.std(steady, axis=0).max() < 0.7 * np.std(single, axis=0).max()


def test_turned_search_must_be_clearly_better_than_a_weak_upright_one(
    astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pretend(turned_score: float) -> float:
        def search(_: object, picture: Image.Image, angle: float = 0.0) -> list[Detection]:
            return [Detection(50, 50, 40, turned_score if angle == 25 else 0.2, angle)]

        monkeypatch.setattr(detect, "_search", search)
        (face,) = detect_faces(astronaut)
        return face.angle

    assert pretend(0.2 + detect.TURN_MARGIN - 0.01) == 0.0
    assert pretend(0.2 + detect.TURN_MARGIN + 0.01) == 25
