"""What excites a layer's channels, recorded or looked up, cached; torch comes with the first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.faces import FACE_SHAPE, FaceDataset
from fermodels.nets import shelf
from studio import lending, models, results

if TYPE_CHECKING:
    from fermodels.explain.channels import ChannelCensus
    from fermodels.explain.dream import Dream

SPLIT = "test"
"""Whose faces are looked at where the data has such a split; else all of them."""


@dataclass(frozen=True, eq=False)
class Channels:
    """What is known of the C channels of one layer."""

    layer: str
    table: pd.DataFrame
    """One row per channel and rank: channel, rank, sample_id, peak, row and column in the map."""
    side: int
    """Side of the layer's map."""
    split: str | None
    """Whose faces were looked at; None for all of the data at hand."""
    faces: int
    """How many were looked at."""
    dead: frozenset[int]
    """Channels that were above 0 nowhere, in no face."""
    active: NDArray[np.float32]
    """``(C,)``: share of the faces in which the channel is above 0 anywhere."""
    recorded: bool
    """Whether the strongest faces come from a file."""

    @property
    def cell(self) -> float:
        """Side of one place of the map, in pixels of the face."""
        return FACE_SHAPE[0] / self.side

    def strongest(self, channel: int) -> pd.DataFrame:
        """Return a channel's faces, strongest first, without those that leave it silent."""
        one = self.table[(self.table["channel"] == channel) & (self.table["peak"] > 0)]
        return one.sort_values("rank")

    def pixels(self, places: pd.DataFrame) -> list[tuple[float, float]]:
        """Return where peaks lie on the face: the centres of their cells, rows and columns."""
        at = (places[["row", "column"]].to_numpy() + 0.5) * self.cell - 0.5
        return [(float(row), float(column)) for row, column in at]


def channels(name: str, layer: str, faces: FaceDataset) -> Channels | None:
    """Return what excites the channels of a layer; None if the faces at hand are too many.

    A record is used where it is of this network and of these faces; else a small set is looked
    at now.

    Args:
        name: one of `models.choices()`.
        layer: a ReLU's dotted name.
        faces: the data at hand.

    Raises:
        CheckpointError: the record is damaged, or the network cannot be loaded.
    """
    found = recorded(name, layer, faces) if name in models.names() else None
    if found is not None:
        return found
    part = looked_at(faces)
    if len(part) > results.AT_ONCE:
        return None
    census = _census(name, models.stamp(name), part.content_hash, part)[layer]
    return _of_census(census, split_of(faces))


def split_of(faces: FaceDataset) -> str | None:
    """Return the split that is looked at; None for all faces."""
    return SPLIT if (faces.splits == SPLIT).any() else None


def looked_at(faces: FaceDataset, split: str | None = None) -> FaceDataset:
    """Return the faces of a split, or of the one that is looked at."""
    return results.part(faces, split or split_of(faces))


def _of_census(census: ChannelCensus, split: str | None) -> Channels:
    from fermodels.explain.channels import as_table

    return Channels(
        census.layer, as_table(census), census.side, split, census.faces,
        frozenset(census.dead), census.active, recorded=False,
    )  # fmt: skip


@st.cache_resource(max_entries=16, show_spinner="Looking at the faces…")
def _census(name: str, stamp: str, key: str, _faces: FaceDataset) -> dict[str, ChannelCensus]:
    from fermodels.explain.channels import channel_census

    with lending.computing():
        return channel_census(models.own_copy(name), _faces)


def recorded(name: str, layer: str, faces: FaceDataset) -> Channels | None:
    """Return what was recorded of a bundled network; None without a record of it and these faces.

    Raises:
        CheckpointError: the record is damaged.
    """
    path = shelf.results_dir() / f"channels-{name}.parquet"
    if not path.is_file():
        return None
    changed = f"{path} {path.stat().st_mtime_ns}"
    return _recorded(name, models.stamp(name), changed, layer, faces.content_hash, faces)


@st.cache_resource(max_entries=16, show_spinner="Looking at the faces…")
def _recorded(
    name: str, stamp: str, changed: str, layer: str, key: str, _faces: FaceDataset
) -> Channels | None:
    table = shelf.read_result_table(f"channels-{name}")
    about = shelf.read_result(f"channels-{name}")
    if table is None or about is None:
        return None
    with shelf.complete(f"channels-{name} in {shelf.results_dir()}", command(name)):
        return _held_to(name, layer, table[table["layer"] == layer], about, _faces)


def _held_to(
    name: str, layer: str, table: pd.DataFrame, about: dict[str, Any], faces: FaceDataset
) -> Channels | None:
    """Return a record if it is of the faces at hand and of this network's weights."""
    split = str(about["split"])
    if about["checkpoint_hash"] != models.weights_hash(name) or not (faces.splits == split).any():
        return None
    if about["faces_hash"] != looked_at(faces, split).content_hash:
        return None
    return Channels(
        layer, table, int(about["sides"][layer]), split, int(about["faces"]),
        frozenset(about["dead"][layer]), np.array(about["active"][layer], np.float32),
        recorded=True,
    )  # fmt: skip


def command(name: str) -> str:
    """Return the command that records a bundled network's channels."""
    return f"python -m fermodels.explain.channels --model {name} --data PATH"


def dream(name: str, layer: str, channel: int, seed: int) -> Dream:
    """Return what one channel wants to see, dreamed from noise; about a second.

    Raises:
        ConfigError: unknown layer or channel.
    """
    return _dream(name, models.stamp(name), layer, channel, seed)


@st.cache_resource(max_entries=128, show_spinner="Dreaming…")
def _dream(name: str, stamp: str, layer: str, channel: int, seed: int) -> Dream:
    from fermodels.explain.channels import channel_dream

    with lending.computing():
        return channel_dream(models.own_copy(name), layer, channel, seed)
