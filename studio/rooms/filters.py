"""The filters room's grids and its curves over the epochs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.nets import catalog
from studio import networks, snippets
from studio.components import download, widgets
from studio.figures import faces, images, tables
from studio.theme import DIVERGING


def draw_filters(name: str, record: FilterRecord, epoch: int) -> None:
    """Draw the filters as they began beside those after one epoch, on one scale."""
    if len(record.epochs) == 1:
        widgets.lacks(name, catalog.HISTORY, "filters epoch by epoch; these are its filters today")
        pictures = _grid("Filters of this network", record, record.epochs[0])
    else:
        first = record.epochs[0]
        left, right = st.columns(2, gap="large")
        with left:
            _grid(f"After epoch {first} (these are not the initial weights)", record, first)
        with right:
            pictures = _grid(f"After epoch {epoch}", record, epoch)
    table = images.colour_table(DIVERGING)
    unit = "weight, one scale for all filters and epochs of this network"
    st.html(images.scale_bar(record.limit, table, signed=True, unit=unit))
    weights = record.at(epoch).weights
    download.export(
        "filters",
        lambda: tables.of_maps({f"filter {i}": kernel for i, kernel in enumerate(weights)}),
        _code(name, record, epoch),
        pictures=pictures,
        columns=8,
    )


def _grid(title: str, record: FilterRecord, epoch: int) -> list[images.Tile]:
    """Draw the filters after one epoch and return their pictures."""
    st.subheader(title, anchor=False)
    layer = record.at(epoch)
    side = images.crisp_side(layer.weights.shape[-1], 54)
    pictures = faces.filter_tiles(layer.weights, record.limit, layer.notes, layer.dead)
    st.html(images.grid(pictures, side=side, label=title, columns=5))
    return pictures


def _code(name: str, record: FilterRecord, epoch: int) -> str:
    if len(record.epochs) > 1:
        return snippets.evidence_code(name, epoch)
    return (
        f"import fermodels\n\n{snippets.net(name)}"
        "filters = net.get_parameter('conv1.conv.weight').detach().numpy()\n"
    )


def draw_trends(name: str, record: FilterRecord) -> None:
    """Draw smoothness and health of the filters over the epochs."""
    st.subheader("Did they become smooth?", anchor=False)
    code = _code(name, record, record.epochs[-1])
    left, right = st.columns(2, gap="large")
    with left:
        fig = faces.trend(
            record.epochs, {"mean of all filters": record.smoothness},
            title="low-frequency energy", percent=True, reference=(record.noise, "white noise"),
        )  # fmt: skip
        alt = "Smoothness of the first filters per epoch"
        download.show(fig, "filter-smoothness", alt, code=code)
    with right:
        counts = {"dead": record.dead, "copies": record.copies}
        fig = faces.trend(record.epochs, counts, title="filters")
        download.show(fig, "filter-health", "Dead and copied filters per epoch", code=code)
    st.caption(
        "Smoothness: share of a filter's spectral energy in waves longer than 4 pixels. Dead: a "
        "norm below 1% of the largest. Copy: a cosine above 0.95 with an earlier filter, or "
        "below -0.95 with its inverse."
    )


@dataclass(frozen=True, eq=False)
class FirstLayer:
    """The first layer after one epoch."""

    weights: NDArray[np.float32]
    """``(F, k, k)``."""
    smoothness: float
    """Mean share of spectral energy at low frequencies, 0..1."""
    dead: tuple[int, ...]
    """Filters with next to no weight."""
    similarities: dict[int, str]
    """Filter -> which earlier one it copies, or is the negative of, in a word or two."""

    @property
    def notes(self) -> dict[int, str]:
        """What is amiss, filter by filter."""
        return self.similarities | dict.fromkeys(self.dead, "dead")


@dataclass(frozen=True, eq=False)
class FilterRecord:
    """The first layer at every recorded epoch."""

    epochs: tuple[int, ...]
    """Epoch numbers, ascending."""
    filters: tuple[FirstLayer, ...]
    """One per epoch."""
    limit: float
    """The largest absolute weight of all epochs: full colour."""
    noise: float
    """The smoothness that white noise has."""

    def at(self, epoch: int) -> FirstLayer:
        """Return the filters after the recorded epoch nearest to `epoch`."""
        return self.filters[int(np.abs(np.array(self.epochs) - epoch).argmin())]

    @property
    def smoothness(self) -> list[float]:
        """Per epoch."""
        return [layer.smoothness for layer in self.filters]

    @property
    def dead(self) -> list[int]:
        """Number of dead filters per epoch."""
        return [len(layer.dead) for layer in self.filters]

    @property
    def copies(self) -> list[int]:
        """Number of copies per epoch."""
        return [len(layer.similarities) for layer in self.filters]


@networks.cached_per_weights(max_entries=16)
def filter_record(name: str) -> FilterRecord:
    """Return a model's recorded first-layer filters, audited; without a history, those it has.

    Raises:
        CheckpointError: its history holds none.
    """
    from fermodels.nets.catalog import History
    from fermodels.xai.inspect.filters import WHITE_SMOOTHNESS, epoch_filters, first_layer_filters

    if networks.has(name, catalog.HISTORY):
        history = networks.history(name)
        stack = epoch_filters(History(history.steps, history.epochs))
        numbers = tuple(int(epoch) for epoch in history.epochs["epoch"])
    else:
        with networks.locked_network(name) as net:
            stack = first_layer_filters(net)[None]
        numbers = (0,)
    audited = tuple(_audit(weights) for weights in stack)
    return FilterRecord(numbers, audited, float(np.abs(stack).max()), WHITE_SMOOTHNESS)


def _audit(weights: NDArray[np.float32]) -> FirstLayer:
    from fermodels.xai.inspect.filters import dead_filters, duplicate_filters, smoothness

    dead = dead_filters(weights)
    similarities: dict[int, str] = {}
    for first, second, cosine in duplicate_filters(weights):
        if first not in dead and second not in dead:
            similarities.setdefault(
                second, f"like {first}" if cosine > 0 else f"inverse of {first}"
            )
    return FirstLayer(weights, float(np.nanmean(smoothness(weights))), dead, similarities)
