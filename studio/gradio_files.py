"""Where Gradio keeps the photos that visitors send, how they are read back, and their end."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypedDict

from fermodels.errors import PhotoError
from studio.gradio_guard import MAX_HELD
from studio.photo_reading import MAX_BYTES

MEMORY = Path("/dev/shm")  # noqa: S108  (a folder of our own is made in it, for this user alone)
"""Linux's file system in memory: photos laid there never reach a disk."""

_folder: list[tempfile.TemporaryDirectory[str]] = []


class Upload(TypedDict, total=False):
    """What Gradio says of an upload, its path checked to lie in the upload folder."""

    path: str | None
    orig_name: str | None


def private_folder() -> Path:
    """Return this process's own folder for Gradio's files (mode 0700), removed at exit.

    It lies in memory where the system has such a place with room for twice what is held at most,
    else in the temporary folder.
    """
    if not _folder:
        _folder.append(tempfile.TemporaryDirectory(prefix="fer-studio-", dir=_place()))
        os.environ["GRADIO_TEMP_DIR"] = _folder[0].name
    return Path(_folder[0].name)


def _place() -> str | None:
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK | os.X_OK)
    roomy = roomy and shutil.disk_usage(MEMORY).free > 2 * MAX_HELD
    return str(MEMORY) if roomy else None


def in_memory() -> bool:
    """Tell whether uploaded photos are held in memory, not on a disk."""
    return MEMORY in private_folder().parents


@asynccontextmanager
async def swept_at_the_end(_: object) -> AsyncIterator[None]:
    """Remove the private folder when the server stops: a signal may spare Python's own exit."""
    yield
    remove_folder()


def remove_folder() -> None:
    """Remove the private folder and all that is in it; nothing if there is none."""
    while _folder:
        _folder.pop().cleanup()


def photo_bytes(upload: Upload) -> bytes:
    """Return an upload's bytes.

    Raises:
        PhotoError: it is gone, or too large.
    """
    path = Path(upload.get("path") or "")
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        raise PhotoError(
            "the photo is no longer here, photos are kept for ten minutes: add it again"
        ) from error
    if size > MAX_BYTES:
        raise PhotoError(f"the photo has {size:,} bytes, more than {MAX_BYTES:,}: save it smaller")
    return data


def photo_name(upload: Upload) -> str:
    """Return the file name that a visitor gave a photo, without any folder."""
    told = upload.get("orig_name") or upload.get("path") or "photo"
    return told.replace("\\", "/").rsplit("/", 1)[-1][:200]
