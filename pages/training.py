"""How did the networks learn?"""

import streamlit as st

from fermodels.nets import shelf
from studio import follow, models, records, sweep_view, training_view, widgets

widgets.opening(
    "How did the networks learn?",
    "Loss should fall from ln 7 and accuracy rise from 1/7, the level of guessing. Look for where "
    "training and validation part: from there on a network learns its training faces by heart.",
)
runs = follow.pick_runs()
names = (
    []
    if runs and not models.choices()
    else widgets.pick_models(needs=(shelf.METRICS, shelf.HISTORY))
)
training_view.curves(names, runs)
sweep_view.draw()

if names:
    st.subheader("Sanity checks and provenance", anchor=False)
    records.sanity(names)
    records.provenance(names)

widgets.footer(
    "Whether another seed would rank these networks the same: each curve is one run. Minibatch "
    "curves are not comparable between recipes whose augmentation or dropout differ."
)
