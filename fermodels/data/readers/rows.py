"""What every reader of a form of the data offers: `Reader`, the `DataSource` it recognises, `Rows`.

Rows are labelled faces as one form holds them, before splits and votes are settled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fermodels.data.dataset import SPLITS


@dataclass(frozen=True, eq=False)
class Rows:
    """Faces in source order, as every reader of a form hands them over."""

    images: NDArray[np.uint8]
    """Grey levels, uint8 ``(N, 48, 48)``."""
    labels: NDArray[np.int64]
    """Class indices 0..6, int64 ``(N,)``."""
    splits: NDArray[np.str_]
    """The split each face had in its source, ``(N,)``."""
    names: NDArray[np.str_] | None = None
    """File name of each face ``(N,)`` (empty text where it has none), or None for none at all."""
    notes: tuple[str, ...] = ()
    """What the reader had to decide, in sentences a person should see."""

    def __len__(self) -> int:
        return len(self.images)

    def take(self, order: NDArray[np.intp]) -> Rows:
        """Return the rows in another order; the same object if that changes nothing."""
        if np.array_equal(order, np.arange(len(self))):
            return self
        names = None if self.names is None else self.names[order]
        return Rows(self.images[order], self.labels[order], self.splits[order], names, self.notes)

    def noting(self, *notes: str) -> Rows:
        """Return the same rows with more notes."""
        return replace(self, notes=self.notes + notes) if notes else self


def split_order(splits: NDArray[np.str_]) -> NDArray[np.intp]:
    """Return the stable order that puts train before validation before test, intp ``(N,)``."""
    return np.concatenate([np.flatnonzero(splits == split) for split in SPLITS])


def join(parts: Sequence[Rows]) -> Rows:
    """Return the parts one after another; equal notes are kept once."""
    if len(parts) == 1:
        return parts[0]
    names = None
    if any(part.names is not None for part in parts):
        names = np.concatenate([_names(part) for part in parts])
    return Rows(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.splits for part in parts]),
        names,
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _names(part: Rows) -> NDArray[np.str_]:
    return np.full(len(part), "") if part.names is None else part.names


@dataclass(frozen=True)
class DataSource:
    """Files of one form that were recognised, not read yet."""

    form: str
    """A name in `fermodels.data.readers.discover.READERS`."""
    folder: Path
    """Where they lie."""
    files: Sequence[Path]
    """Every file that the reading depends on."""
    read: Callable[[], Rows]
    notes: tuple[str, ...] = ()
    """What a person should know of the choice."""
    unread: tuple[str, ...] = ()
    """Names of files of the same form that lie there as well and are not read."""


@dataclass(frozen=True)
class Reader:
    """One form in which people hold FER-2013."""

    form: str
    """Name; cached arrays of two forms are kept apart by it."""
    example: str
    """What it looks like, for the error that finds nothing."""
    in_folder: Callable[[Path], DataSource | None]
    """Recognise the form directly inside a folder; None if it is not there."""
    names_in: Callable[[Path], list[str]]
    """Name what of the form lies in a folder, for the note when another form is read."""
    suffix: str = ""
    """Of a single file in this form, lower case; empty if the form is always a folder."""
    of_file: Callable[[Path], DataSource] | None = None
    """Recognise a single file with that suffix; raises DataError if it holds no faces."""
