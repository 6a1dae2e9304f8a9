"""Whatever the bytes: a picture or one sentence, by every door a picture comes in."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from fermodels.classify.pictures import Settings, find_faces
from fermodels.classify.sources import find
from fermodels.data.photos.crop import read_photo
from fermodels.data.photos.decode import opened_photo
from fermodels.data.readers.image_folders import PictureReader
from fermodels.errors import FerError
from tests.hostile.pictures import BAD, ODD

pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")

DOORS: dict[str, Callable[[bytes], object]] = {
    "a photo": read_photo,
    "a dataset's picture": lambda data: PictureReader().read(data, "x.png"),
}


def one_sentence(error: BaseException) -> bool:
    return "\n" not in str(error) and 30 < len(str(error)) < 400


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_ends_in_one_sentence(name: str, door: str) -> None:
    with pytest.raises(FerError) as caught:
        DOORS[door](BAD[name])
    assert one_sentence(caught.value)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", [name for name in BAD if "bomb" in name])
def test_a_bomb_costs_next_to_no_memory(name: str, door: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FerError):
            DOORS[door](BAD[name])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8_000_000


@pytest.mark.parametrize("name", ODD)
def test_an_odd_picture_is_read_as_a_picture(name: str) -> None:
    with opened_photo(ODD[name]) as photo:
        assert photo.picture.size == photo.size == (48, 48)


def test_a_wrong_ending_changes_nothing(tmp_path: Path) -> None:
    for name, data in ODD.items():
        path = tmp_path / f"{name}.tiff"
        path.write_bytes(data)
        with opened_photo(path) as named, opened_photo(data) as plain:
            assert named.picture.tobytes() == plain.picture.tobytes()


def test_a_folder_of_nothing_but_bad_pictures_is_worked_through(tmp_path: Path) -> None:
    for number, data in enumerate(BAD.values()):
        (tmp_path / f"{number}.jpg").write_bytes(data)
    seen = [one for source in find([tmp_path], 1.0) for one in find_faces(source, Settings())]
    assert len(seen) == len(BAD)
    assert all(one.error and "\n" not in one.error for one in seen)
