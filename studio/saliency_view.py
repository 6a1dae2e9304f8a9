"""The saliency room's controls and its comparison of maps on one scale."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from studio import explanations, theme, widgets
from studio.explanations import Asked, MethodMap
from studio.figures import bars, maps, tiles

FIRST = ("saliency", "integrated-gradients", "grad-cam", "occlusion")
"""What a newcomer sees."""
SHARES, RAW = "share of each map", "raw values"
VIEWS = ("both", "on the face", "map alone")
SCALE_HELP = (
    "As shares of their own total, maps of different methods stand on one scale; raw values keep "
    "each method's unit, with a scale of its own."
)
PATIENCE = 0.25
"""Seconds before a progress bar appears."""
PART_TITLES = {"conv": "Through the conv layers", "hog": "Through HOG"}


@dataclass(frozen=True)
class Options:
    """How the maps are asked for and drawn."""

    baseline: str
    """What counts as "nothing to see"; see `fermodels.explain.baselines`."""
    contrast: str | None
    """The class to set the target against, or None."""
    scale: str
    """SHARES: one scale for all maps; RAW: each method in its own unit."""
    view: str
    """One of VIEWS."""
    opacity: float
    """Cover of the face at full colour, 0..1."""
    layer: str | None
    """The conv block that class-activation methods weigh; None for the model's own choice."""


def pick_methods() -> list[str]:
    """Return the chosen methods in the registry's order; the choice lives in the URL."""
    offered = explanations.methods()
    chosen = st.multiselect(
        "Methods",
        list(offered),
        default=[name for name in offered if name in FIRST],
        format_func=lambda name: offered[name].title,
        key="methods",
        bind="query-params",
    )
    if not chosen:
        st.info("Choose at least one method.", icon=":material/arrow_upward:")
        st.stop()
    return [name for name in offered if name in chosen]


def pick_options(name: str) -> Options:
    """Return how to ask and draw; every choice lives in the URL."""
    left, middle, right = st.columns(3, gap="medium")
    with left:
        baseline, contrast = _pick_comparison()
    with middle:
        layer = _pick_layer(name)
        opacity = st.slider(
            "Opacity", 0, 100, 85, format="%d%%", key="opacity", bind="query-params"
        )
    with right:
        scale = _choice("Colours show", (SHARES, RAW), "scale", SCALE_HELP)
        view = _choice("Draw", VIEWS, "view")
    return Options(baseline, contrast, scale, view, opacity / 100, layer)


def _pick_comparison() -> tuple[str, str | None]:
    offered = explanations.baselines()
    baseline = st.selectbox(
        "Baseline",
        list(offered),
        format_func=lambda name: offered[name].title,
        key="baseline",
        bind="query-params",
        help="What counts as “nothing to see” for the methods that compare with it.",
    )
    contrast = st.selectbox(
        "Rather than",
        ["nothing in particular", *EMOTIONS],
        key="contrast",
        bind="query-params",
        help="Why angry rather than fear? Explains the difference of the two logits.",
    )
    return str(baseline), contrast if contrast in EMOTIONS else None


def _pick_layer(name: str) -> str | None:
    blocks = explanations.conv_layers(name)
    block = st.selectbox(
        "Layer for the CAM methods",
        ["the model's usual one", *blocks],
        key="cam",
        bind="query-params",
        help="Whose maps Grad-CAM and its kin weigh; early layers are sharper, late ones surer.",
    )
    return f"{block}.relu" if block in blocks else None


def _choice(label: str, options: Sequence[str], key: str, help_text: str | None = None) -> str:
    chosen = st.segmented_control(
        label,
        options,
        default=options[0],
        key=key,
        bind="query-params",
        required=True,
        help=help_text,
    )
    return str(chosen)


def compute(
    name: str,
    face: NDArray[np.uint8],
    chosen: Sequence[str],
    target_class: int,
    options: Options,
) -> list[MethodMap]:
    """Ask every chosen method, or take what it said before, showing how far it has come."""
    if options.contrast == EMOTIONS[target_class]:
        st.info(f"{options.contrast} rather than {options.contrast} has no answer: choose another.")
        st.stop()
    contrast = None if options.contrast is None else EMOTIONS.index(options.contrast)
    place, found, began = st.empty(), [], time.monotonic()
    for count, method in enumerate(chosen):
        if time.monotonic() - began > PATIENCE:  # what is cached comes without a flicker
            title = explanations.methods()[method].title
            place.progress(count / len(chosen), f"{title} ({count + 1} of {len(chosen)})")
        asked = Asked(method, target_class, options.baseline, contrast, options.layer)
        found.append(explanations.attribution(name, face, asked))
    place.empty()
    return found


