"""The Dataset room's controls: filters, the model asked, and pages."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.data.faces import SPLITS, FaceDataset
from studio import models, results, widgets
from studio.figures import faces as figures
from studio.plain import plain
from studio.slices import SLICES

NO_MODEL = "no model"
SPLIT_WORDS = {"train": "training"}
"""What a split is called in a sentence, where that is not its name."""
HELP = "  \n".join(f"**{one.title}**: {one.help}" for one in SLICES.values())


def pick_filter(faces: FaceDataset) -> tuple[results.Filter, str | None]:
    """Show the filters and return them with the model whose answers decide, None for no model."""
    many: dict[str, Any] = {"selection_mode": "multi", "wrap": True} | widgets.BOUND
    present = [split for split in SPLITS if (faces.splits == split).any()]
    with st.container(horizontal=True, gap="large"):
        splits = st.pills("Split", present, key="split", **many)
        expressions = st.pills("Expression", EMOTIONS, key="expression", **many)
        slices = tuple(st.pills("Worth a look", list(SLICES), key="slice", help=HELP, **many))
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        model = st.selectbox(
            "Ask a model", [NO_MODEL, *models.choices()], key="asked", width=200, **widgets.BOUND
        )
        orders = results.FREE_ORDERS if model == NO_MODEL else results.ORDERS
        order = str(st.selectbox("Order", orders, key="order", width=220, **widgets.BOUND))
        if model == NO_MODEL:
            return results.Filter(
                tuple(splits), tuple(expressions), order=order, slices=slices
            ), None
        outcome = widgets.pick_one("Answer", results.OUTCOMES, key="outcome")
        low, high = st.slider("Confidence, %", 0, 100, (0, 100), key="confidence", **widgets.BOUND)
    span = (low / 100, high / 100)
    wanted = results.Filter(tuple(splits), tuple(expressions), outcome, span, order, slices)
    return wanted, str(model)


def sliced(rows: NDArray[np.intp], faces: FaceDataset, wanted: results.Filter) -> NDArray[np.intp]:
    """Keep the rows that belong to every slice asked for, in their order.

    A slice that was not computed for these faces is said, and lets every face through.
    """
    for name in wanted.slices:
        mask = SLICES[name].mask(faces)
        if mask is None:
            st.info(f"“{plain(name)}” is not known of {plain(faces.name)}: {SLICES[name].remedy}.")
        else:
            rows = rows[mask[rows]]
    return rows


def answers(
    model: str | None, faces: FaceDataset, wanted: results.Filter
) -> NDArray[np.float32] | None:
    """Return what the model says of these faces ``(N, 7)``, NaN where it was not asked.

    Stored predictions are used where they exist. The rest of a small set is worked out at once;
    for a large one a button offers it, with progress.
    """
    if model is None:
        return None
    found = results.stored(model, faces)
    chosen = results.choose(faces, results.Filter(wanted.splits, wanted.expressions), None)
    missing = chosen[np.isnan(found[chosen, 0])]
    if len(missing) == 0:
        return found
    asked = f"{model} {wanted.splits} {wanted.expressions} {faces.content_hash}"
    if len(missing) > results.AT_ONCE and st.session_state.get("asked-for") != asked:
        st.info(
            f"No stored predictions of {plain(model)} for {len(missing):,} faces "
            f"({_splits_of(missing, faces)})."
        )
        if not st.button(
            f"Ask {plain(model)} about {len(missing):,} faces", icon=":material/play_arrow:"
        ):
            return found
        st.session_state["asked-for"] = asked
    return _filled(model, faces, found, missing)


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
    model: str, faces: FaceDataset, found: NDArray[np.float32], missing: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Ask the model about the missing rows behind a progress bar."""
    place = st.empty()

    def report(share: float) -> None:
        place.progress(share, f"Asking {plain(model)}…")

    filled = found.copy()
    filled[missing] = results.computed(model, faces, missing, report)
    place.empty()
    return filled


def pages(count: int, per_page: int) -> slice:
    """Show which page of how many and return the slice of rows on it."""
    last = max(1, -(-count // per_page))
    if st.session_state.get("page", 1) > last:
        st.session_state["page"] = 1
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        page = int(
            st.number_input(
                f"Page of {last:,}", 1, last, key="page", width=150, bind="query-params"
            )
        )
        first = (page - 1) * per_page
        st.markdown(f"**{count:,}** faces, {first + 1:,} to {min(count, first + per_page):,} here")
    return slice(first, first + per_page)


def mean_faces(faces: FaceDataset) -> dict[str, NDArray[np.uint8]]:
    """Return the mean face of each expression, worked out once per data set."""
    return _mean_faces(faces.content_hash, faces)


@st.cache_data(max_entries=4, show_spinner=False)
def _mean_faces(key: str, _faces: FaceDataset) -> dict[str, NDArray[np.uint8]]:
    return figures.mean_faces(_faces.images, _faces.labels)
