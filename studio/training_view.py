"""The training room's curves: per iteration, per epoch, and what the last epochs say."""

from __future__ import annotations

import math
from collections.abc import Mapping

import streamlit as st

from studio import follow, parts, records, scrubber, snippets, widgets
from studio.figures import history as figures
from studio.follow import Learned
from studio.theme import model_color
from studio.widgets import BOUND

GUESSING = 1 / 7


def colors(found: Mapping[str, Learned]) -> dict[str, str]:
    """Return each curve's colour."""
    names = list(found)
    return {name: model_color(names, name) for name in names}


def per_iteration(found: Mapping[str, Learned]) -> None:
    """Draw loss and accuracy over iterations, as in the paper's Figures 3, 5, 7 and 8."""
    st.subheader("Per iteration", anchor=False)
    span = records.pick_smoothing()
    steps = {name: one.history.steps for name, one in found.items()}
    code = _code(found)
    left, right = st.columns(2, gap="large")
    with left:
        level = (math.log(7), "ln 7")
        fig = figures.per_step(steps, "loss", colors(found), span=span, reference=level)
        alt = "Minibatch loss over iterations (as in Figure 3)"
        note = "Loss, as in the paper's Figure 3: faint is raw, firm is smoothed."
        widgets.show(fig, "loss-per-iteration", alt, code=code, note=note)
    with right:
        level = (GUESSING, "guessing")
        fig = figures.per_step(steps, "accuracy", colors(found), span=span, reference=level)
        alt = "Minibatch accuracy over iterations"
        note = (
            "Accuracy, as in Figures 5, 7 and 8: on minibatches as trained, so with "
            "augmentation and dropout."
        )
        widgets.show(fig, "accuracy-per-iteration", alt, code=code, note=note)


def per_epoch(found: Mapping[str, Learned]) -> None:
    """Draw loss, accuracy and their generalisation gap over epochs."""
    st.subheader("Per epoch", anchor=False)
    epochs = {name: one.history.epochs for name, one in found.items()}
    best = {name: one.best for name, one in found.items()}
    look, code = colors(found), _code(found)
    left, right = st.columns(2, gap="large")
    with left:
        losses = {"train_loss": "training", "validation_loss": "validation"}
        fig = figures.per_epoch(epochs, losses, look, title="loss", percent=False, best=best)
        alt = "Training and validation loss per epoch"
        note = "Dots mark the epoch whose weights were kept, chosen on validation."
        widgets.show(fig, "loss-per-epoch", alt, code=code, note=note)
    with right:
        both = {"train_clean_accuracy": "training", "validation_accuracy": "validation"}
        fig = figures.per_epoch(epochs, both, look, title="accuracy, %", percent=True, best=best)
        alt = "Training and validation accuracy per epoch"
        note = (
            "Training accuracy is of fixed training faces in eval mode; training loss is the "
            "running one."
        )
        widgets.show(fig, "accuracy-per-epoch", alt, code=code, note=note)
    st.subheader("Generalisation gap", anchor=False)
    alt = "Training minus validation accuracy"
    note = "Training minus validation accuracy: what does not carry over to new faces."
    widgets.show(figures.gap(epochs, look), "gap", alt, code=code, note=note)


def through_the_epochs(found: Mapping[str, Learned]) -> None:
    """Draw the epoch slider and what one network looked like after that epoch."""
    st.subheader("Through the epochs", anchor=False)
    name = str(st.selectbox("Network", list(found), key="of", width=320, **BOUND))
    history = found[name].history.epochs
    record = scrubber.of_epochs(history)
    epoch = scrubber.pick_epoch(record.epochs)
    code = snippets.evidence(name, record.epochs[record.index(epoch)], found[name].code)
    scrubber.draw(name, record, epoch, code=code)
    with st.expander("Zeros at every epoch", icon=":material/timeline:"):
        fig = figures.layers(history, "sparsity", "share of zeros")
        alt = f"Share of zeros after ReLU per layer of {name}"
        note = "Share of exact zeros after each ReLU, on 64 validation faces."
        widgets.show(fig, "sparsity", alt, code=found[name].code, note=note)


def _code(found: Mapping[str, Learned]) -> str:
    return "\n".join(dict.fromkeys(one.code for one in found.values()))


def curves(names: list[str], chosen: list[str]) -> None:
    """Draw everything that grows while a run trains; looked at again while one does.

    Each part runs alone, so that a slider redraws its own figures and no others.
    """
    every = follow.REFRESH if follow.running(chosen) else None

    def standing() -> None:
        follow.stand(chosen)

    def iterations() -> None:
        per_iteration(follow.learned(names, chosen))

    def epochs() -> None:
        per_epoch(follow.learned(names, chosen))

    def scrubbed() -> None:
        through_the_epochs(follow.learned(names, chosen))

    for part in (standing, iterations, epochs, scrubbed):
        parts.fragment(part, run_every=every)()
