"""What ``python -m fermodels.xai.concepts.tcav`` found out, read back without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.results import ResultFile

Floats = NDArray[np.float64]
FORMAT = 2
"""1 held t tests over refits that shared their people; its verdicts are not to be shown."""
CELLS = ("score", "effect", "low", "high", "by_chance", "p_people", "p_faces", "p_holm")
"""Figures of every unit and class; fields of ConceptRecord."""
ACCURACY = ("accuracy", "accuracy_low", "accuracy_high")
"""Figures of every unit; fields of ConceptRecord."""


@dataclass(frozen=True, eq=False)
class ConceptRecord:
    """The concept scores of U action units, one or more, for the seven expressions."""

    model: str
    layer: str
    """Whose activations hold the concepts."""
    split: str
    """Whose faces were asked about."""
    settings: Mapping[str, Any]
    """By name in `fermodels.xai.concepts.tcav.ConceptSettings`."""
    notes: tuple[str, ...]
    """What a person should know before believing a score."""
    checkpoint_hash: str | None
    """SHA-256 of the weights; None in a file made before hashes were kept."""
    rendered: Mapping[str, tuple[int, int]]
    """Expression -> rendered sample faces that the network reads as meant, and of how many."""
    units: tuple[str, ...]
    """``(U,)``: names of the action units."""
    titles: tuple[str, ...]
    """``(U,)``: their FACS titles."""
    accuracy: Floats
    """``(U,)``: share of people told apart by the other half's vector; chance is 0.5."""
    accuracy_low: Floats
    """``(U,)``: lower end of its 95% interval (Wilson)."""
    accuracy_high: Floats
    """``(U,)``: upper end."""
    score: Floats
    """``(U, 7)``: share of a class's faces whose logit rises; NaN for a class without one."""
    effect: Floats
    """``(U, 7)``: mean change of the class's logit for the mean with-without difference."""
    low: Floats
    """``(U, 7)``: lower end of its 95% interval, over people and faces."""
    high: Floats
    """``(U, 7)``: upper end."""
    by_chance: Floats
    """``(U, 7)``: size of effect that 95% of the label swaps stay below."""
    p_people: Floats
    """``(U, 7)``: of the test that swaps labels within people; uncorrected."""
    p_faces: Floats
    """``(U, 7)``: of the test that turns the signs of faces' slopes; uncorrected."""
    p_holm: Floats
    """``(U, 7)``: the larger of both, corrected by Holm over all tests of the file."""
    significant: NDArray[np.bool_]
    """``(U, 7)``: whether the effect differs from those of swapped labels."""
    provenance: Mapping[str, Any]

    def table(self) -> pd.DataFrame:
        """Return one row per unit and expression, every figure of it in a column."""
        rows, columns = np.divmod(np.arange(self.score.size), len(EMOTIONS))
        about = {
            "unit": np.take(self.units, rows),
            "title": np.take(self.titles, rows),
            "expression": np.take(EMOTIONS, columns),
        }
        cells = {name: getattr(self, name).ravel() for name in (*CELLS, "significant")}
        learned = {name: getattr(self, name)[rows] for name in ACCURACY}
        return pd.DataFrame(about | cells | learned)


def file_name(model: str) -> str:
    """Return the result's name, without folder and ending, of a model's name or folder."""
    return f"concepts-{Path(model).name}"


def command(model: str) -> str:
    """Return the command that makes a model's file."""
    return f"python -m fermodels.xai.concepts.tcav --model {model} --data PATH"


def result_file(model: str) -> ResultFile:
    """Return a model's result."""
    return ResultFile(file_name(model), command(model), FORMAT)


def read(model: str) -> ConceptRecord | None:
    """Return a model's concept scores; None if they were not computed yet.

    Args:
        model: a bundled checkpoint's name.

    Raises:
        CheckpointError: the file is damaged, incomplete or of another format.
    """
    return result_file(model).read(_record)


def _record(raw: Mapping[str, Any]) -> ConceptRecord:
    entries = raw["concepts"]
    if not entries:
        raise ValueError("no concept is in it")
    cells = {name: _cells(entries, name) for name in CELLS}
    learned = {name: np.array([entry[name] for entry in entries], float) for name in ACCURACY}
    return ConceptRecord(
        model=raw["model"],
        layer=raw["layer"],
        split=raw["split"],
        settings=raw["settings"],
        notes=tuple(raw["notes"]),
        checkpoint_hash=raw.get("checkpoint_hash"),
        units=tuple(entry["concept"] for entry in entries),
        titles=tuple(entry["title"] for entry in entries),
        significant=_cells(entries, "significant") == 1,
        provenance=raw["provenance"],
        rendered={
            emotion: (raw["rendered"][emotion]["right"], raw["rendered"][emotion]["n"])
            for emotion in EMOTIONS
        },
        **learned,
        **cells,
    )


def _cells(entries: Sequence[Mapping[str, Any]], name: str) -> Floats:
    """Return one figure of every unit and class, ``(U, 7)``; JSON's null becomes NaN."""
    rows = [[entry["classes"][emotion][name] for emotion in EMOTIONS] for entry in entries]
    return np.array(rows, float).reshape(len(entries), len(EMOTIONS))
