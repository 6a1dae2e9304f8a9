"""What a visitor chose: the dataset and the face, the same in every room and in the address."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from fermodels.data.readers.discover import read_faces
from fermodels.errors import FerError
from studio import public
from studio.components.text import plain, say_error

SAMPLES = "samples"
BOUND: dict[str, Any] = {"bind": "query-params", "persist_state": "session"}
"""Widgets with these settings keep their state in the URL."""
RENAMED_OPTIONS: dict[str, dict[str, str]] = {
    "order": {"mixed": "shuffled", "as stored": "original"},
    "slice": {
        "doubtful label": "label error",
        "has a copy": "duplicate",
        "copy of training": "leaked from training",
        "models disagree": "networks disagree",
    },
    "layout": {"principal axes": "PCA"},
    "preset": {
        "Quick look": "Fast preview",
        "What a channel wants": "Channel",
        "What a channel wants, wide": "Channel (larger field)",
    },
    "flip-norm": {"in total (L1)": "L1", "spread out (L2)": "L2"},
}
"""Widget's key -> option in older addresses -> its name now."""


def open_old_address() -> None:
    """Choose what an older address means by the options' former names; called before a room."""
    for key, renamed in RENAMED_OPTIONS.items():
        values = st.query_params.get_all(key)
        if renamed.keys() & set(values) and key not in st.session_state:
            chosen = [renamed.get(value, value) for value in values]
            st.session_state[key] = chosen if key == "slice" else chosen[0]


@dataclass(frozen=True, eq=False)
class SelectedFace:
    """The face that every room shows."""

    sample_id: str
    """Stable id; ``upload-...`` for a photo, which never enters the URL."""
    image: NDArray[np.uint8]
    """Grey levels, uint8 ``(48, 48)``."""
    label: int | None
    """Class index 0..6, None when nobody labelled it."""
    split: str
    """``train``, ``validation``, ``test`` or ``upload``."""

    @property
    def expression(self) -> str:
        """The label's name, or ``unlabelled``."""
        return "unlabelled" if self.label is None else EMOTIONS[self.label]


def dataset() -> FaceDataset:
    """Return the faces chosen in the sidebar: the sample set, or a path or Hub id typed there.

    A source that cannot be read is said in one sentence, and the sample set is shown instead; if
    that cannot be read either, the page stops.
    """
    with st.sidebar:
        if not public.is_public():
            _pick_dataset()
        faces = read_or_say(source())
        if faces is not None:
            st.caption(f"{plain(faces.name)}: {len(faces):,} faces")
    if faces is None and source() != SAMPLES:
        st.info(f"{plain(source())} could not be read (see the sidebar): showing the sample set.")
        faces = read_or_say(SAMPLES)
    if faces is None:
        st.info("There are no faces to show: choose a dataset in the sidebar.")
        st.stop()
    return faces


def source() -> str:
    """Return what `fermodels.read_faces` takes to read the faces named in the sidebar.

    A public studio shows the sample set only (see `studio.public`).
    """
    typed = "" if public.is_public() else str(st.session_state.get("data") or "").strip()
    return typed or SAMPLES


def _pick_dataset() -> None:
    st.text_input(
        "Dataset",
        key="data",
        placeholder="sample set",
        help="Empty: the faces shipped with this project. Or FER-2013 as you have it: a CSV "
        "file, a parquet file, a folder, or `hub:owner/name` for a dataset on the Hub.",
        **BOUND,
    )


def read_or_say(source: str) -> FaceDataset | None:
    """Read faces; what is wrong with them is said, and None returned."""
    path = Path(source).expanduser()
    try:
        if path.exists():
            return _read(str(path), path.stat().st_mtime_ns)
        return _read(source, 0)
    except FerError as error:
        say_error(error)
        return None


@st.cache_resource(max_entries=3, show_spinner="Reading faces…")
def _read(source: str, changed: int) -> FaceDataset:
    faces = read_faces(source)
    _ = faces.ids  # hashing every face once takes a moment: here, behind the spinner
    return faces


def select_face(face: SelectedFace) -> None:
    """Select a face: every room shows it from now on, and the URL names it."""
    st.session_state["selected-face"] = face
    _to_url(face)


def _to_url(face: SelectedFace) -> None:
    if face.split == "upload":
        st.query_params.pop("face", None)  # a stranger's photo has no address
    elif st.query_params.get("face") != face.sample_id:
        st.query_params["face"] = face.sample_id


def face_at(faces: FaceDataset, row: int) -> SelectedFace:
    """Return row `row` of a dataset as a face to select."""
    return SelectedFace(
        str(faces.ids[row]), faces.images[row], int(faces.labels[row]), str(faces.splits[row])
    )


def selected_face(faces: FaceDataset) -> SelectedFace:
    """Return the selected face: the URL's, else the last one chosen, else the first test face."""
    in_address = st.query_params.get("face")
    selected = st.session_state.get("selected-face")
    if isinstance(selected, SelectedFace) and in_address in (None, selected.sample_id):
        face = selected
    else:
        face = _find(faces, in_address)
    select_face(face)
    return face


def _find(faces: FaceDataset, sample_id: str | None) -> SelectedFace:
    rows = np.flatnonzero(faces.ids == sample_id) if sample_id else np.array([], dtype=int)
    if len(rows):
        return face_at(faces, int(rows[0]))
    if sample_id:
        st.info(f"The face {plain(sample_id)} is not in {plain(faces.name)}: showing another.")
    test = np.flatnonzero(faces.splits == "test")
    return face_at(faces, int(test[0]) if len(test) else 0)


CANDIDATES = 200
"""Faces among which `example` looks for a typical one."""


def faces_shown() -> FaceDataset:
    """Return the faces named in the sidebar, once `face_picker.pick_face` has asked for them.

    `widgets.dataset` draws the sidebar's field, which may happen once per run only.
    """
    faces = read_or_say(source()) or read_or_say(SAMPLES)
    if faces is None:
        st.stop()
    return faces


def example(faces: FaceDataset, label: str) -> SelectedFace:
    """Return a typical test face of that label: of the first 200, the most like their mean.

    The first of all would do, were it not that FER-2013 holds pictures of no face.
    """
    rows = np.flatnonzero(faces.labels == EMOTIONS.index(label))
    test = rows[faces.splits[rows] == "test"]
    rows = (test if len(test) else rows)[:CANDIDATES]
    if len(rows) == 0:
        st.info(f"{plain(faces.name)} has no face labelled {label}.")
        st.stop()
    pixels = faces.images[rows].reshape(len(rows), -1).astype(np.float32)
    pixels -= pixels.mean(1, keepdims=True)  # neither brightness nor contrast should decide
    pixels /= np.linalg.norm(pixels, axis=1, keepdims=True) + 1e-6
    return face_at(faces, int(rows[(pixels @ pixels.mean(0)).argmax()]))
