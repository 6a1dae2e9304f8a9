"""What do the faces look like, and what did a network predict for them?"""

import numpy as np
import streamlit as st

from studio import predictions, state
from studio.components import download, face_picker, widgets
from studio.components.gallery import gallery
from studio.components.text import plain
from studio.figures import faces as figures
from studio.figures import images
from studio.rooms.dataset import feature_map, filters

PER_PAGE = 96

widgets.opening(
    "What do the faces look like?",
    "Each tile is one face, 48 × 48 grey pixels, underlined in the colour of its label. Look for "
    "labels you would not have given. Click a face to select it: every room then shows it.",
)
faces = state.dataset()
selected = state.selected_face(faces)
for note in faces.notes:
    st.caption(plain(note))

wanted, model = filters.pick_filter(faces)
probabilities = filters.predictions_of(model, faces, wanted)
rows = filters.sliced(predictions.choose(faces, wanted, probabilities), faces, wanted)
if st.toggle("Feature map: lasso similar faces", key="mapped", **state.BOUND):
    inside = feature_map.pick(faces, rows)
    rows = rows if inside is None else rows[np.isin(rows, inside)]
if len(rows) == 0:
    st.info("No face passes these filters: widen one of them.", icon=":material/filter_alt_off:")
else:
    on_page = rows[filters.pages(len(rows), PER_PAGE)]
    notes = predictions.notes(faces, on_page, probabilities)
    picked = gallery(faces, on_page, key="faces", notes=notes, selected=selected.sample_id)
    if picked is not None:
        state.select_face(state.face_at(faces, picked))
        st.rerun()
    face_picker.show_selected(selected)

left, right = st.columns(2, gap="large")
with left:
    st.subheader("How many of each?", anchor=False)
    download.show(figures.balance(faces.counts()), "balance", "Faces per expression and split")
with right:
    st.subheader("The average face", anchor=False)
    means = filters.mean_faces(faces)
    shown = [images.Tile(image, name, f"mean of all {name} faces") for name, image in means.items()]
    st.html(images.grid(shown, side=96, label="Mean face of each expression", columns=4))
    st.caption("The mean of all faces with a label: the more they differ, the more it blurs.")

widgets.footer(
    "How anybody felt, or how often expressions occur in the world: FER-2013's faces were found by "
    "searching the web for emotion words, and the sample faces are drawn by a program."
)
