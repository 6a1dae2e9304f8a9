"""The photos that visitors send to the Classify tab: where they lie, how they are read, their end.

Gradio wants an upload as a file. Ours lies under a name that only its sender is told, in a folder
that is private to this process and in memory where the system has room. A photo is read from there
and from nowhere else, and it is removed after ten minutes.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypedDict

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from fermodels.errors import FerError, PhotoError
from studio.classify_tab.reading import MAX_BYTES, MAX_PHOTOS

try:
    import fcntl
except ImportError:  # Windows: no locks of this kind, and nothing of a killed process is removed
    fcntl = None  # type: ignore[assignment]

MEMORY = Path("/dev/shm")  # noqa: S108  (a folder of our own is made in it, for this user alone)
"""Linux's file system in memory: photos laid there never reach a disk."""

PREFIX = "fer-studio-"
LOCK = ".lock"
"""Held by a live process in its folder: one that is free belongs to a process that was killed."""

MAX_UPLOAD = 100 * 1024 * 1024
"""Bytes of one upload request, of however many photos."""

MAX_STORED = 512 * 1024 * 1024
"""Bytes of photos held at once by all visitors, those being received among them."""

MAX_ARRIVING = 128 * 1024 * 1024
"""Bytes of photos being received at once: while they arrive they lie in memory twice."""

MAX_FILES = 5_000
"""Photos held at once by all visitors."""

KEEP_SECONDS = 600.0

NO_LINK, NO_WAIT = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)
"""Flags of `os.open`, where the system has them."""


class FullError(FerError, RuntimeError):
    """Visitors hold as much as they may together; the same request may work later."""


class Upload(TypedDict, total=False):
    """What a request says of an upload."""

    path: str | None
    orig_name: str | None


