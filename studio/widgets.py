"""What every room shares: its opening and footer, the data, the model and the face in hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.data.faces import FaceDataset, read_faces
from fermodels.errors import FerError
from fermodels.nets import shelf
from studio import models, public
from studio.gallery import face_png as face_png
from studio.plain import plain, say_error
from studio.take_home import download_data as download_data
from studio.take_home import show as show
from studio.take_home import take_home as take_home

SAMPLES = "samples"
BOUND: dict[str, Any] = {"bind": "query-params", "persist_state": "session"}
"""Widgets with these settings keep their state in the URL."""
FIRST = ("shallow", "deep", "hybrid-deep")
"""What stands side by side at first: the paper's two designs, and the deep one with HOG."""
ETHICS = (
    "An expression is not an emotion, FER-2013's labels are noisy, and none of this may be used "
    "to decide anything about a person."
)


@dataclass(frozen=True, eq=False)
class CarriedFace:
    """The face a person carries from room to room."""

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


def opening(question: str, look_at: str) -> None:
    """Open a room: its question as title, then one sentence on what to look at."""
    st.title(question, anchor=False)
    st.markdown(look_at)


def footer(cannot_conclude: str) -> None:
    """Close a room with what one may not conclude from it, and the ethics in one line."""
    st.divider()
    st.markdown(f"**What this cannot tell you.** {cannot_conclude}")
    st.caption(ETHICS)


def dataset() -> FaceDataset:
    """Return the faces chosen in the sidebar: the sample set, or a path or Hub id typed there.

    A source that cannot be read is said in one sentence, and the sample set is shown instead; if
    that cannot be read either, the page stops.
    """
    with st.sidebar:
        if not public.is_public():
            _ask_for_faces()
        faces = read_or_say(source())
        if faces is not None:
            st.caption(f"{plain(faces.name)}: {len(faces):,} faces")
    if faces is None and source() != SAMPLES:
        st.info(f"{plain(source())} could not be read (see the sidebar): showing the sample set.")
        faces = read_or_say(SAMPLES)
    if faces is None:
        st.info("There are no faces to show: name your own in the sidebar.")
        st.stop()
    return faces


def how_to_see_scored() -> str:
    """Return the sentence that tells how to see the faces on which networks were scored."""
    if public.is_public():
        return (
            "This public studio shows its sample set alone: to see those faces, run the studio on "
            "your machine, with your FER-2013."
        )
    return "To see those faces, name your FER-2013 under **Faces** in the sidebar."


def source() -> str:
    """Return what `fermodels.read_faces` takes to read the faces named in the sidebar.

    A public studio shows the sample set only (see `studio.public`).
    """
    typed = "" if public.is_public() else str(st.session_state.get("data") or "").strip()
    return typed or SAMPLES


def _ask_for_faces() -> None:
    st.text_input(
        "Faces",
        key="data",
        placeholder="sample set",
        help="Empty: the faces shipped with this project. Or FER-2013 as you have it: a CSV "
        "file, a parquet file, a folder, or `hub:owner/name` for a dataset on the Hub.",
        **BOUND,
    )


def read_or_say(source: str) -> FaceDataset | None:
    """Read faces; what is wrong with them is said, and None returned."""
    try:
        return _read(source)
    except FerError as error:
        say_error(error)
        return None


def _read(source: str) -> FaceDataset:
    path = Path(source).expanduser()
    changed = path.stat().st_mtime_ns if path.exists() else 0
    return _read_cached(str(path) if path.exists() else source, changed)


@st.cache_resource(max_entries=3, show_spinner="Reading faces…")
def _read_cached(source: str, changed: int) -> FaceDataset:
    faces = read_faces(source)
    _ = faces.ids  # hashing every face once takes a moment: here, behind the spinner
    return faces


def pick_model(label: str = "Model", key: str = "model") -> str:
    """Return the checkpoint chosen, `models.usual` at first; it lives in the URL under `key`.

    Without any checkpoint the page says how to get one, and stops.
    """
    names = models.choices()
    if not names:
        no_checkpoint()
    return str(st.selectbox(label, names, names.index(models.usual()), key=key, **BOUND))


