"""What the columns of a FER-2013 CSV are called, in any order and spelling, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fermodels.data import split_words
from fermodels.data.emotions import parse_emotion
from fermodels.errors import DataError

LABEL_COLUMNS = ("emotion", "label", "labels", "class")
PIXEL_COLUMNS = ("pixels", "pixel")
SPLIT_COLUMNS = ("usage", "split", "set")


@dataclass(frozen=True)
class Columns:
    """Where a CSV keeps what a face needs, by column index."""

    count: int
    pixels: int
    label: int | None
    split: int | None

    @property
    def are_faces(self) -> bool:
        """Whether the rows are labelled faces."""
        return self.label is not None

    @property
    def are_complete(self) -> bool:
        """Whether the rows are labelled faces that tell their split."""
        return self.label is not None and self.split is not None


def columns_of(path: Path) -> Columns | None:
    """Return where the columns are, or None if the file holds no pixels.

    Raises:
        DataError: the file is empty or cannot be read as text.
    """
    header = _header(path)
    names = [name.strip().strip('"').strip().lower() for name in header.split(",")]

    def find(wanted: tuple[str, ...]) -> int | None:
        return next((names.index(name) for name in wanted if name in names), None)

    pixels = find(PIXEL_COLUMNS)
    if pixels is None:
        return None
    return Columns(len(names), pixels, find(LABEL_COLUMNS), find(SPLIT_COLUMNS))


def _header(path: Path) -> str:
    try:
        with path.open("rb") as file:
            line = file.readline(4096)
        text = line.decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a CSV file ({error}): check the file") from error
    if not text:
        raise DataError(f"{path} is empty: expected a first line such as emotion,pixels,Usage")
    return text


def require_columns(path: Path) -> Columns:
    """Return where the columns are.

    Raises:
        DataError: the pixels or the labels are missing.
    """
    columns = columns_of(path)
    if columns is None:
        raise DataError(
            f"{path} has the columns {_header(path)!r}: expected emotion,pixels,Usage in any "
            "order; give the file that holds the faces' pixels"
        )
    if columns.label is None:
        raise DataError(
            f"{path} has no labels (columns {_header(path)!r}, none called emotion): it can be "
            "neither trained nor measured on; give fer2013.csv or icml_face_data.csv, which hold "
            "the same faces with labels"
        )
    return columns


def label_and_split(fields: list[str], columns: Columns, split: str, where: str) -> tuple[int, str]:
    """Return what a row's fields say; ``where`` begins the message if they say nothing known."""
    assert columns.label is not None
    label = fields[columns.label].strip().strip('"')
    try:
        meaning = parse_emotion(label)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if columns.split is None:
        return meaning, split
    usage = fields[columns.split].strip().strip('"')
    known = split_words.parse(usage)
    if known is None:
        raise DataError(
            f"{where}: Usage is {usage!r}: expected Training, PublicTest or PrivateTest; "
            "correct or remove the row"
        )
    return meaning, known
