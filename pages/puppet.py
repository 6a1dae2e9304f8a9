"""What happens when a muscle moves?"""

import streamlit as st

from studio.components import widgets
from studio.rooms.puppet import concepts
from studio.rooms.puppet import sliders as puppet_sliders

widgets.opening(
    "What happens when a muscle moves?",
    "This face is drawn from action units, the muscle movements by which FACS describes "
    "expressions. Move one and watch the predictions change: which units does a network respond "
    "to, and how small a change flips its answer?",
)
chooser, who = st.columns(2, gap="large")
with chooser:
    name = widgets.pick_model()
with who:
    person = puppet_sliders.pick_person()


@widgets.fragment
def play() -> None:
    """One slider moves the face, the bars and the marks; nothing else is drawn again."""
    puppet_sliders.presets()
    shown, sliders = st.columns([2, 3], gap="large")
    with sliders:
        intensities = puppet_sliders.pick_units()
    with shown:
        puppet_sliders.draw_face(person, intensities)
        puppet_sliders.draw_predictions(person, intensities)
    st.subheader("What does one unit do?", anchor=False)
    puppet_sliders.draw_curves(name, intensities)
    st.subheader("Smallest change that flips the answer", anchor=False)
    puppet_sliders.counterfactual(name, person, intensities)


play()
concepts.section(name)
widgets.footer(
    "How the network sees people: the faces are drawings, and it was trained on photographs. "
    "Intensities are this drawing program's, not a FACS coder's; and an action unit is a movement, "
    "not a feeling."
)
