"""The study that processes share: opened by URL, joined only under equal settings."""

from __future__ import annotations

import json
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna import Study
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning, OptunaError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from fermodels.errors import ConfigError
from fermodels.evaluation.metrics import wilson_interval
from fermodels.results import ResultFile
from train.sweep.space import PAPER_SOURCE, as_flags

SILENT_BEATS = 3
"""Heartbeats that may be missed before a trial counts as killed."""
LOCK_SECONDS = 60
"""How long a process waits for another to finish writing an SQLite file."""
MAKER_POLLS = 50
"""How often, a tenth of a second apart, one looks for the settings of a study just made."""
_SETTINGS = "settings"


@contextmanager
def storage_errors(url: str) -> Iterator[None]:
    """Turn what a storage raises into one sentence.

    Raises:
        ConfigError: no such driver, no connection, or a file that is no study.
    """
    try:
        yield
    except (SQLAlchemyError, OptunaError, ImportError) as error:
        reason = (str(error.__cause__ or error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"cannot use the storage {_without_password(url)!r} ({reason[:200]}): give a URL like "
            "sqlite:///runs/study.db or postgresql+psycopg://user@host/name, its driver installed"
        ) from error


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url


def not_a_study(path: Path) -> str | None:
    """Object to adding a study to all but a database of Optuna's, or one just being made."""
    tables: set[str] = {"not SQLite"}
    try:
        if path.is_file():
            uri = f"{path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, timeout=LOCK_SECONDS, uri=True)) as database:
                rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                tables = {name for (name,) in rows}
    except sqlite3.Error:
        tables = {"not SQLite"}
    return "is no study of a sweep" if tables and "studies" not in tables else None


def open_storage(url: str, heartbeat: int) -> RDBStorage:
    """Open or make a storage, at the same time as other processes if need be.

    Raises:
        ConfigError: it cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # `train.sweep` says what happens itself
    warnings.filterwarnings("ignore", category=ExperimentalWarning)  # the heartbeat, since 2021
    local = {"connect_args": {"timeout": LOCK_SECONDS}} if url.startswith("sqlite") else {}
    with storage_errors(url):
        for wait in (0.1, 0.2, 0.4, 0.0):
            try:
                return RDBStorage(
                    url, engine_kwargs=local, heartbeat_interval=heartbeat,
                    grace_period=SILENT_BEATS * heartbeat,
                    heartbeat_stale_trial_callback=begin_again,
                )  # fmt: skip
            except DBAPIError:  # two processes making the same tables: one finds them made
                if not wait:
                    raise
                time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def join_study(
    storage: RDBStorage, name: str, settings: dict[str, Any], first: dict[str, Any],
    sampler: optuna.samplers.BaseSampler, pruner: optuna.pruners.BasePruner,
) -> optuna.Study:  # fmt: skip
    """Return the study of this name, made if there is none; its first trial tries `first`.

    Raises:
        ConfigError: the study there was made with other settings, so trials do not compare.
    """
    settings = json.loads(json.dumps(settings))  # as the storage gives them back
    try:
        study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", sampler=sampler, pruner=pruner
        )
        return _described(study, settings, first)
    except DuplicatedStudyError:
        study = optuna.load_study(storage=storage, study_name=name, sampler=sampler, pruner=pruner)
    theirs = _settings_of(study)
    if theirs is None:  # its maker was killed halfway
        return _described(study, settings, first)
    differing = sorted(key for key in settings if settings[key] != theirs.get(key))
    if differing:
        changes = "; ".join(f"{k}: {theirs.get(k)!r} then, {settings[k]!r} now" for k in differing)
        raise ConfigError(
            f"the study {name!r} was begun with other settings ({changes[:600]}): repeat the first "
            "command's flags or choose another --name"
        )
    return study


def _settings_of(study: optuna.Study) -> dict[str, Any] | None:
    """Return a study's settings, waiting a little for a process that is making it just now."""
    for _ in range(MAKER_POLLS):
        stored: dict[str, Any] | None = study.user_attrs.get(_SETTINGS)
        if stored is not None:
            return stored
        time.sleep(0.1)
    return None


def _described(
    study: optuna.Study, settings: dict[str, Any], first: dict[str, Any]
) -> optuna.Study:
    """Give a new study its first trial, then the settings that others wait for."""
    study.enqueue_trial(first, skip_if_exists=True)
    study.set_user_attr(_SETTINGS, settings)
    return study


def begin_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a stopped trial's values once more; `first_number` of the new trial stays the same."""
    RetryHeartbeatStaleTrialCallback()(study, trial)


def first_number(trial: FrozenTrial) -> int:
    """Return the number under which a trial's values were first begun."""
    first = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
    return trial.number if first is None else first


def frozen(trial: optuna.Trial) -> FrozenTrial:
    """Return what the storage knows of a running trial."""
    return trial.study.get_trials()[trial.number]


def counts(study: optuna.Study) -> tuple[int, int]:
    """Return how many trials are finished (complete or pruned) and how many run now.

    Trials whose process fell silent are queued again first.
    """
    fail_stale_trials(study)
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    finished = states.count(TrialState.COMPLETE) + states.count(TrialState.PRUNED)
    return finished, states.count(TrialState.RUNNING)


# --- What a sweep found, as one JSON file: every trial, the best one and the paper's own choice


def result_file(name: str) -> ResultFile:
    """Return the result of the sweep of that name."""
    return ResultFile(f"sweep-{name}", "python -m train.sweep --variant NAME --data PATH")


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
    complete = [one for one in rows if one["state"] == "complete"]
    theirs = [one for one in complete if one["is_paper"]]
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
