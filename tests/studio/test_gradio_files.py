"""Where visitors' photos lie: in memory where there is room, private, and gone in the end."""

from __future__ import annotations

import asyncio
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from fermodels.errors import PhotoError
from studio import gradio_files
from studio.gradio_guard import MAX_HELD

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A process that has no folder yet, and a file system in memory of our own."""
    monkeypatch.setattr(gradio_files, "_folder", [])
    monkeypatch.setattr(gradio_files, "MEMORY", tmp_path)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    yield tmp_path
    for folder in gradio_files._folder:
        folder.cleanup()


@pytest.mark.parametrize(("free", "kept"), [(2 * MAX_HELD + 1, True), (2 * MAX_HELD, False)])
def test_photos_lie_in_memory_only_where_it_has_room(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, free: int, kept: bool
) -> None:
    monkeypatch.setattr(gradio_files.shutil, "disk_usage", lambda _: Usage(0, 0, free))
    folder = gradio_files.private_folder()
    assert (fresh in folder.parents) is kept
    assert gradio_files.in_memory() is kept
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_system_without_such_a_place_uses_the_temporary_folder(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradio_files, "MEMORY", fresh / "none")
    assert not gradio_files.in_memory()
    assert gradio_files.private_folder().is_dir()


def test_the_folder_goes_with_all_that_is_in_it_when_the_server_stops(fresh: Path) -> None:
    folder = gradio_files.private_folder()
    (folder / "photo").write_bytes(b"x")

    async def serve() -> None:
        async with gradio_files.swept_at_the_end(None):
            assert folder.is_dir()

    asyncio.run(serve())
    assert not folder.exists()


@pytest.mark.parametrize(
    ("told", "name"),
    [("a.jpg", "a.jpg"), ("../../x.jpg", "x.jpg"), ("C:\\me\\x.jpg", "x.jpg"), ("", "photo")],
)
def test_a_photo_is_called_by_its_last_name_alone(told: str, name: str) -> None:
    assert gradio_files.photo_name({"orig_name": told}) == name


@pytest.mark.parametrize("path", [None, "", "/nowhere", "/", "a\0b"])
def test_a_photo_that_is_not_there_asks_for_it_again(path: str | None) -> None:
    with pytest.raises(PhotoError, match="add it again"):
        gradio_files.photo_bytes({"path": path})
