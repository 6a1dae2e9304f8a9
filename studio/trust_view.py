"""Whether a map deserves belief: the scorecard's verdict, live curves, and where its evidence lies.

The one place that knows how `fermodels.explain` states trust; a network that was not scored yet
gets a verdict of its own, in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from fermodels.errors import CheckpointError
from fermodels.nets import shelf
from studio import explanations, models, snippets, widgets
from studio.explanations import Asked, MethodMap
from studio.figures import curves as curve_figures
from studio.figures import maps
from studio.figures import regions as region_figures
from studio.widgets import BOUND, CarriedFace

if TYPE_CHECKING:
    from fermodels.explain.scorecard import Scorecard
    from studio.saliency_view import Comparison

SIGNS = {"trusted": "✓ trusted", "doubtful": "? doubtful", "fails": "✕ fails"}
UNSCORED = "○ not scored"


@dataclass(frozen=True)
class Verdict:
    """What the scorecard says of one method on one network."""

    words: str
    """Sign and word, for a badge."""
    why: str
    """One sentence."""
    fails: bool = False
    """Whether its maps are to be shown pale."""


def verdict(name: str, method: str) -> Verdict:
    """Return the scorecard's verdict on a method for a network; never a guess.

    Args:
        name: one of `models.choices()`.
        method: a name in METHODS.
    """
    if name not in models.names():
        return Verdict(UNSCORED, f"{name} is yours; scorecards are made for bundled networks.")
    from fermodels.explain import scorecard

    command = f"`{scorecard.command(name)}`"
    try:
        card = _card(name)
    except CheckpointError as error:
        return Verdict("○ scorecard unreadable", str(error))
    if card is None:
        return Verdict(UNSCORED, f"{name} has no scorecard yet; {command} makes one.")
    if card.checkpoint_hash != models.weights_hash(name):
        why = f"{name}'s scorecard was made for other weights; {command} makes a new one."
        return Verdict(UNSCORED, why)
    if method not in card.methods:
        return Verdict(UNSCORED, f"{name}'s scorecard has no entry for {method} yet.")
    badge = card.badge(method)
    return Verdict(SIGNS[badge.level], badge.why, fails=badge.level == "fails")


def _card(name: str) -> Scorecard | None:
    """Return a network's scorecard, read again when its file changes."""
    from fermodels.explain import scorecard

    path = shelf.results_dir() / f"{scorecard.file_name(name)}.json"
    if not path.is_file():
        return scorecard.read(name)
    return _card_of(name, str(path), path.stat().st_mtime_ns)


@st.cache_resource(max_entries=16, show_spinner=False)
def _card_of(name: str, path: str, changed: int) -> Scorecard | None:
    from fermodels.explain import scorecard

    return scorecard.read(name)


def explain_verdicts(names: Sequence[str], methods: Mapping[str, str]) -> None:
    """Say why each method got its verdict, once per network; `methods` is name -> title."""
    with st.expander("Which of these maps deserve belief?", icon=":material/verified:"):
        st.markdown(
            "Each method was put to the same tests on many faces: does the map add up, does it "
            "change when the network's weights are redrawn, and do the pixels it ranks first "
            "matter more to the network than random pixels or plain edges?"
        )
        for name in names:
            verdicts = {title: verdict(name, method) for method, title in methods.items()}
            st.markdown(f"**{name}**")
            if {v.words for v in verdicts.values()} == {UNSCORED}:
                st.caption(next(iter(verdicts.values())).why)
                continue
            st.markdown("\n".join(f"- {v.words}, **{t}**: {v.why}" for t, v in verdicts.items()))


@st.fragment
def section(comparison: Comparison) -> None:
    """Show, if asked to, deletion and insertion for one map at a time."""
    st.subheader("Do the pixels it ranks first matter?", anchor=False)
    if st.toggle("Take them away, and give them back", key="curves", **BOUND):
        pick_and_draw_curves(comparison)


def pick_and_draw_curves(comparison: Comparison) -> None:
    """Let one map of the comparison be chosen and draw its curves."""
    names = [name for name, row in comparison.found.items() if row]
    if not names:
        st.info("No method gave a map to test.")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        name = str(st.selectbox("Network", names, key="curves-of", **BOUND))
    by_title = {m.title: m for m in comparison.found[name]}
    with right:
        found = by_title[str(st.selectbox("Map", list(by_title), key="curves-map", **BOUND))]
    draw_curves(comparison.face, name, found, comparison.options.asked(found.method))


def draw_curves(held: CarriedFace, name: str, found: MethodMap, asked: Asked) -> None:
    """Draw what happens to the class as the map's pixels are taken away, and given back."""
    answer = explanations.curves(name, held.image, asked, found.attribution)
    left, right = st.columns(2, gap="large")
    for place, kind in ((left, "deletion"), (right, "insertion")):
        with place:
            fig = curve_figures.by_share(
                next(iter(answer.values())).fractions,
                {_title(key, found): getattr(c, kind)[0] for key, c in answer.items()},
                kind,
            )
            widgets.show(
                fig, f"{kind}-curve", f"{kind.title()} curve of {found.title} and its controls",
                code=_curve_code(held, name, asked),
            )  # fmt: skip
    gaps = {_title(key, found): float(c.gap[0]) for key, c in answer.items()}
    st.caption(
        "Insertion minus deletion area, the higher the better: "
        + ", ".join(f"{title} {gap:+.2f}" for title, gap in gaps.items())
        + ". One face: the scorecard averages over many."
    )


def _title(key: str, found: MethodMap) -> str:
    return found.title if key == "method" else key


def _curve_code(held: CarriedFace, name: str, asked: Asked) -> str:
    return (
        f"{snippets.attribution(name, held, asked)}\n"
        "from fermodels.explain.trust_deletion import face_curves\n\n"
        f"curves = face_curves(net, face, why.attribution[0], {asked.target_class}, "
        f"{asked.method!r}, {asked.baseline!r})\n"
        "curves['method'].deletion, curves['method'].insertion\n"
    )


def draw_regions(every: Mapping[str, MethodMap], code: str) -> None:
    """Draw the share of each map's evidence that lies in each part of the face.

    Args:
        every: a row's title -> its map.
        code: Python that makes one of the maps.
    """
    from fermodels.explain.regions import region_masks, region_sums

    area = {region: float(mask.mean()) for region, mask in region_masks().items()}
    rows = {
        title: {region: float(v) for region, v in region_sums(maps.shares(m.attribution)).items()}
        for title, m in every.items()
    }
    fig = region_figures.by_region(rows, area)
    again = (
        f"{code}\nfrom fermodels.explain.regions import region_sums\n\n"
        "values = why.attribution[0]\nregion_sums(values / abs(values).sum())\n"
    )
    note = (
        "In % of a map's total absolute evidence: amber spoke for, blue against. The last row is "
        "how much of the picture the part covers: what a map without preference would give it. "
        "The parts are a fixed template; a turned face does not fit it."
    )
    alt = "Share of each map's evidence by part of the face"
    widgets.show(fig, "regions", alt, code=again, note=note)
