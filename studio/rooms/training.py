"""How did the networks learn? Curves of every epoch, of finished and running runs; sweeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from fermodels import results
from fermodels.errors import FerError
from fermodels.nets import catalog, training_runs
from fermodels.nets.training_runs import TrainingRun
from studio import networks, snippets
from studio.components import download, epoch_slider, widgets
from studio.components.text import plain, say_error
from studio.components.widgets import origin_lines
from studio.figures import charts
from studio.figures import history as figures
from studio.state import BOUND
from studio.theme import model_color

# --- The training room's curves: per iteration, per epoch, and what the last epochs say


GUESSING = 1 / 7


def colors(training_curves: Mapping[str, TrainingCurves]) -> dict[str, str]:
    """Return each curve's colour."""
    names = list(training_curves)
    return {name: model_color(names, name) for name in names}


def per_iteration(training_curves: Mapping[str, TrainingCurves]) -> None:
    """Draw loss and accuracy over iterations, as in the paper's Figures 3, 5, 7 and 8."""
    st.subheader("Per iteration", anchor=False)
    span = pick_smoothing()
    steps = {name: one.history.steps for name, one in training_curves.items()}
    code = _code(training_curves)
    left, right = st.columns(2, gap="large")
    with left:
        level = (math.log(7), "ln 7")
        fig = figures.per_step(steps, "loss", colors(training_curves), span=span, reference=level)
        alt = "Minibatch loss over iterations (as in Figure 3)"
        note = "Loss, as in the paper's Figure 3: faint is raw, firm is smoothed."
        download.show(fig, "loss-per-iteration", alt, code=code, note=note)
    with right:
        level = (GUESSING, "guessing")
        fig = figures.per_step(
            steps, "accuracy", colors(training_curves), span=span, reference=level
        )
        alt = "Minibatch accuracy over iterations"
        note = (
            "Accuracy, as in Figures 5, 7 and 8: on minibatches as trained, so with "
            "augmentation and dropout."
        )
        download.show(fig, "accuracy-per-iteration", alt, code=code, note=note)


def per_epoch(training_curves: Mapping[str, TrainingCurves]) -> None:
    """Draw loss, accuracy and their generalisation gap over epochs."""
    st.subheader("Per epoch", anchor=False)
    epochs = {name: one.history.epochs for name, one in training_curves.items()}
    best = {name: one.best for name, one in training_curves.items()}
    look, code = colors(training_curves), _code(training_curves)
    left, right = st.columns(2, gap="large")
    with left:
        losses = {"train_loss": "training", "validation_loss": "validation"}
        fig = figures.per_epoch(epochs, losses, look, title="loss", percent=False, best=best)
        alt = "Training and validation loss per epoch"
        note = "Dots mark the epoch whose weights were kept, chosen on validation."
        download.show(fig, "loss-per-epoch", alt, code=code, note=note)
    with right:
        both = {"train_clean_accuracy": "training", "validation_accuracy": "validation"}
        fig = figures.per_epoch(epochs, both, look, title="accuracy, %", percent=True, best=best)
        alt = "Training and validation accuracy per epoch"
        note = (
            "Training accuracy is of fixed training faces in eval mode; training loss is the "
            "running one."
        )
        download.show(fig, "accuracy-per-epoch", alt, code=code, note=note)
    st.subheader("Generalisation gap", anchor=False)
    alt = "Training minus validation accuracy"
    note = "Training minus validation accuracy: what does not carry over to new faces."
    download.show(figures.gap(epochs, look), "gap", alt, code=code, note=note)


def through_the_epochs(training_curves: Mapping[str, TrainingCurves]) -> None:
    """Draw the epoch slider and what one network looked like after that epoch."""
    st.subheader("Through the epochs", anchor=False)
    name = str(st.selectbox("Model", list(training_curves), key="of", width=320, **BOUND))
    history = training_curves[name].history.epochs
    record = epoch_slider.of_epochs(history)
    epoch = epoch_slider.pick_epoch(record.epochs)
    code = snippets.evidence_code(
        name, record.epochs[record.index(epoch)], training_curves[name].code
    )
    epoch_slider.draw(name, record, epoch, code=code)
    with st.expander("Activation sparsity by epoch", icon=":material/timeline:"):
        fig = figures.lines_per_layer(history, "sparsity", "share of zeros")
        alt = f"Share of zeros after ReLU per layer of {name}"
        note = "Share of exact zeros after each ReLU, on 64 validation faces."
        download.show(fig, "sparsity", alt, code=training_curves[name].code, note=note)


