"""Seven probabilities as bars, the label and the class under discussion marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.evaluation.calibration import ReliabilityBin
from studio import theme
from studio.theme import MODEL_COLORS, MUTED, figure

if TYPE_CHECKING:
    from fermodels.xai.counterfactuals.response_curves import ResponseCurves


def probabilities(
    values: NDArray[np.floating],
    names: Sequence[str],
    *,
    label: int | None = None,
    target: int | None = None,
) -> go.Figure:
    """Draw one bar per expression, with its figure in per cent.

    Args:
        values: ``(7,)``, summing to 1.
        names: class names in index order.
        label: what the data set says, marked by a tick and words; None when unlabelled.
        target: the class being explained, printed in bold.
    """
    ticks = [f"<b>{name}</b>" if i == target else name for i, name in enumerate(names)]
    words = [f"{v:.1%}" + ("   ◆ label" if i == label else "") for i, v in enumerate(values)]
    bar = go.Bar(
        x=values.tolist(),
        y=ticks,
        orientation="h",
        marker={"color": [theme.EXPRESSION_COLORS[name] for name in names]},
        text=words,
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.2%}<extra></extra>",
    )
    return theme.figure(
        [bar], 280, room=(76, 32), yaxis={"autorange": "reversed", "showgrid": False},
        xaxis={"range": [0, 1.18], "tickvals": [0, 0.25, 0.5, 0.75, 1], "tickformat": ".0%"},
    )  # fmt: skip


# --- Lines with a mark at every value: told apart by colour and, in grey print, by the mark


SYMBOLS = ("circle", "diamond", "square", "x")


def marked_lines(
    x: Sequence[str] | Sequence[int],
    lines: Mapping[str, Sequence[float]],
    size: int,
    hover: str,
    group: int | None = None,
) -> list[go.Scatter]:
    """Return one trace per line, at most four looks.

    Args:
        x: where the values stand, the same for all lines.
        lines: name in the legend -> one value per place.
        size: of a mark, in pixels.
        hover: plotly's template of what hovering says.
        group: how many lines differ by colour; those after them are the same again at another
            time, dotted. None if all differ.
    """
    looks = list(zip(MODEL_COLORS, SYMBOLS, strict=False))[: group or len(lines)]
    traces = []
    for at, (name, values) in enumerate(lines.items()):
        colour, symbol = looks[at % len(looks)]
        again = at >= len(looks)
        traces.append(
            go.Scatter(
                x=list(x),
                y=list(values),
                name=name,
                mode="lines+markers",
                line={"color": colour, "width": 2.5, "dash": "dot" if again else "solid"},
                marker={"size": size, "symbol": f"{symbol}-open" if again else symbol},
                hovertemplate=hover,
            )
        )
    return traces


# --- How a class fades and returns as ranked pixels are replaced and restored


AXES = {
    "deletion": "share of pixels deleted, most important first",
    "insertion": "share of pixels inserted, most important first",
}
"""Kind of curve -> what its horizontal axis counts."""


def by_share(
    fractions: NDArray[np.floating],
    lines: Mapping[str, ArrayLike],
    kind: str,
    height: int = 300,
) -> go.Figure:
    """Draw the probability of the explained class over the share of pixels changed.

    Args:
        fractions: ``(K,)`` from 0 to 1.
        lines: the method first, then its controls: name -> ``(K,)`` probabilities.
        kind: ``deletion`` or ``insertion``.
        height: in pixels.
    """
    looks = [(theme.MODEL_COLORS[0], "solid", 3.0), (theme.MUTED, "dot", 2.0)]
    looks += [(theme.MUTED, "dash", 2.0)] * len(lines)
    drawn = [
        go.Scatter(
            x=list(fractions),
            y=np.asarray(values).tolist(),
            name=name,
            mode="lines",
            line={"color": colour, "dash": dash, "width": width},
            hovertemplate="%{x:.0%} of the pixels: %{y:.1%}<extra>" + name + "</extra>",
        )
        for (name, values), (colour, dash, width) in zip(lines.items(), looks, strict=False)
    ]
    return theme.figure(
        drawn, height, xaxis={"title": AXES[kind], "tickformat": ".0%", "range": [0, 1]},
        yaxis={"title": "probability", "tickformat": ".0%", "range": [-0.03, 1.05]},
    )  # fmt: skip


# --- How the response changes from layer to layer


def lines_by_layer(
    layers: Sequence[str],
    lines: Mapping[str, Sequence[float]],
    *,
    title: str,
    chosen: str | None = None,
    lowest: float = 0.0,
    height: int = 280,
    group: int | None = None,
) -> go.Figure:
    """Draw one value per layer and face (or per moment of training), first layer to last.

    Args:
        layers: layer names, in order.
        lines: name of a line -> one value in `lowest`..1 per layer.
        title: of the vertical axis.
        chosen: the layer on view, if any, marked by a dotted line.
        lowest: where the vertical axis begins.
        height: in pixels.
        group: see `marked`.
    """
    return theme.figure(
        marked_lines(layers, lines, 10, "%{x}: %{y:.1%}", group), height, room=(76, 32),
        xaxis={"type": "category"}, showlegend=len(lines) > 1,
        yaxis={"title": title, "tickformat": ".0%", "range": [lowest - 0.03, 1.05]},
        shapes=[] if chosen is None else [theme.upright(list(layers).index(chosen))],
    )  # fmt: skip


# --- Reliability curves: how often a model is right when it says it is so sure


def reliability_curves(
    models: Mapping[str, list[ReliabilityBin]], colors: Mapping[str, str], height: int = 400
) -> go.Figure:
    """Draw accuracy over confidence with 95% intervals, and the diagonal of perfect calibration.

    Args:
        models: name -> bins over the winning probability; empty bins are left out.
        colors: name -> CSS colour.
        height: in pixels.
    """
    honest = go.Scatter(
        x=[0, 100], y=[0, 100], mode="lines", name="perfect calibration", hoverinfo="skip",
        line={"color": MUTED, "dash": "dash", "width": 1.5},
    )  # fmt: skip
    return figure(
        [honest, *(_curve(name, bins, colors[name]) for name, bins in models.items())], height,
        xaxis={"title": "confidence, %", "range": [0, 100]},
        yaxis={"title": "accuracy, %", "range": [0, 100]},
    )  # fmt: skip


def _curve(name: str, bins: list[ReliabilityBin], color: str) -> go.Scatter:
    filled = [b for b in bins if b.n]
    right = [b.accuracy * 100 for b in filled]
    error = {
        "type": "data",
        "symmetric": False,
        "array": [b.interval[1] * 100 - b.accuracy * 100 for b in filled],
        "arrayminus": [b.accuracy * 100 - b.interval[0] * 100 for b in filled],
        "color": color,
        "thickness": 1.5,
        "width": 0,
    }
    return go.Scatter(
        x=[b.confidence * 100 for b in filled],
        y=right,
        customdata=[b.n for b in filled],
        name=name,
        mode="lines+markers",
        line={"color": color},
        marker={"size": 7},
        error_y=error,
        hovertemplate="confidence %{x:.0f}%, accuracy %{y:.0f}% of %{customdata:,}<extra>"
        + name
        + "</extra>",
    )


# --- A sweep's trials: how each learned, which was the best, and where the paper's choice lies


def sweep_trials(
    trials: Sequence[Mapping[str, Any]], *, best: int | None, paper: int | None, height: int = 380
) -> go.Figure:
    """Draw every trial's validation accuracy per epoch; the best and the paper's stand out.

    Args:
        trials: the sweep's ``trials``: number, accuracies (0..1 per epoch), state, parameters.
        best: number of the best trial, if any.
        paper: number of the trial with the paper's settings, if any.
        height: in pixels.
    """
    drawn, rank = [], {best: 2, paper: 1}
    for trial in sorted(trials, key=lambda one: rank.get(one["number"], 0)):
        number, values = trial["number"], [100 * value for value in trial["accuracies"]]
        title = f"trial {number}"
        look: dict[str, Any] = {"color": theme.MUTED, "width": 1.2}
        if number == paper:
            title, look = "the paper's settings", {"color": theme.MODEL_COLORS[1], "width": 3}
        if number == best:
            title = f"best, trial {number}" + (" (the paper's)" if number == paper else "")
            look = {"color": theme.MODEL_COLORS[0], "width": 3}
        hover = f"{title} ({trial['state']}), epoch %{{x}}: %{{y:.1f}}%<extra></extra>"
        drawn.append(
            go.Scatter(
                x=list(range(1, len(values) + 1)), y=values, name=title, mode="lines+markers",
                line=look, marker={"size": 5}, showlegend=number in (best, paper),
                hovertemplate=hover,
            )
        )  # fmt: skip
    longest = max((len(trial["accuracies"]) for trial in trials), default=0)
    return theme.figure(
        drawn, height,
        xaxis={"title": "epoch", "showgrid": False, "dtick": max(1, longest // 8)},
        yaxis={"title": "validation accuracy, %"},
    )  # fmt: skip


# --- What models say to a rendered face, and how that follows one action unit


def probability_bars(models: Mapping[str, NDArray[np.floating]]) -> go.Figure:
    """Draw one bar per expression and model, with its figure in per cent.

    Args:
        models: model -> seven probabilities; one model is drawn in the expressions' colours,
            several in their own.
    """
    names, expressions = list(models), list(EMOTIONS)
    one = list(theme.EXPRESSION_COLORS.values())
    drawn = [
        go.Bar(
            x=values.tolist(),
            y=expressions,
            name=name,
            orientation="h",
            marker={"color": one if len(names) == 1 else theme.model_color(names, name)},
            text=[f"{v:.0%}" for v in values],
            textposition="outside",
            textfont={"size": 11},
            constraintext="inside",  # else the figures shrink with the bars
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1%}<extra>" + name + "</extra>",
        )
        for name, values in models.items()
    ]
    return theme.figure(
        drawn, max(300, 40 + 7 * (16 * len(names) + 14)), showlegend=len(names) > 1,
        xaxis={"range": [0, 1.14], "tickvals": [0, 0.25, 0.5, 0.75, 1], "tickformat": ".0%"},
        yaxis={"autorange": "reversed", "showgrid": False}, room=(76, 32),
    )  # fmt: skip


def response_curves(curves: ResponseCurves, at: float) -> go.Figure:
    """Draw seven mean probabilities over one unit's intensity, each with its interval.

    Args:
        curves: the curves.
        at: the intensity on view, 0..1, marked by a dotted line.
    """
    bands = [_band(curves, k, theme.EXPRESSION_COLORS[name]) for k, name in enumerate(EMOTIONS)]
    lines = [
        go.Scatter(
            x=curves.intensities.tolist(),
            y=curves.mean[:, k].tolist(),
            name=name,
            mode="lines",
            line={"color": theme.EXPRESSION_COLORS[name], "width": 2.5},
            hovertemplate="%{x:.0%}: %{y:.1%}<extra>" + name + "</extra>",
        )
        for k, name in enumerate(EMOTIONS)
    ]
    xaxis = {"title": f"intensity of {curves.unit}", "range": [0, 1.01], "showgrid": False}
    return theme.figure(
        [*bands, *lines], 380, room=(76, 52), shapes=[theme.upright(at)],
        xaxis={**xaxis, "tickformat": ".0%"},
        yaxis={"title": "probability", "tickformat": ".0%", "range": [0, 1.02]},
    )  # fmt: skip


def _band(curves: ResponseCurves, k: int, colour: str) -> go.Scatter:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    rising, falling = curves.intensities.tolist(), curves.intensities[::-1].tolist()
    return go.Scatter(
        x=rising + falling,
        y=curves.high[:, k].tolist() + curves.low[::-1, k].tolist(),
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},.13)",
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
    )
