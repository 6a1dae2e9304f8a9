"""The Compare room's careful half: paired tests, calibration, and other ways to count."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from fermodels import results
from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from fermodels.evaluation.calibration import (
    ReliabilityBin,
    at_temperature,
    figures,
    leaning,
    reliability,
    temperature_in,
)
from fermodels.evaluation.metrics import correct_within, wilson_interval
from fermodels.evaluation.paired_tests import bootstrap_difference, holm, mcnemar
from fermodels.evaluation.paper import CITATION, REPORTED, reported
from fermodels.nets import catalog
from fermodels.nets.variants import VARIANTS
from studio import networks
from studio.components import download
from studio.components.text import plain
from studio.figures import charts, heatmaps
from studio.figures.heatmaps import PAPER_SUFFIX, Accuracies
from studio.state import BOUND
from studio.theme import model_color


def one_decimal(table: pd.DataFrame) -> dict[str, Any]:
    """Return column settings that show fractions with one decimal and counts with none."""
    return {
        column: st.column_config.NumberColumn(format="%.1f")
        for column in table.select_dtypes("float").columns
    }


LEVEL = 0.05
Predictions = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Labels ``(N,)`` and probabilities ``(N, 7)``."""


def recorded_predictions(name: str, split: str) -> pd.DataFrame:
    """Return a network's stored predictions on a split: label and 7 probabilities by sample id."""
    table = networks.predictions(name)
    return table[table["split"] == split].set_index("sample_id")


def arrays(name: str, split: str) -> Predictions:
    """Return a model's recorded labels and probabilities on a split."""
    table = recorded_predictions(name, split)
    return table["label"].to_numpy(np.int64), table[networks.PROBABILITY_COLUMNS].to_numpy(float)


def paired(names: list[str], split: str) -> pd.DataFrame:
    """Return one row per pair of models: the difference, its interval, and whether it is real.

    Exact McNemar on the faces that only one of the two got right, Holm's correction over all
    pairs, and a paired bootstrap interval of the difference in accuracy.
    """
    rows, p_values = [], []
    for first, second in combinations(names, 2):
        one, other = recorded_predictions(first, split), recorded_predictions(second, split)
        other = other.loc[other.index.intersection(one.index)]
        one = one.loc[other.index]
        labels = one["label"].to_numpy(np.int64)
        guesses = [t[networks.PROBABILITY_COLUMNS].to_numpy().argmax(1) for t in (one, other)]
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
        row["verdict"] = _verdict(row, p_value)
    return pd.DataFrame(rows)


def _verdict(row: dict[str, Any], p_value: float) -> str:
    if p_value >= LEVEL:
        return "no difference shown"
    better = row["first"] if row["only first right"] > row["only second right"] else row["second"]
    return f"{better} is better"


def calibration_table(names: list[str], split: str) -> pd.DataFrame:
    """Return top-2 accuracy and how far each model's probabilities can be believed."""
    rows = []
    for name in names:
        labels, probabilities = arrays(name, split)
        hits, tried = correct_within(labels, probabilities, 2), tried_temperature(name)
        low, high = wilson_interval(hits, len(labels))
        # without a temperature nothing is cooled, and only what is "before" is shown
        errors = figures(labels, probabilities, 1.0 if tried is None else tried)
        row: dict[str, Any] = {
            "model": name,
            "top-2 accuracy, %": hits / len(labels) * 100,
            "95% interval": f"{low:.1%} to {high:.1%}",
            "n": len(labels),
            "errs": leaning(errors),
            "ECE, %": errors["ece_before"] * 100,
            "NLL": errors["nll_before"],
        }
        if tried is not None:
            row["temperature"] = tried
            row["used"] = "no" if temperature_of(name) is None else "yes"
            row["ECE with temperature, %"] = errors["ece_after"] * 100
            row["NLL with temperature"] = errors["nll_after"]
        rows.append(row)
    return pd.DataFrame(rows)


def tried_temperature(name: str) -> float | None:
    """Return the temperature fitted on validation, used or not; None if none was fitted."""
    calibration = networks.metrics(name).get("calibration")
    fitted = calibration.get("fitted_temperature") if isinstance(calibration, dict) else None
    return temperature_of(name) if fitted is None else float(fitted)


def temperature_of(name: str) -> float | None:
    """Return the temperature that a model is used at; None if it has none that helps."""
    return temperature_in(networks.metrics(name), name)


def reliability_of(
    names: list[str], split: str, *, cooled: bool
) -> dict[str, list[ReliabilityBin]]:
    """Return each model's reliability curve, with its temperature if `cooled` and it has one."""
    curves = {}
    for name in names:
        labels, probabilities = arrays(name, split)
        temperature = temperature_of(name)
        if cooled and temperature is not None:
            probabilities = at_temperature(probabilities, temperature)
        curves[name] = reliability(labels, probabilities)
    return curves


