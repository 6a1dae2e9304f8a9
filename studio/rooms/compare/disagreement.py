"""The disagreement lab: the faces on which two networks differ, and why."""

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
    """The probabilities of two networks for the faces of a split."""

    rows: NDArray[np.intp]
    """``(N,)``: which faces of the loaded data."""
    first: NDArray[np.float32]
    """``(N, 7)``."""
    second: NDArray[np.float32]
    """``(N, 7)``."""


def predictions_of_pair(
    pair: tuple[str, str], split: str, faces: FaceDataset
) -> PairPredictions | None:
    """Return both networks' predictions on a split; None if they are too many to compute now.

    Stored predictions are used where they are complete; a small set is predicted now.
    """
    rows = np.flatnonzero(faces.splits == split)
    first, second = (predictions.of_rows(name, faces, rows) for name in pair)
    return None if first is None or second is None else PairPredictions(rows, first, second)


def flipped(
    predicted: PairPredictions, labels: NDArray[np.int64], truth: int, guess: int
) -> NDArray[np.intp]:
    """Return positions in `predicted` of faces labelled `truth` that one network calls `guess`.

    The other network predicts something else.

    Args:
        predicted: both networks' predictions.
        labels: of all faces of the loaded data.
        truth: class index of the label.
        guess: class index of the answer.
    """
    one, other = predicted.first.argmax(1) == guess, predicted.second.argmax(1) == guess
    return np.flatnonzero((labels[predicted.rows] == truth) & (one != other))


def flipped_where_scored(pair: tuple[str, str], split: str, truth: str, guess: str) -> int:
    """Return how many faces `flipped` finds in what both networks recorded when scored."""
    stored = [
        table[table["split"] == split].drop_duplicates("sample_id").set_index("sample_id")
        for table in map(networks.predictions, pair)
    ]
    both = stored[0].index.intersection(stored[1].index)
    first, second = (table.loc[both, networks.PROBABILITY_COLUMNS].to_numpy() for table in stored)
    predicted = PairPredictions(np.arange(len(both)), first, second)
    labels = stored[0].loc[both, "label"].to_numpy()
    return len(flipped(predicted, labels, EMOTIONS.index(truth), EMOTIONS.index(guess)))


def disagreement_lab(
    pair: tuple[str, str], split: str, faces: FaceDataset, cell: tuple[str, str]
) -> None:
    """Show the faces that flipped in a cell of the difference, and explain the one picked."""
    truth, guess = cell
    predicted = predictions_of_pair(pair, split, faces)
    if predicted is None or len(predicted.rows) == 0:
        lacks = "no" if predicted else "no stored predictions for its"
        st.info(
            f"{plain(faces.name)} has {lacks} {split} faces: enter the path of the FER-2013 that "
            f"both networks were scored on, or of at most {predictions.AT_ONCE:,} {split} faces, "
            "under **Dataset** in the sidebar.",
            icon=":material/database:",
        )
        return
    flips = flipped(predicted, faces.labels, EMOTIONS.index(truth), EMOTIONS.index(guess))
    st.markdown(
        f"**{truth}** faces of {plain(faces.name)} that only one of the two called **{guess}**: "
        f"{len(flips):,} of {int((faces.labels[predicted.rows] == EMOTIONS.index(truth)).sum()):,}"
    )
    if not all(np.isfinite(predictions.stored(name, faces)[predicted.rows]).any() for name in pair):
        st.caption(
            f"Of the faces that the networks were scored on it is "
            f"{flipped_where_scored(pair, split, truth, guess):,}. {widgets.how_to_see_scored()}"
        )
    key = f"flipped-{truth}-{guess}"
    if len(flips) == 0:
        key = "differing"
        flips = np.flatnonzero(predicted.first.argmax(1) != predicted.second.argmax(1))
        st.markdown(
            f"Here they predict the same; on {len(flips):,} of all {len(predicted.rows):,} "
            f"{split} faces they do not."
        )
    shown = flips[:MOST]
    picked = gallery(faces, predicted.rows[shown], key=key, notes=_notes(pair, predicted, shown))
    if picked is not None:
        st.session_state["disagreed"] = int(picked)
    at = np.flatnonzero(predicted.rows[flips] == st.session_state.get("disagreed"))
    if len(at) == 0:
        return
    place = flips[at[0]]
    if key == "differing":
        guess, truth = (
            EMOTIONS[int(p[place].argmax())] for p in (predicted.first, predicted.second)
        )
    explain(pair, faces, int(predicted.rows[place]), truth, guess)


def _notes(
    pair: tuple[str, str], predicted: PairPredictions, shown: NDArray[np.intp]
) -> list[Note]:
    notes = []
    for k in shown:
        classes = [int(p[k].argmax()) for p in (predicted.first, predicted.second)]
        text = "\n".join(f"{n}: {EMOTIONS[s]}" for n, s in zip(pair, classes, strict=True))
        notes.append(Note(text, theme.EXPRESSION_COLORS[EMOTIONS[classes[0]]]))
    return notes


def explain(pair: tuple[str, str], faces: FaceDataset, row: int, truth: str, guess: str) -> None:
    """Draw the evidence of each network for one class rather than the other, and the difference."""
    if truth == guess:
        other = _rival(pair, faces.images[row], EMOTIONS.index(guess))
    else:
        other = EMOTIONS.index(truth)
    face, target = faces.images[row], EMOTIONS.index(guess)
    request = MapRequest(METHOD, target, BASELINE, contrast_class=other)
    maps = {name: explanations.attribution(name, face, request) for name in pair}
    st.subheader(f"Why {guess} rather than {EMOTIONS[other]}?", anchor=False)
    st.markdown(
        "Integrated gradients of the difference of the two logits, on one scale: amber is evidence "
        f"for {guess}, blue for {EMOTIONS[other]}. The last map is the first network's minus the "
        "second's: where they disagree about this face."
    )
    _draw(face, maps)
    state.select_face(state.face_at(faces, row))


def _rival(pair: tuple[str, str], face: NDArray[np.uint8], target: int) -> int:
    """Return what the network that does not say `target` says instead."""
    predicted = [int(networks.probabilities(name, face).argmax()) for name in pair]
    return next((k for k in predicted if k != target), (target + 1) % len(EMOTIONS))


def _draw(face: NDArray[np.uint8], maps: dict[str, MethodMap]) -> None:
    first, second = maps.values()
    values = {name: m.attribution for name, m in maps.items()}
    values["difference"] = first.attribution - second.attribution
    limit, table = images.common_limit(list(values.values())), images.colour_table(theme.DIVERGING)
    st.html(images.scale_bar(limit, table, signed=True, unit="logit per pixel; one scale for all"))
    pictures = [images.Tile(face, "the face", "The explained face")]
    for name, value in values.items():
        note = _sum_of(name, maps, value)
        pixels = images.overlay(face, value, limit, table, 0.85, signed=True)
        pictures.append(images.Tile(pixels, name, f"Map of {name}. {note}", note))
    st.html(images.grid(pictures, side=192, label="Maps of the two networks and their difference"))


def _sum_of(name: str, maps: dict[str, MethodMap], value: NDArray[np.float32]) -> str:
    total = f"sum {float(value.sum()):+.2f} logits"
    error = maps[name].completeness_error if name in maps else None
    return total if error is None else f"{total}, completeness gap {error:.1%}"
