"""Where a figure came from: seed, data, code revision and library versions."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
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
