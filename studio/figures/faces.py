"""What a set of faces is made of: class balance and mean faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from studio.theme import EXPRESSION_COLORS, FONT, figure


def balance(counts: Mapping[str, Sequence[int]], height: int = 300) -> go.Figure:
    """Draw faces per expression, all splits stacked from the largest to the smallest.

    Args:
        counts: split -> seven counts, as `FaceDataset.counts` returns them.
        height: in pixels.
    """
    shades = (1.0, 0.62, 0.36)
    stacks = [
        go.Bar(
            y=list(EMOTIONS),
            x=list(values),
            orientation="h",
            name=split,
            marker={"color": list(EXPRESSION_COLORS.values()), "opacity": opacity},
            hovertemplate="%{y}: %{x:,} faces<extra>" + split + "</extra>",
        )
        for (split, values), opacity in zip(counts.items(), shades, strict=False)
    ]
    return figure(
        [*stacks, _totals(np.sum(list(counts.values()), axis=0))], height, barmode="stack",
        showlegend=False, margin={"t": 8, "r": 56}, xaxis={"visible": False},
        yaxis={"autorange": "reversed", "showgrid": False},
    )  # fmt: skip


def _totals(totals: NDArray[np.int64]) -> go.Scatter:
    return go.Scatter(
        x=totals,
        y=list(EMOTIONS),
        mode="text",
        text=[f" {total:,}" for total in totals],
        textposition="middle right",
        textfont={"family": FONT, "size": 13},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def mean_faces(
    images: NDArray[np.uint8], labels: NDArray[np.int64]
) -> dict[str, NDArray[np.uint8]]:
    """Return the mean picture of each expression that occurs, uint8 ``(48, 48)``.

    Args:
        images: uint8 ``(N, 48, 48)``.
        labels: class indices ``(N,)``.
    """
    return {
        name: images[labels == index].mean(axis=0).round().astype(np.uint8)
        for index, name in enumerate(EMOTIONS)
        if (labels == index).any()
    }
