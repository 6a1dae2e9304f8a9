"""SLICES: faces worth a look that no label names; one dict feeds the Dataset room and its tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fermodels.data.faces import FaceDataset
from fermodels.nets import shelf
from studio import models, results

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Slice:
    """A part of a data set, found by computation."""

    title: str
    help: str
    """For a person who picks: what these faces are, and how they were found."""
    mask: Callable[[FaceDataset], Mask | None]
    """Which faces belong, ``(N,)``; None where it was not computed for these faces."""
    remedy: str
    """What computes it."""


def doubted(faces: FaceDataset) -> Mask | None:
    """Faces whose label confident learning takes for another."""
    table = shelf.read_result_table("label_doubt")
    return None if table is None else _among(faces, table.loc[table["doubted"], "sample_id"], table)


def copies(faces: FaceDataset) -> Mask | None:
    """Faces of which there is another exact or near copy, in any split."""
    table = shelf.read_result_table("duplicates")
    return None if table is None else _among(faces, table["sample_id"], table)


def test_copies(faces: FaceDataset) -> Mask | None:
    """Validation and test faces that are copies of training faces."""
    table = shelf.read_result_table("duplicates")
    if table is None:
        return None
    return _among(faces, table.loc[table["train_copy"].notna(), "sample_id"], table)


def disputed(faces: FaceDataset) -> Mask | None:
    """Faces on which the bundled networks' answers differ; asks them if the set is small."""
    names = models.names()
    if len(names) < 2:
        return None
    rows = np.arange(len(faces))
    found = []
    for name in names:
        answers = results.stored(name, faces)
        if not np.isfinite(answers).any():
            if len(faces) > results.AT_ONCE:
                return None
            answers = results.computed(name, faces, rows, lambda _share: None)
        found.append(np.where(np.isfinite(answers[:, 0]), np.nan_to_num(answers).argmax(1), -1))
    each = np.stack(found)
    return np.asarray((each != each[0]).any(0) & (each >= 0).all(0))


def _among(faces: FaceDataset, ids: pd.Series, table: pd.DataFrame) -> Mask | None:
    """Mark the faces with these ids; None if the table is about other faces altogether."""
    if not np.isin(faces.ids, table["sample_id"].to_numpy(str)).any():
        return None
    return np.asarray(np.isin(faces.ids, ids.to_numpy(str)))


LABELS = "`python -m train.labels --data PATH` finds them"
SLICES: dict[str, Slice] = {
    "doubtful label": Slice(
        "doubtful label",
        "Networks that never saw the face are surer of another label than of its own (confident "
        "learning, Northcutt et al. 2021). A doubt, not a proof.",
        doubted,
        LABELS,
    ),
    "has a copy": Slice(
        "has a copy",
        "The same picture occurs again, exactly or nearly (pixel correlation above 0.97).",
        copies,
        LABELS,
    ),
    "copy of training": Slice(
        "copy of training",
        "Validation and test faces whose copy was trained on: being right on them proves little.",
        test_copies,
        LABELS,
    ),
    "models disagree": Slice(
        "models disagree",
        "The bundled networks do not all say the same.",
        disputed,
        "name data that all networks were scored on, or a set of at most 1,024 faces",
    ),
}
"""Name in the URL -> slice."""