def draw(face: NDArray[np.uint8], found: Sequence[MethodMap], options: Options) -> None:
    """Draw the comparison: maps on the face, alone, and by branch where there are two."""
    table = maps.colour_table(theme.DIVERGING)
    limits = _limits(found, options.scale)
    _legend(found, limits, table, options.scale)
    if options.view != VIEWS[2]:
        covered = [
            maps.overlay(
                face, _values(m, options.scale), limit, table, options.opacity, signed=True
            )
            for m, limit in zip(found, limits, strict=True)
        ]
        _grid("On the face", found, covered, [_evidence(m) for m in found])
    if options.view != VIEWS[1]:
        painted = [
            maps.paint(_values(m, options.scale), limit, table, signed=True)
            for m, limit in zip(found, limits, strict=True)
        ]
        _grid("The maps alone", found, painted, [_evidence(m) for m in found])
    for part, title in PART_TITLES.items():
        _draw_part(part, title, found, limits, table, options.scale)


def explain_methods(found: Sequence[MethodMap]) -> None:
    """Say what each method of the comparison does, and what to know about its map."""
    for note in dict.fromkeys(f"{m.title}: {note}" for m in found for note in m.notes):
        st.caption(f":material/info: {note}")
    with st.expander("What do these methods do?", icon=":material/help:"):
        for m in found:
            method = explanations.methods()[m.method]
            st.markdown(f"**{m.title}.** {method.help}")
            st.caption(method.source)


def _draw_part(
    part: str,
    title: str,
    found: Sequence[MethodMap],
    limits: Sequence[float],
    table: NDArray[np.uint8],
    scale: str,
) -> None:
    """Draw one branch's part of every map that sees both, on the scale of the whole."""
    split = [(m, limit) for m, limit in zip(found, limits, strict=True) if len(m.parts) > 1]
    if not split:
        return
    pixels = [
        maps.paint(_values(m, scale, m.parts[part]), limit, table, signed=True)
        for m, limit in split
    ]
    notes = [f"{m.part_share(part):.0%} of the absolute evidence" for m, _ in split]
    _grid(title, [m for m, _ in split], pixels, notes)


def _values(
    found: MethodMap, scale: str, part: NDArray[np.float32] | None = None
) -> NDArray[np.floating]:
    values = found.attribution if part is None else part
    if scale == RAW:
        return values
    total = float(np.abs(found.attribution).sum())
    return values / total if total > 0 else values


def _limits(found: Sequence[MethodMap], scale: str) -> list[float]:
    drawn = [_values(m, scale) for m in found]
    if scale == RAW:
        return [maps.common_limit([values]) for values in drawn]
    return [maps.common_limit(drawn)] * len(found)


def _legend(
    found: Sequence[MethodMap], limits: Sequence[float], table: NDArray[np.uint8], scale: str
) -> None:
    if scale == SHARES:
        unit = "share of a map's total absolute evidence in one pixel; one scale for all maps"
        st.html(maps.scale_bar(100 * limits[0], table, signed=True, unit=unit, suffix="%"))
        return
    st.html(maps.scale_bar(1, table, signed=True, unit="of each method's own full colour"))
    ends = [f"{m.title} ±{limit:.3g}" for m, limit in zip(found, limits, strict=True)]
    st.caption("Full colour: " + ", ".join(ends) + ". Do not compare colours across methods.")


def _grid(
    title: str, found: Sequence[MethodMap], pixels: Sequence[tiles.Pixels], notes: Sequence[str]
) -> None:
    st.markdown(f"**{title}**")
    pictures = [
        tiles.Tile(drawn, m.title, f"{m.title}, {title.lower()}. {note}", note)
        for m, drawn, note in zip(found, pixels, notes, strict=True)
    ]
    st.html(tiles.grid(pictures, side=192, label=title))


def _evidence(found: MethodMap) -> str:
    """Say how much of the answer a map leaves unexplained, where the method makes that promise."""
    kind = "" if found.signed else "strength only, no sign"
    if found.completeness_error is None:
        return kind
    return f"{found.completeness_error:.1%} of the logit difference unexplained"


def draw_probabilities(
    values: NDArray[np.floating], label: int | None, target_class: int, name: str
) -> None:
    """Draw the model's seven probabilities with the label marked."""
    fig = bars.probabilities(values, EMOTIONS, label=label, target=target_class)
    top = EMOTIONS[int(values.argmax())]
    widgets.show(fig, "probabilities", f"{name} says {top} with {values.max():.0%}")
