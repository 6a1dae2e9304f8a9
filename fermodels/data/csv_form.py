"""CSV files of FER-2013: ``fer2013.csv``, ``icml_face_data.csv``, the challenge's ``train.csv``.

One row a face: a class, 2,304 grey levels as text, and in most files the split ("Usage").
Reading goes the quick way first (see `csv_fast`). A file that is not plain is read again slowly,
row by row, which reads odd but right spellings and names the first fault of a wrong one.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fermodels.data import csv_fast, digits, split_words
from fermodels.data.csv_columns import Columns, label_and_split, require_columns
from fermodels.data.rows import Rows
from fermodels.errors import DataError


def read(path: Path, split: str | None = None) -> Rows:
    """Read one CSV of faces.

    Args:
        path: the file.
        split: what the rows are if the file has no Usage column; by default its name tells
            (``train.csv``), or else all are "train".

    Raises:
        DataError: a column is missing, or a row is wrong; names file, row and value.
    """
    columns = require_columns(path)
    default = split or split_words.of_file(path.stem) or "train"
    rows = csv_fast.read(path, columns, default)
    return _read_slowly(path, columns, default) if rows is None else rows


def _read_slowly(path: Path, columns: Columns, split: str) -> Rows:
    """Read row by row, the obvious way.

    Raises:
        DataError: at the first wrong row.
    """
    images, labels, splits = [], [], []
    for where, fields in _lines(path):
        if len(fields) != columns.count:
            raise DataError(
                f"{where}: {len(fields)} columns: expected {columns.count} as in the first line; "
                "is the file cut short? Download it again or remove the row"
            )
        label, known = label_and_split(fields, columns, split, where)
        images.append(digits.read_row(fields[columns.pixels], where))
        labels.append(label)
        splits.append(known)
    if not images:
        raise DataError(f"{path} holds no faces after its first line: expected one row a face")
    return Rows(np.stack(images), np.array(labels, np.int64), np.array(splits))


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield ``(place, fields)`` for each row that is not blank."""
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        table = csv.reader(file, skipinitialspace=True)
        next(table)
        for row, fields in enumerate(table, 1):
            if fields:
                yield f"{path.name}, row {row} (line {table.line_num})", fields
