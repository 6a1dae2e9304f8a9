"""What does each layer keep of a face? (the paper's Figure 9)"""

import streamlit as st

from fermodels import EMOTIONS
from studio import state
from studio.components import epoch_slider, face_picker, widgets
from studio.rooms.activations import channels, layers

widgets.opening(
    "What does each layer keep of a face?",
    "Each picture is one channel's response to the face, dark where it is silent and pale where it "
    "responds. Notice how the first layers still show the face, and the later ones only a few "
    "spots.",
)


def of_this_face() -> tuple[str, str]:
    """Draw all that another face changes; tell which network and layer are on view."""
    chooser, settings = st.columns(2, gap="large")
    with chooser:
        face = face_picker.pick_face()
    with settings:
        name = widgets.pick_model()
        beside = st.selectbox(
            "Compare with", ["no other face", *EMOTIONS], key="beside",
            help="A typical test face with that label, for comparison.", **state.BOUND,
        )  # fmt: skip
        by_face = {f"this face, {face.expression}": layers.responses(name, face.image)}
        if beside in EMOTIONS:
            other = state.example(state.faces_shown(), beside)
            by_face[f"another, {other.expression}"] = layers.responses(name, other.image)
    first = next(iter(by_face.values()))
    view = layers.pick_view(first)
    layers.draw_channels(name, face, by_face, view)
    channels.inspect(name, view, first)
    st.subheader("Sparsity and spatial entropy by layer", anchor=False)
    layers.draw_depth(name, face, by_face, view)
    if beside in EMOTIONS:
        st.subheader("Similarity of the two faces by layer", anchor=False)
        layers.draw_similarity(name, face, other, view)
    return name, view.block


@widgets.fragment
def while_it_learned(name: str, block: str) -> None:
    """The epoch slider."""
    st.subheader("During training", anchor=False)
    st.markdown(
        "The maps above are of the finished network. These figures were recorded at every epoch, "
        "on "
        "validation faces."
    )
    epoch_slider.through(name, block=block)


while_it_learned(*widgets.fragment_part(of_this_face))
widgets.footer(
    "A channel that lights up at the mouth has not thereby been shown to detect mouths, nor to "
    "matter for the prediction: many channels respond and are then ignored."
)
