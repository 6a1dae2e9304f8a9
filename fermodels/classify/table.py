"""The table of answers: its columns, and its three forms on disk (CSV, JSON, parquet).

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@``; in CSV such text gets a
leading apostrophe (OWASP, "CSV injection"), which reading the table here removes again.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from fermodels.data.emotions import PROBABILITY_COLUMNS
from fermodels.errors import ConfigError, DataError
from fermodels.files import Objection, anything, write_atomically

if TYPE_CHECKING:
    import pyarrow as pa

Cell = str | int | float | None
Row = dict[str, Cell]
"""One line: column -> value; None where there is nothing to say."""

COLUMNS: dict[str, type] = {
    "file": str,
    "frame_time": float,
    "face": int,
    "left": int,
    "top": int,
    "right": int,
    "bottom": int,
    "score": float,
    "model": str,
    "prediction": str,
    **dict.fromkeys(PROBABILITY_COLUMNS, float),
    "error": str,
}
"""Column -> type. A row is one face as one network sees it; a file without a face, or one that
cannot be read, has one row with no face. `frame_time` is in seconds, the box in pixels of the
upright picture, `score` the detector's margin, `face` counts from 0, largest first."""

RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""Beginnings that are escaped; the apostrophe too, so that the escape can be undone."""


def safe_cell(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(RISKY) else text


def unsafe_cell(text: str) -> str:
    """Return what `safe_cell` was given."""
    return text[1:] if text.startswith("'") else text


def to_csv(rows: Iterable[Row]) -> str:
    """Return rows as CSV text: names escaped, numbers with seven digits, gaps empty."""
    buffer = StringIO(newline="")
    # RFC 4180's line ends; with a lone "\n" Python would leave a "\r" inside a name unquoted.
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows([_to_text(row.get(name)) for name in COLUMNS] for row in rows)
    return buffer.getvalue()


def _to_text(value: Cell) -> str:
    if isinstance(value, str):
        return safe_cell(value)
    return "" if value is None else f"{value:.7g}" if isinstance(value, float) else str(value)


def from_csv(text: str) -> list[Row]:
    """Return the rows that `to_csv` wrote.

    Raises:
        DataError: other columns, or a cell of another type.
    """
    reader = csv.DictReader(StringIO(text, newline=""))
    if reader.fieldnames is None or list(reader.fieldnames) != list(COLUMNS):
        raise DataError(f"it has the columns {reader.fieldnames}: expected {', '.join(COLUMNS)}")
    return [{name: _from_text(name, row[name]) for name in COLUMNS} for row in reader]


def _from_text(column: str, text: str | None) -> Cell:
    if not text:
        return None
    try:
        return unsafe_cell(text) if COLUMNS[column] is str else COLUMNS[column](text)
    except ValueError as error:
        raise DataError(f"{column} is {text[:40]!r}: expected a number") from error


def arrow_table(rows: Iterable[Row]) -> pa.Table:
    """Return rows as an Arrow table with the columns' own types."""
    import pyarrow as pa

    kinds = {str: pa.string(), int: pa.int32(), float: pa.float64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    return pa.Table.from_pylist(list(rows), schema=schema)


def _write_parquet(rows: list[Row], path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(arrow_table(rows), path, compression="zstd")


def _read_parquet(path: Path) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[Row] = pq.read_table(path, columns=list(COLUMNS)).to_pylist()
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise DataError(f"it is no table of ours ({str(error)[:120]})") from error
    return rows


def _write_json(rows: list[Row], path: Path) -> None:
    whole = [{name: row.get(name) for name in COLUMNS} for row in rows]
    path.write_text(json.dumps(whole, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _read_json(path: Path) -> list[Row]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, list) or any(not _is_row(row) for row in content):
        raise DataError("it is no list of rows of ours")
    return content


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and set(row) == set(COLUMNS)


FORMS: dict[str, tuple[Callable[[list[Row], Path], object], Callable[[Path], list[Row]]]] = {
    ".csv": (
        lambda rows, path: path.write_text(to_csv(rows), encoding="utf-8", newline=""),
        lambda path: from_csv(path.read_bytes().decode("utf-8")),
    ),
    ".json": (_write_json, _read_json),
    ".parquet": (_write_parquet, _read_parquet),
}
"""File ending -> how rows are written to, and read from, a path."""


def check_form(path: Path) -> str:
    """Return the ending of a results file.

    Raises:
        ConfigError: none of FORMS.
    """
    if path.suffix.lower() not in FORMS:
        raise ConfigError(f"the output {str(path)!r} ends otherwise than {', '.join(FORMS)}")
    return path.suffix.lower()


def not_predictions(path: Path) -> str | None:
    """Object to replacing all but a table that `write` wrote."""
    try:
        if path.is_file():
            read(path)
            return None
    except DataError:
        pass
    return "is no table of answers of ours"


def write(path: Path, rows: list[Row], objection: Objection = anything) -> None:
    """Write rows in the form that the ending names, atomically.

    Args:
        path: the results file.
        rows: all of them.
        objection: whether an earlier file may be replaced; none may unless told.

    Raises:
        ConfigError: an ending that is none of FORMS, or something else is there.
    """
    to_file, _ = FORMS[check_form(path)]
    write_atomically(path, lambda temporary: to_file(rows, temporary), objection)


def read(path: Path) -> list[Row]:
    """Read what `write` wrote.

    Raises:
        ConfigError: an ending that is none of FORMS.
        DataError: it cannot be read, or is no such table.
    """
    _, from_file = FORMS[check_form(path)]
    try:
        return from_file(path)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"cannot go on with {path}: {' '.join(str(error).split())[:200]}; give another --out"
        ) from error
