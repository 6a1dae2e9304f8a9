"""Which model errs where?"""

import streamlit as st

from studio import cells, versus, widgets
from studio.figures import confusion as figures
from studio.paper import CITATION

VIEWS = ("% of each row", "counts", "difference")

widgets.opening(
    "Which model errs where?",
    "Rows are the true labels, columns what the model said: the diagonal is right, all else is a "
    "confusion. Look for columns that swallow their neighbours. Click a cell to see its faces.",
)
faces = widgets.dataset()
with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
    split = widgets.pick_one("Split", ("test", "validation"), key="on")
    view = widgets.pick_one("Show", VIEWS, key="view")
    names = widgets.pick_models()
if missing := versus.untrained():
    st.caption(f"No checkpoint here yet: {', '.join(missing)}.")

if view == "difference":
    cells.difference(split, faces)
else:
    cells.side_by_side(names, split, faces, shares=view == VIEWS[0])

st.subheader("Overall", anchor=False)
overall = versus.overall(names, split)
st.dataframe(overall, hide_index=True, column_config=cells.one_decimal(overall))

st.subheader("Per expression", anchor=False)
st.markdown("Dots are ours with 95% Wilson intervals, hollow diamonds the paper's Table 3.")
with_paper = st.toggle("Show the paper's", True, key="paper", **widgets.BOUND)
found = versus.accuracies(names, split, with_paper=with_paper)
widgets.show(
    figures.per_expression(found, height=140 + 52 * 7),
    "per-expression",
    f"Accuracy per expression on the {split} split with 95% intervals",
)
with st.expander("As a table", icon=":material/table:"):
    table = versus.table_3(names, split)
    st.dataframe(table, hide_index=True, column_config=cells.one_decimal(table))
    widgets.download_data(table, f"per-expression-{split}")
st.caption(
    f"The paper's figures are quoted from {CITATION}. They come without intervals, and were "
    "measured on its own copy and split of the data."
)

widgets.footer(
    "Whether two models truly differ: intervals that overlap or not are no test, and both models "
    "saw the same faces. Nor how either would fare on other people, cameras or labels."
)
