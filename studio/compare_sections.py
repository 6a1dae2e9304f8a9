"""The Compare room's sections below the matrices: figures and tables, each with how to read it."""

from __future__ import annotations

import streamlit as st

from fermodels.nets.paper import CITATION
from studio import compare_tables, models, versus, widgets
from studio.figures import confusion, reliability
from studio.plain import plain
from studio.theme import model_color
from studio.widgets import BOUND


def overall(split: str) -> None:
    """Show the accuracy on a split of every model, chosen or not."""
    compare_tables.show(versus.overall(models.bringing(*versus.NEEDS), split))
    st.caption(
        "Every network here, chosen above or not, each trained from one seed. Networks of "
        "different recipes differ in more than their layers: see Training. One view of each face, "
        "unless the column says otherwise. Averages over views cost two or ten passes; many "
        "published figures are made so."
    )


def paired(names: list[str], split: str) -> None:
    """Show for every pair of models whether one truly beats the other."""
    compare_tables.show(compare_tables.paired(names, split))
    st.caption(
        "Both saw the same faces, so only those count that one of the two got right: McNemar's "
        "exact test, corrected for the number of pairs (Holm). Intervals by paired bootstrap."
    )


def per_expression(names: list[str], split: str) -> None:
    """Draw accuracy per expression beside the paper's, and the same as a table."""
    st.markdown("Dots are ours with 95% Wilson intervals, hollow diamonds the paper's Table 3.")
    with_paper = st.toggle("Show the paper's", True, key="paper", **BOUND)
    found = versus.accuracies(names, split, with_paper=with_paper)
    widgets.show(
        confusion.per_expression(found, height=140 + 52 * 7),
        "per-expression",
        f"Accuracy per expression on the {split} split with 95% intervals",
    )
    with st.expander("As a table", icon=":material/table:"):
        table = versus.table_3(names, split)
        compare_tables.show(table)
        widgets.download_data(table, f"per-expression-{split}")
    st.markdown(
        f"The paper's figures are quoted from {CITATION}. They come without intervals, and were "
        f"measured on its own copy and split of the data. {_recipes(names)}"
    )


def _recipes(names: list[str]) -> str:
    """Return which of the networks were not trained by the paper's recipe."""
    others = {n: r for n in names if (r := str(models.metrics(n).get("recipe"))) != "paper"}
    if not others:
        return ""
    listed = ", ".join(f"{name} ({recipe} recipe)" for name, recipe in others.items())
    return f"Not trained by its recipe: {listed}."


def sureness(names: list[str], split: str) -> None:
    """Draw how often each model is right by how sure it says it is, with its figures beside."""
    cooled = st.toggle("With the temperature, where one is used", key="cooled", **BOUND)
    colors = {name: model_color(names, name) for name in names}
    fig = reliability.curves(compare_tables.curves(names, split, cooled=cooled), colors)
    widgets.show(fig, "reliability", "How often each model is right by how sure it says it is")
    compare_tables.show(compare_tables.sureness(names, split))
    st.caption(
        "Below the dashed line a model claims more than it keeps, above it less. The temperature "
        "divides its logits: it changes how sure a model sounds, never what it says. It is used "
        "only where it lowers both loss and calibration error on validation."
    )


def other_counts(names: list[str], split: str) -> None:
    """Show accuracy without copies and against FER+, or how it is computed."""
    counts = compare_tables.other_counts(names, split)
    if counts is None:
        st.info(
            "Not computed here yet: `python -m train.labels --data PATH` counts without copies."
        )
        return
    compare_tables.show(counts)
    if rest := sorted(set(names) - set(counts["model"])):
        st.caption(
            f"Not computed for the present {plain(', '.join(rest))}: "
            "`python -m train.labels --data PATH`."
        )
    st.caption(
        "Some test faces are copies of training faces, which flatters every network. FER+ asked "
        "ten people about each face: where most agree, theirs is another truth, not a cleaner one."
    )
