"""The Dataset room's controls: filters, the network that predicts, and pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from fermodels import results as fermodels_results
from fermodels.data.dataset import SPLITS, FaceDataset
from fermodels.data.emotions import EMOTIONS
from studio import networks, predictions, state
from studio.components import widgets
from studio.components.text import plain
from studio.figures import faces as figures

# --- SLICES: faces worth a look that no label names; one dict feeds the Dataset room and its tests


Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Slice:
    """A part of a data set, found by computation."""

    title: str
    help: str
    """For a person who picks: what these faces are, and how they were found."""
    mask: Callable[[FaceDataset], Mask | None]
    """Which faces belong, ``(N,)``; None where it was not computed for these faces."""
    remedy: str
    """What computes it."""


def label_errors(faces: FaceDataset) -> Mask | None:
    """Faces whose label confident learning takes for another."""
    table = fermodels_results.read_result_table("label_doubt")
    return None if table is None else _among(faces, table.loc[table["doubted"], "sample_id"], table)


def copies(faces: FaceDataset) -> Mask | None:
    """Faces of which there is another exact or near copy, in any split."""
    table = fermodels_results.read_result_table("duplicates")
    return None if table is None else _among(faces, table["sample_id"], table)


def test_copies(faces: FaceDataset) -> Mask | None:
    """Validation and test faces that are copies of training faces."""
    table = fermodels_results.read_result_table("duplicates")
    if table is None:
        return None
    return _among(faces, table.loc[table["train_copy"].notna(), "sample_id"], table)


def disputed(faces: FaceDataset) -> Mask | None:
    """Faces on which the bundled networks' predictions differ; a small set is predicted now."""
    names = networks.names()
    if len(names) < 2:
        return None
    rows = np.arange(len(faces))
    classes = []
    for name in names:
        probabilities = predictions.stored(name, faces)
        if not np.isfinite(probabilities).any():
            if len(faces) > predictions.AT_ONCE:
                return None
            probabilities = predictions.computed(name, faces, rows, lambda _share: None)
        classes.append(
            np.where(np.isfinite(probabilities[:, 0]), np.nan_to_num(probabilities).argmax(1), -1)
        )
    each = np.stack(classes)
    return np.asarray((each != each[0]).any(0) & (each >= 0).all(0))


def _among(faces: FaceDataset, ids: pd.Series, table: pd.DataFrame) -> Mask | None:
    """Mark the faces with these ids; None if the table is about other faces altogether."""
    if not np.isin(faces.ids, table["sample_id"].to_numpy(str)).any():
        return None
    return np.asarray(np.isin(faces.ids, ids.to_numpy(str)))


LABELS = "Run `python -m train.labels --data PATH`"
SLICES: dict[str, Slice] = {
    "label error": Slice(
        "label error",
        "Networks that were not trained on the face are more confident of another label than of "
        "its own (confident learning, Northcutt et al. 2021): a suspicion, not a proof.",
        label_errors,
        LABELS,
    ),
    "duplicate": Slice(
        "duplicate",
        "The same picture occurs again, exactly or nearly (pixel correlation above 0.97).",
        copies,
        LABELS,
    ),
    "leaked from training": Slice(
        "leaked from training",
        "Validation and test faces whose copy was trained on: being right on them proves little.",
        test_copies,
        LABELS,
    ),
    "networks disagree": Slice(
        "networks disagree",
        "The bundled networks do not all predict the same expression.",
        disputed,
        "Choose data that all networks were scored on, or a set of at most 1,024 faces",
    ),
}
"""Name in the URL -> slice."""

NO_MODEL = "no model"
SPLIT_WORDS = {"train": "training"}
"""What a split is called in a sentence, where that is not its name."""
HELP = "  \n".join(f"**{one.title}**: {one.help}" for one in SLICES.values())