@dataclass
class Photos:
    """The photos held for visitors, in one folder: received, read, removed by age."""

    folder: Path
    """Ours alone (mode 0700); uploads lie in ``uploads/TOKEN/NAME``; ``examples`` and ``fonts`` are
    the page's own."""
    sizes: dict[Path, tuple[int, float]] = field(default_factory=dict)
    """Each upload's bytes and the time it was stored (`time.monotonic`)."""
    arriving: int = 0
    """Bytes of the uploads that are being received, so far."""

    @property
    def total_bytes(self) -> int:
        """Bytes of all uploads, stored or being received."""
        return self.arriving + sum(size for size, _ in self.sizes.values())

    def check_room(self, size: int = 0) -> None:
        """See that an upload of `size` bytes may begin, or go on.

        Raises:
            FullError: too much is held already.
        """
        full = self.total_bytes + size > MAX_STORED or len(self.sizes) >= MAX_FILES
        if full or self.arriving > MAX_ARRIVING:
            raise FullError("too many photos are being looked at: try again in ten minutes")

    async def receive(
        self, headers: Mapping[str, str], stream: AsyncGenerator[bytes, None]
    ) -> list[Path]:
        """Store the files of a multipart request; all of them, or none.

        Nothing is written before the request has ended, so a sender that stops half-way leaves
        nothing behind.

        Args:
            headers: of the request.
            stream: its body, bounded by the caller.

        Raises:
            PhotoError: no file, too many, one that is too large, or no multipart body.
            FullError: visitors hold too many photos.
            OSError: the disk refused.
        """
        received = 0

        async def counted() -> AsyncGenerator[bytes, None]:
            nonlocal received
            async for chunk in stream:
                received += len(chunk)
                self.arriving += len(chunk)
                self.check_room()
                yield chunk

        try:
            form = await _parse(headers, counted())
            try:
                return await self._store(_files_of(form))
            finally:
                await form.close()
        finally:
            self.arriving -= received

    async def _store(self, files: list[UploadFile]) -> list[Path]:
        stored: list[Path] = []
        try:
            for part in files:
                path = self._place_for(part.filename or "photo")
                stored.append(path)
                await asyncio.to_thread(_write, part.file, path)
                self.sizes[path] = part.size or 0, time.monotonic()
        except BaseException:  # the disk is full, or the server stops
            for path in stored:
                self._remove(path)
            raise
        return stored

    def _place_for(self, name: str) -> Path:
        """Return where an upload goes: its own name, made harmless, in a new random folder."""
        harmless = re.sub(r"[^A-Za-z0-9_.-]+", "_", _base_name(name)).strip(".")[-80:] or "photo"
        return self.folder / "uploads" / secrets.token_urlsafe(18) / harmless

    def _remove(self, path: Path) -> None:
        shutil.rmtree(path.parent, ignore_errors=True)
        self.sizes.pop(path, None)

    def contains(self, path: object) -> bool:
        """Return whether `path` is, to the letter, a file here that is everybody's to name.

        That is an upload, whose name only its sender was told, an example or a font.
        """
        if not isinstance(path, str) or "\0" in path or str(Path(path)) != path:
            return False
        if Path(path) in self.sizes:
            return True
        shared = (self.folder / "examples", self.folder / "fonts")
        return Path(path).parent in shared and Path(path).is_file()

    def read(self, path: object) -> bytes:
        """Return the bytes of a photo that is held here: a regular file, never through a link.

        Raises:
            PhotoError: it is not here, is no regular file, or is too large.
        """
        gone = PhotoError(
            "the photo is no longer here, photos are kept for ten minutes: add it again"
        )
        if not self.contains(path):
            raise gone
        try:
            # not through a link, and without waiting for the other end of a pipe
            handle = os.open(str(path), os.O_RDONLY | NO_LINK | NO_WAIT)
        except OSError as error:
            raise gone from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise gone
        with os.fdopen(handle, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise PhotoError(f"the photo has more than {MAX_BYTES:,} bytes: save it smaller")
        return data

    def sweep(self, older_than: float = KEEP_SECONDS) -> None:
        """Remove the uploads that are older than so many seconds."""
        now = time.monotonic()
        for path in [p for p, (_, since) in self.sizes.items() if now - since >= older_than]:
            self._remove(path)


async def _parse(headers: Mapping[str, str], stream: AsyncGenerator[bytes, None]) -> FormData:
    parser = MultiPartParser(Headers(headers), stream, max_files=MAX_PHOTOS, max_fields=0)
    parser.spool_max_size = 2 * MAX_UPLOAD  # in memory to the last byte, never on a disk
    try:
        return await parser.parse()
    except (MultiPartException, KeyError, ValueError, LookupError) as error:
        reason = getattr(error, "message", "it is no form")
        raise PhotoError(
            f"the upload cannot be read ({reason}): send 1 to {MAX_PHOTOS} photos as the files "
            "of a form"
        ) from error


def _files_of(form: FormData) -> list[UploadFile]:
    files = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
    if not files:
        raise PhotoError("the upload holds no file: send the photo as a file")
    for part in files:
        if (part.size or 0) > MAX_BYTES:
            name = _base_name(part.filename or "photo")[:60]
            raise PhotoError(
                f"{name!r} has {part.size:,} bytes, more than {MAX_BYTES:,}: save it smaller"
            )
    return files


def _write(content: IO[bytes], path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    content.seek(0)
    with path.open("xb") as file:
        shutil.copyfileobj(content, file)


_photos: list[tuple[Photos, int]] = []
"""This process's photos, and the handle of its folder's lock."""


def photos() -> Photos:
    """Return this process's photos; the first call makes their folder (mode 0700).

    It lies in memory where the system has such a place with room for twice what is held at most,
    else in the temporary folder. What earlier processes left there when they were killed goes.
    """
    if not _photos:
        place = Path(_place() or tempfile.gettempdir())
        remove_orphans(place)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        handle = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        if fcntl:
            fcntl.flock(handle, fcntl.LOCK_EX)
        for part in ("uploads", "examples", "fonts"):
            (folder / part).mkdir(mode=0o700)
        _photos.append((Photos(folder), handle))
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return _photos[0][0]


def private_folder() -> Path:
    """Return the folder of `photos`, which Gradio uses for its own files too."""
    return photos().folder


def remove_orphans(place: Path) -> None:
    """Remove the folders that killed processes of this user left in `place`.

    A folder is taken for one only if it is ours, is named so, and holds a lock that nobody has.
    """
    for folder in place.glob(f"{PREFIX}*") if fcntl else ():
        with suppress(OSError):  # gone meanwhile, or somebody else's
            about = folder.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
                continue
            handle = os.open(folder / LOCK, os.O_RDWR | NO_LINK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


def _place() -> str | None:
    roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK | os.X_OK)
    roomy = roomy and shutil.disk_usage(MEMORY).free > 2 * MAX_STORED
    return str(MEMORY) if roomy else None


def in_memory() -> bool:
    """Tell whether uploaded photos are held in memory, not on a disk."""
    return MEMORY in private_folder().parents


def remove_folder() -> None:
    """Remove the private folder and all that is in it; nothing if there is none."""
    while _photos:
        stored, handle = _photos.pop()
        shutil.rmtree(stored.folder, ignore_errors=True)
        os.close(handle)


def photo_bytes(upload: object) -> bytes:
    """Return the bytes of an upload that a request names.

    Raises:
        PhotoError: it names no photo of ours, or the photo is gone or too large.
    """
    if not isinstance(upload, dict):
        raise PhotoError("no photo was given: upload a picture file and name it")
    return photos().read(upload.get("path"))


def photo_name(upload: Upload) -> str:
    """Return the file name that a visitor gave a photo, without any folder."""
    for name in (upload.get("orig_name"), upload.get("path")):
        if isinstance(name, str) and name:
            return _base_name(name)[:200]
    return "photo"


def _base_name(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]
