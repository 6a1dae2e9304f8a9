"""Dreams as filmstrips, films and probabilities before and after (Figure 11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from fermodels.explain.film import gif as gif
from studio import theme
from studio.figures.tiles import Pixels, Tile


def to_pixels(frames: NDArray[np.floating] | Pixels) -> Pixels:
    """Return frames in [0, 1] as uint8 of the same shape; uint8 frames pass unchanged."""
    if frames.dtype == np.uint8:
        return frames.astype(np.uint8)
    return (np.clip(frames, 0, 1) * 255).round().astype(np.uint8)


def filmstrip(frames: Pixels, steps: Sequence[int], *, most: int = 8) -> list[Tile]:
    """Return at most `most` frames, evenly spaced, first and last always among them.

    Args:
        frames: ``(T, h, w)`` uint8.
        steps: the step after which each frame was kept.
        most: length of the strip.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int))
    return [
        Tile(frames[i], "start" if steps[i] == 0 else f"step {steps[i]}", f"Dream, step {steps[i]}")
        for i in chosen
    ]


def before_after(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    names: Sequence[str],
    target: str | None = None,
) -> go.Figure:
    """Draw seven probabilities before and after the dream, the dreamed class in bold.

    Args:
        before: ``(7,)``, of the face as it was.
        after: ``(7,)``, of the last frame.
        names: the class names in index order.
        target: the class that was dreamed of, if it was a class.
    """
    labels = [f"<b>{name}</b>" if name == target else name for name in names]
    colours = [theme.EXPRESSION_COLORS[name] for name in names]
    ways = [
        go.Scatter(
            x=[a, b], y=[label, label], mode="lines", line={"color": theme.MUTED, "width": 2},
            hoverinfo="skip", showlegend=False,
        )
        for a, b, label in zip(before, after, labels, strict=True)
    ]  # fmt: skip
    hollow: dict[str, Any] = {"symbol": "circle-open", "size": 11, "line": {"width": 2.5}}
    looks = {"before": (before, hollow), "after": (after, {"size": 13})}
    ends = [
        go.Scatter(
            x=values.tolist(), y=labels, mode="markers", name=when,
            marker={**look, "color": colours},
            hovertemplate="%{y} " + when + ": %{x:.1%}<extra></extra>",
        )
        for when, (values, look) in looks.items()
    ]  # fmt: skip
    return theme.figure(
        [*ways, *ends], 300, yaxis={"autorange": "reversed"},
        xaxis={"range": [-0.03, 1.05], "tickformat": ".0%", "title": "probability"},
    )  # fmt: skip
