"""The Saliency room's explanation by example: the nearest training faces of a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from fermodels.errors import FerError
from studio import networks, predictions, snippets
from studio import state as studio_state
from studio.components import download, widgets
from studio.components.text import plain, say_error
from studio.figures import faces as figures_faces
from studio.figures import images
from studio.state import BOUND, SelectedFace

if TYPE_CHECKING:
    from fermodels.xai.inspect.neighbours import Neighbours

STARTED = "alike-started"
"""Where the session remembers which networks may look at a large training split, and have."""
HOW_TO_STOP = "Stop, at the top right, keeps what was looked at; flip the switch to go on."
"""Streamlit's own: a button in a fragment is not heard before the fragment has run."""
LIMITS = (
    "Nearest in the network's own features, by 1 − cosine: 0 is the same to it, 2 the opposite. "
    "Not nearest in who the people are, nor in what they felt; and the network did not look these "
    "faces up when it answered."
)


@widgets.fragment
def section(face: SelectedFace, names: Sequence[str]) -> None:
    """Show, if switched on, the training faces nearest to the selected one, network by network."""
    st.subheader("Nearest training faces", anchor=False)
    if not st.toggle("Show the nearest training faces", key="alike", **BOUND):
        return
    faces = studio_state.faces_shown()
    train = training(faces)
    if train is None or count_of(train, face) < 1:
        st.info(f"{plain(faces.name)} has no other training face to compare with.")
        return
    for number, name in enumerate(names, 1):
        try:
            draw(name, face, train, key=f"alike-{number}")
        except FerError as error:
            say_error(error)
    st.caption(LIMITS)


def draw(name: str, face: SelectedFace, train: FaceDataset, key: str) -> None:
    """Draw one network's nearest training faces, nearest first, or offer to look for them."""
    nearest_faces = look(name, face, train, key)
    if nearest_faces is None:
        return
    says = networks.probabilities(name, face.image)
    st.markdown(
        f"**{plain(name)}**: {neighbour_labels(nearest_faces.labels)}; it predicts "
        f"{EMOTIONS[says.argmax()]} "
        f"({says.max():.0%}) for this face."
    )
    pictures = train.images[nearest_faces.rows]
    shown = figures_faces.neighbour_tiles(
        pictures, nearest_faces.labels.tolist(), nearest_faces.distances.tolist(),
        (pictures == face.image).all((1, 2)).tolist(),
    )  # fmt: skip
    title = f"Training faces nearest to this one in the features of {name}, nearest first"
    st.html(images.grid(shown, side=images.crisp_side(48, 96), label=title, columns=4))
    download.export(
        key,
        lambda: table(nearest_faces),
        snippets.neighbours(name, face, SPLIT, len(nearest_faces.ids)),
        pictures=shown,
    )


def look(name: str, face: SelectedFace, train: FaceDataset, key: str) -> Neighbours | None:
    """Return the nearest faces; of a large split only once its button was pressed, else None."""
    task = f"{networks.stamp(name)} {train.content_hash}"
    state: dict[str, bool] = st.session_state.setdefault(STARTED, {})
    amount, place = f"{len(train):,} training faces", st.empty()
    if len(train) <= predictions.AT_ONCE or state.get(task):
        with place, st.spinner(f"{plain(name)} looks at {amount}…"):
            return nearest(name, face, train, lambda _share: None)
    if task not in state:
        place.button(
            f"Let {plain(name)} look at {amount}", key=f"{key}-start", icon=":material/play_arrow:",
            on_click=state.__setitem__, args=(task, False),
        )  # fmt: skip
        return None
    try:
        nearest_faces = watched(name, face, train, place)
        state[task] = True
    finally:  # stopped or interrupted: the button again, so that nothing starts by itself
        if not state[task]:
            del state[task]
    return nearest_faces


def watched(name: str, face: SelectedFace, train: FaceDataset, place: DeltaGenerator) -> Neighbours:
    """Return the nearest faces, showing how far it is; what a stop interrupts goes on later."""

    def report(share: float) -> None:
        place.progress(share, f"{plain(name)}: {share:.0%} of {len(train):,} faces. {HOW_TO_STOP}")

    report(0.0)
    nearest_faces = nearest(name, face, train, report)
    place.empty()
    return nearest_faces


def neighbour_labels(labels: NDArray[np.int64]) -> str:
    """Return in words which labels the nearest faces carry, the most frequent first.

    Args:
        labels: class indices ``(k,)``, nearest first; of equal numbers the nearer one leads.
    """
    counts = Counter(labels.tolist()).most_common()
    (leader, most), *others = counts
    rest = [f"{count} {EMOTIONS[label]}" for label, count in others]
    return ", ".join([f"{most} of {len(labels)} are labelled **{EMOTIONS[leader]}**", *rest])


def table(nearest_faces: Neighbours) -> pd.DataFrame:
    """Return one row per neighbour: rank from 0, sample_id, label's name, distance."""
    return pd.DataFrame(
        {
            "rank": np.arange(len(nearest_faces.ids)),
            "sample_id": nearest_faces.ids,
            "label": np.take(EMOTIONS, nearest_faces.labels),
            "distance": nearest_faces.distances,
        }
    )


# --- Which training faces a network takes for most like one, in cached steps of a thousand faces


SPLIT = "train"
"""What the networks learned from: examples come from there."""
COUNT = 12
CHUNK = predictions.AT_ONCE
"""Faces between two moves of the progress bar."""

Report = Callable[[float], None]
"""Called with the share done, 0 to 1."""


def training(faces: FaceDataset) -> FaceDataset | None:
    """Return the training faces at hand, None if there are none."""
    return predictions.faces_of_split(faces, SPLIT) if (faces.splits == SPLIT).any() else None


def count_of(train: FaceDataset, face: SelectedFace) -> int:
    """Return how many neighbours can be shown: COUNT, or as many as there are besides the face."""
    return min(COUNT, len(train) - int((train.ids == face.sample_id).sum()))


def nearest(name: str, face: SelectedFace, train: FaceDataset, report: Report) -> Neighbours:
    """Return the training faces nearest to a face in a network's features, the face itself not.

    Args:
        name: one of `networks.choices()`.
        face: whose neighbours.
        train: from `training`, at least one of them another face.
        report: called with how far the features of `train` are.

    Raises:
        CheckpointError: the network cannot be loaded.
    """
    parts = []
    for start in range(0, len(train), CHUNK):
        parts.append(_features(name, train, start))
        report(min(1.0, (start + CHUNK) / len(train)))
    return _nearest(name, face, train, parts)


# half a megabyte each; FER-2013 takes 29 for every network, and six networks are bundled
@networks.cached_per_weights(max_entries=180)
def _features(name: str, train: FaceDataset, start: int) -> NDArray[np.float16]:
    from fermodels.xai.inspect.neighbours import feature_bank

    part = train.select(np.arange(start, min(start + CHUNK, len(train))))
    with networks.computing():
        return feature_bank(networks.own_copy(name), part).unit_features


@networks.cached_per_weights(max_entries=256)
def _nearest(
    name: str, face: SelectedFace, train: FaceDataset, _parts: list[NDArray[np.float16]]
) -> Neighbours:
    from fermodels.xai.inspect import neighbours

    # the ids are those of the whole split: a chunk would count repeated faces anew
    bank = neighbours.FeatureBank(np.concatenate(_parts), train.ids, train.labels)
    return neighbours.nearest(
        bank, networks.own_copy(name), face.image, count_of(train, face), besides=face.sample_id
    )
