"""What would excite the network more? (the paper's Figure 11)"""

import streamlit as st

from studio import dream_view, face_choice, insides, widgets

widgets.opening(
    "What would excite the network more?",
    "A dream starts from a face and changes its pixels step by step until the network is surer "
    "of an expression, or a layer responds more strongly. Notice where the changes fall: around "
    "the mouth and brows, or anywhere at all.",
)
chooser, settings = st.columns(2, gap="large")
with chooser:
    face = face_choice.pick_face()
with settings:
    name = widgets.pick_model()
    wish = dream_view.pick_wish(name)
    seven = st.toggle(
        "One face per expression", key="seven", disabled=wish.contrast is not None,
        help="As in Figure 11: seven faces, each dreamed towards its own label.", **widgets.BOUND,
    ) and wish.contrast is None  # fmt: skip
    start, stop = st.columns(2)
    started = start.button("Dream", type="primary", icon=":material/auto_awesome:", width="stretch")
    stop.button(
        "Stop", icon=":material/stop:", width="stretch", help="Keeps the frames made so far."
    )

if seven:
    if started or dream_view.is_new(dream_view.SEVEN):
        dream_view.run_seven(name, insides.faces_shown(), wish)
    dream_view.show_seven(name, wish)
else:
    if started:
        dream_view.run_one(name, face, wish)
    elif dream_view.is_new(dream_view.FILM):
        dream_view.open_with(name, face, wish)
    dream_view.show_one(name, face, wish)
widgets.footer(
    "A dream is one of many pictures that excite the network; it is neither the network's idea "
    "of the expression nor a face anybody could make. That a dream convinces the network says "
    "how easily it is moved, not that it is right."
)