WAYS: dict[str, str] = {
    "all": "all faces",
    "without_exact_copies": "without exact copies of training faces",
    "without_near_copies": "without near copies either",
    "near_copies_only": "copies of training faces only",
}
"""How `results/duplicates.json` counts, in words."""


def other_counts(names: list[str], split: str) -> pd.DataFrame | None:
    """Return accuracy counted without copies, and against FER+; None before it was computed.

    Results for other predictions than the network's present ones are left out.
    """
    copies, votes = results.read_result("duplicates"), results.read_result("label_votes")
    rows = []
    for name in names:
        now = networks.predictions_hash(name)
        if copies is not None and copies.get("answers", {}).get(name) == now:
            shares = copies["accuracy"][name][split]
            rows += [_count(name, words, shares[key]) for key, words in WAYS.items()]
        if votes is not None and votes.get("answers", {}).get(name) == now:
            shares = votes[split]["models"][name]
            rows.append(_count(name, "against FER+'s majority", shares["against_votes"]))
            rows.append(_count(name, "those faces, FER-2013's label", shares["against_labels"]))
    return pd.DataFrame(rows) if rows else None


def _count(name: str, words: str, share: dict[str, Any]) -> dict[str, Any]:
    low, high = share["interval"]
    value = share["share"]
    return {
        "model": name,
        "subset": words,
        "accuracy, %": None if value is None else value * 100,
        "95% interval": f"{low:.1%} to {high:.1%}",
        "n": share["n"],
    }


def show(table: pd.DataFrame) -> None:
    """Show a table whose fractions have one decimal, NLL and temperature two."""
    fine = table.columns.intersection(["NLL", "NLL with temperature", "temperature"])
    config = one_decimal(table) | dict.fromkeys(fine, st.column_config.NumberColumn(format="%.2f"))
    st.dataframe(table, hide_index=True, column_config=config)


# --- The Compare room's tables: models side by side, and beside what the paper reports


NEEDS = (catalog.METRICS, catalog.PREDICTIONS)
"""The records a network must bring to be compared."""


def confusion(name: str, split: str) -> NDArray[np.int64]:
    """Return a checkpoint's confusion counts ``(7, 7)`` on a split."""
    return np.array(networks.metrics(name)[split]["confusion_matrix"], dtype=np.int64)


def accuracies_of(names: list[str], split: str, *, with_paper: bool) -> dict[str, Accuracies]:
    """Return accuracy per expression of each model, and of the paper's nets of the same name."""
    accuracies: dict[str, Accuracies] = {}
    for name in names:
        rows: dict[str, Any] = networks.metrics(name)[split]["per_class"]
        color = model_color(names, name)
        accuracies[name] = Accuracies(
            {e: rows[e]["accuracy"] for e in EMOTIONS},
            {e: (rows[e]["interval"][0], rows[e]["interval"][1]) for e in EMOTIONS},
            color,
        )
        if with_paper and name in REPORTED:
            quoted = REPORTED[name].per_expression
            accuracies[name + PAPER_SUFFIX] = Accuracies(quoted, {}, color, quoted=True)
    return accuracies


def overall(names: list[str], split: str) -> pd.DataFrame:
    """Return one row per model: accuracy, n, macro F1, views, without copies, paper's, origin."""
    rows = []
    for name in names:
        about = networks.metrics(name)
        scores = about[split]
        paper = reported(name, split)
        rows.append(
            {
                "model": name,
                "accuracy [95%]": _with_interval(scores),
                "n": scores["n"],
                "macro F1, %": scores["macro_f1"] * 100,
                "flip averaging": averaged(name, split, "mirrored"),
                "ten-crop averaging (TTA)": averaged(name, split, "ten"),
                "without copies": _without_copies(about, split),
                "paper": _beside(paper, str(about["recipe"])),
                "recipe": about["recipe"],
                "parameters": f"{about['parameters'] / 1e6:.1f} M",
                "training": f"{about['epochs']} epochs, {about['training_seconds'] / 60:.0f} min",
            }
        )
    return pd.DataFrame(rows)


def _without_copies(about: dict[str, Any], split: str) -> str:
    counted = about.get("without_copies")
    if counted is None:
        return "not computed"
    return _with_interval(counted[split] | {"accuracy": counted[split]["share"]})


def _beside(paper: float | None, recipe: str) -> str:
    """Return the paper's figure, which stands beside networks of its own recipe alone."""
    if paper is None:
        return "not given"
    return f"{paper:.0%}" if recipe == "paper" else "of another recipe"


def averaged(name: str, split: str, views: str) -> str:
    """Return a model's accuracy on averages over views with its interval (`train.rescore`)."""
    viewed = networks.metrics(name).get("views")
    if viewed is None:
        return "not computed"
    return _with_interval(viewed[views][split])


def _with_interval(scores: dict[str, Any]) -> str:
    low, high = (100 * end for end in scores["interval"])
    return f"{scores['accuracy']:.1%} [{low:.1f}, {high:.1f}]"


