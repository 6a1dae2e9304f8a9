"""Parquet files as on the Hugging Face Hub: ``train-00000-of-00001.parquet``, ``data/``, ...

Columns: a picture (``image{bytes,path}`` or plain bytes) or pixel text, and a label (class
number, class name, or a ClassLabel whose names stand in the file's metadata).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fermodels.data.dataset import FACE_SHAPE
from fermodels.data.emotions import parse_emotion
from fermodels.data.readers import fer2013_csv, split_names
from fermodels.data.readers.bounded_parquet import BoundedTable, Limit
from fermodels.data.readers.image_folders import PictureReader
from fermodels.data.readers.rows import DataSource, Reader, Rows, join
from fermodels.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

IMAGE_COLUMNS = ("image", "img", "picture")
LABEL_COLUMNS = ("label", "labels", "emotion", "class", "expression")
SPLIT_COLUMNS = ("usage", "split")
FACE_BYTES = FACE_SHAPE[0] * FACE_SHAPE[1]
LEAST_DECODED = 256_000_000
"""Bytes that a dataset may come to when read, however small its files are."""
MOST_GROWTH = 50
"""A larger dataset may come to this many times its files' size: FER-2013's do to 1.4 times."""
LONGEST_NAME = 1_000
_SHARD = re.compile(r"-(\d+)-of-(\d+)(?:-[0-9a-f]+)?$")


def files_in(folder: Path) -> list[Path]:
    """Return the parquet files of a folder (or of its ``data`` or split folders), by name.

    Raises:
        DataError: a numbered shard is missing.
    """
    files = sorted(folder.glob("*.parquet"))
    if not files:
        files = sorted(f for f in folder.glob("*/*.parquet") if _is_part(f.parent.name))
    shards: dict[str, set[int]] = {}
    counts: dict[str, int] = {}
    for path in files:
        if shard := _SHARD.search(path.stem):
            family = f"{path.parent}/{path.stem[: shard.start()]}"
            shards.setdefault(family, set()).add(int(shard.group(1)))
            counts[family] = int(shard.group(2))
    for family, have in shards.items():
        if missing := set(range(counts[family])) - have:
            raise DataError(
                f"{family}: shard {min(missing)} of {counts[family]} is missing: "
                "download the data again"
            )
    return files


def _is_part(name: str) -> bool:
    """Tell whether a subfolder of this name is part of the dataset around it."""
    return name in ("data", "default") or split_names.parse(name) is not None


def read(files: Sequence[Path]) -> Rows:
    """Read parquet files as one set of rows.

    Raises:
        DataError: a file is damaged, lacks a column, holds a wrong row, or more than a file of its
            size can hold of faces.
    """
    decoded = max(LEAST_DECODED, MOST_GROWTH * sum(path.stat().st_size for path in files))
    parts: list[Rows] = []
    for path in files:
        room = decoded // FACE_BYTES - sum(map(len, parts))
        parts.append(_read_file(path, Limit(room, decoded)))
    return join(parts)


def _read_file(path: Path, limit: Limit) -> Rows:
    try:
        with BoundedTable(path, str(path), limit) as table:
            return _rows_of(table, path)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}): download it again") from error


def _rows_of(table: BoundedTable, path: Path) -> Rows:
    names = table.schema.names
    label_column = _column(names, LABEL_COLUMNS, path)
    split_column = _find(names, SPLIT_COLUMNS)
    pixels = _find(names, ("pixels",)) if _find(names, IMAGE_COLUMNS) is None else None
    image_column = pixels or _column(names, IMAGE_COLUMNS, path)
    wanted = [name for name in (label_column, split_column, image_column) if name is not None]
    classes = _class_names(table.schema, label_column)
    reader, first, parts = PictureReader(), 1, []
    for batch in table.batches(wanted):
        cells = batch.column(image_column).to_pylist()
        if pixels is None:
            images, files = _pictures(cells, reader, path, first)
        else:
            images, files = (
                fer2013_csv.read_rows([str(text) for text in cells], str(path), first),
                None,
            )
        labels = _labels(batch.column(label_column).to_pylist(), classes, path, first)
        words = None if split_column is None else batch.column(split_column).to_pylist()
        splits = _splits(words, len(cells), path, first)
        parts.append(Rows(images, labels, splits, files))
        first += batch.num_rows
    if first == 1:
        raise DataError(f"{path} holds no rows: expected one a face")
    return replace(join(parts), notes=reader.notes())


def _find(names: list[str], wanted: tuple[str, ...]) -> str | None:
    """Return the first wanted column that the table has, as the table spells it."""
    have = {name.strip().lower(): name for name in names}
    return next((have[name] for name in wanted if name in have), None)


def _column(names: list[str], wanted: tuple[str, ...], path: Path) -> str:
    column = _find(names, wanted)
    if column is None:
        raise DataError(
            f"{path} has the columns {names}: expected one called {' or '.join(wanted)}"
        )
    return column


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """Return the names of a Hub ClassLabel column, or None if the file tells none."""
    written = (schema.metadata or {}).get(b"huggingface")
    if written is None:
        return None
    try:
        names = json.loads(written)
    except ValueError:  # another program's notes, or damaged ones: they tell no names
        return None
    for key in ("info", "features", column, "names"):
        names = names.get(key) if isinstance(names, dict) else None
    return [str(name) for name in names] if isinstance(names, list) and names else None


def _labels(
    values: list[Any], names: list[str] | None, path: Path, first: int
) -> NDArray[np.int64]:
    """Return class indices, through the ClassLabel's names where the file tells them."""
    meanings: dict[object, int] = {}
    for value in dict.fromkeys(values):
        row = values.index(value) + first
        text = value
        if names is not None and isinstance(value, int):
            if not 0 <= value < len(names):
                raise DataError(f"{path}, row {row}: label {value}: expected 0 to {len(names) - 1}")
            text = names[value]
        if not isinstance(text, str | int):
            shown = repr(value)[:60]
            raise DataError(f"{path}, row {row}: label is {shown}: expected a class or 0 to 6")
        try:
            meanings[value] = parse_emotion(text)
        except DataError as error:
            raise DataError(f"{path}, row {row}: {error}") from None
    return np.array([meanings[value] for value in values], np.int64)