def pick_filter(faces: FaceDataset) -> tuple[predictions.Filter, str | None]:
    """Show the filters; return them and the network whose predictions decide, None for none."""
    many: dict[str, Any] = {"selection_mode": "multi", "wrap": True} | state.BOUND
    present = [split for split in SPLITS if (faces.splits == split).any()]
    with st.container(horizontal=True, gap="large"):
        splits = st.pills("Split", present, key="split", **many)
        expressions = st.pills("Expression", EMOTIONS, key="expression", **many)
        slices = tuple(st.pills("Data problems", list(SLICES), key="slice", help=HELP, **many))
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        model = st.selectbox(
            "Model", [NO_MODEL, *networks.choices()], key="asked", width=200, **state.BOUND
        )
        orders = predictions.FREE_ORDERS if model == NO_MODEL else predictions.ORDERS
        order = str(st.selectbox("Sort", orders, key="order", width=220, **state.BOUND))
        if model == NO_MODEL:
            return predictions.Filter(
                tuple(splits), tuple(expressions), order=order, slices=slices
            ), None
        outcome = widgets.pick_one("Prediction", predictions.OUTCOMES, key="outcome")
        low, high = st.slider("Confidence, %", 0, 100, (0, 100), key="confidence", **state.BOUND)
    span = (low / 100, high / 100)
    wanted = predictions.Filter(tuple(splits), tuple(expressions), outcome, span, order, slices)
    return wanted, str(model)


def sliced(
    rows: NDArray[np.intp], faces: FaceDataset, wanted: predictions.Filter
) -> NDArray[np.intp]:
    """Keep the rows that belong to every slice asked for, in their order.

    A slice that was not computed for these faces is said, and lets every face through.
    """
    for name in wanted.slices:
        mask = SLICES[name].mask(faces)
        if mask is None:
            st.info(f"“{plain(name)}” is not computed for this dataset. {SLICES[name].remedy}.")
        else:
            rows = rows[mask[rows]]
    return rows


def predictions_of(
    model: str | None, faces: FaceDataset, wanted: predictions.Filter
) -> NDArray[np.float32] | None:
    """Return a network's probabilities for these faces ``(N, 7)``, NaN where there are none.

    Stored predictions are used where they exist. The rest of a small set is worked out at once;
    for a large one a button offers it, with progress.
    """
    if model is None:
        return None
    probabilities = predictions.stored(model, faces)
    chosen = predictions.choose(faces, predictions.Filter(wanted.splits, wanted.expressions), None)
    missing = chosen[np.isnan(probabilities[chosen, 0])]
    if len(missing) == 0:
        return probabilities
    selection = f"{model} {wanted.splits} {wanted.expressions} {faces.content_hash}"
    if len(missing) > predictions.AT_ONCE and st.session_state.get("asked-for") != selection:
        st.info(f"No stored predictions for {len(missing):,} faces ({_splits_of(missing, faces)}).")
        if not st.button(
            f"Predict {len(missing):,} faces with {plain(model)}", icon=":material/play_arrow:"
        ):
            return probabilities
        st.session_state["asked-for"] = selection
    return _filled(model, faces, probabilities, missing)


def _splits_of(rows: NDArray[np.intp], faces: FaceDataset) -> str:
    """Return in words which splits some rows are of, and how much of each."""
    words = []
    for split in SPLITS:
        some, whole = (int((s == split).sum()) for s in (faces.splits[rows], faces.splits))
        called = f"the {SPLIT_WORDS.get(split, split)} split"
        if some:
            words.append(called if some == whole else f"{some:,} of {whole:,} in {called}")
    return " and ".join(words)


def _filled(
    model: str, faces: FaceDataset, stored: NDArray[np.float32], missing: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Ask the model about the missing rows behind a progress bar."""
    place = st.empty()

    def report(share: float) -> None:
        place.progress(share, f"{plain(model)} predicts…")

    filled = stored.copy()
    filled[missing] = predictions.computed(model, faces, missing, report)
    place.empty()
    return filled


def pages(count: int, per_page: int) -> slice:
    """Show which page of how many and return the slice of rows on it."""
    last = max(1, -(-count // per_page))
    if st.session_state.get("page", 1) > last:
        st.session_state["page"] = 1
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        page = int(st.number_input("Page", 1, last, key="page", width=150, bind="query-params"))
        first = (page - 1) * per_page
        shown = f"{first + 1:,} to {min(count, first + per_page):,}"
        st.markdown(f"of {last:,} · **{count:,}** faces, {shown} shown")
    return slice(first, first + per_page)


@st.cache_data(max_entries=4, show_spinner=False, hash_funcs=networks.HASHES)
def mean_faces(faces: FaceDataset) -> dict[str, NDArray[np.uint8]]:
    """Return the mean face of each expression."""
    return figures.mean_faces(faces.images, faces.labels)
