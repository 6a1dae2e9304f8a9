"""The saliency room's comparison: one face, several methods and networks, one signed scale."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.errors import ConfigError
from studio import explanations, networks, snippets, theme
from studio.components import download
from studio.components.text import plain
from studio.explanations import Badge, MethodMap
from studio.figures import charts, images, tables
from studio.rooms.saliency.settings import RAW, SHARES, VIEWS, Options
from studio.state import SelectedFace

PATIENCE = 0.25
"""Seconds before a progress bar appears."""
PART_TITLES = {"conv": "Through the conv layers", "hog": "Through HOG"}
ON_FACE, ALONE = "On the face", "The maps alone"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Every answer of one face's comparison, and the scale they are drawn on."""

    face: SelectedFace
    options: Options
    maps: dict[str, list[MethodMap]]
    """Network -> its maps."""
    refused: dict[str, dict[str, str]]
    """Network -> method's title -> why there is no map."""

    @cached_property
    def badges(self) -> dict[tuple[str, str], Badge]:
        """The scorecards' verdicts, by network and method."""
        return {
            (name, m.method): explanations.badge(name, self.options.request(m.method))
            for name, row in self.maps.items()
            for m in row
        }

    @property
    def every(self) -> list[MethodMap]:
        """All maps."""
        return [m for row in self.maps.values() for m in row]

    def values(
        self, method_map: MethodMap, part: NDArray[np.float32] | None = None
    ) -> NDArray[np.floating]:
        """Return what is drawn of a map, or of its `part`: raw, or as shares of its whole."""
        values = method_map.attribution if part is None else part
        if self.options.scale == RAW:
            return values
        total = float(np.abs(method_map.attribution).sum())
        return values / total if total > 0 else values

    @cached_property
    def limits(self) -> dict[str, float]:
        """Method -> the value at full colour: of all maps, or of the method's own if raw."""
        methods = list(dict.fromkeys(m.method for m in self.every))
        if self.options.scale == RAW:
            by_method = {name: [m for m in self.every if m.method == name] for name in methods}
            return {
                name: images.common_limit([self.values(m) for m in maps])
                for name, maps in by_method.items()
            }
        return dict.fromkeys(methods, images.common_limit([self.values(m) for m in self.every]))


def compute(
    face: SelectedFace, names: Sequence[str], methods: Sequence[str], options: Options
) -> Comparison:
    """Ask every method of every network, or take what it said before, showing how far it is."""
    if options.contrast == EMOTIONS[options.target_class]:
        st.info(f"{options.contrast} rather than {options.contrast} has no answer: choose another.")
        st.stop()
    place, began = st.empty(), time.monotonic()
    comparison = Comparison(face, options, {n: [] for n in names}, {n: {} for n in names})
    wanted = [(name, method) for name in names for method in methods]
    for count, (name, method) in enumerate(wanted):
        title = explanations.methods()[method].title
        if time.monotonic() - began > PATIENCE:  # what is cached comes without a flicker
            words = f"{title}, {plain(name)} ({count + 1} of {len(wanted)})"
            place.progress(count / len(wanted), words)
        try:
            method_map = explanations.attribution(name, face.image, options.request(method))
            comparison.maps[name].append(method_map)
        except ConfigError as error:
            comparison.refused[name][title] = str(error)
    place.empty()
    return comparison


def draw(comparison: Comparison) -> None:
    """Draw the comparison: maps on the face, alone, and by branch where there are two."""
    for name, refusals in comparison.refused.items():
        for title, why in refusals.items():
            st.caption(f":material/block: {title} has no map of {plain(name)}: {plain(why)}")
    if not comparison.every:
        return
    _legend(comparison)
    view, taken = comparison.options.view, []
    if view != VIEWS[2]:
        taken += _section(comparison, ON_FACE)
    if view != VIEWS[1]:
        taken += _section(comparison, ALONE)
    for part in PART_TITLES:
        _draw_part(part, comparison)
    first = next(name for name, row in comparison.maps.items() if row)
    download.export(
        "saliency-maps",
        lambda: _table(comparison),
        snippets.attribution_code(
            first, comparison.face, comparison.options.request(comparison.maps[first][0].method)
        ),
        pictures=taken,
        columns=max(map(len, comparison.maps.values())),
    )


def _section(comparison: Comparison, title: str) -> list[images.Tile]:
    """Draw one picture per map, a row per network, and return the pictures."""
    st.markdown(f"**{title}**")
    several, drawn = len(comparison.maps) > 1, []
    for name, row in comparison.maps.items():
        pictures = [picture(comparison, name, m, on_face=title == ON_FACE) for m in row]
        if several:
            st.caption(f"**{plain(name)}** {_says(name, comparison.face)}")
        st.html(images.grid(pictures, side=192, label=f"{title}, {name}"))
        drawn += [replace(tile, note=f"{name}: {tile.note}" if several else tile.note)
                  for tile in pictures]  # fmt: skip
    return drawn


