"""Which training faces a network takes for most like one, in cached steps of a thousand faces."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.faces import FaceDataset
from studio import lending, models, results
from studio.widgets import CarriedFace

if TYPE_CHECKING:
    from fermodels.explain.neighbours import Neighbours

SPLIT = "train"
"""What the networks learned from: examples come from there."""
COUNT = 12
CHUNK = results.AT_ONCE
"""Faces between two moves of the progress bar."""

Report = Callable[[float], None]
"""Called with the share done, 0 to 1."""


def training(faces: FaceDataset) -> FaceDataset | None:
    """Return the training faces at hand, None if there are none."""
    return results.part(faces, SPLIT) if (faces.splits == SPLIT).any() else None


def count_of(train: FaceDataset, face: CarriedFace) -> int:
    """Return how many neighbours can be shown: COUNT, or as many as there are besides the face."""
    return min(COUNT, len(train) - int((train.ids == face.sample_id).sum()))


def nearest(name: str, face: CarriedFace, train: FaceDataset, report: Report) -> Neighbours:
    """Return the training faces nearest to a face in a network's features, the face itself not.

    Args:
        name: one of `models.choices()`.
        face: whose neighbours.
        train: from `training`, at least one of them another face.
        report: told how far the features of `train` are.

    Raises:
        CheckpointError: the network cannot be loaded.
    """
    stamp, parts = models.stamp(name), []
    for start in range(0, len(train), CHUNK):
        parts.append(_directions(name, stamp, train.content_hash, start, train))
        report(min(1.0, (start + CHUNK) / len(train)))
    key = f"{train.content_hash} {face.sample_id} {models.content_hash(face.image)}"
    return _nearest(name, stamp, key, face, train, parts)


# half a megabyte each; FER-2013 takes 29 for every network, and six networks are bundled
@st.cache_resource(max_entries=180, show_spinner=False)
def _directions(
    name: str, stamp: str, key: str, start: int, _train: FaceDataset
) -> NDArray[np.float16]:
    from fermodels.explain.neighbours import feature_bank

    part = _train.select(np.arange(start, min(start + CHUNK, len(_train))))
    with lending.computing():
        return feature_bank(models.own_copy(name), part).directions


@st.cache_resource(max_entries=256, show_spinner=False)
def _nearest(
    name: str,
    stamp: str,
    key: str,
    _face: CarriedFace,
    _train: FaceDataset,
    _parts: list[NDArray[np.float16]],
) -> Neighbours:
    from fermodels.explain import neighbours

    # the ids are those of the whole split: a chunk would count repeated faces anew
    bank = neighbours.FeatureBank(np.concatenate(_parts), _train.ids, _train.labels)
    return neighbours.nearest(
        bank, models.own_copy(name), _face.image, count_of(_train, _face), besides=_face.sample_id
    )