def table_3(names: list[str], split: str) -> pd.DataFrame:
    """Return the paper's Table 3, ours and theirs: one row per expression, percent."""
    table = pd.DataFrame({"expression": list(EMOTIONS)})
    for name in names:
        rows = networks.metrics(name)[split]["per_class"]
        table["n"] = [rows[e]["n"] for e in EMOTIONS]
        table[f"{name}, %"] = [rows[e]["accuracy"] * 100 for e in EMOTIONS]
        table[f"{name}, 95% interval"] = [
            f"{rows[e]['interval'][0] * 100:.1f} to {rows[e]['interval'][1] * 100:.1f}"
            for e in EMOTIONS
        ]
        if name in REPORTED:
            quoted = REPORTED[name].per_expression
            table[f"{name}, paper, %"] = [quoted[e] * 100 for e in EMOTIONS]
    return table


def untrained() -> list[str]:
    """Return the variants that have no checkpoint here."""
    return [name for name in VARIANTS if name not in networks.names()]


def faces_in_cell(
    name: str, split: str, truth: str, guess: str, faces: FaceDataset
) -> tuple[NDArray[np.intp], int]:
    """Return the rows of `faces` of a cell, most confident first, and how many fell there.

    The count can exceed the rows: the loaded data need not be the data the model was scored on.
    """
    table = networks.predictions(name)
    guesses = table[networks.PROBABILITY_COLUMNS].to_numpy()
    inside = (
        (table["split"] == split).to_numpy()
        & (table["label"] == EMOTIONS.index(truth)).to_numpy()
        & (guesses.argmax(1) == EMOTIONS.index(guess))
    )
    by_confidence = np.argsort(-guesses[inside].max(1), kind="stable")
    order = {
        str(i): k for k, i in enumerate(table.loc[inside, "sample_id"].to_numpy()[by_confidence])
    }
    rows = [row for row, i in enumerate(faces.ids) if i in order]
    rows.sort(key=lambda row: order[str(faces.ids[row])])
    return np.array(rows, dtype=np.intp), int(inside.sum())


# --- The Compare room's sections below the matrices: figures and tables, each with how to read it


def show_overall(split: str) -> None:
    """Show the accuracy on a split of every model, chosen or not."""
    show(overall(networks.bringing(*NEEDS), split))
    st.caption(
        "Every network here, chosen above or not, each trained from one seed. Networks of "
        "different recipes differ in more than their layers: see Training. One view of each face, "
        "unless the column says otherwise. Test-time augmentation (TTA) costs two or ten passes; "
        "many published figures use it."
    )


def show_paired(names: list[str], split: str) -> None:
    """Show for every pair of models whether their accuracies differ significantly."""
    show(paired(names, split))
    st.caption(
        "Both saw the same faces, so only those count that one of the two got right: McNemar's "
        "exact test, corrected for the number of pairs (Holm). Intervals by paired bootstrap."
    )


def show_per_expression(names: list[str], split: str) -> None:
    """Draw accuracy per expression beside the paper's, and the same as a table."""
    st.markdown("Dots are ours with 95% Wilson intervals, hollow diamonds the paper's Table 3.")
    with_paper = st.toggle("Show the paper's", True, key="paper", **BOUND)
    accuracies = accuracies_of(names, split, with_paper=with_paper)
    download.show(
        heatmaps.per_expression(accuracies, height=140 + 52 * 7),
        "per-expression",
        f"Accuracy per expression on the {split} split with 95% intervals",
    )
    with st.expander("As a table", icon=":material/table:"):
        table = table_3(names, split)
        show(table)
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


def show_calibration(names: list[str], split: str) -> None:
    """Draw each network's reliability curve, with its figures beside."""
    cooled = st.toggle("With the temperature, where one is used", key="cooled", **BOUND)
    colors = {name: model_color(names, name) for name in names}
    fig = charts.reliability_curves(reliability_of(names, split, cooled=cooled), colors)
    download.show(fig, "reliability", "Accuracy of each network by its confidence")
    show(calibration_table(names, split))
    st.caption(
        "Below the dashed line the network is overconfident, above it underconfident. ECE is the "
        "expected calibration error, NLL the negative log-likelihood. The temperature divides the "
        "logits: it changes the confidence, never the prediction. It is used only where it lowers "
        "both NLL and ECE on validation."
    )


def show_other_counts(names: list[str], split: str) -> None:
    """Show accuracy without copies and against FER+, or how it is computed."""
    counts = other_counts(names, split)
    if counts is None:
        st.info(
            "Not computed here yet: `python -m train.labels --data PATH` counts without copies."
        )
        return
    show(counts)
    if rest := sorted(set(names) - set(counts["model"])):
        st.caption(
            f"Not computed for the present {plain(', '.join(rest))}: "
            "`python -m train.labels --data PATH`."
        )
    st.caption(
        "Some test faces are copies of training faces, which flatters every network. For FER+ "
        "ten people labelled each face: where most agree, that is another label, not a cleaner one."
    )
