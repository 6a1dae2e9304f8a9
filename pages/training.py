"""How did the networks learn?"""

import streamlit as st

from fermodels.nets import catalog
from studio import networks
from studio.components import widgets
from studio.rooms import training

widgets.opening(
    "How did the networks learn?",
    "Loss should fall from ln 7 and accuracy rise from 1/7, the level of guessing. Look for where "
    "training and validation part: from there on a network memorises its training faces "
    "(overfits).",
)
runs = training.pick_runs()
names = (
    []
    if runs and not networks.choices()
    else widgets.pick_models(needs=(catalog.METRICS, catalog.HISTORY))
)
training.curves(names, runs)
training.draw()

if names:
    st.subheader("Sanity checks and provenance", anchor=False)
    training.sanity(names)
    training.provenance(names)

widgets.footer(
    "Whether another seed would rank these networks the same: each curve is one run. Minibatch "
    "curves are not comparable between recipes whose augmentation or dropout differ."
)
