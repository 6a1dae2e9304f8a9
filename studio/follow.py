"""Training runs beside the checkpoints: chosen, followed while they run, overlaid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from fermodels.errors import FerError
from fermodels.nets import runs, shelf
from fermodels.nets.runs import Run
from studio import models, snippets
from studio.plain import plain, say_error
from studio.widgets import BOUND

REFRESH = 10.0
"""Seconds between two looks at a run that is training."""


@dataclass(frozen=True, eq=False)
class Learned:
    """How one network learned, or is learning."""

    history: shelf.History
    best: int
    """The epoch whose weights were kept, or would be now."""
    code: str
    """Python that reads the history."""


def found_runs() -> list[Run]:
    """Return the runs that keep a record; a damaged record is said."""
    try:
        return runs.available_runs()
    except FerError as error:
        say_error(error)
        return []


def pick_runs() -> list[str]:
    """Return the training runs to overlay, none unless chosen; without any run, say nothing."""
    names = [run.name for run in found_runs()]
    if not names:
        return []
    return list(
        st.pills(
            "Training runs",
            names,
            selection_mode="multi",
            format_func=plain,
            key="runs",
            help="Runs on this machine; one that is training is followed epoch by epoch.",
            **BOUND,
        )
    )


def running(names: Sequence[str]) -> bool:
    """Return whether one of these runs is still training."""
    return any(run.name in names and not (run.finished or run.silent) for run in found_runs())


def stand(names: Sequence[str]) -> None:
    """Say how far each chosen run has come."""
    for run in found_runs():
        if run.name not in names:
            continue
        kept = f"best {run.best_accuracy:.1%} on validation, epoch {run.best_epoch}"
        if run.finished:
            st.caption(f":material/check: **{plain(run.name)}** is finished: {kept}.")
        elif run.silent:
            st.caption(
                f":material/pause: **{plain(run.name)}** stands at epoch {run.epoch} of "
                f"{run.epochs}, last heard of {run.age / 60:.0f} min ago: {kept}."
            )
        else:
            words = f"**{plain(run.name)}**, epoch {run.epoch} of {run.epochs}: {kept}, "
            left = f"about {run.seconds_left / 60:.0f} min left"
            st.progress(run.epoch / run.epochs, words + left)


def learned(names: Sequence[str], chosen: Sequence[str]) -> dict[str, Learned]:
    """Return how checkpoints and runs learned, by the name that legends show."""
    found: dict[str, Learned] = {}
    for name in names:
        best = int(models.metrics(name)["best_epoch"])
        found[name] = Learned(models.history(name), best, snippets.history(name))
    for run in found_runs():
        if run.name in chosen:
            title = f"{run.name} (run)" if run.name in found else run.name
            code = snippets.run_history(run.name)
            found[title] = Learned(_history_of(run), run.best_epoch, code)
    return found


def _history_of(run: Run) -> shelf.History:
    path = run.folder / shelf.HISTORY
    return _read_run(str(run.folder), path.stat().st_mtime_ns)


@st.cache_resource(max_entries=16, show_spinner=False)
def _read_run(folder: str, changed: int) -> shelf.History:
    from pathlib import Path

    return shelf.read_history(Path(folder))


def histories(found: Mapping[str, Learned]) -> dict[str, shelf.History]:
    """Return the histories alone."""
    return {name: one.history for name, one in found.items()}
