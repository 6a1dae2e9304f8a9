"""Finding out which form of FER-2013 lies somewhere, and reading it: no flags, only looking.

Looking order inside a folder: a CSV with Usage (``fer2013.csv``, ``icml_face_data.csv``), parquet
files, class folders, then CSVs without Usage (the challenge's ``train.csv``); if nothing is
there, its subfolders, two levels deep. What was chosen among several is said in a note.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fermodels.data.dataset import FACE_SHAPE as FACE_SHAPE
from fermodels.data.dataset import SPLITS as SPLITS
from fermodels.data.dataset import FaceDataset
from fermodels.data.readers import cache, fer2013_csv, ferplus, image_folders, parquet, split_names
from fermodels.data.readers.rows import Rows, join, split_order
from fermodels.errors import DataError

FER2013_TRAIN_COUNTS = (3995, 436, 4097, 7215, 4830, 3171, 4965)
"""Training faces per class, angry to neutral, as published."""
FER2013_SIZE = 35_887
_PREFERRED = ("fer2013.csv", "icml_face_data.csv")
_ARCHIVES = (".zip", ".gz", ".tgz", ".tar", ".7z", ".rar")
_DEPTH = 2
_IGNORED = (".", "__")


@dataclass(frozen=True)
class FoundData:
    """One form of the data that was found, not read yet."""

    form: str
    """What a person calls the form."""
    folder: Path
    """Where it lies."""
    files: Sequence[Path]
    """Every file it consists of."""
    read: Callable[[], Rows]
    notes: tuple[str, ...] = ()


def read(source: str | Path) -> FaceDataset:
    """Read faces from any form; see `fermodels.data.readers.discover.read_faces`.

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
    found = look(path)
    rows = cache.through(found.form, found.files, found.read).noting(*found.notes)
    rows = split_names.recover(rows)
    rows = _in_fer_order(rows.take(split_order(rows.splits)))
    joined, *notes = _votes_beside(rows, found.folder, path)
    settled = split_names.hold_out(rows.noting(*notes))
    order = split_order(settled.splits)
    rows = settled.take(order)
    name = "FER-2013" if len(rows) == FER2013_SIZE else path.resolve().name
    ordered = None if joined is None else joined[order]
    return FaceDataset(rows.images, rows.labels, rows.splits, name, ordered, rows.notes)


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


def look(path: Path) -> FoundData:
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
        there = [found for folder in level if (found := _look_in(folder))]
        if len(there) > 1:
            places = ", ".join(str(found.files[0].parent) for found in there)
            raise DataError(f"{path} holds several datasets ({places}): give the path of one")
        if there:
            return there[0]
        level = [inner for folder in level for inner in image_folders.subfolders(folder)]
    raise DataError(_nothing_in(path))


def _nothing_in(folder: Path) -> str:
    """Return the sentence that says what a folder holds instead of faces."""
    files = [file for file in sorted(folder.iterdir()) if not file.name.startswith(_IGNORED)]
    archives = [file.name for file in files if file.suffix in _ARCHIVES]
    seen = ", ".join(file.name for file in files[:5]) + (" ..." if len(files) > 5 else "")
    advice = f"unpack {archives[0]} first" if archives else "check the path"
    return (
        f"{folder} holds no faces in a known form (it has: {seen or 'nothing'}): expected "
        "fer2013.csv, icml_face_data.csv, parquet files, or folders such as train/angry with "
        f"jpg, png or bmp files; {advice}"
    )


def _look_at_file(path: Path) -> FoundData:
    suffix = path.suffix.lower()
    if suffix == ".csv":
        if ferplus.is_votes(path):
            raise DataError(
                f"{path} holds FER+ votes and no pictures: give the folder where it lies "
                "beside fer2013.csv"
            )
        fer2013_csv.require_columns(path)
        return FoundData("CSV", path.parent, [path], lambda: fer2013_csv.read(path))
    if suffix == ".parquet":
        return FoundData("parquet", path.parent, [path], lambda: parquet.read([path]))
    advice = "unpack it first" if suffix in _ARCHIVES else "give a CSV, a parquet file or a folder"
    raise DataError(f"{path} is no form of FER-2013 that can be read ({suffix!r}): {advice}")


def _look_in(folder: Path) -> FoundData | None:
    """Return the best form that lies directly in a folder, or None."""
    csvs = sorted(folder.glob("*.[cC][sS][vV]"))
    tables = {
        file: columns
        for file in csvs
        if not ferplus.is_votes(file) and (columns := fer2013_csv.columns_of(file)) is not None
    }
    found = _full_csv(tables) or _parquet(folder) or _image_folders(folder) or _split_csvs(tables)
    if found is None:
        return None
    unread = [file.name for file in tables if file not in found.files]
    if found.form != "parquet" and any(folder.glob("*.parquet")):
        unread.append("parquet files")
    if found.form != "image folders" and image_folders.is_form(folder):
        unread.append("image folders")
    note = f"Read {_what(found)}; not read, though beside: {', '.join(unread)}."
    return replace(found, notes=(*found.notes, note)) if unread else found


def _what(found: FoundData) -> str:
    """Return what is read, as a person would say it."""
    return ", ".join(file.name for file in found.files) if len(found.files) < 4 else found.form


def _full_csv(tables: dict[Path, fer2013_csv.Columns]) -> FoundData | None:
    """Return the CSV with Usage to read, by preference then by name."""
    files = [file for file, columns in tables.items() if columns.are_complete]
    if not files:
        return None
    names = [file.name.lower() for file in files]
    first = next((files[names.index(name)] for name in _PREFERRED if name in names), files[0])
    return FoundData("CSV", first.parent, [first], lambda: fer2013_csv.read(first))


def _parquet(folder: Path) -> FoundData | None:
    files = parquet.files_in(folder)
    return FoundData("parquet", folder, files, lambda: parquet.read(files)) if files else None


def _image_folders(folder: Path) -> FoundData | None:
    if not image_folders.is_form(folder):
        return None
    pictures = image_folders.pictures(folder)
    files = [picture.path for picture in pictures]
    return FoundData("image folders", folder, files, lambda: image_folders.read(pictures))


def _split_csvs(tables: dict[Path, fer2013_csv.Columns]) -> FoundData | None:
    """Return the CSVs without Usage, each one split, as the challenge's train.csv and test.csv."""
    files = [file for file, columns in tables.items() if columns.are_faces]
    bare = [file for file in tables if file not in files]
    if not files:
        for file in bare:
            fer2013_csv.require_columns(file)  # says that it has no labels
        return None
    splits = [split_names.of_file(file.stem) or "train" for file in files]
    if len(set(splits)) < len(splits):
        names = ", ".join(file.name for file in files)
        raise DataError(f"{files[0].parent} holds several CSVs of one split ({names}): give one")
    notes = tuple(
        f"{file.name} has no labels: the challenge's test faces with labels are in fer2013.csv "
        "and icml_face_data.csv."
        for file in bare
    )
    return FoundData(
        "CSVs", files[0].parent, files, lambda: join([fer2013_csv.read(f) for f in files]), notes
    )


# --- Faces from whatever form people hold them in: `read_faces`, and the `FaceDataset` it returns


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

    return read(source)
