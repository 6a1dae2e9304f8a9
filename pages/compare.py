"""Which network errs where?"""

import streamlit as st

from studio import state
from studio.components import widgets
from studio.rooms.compare import matrices as compare_matrices
from studio.rooms.compare import tables

VIEWS = ("% of each row", "counts", "difference")

widgets.opening(
    "Which network errs where?",
    "Rows are the true labels, columns the predictions: the diagonal is right, all else is a "
    "confusion. Look for labels that are predicted too often (bright columns). Click a cell to see "
    "its faces.",
)
faces = state.dataset()
split = widgets.pick_one("Split", ("test", "validation"), key="on")
names = widgets.pick_models(needs=tables.NEEDS)
if missing := tables.untrained():
    st.caption(f"No checkpoint here yet: {', '.join(missing)}.")


@widgets.fragment
def matrices() -> None:
    """The matrices and the faces in a cell: the room below stays as it is."""
    view = widgets.pick_one("Show", VIEWS, key="view")
    if view == "difference":
        compare_matrices.difference(split, faces)
    else:
        compare_matrices.side_by_side(names, split, faces, shares=view == VIEWS[0])


matrices()
st.subheader("Overall", anchor=False)
tables.show_overall(split)

if len(names) > 1:
    st.subheader("Is the difference significant?", anchor=False)
    tables.show_paired(names, split)

st.subheader("Per expression", anchor=False)
tables.show_per_expression(names, split)

st.subheader("Calibration", anchor=False)
tables.show_calibration(names, split)

st.subheader("Accuracy on other subsets and labels", anchor=False)
tables.show_other_counts(names, split)

widgets.footer(
    "How any of them would do on other people, cameras or labels, or whether another seed would "
    "rank them the same: each is one run. Intervals count the faces' chance, nothing else."
)
