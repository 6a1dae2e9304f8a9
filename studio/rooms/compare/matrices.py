"""Confusion matrices one can click: a cell opens the faces in it."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from studio import networks, predictions, state
from studio.components import download, widgets
from studio.components.gallery import gallery
from studio.components.text import plain
from studio.figures import heatmaps as figures
from studio.rooms.compare import disagreement, tables
from studio.state import BOUND

Cell = tuple[str, str, str]
"""A network, a true label and a predicted one."""
MOST = 96
"""Faces shown of one cell."""


def side_by_side(names: list[str], split: str, faces: FaceDataset, *, shares: bool) -> None:
    """Draw one matrix per model; the cell clicked last opens below."""
    clicked: dict[str, Cell | None] = {}
    for start in range(0, len(names), 3):
        in_row = names[start : start + 3]
        for place, name in zip(st.columns(max(2, len(in_row))), in_row, strict=False):
            with place:
                scores = networks.metrics(name)[split]
                st.markdown(f"**{plain(name)}** · {scores['accuracy']:.1%} of {scores['n']:,}")
                points = download.show(
                    figures.matrix(tables.confusion(name, split), shares=shares, clickable=True),
                    f"confusion-{name}",
                    f"Confusion matrix of {name} on the {split} split",
                    select=True,
                )
                clicked[name] = (name, str(points[0]["y"]), str(points[0]["x"])) if points else None
    _remember(clicked)
    opened = st.session_state.get("cell")
    if opened is not None and opened[0] in names:
        _faces_of(*opened, split=split, faces=faces)


def _remember(clicked: dict[str, Cell | None]) -> None:
    """Keep the newest click: each chart keeps reporting its own old one.

    A click on the very cell that a chart still reports makes it report none, and opens that cell.
    All charts of a room that is entered again report none: nobody clicked then.
    """
    before: dict[str, Cell | None] = st.session_state.setdefault("cells-seen", {})
    changed = [name for name, now in clicked.items() if before.get(name) != now]
    if len(changed) == 1:
        st.session_state["cell"] = clicked[changed[0]] or before[changed[0]]
    before.update(clicked)


def _faces_of(name: str, truth: str, guess: str, *, split: str, faces: FaceDataset) -> None:
    rows, fell = tables.faces_in_cell(name, split, truth, guess, faces)
    st.markdown(
        f"**{truth}** faces that {plain(name)} called **{guess}**: {fell:,}, the most confident "
        "first"
    )
    probabilities = predictions.stored(name, faces)
    if not np.isfinite(probabilities[faces.splits == split]).any():
        st.caption(
            f"These faces are in the data that {plain(name)} was scored on, which is not loaded. "
            f"{widgets.how_to_see_scored()}"
        )
        rows, probabilities = _predicted_now(name, truth, guess, split, faces)
    elif len(rows) < fell:
        st.caption(
            f"{len(rows):,} of them are in the loaded dataset ({plain(faces.name)}). "
            f"{widgets.how_to_see_scored()}"
        )
    shown = rows[:MOST]
    notes = predictions.notes(faces, shown, probabilities)
    picked = gallery(faces, shown, key=f"cell-{name}-{truth}-{guess}", notes=notes)
    if picked is not None:
        state.select_face(state.face_at(faces, picked))
        st.toast(
            f"Selected: {EMOTIONS[int(faces.labels[picked])]}, {plain(faces.ids[picked])}",
            icon=":material/check:",
        )


def _predicted_now(
    name: str, truth: str, guess: str, split: str, faces: FaceDataset
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Say how many loaded faces fall in a cell; return their rows and all probabilities.

    The most confident rows come first; probabilities are ``(N, 7)``, NaN for other labels.
    """
    probabilities = np.full((len(faces), len(EMOTIONS)), np.nan, np.float32)
    labelled = np.flatnonzero((faces.splits == split) & (faces.labels == EMOTIONS.index(truth)))
    predicted = predictions.of_rows(name, faces, labelled)
    if predicted is None:
        st.caption(
            f"The {len(labelled):,} {truth} faces of {plain(faces.name)} ({split}) are too many "
            "to predict here: the Dataset room does it, with progress."
        )
        return labelled[:0], probabilities
    probabilities[labelled] = predicted
    inside = np.flatnonzero(predicted.argmax(1) == EMOTIONS.index(guess))
    st.markdown(
        f"Of the {len(labelled):,} **{truth}** {split} faces of {plain(faces.name)} it calls "
        f"{len(inside):,} **{guess}**."
    )
    return labelled[inside[np.argsort(-predicted[inside].max(1), kind="stable")]], probabilities


def difference(split: str, faces: FaceDataset) -> None:
    """Draw one model's matrix minus another's, in points of each row; a cell opens the lab."""
    names = networks.bringing(*tables.NEEDS)
    if len(names) < 2:
        st.info("A difference needs two networks with stored predictions; there is one.")
        return
    with st.container(horizontal=True, gap="medium"):
        first = str(st.selectbox("Model", names, index=1, key="first", width=220, **BOUND))
        second = str(st.selectbox("minus", names, key="second", width=220, **BOUND))
    st.caption(
        "In percentage points of each row: pale amber where the first predicts it more often, dark "
        "blue where the second does. On the diagonal more is better, elsewhere worse. Click a "
        "cell to see the faces on which the two differ."
    )
    if first == second:
        st.info("Choose two different networks: a network minus itself is nothing.")
        return
    fig = figures.confusion_difference(
        tables.confusion(first, split), tables.confusion(second, split)
    )
    alt = f"Confusion of {first} minus {second}, {split} split"
    with st.columns([3, 2])[0]:
        points = download.show(fig, "difference", alt, select=True)
    if points:
        cell = str(points[0]["y"]), str(points[0]["x"])
        disagreement.disagreement_lab((first, second), split, faces, cell)
