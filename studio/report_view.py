"""The saliency room's report button."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from fermodels import EMOTIONS
from studio import explanations, insides, models, report, widgets
from studio.figures import maps
from studio.saliency_view import Comparison, evidence, picture

CAUTIONS = (
    widgets.ETHICS,
    "A map shows what the method credits, not what the network thinks; methods that disagree "
    "cannot all be right.",
)


def offer(comparison: Comparison) -> None:
    """Offer everything the room says of this face as one HTML file."""
    made = assemble(comparison)
    st.download_button(
        "Report of this face (HTML)", lambda: report.html(made, EMOTIONS),
        f"face-{comparison.face.sample_id}.html", "text/html", key="report",
        icon=":material/description:", on_click="ignore",
        help="Predictions, maps, trust figures and versions in one file; print it for a PDF.",
    )  # fmt: skip


def assemble(comparison: Comparison) -> report.Report:
    """Gather everything the room says of a face."""
    face, options = comparison.face, comparison.options
    rather = f" rather than {options.contrast}" if options.contrast else ""
    every = comparison.every
    return report.Report(
        face=face.image,
        sample_id=face.sample_id,
        label=face.expression,
        data="a photo" if face.split == "upload" else insides.faces_shown().name,
        question=f"What speaks for {EMOTIONS[options.target_class]}{rather}?",
        settings={
            "baseline": explanations.baselines()[options.baseline].title,
            "layer of CAM methods": options.layer or "the model's usual one",
            "colours": options.scale,
        },
        answers={name: models.probabilities(name, face.image) for name in comparison.found},
        maps=_entries(comparison),
        notes=list(dict.fromkeys(f"{m.title}: {note}" for m in every for note in m.notes)),
        address=urlencode(st.query_params.to_dict()),
        versions=every[0].versions if every else {},
        cautions=CAUTIONS,
    )


def _entries(comparison: Comparison) -> list[report.MapEntry]:
    from fermodels.explain.regions import region_sums

    entries = []
    for name, row in comparison.found.items():
        for found in row:
            tile = picture(comparison, name, found, on_face=True)
            badge = comparison.badges[name, found.method]
            sums = region_sums(maps.shares(found.attribution))
            entries.append(
                report.MapEntry(
                    name,
                    found.title,
                    tile.pixels,
                    evidence(found),
                    badge.words,
                    badge.reasons,
                    badge.fails,
                    {part: float(value) for part, value in sums.items()},
                )
            )
    return entries
