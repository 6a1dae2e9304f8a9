"""Faces read once are kept as arrays, so that the next reading takes a fraction of a second.

Two kinds of file live in `cache_dir`: ``<content>.npz`` holds the arrays of the data whose bytes
hash to that name, and ``<place>.json`` remembers which content certain files had when they had
this size, time of change and inode. An unchanged file is thus found without reading it; a changed
one is read anew. Arrays are written in the background after reading, atomically, and carry a
checksum; a damaged one is dropped and the data read again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
import threading
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fermodels.data.dataset import FACE_SHAPE, SPLITS
from fermodels.data.readers.rows import Rows

VERSION = 1
"""Raised whenever a reader changes what it makes of the same bytes."""
FEWEST_ROWS = 2_000
"""Smaller data read fast enough not to be kept."""

_NAME = re.compile(r"[0-9a-f]{32}")
"""How `_place` and `_content` name files; no other file of the folder is read or dropped."""

_writers: dict[str, threading.Thread] = {}


def cache_dir() -> Path:
    """Return the folder of kept arrays: ``FER_CACHE`` if set, else the platform's cache folder."""
    if chosen := os.environ.get("FER_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "fermodels"


def through(form: str, files: Sequence[Path], read: Callable[[], Rows]) -> Rows:
    """Return what ``read()`` makes of the files, from the cache if it was made before.

    Args:
        form: name of the reader; data read by two readers are kept apart.
        files: every file that the reading depends on.
        read: the reading itself.
    """
    place = _place(form, files)
    cached = _recall(place)
    if isinstance(cached, Rows):
        return cached
    rows = read()
    if len(rows) >= FEWEST_ROWS and _place(form, files) == place:
        _writers[place] = threading.Thread(target=_keep, args=(place, form, files, rows))
        _writers[place].start()
    return rows if cached is None else rows.noting(cached)


def finish() -> None:
    """Wait until everything read so far is kept."""
    for writer in list(_writers.values()):
        writer.join()


def _place(form: str, files: Sequence[Path]) -> str:
    """Return a name for these files in their present state, without reading them."""
    state = hashlib.blake2b(f"{VERSION} {form}\n".encode(), digest_size=16)
    for file in files:
        stat = file.stat()
        line = f"{file.absolute()}\t{stat.st_size}\t{stat.st_mtime_ns}\t{stat.st_ino}\n"
        state.update(line.encode("utf-8", "surrogateescape"))
    return state.hexdigest()


def _content(form: str, files: Sequence[Path]) -> str:
    """Return a name for the files' names and bytes."""
    content = hashlib.sha256(f"{VERSION} {form}\n".encode())
    for file in files:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        name = f"{file.parent.name}/{file.name}"
        content.update(f"{name}\t{digest}\n".encode("utf-8", "surrogateescape"))
    return content.hexdigest()[:32]


def _recall(place: str) -> Rows | str | None:
    """Return the kept rows; None if there are none; a note if they are damaged."""
    if writer := _writers.pop(place, None):
        writer.join()
    memo = cache_dir() / f"{place}.json"
    try:
        content = str(json.loads(memo.read_text())["content"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # never read before, or the memo is lost: reading writes a new one
    if not _NAME.fullmatch(content):
        return None  # it names no file of the cache, so what it names is not ours to read or drop
    path = cache_dir() / f"{content}.npz"
    try:
        return _load(path)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        path.unlink(missing_ok=True)
        return f"The kept copy {path} was damaged ({error}): the data were read again."


def _load(path: Path) -> Rows:
    """Read kept rows; zip's checksums are verified on the way.

    Raises:
        OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile: missing or damaged.
    """
    with np.load(path, allow_pickle=False) as arrays:
        images, labels, splits = arrays["images"], arrays["labels"], arrays["splits"]
        names = arrays["names"] if "names" in arrays.files else None
        notes = tuple(str(note) for note in arrays["notes"])
    whole = images.dtype == np.uint8 and images.shape == (len(labels), *FACE_SHAPE)
    if not whole or len(splits) != len(labels) or splits.max(initial=0) >= len(SPLITS):
        raise ValueError(f"arrays of shape {images.shape}, {labels.shape}, {splits.shape}")
    return Rows(images, labels.astype(np.int64), np.array(SPLITS)[splits], names, notes)


def _keep(place: str, form: str, files: Sequence[Path], rows: Rows) -> None:
    """Write the arrays and the memo; a failure is told as a warning, for reading went well."""
    try:
        content = _content(form, files)
        if _place(form, files) != place:
            return  # a file changed meanwhile: its bytes are not those that were read
        cache_dir().mkdir(parents=True, exist_ok=True)
        if not (cache_dir() / f"{content}.npz").exists():
            _replace(f"{content}.npz", lambda path: _save(path, rows))
        memo = json.dumps({"content": content, "files": [str(file) for file in files[:3]]})
        _replace(f"{place}.json", lambda path: Path(path).write_text(memo))
    except OSError as error:
        warnings.warn(
            f"the faces could not be kept in {cache_dir()} ({error}), so they will be read from "
            "their source again; set FER_CACHE to a folder with room",
            RuntimeWarning,
            stacklevel=2,
        )


def _save(path: str, rows: Rows) -> None:
    codes = {split: code for code, split in enumerate(SPLITS)}
    arrays = {
        "images": rows.images,
        "labels": rows.labels.astype(np.uint8),
        "splits": np.array([codes[split] for split in rows.splits], np.uint8),
        "notes": np.array(rows.notes, dtype=np.str_),
    }
    if rows.names is not None:
        arrays["names"] = rows.names
    with Path(path).open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _replace(name: str, write: Callable[[str], object]) -> None:
    """Write a file of the cache under another name first, then move it into place."""
    descriptor, temporary = tempfile.mkstemp(dir=cache_dir(), prefix=".writing-")
    os.close(descriptor)
    try:
        write(temporary)
        Path(temporary).replace(cache_dir() / name)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
