"""What picture maximises an answer? Activation maximisation (the paper's Figure 11)."""

import streamlit as st

from studio import state
from studio.components import face_picker, widgets
from studio.rooms import deepdream

widgets.opening(
    "What picture maximises an answer? (activation maximisation)",
    "A dream starts from a face and changes its pixels step by step until the network is more "
    "confident of an expression, or a layer responds more strongly. Notice where the changes "
    "fall: around "
    "the mouth and brows, or anywhere at all.",
)
chooser, settings = st.columns(2, gap="large")
with chooser:
    face = face_picker.pick_face()
with settings:
    name = widgets.pick_model()
    wish = deepdream.pick_wish(name)
    seven = st.toggle(
        "One face per expression", key="seven", disabled=wish.contrast is not None,
        help="As in Figure 11: seven faces, each dreamed towards its own label.", **state.BOUND,
    ) and wish.contrast is None  # fmt: skip
    start, stop = st.columns(2)
    started = start.button("Dream", type="primary", icon=":material/auto_awesome:", width="stretch")
    stop.button(
        "Stop", icon=":material/stop:", width="stretch", help="Keeps the frames made so far."
    )

if seven:
    if started or deepdream.is_new(deepdream.SEVEN):
        deepdream.run_seven(name, state.faces_shown(), wish)
    deepdream.show_seven(name, wish)
else:
    if started:
        deepdream.run_one(name, face, wish)
    elif deepdream.is_new(deepdream.FILM):
        deepdream.open_with(name, face, wish)
    deepdream.show_one(name, face, wish)
widgets.footer(
    "A dream is one of many pictures that excite the network; it is neither the network's idea "
    "of the expression nor a face anybody could make. That a dream convinces the network says "
    "how easily it is moved, not that it is right."
)