def picture(
    comparison: Comparison,
    name: str,
    method_map: MethodMap,
    *,
    on_face: bool,
    limit: float | None = None,
    caption: str = "",
) -> images.Tile:
    """Return one map as a picture with its verdict; a failing method's is pale.

    Args:
        comparison: what it belongs to.
        name: whose map it is.
        method_map: the map.
        on_face: lay it over the face.
        limit: the value at full colour; the comparison's own by default.
        caption: the method's title by default.
    """
    table = images.colour_table(theme.DIVERGING)
    values = comparison.values(method_map)
    limit = comparison.limits[method_map.method] if limit is None else limit
    if on_face:
        opacity = comparison.options.opacity
        pixels = images.overlay(comparison.face.image, values, limit, table, opacity, signed=True)
    else:
        pixels = images.paint(values, limit, table, signed=True)
    badge = comparison.badges[name, method_map.method]
    note = evidence(method_map)
    where = ON_FACE if on_face else ALONE
    alt = f"{method_map.title}, {where.lower()}, {name}. {note}. {badge.why}"
    return images.Tile(pixels, caption or method_map.title, alt, note, badge.fails, badge.words)


def _says(name: str, face: SelectedFace) -> str:
    answer = networks.probabilities(name, face.image)
    return f"predicts {EMOTIONS[int(answer.argmax())]} ({answer.max():.0%})"


def _table(comparison: Comparison) -> pd.DataFrame:
    named = {
        f"{name} {m.method}": m.attribution for name, row in comparison.maps.items() for m in row
    }
    return tables.of_maps(named, "attribution")


def explain_methods(maps: Sequence[MethodMap]) -> None:
    """Say what each method of the comparison does, and what to know about its map."""
    for note in dict.fromkeys(f"{m.title}: {note}" for m in maps for note in m.notes):
        st.caption(f":material/info: {plain(note)}")
    with st.expander("What do these methods do?", icon=":material/help:"):
        for name in dict.fromkeys(m.method for m in maps):
            method = explanations.methods()[name]
            st.markdown(f"**{method.title}.** {method.help}")
            st.caption(method.reference)


def _draw_part(part: str, comparison: Comparison) -> None:
    """Draw one branch's part of every map that sees both, on the scale of the whole."""
    table = images.colour_table(theme.DIVERGING)
    title = PART_TITLES[part]
    for name, row in comparison.maps.items():
        split = [m for m in row if len(m.parts) > 1]
        pictures = []
        for m in split:
            limit = comparison.limits[m.method]
            pixels = images.paint(comparison.values(m, m.parts[part]), limit, table, signed=True)
            note = f"{m.part_share(part):.0%} of the absolute evidence"
            alt = f"{m.title}, {title.lower()}, {name}. {note}"
            pictures.append(images.Tile(pixels, m.title, alt, note))
        if pictures:
            st.markdown(f"**{title}**, {plain(name)}")
            st.html(images.grid(pictures, side=192, label=f"{title}, {name}"))


def _legend(comparison: Comparison) -> None:
    table = images.colour_table(theme.DIVERGING)
    methods: Mapping[str, str] = {m.method: m.title for m in comparison.every}
    if comparison.options.scale == SHARES:
        limit = next(iter(comparison.limits.values()))
        unit = "share of a map's total absolute evidence in one pixel; one scale for all maps"
        st.html(images.scale_bar(100 * limit, table, signed=True, unit=unit, suffix="%"))
        return
    st.html(images.scale_bar(1, table, signed=True, unit="of each method's own full colour"))
    ends = [f"{title} ±{comparison.limits[name]:.3g}" for name, title in methods.items()]
    st.caption("Full colour: " + ", ".join(ends) + ". Do not compare colours across methods.")


def evidence(method_map: MethodMap) -> str:
    """Say how near a map is to what its method promises: its sum, and the map itself."""
    words = [] if method_map.signed else ["magnitude only (unsigned)"]
    if method_map.completeness_error is not None:
        words.append(f"completeness gap {method_map.completeness_error:.1%}")
    if method_map.path_error is not None:
        words.append(f"pixels off by about {method_map.path_error:.1%} in all at most")
    return ", ".join(words)


def draw_probabilities(names: Sequence[str], face: SelectedFace, target_class: int) -> None:
    """Draw each network's seven probabilities with the label marked."""
    places = st.columns(min(3, max(2, len(names))), gap="large")
    for number, name in enumerate(names):
        values = networks.probabilities(name, face.image)
        fig = charts.probabilities(values, EMOTIONS, label=face.label, target=target_class)
        top = EMOTIONS[int(values.argmax())]
        key = "probabilities" if number == 0 else f"probabilities-{number}"
        with places[number % len(places)]:
            st.caption(f"**{plain(name)}**")
            download.show(
                fig, key, f"{name} predicts {top} ({values.max():.0%})",
                code=snippets.probabilities_code(names, face),
            )  # fmt: skip


def titled(comparison: Comparison) -> dict[str, MethodMap]:
    """Return every map by a title that tells it from the others."""
    several = len(comparison.maps) > 1
    return {
        f"{name}: {m.title}" if several else m.title: m
        for name, row in comparison.maps.items()
        for m in row
    }
