"""The faces a sweep may see: a stratified share of training, and what its trials are judged on.

Test faces are left out here, before anything is trained.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fermodels.data.faces import FaceDataset
from fermodels.errors import ConfigError


def stratified_subset(labels: NDArray[np.int64], size: int, seed: int) -> NDArray[np.intp]:
    """Return `size` sorted rows in which every class keeps its share, to within one face.

    Each face gets a random place within its class, as a fraction; the lowest are taken.

    Args:
        labels: classes, int64 ``(N,)``.
        size: how many rows, at most N; 0 for all.
        seed: of the places.

    Raises:
        ConfigError: more rows than there are.
    """
    if not size:
        return np.arange(len(labels))
    if size > len(labels):
        raise ConfigError(
            f"subset is {size} but there are {len(labels)} training faces: choose fewer, or 0 "
            "for all"
        )
    rng, places = np.random.default_rng(seed), np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        places[rng.permutation(members)] = (np.arange(len(members)) + 0.5) / len(members)
    return np.sort(np.argsort(places, kind="stable")[:size])


def stratified_folds(faces: FaceDataset, folds: int, seed: int) -> NDArray[np.int64]:
    """Return each face's fold, int64 ``(N,)`` in 0..folds-1.

    Classes are spread evenly, and exact copies of a picture share a fold: a net that learned
    the one would be asked about the other.

    Raises:
        ConfigError: one fold, or more folds than faces.
    """
    digests = [hashlib.blake2b(face.tobytes(), digest_size=8).digest() for face in faces.images]
    keys = np.frombuffer(b"".join(digests), np.uint64)
    _, first, picture = np.unique(keys, return_index=True, return_inverse=True)
    if not 2 <= folds <= len(first):
        raise ConfigError(f"folds is {folds}: expected 2 to {len(first)} pictures, or 0 for none")
    rng = np.random.default_rng(seed)
    # class by class in random order, dealt out like cards
    order = np.lexsort((rng.random(len(first)), faces.labels[first]))
    fold_of_picture = np.empty(len(first), np.int64)
    fold_of_picture[order] = np.arange(len(first)) % folds
    return fold_of_picture[picture]


def parts_of(faces: FaceDataset, folds: int, subset: int, seed: int) -> list[FaceDataset]:
    """Return what one trial trains on and is judged by: one dataset, or one per fold.

    Args:
        faces: all splits; the test split is not looked at.
        folds: 0 for the validation split, else this many folds of the training faces.
        subset: training faces to use, stratified; 0 for all.
        seed: of subset and folds.

    Raises:
        ConfigError: a subset or number of folds that does not fit the data.
        DataError: no training or no validation split.
    """
    training = np.flatnonzero(faces.splits == "train")
    labels = faces.split("train").labels
    chosen = training[stratified_subset(labels, subset, seed)]
    if not folds:
        faces.split("validation")  # a missing split is an error of its own
        return [faces.select(np.append(chosen, np.flatnonzero(faces.splits == "validation")))]
    pool = faces.select(chosen)
    number = stratified_folds(pool, folds, seed)
    return [
        replace(pool, splits=np.where(number == fold, "validation", "train"))
        for fold in range(folds)
    ]
