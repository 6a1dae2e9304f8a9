"""The quick reader of FER-2013's CSV: stretches of the file in parallel, digits by whole arrays."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fermodels.data import digits
from fermodels.data.csv_columns import Columns, label_and_split
from fermodels.data.dataset import FACE_SHAPE
from fermodels.data.rows import Rows
from fermodels.errors import DataError

_BLOCK = 1 << 20  # large, so that the threads meet at the interpreter's lock less often
_LEAST_STRETCH = 1 << 24


def read(path: Path, columns: Columns, split: str) -> Rows | None:
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
        self.buffer = bytearray(digits.MARGIN + _BLOCK + 2)
        self.text = np.frombuffer(self.buffer, np.uint8)
        self.scratch = digits.Scratch.of(len(self.buffer))
        self.meanings: dict[bytes, tuple[int, str]] = {}

    @property
    def room(self) -> int:
        """How many rows the stretch can hold at most: a pixel takes two bytes or more."""
        return (self.stop - self.start) // (2 * digits.PIXELS) + 1

    def read(self, images: NDArray[np.uint8]) -> bool:
        """Read the rows into their place; False at the first thing that is not plain."""
        with self.path.open("rb", buffering=0) as file:
            position = self.start
            while position < self.stop:
                file.seek(position)
                got = file.readinto(self._room(self.stop - position))
                taken = self._whole_lines(got, position + got == self.stop)
                if taken == 0 or not self._read_block(digits.MARGIN + taken, images):
                    return False
                position += taken
        return True

    def _room(self, size: int) -> memoryview:
        return memoryview(self.buffer)[digits.MARGIN : digits.MARGIN + min(_BLOCK, size)]

    def _whole_lines(self, got: int, is_last: bool) -> int:
        """Return how many of the bytes just read are whole lines (the file's last may be bare)."""
        end = digits.MARGIN + got
        if is_last:
            self.buffer[end] = ord("\n")
            return got
        return self.buffer.rfind(b"\n", digits.MARGIN, end) + 1 - digits.MARGIN

    def _read_block(self, end: int, images: NDArray[np.uint8]) -> bool:
        """Read the lines in ``buffer[MARGIN:end]``; False if they are not plain."""
        before = len(self.labels)
        spans = []
        position, pixels_end = digits.MARGIN, 0
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
        found = digits.numbers(self.text[:end], self.scratch)
        starts, stops = np.array(spans).T
        if found is None or not digits.rows_are_full(found[1], starts, stops):
            return False
        images[:] = found[0].reshape(images.shape)
        return True
