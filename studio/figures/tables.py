"""The numbers in a figure or a picture, as tables for CSV files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from studio.figures.images import FloatMap, Pixels


def of_figure(fig: go.Figure) -> pd.DataFrame:
    """Return every point that a figure draws: series, x, y, and z for the cells of a heat map.

    Invisible click targets and texts are left out.
    """
    parts = [_of_trace(trace) for trace in fig.data if _drawn(trace)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _drawn(trace: go.Scatter) -> bool:
    if trace.type != "scatter":
        return True
    return bool(trace.mode != "text" and trace.marker.opacity != 0)


def _of_trace(trace: go.Scatter) -> pd.DataFrame:
    name = trace.name or ""
    if trace.type == "heatmap":
        z = np.asarray(trace.z, float)
        x = [str(label) for label in trace.x]
        y = [str(label) for label in trace.y]
        rows, columns = np.indices(z.shape)
        cells = {"x": np.take(x, columns.ravel()), "y": np.take(y, rows.ravel())}
        return pd.DataFrame({"series": name, **cells, "z": z.ravel()})
    return pd.DataFrame({"series": name, "x": list(trace.x), "y": list(trace.y)})


def of_maps(maps: Mapping[str, FloatMap | Pixels], value: str = "value") -> pd.DataFrame:
    """Return maps ``(h, w)`` in long form: map, row, column and the value, named `value`."""
    parts = []
    for name, pixels in maps.items():
        rows, columns = np.indices(pixels.shape)
        place = {"map": name, "row": rows.ravel(), "column": columns.ravel()}
        parts.append(pd.DataFrame({**place, value: pixels.ravel()}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
