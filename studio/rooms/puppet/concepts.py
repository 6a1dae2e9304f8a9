"""The Puppet room's concept vectors: does a network use action units?"""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.errors import CheckpointError
from fermodels.xai.concepts import record
from fermodels.xai.concepts.record import ConceptRecord
from studio import networks, theme
from studio.components import download, widgets
from studio.components.text import plain
from studio.figures import concepts as figures
from studio.rooms.puppet import sliders
from studio.rooms.puppet.sliders import name_of
from studio.state import BOUND

FIRST = "AU12"
"""The unit held against its curves unless another is chosen; the curves above begin with it too."""


@widgets.fragment
def section(name: str) -> None:
    """Show a network's concept scores, or say in one sentence why there are none to show."""
    st.subheader("Concept sensitivity (TCAV) of action units", anchor=False)
    scores = scores_of(name)
    if isinstance(scores, str):
        st.info(scores, icon=":material/info:")
        return
    st.markdown(
        "A concept vector points, inside the network, from faces without a movement to the same "
        "faces with it. Cells say how far the logit of an expression moves on that expression's "
        "faces when the activations move by the whole difference: amber, up; blue, down. Pale "
        f"numbers in brackets may be chance. {significant_effects(scores)}"
    )
    left, right = st.columns([5, 3], gap="medium")
    with left:
        draw_scores(name, scores)
    with right:
        draw_learned(name, scores)
    st.caption(provenance(scores))
    st.caption(recognition(name, scores))
    compare_with_curves(name, scores)
    warnings = "".join(f"\n- {plain(note)}" for note in scores.notes)
    st.markdown(f"**Before believing a score**\n{warnings}")


def scores_of(name: str) -> ConceptRecord | str:
    """Return what was computed for these very weights, or a sentence that says what is amiss.

    Args:
        name: one of `networks.choices()`.
    """
    if name not in networks.names():
        command = record.command("FOLDER")
        return f"{plain(name)} is yours; this is computed for bundled networks, by `{command}`."
    again = f"`{record.command(name)}`"
    try:
        scores = record.read(name)
    except CheckpointError as error:
        return plain(error)
    if scores is None:
        return f"{plain(name)} has no concept vectors yet: {again} computes them."
    if scores.checkpoint_hash not in (None, networks.weights_hash(name)):
        return (
            f"{plain(name)}'s concept vectors were made for other weights: {again} makes new ones."
        )
    return scores


def significant_effects(scores: ConceptRecord) -> str:
    """Return how many effects differ from those of swapped labels, in a sentence."""
    tested = int(np.isfinite(scores.effect).sum())
    return (
        f"{int(scores.significant.sum())} of {tested} effects differ from those of swapped labels "
        f"(permutation tests, corrected by Holm, at {scores.settings['alpha']:.0%})."
    )


def recognition(name: str, scores: ConceptRecord) -> str:
    """Return how many rendered faces of each expression a network reads as meant."""
    best_first = sorted(scores.rendered.items(), key=lambda row: -row[1][0] / max(1, row[1][1]))
    shares = ", ".join(f"{emotion} {right} of {n}" for emotion, (right, n) in best_first)
    return (
        f"Rendered faces are not photographs. Read as meant by {name}: {shares}. Where few are, "
        "a rendered movement says little about that expression."
    )


def draw_scores(name: str, scores: ConceptRecord) -> None:
    """Draw the figures of every unit for every expression."""
    alt = f"Effects of action units on seven expressions in {name}: {significant_effects(scores)}"
    st.markdown("**Effect on each expression's logit**")
    words = widgets.pick_one("Cells", tuple(figures.CELLS), key="concept-cells")
    ink = theme.INK[st.context.theme.type or "light"]
    field = figures.CELLS[words]
    download.show(figures.scores(scores, ink, field), "concept-scores", alt)
    download.export("concept-scores", scores.table, _code(name, f"scores.{field}"), chart=True)


def draw_learned(name: str, scores: ConceptRecord) -> None:
    """Draw the accuracy of a probe for each unit in the layer."""
    st.markdown("**Probe accuracy** (dashed: chance)")
    low = int(scores.accuracy.argmin())
    alt = (
        f"Accuracy of a probe for each action unit in {name}'s layer {scores.layer}; worst "
        f"{scores.titles[low]}, {scores.accuracy[low]:.0%}"
    )
    download.show(figures.probe_accuracy(scores), "concept-accuracy", alt)
    code = _code(name, "scores.accuracy, scores.accuracy_low, scores.accuracy_high")
    download.export("concept-accuracy", scores.table, code, chart=True)


def _code(name: str, figure: str) -> str:
    return (
        "from fermodels.xai.concepts import record\n\n"
        f"scores = record.read({name!r})  # made by: {record.command(name)}\n"
        f"{figure}  # rows scores.units\nscores.table()\n"
    )


def provenance(scores: ConceptRecord) -> str:
    """Return layer, numbers and origin of the scores, and whether the weights are known."""
    settings, origin = scores.settings, scores.provenance
    words = (
        f"Layer `{scores.layer}`. Each unit: {settings['people']} rendered people, one pair each, "
        f"with and without it; {settings['permutations']:,} swaps of labels within pairs, and as "
        "many sign flips of the faces: an effect must pass both. On the right: people classified "
        "by the other half's vector, with 95% intervals. "
        f"Up to {settings['faces_per_class']} {scores.split} faces of each expression of "
        f"{origin['data_name']}. Made {origin['created']}, seed {origin['seed']}, code "
        f"{origin['git_revision'][:7]}."
    )
    if scores.checkpoint_hash is None:
        words += (
            " The file was made before hashes were kept: that it is of these very weights is not "
            "recorded."
        )
    return words


def compare_with_curves(name: str, scores: ConceptRecord) -> None:
    """Say for one unit whether its vector and the puppet's curves point the same way."""
    first = scores.units.index(FIRST) if FIRST in scores.units else 0
    unit = st.selectbox(
        "Compare with the response curves of", scores.units, index=first, format_func=name_of,
        key="concept-unit", width=300, **BOUND,
    )  # fmt: skip
    effect = sliders.curves(name, str(unit), ()).effect
    st.markdown(agreement(scores, str(unit), effect))


def agreement(scores: ConceptRecord, unit: str, effect: NDArray[np.float64]) -> str:
    """Return in a sentence where a unit's effects and its curves point the same way.

    Args:
        scores: the scores.
        unit: one of ``scores.units``.
        effect: ``(7,)``: change of each mean probability from none to full intensity.
    """
    row = scores.units.index(unit)
    sure = np.flatnonzero(scores.significant[row])
    if not len(sure):
        return f"No effect of {name_of(unit)} differs from chance: there is nothing to compare."
    same = (scores.effect[row] > 0) == (effect > 0)
    expressions = [
        ", ".join(EMOTIONS[k] for k in sure if same[k] == agrees) or "no expression"
        for agrees in (True, False)
    ]
    return (
        f"Where the effects of **{name_of(unit)}** differ from chance, the curves of faces at rest "
        f"go the same way for {expressions[0]} and the other way for {expressions[1]}. Effects "
        "are of logits of labelled faces, curves of probabilities of rendered ones."
    )
