"""The Compare room's careful half: paired tests, calibration, and other ways to count."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from fermodels.nets import shelf
from fermodels.nets.calibration import (
    ReliabilityBin,
    at_temperature,
    figures,
    leaning,
    reliability,
    temperature_in,
)
from fermodels.nets.evaluate import correct_within, wilson_interval
from fermodels.nets.paired import bootstrap_difference, holm, mcnemar
from studio import models
from studio.cells import one_decimal

LEVEL = 0.05
Answers = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Labels ``(N,)`` and probabilities ``(N, 7)``."""


def answers(name: str, split: str) -> pd.DataFrame:
    """Return a model's recorded answers on a split: label and seven probabilities by sample id."""
    table = models.predictions(name)
    return table[table["split"] == split].set_index("sample_id")


def arrays(name: str, split: str) -> Answers:
    """Return a model's recorded labels and probabilities on a split."""
    table = answers(name, split)
    return table["label"].to_numpy(np.int64), table[models.PROBABILITY_COLUMNS].to_numpy(float)


def paired(names: list[str], split: str) -> pd.DataFrame:
    """Return one row per pair of models: the difference, its interval, and whether it is real.

    Exact McNemar on the faces that only one of the two got right, Holm's correction over all
    pairs, and a paired bootstrap interval of the difference in accuracy.
    """
    rows, p_values = [], []
    for first, second in combinations(names, 2):
        one, other = answers(first, split), answers(second, split)
        other = other.loc[other.index.intersection(one.index)]
        one = one.loc[other.index]
        labels = one["label"].to_numpy(np.int64)
        guesses = [t[models.PROBABILITY_COLUMNS].to_numpy().argmax(1) for t in (one, other)]
        test = mcnemar(labels, guesses[0], guesses[1])
        gain = bootstrap_difference(labels, guesses[0], guesses[1])
        p_values.append(test.p_value)
        rows.append(
            {
                "first": first,
                "second": second,
                "difference, points": gain.value * 100,
                "95% interval": f"{gain.low * 100:+.1f} to {gain.high * 100:+.1f}",
                "only first right": test.only_first,
                "only second right": test.only_second,
                "n": test.n,
            }
        )
    for row, p_value in zip(rows, holm(p_values), strict=True):
        row["p (Holm)"] = f"{p_value:.2g}"
        row["so"] = _verdict(row, p_value)
    return pd.DataFrame(rows)


def _verdict(row: dict[str, Any], p_value: float) -> str:
    if p_value >= LEVEL:
        return "no difference shown"
    better = row["first"] if row["only first right"] > row["only second right"] else row["second"]
    return f"{better} is better"


def sureness(names: list[str], split: str) -> pd.DataFrame:
    """Return top-2 accuracy and how far each model's probabilities can be believed."""
    rows = []
    for name in names:
        labels, probabilities = arrays(name, split)
        hits, tried = correct_within(labels, probabilities, 2), tried_temperature(name)
        low, high = wilson_interval(hits, len(labels))
        # without a temperature nothing is cooled, and only what is "before" is shown
        found = figures(labels, probabilities, 1.0 if tried is None else tried)
        row: dict[str, Any] = {
            "model": name,
            "top-2 accuracy, %": hits / len(labels) * 100,
            "95% interval": f"{low:.1%} to {high:.1%}",
            "n": len(labels),
            "errs": leaning(found),
            "calibration error, %": found["ece_before"] * 100,
            "surprise (NLL)": found["nll_before"],
        }
        if tried is not None:
            row["temperature"] = tried
            row["used"] = "no" if temperature_of(name) is None else "yes"
            row["error at it, %"] = found["ece_after"] * 100
            row["NLL at it"] = found["nll_after"]
        rows.append(row)
    return pd.DataFrame(rows)


def tried_temperature(name: str) -> float | None:
    """Return the temperature fitted on validation, used or not; None if none was fitted."""
    found = models.metrics(name).get("calibration")
    fitted = found.get("fitted_temperature") if isinstance(found, dict) else None
    return temperature_of(name) if fitted is None else float(fitted)


def temperature_of(name: str) -> float | None:
    """Return the temperature that a model is used at; None if it has none that helps."""
    return temperature_in(models.metrics(name), name)


def curves(names: list[str], split: str, *, cooled: bool) -> dict[str, list[ReliabilityBin]]:
    """Return each model's reliability curve, with its temperature if `cooled` and it has one."""
    found = {}
    for name in names:
        labels, probabilities = arrays(name, split)
        temperature = temperature_of(name)
        if cooled and temperature is not None:
            probabilities = at_temperature(probabilities, temperature)
        found[name] = reliability(labels, probabilities)
    return found


WAYS: dict[str, str] = {
    "all": "all faces",
    "without_exact_copies": "without exact copies of training faces",
    "without_near_copies": "without near copies either",
    "near_copies_only": "copies of training faces only",
}
"""How `results/duplicates.json` counts, in words."""


def other_counts(names: list[str], split: str) -> pd.DataFrame | None:
    """Return accuracy counted without copies, and against FER+; None before it was computed.

    What was counted of other answers than the network's present ones is left out.
    """
    copies, votes = shelf.read_result("duplicates"), shelf.read_result("label_votes")
    rows = []
    for name in names:
        now = models.answers_hash(name)
        if copies is not None and copies.get("answers", {}).get(name) == now:
            found = copies["accuracy"][name][split]
            rows += [_count(name, words, found[key]) for key, words in WAYS.items()]
        if votes is not None and votes.get("answers", {}).get(name) == now:
            found = votes[split]["models"][name]
            rows.append(_count(name, "against FER+'s majority", found["against_votes"]))
            rows.append(_count(name, "those faces, FER-2013's label", found["against_labels"]))
    return pd.DataFrame(rows) if rows else None


def _count(name: str, words: str, share: dict[str, Any]) -> dict[str, Any]:
    low, high = share["interval"]
    value = share["share"]
    return {
        "model": name,
        "counted on": words,
        "accuracy, %": None if value is None else value * 100,
        "95% interval": f"{low:.1%} to {high:.1%}",
        "n": share["n"],
    }


def show(table: pd.DataFrame) -> None:
    """Show a table whose fractions have one decimal, NLL and temperature two."""
    fine = table.columns.intersection(["surprise (NLL)", "NLL at it", "temperature"])
    config = one_decimal(table) | dict.fromkeys(fine, st.column_config.NumberColumn(format="%.2f"))
    st.dataframe(table, hide_index=True, column_config=config)
