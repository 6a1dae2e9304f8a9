"""A fast gallery: one sprite of many faces, each a button, keyboard and screen reader included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from studio.figures import images as figures_images
from studio.theme import EXPRESSION_COLORS, asset

COLUMNS_IN_SPRITE = 16


_component = st.components.v2.component(
    "fer_gallery",
    html='<div class="grid" role="group" aria-label="Faces"></div>',
    css=asset("gallery.css"),
    js=asset("gallery.js"),
)


@dataclass(frozen=True)
class Note:
    """What is written under one face of a gallery."""

    text: str
    """A few characters, such as ``sad 62%``; lines are kept."""
    tone: str
    """CSS colour of the line under the face."""


def sprite(images: NDArray[np.uint8], columns: int = COLUMNS_IN_SPRITE) -> NDArray[np.uint8]:
    """Tile faces ``(N, 48, 48)`` row by row into one uint8 picture, the rest black."""
    n, high, wide = images.shape
    rows = -(-n // columns)
    tiles = np.zeros((rows * columns, high, wide), dtype=np.uint8)
    tiles[:n] = images
    return tiles.reshape(rows, columns, high, wide).swapaxes(1, 2).reshape(rows * high, -1)


def gallery(
    faces: FaceDataset,
    rows: NDArray[np.intp],
    *,
    key: str,
    notes: list[Note] | None = None,
    selected: str | None = None,
    side: int = 80,
) -> int | None:
    """Show the faces of `rows` as buttons and return the row clicked in this run, else None.

    Args:
        faces: where the rows point to.
        rows: which faces, in order; a few hundred at most per call.
        key: unique in the page.
        notes: one per row; by default the label's name and colour.
        selected: sample id to mark.
        side: smallest width of a face on screen, in CSS pixels.
    """
    if len(rows) == 0:
        return None
    ids = [str(name) for name in faces.ids[rows]]
    shown = notes or [_label_note(int(label)) for label in faces.labels[rows]]
    cells = [
        {
            "id": name,
            "note": note.text,
            "tone": note.tone,
            "label": f"{note.text} ({name})".replace("\n", ", "),
        }
        for name, note in zip(ids, shown, strict=True)
    ]
    columns = min(COLUMNS_IN_SPRITE, len(rows))
    picture = figures_images.data_uri(sprite(faces.images[rows], columns))
    data = {
        "sprite": picture,
        "across": columns,
        "cells": cells,
        "selected": selected,
        "side": side,
    }
    result = _component(key=key, data=data, on_picked_change=lambda: None)
    picked = result.picked
    return int(rows[ids.index(picked)]) if picked in ids else None


def _label_note(label: int) -> Note:
    return Note(EMOTIONS[label], EXPRESSION_COLORS[EMOTIONS[label]])
