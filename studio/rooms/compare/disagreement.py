"""The disagreement lab: the faces on which two networks differ, and why each says what it says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from studio import explanations, networks, predictions, state, theme
from studio.components import widgets
from studio.components.gallery import Note, gallery
from studio.components.text import plain
from studio.explanations import MapRequest, MethodMap
from studio.figures import images

MOST = 48
"""Faces shown of one cell."""
METHOD, BASELINE = "integrated-gradients", "mean-face"
"""Complete, so that two networks' maps are in one unit: parts of a logit difference."""


@dataclass(frozen=True, eq=False)
class PairPredictions:
    """What two networks say of the faces of a split."""

    rows: NDArray[np.intp]
    """``(N,)``: which faces of the data at hand."""
    first: NDArray[np.float32]
    """``(N, 7)``."""
    second: NDArray[np.float32]
    """``(N, 7)``."""


def predictions_of_pair(
    pair: tuple[str, str], split: str, faces: FaceDataset
) -> PairPredictions | None:
    """Return both networks' answers on a split of the data at hand; None if that is too many.

    Stored answers are used where they are complete; a small set is asked about now.
    """
    rows = np.flatnonzero(faces.splits == split)
    first, second = (predictions.of_rows(name, faces, rows) for name in pair)
    return None if first is None or second is None else PairPredictions(rows, first, second)


def flipped(
    found: PairPredictions, labels: NDArray[np.int64], truth: int, guess: int
) -> NDArray[np.intp]:
    """Return positions in `found` of faces labelled `truth` that only one network calls `guess`.

    Args:
        found: both networks' answers.
        labels: of all faces of the data at hand.
        truth: class index of the label.
        guess: class index of the answer.
    """
    one, other = found.first.argmax(1) == guess, found.second.argmax(1) == guess
    return np.flatnonzero((labels[found.rows] == truth) & (one != other))


def flipped_where_scored(pair: tuple[str, str], split: str, truth: str, guess: str) -> int:
    """Return how many faces `flipped` finds in what both networks recorded when scored."""
    kept = [
        table[table["split"] == split].drop_duplicates("sample_id").set_index("sample_id")
        for table in map(networks.predictions, pair)
    ]
    both = kept[0].index.intersection(kept[1].index)
    first, second = (table.loc[both, networks.PROBABILITY_COLUMNS].to_numpy() for table in kept)
    found = PairPredictions(np.arange(len(both)), first, second)
    labels = kept[0].loc[both, "label"].to_numpy()
    return len(flipped(found, labels, EMOTIONS.index(truth), EMOTIONS.index(guess)))


def disagreement_lab(
    pair: tuple[str, str], split: str, faces: FaceDataset, cell: tuple[str, str]
) -> None:
    """Show the faces that flipped in a cell of the difference, and explain the one picked."""
    truth, guess = cell
    found = predictions_of_pair(pair, split, faces)
    if found is None or len(found.rows) == 0:
        lacks = (
            f"has no {split} faces" if found else f"has {split} faces without stored predictions"
        )
        st.info(
            f"{plain(faces.name)} {lacks}: enter the path of the FER-2013 that both networks were "
            f"scored on, or of at most {predictions.AT_ONCE:,} {split} faces, under **Dataset** in "
            "the sidebar.",
            icon=":material/database:",
        )
        return
    here = flipped(found, faces.labels, EMOTIONS.index(truth), EMOTIONS.index(guess))
    st.markdown(
        f"**{truth}** faces of {plain(faces.name)} that only one of the two called **{guess}**: "
        f"{len(here):,} of {int((faces.labels[found.rows] == EMOTIONS.index(truth)).sum()):,}"
    )
    if not all(np.isfinite(predictions.stored(name, faces)[found.rows]).any() for name in pair):
        st.caption(
            f"Of the faces that the networks were scored on it is "
            f"{flipped_where_scored(pair, split, truth, guess):,}. {widgets.how_to_see_scored()}"
        )
    key = f"flipped-{truth}-{guess}"
    if len(here) == 0:
        here, key = np.flatnonzero(found.first.argmax(1) != found.second.argmax(1)), "differing"
        st.markdown(
            f"Here they predict the same; on {len(here):,} of all {len(found.rows):,} {split} "
            "faces "
            "they do not."
        )
    shown = here[:MOST]
    picked = gallery(faces, found.rows[shown], key=key, notes=_notes(pair, found, shown))
    if picked is not None:
        st.session_state["disagreed"] = int(picked)
    at = np.flatnonzero(found.rows[here] == st.session_state.get("disagreed"))
    if len(at) == 0:
        return
    place = here[at[0]]
    if key == "differing":
        guess, truth = (EMOTIONS[int(p[place].argmax())] for p in (found.first, found.second))
    explain(pair, faces, int(found.rows[place]), truth, guess)


def _notes(pair: tuple[str, str], found: PairPredictions, shown: NDArray[np.intp]) -> list[Note]:
    notes = []
    for k in shown:
        says = [int(p[k].argmax()) for p in (found.first, found.second)]
        text = "\n".join(f"{n}: {EMOTIONS[s]}" for n, s in zip(pair, says, strict=True))
        notes.append(Note(text, theme.EXPRESSION_COLORS[EMOTIONS[says[0]]]))
    return notes


def explain(pair: tuple[str, str], faces: FaceDataset, row: int, truth: str, guess: str) -> None:
    """Draw, for each network, what spoke for the one class rather than the other, and the rest."""
    if truth == guess:
        other = _rival(pair, faces.images[row], EMOTIONS.index(guess))
    else:
        other = EMOTIONS.index(truth)
    face, target = faces.images[row], EMOTIONS.index(guess)
    asked = MapRequest(METHOD, target, BASELINE, contrast_class=other)
    found = {name: explanations.attribution(name, face, asked) for name in pair}
    st.subheader(f"Why {guess} rather than {EMOTIONS[other]}?", anchor=False)
    st.markdown(
        "Integrated gradients of the difference of the two logits, on one scale: amber is evidence "
        f"for {guess}, blue for {EMOTIONS[other]}. The last map is the first network's minus the "
        "second's: where they disagree about this face."
    )
    _draw(face, found)
    state.carry(state.face_at(faces, row))


def _rival(pair: tuple[str, str], face: NDArray[np.uint8], target: int) -> int:
    """Return what the network that does not say `target` says instead."""
    said = [int(networks.probabilities(name, face).argmax()) for name in pair]
    return next((k for k in said if k != target), (target + 1) % len(EMOTIONS))


def _draw(face: NDArray[np.uint8], found: dict[str, MethodMap]) -> None:
    first, second = found.values()
    values = {name: m.attribution for name, m in found.items()}
    values["difference"] = first.attribution - second.attribution
    limit, table = images.common_limit(list(values.values())), images.colour_table(theme.DIVERGING)
    st.html(images.scale_bar(limit, table, signed=True, unit="logit per pixel; one scale for all"))
    pictures = [images.Tile(face, "the face", "The explained face")]
    for name, value in values.items():
        note = _sum_of(name, found, value)
        pixels = images.overlay(face, value, limit, table, 0.85, signed=True)
        pictures.append(images.Tile(pixels, name, f"Map of {name}. {note}", note))
    st.html(images.grid(pictures, side=192, label="Maps of the two networks and their difference"))


def _sum_of(name: str, found: dict[str, MethodMap], value: NDArray[np.float32]) -> str:
    total = f"sum {float(value.sum()):+.2f} logits"
    error = found[name].completeness_error if name in found else None
    return total if error is None else f"{total}, completeness gap {error:.1%}"