def pick_one(label: str, options: tuple[str, ...], key: str) -> str:
    """Return one of a few options, the first unless the URL or the visitor says otherwise."""
    found = st.segmented_control(
        label, options, default=options[0], required=True, key=key, **BOUND
    )
    return str(found)


def pick_models(
    label: str = "Models", key: str = "models", needs: tuple[str, ...] = (shelf.METRICS,)
) -> list[str]:
    """Return one or more checkpoints, in the shelf's order; the choice lives in the URL.

    Until the visitor chooses: those of `FIRST`, and their own.
    Without any checkpoint the page says how to get one, and stops; with none chosen it asks. A
    checkpoint that lacks a file the room needs is not offered, and the room says so.

    Args:
        label: of the picker.
        key: of the picker, and in the URL.
        needs: files of `shelf.FILES` that the room draws from.
    """
    if not models.choices():
        no_checkpoint()
    names, bundled = models.bringing(*needs), models.names()
    first = [name for name in names if name in FIRST or name not in bundled] or names
    chosen = st.pills(
        label, names, selection_mode="multi", default=first, key=key, width="stretch",
        format_func=plain, **BOUND,
    )  # fmt: skip
    for name in [name for name in models.choices() if name not in names]:
        st.caption(
            f":material/info: {plain(name)} came without {' and '.join(needs)}: not shown here."
        )
    if not chosen:
        st.info("Choose at least one model.", icon=":material/arrow_upward:")
        st.stop()
    return [name for name in names if name in chosen]


def lacks(name: str, file: str, what: str) -> bool:
    """Return whether a checkpoint came without a file, saying what is therefore not shown."""
    if models.has(name, file):
        return False
    st.info(
        f"**{plain(name)}** came without `{file}`, so there is nothing to show here: {what}.",
        icon=":material/inventory_2:",
    )
    return True


def no_checkpoint(*, stop: bool = True) -> None:
    """Say how to get a checkpoint, and stop the page unless told not to."""
    st.info(
        "**No trained network here yet.** Train one on FER-2013 and the rooms fill:\n\n"
        "```\npython -m train.run --variant shallow --data PATH --out checkpoints/shallow\n```",
        icon=":material/model_training:",
    )
    if stop:
        st.stop()


def carry(face: CarriedFace) -> None:
    """Take a face along: every room shows it from now on, and the URL names it."""
    st.session_state["carried"] = face
    _to_url(face)


def _to_url(face: CarriedFace) -> None:
    if face.split == "upload":
        st.query_params.pop("face", None)  # a stranger's photo has no address
    elif st.query_params.get("face") != face.sample_id:
        st.query_params["face"] = face.sample_id


def face_at(faces: FaceDataset, row: int) -> CarriedFace:
    """Return row `row` of a dataset as a face to carry."""
    return CarriedFace(
        str(faces.ids[row]), faces.images[row], int(faces.labels[row]), str(faces.splits[row])
    )


def carried(faces: FaceDataset) -> CarriedFace:
    """Return the face in hand: the URL's, else the one carried so far, else the first test face."""
    asked = st.query_params.get("face")
    held = st.session_state.get("carried")
    if isinstance(held, CarriedFace) and asked in (None, held.sample_id):
        face = held
    else:
        face = _find(faces, asked)
    carry(face)
    return face


def _find(faces: FaceDataset, sample_id: str | None) -> CarriedFace:
    rows = np.flatnonzero(faces.ids == sample_id) if sample_id else np.array([], dtype=int)
    if len(rows):
        return face_at(faces, int(rows[0]))
    if sample_id:
        st.info(f"The face {plain(sample_id)} is not in {plain(faces.name)}: showing another.")
    test = np.flatnonzero(faces.splits == "test")
    return face_at(faces, int(test[0]) if len(test) else 0)
