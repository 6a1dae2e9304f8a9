"""CSV files of FER-2013: ``fer2013.csv``, ``icml_face_data.csv``, the challenge's ``train.csv``.

One row a face: a class, 2,304 grey levels as text, and in most files the split ("Usage").
Reading goes the quick way first (see `read_fast`). A file that is not plain is read again slowly,
row by row, which reads odd but right spellings and names the first fault of a wrong one.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fermodels.data.dataset import FACE_SHAPE
from fermodels.data.emotions import parse_emotion
from fermodels.data.readers import ferplus, split_names
from fermodels.data.readers.rows import DataSource, Reader, Rows, join
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
    default = split or split_names.of_file(path.stem) or "train"
    rows = read_fast(path, columns, default)
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
        images.append(read_row(fields[columns.pixels], where))
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


# --- What the columns of a FER-2013 CSV are called, in any order and spelling, and what they say


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
    known = split_names.parse(usage)
    if known is None:
        raise DataError(
            f"{where}: Usage is {usage!r}: expected Training, PublicTest or PrivateTest; "
            "correct or remove the row"
        )
    return meaning, known


# --- The quick reader of FER-2013's CSV: stretches of the file in parallel, digits by whole arrays


_BLOCK = 1 << 20  # large, so that the threads meet at the interpreter's lock less often
_LEAST_STRETCH = 1 << 24


def read_fast(path: Path, columns: Columns, split: str) -> Rows | None:
    """Read a plain file in parallel stretches; None if it is not plain throughout."""
    stretches = [_Stretch(path, columns, split, *bounds) for bounds in pairwise(_stretches(path))]
    images = np.empty((sum(part.room for part in stretches), *FACE_SHAPE), np.uint8)
    parts = np.split(images, np.cumsum([part.room for part in stretches])[:-1])
    with ThreadPoolExecutor(len(stretches)) as threads:
        if not all(threads.map(_Stretch.read, stretches, parts)):
            return None
    count = 0
    for stretch, part in zip(stretches, parts, strict=True):  # close the gaps between them
        rows = len(stretch.labels)
        images[count : count + rows] = part[:rows]
        count += rows
    labels = np.array([label for part in stretches for label in part.labels], np.int64)
    splits = np.array([name for part in stretches for name in part.splits])
    return Rows(images[:count], labels, splits) if count else None


def _stretches(path: Path) -> list[int]:
    """Return the byte offsets that cut the rows into one stretch a thread, ends included."""
    size = path.stat().st_size
    threads = min(os.cpu_count() or 1, 4, 1 + size // _LEAST_STRETCH)
    with path.open("rb") as file:
        file.readline()
        bounds = [file.tell()]
        for part in range(1, threads):
            file.seek(size * part // threads)
            file.readline()
            bounds.append(max(file.tell(), bounds[-1]))
    return [*bounds, max(size, bounds[-1])]


class _Stretch:
    """Reads the rows between two byte offsets that both begin a line."""

    def __init__(self, path: Path, columns: Columns, split: str, start: int, stop: int) -> None:
        self.path, self.columns, self.split = path, columns, split
        self.start, self.stop = start, stop
        self.labels: list[int] = []
        self.splits: list[str] = []
        self.buffer = bytearray(MARGIN + _BLOCK + 2)
        self.text = np.frombuffer(self.buffer, np.uint8)
        self.scratch = Scratch.of(len(self.buffer))
        self.meanings: dict[bytes, tuple[int, str]] = {}

    @property
    def room(self) -> int:
        """How many rows the stretch can hold at most: a pixel takes two bytes or more."""
        return (self.stop - self.start) // (2 * PIXELS) + 1

    def read(self, images: NDArray[np.uint8]) -> bool:
        """Read the rows into their place; False at the first thing that is not plain."""
        with self.path.open("rb", buffering=0) as file:
            position = self.start
            while position < self.stop:
                file.seek(position)
                got = file.readinto(self._room(self.stop - position))
                taken = self._whole_lines(got, position + got == self.stop)
                if taken == 0 or not self._read_block(MARGIN + taken, images):
                    return False
                position += taken
        return True

    def _room(self, size: int) -> memoryview:
        return memoryview(self.buffer)[MARGIN : MARGIN + min(_BLOCK, size)]

    def _whole_lines(self, got: int, is_last: bool) -> int:
        """Return how many of the bytes just read are whole lines (the file's last may be bare)."""
        end = MARGIN + got
        if is_last:
            self.buffer[end] = ord("\n")
            return got
        return self.buffer.rfind(b"\n", MARGIN, end) + 1 - MARGIN

    def _read_block(self, end: int, images: NDArray[np.uint8]) -> bool:
        """Read the lines in ``buffer[MARGIN:end]``; False if they are not plain."""
        before = len(self.labels)
        spans = []
        position, pixels_end = MARGIN, 0
        while position < end:
            line_end = self.buffer.find(b"\n", position)
            if line_end - position < 2:  # a blank line
                position = line_end + 1
                continue
            span = self._fields(position, line_end)
            if span is None:
                return False
            self.text[pixels_end : span[0]] = 32  # all that is not pixels becomes space
            pixels_end = span[1]
            spans.append(span)
            position = line_end + 1
        end += end % 2
        self.text[pixels_end : end + 1] = 32
        return self._read_pixels(end, spans, images[before : before + len(spans)])

    def _fields(self, start: int, stop: int) -> tuple[int, int] | None:
        """Note a line's label and split; return where its pixels begin and end."""
        buffer, columns = self.buffer, self.columns
        first, last = start - 1, stop
        for _ in range(columns.pixels):
            first = buffer.find(b",", first + 1, stop)
        for _ in range(columns.count - 1 - columns.pixels):
            last = buffer.rfind(b",", start, last)
        if first < start - 1 or last < first:
            return None
        rest = bytes(buffer[start : first + 1] + buffer[last:stop])
        meaning = self.meanings.get(rest) or self._meaning(rest)
        if meaning is None:
            return None
        self.labels.append(meaning[0])
        self.splits.append(meaning[1])
        return self._unquoted(first + 1, last)

    def _unquoted(self, start: int, stop: int) -> tuple[int, int]:
        """Return a field's bounds without carriage return, quotes and space around it."""
        while start < stop and self.buffer[stop - 1] in b'\r" ':
            stop -= 1
        while start < stop and self.buffer[start] in b'" ':
            start += 1
        return start, stop

    def _meaning(self, rest: bytes) -> tuple[int, str] | None:
        """Return the label and split that a line's other fields spell; None if they do not."""
        fields = rest.decode("utf-8", "replace").split(",")
        if len(fields) != self.columns.count:
            return None
        try:
            meaning = label_and_split(fields, self.columns, self.split, "")
        except DataError:
            return None  # the slow reader names the fault, with its row
        self.meanings[rest] = meaning
        return meaning

    def _read_pixels(
        self, end: int, spans: list[tuple[int, int]], images: NDArray[np.uint8]
    ) -> bool:
        if not spans:
            return True
        parsed = numbers(self.text[:end], self.scratch)
        starts, stops = np.array(spans).T
        if parsed is None or not rows_are_full(parsed[1], starts, stops):
            return False
        images[:] = parsed[0].reshape(images.shape)
        return True


# --- Pixel text to pixels: ``"70 80 82 ..."`` -> uint8, at the speed of memory
#
# FER-2013's CSV spells 82 million grey levels as decimal text. `numbers` reads them with whole-
# array operations on the bytes: at each byte that ends a number, ``value = d0 + 10 d1 + 100 d2``
# over the last three bytes, with the digits of the number before masked out. It also proves, in the
# same passes, that the text is what it should be (only digits and spaces, nothing above 255, at
# most three digits); if not it returns None, and `read_row` finds the fault slowly and names it.


PIXELS = FACE_SHAPE[0] * FACE_SHAPE[1]
MARGIN = 4
"""Spaces that must stand before the first digit, so that looking three bytes back is safe."""
_BATCH = 64

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Scratch:
    """Working memory that a run of calls to `numbers` shares; allocating it anew costs more."""

    space: Bytes
    inside: Bytes
    value: Bytes
    spare: Bytes

    @classmethod
    def of(cls, size: int) -> Scratch:
        """Return scratch for texts of up to ``size`` bytes."""
        return cls(*(np.empty(size, np.uint8) for _ in range(4)))


def numbers(text: Bytes, scratch: Scratch) -> tuple[Bytes, NDArray[np.intp]] | None:
    """Return the numbers of a text, and where they end; None if it is not plain pixel text.

    Args:
        text: uint8, even length, `MARGIN` spaces before the first digit and one after the last;
            overwritten.
        scratch: working memory of at least that size.

    Returns:
        The numbers, uint8 ``(K,)``, and for each the index of the byte pair that holds its last
        digit, intp ``(K,)``. A number takes two bytes or more, so pairs never hold two of them.
    """
    size = len(text)
    if text.max() > ord("9"):
        return None
    text ^= 48  # digits become 0..9, space 16; all else below "9" becomes 17 or more
    if text.max() > 16:
        return None
    space = np.right_shift(text, 4, out=scratch.space[:size])  # 1 at spaces, 0 at digits
    text &= 15  # now a digit's value, 0 at spaces
    value = _values(text, space, scratch)
    if value is None:
        return None
    last = np.greater(space[1:], space[:-1], out=scratch.spare[: size - 1].view(bool))
    value[:-1] *= last
    scratch.spare[size - 1] = value[-1] = 0
    in_pair = scratch.spare[:size].view(np.uint16)
    pairs = np.flatnonzero(np.not_equal(in_pair, 0, out=text[: size // 2].view(bool)))
    numbers_of_pairs = value.view(np.uint16).take(pairs)
    numbers_of_pairs |= numbers_of_pairs >> 8  # one byte of the pair is the value, the other 0
    return numbers_of_pairs.astype(np.uint8), pairs


def _values(level: Bytes, space: Bytes, scratch: Scratch) -> Bytes | None:
    """Return, for each byte that is a number's last digit, the number; None if one is too large."""
    size = len(level)
    value, spare, inside = scratch.value[:size], scratch.spare[:size], scratch.inside[:size]
    np.bitwise_or(space[1:], space[:-1], out=inside[1:])
    inside -= 1  # 255 where this byte and the one before are digits, else 0
    if np.bitwise_and(inside[3:], inside[1:-2], out=spare[3:]).max():
        return None  # four digits in a row
    hundreds = np.bitwise_and(level[:-2], inside[2:], out=value[2:])
    if hundreds.max() > 2:
        return None
    hundreds *= 100
    tens_and_units = np.multiply(level[:-1], 10, out=spare[1:])
    tens_and_units += level[1:]
    hundreds += tens_and_units[1:]
    value[:2] = 0
    wrapped = np.less(hundreds, tens_and_units[1:], out=inside[2:].view(bool))
    return None if wrapped.any() else value


def read_row(text: str, where: str) -> Bytes:
    """Read one face's pixels the slow, obvious way, uint8 ``(48, 48)``.

    Raises:
        DataError: not 2,304 whole numbers 0..255; names the place and the value seen.
    """
    words = text.split()
    if len(words) != PIXELS:
        raise DataError(
            f"{where}: {len(words):,} pixels: expected {PIXELS:,} (48x48); "
            "is the file cut short? Download it again or remove the row"
        )
    for position, word in enumerate(words):
        if not (word.isascii() and word.isdigit() and int(word) <= 255):
            raise DataError(
                f"{where}: pixel {position + 1} is {word!r}: expected a whole number 0 to 255; "
                "correct or remove the row"
            )
    return np.array(words, dtype=np.uint8).reshape(FACE_SHAPE)


def read_rows(texts: Sequence[str], where: str, first: int = 1) -> Bytes:
    """Read many faces' pixel texts, uint8 ``(N, 48, 48)``.

    Args:
        texts: one a face.
        where: names their file.
        first: the number of the first row, for errors.

    Raises:
        DataError: see `read_row`; the row is named.
    """
    faces = np.empty((len(texts), *FACE_SHAPE), np.uint8)
    for start in range(0, len(texts), _BATCH):
        batch = [text.strip() for text in texts[start : start + _BATCH]]
        fast = _read_batch([text.encode("ascii", "replace") for text in batch])
        if fast is None:
            rows = enumerate(batch, start + first)
            fast = np.stack([read_row(text, f"{where}, row {row}") for row, text in rows])
        faces[start : start + len(batch)] = fast
    return faces


def _read_batch(texts: Sequence[bytes]) -> Bytes | None:
    lengths = np.array([len(text) for text in texts])
    joined = b" " * MARGIN + b" ".join(texts) + b" "
    joined += b" " * (len(joined) % 2)
    starts = MARGIN + np.cumsum(lengths + 1) - lengths - 1
    parsed = numbers(np.frombuffer(bytearray(joined), np.uint8), Scratch.of(len(joined)))
    if parsed is None or not rows_are_full(parsed[1], starts, starts + lengths):
        return None
    return parsed[0].reshape(-1, *FACE_SHAPE)


def rows_are_full(
    pairs: NDArray[np.intp], starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> bool:
    """Tell whether each row's bytes ``starts[r]:stops[r]`` hold exactly 2,304 of the numbers.

    Args:
        pairs: where the numbers end, as `numbers` gives it.
        starts: each row's first byte; at least one byte lies between rows.
        stops: one past each row's last byte.
    """
    if len(pairs) != PIXELS * len(starts):
        return False
    first, last = pairs[::PIXELS], pairs[PIXELS - 1 :: PIXELS]
    return bool((first >= starts // 2).all() and (last <= (stops - 1) // 2).all())


# --- Recognising the form: a CSV with Usage holds all splits, CSVs without Usage one split each


_PREFERRED = ("fer2013.csv", "icml_face_data.csv")


def _tables_in(folder: Path) -> dict[Path, Columns]:
    """Return the CSVs that hold pixels, by name, and their columns."""
    return {
        file: columns
        for file in sorted(folder.glob("*.[cC][sS][vV]"))
        if not ferplus.is_votes(file) and (columns := columns_of(file)) is not None
    }


def _table_names(folder: Path) -> list[str]:
    return [file.name for file in _tables_in(folder)]


def full_csv_in(folder: Path) -> DataSource | None:
    """Return the CSV with Usage to read, by preference then by name."""
    tables = _tables_in(folder)
    files = [file for file, columns in tables.items() if columns.are_complete]
    if not files:
        return None
    preferred = (file for name in _PREFERRED for file in files if file.name.lower() == name)
    first = next(preferred, files[0])
    unread = tuple(file.name for file in tables if file != first)
    return DataSource("CSV", folder, [first], lambda: read(first), unread=unread)


def csv_of(path: Path) -> DataSource:
    """Return a CSV as a source of its own.

    Raises:
        DataError: it holds votes, or no labelled faces.
    """
    if ferplus.is_votes(path):
        raise DataError(
            f"{path} holds FER+ votes and no pictures: give the folder where it lies "
            "beside fer2013.csv"
        )
    require_columns(path)
    return DataSource("CSV", path.parent, [path], lambda: read(path))


def split_csvs_in(folder: Path) -> DataSource | None:
    """Return the CSVs without Usage, each one split, as the challenge's train.csv and test.csv.

    Raises:
        DataError: none of them has labels, or two are of one split.
    """
    tables = _tables_in(folder)
    files = [file for file, columns in tables.items() if columns.are_faces]
    unlabelled = [file for file in tables if file not in files]
    if not files:
        for file in unlabelled:
            require_columns(file)  # says that it has no labels
        return None
    splits = [split_names.of_file(file.stem) or "train" for file in files]
    if len(set(splits)) < len(splits):
        names = ", ".join(file.name for file in files)
        raise DataError(f"{folder} holds several CSVs of one split ({names}): give one")
    notes = tuple(
        f"{file.name} has no labels: the challenge's test faces with labels are in fer2013.csv "
        "and icml_face_data.csv."
        for file in unlabelled
    )
    return DataSource("CSVs", folder, files, lambda: join([read(file) for file in files]), notes)


FULL_CSV = Reader(
    "CSV", ", ".join(_PREFERRED), full_csv_in, _table_names, suffix=".csv", of_file=csv_of
)
SPLIT_CSVS = Reader("CSVs", "the challenge's train.csv", split_csvs_in, _table_names)
