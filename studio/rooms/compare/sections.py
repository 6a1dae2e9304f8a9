"""The Compare room's sections below the matrices: figures and tables, each with how to read it."""

from __future__ import annotations

import streamlit as st

from fermodels.evaluation.paper import CITATION
from studio import networks
from studio.components import download
from studio.components.text import plain
from studio.figures import charts, heatmaps
from studio.rooms.compare import tables
from studio.state import BOUND
from studio.theme import model_color


def overall(split: str) -> None:
    """Show the accuracy on a split of every model, chosen or not."""
    tables.show(tables.overall(networks.bringing(*tables.NEEDS), split))
    st.caption(
        "Every network here, chosen above or not, each trained from one seed. Networks of "
        "different recipes differ in more than their layers: see Training. One view of each face, "
        "unless the column says otherwise. Averages over views cost two or ten passes; many "
        "published figures are made so."
    )


def paired(names: list[str], split: str) -> None:
    """Show for every pair of models whether one truly beats the other."""
    tables.show(tables.paired(names, split))
    st.caption(
        "Both saw the same faces, so only those count that one of the two got right: McNemar's "
        "exact test, corrected for the number of pairs (Holm). Intervals by paired bootstrap."
    )


def per_expression(names: list[str], split: str) -> None:
    """Draw accuracy per expression beside the paper's, and the same as a table."""
    st.markdown("Dots are ours with 95% Wilson intervals, hollow diamonds the paper's Table 3.")
    with_paper = st.toggle("Show the paper's", True, key="paper", **BOUND)
    found = tables.accuracies(names, split, with_paper=with_paper)
    download.show(
        heatmaps.per_expression(found, height=140 + 52 * 7),
        "per-expression",
        f"Accuracy per expression on the {split} split with 95% intervals",
    )
    with st.expander("As a table", icon=":material/table:"):
        table = tables.table_3(names, split)
        tables.show(table)
        download.download_data(table, f"per-expression-{split}")
    st.markdown(
        f"The paper's figures are quoted from {CITATION}. They come without intervals, and were "
        f"measured on its own copy and split of the data. {_recipes(names)}"
    )


def _recipes(names: list[str]) -> str:
    """Return which of the networks were not trained by the paper's recipe."""
    others = {n: r for n in names if (r := str(networks.metrics(n).get("recipe"))) != "paper"}
    if not others:
        return ""
    listed = ", ".join(f"{name} ({recipe} recipe)" for name, recipe in others.items())
    return f"Not trained by its recipe: {listed}."


def sureness(names: list[str], split: str) -> None:
    """Draw how often each model is right by how sure it says it is, with its figures beside."""
    cooled = st.toggle("With the temperature, where one is used", key="cooled", **BOUND)
    colors = {name: model_color(names, name) for name in names}
    fig = charts.curves(tables.curves(names, split, cooled=cooled), colors)
    download.show(fig, "reliability", "How often each model is right by how sure it says it is")
    tables.show(tables.sureness(names, split))
    st.caption(
        "Below the dashed line a model claims more than it keeps, above it less. The temperature "
        "divides its logits: it changes how sure a model sounds, never what it says. It is used "
        "only where it lowers both loss and calibration error on validation."
    )


def other_counts(names: list[str], split: str) -> None:
    """Show accuracy without copies and against FER+, or how it is computed."""
    counts = tables.other_counts(names, split)
    if counts is None:
        st.info(
            "Not computed here yet: `python -m train.labels --data PATH` counts without copies."
        )
        return
    tables.show(counts)
    if rest := sorted(set(names) - set(counts["model"])):
        st.caption(
            f"Not computed for the present {plain(', '.join(rest))}: "
            "`python -m train.labels --data PATH`."
        )
    st.caption(
        "Some test faces are copies of training faces, which flatters every network. FER+ asked "
        "ten people about each face: where most agree, theirs is another truth, not a cleaner one."
    )
