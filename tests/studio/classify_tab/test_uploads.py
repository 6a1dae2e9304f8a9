"""Where visitors' photos lie: in memory where there is room, private, bounded, and gone in time."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from collections import namedtuple
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from fermodels.errors import PhotoError
from studio.classify_tab import uploads
from studio.classify_tab.reading import MAX_BYTES
from studio.classify_tab.uploads import MAX_STORED, FullError, Photos

Usage = namedtuple("Usage", "total used free")
FORM = {"content-type": "multipart/form-data; boundary=x"}


def part(name: str, content: bytes) -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


def receive(photos: Photos, *chunks: bytes, fails: bool = False) -> list[Path]:
    async def stream() -> AsyncGenerator[bytes, None]:
        for chunk in chunks:
            yield chunk
        if fails:
            raise ConnectionResetError("the sender is gone")

    return asyncio.run(photos.receive(FORM, stream()))


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    (tmp_path / "uploads").mkdir()
    (tmp_path / "examples").mkdir()
    return Photos(tmp_path)


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A process that has no folder yet, and a file system in memory of our own."""
    monkeypatch.setattr(uploads, "_photos", [])
    monkeypatch.setattr(uploads, "MEMORY", tmp_path)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    yield tmp_path
    uploads.remove_folder()


@pytest.mark.parametrize(("free", "kept"), [(2 * MAX_STORED + 1, True), (2 * MAX_STORED, False)])
def test_photos_lie_in_memory_only_where_it_has_room(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, free: int, kept: bool
) -> None:
    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda _: Usage(0, 0, free))
    folder = uploads.private_folder()
    assert (fresh in folder.parents) is kept
    assert uploads.in_memory() is kept
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_system_without_such_a_place_uses_the_temporary_folder(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MEMORY", fresh / "none")
    assert not uploads.in_memory()
    assert uploads.private_folder().is_dir()


def test_an_upload_is_read_back_and_goes_when_it_is_old(photos: Photos) -> None:
    first, second = receive(photos, part("a.jpg", b"one") + part("b.jpg", b"two"), b"--x--\r\n")
    assert (photos.read(str(first)), photos.read(str(second))) == (b"one", b"two")
    assert photos.total_bytes == 6
    photos.sweep(older_than=60)
    assert first.is_file()
    photos.sweep(older_than=0)
    assert not first.parent.exists() and photos.total_bytes == 0
    with pytest.raises(PhotoError, match="add it again"):
        photos.read(str(first))


def test_an_upload_that_is_cut_leaves_nothing(photos: Photos) -> None:
    with pytest.raises(ConnectionResetError):
        receive(photos, part("a.jpg", bytes(5_000_000)), fails=True)
    assert list((photos.folder / "uploads").iterdir()) == []
    assert photos.total_bytes == 0


def test_one_photo_too_large_and_none_is_kept(photos: Photos) -> None:
    with pytest.raises(PhotoError, match=r"'big.jpg' has 10,485,761 bytes"):
        receive(photos, part("a.jpg", b"one"), part("big.jpg", bytes(MAX_BYTES + 1)), b"--x--\r\n")
    assert list((photos.folder / "uploads").iterdir()) == []


def test_a_full_disk_leaves_nothing_half_written(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = uploads._write

    def second_fails(content: object, path: Path) -> None:
        if path.name == "b.jpg":
            path.parent.mkdir()
            path.write_bytes(b"ha")
            raise OSError(28, "No space left on device")
        whole(content, path)  # type: ignore[arg-type]

    monkeypatch.setattr(uploads, "_write", second_fails)
    with pytest.raises(OSError, match="No space"):
        receive(photos, part("a.jpg", b"one"), part("b.jpg", b"two"), b"--x--\r\n")
    assert list((photos.folder / "uploads").iterdir()) == [] and photos.total_bytes == 0


def test_what_is_being_received_counts_too(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_STORED", 1000)
    receive(photos, part("a.jpg", bytes(800)), b"--x--\r\n")
    photos.check_room(200)
    with pytest.raises(FullError, match="try again"):
        photos.check_room(201)
    with pytest.raises(FullError, match="try again"):
        receive(photos, part("b.jpg", bytes(300)), b"--x--\r\n")
    assert photos.total_bytes == 800


def test_the_number_of_photos_is_bounded(photos: Photos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FILES", 1)
    receive(photos, part("a.jpg", b"1"), b"--x--\r\n")
    with pytest.raises(FullError):
        photos.check_room(1)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "device"])
def test_only_a_regular_file_is_ever_opened(photos: Photos, kind: str, tmp_path: Path) -> None:
    """Even one that got into the folder, and is taken for an upload."""
    path = tmp_path / "uploads" / "photo.jpg"
    (tmp_path / "secret").write_bytes(b"secret")
    if kind == "link":
        path.symlink_to(tmp_path / "secret")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path("/dev/zero")
    photos.sizes[path] = 1, 0.0
    with pytest.raises(PhotoError, match="add it again"):
        photos.read(str(path))


def test_a_file_that_grew_is_read_no_further_than_its_bound(photos: Photos) -> None:
    (path,) = receive(photos, part("a.jpg", b"1"), b"--x--\r\n")
    path.write_bytes(bytes(MAX_BYTES + 1))
    with pytest.raises(PhotoError, match="more than"):
        photos.read(str(path))


LEAVE = """
import os, signal, tempfile
from pathlib import Path
from studio.classify_tab import uploads
uploads.MEMORY = Path(os.environ["PLACE"])
uploads.shutil.disk_usage = lambda _: type("U", (), {"free": 2**62})
print(uploads.private_folder(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_only_what_a_killed_process_left_is_removed(fresh: Path) -> None:
    """Not a live one's folder, not a user's that is named alike, not what a link points to."""
    done = subprocess.run(
        [sys.executable, "-c", LEAVE], env=os.environ | {"PLACE": str(fresh)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    left = Path(done.stdout.strip())
    assert left.is_dir()
    named_alike = fresh / "fer-studio-notes"
    named_alike.mkdir()
    (named_alike / "notes.txt").write_text("mine")
    elsewhere = fresh / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / uploads.LOCK).touch()
    (fresh / "fer-studio-link").symlink_to(elsewhere)
    (fresh / "fer-studio-file").touch()
    alive = uploads.photos().folder
    uploads.remove_orphans(fresh)
    uploads.remove_orphans(left.parent)
    assert not left.exists()
    assert alive.is_dir()
    assert (named_alike / "notes.txt").read_text() == "mine"
    assert (elsewhere / uploads.LOCK).exists()


def test_what_is_stored_can_be_read_by_this_user_alone(fresh: Path) -> None:
    (path,) = receive(uploads.photos(), part("a.jpg", b"1"), b"--x--\r\n")
    for folder in (path.parent, path.parents[1], path.parents[2]):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("told", "name"),
    [("a.jpg", "a.jpg"), ("../../x.jpg", "x.jpg"), ("C:\\me\\x.jpg", "x.jpg"), ("", "photo")],
)
def test_a_photo_is_called_by_its_last_name_alone(told: str, name: str) -> None:
    assert uploads.photo_name({"orig_name": told}) == name


@pytest.mark.parametrize("path", [None, "", "/nowhere", "/", "a\0b", 7, ["x"], {"path": "x"}])
def test_a_photo_that_is_not_there_asks_for_it_again(path: object) -> None:
    with pytest.raises(PhotoError, match="add it again"):
        uploads.photo_bytes({"path": path})
