"""Where a figure came from: seed, data, code revision and library versions."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from fermodels.data.readers.bounded_parquet import Limit
from fermodels.errors import CheckpointError
from fermodels.files import ROOT, read_json, read_table

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
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 fixed words
    return done.stdout.strip()


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
