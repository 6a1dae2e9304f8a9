"""The Activations room's look at one channel: its strongest faces, its silence, its dream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from fermodels import results as fermodels_results
from fermodels.data.dataset import FACE_SHAPE, FaceDataset
from fermodels.errors import FerError
from studio import networks, predictions, snippets, state
from studio.components import download, widgets
from studio.components.text import plain, say_error
from studio.figures import faces as figures_faces
from studio.figures import images, tables
from studio.rooms.activations.layers import STAGES, Responses, View
from studio.state import BOUND

if TYPE_CHECKING:
    from fermodels.xai.dream.dream import Dream
    from fermodels.xai.inspect.channels import ChannelCensus

RECTIFIED = "relu"
"""The stage whose zeros mean silence."""
DREAMED = "channel-dreamed"
"""Where the session remembers which dream was asked for."""
SEEDS = 9999


@widgets.fragment
def inspect(name: str, view: View, responses: Responses) -> None:
    """Let a channel of the layer shown be chosen, and show what excites it.

    Args:
        name: one of `networks.choices()`.
        view: which layer is shown.
        responses: what the network makes of the selected face.
    """
    st.subheader("What excites one channel?", anchor=False)
    if view.stage != RECTIFIED:
        st.caption(
            f"A channel is inspected after {STAGES[RECTIFIED]}, where 0 means silent: choose "
            "that above."
        )
        return
    try:
        draw(name, view.layer, pick_channel(view, responses), state.faces_shown())
    except FerError as error:
        say_error(error)


def draw(name: str, layer: str, number: int, faces: FaceDataset) -> None:
    """Draw a channel's strongest faces, or how to learn them, and beside them its dream."""
    known = channels(name, layer, faces)
    left, right = st.columns([3, 2], gap="large")
    with left:
        if known is None:
            st.info(remedy(name, faces), icon=":material/database:")
        else:
            draw_faces(name, known, number, faces)
    with right:
        offer_dream(name, layer, number)


def pick_channel(view: View, responses: Responses) -> int:
    """Return the channel chosen, else the one that responds most to the selected face."""
    maps = responses.maps[view.layer]
    strongest = responses.ranking(view.layer, strongest_first=True)[0]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = st.number_input(
            f"Channel of {view.block}, 0 to {len(maps) - 1}", 0, len(maps) - 1, None,
            key="channel", placeholder=f"{strongest}: this face's strongest", width=280, **BOUND,
        )  # fmt: skip
        number = strongest if chosen is None else int(chosen)
        peak = float(maps[number].max())
        st.caption(f"In the face above, channel {number} {_peaks(peak)}.")
    return number


def _peaks(peak: float) -> str:
    return f"peaks at {peak:.2f}" if peak > 0 else "is silent"


def draw_faces(name: str, known: Channels, number: int, faces: FaceDataset) -> None:
    """Show the faces that excite a channel most, framed where it peaks, and how often it is on."""
    st.markdown(f"{activity(known, number, faces)} {origin(known)}")
    best = known.strongest(number)
    if best.empty:
        return
    rows = rows_of(faces, best["sample_id"].tolist())
    shown = figures_faces.peak_tiles(
        faces.images[rows], faces.labels[rows].tolist(), best["peak"].tolist(),
        known.pixels(best), known.cell,
    )  # fmt: skip
    title = f"Faces that excite channel {number} of {known.layer} most"
    st.html(images.grid(shown, side=images.crisp_side(48, 96), label=title, columns=3))
    download.export(
        "strongest-faces",
        lambda: best.assign(label=faces.labels[rows]),
        snippets.channel_code(name, known.layer, number, known.split),
        pictures=shown,
        columns=3,
        note="Strongest first; the frame is where it peaks, not how far it sees.",
    )


def rows_of(faces: FaceDataset, ids: Sequence[str]) -> list[int]:
    """Return the rows of sample ids, in the order given."""
    at = {str(faces.ids[row]): int(row) for row in np.flatnonzero(np.isin(faces.ids, ids))}
    return [at[name] for name in ids]


def activity(known: Channels, number: int, faces: FaceDataset) -> str:
    """Return in a sentence how often a channel is above 0, and whether it is dead."""
    looked = f"{known.faces:,} {whose(known.split, faces)}"
    if number in known.dead:
        return f"Channel {number} is **dead**: above 0 nowhere, in none of {looked}."
    share = float(known.active[number])
    return f"Channel {number} is not dead: above 0 somewhere in **{share:.0%}** of {looked}."


def whose(split: str | None, faces: FaceDataset) -> str:
    """Return which faces were looked at, in words."""
    return f"{'' if split is None else split + ' '}faces of {plain(faces.name)}"


def origin(known: Channels) -> str:
    """Return where the strongest faces come from: a record, or a look just now."""
    return f"Its strongest of all {known.faces:,}, as recorded:" if known.recorded else ""


