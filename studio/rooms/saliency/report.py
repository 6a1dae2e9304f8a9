"""One face's report as one HTML file that needs nothing else: pictures, figures, versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels import EMOTIONS
from studio import explanations, networks, state, theme
from studio.components import widgets
from studio.figures import images
from studio.figures.images import Pixels, data_uri
from studio.rooms.saliency.comparison import Comparison, evidence, picture
from studio.theme import asset


@dataclass(frozen=True, eq=False)
class MapEntry:
    """One map as the report shows it."""

    network: str
    title: str
    pixels: Pixels
    """On the face, RGB."""
    evidence: str
    """Completeness in words; may be empty."""
    verdict: str
    """The badge's words."""
    reasons: Sequence[str]
    """Why, in sentences."""
    pale: bool
    regions: Mapping[str, float]
    """Part of the face -> share of the map's absolute evidence, -1..1."""


@dataclass(frozen=True, eq=False)
class Report:
    """Everything that is said of one face."""

    face: NDArray[np.uint8]
    """uint8 ``(48, 48)``."""
    sample_id: str
    label: str
    data: str
    """Name of the data set."""
    question: str
    """What the maps explain, in words."""
    settings: Mapping[str, str]
    """Baseline, layer, scale and the like."""
    predictions: Mapping[str, NDArray[np.floating]]
    """Network -> seven probabilities."""
    maps: Sequence[MapEntry]
    notes: Sequence[str]
    """What to know before believing the maps."""
    address: str
    """The query of the room's address, to open the same again."""
    versions: Mapping[str, str]
    cautions: Sequence[str]
    """What one may not conclude."""


def html(report: Report, names: Sequence[str]) -> str:
    """Return the report as one self-contained page.

    Args:
        report: its content.
        names: class names in index order.
    """
    head = f"{report.label}, {report.sample_id}"
    parts = [
        f"<h1>One face, as the networks see it</h1><p>{escape(head)}, from "
        f"{escape(report.data)}</p>"
        f'<img src="{data_uri(report.face)}" width="192" height="192" alt="The face">',
        "<h2>Predictions</h2>" + _predictions(report, names),
        f"<h2>{escape(report.question)}</h2>" + _settings(report.settings) + _maps(report.maps),
        "<h2>Which maps are faithful? (scorecard)</h2>" + _trust(report.maps),
        "<h2>Where on the face?</h2>" + _regions(report.maps),
        "<h2>What this cannot tell you</h2>" + _list([*report.cautions, *report.notes]),
        "<h2>How to reproduce it</h2>" + _origin(report),
    ]
    title = escape(f"FER Studio: {report.sample_id}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width">'
        f"<style>{asset('report.css')}</style></head>"
        f"<body>{''.join(parts)}</body></html>"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; cells are HTML, all but the first column right-aligned."""

    def row(cells: Sequence[str], tag: str) -> str:
        first, *rest = cells
        return f"<tr><th>{first}</th>{''.join(f'<{tag} class=n>{c}</{tag}>' for c in rest)}</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f"<table><thead>{row(head, 'th')}</thead><tbody>{body}</tbody></table>"


def _predictions(report: Report, names: Sequence[str]) -> str:
    rows = []
    for index, name in enumerate(names):
        colour = theme.EXPRESSION_COLORS[name]
        cells = [
            f'<span class="bar" style="width:{90 * values[index]:.0f}px;background:{colour}">'
            f"</span> {values[index]:.1%}"
            for values in report.predictions.values()
        ]
        mark = " (label)" if name == report.label else ""
        rows.append([escape(name + mark), *cells])
    return _table(["", *map(escape, report.predictions)], rows)


def _settings(settings: Mapping[str, str]) -> str:
    listed = "; ".join(f"{key}: {value}" for key, value in settings.items())
    return f"<p><small>{escape(listed)}</small></p>"


def _maps(maps: Sequence[MapEntry]) -> str:
    figures = "".join(
        f'<figure class="{"pale" if m.pale else ""}"><img src="{data_uri(m.pixels)}" width="150" '
        f'height="150" alt="{escape(m.title)} of {escape(m.network)}"><figcaption>'
        f"{escape(m.title)}<br>{escape(m.network)}<br>{escape(m.evidence)}</figcaption></figure>"
        for m in maps
    )
    return f'<div class="maps">{figures}</div>'


def _trust(maps: Sequence[MapEntry]) -> str:
    rows = "".join(
        f"<tr><th>{escape(m.network)}, {escape(m.title)}</th><td>{escape(m.verdict)}</td>"
        f"<td>{'<br>'.join(escape(reason) for reason in m.reasons)}</td></tr>"
        for m in maps
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _regions(maps: Sequence[MapEntry]) -> str:
    if not maps:
        return "<p>No method gave a map.</p>"
    rows = [
        [f"{escape(m.network)}, {escape(m.title)}", *(f"{v:+.0%}" for v in m.regions.values())]
        for m in maps
    ]
    return "<p>Signed shares of each map's absolute evidence.</p>" + _table(
        ["", *map(escape, maps[0].regions)], rows
    )


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def _origin(report: Report) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return (
        f"<p>Open the studio's Saliency room at <code>/saliency?{escape(report.address)}</code></p>"
        f"<p><small>{escape(versions)}</small></p>"
    )


# --- The saliency room's report button


CAUTIONS = (
    widgets.ETHICS,
    "A map shows what the method credits, not what the network thinks; methods that disagree "
    "cannot all be right.",
)


def offer(comparison: Comparison) -> None:
    """Offer everything the room says of this face as one HTML file."""
    made = assemble(comparison)
    st.download_button(
        "Report of this face (HTML)", lambda: html(made, EMOTIONS),
        f"face-{comparison.face.sample_id}.html", "text/html", key="report",
        icon=":material/description:", on_click="ignore",
        help="Predictions, maps, trust figures and versions in one file; print it for a PDF.",
    )  # fmt: skip


def assemble(comparison: Comparison) -> Report:
    """Gather everything the room says of a face."""
    face, options = comparison.face, comparison.options
    every = comparison.every
    return Report(
        face=face.image,
        sample_id=face.sample_id,
        label=face.expression,
        data="a photo" if face.split == "upload" else state.faces_shown().name,
        question=options.question,
        settings={
            "baseline": explanations.baselines()[options.baseline].title,
            "layer of CAM methods": options.layer or "the network's usual one",
            "colours": options.scale,
        },
        predictions={name: networks.probabilities(name, face.image) for name in comparison.maps},
        maps=_entries(comparison),
        notes=list(dict.fromkeys(f"{m.title}: {note}" for m in every for note in m.notes)),
        address=urlencode(st.query_params.to_dict()),
        versions=every[0].versions if every else {},
        cautions=CAUTIONS,
    )


def _entries(comparison: Comparison) -> list[MapEntry]:
    from fermodels.xai.attribution.occlusion import region_sums

    entries = []
    for name, row in comparison.maps.items():
        for m in row:
            tile = picture(comparison, name, m, on_face=True)
            badge = comparison.badges[name, m.method]
            sums = region_sums(images.shares_of_total(m.attribution))
            entries.append(
                MapEntry(
                    name,
                    m.title,
                    tile.pixels,
                    evidence(m),
                    badge.words,
                    badge.reasons,
                    badge.fails,
                    {part: float(value) for part, value in sums.items()},
                )
            )
    return entries
