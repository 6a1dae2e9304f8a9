"""What a sweep found, as one JSON file: every trial, the best one and the paper's own choice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.trial import FrozenTrial, TrialState

from fermodels.evaluation.metrics import wilson_interval
from train.sweep.space import PAPER_SOURCE, as_flags
from train.sweep.study import first_number

CORRECT, SECONDS, DIVERGED = "correct", "seconds", "diverged"
PREDICTED = "predicted"
"""What a trial notes in Optuna's record: hits per epoch, wall time, whether the loss ran off, and
its best epoch's answer to every face, so that trials can be compared face by face."""


def digits(classes: NDArray[np.integer[Any]]) -> str:
    """Return classes as text of one digit a face: short enough for a study's record."""
    return "".join(map(str, classes.tolist()))


def classes_of(text: str) -> NDArray[np.int64]:
    """Return the classes that `digits` wrote, ``(N,)``."""
    return np.array([int(digit) for digit in text], np.int64)


STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "stopped",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}

CAUTION = (
    "The best of many trials on the same faces is flattered by the choice; the intervals are for "
    "one trial each and do not allow for it."
)


def row(trial: FrozenTrial, n: int, paper: dict[str, Any]) -> dict[str, Any]:
    """Return one trial as JSON types; accuracy and interval are those of its best epoch.

    Args:
        trial: as the storage holds it.
        n: faces each epoch was scored on.
        paper: the paper's own searched values.
    """
    correct: list[int] = trial.user_attrs.get(CORRECT, [])
    best = max(correct, default=0)
    return {
        "number": trial.number,
        "first_number": first_number(trial),
        "state": STATES[trial.state],
        "parameters": as_flags(trial.params) if trial.params else None,
        "is_paper": trial.params == paper,
        "epochs": len(correct),
        "accuracies": [hits / n for hits in correct],
        "n": n,
        "best_epoch": correct.index(best) + 1 if correct else None,
        "correct": best if correct else None,
        "accuracy": best / n if correct else None,
        "interval": list(wilson_interval(best, n)) if correct else None,
        "predicted": trial.user_attrs.get(PREDICTED),
        "diverged": bool(trial.user_attrs.get(DIVERGED, False)),
        "seconds": trial.user_attrs.get(SECONDS, 0.0),
    }


def result(study: Study, n: int, paper: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """Return the whole sweep as JSON types.

    Args:
        study: all trials of all processes.
        n: faces each epoch was scored on.
        paper: the paper's own searched values.
        about: variant, space, budget, provenance and the like, put first.
    """
    rows = [row(trial, n, paper) for trial in study.get_trials(deepcopy=False)]
    complete = [found for found in rows if found["state"] == "complete"]
    theirs = [found for found in complete if found["is_paper"]]
    return {
        **about,
        "paper": {"parameters": as_flags(paper), "source": PAPER_SOURCE},
        "paper_trial": theirs[0]["number"] if theirs else None,
        "best_trial": max(complete, key=lambda r: (r["correct"], -r["number"]))["number"]
        if complete
        else None,
        "caution": CAUTION,
        "trials": rows,
    }
