"""What does each layer keep of a face? (the paper's Figure 9)"""

import streamlit as st

from fermodels import EMOTIONS
from studio import activation_view, insides, widgets

widgets.opening(
    "What does each layer keep of a face?",
    "Each picture is one channel's answer to the face, dark where it is silent and pale where it "
    "responds. Notice how the first layers still show the face, and the later ones only a few "
    "spots.",
)
chooser, settings = st.columns(2, gap="large")
with chooser:
    face = widgets.pick_face()
with settings:
    name = widgets.pick_model()
    beside = st.selectbox(
        "Beside", ["no other face", *EMOTIONS], key="beside", bind="query-params",
        help="A typical test face with that label, for comparison.",
    )  # fmt: skip
    found = {f"this face, {face.expression}": insides.responses(name, face.image)}
    if beside in EMOTIONS:
        other = insides.example(insides.faces_shown(), beside)
        found[f"another, {other.expression}"] = insides.responses(name, other.image)
view = activation_view.pick_view(next(iter(found.values())))
activation_view.draw_channels(found, view)
st.subheader("How sparse, how focused?", anchor=False)
activation_view.draw_depth(found, view)
widgets.footer(
    "A channel that lights up at the mouth has not thereby been shown to detect mouths, nor to "
    "matter for the answer: many channels respond and are then ignored."
)
