"""A network's predictions for the faces of a data set, and the filters of the gallery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from fermodels.nets import catalog
from studio import networks
from studio.components.gallery import Note
from studio.components.text import plain
from studio.theme import EXPRESSION_COLORS

CHUNK = 256
AT_ONCE = 1024
"""Faces that are predicted without asking: a few seconds on a small machine."""
ORDERS = ("shuffled", "original", "most confident first", "least confident first")
FREE_ORDERS = ORDERS[:2]
"""The orders that need no model; ``shuffled`` follows the ids, which come from the pixels."""
OUTCOMES = ("all", "right", "wrong")


@dataclass(frozen=True)
class Filter:
    """What the gallery shows."""

    splits: tuple[str, ...] = ()
    """Splits to show; empty for all."""
    expressions: tuple[str, ...] = ()
    """True labels to show; empty for all."""
    outcome: str = "all"
    """``right`` or ``wrong`` needs predictions; faces without one then drop out."""
    confidence: tuple[float, float] = (0.0, 1.0)
    """Span of the winning probability; anything but all needs predictions."""
    order: str = "shuffled"
    """One of ORDERS."""
    slices: tuple[str, ...] = ()
    """Names in `studio.rooms.dataset.filters.SLICES`, all of which a face must belong to."""

    @property
    def needs_predictions(self) -> bool:
        """Whether a network's predictions decide what is shown."""
        return (
            self.outcome != "all" or self.confidence != (0.0, 1.0) or self.order not in FREE_ORDERS
        )


@networks.cached_per_weights(max_entries=8)
def stored(name: str, faces: FaceDataset) -> NDArray[np.float32]:
    """Return the checkpoint's stored probabilities for these faces ``(N, 7)``; NaN where none."""
    if not networks.has(name, catalog.PREDICTIONS):
        return np.full((len(faces), len(EMOTIONS)), np.nan, np.float32)
    table = networks.predictions(name).drop_duplicates("sample_id").set_index("sample_id")
    rows: pd.DataFrame = table.reindex(faces.ids)[networks.PROBABILITY_COLUMNS]
    return np.asarray(rows, dtype=np.float32)


@st.cache_resource(max_entries=9, show_spinner=False, hash_funcs=networks.HASHES)
def faces_of_split(faces: FaceDataset, split: str | None) -> FaceDataset:
    """Return the faces of a split, or (None) all of them; always the same object."""
    part = faces if split is None else faces.split(split)
    _ = part.ids, part.content_hash  # hashed once, here
    return part


def computed(
    name: str, faces: FaceDataset, rows: NDArray[np.intp], report: Callable[[float], None]
) -> NDArray[np.float32]:
    """Return probabilities ``(len(rows), 7)``, worked out in cached chunks.

    Args:
        name: checkpoint.
        faces: where the rows point to.
        rows: which faces.
        report: called with the share done, 0 to 1.
    """
    parts = []
    for start in range(0, len(rows), CHUNK):
        parts.append(networks.probabilities(name, faces.images[rows[start : start + CHUNK]]))
        report(min(1.0, (start + CHUNK) / len(rows)))
    return np.concatenate(parts)


def of_rows(name: str, faces: FaceDataset, rows: NDArray[np.intp]) -> NDArray[np.float32] | None:
    """Return probabilities ``(len(rows), 7)``: stored ones, or of a small set computed now.

    Args:
        name: checkpoint.
        faces: where the rows point to.
        rows: which faces.

    Returns:
        None where some are not stored and there are more than `AT_ONCE` rows.
    """
    probabilities: NDArray[np.float32] = stored(name, faces)[rows]
    if np.isfinite(probabilities).all():
        return probabilities
    if len(rows) > AT_ONCE:
        return None
    with st.spinner(f"{plain(name)} predicts…"):
        return computed(name, faces, rows, lambda _share: None)


def choose(
    faces: FaceDataset, wanted: Filter, probabilities: NDArray[np.float32] | None
) -> NDArray[np.intp]:
    """Return the rows that a filter lets through, in its order.

    Args:
        faces: all of them.
        wanted: the filter.
        probabilities: ``(N, 7)``, NaN where the network was not run; None for no network.
    """
    keep = np.ones(len(faces), dtype=bool)
    if wanted.splits:
        keep &= np.isin(faces.splits, wanted.splits)
    if wanted.expressions:
        keep &= np.isin(faces.labels, [EMOTIONS.index(name) for name in wanted.expressions])
    confidence = np.zeros(len(faces), dtype=np.float32)
    if probabilities is not None and wanted.needs_predictions:
        confidence = np.nan_to_num(probabilities).max(1)
        keep &= _matches_prediction(faces, wanted, probabilities)
    return _in_order(np.flatnonzero(keep), wanted.order, faces, confidence)


def _matches_prediction(
    faces: FaceDataset, wanted: Filter, probabilities: NDArray[np.float32]
) -> NDArray[np.bool_]:
    predicted = np.isfinite(probabilities[:, 0])
    filled = np.nan_to_num(probabilities)
    low, high = wanted.confidence
    fits = predicted & (filled.max(1) >= low) & (filled.max(1) <= high)
    if wanted.outcome != "all":
        fits &= (filled.argmax(1) == faces.labels) == (wanted.outcome == "right")
    return np.asarray(fits)


def _in_order(
    rows: NDArray[np.intp], order: str, faces: FaceDataset, confidence: NDArray[np.float32]
) -> NDArray[np.intp]:
    if order == "original":
        return rows
    if order == "shuffled":
        digests = [str(name).rpartition("-")[2] for name in faces.ids[rows]]
        return rows[np.argsort(digests, kind="stable")]
    sign = -1 if order == "most confident first" else 1
    return rows[np.argsort(sign * confidence[rows], kind="stable")]


def notes(
    faces: FaceDataset, rows: NDArray[np.intp], probabilities: NDArray[np.float32] | None
) -> list[Note]:
    """Return what stands under each face: its label and, for a network, the prediction."""
    lines = []
    for row in rows:
        truth = EMOTIONS[faces.labels[row]]
        text, tone = truth, EXPRESSION_COLORS[truth]
        if probabilities is not None and np.isfinite(probabilities[row, 0]):
            guess, sure = int(probabilities[row].argmax()), float(probabilities[row].max())
            right = guess == faces.labels[row]
            text = f"{'✓' if right else '✗'} {EMOTIONS[guess]} {sure:.0%}"
            if not right:
                text = f"{truth}\n{text}"
        lines.append(Note(text, tone))
    return lines
