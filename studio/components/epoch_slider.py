"""One slider over the epochs that were recorded, and what was recorded after the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from fermodels.nets import catalog
from studio import networks, snippets
from studio.components import download, widgets
from studio.figures import charts, heatmaps
from studio.state import BOUND

HELP = "The same slider in Training, Filters and Activations; the address keeps it."


@dataclass(frozen=True, eq=False)
class Record:
    """What a network's history holds, epoch by epoch."""

    epochs: tuple[int, ...]
    """Epoch numbers, ascending."""
    layers: tuple[str, ...]
    """Conv layers, first to last."""
    sparsity: NDArray[np.float64]
    """``(E, L)``: share of exact zeros after ReLU, on validation faces."""
    entropy: NDArray[np.float64]
    """``(E, L)``: how widely a layer's response spreads, 0 to 1; NaN where silent."""
    confusion_matrix: NDArray[np.int64] | None
    """``(E, 7, 7)`` on validation, rows true; None where the history holds none."""
    accuracy: NDArray[np.float64]
    """``(E,)`` on validation; NaN where the history holds none."""

    def index(self, epoch: int) -> int:
        """Return the row of the recorded epoch nearest to `epoch`."""
        return int(np.abs(np.array(self.epochs) - epoch).argmin())


@networks.cached_per_weights(max_entries=16)
def record(name: str) -> Record:
    """Return what a network's history holds, epoch by epoch.

    Raises:
        CheckpointError: it has no history.
    """
    return of_epochs(networks.history(name).epochs)


def of_epochs(epochs: pd.DataFrame) -> Record:
    """Return the record in a `History.epochs` table."""
    count = len(epochs)
    cells = epochs.get("confusion_matrix")
    accuracy = epochs.get("validation_accuracy", pd.Series([np.nan] * count))
    return Record(
        tuple(int(n) for n in epochs["epoch"]),
        # Plotly renders tags, links too, and a visitor's network names its layers as it likes.
        tuple(escape(str(layer)) for layer in epochs["layers"].iloc[-1]),
        np.array(epochs["sparsity"].tolist(), dtype=float),
        np.array(epochs["entropy"].tolist(), dtype=float),
        None if cells is None else np.array(cells.tolist(), dtype=np.int64).reshape(count, 7, 7),
        accuracy.to_numpy(dtype=float),
    )


def pick_epoch(epochs: Sequence[int]) -> int:
    """Return the epoch chosen, the last unless the address or the visitor says otherwise."""
    first, last = epochs[0], epochs[-1]
    if first == last:
        st.caption(f"One epoch was recorded: {last}.")
        return last
    chosen = st.session_state.get("epoch")
    if isinstance(chosen, int) and not first <= chosen <= last:
        st.session_state["epoch"] = last  # chosen for a network that learned longer
    return int(st.slider("Epoch", first, last, last, key="epoch", help=HELP, **BOUND))


def through(name: str, *, block: str | None = None) -> None:
    """Draw the slider and what it drives for one network, or say that it has no history.

    Args:
        name: one of `networks.choices()`.
        block: a layer to mark.
    """
    if widgets.lacks(name, catalog.HISTORY, "what was recorded while it learned"):
        return
    history = record(name)
    draw(name, history, pick_epoch(history.epochs), block=block)


def draw(
    name: str, history: Record, epoch: int, *, block: str | None = None, code: str | None = None
) -> None:
    """Draw an epoch's sparsity and spatial entropy by layer, and its confusion matrix.

    Args:
        name: whose record it is.
        history: the record.
        epoch: which one.
        block: a layer to mark.
        code: Python that reads the record; the checkpoint's by default.
    """
    at = history.index(epoch)
    code = code or snippets.evidence_code(name, history.epochs[at])
    left, right = st.columns(2, gap="large")
    with left:
        _draw_layers(name, history, at, block, code)
    with right:
        _draw_confusion(name, history, at, code)


def _draw_layers(name: str, history: Record, at: int, block: str | None, code: str) -> None:
    """Draw both quantities over depth, the chosen epoch against the last."""
    both = {"sparsity": history.sparsity, "spatial entropy": history.entropy}
    lines = {
        f"{title}, epoch {history.epochs[when]}": values[when].tolist()
        for when in dict.fromkeys((at, len(history.epochs) - 1))
        for title, values in both.items()
    }
    fig = charts.lines_by_layer(
        history.layers, lines, title="share", chosen=block, height=440, group=len(both)
    )
    alt = f"Sparsity and spatial entropy per layer of {name} after epoch {history.epochs[at]}"
    note = (
        "On 64 validation faces. Sparsity: share of exact zeros after ReLU. Spatial entropy: "
        "0% = one pixel, 100% = uniform."
    )
    download.show(fig, "layers-at-epoch", alt, code=code, note=note)


def _draw_confusion(name: str, history: Record, at: int, code: str) -> None:
    if history.confusion_matrix is None:
        st.info("No confusion matrix was recorded for this network's epochs.")
        return
    fig = heatmaps.matrix(history.confusion_matrix[at], shares=True, height=440)
    alt = f"Confusion matrix of {name} on validation after epoch {history.epochs[at]}"
    note = (
        f"Validation after epoch {history.epochs[at]}, % of each row: "
        f"{history.accuracy[at]:.1%} of all faces right."
    )
    download.show(fig, "confusion-at-epoch", alt, code=code, note=note)