def _pictures(
    cells: list[Any], reader: PictureReader, path: Path, first: int
) -> tuple[NDArray[np.uint8], NDArray[np.str_] | None]:
    """Return the faces, and their file names if any."""
    faces = np.empty((len(cells), 48, 48), np.uint8)
    names = []
    for row, cell in enumerate(cells):
        data, name = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, "")
        where = f"{path}, row {row + first}"
        if not isinstance(data, bytes):
            raise DataError(f"{where}: the image holds no bytes: expected an encoded picture")
        faces[row] = reader.read(data, where)
        if name is not None and not (isinstance(name, str) and len(name) <= LONGEST_NAME):
            raise DataError(
                f"{where}: the image's path is {str(name)[:60]!r}: expected at most "
                f"{LONGEST_NAME} characters of text"
            )
        names.append(Path(name or "").name)
    return faces, np.array(names) if any(names) else None


def _splits(words: list[Any] | None, count: int, path: Path, first: int) -> NDArray[np.str_]:
    """Return each row's split, by its Usage column, the file's name or the folder's."""
    if words is None:
        split = split_names.of_file(path.stem) or split_names.parse(path.parent.name) or "train"
        return np.full(count, split)
    meanings = {word: split_names.parse(str(word)) for word in dict.fromkeys(words)}
    for word, meaning in meanings.items():
        if meaning is None:
            raise DataError(
                f"{path}, row {words.index(word) + first}: the split is {str(word)[:60]!r}: "
                "expected Training, PublicTest or PrivateTest"
            )
    return np.array([meanings[word] for word in words])


def _source(folder: Path, files: Sequence[Path]) -> DataSource:
    return DataSource("parquet", folder, files, lambda: read(files))


READER = Reader(
    "parquet",
    "parquet files",
    in_folder=lambda folder: _source(folder, files) if (files := files_in(folder)) else None,
    names_in=lambda folder: ["parquet files"] if any(folder.glob("*.parquet")) else [],
    suffix=".parquet",
    of_file=lambda path: _source(path.parent, [path]),
)
