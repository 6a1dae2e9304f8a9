"""One trial of a sweep: train as `train.run` would, judge after every epoch, stop or resume."""

from __future__ import annotations

import argparse
import hashlib
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from fermodels.errors import ConfigError
from fermodels.files import remove_files
from fermodels.nets.fernet import FERNet
from train.config import TrainConfig
from train.device import Runtime
from train.evidence import logits_in_batches
from train.loop import Learner, TrainData, make_learner, run_epoch
from train.run import build, subtract_mean_of
from train.state import STATE_FILE, Progress, load_state, not_a_state, save_state
from train.sweep.space import Space, SweepPlan, as_flags, suggest
from train.sweep.study import (
    CORRECT,
    DIVERGED,
    PREDICTED,
    SECONDS,
    begin_again,
    digits,
    first_number,
    frozen,
)


class OutOfTimeError(Exception):
    """The sitting's hours are over; what was done is saved."""


@dataclass(frozen=True)
class Sweep:
    """One process's part in a sweep."""

    args: argparse.Namespace
    plan: SweepPlan
    config: TrainConfig
    """Settings that all trials share."""
    space: Space
    parts: list[tuple[FaceDataset, TrainData]]
    """Faces of each fold (or the one split), as read and as placed on the device."""
    runtime: Runtime
    folder: Path
    """Where broken trials keep their state."""
    settings: dict[str, Any]
    """What processes and sittings must share."""
    origin: dict[str, Any]
    """Provenance."""
    deadline: float
    """When this sitting is over, on the monotonic clock."""

    @property
    def n(self) -> int:
        """Faces that each epoch is scored on, over all folds."""
        return sum(len(data.validation[0]) for _, data in self.parts)

    @property
    def labels(self) -> NDArray[np.int64]:
        """True classes of those faces, fold after fold, ``(n,)``."""
        return np.concatenate([data.validation[1].cpu().numpy() for _, data in self.parts])

    @property
    def name(self) -> str:
        """What the study and its result are called."""
        name: str = self.args.name or self.args.variant
        return name


def learners_of(sweep: Sweep, values: dict[str, Any]) -> tuple[list[Learner], TrainConfig]:
    """Return one untrained learner per part, each minus its own training faces' mean."""
    args = argparse.Namespace(**{**vars(sweep.args), **as_flags(values)})
    learners = []
    for faces, _ in sweep.parts:
        net, config = build(args)
        subtract_mean_of(net, faces)
        learners.append(make_learner(net, config, sweep.runtime))
    return learners, config


def predicted(net: FERNet, data: TrainData, runtime: Runtime) -> NDArray[np.int64]:
    """Return the classes that a network names of the part's validation faces."""
    return np.asarray(
        logits_in_batches(net, data.validation[0], runtime).argmax(1).cpu().numpy(), np.int64
    )


def run_trial(sweep: Sweep, trial: optuna.Trial) -> float:
    """Train and judge one choice of values; return its best epoch's accuracy, 0 to 1.

    Raises:
        optuna.TrialPruned: it did too poorly to go on, or its loss is no longer finite.
        OutOfTimeError: the sitting is over; the state is saved.
    """
    values = suggest(trial, sweep.space)
    learners, config = learners_of(sweep, values)
    folder = sweep.folder / f"trial-{first_number(frozen(trial))}"
    settings, progress = {**sweep.settings, "values": values}, Progress()
    if (folder / STATE_FILE).exists():
        progress, parts = load_state(folder, settings)
        for number, learner in enumerate(learners):
            learner.restore(parts[str(number)])
        _report(trial, progress, sweep.n)
    while progress.epoch < config.epochs:
        _one_epoch(sweep, learners, config, progress)
        _report(trial, progress, sweep.n)
        if not progress.epochs[-1]["finite"] or trial.should_prune():
            _forget(folder)
            raise optuna.TrialPruned
        if progress.epoch < config.epochs:
            parts = {str(number): learner.parts() for number, learner in enumerate(learners)}
            save_state(folder, settings, progress, parts)
            if time.monotonic() > sweep.deadline:
                raise OutOfTimeError
    _forget(folder)
    best: int = max(row["correct"] for row in progress.epochs)
    return best / sweep.n


def _one_epoch(
    sweep: Sweep, learners: list[Learner], config: TrainConfig, progress: Progress
) -> None:
    """Train one epoch on every part, and judge it on the faces of all."""
    started, predictions, finite = time.perf_counter(), list[NDArray[np.int64]](), True
    for learner, (_, data) in zip(learners, sweep.parts, strict=True):
        rows = run_epoch(learner, data, config, sweep.runtime, progress.epoch)
        predictions.append(predicted(learner.judged, data, sweep.runtime))
        finite &= all(math.isfinite(row["loss"]) for row in rows)
    progress.epoch += 1
    classes = np.concatenate(predictions)
    row: dict[str, Any] = {"correct": int((classes == sweep.labels).sum()), "finite": finite}
    first_best = all(row["correct"] > before["correct"] for before in progress.epochs)
    if first_best:  # the best epoch's answers are kept, and no other's
        for before in progress.epochs:
            before.pop(PREDICTED, None)
        row[PREDICTED] = digits(classes)
    progress.epochs.append(row)
    progress.seconds += time.perf_counter() - started


def _report(trial: optuna.Trial, progress: Progress, n: int) -> None:
    """Tell the storage every epoch so far; one told before stays as it is."""
    correct = [row["correct"] for row in progress.epochs]
    trial.set_user_attr(CORRECT, correct)
    trial.set_user_attr(SECONDS, progress.seconds)
    best = next((row[PREDICTED] for row in progress.epochs if PREDICTED in row), None)
    if best is not None:  # a state of an earlier version holds none
        trial.set_user_attr(PREDICTED, best)
    trial.set_user_attr(DIVERGED, not progress.epochs[-1]["finite"])
    known = frozen(trial).intermediate_values
    for epoch, hits in enumerate(correct, start=1):
        if epoch not in known:
            trial.report(hits / n, epoch)


def _forget(folder: Path) -> None:
    """Remove a trial's state; anything else in its folder was put there by somebody else."""
    if folder.exists():
        remove_files(folder, (STATE_FILE,))


def not_a_trial(folder: Path) -> str | None:
    """Object to using all but a folder whose state, if it has one, is a trial's."""
    if not folder.is_dir():
        return "is no folder" if folder.exists() else None
    why = not_a_state(folder / STATE_FILE)
    return why if (folder / STATE_FILE).exists() else None  # its own process may just end it


def objective(sweep: Sweep, trial: optuna.Trial) -> float:
    """Run a trial; one that is stopped on the way is queued to be resumed."""
    try:
        return run_trial(sweep, trial)
    except (OutOfTimeError, KeyboardInterrupt):
        begin_again(trial.study, frozen(trial))
        raise


# --- The faces a sweep may see: a stratified share of training, and what its trials are judged on
#
# Test faces are left out here, before anything is trained.


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
