"""The Activations room's look at one channel: its strongest faces, its silence, its dream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from fermodels.data.faces import FaceDataset
from fermodels.errors import FerError
from studio import channel_asks, insides, models, parts, results, snippets, widgets
from studio.activation_view import STAGES, View
from studio.channel_asks import Channels
from studio.figures import examples, tables, tiles
from studio.insides import Responses
from studio.plain import plain, say_error
from studio.widgets import BOUND

RECTIFIED = "relu"
"""The stage whose zeros mean silence."""
DREAMED = "channel-dreamed"
"""Where the session remembers which dream was asked for."""
SEEDS = 9999


@parts.fragment
def inspect(name: str, view: View, found: Responses) -> None:
    """Let a channel of the layer shown be chosen, and show what excites it.

    Args:
        name: one of `models.choices()`.
        view: which layer is shown.
        found: what the network makes of the face in hand.
    """
    st.subheader("What excites one channel?", anchor=False)
    if view.stage != RECTIFIED:
        st.caption(
            f"One channel is looked at after {STAGES[RECTIFIED]}, where 0 means silent: choose "
            "that above."
        )
        return
    try:
        draw(name, view.layer, pick_channel(view, found), insides.faces_shown())
    except FerError as error:
        say_error(error)


def draw(name: str, layer: str, number: int, faces: FaceDataset) -> None:
    """Draw a channel's strongest faces, or how to learn them, and beside them its dream."""
    known = channel_asks.channels(name, layer, faces)
    left, right = st.columns([3, 2], gap="large")
    with left:
        if known is None:
            st.info(remedy(name, faces), icon=":material/database:")
        else:
            draw_faces(name, known, number, faces)
    with right:
        offer_dream(name, layer, number)


def pick_channel(view: View, found: Responses) -> int:
    """Return the channel chosen, else the one that answers the face in hand most."""
    maps = found.maps[view.layer]
    strongest = found.ranking(view.layer, strongest_first=True)[0]
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
    shown = examples.peak_tiles(
        faces.images[rows], faces.labels[rows].tolist(), best["peak"].tolist(),
        known.pixels(best), known.cell,
    )  # fmt: skip
    title = f"Faces that excite channel {number} of {known.layer} most"
    st.html(tiles.grid(shown, side=tiles.crisp_side(48, 96), label=title, columns=3))
    widgets.take_home(
        "strongest-faces",
        lambda: best.assign(label=faces.labels[rows]),
        snippets.channel(name, known.layer, number, known.split),
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
    many = f"{len(channel_asks.looked_at(faces)):,} {whose(channel_asks.split_of(faces), faces)}"
    if name in models.names():
        return f"{many} are too many to look at now: `{channel_asks.command(name)}` does it once."
    return (
        f"{many} are too many to look at now, and {plain(name)} is yours: name at most "
        f"{results.AT_ONCE:,} faces in the sidebar."
    )


def offer_dream(name: str, layer: str, number: int) -> None:
    """Offer to dream a channel, and show the dream that was asked for."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        seed = st.number_input("Seed", 0, SEEDS, 0, key="channel-seed", width=120, **BOUND)
        pressed = st.button(
            "Dream this channel", key="channel-dream", icon=":material/auto_awesome:"
        )
    about = (models.stamp(name), layer, number, int(seed))
    if pressed:
        st.session_state[DREAMED] = about
    if st.session_state.get(DREAMED) == about:
        draw_dream(name, layer, number, int(seed))
    else:
        st.caption("From noise to the pattern that excites this channel: about a second.")


def draw_dream(name: str, layer: str, number: int, seed: int) -> None:
    """Draw a channel's dream beside the noise it began with."""
    found = channel_asks.dream(name, layer, number, seed)
    first, last = found.frames[0], found.frames[-1]
    steps = int(found.frame_steps[-1])
    shown = [
        tiles.Tile(first, "noise", "The noise it began with", f"{found.before:+.3g}"),
        tiles.Tile(last, f"{steps} steps", f"Dream of channel {number}", f"{found.after:+.3g}"),
    ]
    st.html(tiles.grid(shown, side=144, label=f"What channel {number} of {layer} wants"))
    widgets.take_home(
        "channel-dream", lambda: tables.of_maps({"noise": first, "dream": last}),
        snippets.channel_dream(name, layer, number, seed), pictures=shown, columns=2,
        note=f"The numbers: its mean over the picture, in {found.aim.layer}.",
    )  # fmt: skip
