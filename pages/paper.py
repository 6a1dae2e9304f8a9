"""Which of the paper's claims hold?"""

import streamlit as st

from fermodels.nets.paper import CITATION
from studio import paper_view, widgets

widgets.opening(
    "Which of the paper's claims hold?",
    "Every empirical sentence of the paper, tested on networks trained here by its own recipe. "
    "Notice that a claim can fail because the effect is absent, or because one run cannot show it: "
    "each says by which rule it was judged.",
)
found = paper_view.ledger()
claims = found["claims"]
paper_view.tally(claims)
chosen = paper_view.choose(claims)
st.html(paper_view.cards(chosen))
widgets.download_data(paper_view.as_table(chosen), "claims", "Download the ledger (CSV)")

st.subheader("Its figures, made again", anchor=False)
paper_view.figures()
st.markdown(f"The paper: {CITATION}.")
paper_view.provenance(found["provenance"])

widgets.footer(
    "That the paper is right or wrong: these are other weights, other seeds and settings it does "
    "not give. A claim that holds here held in one run per network, unless it says otherwise."
)
