"""Parquet read within bounds: a small file can hold, or claim, more than a memory does.

The sizes in a file's footer are its writer's word. What Arrow allocates follows from the header of
each page, so these are read first; then rows are decoded a batch at a time, and counted. Arrow
itself has no bound of this kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeGuard

from fermodels.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

MOST_COLUMNS = 2_000
MOST_PAGES = 500_000
LIST_LIMIT = 200_000
"""Entries of any list in the footer: row groups, columns."""
DEPTH = 20
"""Levels of nesting in a schema."""
BATCH_ROWS = 8_192
BATCH_BYTES = 64_000_000
"""What one batch may come to if each of its rows held the longest value that its pages can hold."""
_HEADER_SIZES = (256, 65_536, 16_777_216)
"""Bytes read at a page's start, until its header fits; Arrow takes no longer one."""
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}


@dataclass(frozen=True)
class Limit:
    """How much of a file is read; one that holds more is refused."""

    rows: int
    bytes: int
    """Decoded, all columns read together."""


class BoundedTable:
    """An open parquet file whose rows come in batches and never exceed a limit.

    Args:
        path: the file.
        called: what errors call it.
        limit: how much it may hold.

    Raises:
        DataError: damaged, or more than the limit.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, called: str, limit: Limit) -> None:
        import pyarrow.parquet as pq

        self.called, self.limit = called, limit
        self._stream: BinaryIO = path.open("rb")
        try:
            with _readable(called):
                self._file = pq.ParquetFile(
                    self._stream, buffer_size=1 << 20, pre_buffer=False,
                    thrift_container_size_limit=LIST_LIMIT, schema_depth_limit=DEPTH,
                )  # fmt: skip
                self.schema: pa.Schema = self._file.schema_arrow
                self._check_claims()
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> BoundedTable:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def _check_claims(self) -> None:
        """Refuse what the footer itself says is too much, or two columns of one name."""
        about = self._file.metadata
        self._check("rows", about.num_rows, self.limit.rows)
        self._check("columns", about.num_columns, MOST_COLUMNS)
        names = self.schema.names
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(f"{self.called} has several columns called {twice[0]!r}: expected one")

    def _check(self, what: str, amount: int, most: int) -> None:
        if amount > most:
            raise DataError(
                f"{self.called} holds {amount:,} {what} or more, once decoded: at most {most:,} "
                "are read; split it, or see where it came from"
            )

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows, some at a time.

        Args:
            columns: those to decode, of `schema`; no other is.

        Raises:
            DataError: damaged, or more than the limit.
        """
        with _readable(self.called):
            rows = self._rows_at_a_time(columns)
            batches = self._file.iter_batches(rows, columns=list(columns), use_threads=False)
        count = size = 0
        while True:
            with _readable(self.called):
                batch = next(batches, None)
                if batch is None:
                    return
                batch.validate(full=True)
            count, size = count + batch.num_rows, size + batch.nbytes
            self._check("rows", count, self.limit.rows)
            self._check("bytes", size, self.limit.bytes)
            yield batch

    def _rows_at_a_time(self, columns: Sequence[str]) -> int:
        """Read every page's header; return how many rows may be decoded together.

        Raises:
            DataError: the pages hold more than the limit, or are damaged.
        """
        about, longest, pages = self._file.metadata, 1, 0
        stored = fixed = 0
        leaves = [
            leaf
            for leaf in range(about.num_columns)
            if any(_within(about.schema.column(leaf).path, name) for name in columns)
        ]
        self._check("chunks", about.num_row_groups * len(leaves), LIST_LIMIT)
        for group in range(about.num_row_groups):
            together = 0
            for leaf in leaves:
                column, chunk = about.schema.column(leaf), about.row_group(group).column(leaf)
                largest = values = 0
                for page in _pages(self._stream, chunk, self.called):
                    pages, stored = pages + 1, stored + page.size
                    values, largest = values + page.values, max(largest, page.size)
                    self._check("pages", pages, MOST_PAGES)
                    self._check("bytes", stored, self.limit.bytes)
                # text may repeat the longest value of a dictionary in every row
                width = _WIDTHS.get(column.physical_type) or column.length or largest
                if column.physical_type != "BYTE_ARRAY" or column.max_repetition_level:
                    fixed += values * width
                    self._check("bytes", fixed, self.limit.bytes)
                together += width
            longest = max(longest, together)
        return max(1, min(BATCH_ROWS, BATCH_BYTES // longest))


def _within(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}.")


@contextmanager
def _readable(called: str) -> Iterator[None]:
    """Turn whatever Arrow raises into one sentence."""
    import pyarrow as pa

    try:
        yield
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{called} cannot be read as parquet ({' '.join(str(error).split())[:200]}): is it cut "
            "short? Download or write it again"
        ) from error


@dataclass(frozen=True)
class _Page:
    """What a page's header says."""

    size: int
    """Bytes once decompressed."""
    values: int
    """Values, nulls included; 0 for a dictionary."""


def _pages(stream: BinaryIO, chunk: Any, called: str) -> Iterator[_Page]:
    """Yield the pages of a column chunk as Arrow would read them."""
    at = chunk.data_page_offset
    if chunk.dictionary_page_offset and chunk.dictionary_page_offset < at:
        at = chunk.dictionary_page_offset
    end, values_read = at + chunk.total_compressed_size, 0
    while at < end and values_read < chunk.num_values:
        header, length = _header(stream, at, called)
        # fields of parquet's PageHeader: 2 and 3 are sizes, 5 and 8 the two kinds of data page
        size, stored, data = header.get(2), header.get(3), header.get(5) or header.get(8)
        values = data.get(1) if isinstance(data, dict) else 0
        if not (_is_size(size) and _is_size(stored) and _is_size(values)):
            raise DataError(f"{called} has a page without sizes: is it damaged? Write it again")
        yield _Page(size, values)
        values_read, at = values_read + values, at + length + stored


def _is_size(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and value >= 0


def _header(stream: BinaryIO, at: int, called: str) -> tuple[dict[int, Any], int]:
    """Return the fields of the page header at a place in a file, and its length."""
    for size in _HEADER_SIZES:
        stream.seek(at)
        data = stream.read(size)
        try:
            return _struct(data, 0)
        except IndexError:
            if len(data) < size:
                break
        except ValueError:
            break
    raise DataError(f"{called} has no page where one should start: is it cut short? Write it again")


def _struct(data: bytes, at: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    """Read a struct of Thrift's compact protocol: field number -> value, and where it ends.

    Raises:
        IndexError: the data ends within it.
        ValueError: it is none, or holds what no page header does (lists, maps).
    """
    if depth > 4:
        raise ValueError("nested too deep")
    fields: dict[int, Any] = {}
    field = 0
    while head := data[at]:
        at += 1
        kind, step = head & 15, head >> 4
        if step:
            field += step
        else:
            number, at = _varint(data, at)
            field = _signed(number)
        if kind in (1, 2):
            fields[field] = kind == 1
        elif kind in (4, 5, 6):
            number, at = _varint(data, at)
            fields[field] = _signed(number)
        elif kind == 8:
            length, at = _varint(data, at)
            at += length
        elif kind in (3, 7):
            at += 1 if kind == 3 else 8
        elif kind == 12:
            fields[field], at = _struct(data, at, depth + 1)
        else:
            raise ValueError(f"a field of type {kind}")
    return fields, at + 1


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for place in range(10):
        byte = data[at + place]
        number |= (byte & 127) << (7 * place)
        if byte < 128:
            return number, at + place + 1
    raise ValueError("a number without end")


def _signed(number: int) -> int:
    return (number >> 1) ^ -(number & 1)
