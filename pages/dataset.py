"""What do the faces look like, and what did a model make of them?"""

import numpy as np
import streamlit as st

from studio import browse, face_choice, feature_map, results, widgets
from studio.figures import faces as figures
from studio.figures import tiles
from studio.gallery import gallery
from studio.plain import plain

PER_PAGE = 96

widgets.opening(
    "What do the faces look like?",
    "Each tile is one face, 48 × 48 grey pixels, underlined in the colour of its label. Look for "
    "labels you would not have given. Click a face to carry it into the other rooms.",
)
faces = widgets.dataset()
held = widgets.carried(faces)
for note in faces.notes:
    st.caption(plain(note))

wanted, model = browse.pick_filter(faces)
answers = browse.answers(model, faces, wanted)
rows = browse.sliced(results.choose(faces, wanted, answers), faces, wanted)
if st.toggle("Map: draw around faces that a network finds alike", key="mapped", **widgets.BOUND):
    inside = feature_map.pick(faces, rows)
    rows = rows if inside is None else rows[np.isin(rows, inside)]
if len(rows) == 0:
    st.info("No face passes these filters: widen one of them.", icon=":material/filter_alt_off:")
else:
    here = rows[browse.pages(len(rows), PER_PAGE)]
    notes = results.notes(faces, here, answers)
    picked = gallery(faces, here, key="faces", notes=notes, selected=held.sample_id)
    if picked is not None:
        widgets.carry(widgets.face_at(faces, picked))
        st.rerun()
    face_choice.in_hand(held)

left, right = st.columns(2, gap="large")
with left:
    st.subheader("How many of each?", anchor=False)
    widgets.show(figures.balance(faces.counts()), "balance", "Faces per expression and split")
    st.caption("Strong to faint: " + ", ".join(faces.counts()) + ".")
with right:
    st.subheader("The average face", anchor=False)
    means = browse.mean_faces(faces)
    shown = [tiles.Tile(image, name, f"mean of all {name} faces") for name, image in means.items()]
    st.html(tiles.grid(shown, side=96, label="Mean face of each expression", columns=4))
    st.caption("The mean of all faces with a label: the more they differ, the more it blurs.")

widgets.footer(
    "How anybody felt, or how often expressions occur in the world: FER-2013's faces were found by "
    "searching the web for emotion words, and the sample faces are drawn by a program."
)
