"""Computed results: where they are, how they are written and read, where their figures came from.

A result is ``results/NAME.json``, with ``results/NAME.parquet`` if it has a table (`ResultFile`);
its ``provenance`` names seed, data, code revision and library versions.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from fermodels.data.readers.bounded_parquet import Limit
from fermodels.errors import CheckpointError
from fermodels.files import (
    ROOT,
    check_output,
    not_a_result,
    not_a_table_with,
    read_json,
    read_table,
    write_atomically,
    write_json,
)

T = TypeVar("T")
LIBRARIES = ("torch", "captum", "numpy", "pandas", "scikit-image", "safetensors", "pillow")
WRITTEN = ("checkpoints", "results", "docs/figures", "README.md")
"""What the commands write: a second result is no less reproducible for the first one beside it."""


def git_revision() -> str:
    """Return the commit of this checkout, ``-dirty`` where code differs, or why there is none."""
    try:
        commit = _git("rev-parse", "HEAD")
        code = [".", *(f":(exclude){name}" for name in WRITTEN)]
        return commit + ("-dirty" if _git("status", "--porcelain", "-uno", "--", *code) else "")
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"


def _git(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    process = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 fixed words
    return process.stdout.strip()


def provenance(seed: int, data_name: str, data_hash: str) -> dict[str, Any]:
    """Return what must stand beside every figure of a run, as JSON types."""
    return {
        "seed": seed,
        "data_name": data_name,
        "data_hash": data_hash,
        "git_revision": git_revision(),
        "versions": {"python": platform.python_version(), **{k: version(k) for k in LIBRARIES}},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


RESULT_LIMIT = Limit(rows=10_000_000, bytes=2_000_000_000)


def results_dir() -> Path:
    """Return the folder of computed results (``FER_RESULTS`` overrides it).

    Claims, scorecards, sweep tables and the like: JSON or parquet, each with its provenance,
    written by a command and read by the studio.
    """
    chosen = os.environ.get("FER_RESULTS")
    return Path(chosen) if chosen else ROOT / "results"


def read_result(name: str) -> dict[str, Any] | None:
    """Return a computed result, ``results/NAME.json``; None if it was not computed yet.

    Raises:
        CheckpointError: the file is there but is not a JSON object.
    """
    path = results_dir() / f"{name}.json"
    return read_json(path) if path.is_file() else None


@contextmanager
def complete(result: str, command: str) -> Iterator[None]:
    """Read a result's entries within: one that is missing or misshapen ends in a sentence.

    Args:
        result: what the sentence calls it.
        command: what computes it again.

    Raises:
        CheckpointError: an entry is missing or of another kind.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{result} is incomplete ({error!r}): run {command}") from error


def read_result_table(name: str) -> pd.DataFrame | None:
    """Return a computed table, ``results/NAME.parquet``; None if it was not computed yet.

    Raises:
        CheckpointError: the file is there but is not a table.
    """
    path = results_dir() / f"{name}.parquet"
    return read_table(path, RESULT_LIMIT) if path.is_file() else None


@dataclass(frozen=True)
class ResultFile:
    """One computed result: who writes it, and what shows that a file there is this result."""

    name: str
    """``results/NAME.json`` and, with columns, ``results/NAME.parquet``."""
    command: str
    """What computes it, for the error of a file that cannot be read."""
    format: int | None = None
    """Number of the content's form, stored as ``format``; None for a result that has no number."""
    columns: tuple[str, ...] = ()
    """Columns by which a table is known as ours; empty for a result without a table."""

    @property
    def path(self) -> Path:
        """Where the JSON lies."""
        return results_dir() / f"{self.name}.json"

    @property
    def table_path(self) -> Path:
        """Where the table lies."""
        return results_dir() / f"{self.name}.parquet"

    def check_free(self) -> None:
        """Refuse to begin a long computation where something else is in the result's place.

        Raises:
            ConfigError: naming it.
        """
        if self.columns:
            check_output(self.table_path, not_a_table_with(*self.columns))
        check_output(self.path, not_a_result)

    def write(self, content: Mapping[str, Any], table: pd.DataFrame | None = None) -> None:
        """Write the result, each file in one step, the table first.

        Args:
            content: JSON types, among them ``provenance``; the format number is put first.
            table: for a result with columns.

        Raises:
            ConfigError: something that is not ours is there; the new file is then beside it.
        """
        if table is not None:
            to_parquet = partial(table.to_parquet, index=False, compression="zstd")
            write_atomically(self.table_path, to_parquet, not_a_table_with(*self.columns))
        number = {} if self.format is None else {"format": self.format}
        write_json(self.path, number | dict(content))

    def read(self, parse: Callable[[dict[str, Any]], T]) -> T | None:
        """Return what `parse` makes of the stored content; None if it was not computed yet.

        Raises:
            CheckpointError: the file is damaged, of another format or lacks an entry.
        """
        content = read_result(self.name)
        if content is None:
            return None
        if self.format is not None and content.get("format") != self.format:
            raise CheckpointError(
                f"{self.name}.json has format {content.get('format')!r}: expected {self.format}; "
                f"run {self.command}"
            )
        with complete(f"{self.name}.json", self.command):
            return parse(content)


_LABELS = "python -m train.labels --data PATH"
DUPLICATES = ResultFile("duplicates", _LABELS, columns=("sample_id", "exact_group", "near_group"))
LABEL_VOTES = ResultFile("label_votes", _LABELS)
LABEL_ERRORS = ResultFile("label_doubt", _LABELS, columns=("sample_id", "suggested", "doubted"))
