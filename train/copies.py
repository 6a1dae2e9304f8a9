"""Faces that occur twice, as a table of sample ids, and which of them cross the splits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from fermodels.evaluation.duplicates import Pairs, exact_groups, groups, near_pairs
from train.export import SCORED


def copies_table(faces: FaceDataset, threshold: float) -> pd.DataFrame:
    """Return one row for every face that has a copy, in the order of the data.

    Columns: sample_id, split, label; ``exact_group`` and ``near_group``, the sample id of the
    group's first face (missing if alone); and, for validation and test faces that copy a training
    face, ``train_copy`` (the most similar one's id), ``train_correlation`` (1 for the same bytes)
    and ``mirrored``. Near groups and copies include exact ones and mirror images.
    """
    first = exact_groups(faces.images)
    pairs = near_pairs(faces.images, threshold, mirrored=True)
    rows = np.arange(len(faces))
    near = groups(
        len(faces), np.concatenate([pairs.first, first]), np.concatenate([pairs.second, rows])
    )
    table = pd.DataFrame({"sample_id": faces.ids, "split": faces.splits, "label": faces.labels})
    table["exact_group"] = _named(first, faces.ids)
    table["near_group"] = _named(near, faces.ids)
    nearest = _nearest_training_face(faces, first, pairs)
    table["train_copy"] = nearest["other"].map(lambda row: faces.ids[row]).reindex(rows)
    table["train_correlation"] = nearest["correlation"].reindex(rows)
    table["mirrored"] = nearest["mirrored"].astype("boolean").reindex(rows)
    return table[table["near_group"].notna()].reset_index(drop=True)


def _named(group: NDArray[np.intp], ids: NDArray[np.str_]) -> pd.Series:
    """Turn group rows into sample ids, missing for groups of one."""
    together = np.bincount(group, minlength=len(group))[group] > 1
    return pd.Series(ids[group]).where(together)


def _nearest_training_face(
    faces: FaceDataset, first: NDArray[np.intp], pairs: Pairs
) -> pd.DataFrame:
    """Return, by row of each scored face that copies a training face, the most similar one."""
    train = faces.splits == "train"
    original = {int(first[row]): int(row) for row in np.flatnonzero(train)[::-1]}
    exact = [(row, original[k]) for row, k in enumerate(first.tolist()) if k in original]
    found = pd.DataFrame(exact, columns=["face", "other"], dtype=int)
    found = found.assign(correlation=1.0, mirrored=False)
    below_1 = np.nextafter(np.float32(1), np.float32(0))  # 1 is kept for the same bytes
    near = {"correlation": np.minimum(pairs.correlation, below_1)}
    for face, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        sides = {"face": face, "other": other, **near, "mirrored": pairs.mirrored}
        found = pd.concat([found, pd.DataFrame(sides)], ignore_index=True)
    crossing = found[~train[found["face"]] & train[found["other"]]]
    ordered = crossing.sort_values(["face", "correlation"], ascending=[True, False], kind="stable")
    return ordered.drop_duplicates("face").set_index("face")


def summary(faces: FaceDataset, table: pd.DataFrame, threshold: float) -> dict[str, Any]:
    """Return the counts of a table of copies as JSON types."""
    exact = table[table["exact_group"].notna()]
    labels = exact.groupby("exact_group")["label"].nunique()
    conflicting = labels.index[labels > 1]
    return {
        "faces": len(faces),
        "threshold": threshold,
        "distinct": len(faces) - len(exact) + len(labels),
        "exact_groups": len(labels),
        "faces_in_exact_groups": len(exact),
        "conflicting_groups": len(conflicting),
        "faces_in_conflicting_groups": int(exact["exact_group"].isin(conflicting).sum()),
        "near_groups": int(table["near_group"].nunique()),
        "copies_of_training_faces": {split: _crossing(faces, table, split) for split in SCORED},
    }


def _crossing(faces: FaceDataset, table: pd.DataFrame, split: str) -> dict[str, int]:
    here = table[(table["split"] == split) & table["train_copy"].notna()]
    label_of = pd.Series(faces.labels, index=faces.ids)
    same = label_of.reindex(here["train_copy"]).to_numpy() == here["label"].to_numpy()
    return {
        "faces": int((faces.splits == split).sum()),
        "exact": int((here["train_correlation"] == 1.0).sum()),
        "near": len(here),
        "near_mirrored": int(here["mirrored"].sum()),
        "near_with_same_label": int(same.sum()),
    }