def remedy(name: str, faces: FaceDataset) -> str:
    """Return in a sentence how to learn the strongest faces of a set too large to look at now."""
    many = f"{len(looked_at(faces)):,} {whose(split_of(faces), faces)}"
    if name in networks.names():
        return f"{many} are too many to look at now: `{command(name)}` does it once."
    return (
        f"{many} are too many to look at now, and {plain(name)} is yours: name at most "
        f"{predictions.AT_ONCE:,} faces in the sidebar."
    )


def offer_dream(name: str, layer: str, number: int) -> None:
    """Offer to dream a channel, and show the dream that was asked for."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        seed = st.number_input("Seed", 0, SEEDS, 0, key="channel-seed", width=120, **BOUND)
        pressed = st.button(
            "Dream this channel", key="channel-dream", icon=":material/auto_awesome:"
        )
    about = (networks.stamp(name), layer, number, int(seed))
    if pressed:
        st.session_state[DREAMED] = about
    if st.session_state.get(DREAMED) == about:
        draw_dream(name, layer, number, int(seed))
    else:
        st.caption("From noise to the pattern that excites this channel: about a second.")


def draw_dream(name: str, layer: str, number: int, seed: int) -> None:
    """Draw a channel's dream beside the noise it began with."""
    film = dream(name, layer, number, seed)
    first, last = film.frames[0], film.frames[-1]
    steps = int(film.frame_steps[-1])
    shown = [
        images.Tile(first, "noise", "The noise it began with", f"{film.before:+.3g}"),
        images.Tile(last, f"{steps} steps", f"Dream of channel {number}", f"{film.after:+.3g}"),
    ]
    st.html(images.grid(shown, side=144, label=f"What channel {number} of {layer} wants"))
    download.export(
        "channel-dream", lambda: tables.of_maps({"noise": first, "dream": last}),
        snippets.channel_dream_code(name, layer, number, seed), pictures=shown, columns=2,
        note=f"The numbers: its mean over the picture, in {film.dream_target.layer}.",
    )  # fmt: skip


# --- What excites a layer's channels, recorded or looked up, cached; torch comes with the first


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
    """Whose faces were looked at; None for all of the loaded data."""
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
    """Return what excites the channels of a layer; None if the loaded faces are too many.

    A record is used where it is of this network and of these faces; else a small set is looked
    at now.

    Args:
        name: one of `networks.choices()`.
        layer: a ReLU's dotted name.
        faces: the loaded data.

    Raises:
        CheckpointError: the record is damaged, or the network cannot be loaded.
    """
    record = recorded(name, layer, faces) if name in networks.names() else None
    if record is not None:
        return record
    part = looked_at(faces)
    if len(part) > predictions.AT_ONCE:
        return None
    census = _census(name, part)[layer]
    return _of_census(census, split_of(faces))


def split_of(faces: FaceDataset) -> str | None:
    """Return the split that is looked at; None for all faces."""
    return SPLIT if (faces.splits == SPLIT).any() else None


def looked_at(faces: FaceDataset, split: str | None = None) -> FaceDataset:
    """Return the faces of a split, or of the one that is looked at."""
    return predictions.faces_of_split(faces, split or split_of(faces))


def _of_census(census: ChannelCensus, split: str | None) -> Channels:
    from fermodels.xai.inspect.channels import as_table

    return Channels(
        census.layer, as_table(census), census.side, split, census.faces,
        frozenset(census.dead), census.active, recorded=False,
    )  # fmt: skip


@networks.cached_per_weights(max_entries=16, show_spinner="Computing responses…")
def _census(name: str, faces: FaceDataset) -> dict[str, ChannelCensus]:
    from fermodels.xai.inspect.channels import channel_census

    with networks.computing():
        return channel_census(networks.own_copy(name), faces)


@networks.cached_per_weights(
    max_entries=16,
    reads=lambda name: fermodels_results.results_dir() / f"channels-{name}.parquet",
)
def recorded(name: str, layer: str, faces: FaceDataset) -> Channels | None:
    """Return what was recorded of a bundled network; None without a record of it and these faces.

    Raises:
        CheckpointError: the record is damaged.
    """
    table = fermodels_results.read_result_table(f"channels-{name}")
    about = fermodels_results.read_result(f"channels-{name}")
    if table is None or about is None:
        return None
    with fermodels_results.complete(
        f"channels-{name} in {fermodels_results.results_dir()}", command(name)
    ):
        return _matching(name, layer, table[table["layer"] == layer], about, faces)


def _matching(
    name: str, layer: str, table: pd.DataFrame, about: dict[str, Any], faces: FaceDataset
) -> Channels | None:
    """Return a record if it is of the loaded faces and of this network's weights."""
    split = str(about["split"])
    if about["checkpoint_hash"] != networks.weights_hash(name) or not (faces.splits == split).any():
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
    return f"python -m fermodels.xai.inspect.channels --model {name} --data PATH"


@networks.cached_per_weights(max_entries=128, show_spinner="Dreaming…")
def dream(name: str, layer: str, channel: int, seed: int) -> Dream:
    """Return what one channel wants to see, dreamed from noise; about a second.

    Raises:
        ConfigError: unknown layer or channel.
    """
    from fermodels.xai.inspect.channels import channel_dream

    with networks.computing():
        return channel_dream(networks.own_copy(name), layer, channel, seed)
