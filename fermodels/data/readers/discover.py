"""Finding out which form of FER-2013 lies somewhere, and reading it: no flags, only looking.

Looking order inside a folder: the order of `READERS`; if nothing is there, its subfolders, two
levels deep. What was chosen among several stands in a note. A new form is one module with a
`Reader` and one entry in `READERS`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from fermodels.data.readers import cache, fer2013_csv, ferplus, image_folders, parquet, split_names
from fermodels.data.readers.rows import DataSource, Reader, Rows, split_order
from fermodels.errors import DataError

READERS: dict[str, Reader] = {
    reader.form: reader
    for reader in (
        fer2013_csv.FULL_CSV,
        parquet.READER,
        image_folders.READER,
        fer2013_csv.SPLIT_CSVS,
    )
}
"""Forms of the data by name, in the order in which a folder is searched for them."""
FER2013_TRAIN_COUNTS = (3995, 436, 4097, 7215, 4830, 3171, 4965)
"""Training faces per class, angry to neutral, as published."""
FER2013_SIZE = 35_887
_ARCHIVES = (".zip", ".gz", ".tgz", ".tar", ".7z", ".rar")
_DEPTH = 2
_IGNORED = (".", "__")


def read_faces(source: str | Path) -> FaceDataset:
    """Read labelled faces from any form in which people hold them, found by looking.

    Args:
        source: a CSV file, a parquet file, a folder (of parquets, CSVs or class folders),
            ``"samples"`` for the faces shipped with this project, or ``"hub:owner/name"``
            for a dataset on the Hugging Face Hub.

    Raises:
        DataError: nothing readable there; names file, row, value seen and what was expected.
        HubError: the Hub refused or could not be reached.
    """
    text = str(source)
    if text == "samples":
        from fermodels.data.samples import read_samples

        return read_samples()
    if text.startswith("hub:"):
        from fermodels.data.readers import hub_dataset

        name = text.removeprefix("hub:")
        return replace(_read_path(hub_dataset.download(name)), name=name)
    return _read_path(Path(source).expanduser())


def _read_path(path: Path) -> FaceDataset:
    source = look(path)
    rows = cache.through(source.form, source.files, source.read).noting(*source.notes)
    rows = split_names.recover(rows)
    rows = _in_fer_order(rows.take(split_order(rows.splits)))
    votes, *notes = _votes_beside(rows, source.folder, path)
    rows = split_names.hold_out(rows.noting(*notes))
    order = split_order(rows.splits)
    rows = rows.take(order)
    name = "FER-2013" if len(rows) == FER2013_SIZE else path.resolve().name
    votes = None if votes is None else votes[order]
    return FaceDataset(rows.images, rows.labels, rows.splits, name, votes, rows.notes)


def _votes_beside(
    rows: Rows, folder: Path, path: Path
) -> tuple[NDArray[np.uint8] | None, *tuple[str, ...]]:
    """Return the FER+ votes that lie in or beside the data, if they align, and what to note."""
    table = ferplus.find(folder, path, path.absolute().parent)
    return (None,) if table is None else ferplus.join(rows, ferplus.read(table))


def _in_fer_order(rows: Rows) -> Rows:
    """Renumber classes that a copy of FER-2013 numbers otherwise, told by the published counts."""
    training = rows.labels[rows.splits == "train"]
    counts = np.bincount(training, minlength=len(FER2013_TRAIN_COUNTS)).tolist()
    published = list(FER2013_TRAIN_COUNTS)
    if counts == published or sorted(counts) != sorted(published):
        return rows
    meaning = np.array([published.index(count) for count in counts], np.int64)
    return replace(rows, labels=meaning[rows.labels]).noting(
        "The classes were numbered otherwise than FER-2013's; they were recognised by their "
        "published counts and renumbered."
    )


def look(path: Path) -> DataSource:
    """Find out what lies at a path.

    Raises:
        DataError: nothing is there, or nothing that holds labelled faces.
    """
    if not path.exists():
        raise DataError(
            f"{path} does not exist: give a CSV or parquet file, a folder, "
            '"samples" or "hub:owner/name"'
        )
    if path.is_file():
        return _look_at_file(path)
    if not path.is_dir():
        raise DataError(f"{path} is a pipe or a device: give a CSV or parquet file, or a folder")
    level = [path]
    for _ in range(_DEPTH + 1):
        sources = [source for folder in level if (source := _look_in(folder))]
        if len(sources) > 1:
            places = ", ".join(str(source.files[0].parent) for source in sources)
            raise DataError(f"{path} holds several datasets ({places}): give the path of one")
        if sources:
            return sources[0]
        level = [inner for folder in level for inner in image_folders.subfolders(folder)]
    raise DataError(_nothing_in(path))


def _nothing_in(folder: Path) -> str:
    """Return the sentence that says what a folder holds instead of faces."""
    files = [file for file in sorted(folder.iterdir()) if not file.name.startswith(_IGNORED)]
    archives = [file.name for file in files if file.suffix in _ARCHIVES]
    names = ", ".join(file.name for file in files[:5]) + (" ..." if len(files) > 5 else "")
    *examples, last = [reader.example for reader in READERS.values()]
    advice = f"unpack {archives[0]} first" if archives else "check the path"
    return (
        f"{folder} holds no faces in a known form (it has: {names or 'nothing'}): expected "
        f"{', '.join(examples)} or {last}; {advice}"
    )


def _look_at_file(path: Path) -> DataSource:
    suffix = path.suffix.lower()
    for reader in READERS.values():
        if reader.of_file and reader.suffix == suffix:
            return reader.of_file(path)
    advice = "unpack it first" if suffix in _ARCHIVES else "give a CSV, a parquet file or a folder"
    raise DataError(f"{path} is no form of FER-2013 that can be read ({suffix!r}): {advice}")


def _look_in(folder: Path) -> DataSource | None:
    """Return the first form of READERS that lies directly in a folder, or None."""
    sources = (reader.in_folder(folder) for reader in READERS.values())
    source = next(filter(None, sources), None)
    if source is None:
        return None
    others = [
        name for r in READERS.values() if r.form != source.form for name in r.names_in(folder)
    ]
    read = [file.name for file in source.files]
    unread = [name for name in dict.fromkeys([*source.unread, *others]) if name not in read]
    if not unread:
        return source
    what = ", ".join(read) if len(read) < 4 else source.form
    note = f"Read {what}; not read, though beside: {', '.join(unread)}."
    return replace(source, notes=(*source.notes, note))
