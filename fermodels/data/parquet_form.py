"""Parquet files as on the Hugging Face Hub: ``train-00000-of-00001.parquet``, ``data/``, ...

Columns: a picture (``image{bytes,path}`` or plain bytes) or pixel text, and a label (class
number, class name, or a ClassLabel whose names stand in the file's metadata).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fermodels.data import digits, split_words
from fermodels.data.emotions import parse_emotion
from fermodels.data.pictures import PictureReader
from fermodels.data.rows import Rows, join
from fermodels.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

IMAGE_COLUMNS = ("image", "img", "picture")
LABEL_COLUMNS = ("label", "labels", "emotion", "class", "expression")
SPLIT_COLUMNS = ("usage", "split")
_SHARD = re.compile(r"-(\d+)-of-(\d+)(?:-[0-9a-f]+)?$")


def files_in(folder: Path) -> list[Path]:
    """Return the parquet files of a folder (or of its ``data`` or split folders), by name.

    Raises:
        DataError: a numbered shard is missing.
    """
    found = sorted(folder.glob("*.parquet"))
    if not found:
        found = sorted(f for f in folder.glob("*/*.parquet") if _is_part(f.parent.name))
    shards: dict[str, set[int]] = {}
    counts: dict[str, int] = {}
    for path in found:
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
    return found


def _is_part(name: str) -> bool:
    """Tell whether a subfolder of this name is part of the dataset around it."""
    return name in ("data", "default") or split_words.parse(name) is not None


def read(files: Sequence[Path]) -> Rows:
    """Read parquet files as one set of rows.

    Raises:
        DataError: a file is damaged, lacks a column or holds a wrong row.
    """
    return join([_read_file(path) for path in files])


def _read_file(path: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return _rows_of(pq.read_table(path), path)
    except (pa.ArrowException, OSError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(
            f"{path} cannot be read as parquet ({' '.join(str(error).split())}): is it cut short? "
            "Download it again"
        ) from error


def _rows_of(table: pa.Table, path: Path) -> Rows:
    if table.num_rows == 0:
        raise DataError(f"{path} holds no rows: expected one a face")
    label_column = _column(table, LABEL_COLUMNS, path)
    labels = _labels(table.column(label_column), _class_names(table.schema, label_column), path)
    images, names, notes = _images(table, path)
    return Rows(images, labels, _splits(table, path), names, notes)


def _find(table: pa.Table, wanted: tuple[str, ...]) -> str | None:
    """Return the first wanted column that the table has, as the table spells it."""
    have = {name.strip().lower(): name for name in table.column_names}
    return next((have[name] for name in wanted if name in have), None)


def _column(table: pa.Table, wanted: tuple[str, ...], path: Path) -> str:
    found = _find(table, wanted)
    if found is None:
        raise DataError(
            f"{path} has the columns {table.column_names}: expected one called "
            f"{' or '.join(wanted)}"
        )
    return found


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


def _labels(column: pa.ChunkedArray, names: list[str] | None, path: Path) -> NDArray[np.int64]:
    """Return class indices, through the ClassLabel's names where the file tells them."""
    values = column.to_pylist()
    meanings: dict[object, int] = {}
    for value in dict.fromkeys(values):
        row = values.index(value) + 1
        text = value
        if names is not None and isinstance(value, int):
            if not 0 <= value < len(names):
                raise DataError(f"{path}, row {row}: label {value}: expected 0 to {len(names) - 1}")
            text = names[value]
        if not isinstance(text, str | int):
            raise DataError(f"{path}, row {row}: label is {value!r}: expected a class or 0 to 6")
        try:
            meanings[value] = parse_emotion(text)
        except DataError as error:
            raise DataError(f"{path}, row {row}: {error}") from None
    return np.array([meanings[value] for value in values], np.int64)


def _images(
    table: pa.Table, path: Path
) -> tuple[NDArray[np.uint8], NDArray[np.str_] | None, tuple[str, ...]]:
    """Return the faces, their file names if any, and the notes."""
    pixels = _find(table, ("pixels",))
    if pixels is not None and _find(table, IMAGE_COLUMNS) is None:
        texts = [str(text) for text in table.column(pixels).to_pylist()]
        return digits.read_rows(texts, str(path)), None, ()
    column = table.column(_column(table, IMAGE_COLUMNS, path)).to_pylist()
    reader = PictureReader()
    faces = np.empty((len(column), 48, 48), np.uint8)
    names = []
    for row, cell in enumerate(column):
        data, name = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, "")
        where = f"{path}, row {row + 1}"
        if not isinstance(data, bytes):
            raise DataError(f"{where}: the image holds no bytes: expected an encoded picture")
        faces[row] = reader.read(data, where)
        names.append(Path(name or "").name)
    return faces, np.array(names) if any(names) else None, reader.notes()


def _splits(table: pa.Table, path: Path) -> NDArray[np.str_]:
    """Return each row's split, by its Usage column, the file's name or the folder's."""
    column = _find(table, SPLIT_COLUMNS)
    if column is None:
        split = split_words.of_file(path.stem) or split_words.parse(path.parent.name) or "train"
        return np.full(table.num_rows, split)
    words = table.column(column).to_pylist()
    meanings = {word: split_words.parse(str(word)) for word in dict.fromkeys(words)}
    for word, meaning in meanings.items():
        if meaning is None:
            raise DataError(
                f"{path}, row {words.index(word) + 1}: {column} is {word!r}: "
                "expected Training, PublicTest or PrivateTest"
            )
    return np.array([meanings[word] for word in words])
