"""The Training room's smoothing, sanity checks and provenance."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from studio import models
from studio.plain import plain
from studio.widgets import BOUND

SPANS = (1, 10, 30, 100, 300)


def pick_smoothing() -> int:
    """Return over how many iterations curves are averaged."""
    return int(
        st.select_slider("Smooth over iterations", SPANS, 100, key="smooth", width=320, **BOUND)
    )


def sanity(names: list[str]) -> None:
    """Show the paper's two sanity checks, run before each training."""
    st.markdown(
        "Before training, the loss without regularisation should be about ln 7 ≈ 1.946 (seven "
        "classes, no knowledge), and a network should be able to learn a handful of faces by heart."
    )
    rows = [
        {
            "model": plain(name),
            "initial loss": f"{report['initial_loss']:.4f}",
            "expected (ln 7)": f"{report['expected_initial_loss']:.4f}",
            "faces to overfit": plain(report["overfit_faces"]),
            "accuracy on them": f"{report['overfit_accuracy']:.0%}",
            "steps it took": plain(report["overfit_steps"]),
        }
        for name in names
        for report in [models.metrics(name)["sanity"]]
    ]
    st.table(pd.DataFrame(rows).set_index("model"), border="horizontal")


def provenance(names: list[str]) -> None:
    """Show what each run was made of, behind an expander."""
    with st.expander("Provenance: seed, data, code and versions", icon=":material/fingerprint:"):
        for name in names:
            found = models.metrics(name)
            origin = found["provenance"]
            st.markdown(
                f"**{plain(name)}**: recipe {plain(found['recipe'])}, seed "
                f"{plain(origin['seed'])}, {plain(found['epochs'])} epochs in "
                f"{found['training_seconds'] / 60:.0f} min ({found['images_per_second']:.0f} "
                f"images/s), kept epoch {plain(found['best_epoch'])}, made "
                f"{plain(origin['created'])}"
            )
            st.code(origin_lines(origin), language=None, wrap_lines=True)


def origin_lines(origin: dict[str, Any]) -> str:
    """Return data, code and versions of a result's provenance, a line each."""
    versions = ", ".join(f"{k} {v}" for k, v in origin["versions"].items())
    return (
        f"data      {origin['data_name']} sha256 {origin['data_hash']}\n"
        f"code      {origin['git_revision']}\n"
        f"versions  {versions}"
    )
