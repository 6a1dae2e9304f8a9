"""A map on which faces lie near that a network finds alike; a lasso picks some for the gallery."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from fermodels import results as fermodels_results
from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from studio import networks, predictions, theme
from studio.components import widgets
from studio.components.text import code, plain
from studio.theme import EXPRESSION_COLORS

ENOUGH = 0.02
"""Share of the loaded faces that a recorded map must hold to be theirs."""
LAYOUTS = {"UMAP": ("x_umap", "y_umap"), "PCA": ("x_pca", "y_pca")}


@networks.cached_per_weights(
    max_entries=8,
    show_spinner="Projecting the features…",
    reads=lambda name: fermodels_results.results_dir() / f"representation-{name}.parquet",
)
def table(name: str, faces: FaceDataset) -> pd.DataFrame | None:
    """Return a network's map of these faces: row, label and coordinates; None if there is none.

    A recorded map is used where it is of these faces; a small set is laid out now, along its
    principal axes.
    """
    stored = fermodels_results.read_result_table(f"representation-{name}")
    if stored is not None:
        rows = pd.Series(np.arange(len(faces)), index=faces.ids, name="row")
        coordinates = stored.join(rows, on="sample_id", how="inner")
        if len(coordinates) >= ENOUGH * len(faces):
            return coordinates
    if len(faces) > predictions.AT_ONCE:
        return None
    from fermodels.xai.inspect.features import representation

    with networks.locked_network(name) as net:
        coordinates, _ = representation(net, faces, umap=False)
    return coordinates.assign(row=np.arange(len(faces)))


def pick(faces: FaceDataset, allowed: NDArray[np.intp]) -> NDArray[np.intp] | None:
    """Draw the map of the chosen network; return the rows inside the lasso, None without one.

    Args:
        faces: the loaded data.
        allowed: rows that pass the filters; only these are drawn.
    """
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        name = widgets.pick_model("Model", key="map")
        coordinates = table(name, faces)
        if coordinates is None:
            command = f"python -m fermodels.xai.inspect.features --model {name} --data PATH"
            st.caption(f"No map of {plain(faces.name)} yet: {code(command)} makes one.")
            return None
        layouts = tuple(k for k, columns in LAYOUTS.items() if columns[0] in coordinates)
        layout = widgets.pick_one("Projection", layouts, key="layout")
    shown = coordinates[coordinates["row"].isin(allowed)]
    event = st.plotly_chart(
        scatter(shown, *LAYOUTS[layout]),
        key="feature-map",
        config=theme.CONFIG | {"scrollZoom": True, "modeBarButtonsToRemove": []},
        on_select="rerun",
        selection_mode=("lasso", "box"),
        alt=f"Map of {len(shown):,} faces in the features of {name}, coloured by label",
    )
    picked = [int(point["customdata"]) for point in event["selection"]["points"]]
    return np.array(sorted(picked), dtype=np.intp) if picked else None


def scatter(points: pd.DataFrame, x: str, y: str, height: int = 460) -> go.Figure:
    """Draw faces as dots in the colours of their labels.

    Args:
        points: one row per face: row, label, and the coordinates.
        x: name of the horizontal coordinate.
        y: name of the vertical one.
        height: in pixels.
    """
    by_expression = {
        expression: points[points["label"] == k] for k, expression in enumerate(EMOTIONS)
    }
    dots = [
        go.Scattergl(
            x=some[x], y=some[y], mode="markers", name=expression,
            customdata=some["row"].tolist(),  # of a packed array a selection tells no numbers
            marker={"color": EXPRESSION_COLORS[expression], "size": 5, "opacity": 0.75},
            hovertemplate=expression + "<extra></extra>",
        )
        for expression, some in by_expression.items()
    ]  # fmt: skip
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False, "title": ""}
    return theme.figure(
        dots, height, xaxis=bare, yaxis=bare, dragmode="lasso", legend={"itemsizing": "constant"}
    )
