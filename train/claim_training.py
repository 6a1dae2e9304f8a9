"""Claims on how the networks learn: sanity checks, overfitting, speed of convergence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fermodels.nets.evaluate import Z_95, wilson_interval
from fermodels.nets.shelf import HISTORY, METRICS
from train.claim_evidence import Claim, Evidence, Finding, Measure, Run, percent, points, span
from train.loop import TRAIN_PROBE

NETS = ("shallow", "deep")
"""The paper's two main networks."""

LOSS_TOLERANCE = 0.05
"""How far from ln 7 an initial loss may lie, in nats."""

BY_HEART = 0.98
"""Share of a small subset that counts as learned."""

NEARLY = 0.95
"""Share of the best training accuracy that counts as nearly there."""


def initial_loss(evidence: Evidence) -> Finding:
    """Claim 1: before training, without regularisation, the loss is about ln 7."""
    measures = []
    for run in evidence.runs(*NETS):
        report = run.metrics["sanity"]
        loss, expected = report["initial_loss"], report["expected_initial_loss"]
        measures.append(
            Measure(
                what=f"{run.name}: initial loss",
                value=loss,
                n=report["initial_loss_faces"],
                holds=abs(loss - expected) <= LOSS_TOLERANCE,
                says=f"{run.name} starts at {loss:.3f} where ln 7 = {expected:.3f}",
            )
        )
    return Finding(tuple(measures), _sources(evidence, METRICS))


def overfits_subset(evidence: Evidence) -> Finding:
    """Claim 2: each network can learn a small subset by heart."""
    measures = []
    for run in evidence.runs(*NETS):
        report = run.metrics["sanity"]
        share, n = report["overfit_accuracy"], report["overfit_faces"]
        measures.append(
            Measure(
                what=f"{run.name}: accuracy on a subset it was trained on",
                value=share,
                n=n,
                holds=share >= BY_HEART,
                says=f"{run.name} names {percent(share)} of {n} faces after "
                f"{report['overfit_steps']} steps",
                interval=wilson_interval(round(share * n), n),
            )
        )
    return Finding(tuple(measures), _sources(evidence, METRICS))


def _gap(run: Run, epoch: int) -> tuple[float, float]:
    """Return training minus validation accuracy after an epoch, and its variance."""
    row = run.epochs.iloc[epoch - 1]
    train, validation = float(row["train_clean_accuracy"]), float(row["validation_accuracy"])
    variance = train * (1 - train) / TRAIN_PROBE
    variance += validation * (1 - validation) / run.metrics["validation"]["n"]
    return train - validation, variance


def deep_overfits_less(evidence: Evidence) -> Finding:
    """Claim 6: the gap between training and validation accuracy is smaller for the deep net."""
    shallow, deep = evidence.runs(*NETS)
    measures = []
    for when in ("kept", "last"):
        key = "best_epoch" if when == "kept" else "epochs"
        (wide, one), (narrow, two) = (_gap(run, run.metrics[key]) for run in (shallow, deep))
        difference, reach = wide - narrow, Z_95 * math.sqrt(one + two)
        interval = difference - reach, difference + reach
        measures.append(
            Measure(
                what=f"gap of shallow minus gap of deep, {when} epoch",
                value=difference,
                n=TRAIN_PROBE + shallow.metrics["validation"]["n"],
                holds=interval[0] > 0,
                says=f"at the {when} epoch the gap is {points(wide)} for shallow and "
                f"{points(narrow)} for deep (difference {span(interval, points)})",
                interval=interval,
            )
        )
    return Finding(tuple(measures), _sources(evidence, HISTORY))


def shallow_converges_faster(evidence: Evidence) -> Finding:
    """Claim 7: the shallow net reaches its best training accuracy in fewer epochs."""
    curves = {
        run.name: np.asarray(run.epochs["train_clean_accuracy"], float)
        for run in evidence.runs(*NETS)
    }
    measures = []
    for share in (1.0, NEARLY):
        epochs = {
            name: int(np.argmax(curve >= share * curve.max())) + 1 for name, curve in curves.items()
        }
        goal = "its best" if share == 1.0 else f"{share:.0%} of its best"
        measures.append(
            Measure(
                what=f"epochs to {goal} training accuracy, deep minus shallow",
                value=epochs["deep"] - epochs["shallow"],
                n=len(curves),
                holds=epochs["shallow"] < epochs["deep"],
                says=f"shallow reaches {goal} training accuracy after {epochs['shallow']} epochs, "
                f"deep after {epochs['deep']}",
            )
        )
    return Finding(tuple(measures), _sources(evidence, HISTORY))


def _sources(evidence: Evidence, record: str) -> tuple[str, ...]:
    return tuple(run.source(record) for run in evidence.runs(*NETS))


_COMMON: dict[str, Any] = {"where": "text (sanity checks)"}
CLAIMS = (
    Claim(
        1,
        "Without regularisation the initial loss is about 1.95, as seven unknown classes predict.",
        reported="about 1.95",
        statistic="cross-entropy of the untrained network, dropout off",
        rule=f"within {LOSS_TOLERANCE} of ln 7",
        test=initial_loss,
        **_COMMON,
    ),
    Claim(
        2,
        "Each network can overfit a small subset of the training set.",
        reported="yes, no figure",
        statistic="accuracy on the subset it was trained on",
        rule=f"at least {BY_HEART:.0%} of the subset",
        test=overfits_subset,
        **_COMMON,
    ),
    Claim(
        6,
        "The deep network overfits less than the shallow one.",
        where="Figures 3 and 5",
        reported="curves only",
        statistic="gap of training and validation accuracy, shallow minus deep",
        rule="95% interval of the difference above 0 (faces taken as independent)",
        test=deep_overfits_less,
    ),
    Claim(
        7,
        "The shallow network converges faster.",
        where="Figure 5",
        reported="curves only",
        statistic="epochs to the best training accuracy (training faces, evaluation mode)",
        rule="fewer epochs for shallow; one run each, so no test",
        test=shallow_converges_faster,
    ),
)
