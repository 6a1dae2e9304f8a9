from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from fermodels.data.readers import cache, fer2013_csv
from tests.data.readers.writers import made_up, write_csv

FACES = made_up()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "FEWEST_ROWS", 10)


class Reader:
    """Counts how often the source is really read."""

    def __init__(self, path):
        self.path, self.times = path, 0

    def __call__(self):
        self.times += 1
        return fer2013_csv.read(self.path)

    def through(self):
        rows = cache.through("CSV", [self.path], self)
        cache.finish()
        return rows


@pytest.fixture
def reader(tmp_path):
    return Reader(write_csv(tmp_path / "fer2013.csv", FACES))


def kept(tmp_path, pattern="*.npz"):
    return sorted((tmp_path / "cache").glob(pattern))


def test_the_second_reading_comes_from_the_cache_and_is_equal(reader):
    first, second = reader.through(), reader.through()
    assert reader.times == 1
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.splits, second.splits)
    assert second.labels.dtype == np.int64
    assert second.names is None
    assert second.notes == first.notes


def test_a_reading_that_follows_at_once_waits_for_the_cache(reader):
    for _ in range(2):
        cache.through("CSV", [reader.path], reader)
    assert reader.times == 1


def test_a_changed_file_is_read_anew(reader):
    reader.through()
    other = made_up(seed=1)
    write_csv(reader.path, other)
    np.testing.assert_array_equal(reader.through().images, other.images)
    assert reader.times == 2


def test_equal_content_elsewhere_is_kept_once(reader, tmp_path):
    reader.through()
    home = reader.path.parent.name  # the key holds the folder's name too: it may tell the split
    copy = tmp_path / "elsewhere" / home / "fer2013.csv"
    copy.parent.mkdir(parents=True)
    shutil.copy(reader.path, copy)
    Reader(copy).through()
    assert len(kept(tmp_path)) == 1
    assert len(kept(tmp_path, "*.json")) == 2


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:50_000] + bytes([data[50_000] ^ 1]) + data[50_001:],
        lambda data: b"",
        lambda data: b"not an archive at all",
    ],
    ids=["cut short", "one bit flipped", "empty", "something else"],
)
def test_a_damaged_copy_is_rebuilt_and_said_so(reader, tmp_path, harm):
    reader.through()
    (path,) = kept(tmp_path)
    path.write_bytes(harm(path.read_bytes()))
    rows = reader.through()
    np.testing.assert_array_equal(rows.images, FACES.images)
    assert "was damaged" in rows.notes[-1]
    assert reader.through().notes == ()
    assert reader.times == 2


def test_a_pickle_in_the_cache_is_never_unpickled(reader, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os._exit, (1,))

    reader.through()
    (path,) = kept(tmp_path)
    with path.open("wb") as file:
        np.savez(file, images=np.array([Bomb()]), labels=[0], splits=[0], notes=[])
    np.testing.assert_array_equal(reader.through().images, FACES.images)


def test_an_unwritable_cache_costs_only_a_warning(reader, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("FER_CACHE", str(blocked))
    place = cache._place("CSV", [reader.path])
    with pytest.warns(RuntimeWarning, match="set FER_CACHE"):
        cache._keep(place, "CSV", [reader.path], fer2013_csv.read(reader.path))


def test_no_half_written_file_is_left_behind(tmp_path):
    (tmp_path / "cache").mkdir()

    def fail(path):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cache._replace("x.npz", fail)
    assert list((tmp_path / "cache").iterdir()) == []


def test_small_data_are_not_kept(reader, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "FEWEST_ROWS", 1000)
    reader.through()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("platform", "variables", "ending"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x/cache"}, "/x/cache/fermodels"),
        ("linux", {"HOME": "/home/me"}, "/home/me/.cache/fermodels"),
        ("darwin", {"HOME": "/home/me"}, "/home/me/Library/Caches/fermodels"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/fermodels"),
    ],
)
def test_the_cache_lies_where_the_platform_keeps_caches(monkeypatch, platform, variables, ending):
    for name in ("FER_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cache.sys, "platform", platform)
    assert cache.cache_dir().as_posix() == ending
