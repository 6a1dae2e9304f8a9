"""What is wrong with the labels: ``python -m train.labels --data PATH``.

Looks for copies of faces within and across splits, for labels that FER+'s raters contradict and
for likely label errors by the trained networks. Writes ids and numbers, no pixels, to ``results/``:
``duplicates``, ``label_votes`` and ``label_doubt``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS, PROBABILITY_COLUMNS
from fermodels.data.readers.discover import read_faces
from fermodels.errors import DataError, exit_status
from fermodels.evaluation.calibration import at_temperature, fit_temperature
from fermodels.evaluation.label_audit import (
    DuplicatePairs,
    exact_groups,
    find_label_errors,
    groups,
    majority_votes,
    near_pairs,
)
from fermodels.evaluation.metrics import wilson_interval
from fermodels.nets import catalog
from fermodels.results import DUPLICATES, LABEL_ERRORS, LABEL_VOTES, provenance
from train.export import SCORED

Mask = NDArray[np.bool_]


def recorded() -> dict[str, Path]:
    """Return every folder of predictions: bundled checkpoints, and filed runs of the paper's."""
    filed = {
        f"paper-runs/{place.name}": place
        for place in sorted(catalog.paper_runs_dir().glob("*"))
        if (place / catalog.PREDICTIONS).is_file()
    }
    return catalog.available() | filed


def recorded_probabilities(folder: Path, faces: FaceDataset) -> NDArray[np.float32]:
    """Return recorded probabilities ``(N, 7)`` of faces, in their order.

    Raises:
        DataError: the predictions are of other faces.
    """
    table = catalog.read_predictions(folder).set_index("sample_id")
    if set(table.index) != set(faces.ids):
        raise DataError(
            f"{folder / catalog.PREDICTIONS} is about other faces than {faces.name} (validation "
            f"and test, {len(faces):,}): give the data that the network was trained on"
        )
    return np.asarray(table.loc[faces.ids, PROBABILITY_COLUMNS], np.float32)


def share(hits: Mask) -> dict[str, Any]:
    """Return how many of some faces are hits, with the Wilson interval, as JSON types."""
    n, count = len(hits), int(hits.sum())
    interval = list(wilson_interval(count, n))
    return {"n": n, "count": count, "share": count / n if n else None, "interval": interval}


def without_copies(
    scored: FaceDataset, copies: pd.DataFrame, models: dict[str, NDArray[np.float32]]
) -> dict[str, Any]:
    """Return each model's accuracy on all faces of a split, and without copies of training faces.

    Args:
        scored: validation and test faces.
        copies: see `train.labels.copies_table`.
        models: name -> probabilities of these faces.
    """
    known = copies.set_index("sample_id")["train_correlation"].reindex(scored.ids).to_numpy(float)
    exact, near = known == 1.0, ~np.isnan(known)
    by_model: dict[str, Any] = {}
    for name, probabilities in models.items():
        right = probabilities.argmax(1) == scored.labels
        by_model[name] = {
            split: {
                "all": share(right[in_split]),
                "without_exact_copies": share(right[in_split & ~exact]),
                "without_near_copies": share(right[in_split & ~near]),
                "near_copies_only": share(right[in_split & near]),
            }
            for split in SCORED
            for in_split in [scored.splits == split]
        }
    return by_model


def against_votes(
    scored: FaceDataset, votes: NDArray[np.uint8], models: dict[str, NDArray[np.float32]]
) -> dict[str, Any]:
    """Return how labels and models agree with what most FER+ raters said, split by split."""
    people = majority_votes(votes)
    by_split: dict[str, Any] = {}
    for split in SCORED:
        with_majority = (scored.splits == split) & (people >= 0)
        by_split[split] = {
            "faces": int((scored.splits == split).sum()),
            "with_majority": int(with_majority.sum()),
            "labels": share((scored.labels == people)[with_majority]),
            "models": {
                name: {
                    "against_votes": share((p.argmax(1) == people)[with_majority]),
                    "against_labels": share((p.argmax(1) == scored.labels)[with_majority]),
                }
                for name, p in models.items()
            },
        }
    return by_split


def calibrated_mean(
    scored: FaceDataset, models: dict[str, NDArray[np.float32]]
) -> NDArray[np.float64]:
    """Return the models' mean probabilities ``(N, 7)``, each at its validation temperature."""
    validation = scored.splits == "validation"
    cooled = [
        at_temperature(p, fit_temperature(scored.labels[validation], p[validation]))
        for p in models.values()
    ]
    return np.asarray(np.mean(cooled, axis=0), float)


def label_error_table(scored: FaceDataset, probabilities: NDArray[np.float64]) -> pd.DataFrame:
    """Return one row per face: sample_id, split, label, suggested, score, doubted; worst first.

    The column ``votes`` is what most FER+ raters said, -1 where they were divided or not joined.
    """
    quality = find_label_errors(scored.labels, probabilities)
    nobody = np.full(len(scored), -1)
    columns = {
        "sample_id": scored.ids,
        "split": scored.splits,
        "label": scored.labels.astype(np.int8),
        "suggested": quality.suggested.astype(np.int8),
        "score": quality.score.astype(np.float32),
        "suggested_probability": probabilities.max(1).astype(np.float32),
        "doubted": quality.likely_error,
        "votes": (nobody if scored.votes is None else majority_votes(scored.votes)).astype(np.int8),
    }
    table = pd.DataFrame(columns)
    return table.sort_values(["doubted", "score"], ascending=[False, True], ignore_index=True)


