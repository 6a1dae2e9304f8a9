"""What can be tested of one map at once: deletion, insertion, and where its evidence lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from studio import explanations, snippets
from studio.components import download, widgets
from studio.explanations import MapRequest, MethodMap
from studio.figures import charts as curve_figures
from studio.figures import heatmaps as region_figures
from studio.figures import images
from studio.state import BOUND, SelectedFace

if TYPE_CHECKING:
    from studio.rooms.saliency.comparison import Comparison


@widgets.fragment
def section(comparison: Comparison) -> None:
    """Show, if switched on, deletion and insertion for one map at a time."""
    st.subheader("Do the pixels it ranks first matter?", anchor=False)
    if st.toggle("Deletion and insertion curves", key="curves", **BOUND):
        pick_and_draw_curves(comparison)


def pick_and_draw_curves(comparison: Comparison) -> None:
    """Let one map of the comparison be chosen and draw its curves."""
    names = [name for name, row in comparison.maps.items() if row]
    if not names:
        st.info("No method gave a map to test.")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        name = str(st.selectbox("Model", names, key="curves-of", **BOUND))
    by_title = {m.title: m for m in comparison.maps[name]}
    with right:
        method_map = by_title[str(st.selectbox("Map", list(by_title), key="curves-map", **BOUND))]
    draw_curves(comparison.face, name, method_map, comparison.options.request(method_map.method))


def draw_curves(face: SelectedFace, name: str, method_map: MethodMap, request: MapRequest) -> None:
    """Draw what happens to the class as the map's pixels are taken away, and given back."""
    curves = explanations.curves(name, face.image, request, method_map.attribution)
    left, right = st.columns(2, gap="large")
    for place, kind in ((left, "deletion"), (right, "insertion")):
        with place:
            fig = curve_figures.by_share(
                next(iter(curves.values())).fractions,
                {_title(key, method_map): getattr(c, kind)[0] for key, c in curves.items()},
                kind,
            )
            download.show(
                fig, f"{kind}-curve", f"{kind.title()} curve of {method_map.title} and controls",
                code=_curve_code(face, name, request),
            )  # fmt: skip
    gaps = {_title(key, method_map): float(c.gap[0]) for key, c in curves.items()}
    st.caption(
        "Insertion minus deletion area, the higher the better: "
        + ", ".join(f"{title} {gap:+.2f}" for title, gap in gaps.items())
        + ". One face: the scorecard averages over many."
    )


def _title(key: str, method_map: MethodMap) -> str:
    return method_map.title if key == "method" else key


def _curve_code(face: SelectedFace, name: str, request: MapRequest) -> str:
    return (
        f"{snippets.attribution_code(name, face, request)}\n"
        "from fermodels.xai.trust.faithfulness import face_curves\n\n"
        f"curves = face_curves(net, face, why.attribution[0], {request.target_class}, "
        f"{request.method!r}, {request.baseline!r})\n"
        "curves['method'].deletion, curves['method'].insertion\n"
    )


def draw_regions(every: Mapping[str, MethodMap], code: str) -> None:
    """Draw the share of each map's evidence that lies in each part of the face.

    Args:
        every: a row's title -> its map.
        code: Python that makes one of the maps.
    """
    from fermodels.xai.attribution.occlusion import region_masks, region_sums

    area = {region: float(mask.mean()) for region, mask in region_masks().items()}
    rows = {
        title: {
            region: float(v)
            for region, v in region_sums(images.shares_of_total(m.attribution)).items()
        }
        for title, m in every.items()
    }
    fig = region_figures.by_region(rows, area)
    again = (
        f"{code}\nfrom fermodels.xai.attribution.occlusion import region_sums\n\n"
        "values = why.attribution[0]\nregion_sums(values / abs(values).sum())\n"
    )
    note = (
        "In % of a map's total absolute evidence: amber is evidence for, blue against. The last "
        "row is "
        "how much of the picture the part covers: what a map without preference would give it. "
        "The parts are a fixed template; a turned face does not fit it."
    )
    alt = "Share of each map's evidence by part of the face"
    download.show(fig, "regions", alt, code=again, note=note)
