"""One trial of a sweep: train as `train.run` would, judge after every epoch, stop or resume."""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray

from fermodels.data.faces import FaceDataset
from fermodels.nets.files import remove_files
from fermodels.nets.networks import FERNet
from train.config import TrainConfig
from train.device import Runtime
from train.learner import Learner, make_learner
from train.loop import TrainData, run_epoch
from train.record import logits_of
from train.run import build, subtract_mean_of
from train.state import STATE_FILE, Progress, load_state, not_a_state, save_state
from train.sweep_plan import SweepPlan
from train.sweep_result import CORRECT, DIVERGED, PREDICTED, SECONDS, digits
from train.sweep_space import Space, as_flags, suggest
from train.sweep_study import begin_again, first_number, frozen


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
    return np.asarray(logits_of(net, data.validation[0], runtime).argmax(1).cpu().numpy(), np.int64)


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
    started, answers, finite = time.perf_counter(), list[NDArray[np.int64]](), True
    for learner, (_, data) in zip(learners, sweep.parts, strict=True):
        rows = run_epoch(learner, data, config, sweep.runtime, progress.epoch)
        answers.append(predicted(learner.judged, data, sweep.runtime))
        finite &= all(math.isfinite(row["loss"]) for row in rows)
    progress.epoch += 1
    said = np.concatenate(answers)
    row: dict[str, Any] = {"correct": int((said == sweep.labels).sum()), "finite": finite}
    first_best = all(row["correct"] > before["correct"] for before in progress.epochs)
    if first_best:  # the best epoch's answers are kept, and no other's
        for before in progress.epochs:
            before.pop(PREDICTED, None)
        row[PREDICTED] = digits(said)
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
