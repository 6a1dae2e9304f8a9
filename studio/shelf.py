"""The bundled checkpoints' readable files, without torch: Home must open before torch can load."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd

from fermodels.errors import CheckpointError
from fermodels.nets.variants import VARIANTS


def root() -> Path:
    """Return the folder of bundled checkpoints (``FER_CHECKPOINTS`` overrides it)."""
    chosen = os.environ.get("FER_CHECKPOINTS")
    return Path(chosen) if chosen else Path(__file__).resolve().parents[1] / "checkpoints"


def names() -> list[str]:
    """Return the bundled checkpoints' names, in the order of VARIANTS, then by name."""
    place = root()
    found = (
        [p.name for p in place.iterdir() if (p / "config.json").is_file()] if place.is_dir() else []
    )
    order = {name: rank for rank, name in enumerate(VARIANTS)}
    return sorted(found, key=lambda name: (order.get(name, len(order)), name))


def folder(name: str) -> Path:
    """Return the folder of a bundled checkpoint.

    Raises:
        CheckpointError: there is none of that name.
    """
    if name not in names():
        raise CheckpointError(
            f"no checkpoint {name!r}: bundled are {', '.join(names()) or 'none'}; "
            "train one with `python -m train.run`"
        )
    return root() / name


def stamp(name: str) -> str:
    """Return what changes when a checkpoint is written anew; part of every cache key."""
    return ":".join(str(p.stat().st_mtime_ns) for p in sorted(folder(name).iterdir()))


def metrics(name: str) -> dict[str, Any]:
    """Read ``metrics.json``.

    Raises:
        CheckpointError: missing or not a JSON object.
    """
    path = folder(name) / "metrics.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"cannot read {path.name} of {name}: {error}; export it anew"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path.name} of {name} holds a {type(content).__name__}: not an object"
        )
    return content


def table(name: str, file: str) -> pd.DataFrame:
    """Read one parquet file of a checkpoint.

    Raises:
        CheckpointError: missing or unreadable.
    """
    try:
        return pd.read_parquet(folder(name) / file)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {file} of {name}: {error}; export it anew") from error
