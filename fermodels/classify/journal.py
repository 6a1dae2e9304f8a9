"""Answers kept while a long classification runs: appended file by file, joined at the end.

The journal lies beside the results as ``OUT.journal``: a line of settings, then one line of JSON a
file. A line cut short by a crash is dropped; nothing else can be lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from fermodels.classify import table
from fermodels.classify.table import Row
from fermodels.errors import ConfigError, DataError
from fermodels.files import anything, check_output, write_atomically

SETTINGS = {"models", "all_faces", "whole_picture", "every"}
"""What the first line of a journal says; it is written in one step with the file."""


def not_a_journal(path: Path) -> str | None:
    """Object to all but a file whose first line is a classification's settings."""
    try:
        if path.is_file():
            with path.open(encoding="utf-8") as stream:
                head = json.loads(stream.readline(100_000))
            if isinstance(head, dict) and head.keys() >= SETTINGS:
                return None
    except (OSError, ValueError, RecursionError):
        pass
    return "is no journal of ours"


@dataclass
class Journal:
    """The answers so far; use as a context manager around the work."""

    out: Path
    """The results file that will be written at the end."""

    settings: dict[str, Any]
    """What was asked, as JSON types; a journal of other settings is not continued."""

    resume: bool
    """Go on with what is there instead of refusing to touch it."""

    overwrite: bool = False
    """Begin anew where earlier results of ours are there."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    """File -> its rows, in the order of classification."""

    _stream: IO[str] | None = None
    _replaces: bool = False

    @property
    def path(self) -> Path:
        """Where the journal lies."""
        return self.out.with_name(self.out.name + ".journal")

    @property
    def done(self) -> set[str]:
        """Files that need no second look: those read without a fault."""
        return {file for file, rows in self.rows.items() if not any(row["error"] for row in rows)}

    def __enter__(self) -> Journal:
        """Read what is there, and open the journal for appending.

        Raises:
            ConfigError: results exist and neither `resume` nor `overwrite` is on, other settings
                made them, or what is there is none of ours.
            DataError: what is there cannot be read.
        """
        table.check_form(self.out)
        check_output(self.out, table.not_predictions)
        check_output(self.path, not_a_journal)
        there = [path for path in (self.out, self.path) if path.exists()]
        if there and not (self.resume or self.overwrite):
            raise ConfigError(
                f"{there[0]} exists: add --resume to go on with it, --overwrite to begin anew, or "
                "give another --out"
            )
        self._replaces = self.out.exists()
        if self.resume:
            if self._replaces:
                self._take(table.read(self.out))
                self._check_models()
            self._read_journal()
        self._begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._stream is not None, "the journal is not open"
        written = os.fstat(self._stream.fileno())
        self._stream.close()
        if kind is None:
            # where nothing was at the start, whatever came meanwhile is somebody else's
            objection = table.not_predictions if self._replaces else anything
            table.write(self.out, self.all_rows(), objection)
            if self.path.exists() and os.path.samestat(written, self.path.stat()):
                self.path.unlink()

    def all_rows(self) -> list[Row]:
        """Return every row, file by file."""
        return [row for rows in self.rows.values() for row in rows]

    def add(self, rows: Iterable[Row]) -> None:
        """Keep the rows of one or more files, whole files at a time."""
        assert self._stream is not None, "the journal is not open"
        for file, own in self._take(rows).items():
            self._stream.write(json.dumps({"file": file, "rows": own}) + "\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def _take(self, rows: Iterable[Row]) -> dict[str, list[Row]]:
        fresh: dict[str, list[Row]] = {}
        for row in rows:
            fresh.setdefault(str(row["file"]), []).append(row)
        self.rows |= fresh
        return fresh

    def _check_models(self) -> None:
        models = {row["model"] for row in self.all_rows()} - {None}
        if models and models != set(self.settings["models"]):
            raise ConfigError(
                f"{self.out} holds answers of {', '.join(sorted(map(str, models)))}: "
                "name these with --model to go on with it, or give another --out"
            )

    def _read_journal(self) -> None:
        if not self.path.exists():
            return
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        if not whole:
            return
        try:
            head, *entries = map(json.loads, whole)
            if head != self.settings:
                raise ConfigError(
                    f"{self.path} was begun with other settings ({head}): use the same, or give "
                    "another --out"
                )
            for entry in entries:
                self._take(entry["rows"])
        except (json.JSONDecodeError, KeyError, TypeError, RecursionError) as error:
            raise DataError(
                f"cannot go on with {self.path} ({str(error)[:120]}): remove it, or give another "
                "--out"
            ) from error

    def _begin(self) -> None:
        """Write the journal anew without what was cut short, then append to it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(self.settings)]
        lines += [json.dumps({"file": file, "rows": rows}) for file, rows in self.rows.items()]
        text = "".join(f"{line}\n" for line in lines)
        write_atomically(
            self.path, lambda temporary: temporary.write_text(text, encoding="utf-8"), not_a_journal
        )
        self._stream = self.path.open("a", encoding="utf-8")
