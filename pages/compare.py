"""Which model errs where?"""

import streamlit as st

from fermodels.nets.paper import CITATION
from studio import cells, compare_tables, versus, widgets
from studio.figures import confusion as figures
from studio.figures import reliability
from studio.theme import model_color

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
    names = widgets.pick_models(needs=versus.NEEDS)
if missing := versus.untrained():
    st.caption(f"No checkpoint here yet: {', '.join(missing)}.")

if view == "difference":
    cells.difference(split, faces)
else:
    cells.side_by_side(names, split, faces, shares=view == VIEWS[0])

st.subheader("Overall", anchor=False)
overall = versus.overall(names, split)
st.dataframe(overall, hide_index=True, column_config=cells.one_decimal(overall))

if len(names) > 1:
    st.subheader("Does one truly beat the other?", anchor=False)
    compare_tables.show(compare_tables.paired(names, split))
    st.caption(
        "Both saw the same faces, so only those count that one of the two got right: McNemar's "
        "exact test, corrected for the number of pairs (Holm). Intervals by paired bootstrap."
    )

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
st.markdown(
    f"The paper's figures are quoted from {CITATION}. They come without intervals, and were "
    "measured on its own copy and split of the data."
)

st.subheader("Is it as sure as it is right?", anchor=False)
cooled = st.toggle("With the temperature fitted on validation", key="cooled", **widgets.BOUND)
left, right = st.columns(2, gap="large")
with left:
    colors = {name: model_color(names, name) for name in names}
    bins = compare_tables.curves(names, split, cooled=cooled)
    fig = reliability.curves(bins, colors)
    widgets.show(fig, "reliability", "How often each model is right by how sure it says it is")
with right:
    compare_tables.show(compare_tables.sureness(names, split))
    st.caption(
        "Below the dashed line a model claims more than it keeps. The temperature divides its "
        "logits: it changes how sure a model sounds, never what it says."
    )

st.subheader("What if one counts otherwise?", anchor=False)
counts = compare_tables.other_counts(names, split)
if counts is None:
    st.info("Not computed here yet: `python -m train.labels --data PATH` counts without copies.")
else:
    compare_tables.show(counts)
    st.caption(
        "Some test faces are copies of training faces, which flatters every network. FER+ asked "
        "ten people about each face: where most agree, theirs is another truth, not a cleaner one."
    )

widgets.footer(
    "How any of them would fare on other people, cameras or labels, or whether another seed would "
    "rank them the same: each is one run. Intervals count the faces' chance, nothing else."
)