def label_error_summary(table: pd.DataFrame, models: Sequence[str]) -> dict[str, Any]:
    """Return counts, and how often FER+'s raters contradict doubted and believed labels."""
    counts = {
        split: {
            name: int(((table["split"] == split) & (table["label"] == k) & table["doubted"]).sum())
            for k, name in enumerate(EMOTIONS)
        }
        for split in SCORED
    }
    voted = table[table["votes"] >= 0]
    groups = {"doubted": voted[voted["doubted"]], "believed": voted[~voted["doubted"]]}
    return {
        "models": list(models),
        "method": "confident learning (Northcutt et al. 2021) on calibrated mean probabilities",
        "faces": len(table),
        "doubted": int(table["doubted"].sum()),
        "doubted_by_label": counts,
        "contradicted_by_votes": {
            name: share((rows["votes"] != rows["label"]).to_numpy())
            for name, rows in groups.items()
        },
        "suggestion_confirmed_by_votes": share(
            (groups["doubted"]["votes"] == groups["doubted"]["suggested"]).to_numpy()
        ),
    }


def run(data: str, threshold: float) -> None:
    """Write the three results.

    Raises:
        ConfigError: something else is in a result's place.
        DataError: the data cannot be read, or is not what the networks were trained on.
    """
    for result in (DUPLICATES, LABEL_VOTES, LABEL_ERRORS):
        result.check_free()
    faces = read_faces(data)
    folders = recorded()
    origin = {
        "provenance": provenance(0, faces.name, faces.content_hash),
        "answers": {
            name: catalog.predictions_hash(catalog.read_predictions(folder))
            for name, folder in folders.items()
        },
    }
    copies = copies_table(faces, threshold)
    scored = faces.select(np.isin(faces.splits, SCORED))
    models = {name: recorded_probabilities(folder, scored) for name, folder in folders.items()}
    accuracy = {"accuracy": without_copies(scored, copies, models)}
    DUPLICATES.write(summary(faces, copies, threshold) | accuracy | origin, copies)
    print(f"written: {DUPLICATES.name}", flush=True)
    if scored.votes is None:
        print("FER+ votes are not joined: put fer2013new.csv beside the data for label_votes")
    else:
        LABEL_VOTES.write(against_votes(scored, scored.votes, models) | origin)
        print(f"written: {LABEL_VOTES.name}", flush=True)
    table = label_error_table(scored, calibrated_mean(scored, models))
    LABEL_ERRORS.write(label_error_summary(table, list(models)) | origin, table)
    print(f"written: {LABEL_ERRORS.name}", flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Run; an error of ours is one sentence and exit status 2."""
    parser = argparse.ArgumentParser("train.labels", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="FER-2013 in any form")
    parser.add_argument(
        "--threshold", type=float, default=0.97, help="correlation above which faces are copies"
    )
    args = parser.parse_args(words)
    return exit_status(lambda: run(args.data, args.threshold))


# --- Faces that occur twice, as a table of sample ids, and which of them cross the splits


def copies_table(faces: FaceDataset, threshold: float) -> pd.DataFrame:
    """Return one row for every face that has a copy, in the order of the data.

    Columns: sample_id, split, label; ``exact_group`` and ``near_group``, the sample id of the
    group's first face (missing if alone); and, for validation and test faces that copy a training
    face, ``train_copy`` (the most similar one's id), ``train_correlation`` (1 for the same bytes)
    and ``mirrored``. Near groups and copies include exact ones and mirror images.
    """
    first = exact_groups(faces.images)
    pairs = near_pairs(faces.images, threshold, flips=True)
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
    faces: FaceDataset, first: NDArray[np.intp], pairs: DuplicatePairs
) -> pd.DataFrame:
    """Return, by row of each scored face that copies a training face, the most similar one."""
    train = faces.splits == "train"
    original = {int(first[row]): int(row) for row in np.flatnonzero(train)[::-1]}
    exact = [(row, original[k]) for row, k in enumerate(first.tolist()) if k in original]
    copies = pd.DataFrame(exact, columns=["face", "other"], dtype=int)
    copies = copies.assign(correlation=1.0, mirrored=False)
    largest_below_one = np.nextafter(np.float32(1), np.float32(0))  # 1 is kept for the same bytes
    near = {"correlation": np.minimum(pairs.correlation, largest_below_one)}
    for face, other in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        rows_and_copies = {"face": face, "other": other, **near, "mirrored": pairs.flipped}
        copies = pd.concat([copies, pd.DataFrame(rows_and_copies)], ignore_index=True)
    crossing = copies[~train[copies["face"]] & train[copies["other"]]]
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
    crossing = table[(table["split"] == split) & table["train_copy"].notna()]
    label_of = pd.Series(faces.labels, index=faces.ids)
    same = label_of.reindex(crossing["train_copy"]).to_numpy() == crossing["label"].to_numpy()
    return {
        "faces": int((faces.splits == split).sum()),
        "exact": int((crossing["train_correlation"] == 1.0).sum()),
        "near": len(crossing),
        "near_mirrored": int(crossing["mirrored"].sum()),
        "near_with_same_label": int(same.sum()),
    }


if __name__ == "__main__":
    sys.exit(main())