def _code(training_curves: Mapping[str, TrainingCurves]) -> str:
    return "\n".join(dict.fromkeys(one.code for one in training_curves.values()))


def curves(names: list[str], chosen: list[str]) -> None:
    """Draw everything that grows while a run trains; looked at again while one does.

    Each part runs alone, so that a slider redraws its own figures and no others.
    """
    every = REFRESH if running(chosen) else None

    def standing() -> None:
        stand(chosen)

    def iterations() -> None:
        per_iteration(learned(names, chosen))

    def epochs() -> None:
        per_epoch(learned(names, chosen))

    def scrubbed() -> None:
        through_the_epochs(learned(names, chosen))

    for part in (standing, iterations, epochs, scrubbed):
        widgets.fragment(part, run_every=every)()


# --- Training runs beside the checkpoints: chosen, followed while they run, overlaid


REFRESH = 10.0
"""Seconds between two looks at a run that is training."""


@dataclass(frozen=True, eq=False)
class TrainingCurves:
    """How one network learned, or is learning."""

    history: catalog.History
    best: int
    """The epoch whose weights were kept, or would be now."""
    code: str
    """Python that reads the history."""


def available_runs() -> list[TrainingRun]:
    """Return the runs that keep a record; a damaged record is said."""
    try:
        return training_runs.available_runs()
    except FerError as error:
        say_error(error)
        return []


def pick_runs() -> list[str]:
    """Return the training runs to overlay, none unless chosen; without any run, say nothing."""
    names = [run.name for run in available_runs()]
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
    return any(run.name in names and not (run.finished or run.silent) for run in available_runs())


def stand(names: Sequence[str]) -> None:
    """Say how far each chosen run has come."""
    for run in available_runs():
        if run.name not in names:
            continue
        best = f"best {run.best_accuracy:.1%} on validation, epoch {run.best_epoch}"
        if run.finished:
            st.caption(f":material/check: **{plain(run.name)}** is finished: {best}.")
        elif run.silent:
            st.caption(
                f":material/pause: **{plain(run.name)}** stands at epoch {run.epoch} of "
                f"{run.epochs}, last heard of {run.age / 60:.0f} min ago: {best}."
            )
        else:
            words = f"**{plain(run.name)}**, epoch {run.epoch} of {run.epochs}: {best}, "
            left = f"about {run.seconds_left / 60:.0f} min left"
            st.progress(run.epoch / run.epochs, words + left)


def learned(names: Sequence[str], chosen: Sequence[str]) -> dict[str, TrainingCurves]:
    """Return how checkpoints and runs learned, by the name that legends show."""
    training_curves: dict[str, TrainingCurves] = {}
    for name in names:
        best = int(networks.metrics(name)["best_epoch"])
        training_curves[name] = TrainingCurves(networks.history(name), best, snippets.history(name))
    for run in available_runs():
        if run.name in chosen:
            title = f"{run.name} (run)" if run.name in training_curves else run.name
            code = snippets.run_history(run.name)
            changed = (run.folder / catalog.HISTORY).stat().st_mtime_ns
            training_curves[title] = TrainingCurves(
                _read_run(run.folder, changed), run.best_epoch, code
            )
    return training_curves


@st.cache_resource(max_entries=16, show_spinner=False)
def _read_run(folder: Path, changed: int) -> catalog.History:
    return catalog.read_history(folder)


def histories(training_curves: Mapping[str, TrainingCurves]) -> dict[str, catalog.History]:
    """Return the histories alone."""
    return {name: one.history for name, one in training_curves.items()}


# --- The Training room's smoothing, sanity checks and provenance


SPANS = (1, 10, 30, 100, 300)


def pick_smoothing() -> int:
    """Return over how many iterations curves are averaged."""
    return int(
        st.select_slider("Smooth over iterations", SPANS, 100, key="smooth", width=320, **BOUND)
    )


