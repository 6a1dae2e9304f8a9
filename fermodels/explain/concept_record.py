"""What ``python -m fermodels.explain.concepts`` found out, read back without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.nets.shelf import complete, read_result

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ConceptRecord:
    """The concept scores of U action units, one or more, for the seven expressions."""

    model: str
    layer: str
    """Whose activations hold the concepts."""
    split: str
    """Whose faces were asked about."""
    settings: Mapping[str, Any]
    """By name in `fermodels.explain.concepts.ConceptSettings`."""
    notes: tuple[str, ...]
    """What a person should know before believing a score."""
    checkpoint_hash: str | None
    """SHA-256 of the weights; None in a file made before hashes were kept."""
    units: tuple[str, ...]
    """``(U,)``: names of the action units."""
    titles: tuple[str, ...]
    """``(U,)``: their FACS titles."""
    accuracy: Floats
    """``(U,)``: mean share of held-out faces whose unit is told; chance is 0.5."""
    accuracy_spread: Floats
    """``(U,)``: standard deviation over the concept's vectors."""
    score: Floats
    """``(U, 7)``: mean share of a class's faces whose logit rises; NaN for a class without one."""
    spread: Floats
    """``(U, 7)``: standard deviation over the concept's vectors."""
    random: Floats
    """``(U, 7)``: mean score of random directions, the same for every unit."""
    random_spread: Floats
    """``(U, 7)``: its standard deviation over those directions."""
    p_holm: Floats
    """``(U, 7)``: corrected by Holm over all tests of the file."""
    significant: NDArray[np.bool_]
    """``(U, 7)``: whether the score differs from a random direction's."""
    provenance: Mapping[str, Any]

    def table(self) -> pd.DataFrame:
        """Return one row per unit and expression, every figure of it in a column."""
        rows, columns = np.divmod(np.arange(self.score.size), len(EMOTIONS))
        about = {
            "unit": np.take(self.units, rows),
            "title": np.take(self.titles, rows),
            "expression": np.take(EMOTIONS, columns),
        }
        cells = {
            name: getattr(self, name).ravel()
            for name in ("score", "spread", "random", "random_spread", "p_holm", "significant")
        }
        learned = {name: getattr(self, name)[rows] for name in ("accuracy", "accuracy_spread")}
        return pd.DataFrame(about | cells | learned)


def file_name(model: str) -> str:
    """Return the result's name, without folder and ending, of a model's name or folder."""
    return f"concepts-{Path(model).name}"


def command(model: str) -> str:
    """Return the command that makes a model's file."""
    return f"python -m fermodels.explain.concepts --model {model} --data PATH"


def read(model: str) -> ConceptRecord | None:
    """Return a model's concept scores; None if they were not computed yet.

    Args:
        model: a bundled checkpoint's name.

    Raises:
        CheckpointError: the file is damaged or incomplete.
    """
    raw = read_result(file_name(model))
    if raw is None:
        return None
    with complete(f"{file_name(model)}.json", command(model)):
        return _record(raw)


def _record(raw: Mapping[str, Any]) -> ConceptRecord:
    found = raw["concepts"]
    if not found:
        raise ValueError("no concept is in it")
    cells = {
        name: _cells(found, name)
        for name in ("score", "spread", "random", "random_spread", "p_holm")
    }
    return ConceptRecord(
        model=raw["model"],
        layer=raw["layer"],
        split=raw["split"],
        settings=raw["settings"],
        notes=tuple(raw["notes"]),
        checkpoint_hash=raw.get("checkpoint_hash"),
        units=tuple(entry["concept"] for entry in found),
        titles=tuple(entry["title"] for entry in found),
        accuracy=np.array([entry["accuracy"] for entry in found], float),
        accuracy_spread=np.array([entry["accuracy_spread"] for entry in found], float),
        significant=_cells(found, "significant") == 1,
        provenance=raw["provenance"],
        **cells,
    )


def _cells(found: Sequence[Mapping[str, Any]], name: str) -> Floats:
    """Return one figure of every unit and class, ``(U, 7)``; JSON's null becomes NaN."""
    rows = [[entry["classes"][emotion][name] for emotion in EMOTIONS] for entry in found]
    return np.array(rows, float).reshape(len(found), len(EMOTIONS))
