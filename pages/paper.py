"""Which of the paper's claims hold?"""

import streamlit as st

from fermodels.evaluation.paper import CITATION
from studio.components import download, widgets
from studio.rooms import paper

widgets.opening(
    "Which of the paper's claims hold?",
    "Every empirical sentence of the paper, tested on networks trained here. A claim is reproduced "
    "only where the data show that it holds, and refuted only where they show that it does not; "
    "else it is inconclusive. Each says by which rule it was judged, and what else could explain "
    "it.",
)
table = paper.ledger()
claims = table["claims"]
st.markdown(paper.by_recipe(claims))
paper.tally(claims)
chosen = paper.choose(claims)
st.html(paper.cards(chosen))
download.download_data(paper.as_table(chosen), "claims", "Download the claims table (CSV)")

st.subheader("Its figures, reproduced", anchor=False)
paper.figures(claims)
st.markdown(f"The paper: {CITATION}.")
paper.provenance(table["provenance"])

widgets.footer(
    "That the paper is right or wrong: these are other weights, other seeds and settings it does "
    "not give. A verdict that rests on one run of each network says so in its own lines."
)
