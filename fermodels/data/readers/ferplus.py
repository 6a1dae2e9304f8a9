"""FER+ votes: ten people's opinions on each face of FER-2013, joined where rows align.

E. Barsoum, C. Zhang, C. Canton Ferrer, Z. Zhang: Training Deep Networks for Facial Expression
Recognition with Crowd-Sourced Label Distribution, ICMI 2016. Their ``fer2013new.csv`` holds
one row for each row of the original CSV, in its order, and no pixels; so a join is by place, and
a wrong place would go unseen. Every join is therefore checked: people's top vote equals the
FER-2013 label on about 63% of rightly joined faces, on about 18% of wrongly joined ones.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fermodels.data.readers import split_names
from fermodels.data.readers.rows import Rows
from fermodels.errors import DataError

VOTE_COLUMNS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
"""The ten columns of `FaceDataset.votes`; NF means not a face."""
VOTE_LABELS: tuple[int, ...] = (6, 3, 5, 4, 0, 1, 2, -1, -1, -1)
"""The FER-2013 label of each vote column, -1 where it has none."""
FILE_NAME = "fer2013new.csv"
LEAST_AGREEMENT = 0.45
_BLOCK = 1000


@dataclass(frozen=True, eq=False)
class VoteTable:
    """FER+'s rows, in the original CSV's order."""

    splits: NDArray[np.str_]
    """``(M,)``."""
    names: NDArray[np.str_]
    """FER+'s own picture names ``(M,)``, empty for what is not a face; they count faces, not
    rows, so ``fer0028638.png`` is row 28,709."""
    votes: NDArray[np.uint8]
    """uint8 ``(M, 10)``."""


def find(*folders: Path) -> Path | None:
    """Return the first readable ``fer2013new.csv`` in the folders."""
    paths = [folder / FILE_NAME for folder in folders]
    return next((path for path in paths if os.access(path, os.R_OK)), None)


def is_votes(path: Path) -> bool:
    """Tell whether a CSV is a table of FER+ votes."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = [name.strip() for name in file.readline(4096).split(",")]
    return set(VOTE_COLUMNS) <= set(header)


def read(path: Path) -> VoteTable:
    """Read ``fer2013new.csv``.

    Raises:
        DataError: a column is missing or a row is wrong.
    """
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        table = csv.reader(file)
        header = [name.strip() for name in next(table, [])]
        wanted = ["Usage", "Image name", *VOTE_COLUMNS]
        if missing := [name for name in wanted if name not in header]:
            raise DataError(f"{path} lacks the columns {missing}: expected {wanted}")
        places = [header.index(name) for name in wanted]
        rows = [[fields[place] for place in places] for fields in _whole(table, header, path)]
    if not rows:
        raise DataError(f"{path} holds no rows: expected one for each face of FER-2013")
    splits = [split_names.parse(row[0]) for row in rows]
    try:
        votes = np.array([[int(vote) for vote in row[2:]] for row in rows])
    except ValueError as error:
        raise DataError(f"{path}: a vote is not a whole number ({error})") from error
    if None in splits or votes.min() < 0 or votes.max() > 255:
        raise DataError(f"{path} holds an unknown Usage or a vote outside 0..255: get it anew")
    return VoteTable(
        np.array(splits), np.array([row[1].strip() for row in rows]), votes.astype(np.uint8)
    )


def _whole(table: Iterator[list[str]], header: list[str], path: Path) -> Iterator[list[str]]:
    for row, fields in enumerate(table, 1):
        if fields and len(fields) != len(header):
            raise DataError(
                f"{path}, row {row}: {len(fields)} columns: expected {len(header)}; "
                "is the file cut short?"
            )
        if fields:
            yield fields


def join(rows: Rows, table: VoteTable) -> tuple[NDArray[np.uint8] | None, str]:
    """Return the votes of each face, uint8 ``(N, 10)``, or None, and a note saying which and why.

    Args:
        rows: faces with their original splits, in source order.
        table: FER+'s rows.
    """
    tried = []
    for how, places in _ways(rows, table):
        if not (table.splits[places] == rows.splits).all():
            tried.append(f"{how} the splits differ")
            continue
        votes = table.votes[places]
        agreement = _least_agreement(votes, rows.labels)
        if agreement >= LEAST_AGREEMENT:
            overall = _agrees(votes, rows.labels).mean()
            note = (
                f"FER+ votes are matched {how}; their majority agrees with the label for "
                f"{overall:.1%} of faces."
            )
            return votes, note
        tried.append(f"{how} the top vote equals the label on only {agreement:.0%} (aligned: 63%)")
    why = "; ".join(tried) or (
        f"{len(rows):,} faces against {len(table.votes):,} rows of votes, "
        "and no file names that carry row numbers"
    )
    return None, f"FER+ votes found but not joined, as rows do not align: {why}."


def _ways(rows: Rows, table: VoteTable) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Yield each way the rows may align: its name and the table row of every face."""
    by_order = _by_order(rows, table)
    if by_order is not None:
        yield "by row order", by_order
    if rows.names is None:
        return
    numbers = [re.search(r"fer(\d{7})(?!\d)", name) for name in rows.names]
    matched = [match for match in numbers if match]
    if len(matched) < len(rows):
        return
    places = np.array([int(match.group(1)) for match in matched], np.intp)
    if places.max() < len(table.votes):
        yield "by the row numbers in file names", places
    known = {name: place for place, name in enumerate(table.names) if name}
    by_name = [known.get(f"fer{match.group(1)}.png") for match in matched]
    if None not in by_name:
        yield "by FER+'s picture names", np.array(by_name, np.intp)


def _by_order(rows: Rows, table: VoteTable) -> NDArray[np.intp] | None:
    """Pair the k-th face of a split with the table's k-th row of it, if their counts are equal."""
    places = np.empty(len(rows), np.intp)
    for split in np.unique(rows.splits):
        own, theirs = (np.flatnonzero(side == split) for side in (rows.splits, table.splits))
        if len(own) != len(theirs):
            return None
        places[own] = theirs
    return places


def _agrees(votes: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell for each face whether its top vote is its FER-2013 label, bool ``(N,)``."""
    return np.asarray(np.array(VOTE_LABELS)[votes.argmax(axis=1)] == labels, bool)


def _least_agreement(votes: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Return the lowest share of agreement over stretches of about 1,000 rows."""
    agrees = _agrees(votes, labels)
    return min(float(part.mean()) for part in np.array_split(agrees, 1 + len(agrees) // _BLOCK))