def sanity(names: list[str]) -> None:
    """Show the paper's two sanity checks, run before each training."""
    st.markdown(
        "Before training, the loss without regularisation should be about ln 7 ≈ 1.946 (seven "
        "classes, no knowledge), and a network should be able to memorise a handful of faces."
    )
    rows = [
        {
            "model": plain(name),
            "initial loss": f"{report['initial_loss']:.4f}",
            "expected (ln 7)": f"{report['expected_initial_loss']:.4f}",
            "faces to overfit": plain(report["overfit_faces"]),
            "accuracy on them": f"{report['overfit_accuracy']:.0%}",
            "steps it took": plain(report["overfit_steps"]),
        }
        for name in names
        for report in [networks.metrics(name)["sanity"]]
    ]
    st.table(pd.DataFrame(rows).set_index("model"), border="horizontal")


def provenance(names: list[str]) -> None:
    """Show what each run was made of, behind an expander."""
    with st.expander("Provenance: seed, data, code and versions", icon=":material/fingerprint:"):
        for name in names:
            metrics = networks.metrics(name)
            origin = metrics["provenance"]
            st.markdown(
                f"**{plain(name)}**: recipe {plain(metrics['recipe'])}, seed "
                f"{plain(origin['seed'])}, {plain(metrics['epochs'])} epochs in "
                f"{metrics['training_seconds'] / 60:.0f} min ({metrics['images_per_second']:.0f} "
                f"images/s), kept epoch {plain(metrics['best_epoch'])}, made "
                f"{plain(origin['created'])}"
            )
            st.code(origin_lines(origin), language=None, wrap_lines=True)


# --- What the paper's cross-validation found here: every trial of a sweep, where one was run


SCIENTIFIC = st.column_config.NumberColumn(format="%.1e")
TINY = ("learning rate", "weight decay")
"""Columns that span orders of magnitude."""


def available() -> list[str]:
    """Return the names of the results of sweeps, such as ``sweep-shallow``."""
    return sorted(path.stem for path in results.results_dir().glob("sweep-*.json"))


def draw() -> None:
    """Draw one sweep's trials, or say how to run one."""
    st.subheader("Hyper-parameter search", anchor=False)
    names = available()
    if not names:
        st.info(
            "**No sweep was run yet.** The paper chose learning rate, regularisation and hidden "
            "neurons by cross-validation (Tables 1 and 2); this does the same:\n\n"
            "```\npython -m train.sweep --variant shallow --data PATH\n```",
            icon=":material/tune:",
        )
        return
    name = str(st.selectbox("Sweep", names, key="sweep", width=320, **BOUND))
    sweep = results.read_result(name) or {}
    trials: list[dict[str, Any]] = sweep["trials"]
    fig = charts.sweep_trials(trials, best=sweep["best_trial"], paper=sweep["paper_trial"])
    code = f"from fermodels import results\n\nsweep = results.read_result({name!r})\n"
    download.show(fig, "sweep-trials", "Validation accuracy per epoch of every trial", code=code)
    st.caption(f"{budget(sweep)} {sweep['caution']}")
    table = pd.DataFrame([row(trial) for trial in trials])
    st.dataframe(table, hide_index=True, column_config=dict.fromkeys(TINY, SCIENTIFIC))


def budget(sweep: dict[str, Any]) -> str:
    """Say in one sentence what a sweep spent, and what judged it."""
    states = [trial["state"] for trial in sweep["trials"]]
    ended = states.count("complete") + states.count("pruned")
    return (
        f"{ended} trials of at most {sweep['training']['epochs']} epochs on "
        f"{sweep['training_faces']:,} training faces, {states.count('pruned')} ended early; "
        f"accuracy on {sweep['n']:,} {sweep['judged_on']} faces."
    )


def row(trial: dict[str, Any]) -> dict[str, Any]:
    """Return one trial as a row of the table."""
    accuracy, interval = trial["accuracy"], trial["interval"]
    return {
        "trial": trial["number"],
        **{name.replace("_", " "): _plain(v) for name, v in (trial["parameters"] or {}).items()},
        "best accuracy": "none" if accuracy is None else f"{accuracy:.1%}",
        "95% interval": "" if interval is None else f"{interval[0]:.1%} to {interval[1]:.1%}",
        "n": trial["n"],
        "epochs": trial["epochs"],
        "state": trial["state"],
        "the paper's": "yes" if trial["is_paper"] else "",
    }


def _plain(value: Any) -> Any:
    """Return a list of widths as text, anything else as it is."""
    return ", ".join(map(str, value)) if isinstance(value, list) else value
