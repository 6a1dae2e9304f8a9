"""The selected face: shown, stepped through the data set, chosen from a gallery."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from studio.components.gallery import gallery
from studio.components.text import code
from studio.figures.images import data_uri
from studio.state import SelectedFace, dataset, face_at, select_face, selected_face


def show_selected(face: SelectedFace) -> None:
    """Show the selected face."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        _portrait(face, 56)
        st.markdown(f"Selected face: **{face.expression}**, {face.split}, {code(face.sample_id)}")


def _portrait(face: SelectedFace, side: int) -> None:
    st.html(
        f'<img src="{data_uri(face.image)}" width="{side}" height="{side}" '
        f'style="image-rendering:pixelated;border-radius:6px;display:block" '
        f'alt="Face labelled {face.expression}">',
        width=side,
    )


def pick_face(key: str = "face") -> SelectedFace:
    """Show the selected face and ways to change it (previous, next, random, gallery).

    Args:
        key: prefix of the widgets' keys; the face itself is shared by all rooms.
    """
    faces = dataset()
    face = selected_face(faces)
    rows = np.flatnonzero(faces.ids == face.sample_id)
    row = int(rows[0]) if len(rows) else 0
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        _portrait(face, 144)
        with st.container():
            st.markdown(f"**{face.expression}** · {face.split}  \n{code(face.sample_id)}")
            with st.container(horizontal=True, gap="small"):
                _step(faces, row - 1, "Previous face", ":material/chevron_left:", f"{key}-prev")
                _step(faces, row + 1, "Next face", ":material/chevron_right:", f"{key}-next")
                pick = int(np.random.default_rng().integers(len(faces)))
                _step(faces, pick, "Random face", ":material/shuffle:", f"{key}-random")
    others = st.expander(
        "Choose another face", icon=":material/grid_view:", key=f"{key}-others", on_change="rerun"
    )
    if others.open:  # a click on the next face need not send 48 of them again
        with others:
            _choose(faces, row, key)
    return face


def _step(faces: FaceDataset, row: int, help_text: str, icon: str, key: str) -> None:
    target = row % len(faces)
    st.button(icon, help=help_text, key=key, on_click=lambda: select_face(face_at(faces, target)))


def _choose(faces: FaceDataset, row: int, key: str) -> None:
    wanted = st.pills("Expression", EMOTIONS, key=f"{key}-expression")
    rows = (
        np.arange(len(faces))
        if wanted is None
        else np.flatnonzero(faces.labels == EMOTIONS.index(wanted))
    )
    if len(rows) > 48:  # an even walk through the set, the same on every run
        rows = rows[np.linspace(0, len(rows) - 1, 48).astype(int)]
    picked = gallery(faces, rows, key=f"{key}-gallery", selected=str(faces.ids[row]))
    if picked is not None:
        select_face(face_at(faces, picked))
        st.rerun()


def hog_pictures(faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return faces' histograms of oriented gradients as strokes, on one scale.

    Args:
        faces: uint8 ``(N, 48, 48)``.

    Returns:
        uint8 ``(N, 48, 48)``, drawn by scikit-image with the settings of the HOG branch.
    """
    from skimage.feature import hog

    size = {"orientations": 9, "pixels_per_cell": (8, 8), "cells_per_block": (2, 2)}
    drawn = np.stack([hog(face, visualize=True, **size)[1] for face in faces])
    return (drawn * (255 / max(float(drawn.max()), 1e-9))).round().astype(np.uint8)
