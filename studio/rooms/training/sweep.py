"""What the paper's cross-validation found here: every trial of a sweep, where one was run."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from fermodels import results
from studio.components import download
from studio.figures import charts
from studio.state import BOUND

SCIENTIFIC = st.column_config.NumberColumn(format="%.1e")
TINY = ("learning rate", "weight decay")
"""Columns that span orders of magnitude."""


def available() -> list[str]:
    """Return the names of the results of sweeps, such as ``sweep-shallow``."""
    return sorted(path.stem for path in results.results_dir().glob("sweep-*.json"))


def draw() -> None:
    """Draw one sweep's trials, or say how to run one."""
    st.subheader("Which settings work?", anchor=False)
    names = available()
    if not names:
        st.info(
            "**No sweep was run yet.** The paper chose learning rate, regularisation and hidden "
            "neurons by cross-validation (Tables 1 and 2); this does the same:\n\n"
            "```\npython -m train.sweep --variant shallow --data PATH\n```",
            icon=":material/tune:",
        )
        return
    name = str(st.selectbox("Sweep", names, key="sweep", width=320, **BOUND))
    found = results.read_result(name) or {}
    trials: list[dict[str, Any]] = found["trials"]
    fig = charts.trials(trials, best=found["best_trial"], paper=found["paper_trial"])
    code = f"from fermodels.nets import catalog\n\nsweep = shelf.read_result({name!r})\n"
    download.show(fig, "sweep-trials", "Validation accuracy per epoch of every trial", code=code)
    st.caption(f"{budget(found)} {found['caution']}")
    table = pd.DataFrame([row(trial) for trial in trials])
    st.dataframe(table, hide_index=True, column_config=dict.fromkeys(TINY, SCIENTIFIC))


def budget(found: dict[str, Any]) -> str:
    """Say in one sentence what a sweep spent, and what judged it."""
    states = [trial["state"] for trial in found["trials"]]
    ended = states.count("complete") + states.count("pruned")
    return (
        f"{ended} trials of at most {found['training']['epochs']} epochs on "
        f"{found['training_faces']:,} training faces, {states.count('pruned')} ended early; "
        f"accuracy on {found['n']:,} {found['judged_on']} faces."
    )


def row(trial: dict[str, Any]) -> dict[str, Any]:
    """Return one trial as a row of the table."""
    accuracy, interval = trial["accuracy"], trial["interval"]
    return {
        "trial": trial["number"],
        **{name.replace("_", " "): _plain(v) for name, v in (trial["parameters"] or {}).items()},
        "best accuracy": "none" if accuracy is None else f"{accuracy:.1%}",
        "95% interval": "" if interval is None else f"{interval[0]:.1%} to {interval[1]:.1%}",
        "n": trial["n"],
        "epochs": trial["epochs"],
        "state": trial["state"],
        "the paper's": "yes" if trial["is_paper"] else "",
    }


def _plain(value: Any) -> Any:
    """Return a list of widths as text, anything else as it is."""
    return ", ".join(map(str, value)) if isinstance(value, list) else value
