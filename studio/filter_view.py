"""The filters room's grids and its curves over the epochs."""

from __future__ import annotations

import streamlit as st

from fermodels.nets import shelf
from studio import snippets, widgets
from studio.figures import filters, maps, tables, tiles
from studio.insides import FilterRecord
from studio.theme import DIVERGING


def draw_filters(name: str, record: FilterRecord, epoch: int) -> None:
    """Draw the filters as they began beside those after one epoch, on one scale."""
    if len(record.epochs) == 1:
        widgets.lacks(name, shelf.HISTORY, "filters epoch by epoch; these are its filters today")
        pictures = _grid("Filters of this network", record, record.epochs[0])
    else:
        first = record.epochs[0]
        left, right = st.columns(2, gap="large")
        with left:
            _grid(f"As they began (epoch {first})", record, first)
        with right:
            pictures = _grid(f"After epoch {epoch}", record, epoch)
    table = maps.colour_table(DIVERGING)
    unit = "weight, one scale for all filters and epochs of this model"
    st.html(maps.scale_bar(record.limit, table, signed=True, unit=unit))
    weights = record.at(epoch).weights
    widgets.take_home(
        "filters",
        lambda: tables.of_maps({f"filter {i}": kernel for i, kernel in enumerate(weights)}),
        _code(name, record, epoch),
        pictures=pictures,
        columns=8,
    )


def _grid(title: str, record: FilterRecord, epoch: int) -> list[tiles.Tile]:
    """Draw the filters after one epoch and return their pictures."""
    st.subheader(title, anchor=False)
    found = record.at(epoch)
    side = tiles.crisp_side(found.weights.shape[-1], 54)
    pictures = filters.filter_tiles(found.weights, record.limit, found.notes, found.dead)
    st.html(tiles.grid(pictures, side=side, label=title, columns=5))
    return pictures


def _code(name: str, record: FilterRecord, epoch: int) -> str:
    if len(record.epochs) > 1:
        return snippets.evidence(name, epoch)
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
        fig = filters.trend(
            record.epochs, {"mean of all filters": record.smoothness},
            title="low-frequency energy", percent=True, reference=(record.noise, "white noise"),
        )  # fmt: skip
        alt = "Smoothness of the first filters per epoch"
        widgets.show(fig, "filter-smoothness", alt, code=code)
    with right:
        counts = {"dead": record.dead, "copies": record.copies}
        fig = filters.trend(record.epochs, counts, title="filters")
        widgets.show(fig, "filter-health", "Dead and copied filters per epoch", code=code)
    st.caption(
        "Smoothness: share of a filter's spectral energy in waves longer than 4 pixels. Dead: a "
        "norm below 1% of the largest. Copy: a cosine above 0.95 with an earlier filter, or "
        "below -0.95 with its inverse."
    )
