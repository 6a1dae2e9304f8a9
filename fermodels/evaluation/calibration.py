"""Does a probability of 70% mean right in 70 of 100 cases? And the temperature that may mend it.

A temperature is fitted to the likelihood, which also rewards what calibration is not about; it is
used only where it lowers the calibration error too, see `helps`.

Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fermodels.errors import CheckpointError, DataError
from fermodels.evaluation.metrics import Z_95, wilson_interval
from fermodels.files import called
from fermodels.nets.catalog import METRICS, read_metrics
from fermodels.results import complete

Labels = NDArray[np.integer[Any]]
Probabilities = NDArray[np.floating[Any]]

BINS = 15
TEMPERATURES = (0.05, 20.0)
"""Where a temperature is looked for; a model that is never wrong would want 0."""

FITTED_ON = "validation"
"""The split that a temperature is fitted on, and must help on."""

SMALLEST = float(np.finfo(np.float32).tiny)
"""Stored probabilities that float32 rounded to 0 count as this, so that their log exists."""


@dataclass(frozen=True)
class ReliabilityBin:
    """The faces whose winning probability lies in one range."""

    low: float
    """Lower edge, exclusive (but for 0)."""
    high: float
    """Upper edge, inclusive."""
    n: int
    confidence: float
    """Mean winning probability; NaN without faces."""
    accuracy: float
    """Share predicted right; NaN without faces."""
    interval: tuple[float, float]
    """Wilson interval of the accuracy."""


def negative_log_likelihood(labels: Labels, probabilities: Probabilities) -> float:
    """Return the mean of -ln p(true class), in nats; 1.946 for a model that knows nothing."""
    true = probabilities[np.arange(len(labels)), labels].astype(float)
    return float(-np.log(np.maximum(true, SMALLEST)).mean())


def brier_score(labels: Labels, probabilities: Probabilities) -> float:
    """Return the mean squared distance between probabilities and truth, 0 to 2 (Brier 1950)."""
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(1).mean())


def reliability(
    labels: Labels, probabilities: Probabilities, bins: int = BINS
) -> list[ReliabilityBin]:
    """Return the reliability curve: accuracy by winning probability, in bins of equal width.

    Args:
        labels: true classes ``(N,)``.
        probabilities: ``(N, 7)``.
        bins: number of bins over [0, 1]; each is open below and closed above (Guo et al.).
    """
    sure = probabilities.max(1).astype(float)
    right = probabilities.argmax(1) == labels
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    reliability = []
    for k in range(bins):
        inside = place == k
        n, hits = int(inside.sum()), int(right[inside].sum())
        confidence = float(sure[inside].mean()) if n else math.nan
        accuracy = hits / n if n else math.nan
        interval = wilson_interval(hits, n)
        reliability.append(
            ReliabilityBin(k / bins, (k + 1) / bins, n, confidence, accuracy, interval)
        )
    return reliability


def expected_calibration_error(
    labels: Labels, probabilities: Probabilities, bins: int = BINS
) -> float:
    """Return the mean gap of accuracy and confidence over faces, 0 to 1 (Guo et al., eq. 3)."""
    curve = [row for row in reliability(labels, probabilities, bins) if row.n]
    return sum(row.n * abs(row.accuracy - row.confidence) for row in curve) / len(labels)


def at_temperature(probabilities: Probabilities, temperature: float) -> NDArray[np.float64]:
    """Return softmax(logits / temperature), ``(N, 7)``, from the probabilities at temperature 1.

    log p is a logit up to a constant per face, which softmax ignores. The order of the classes,
    and so the prediction, does not change.

    Raises:
        DataError: the temperature is not positive.
    """
    if not temperature > 0:
        raise DataError(f"temperature is {temperature}: expected a number above 0")
    logits = np.log(np.maximum(np.asarray(probabilities, float), SMALLEST)) / temperature
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), float)


def fit_temperature(labels: Labels, probabilities: Probabilities) -> float:
    """Return the temperature with the smallest NLL, within TEMPERATURES.

    The NLL is convex in 1/temperature, so it has one minimum; above 1 the model was too sure.

    Args:
        labels: true classes ``(N,)`` of faces that the model was not trained on.
        probabilities: ``(N, 7)`` at temperature 1.

    Raises:
        DataError: no faces.
    """
    from scipy.optimize import minimize_scalar

    if len(labels) == 0:
        raise DataError("no faces to fit a temperature on: give the validation predictions")

    def loss(log_temperature: float) -> float:
        cooled = at_temperature(probabilities, math.exp(log_temperature))
        return negative_log_likelihood(labels, cooled)

    bounds = (math.log(TEMPERATURES[0]), math.log(TEMPERATURES[1]))
    minimum = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return math.exp(float(minimum.x))


def figures(labels: Labels, probabilities: Probabilities, temperature: float) -> dict[str, Any]:
    """Return one split's figures of sureness, before and after a temperature, as JSON types.

    They are accuracy, mean winning probability ("confidence"), the gap of the two with its 95%
    interval (above 0: surer than right), ECE, NLL and Brier score.

    Args:
        labels: true classes ``(N,)``.
        probabilities: ``(N, 7)`` at temperature 1.
        temperature: what the logits are divided by for "after".
    """
    right = probabilities.argmax(1) == labels
    measured: dict[str, Any] = {"n": len(labels), "accuracy": float(right.mean())}
    for when, p in (
        ("before", probabilities),
        ("after", at_temperature(probabilities, temperature)),
    ):
        sure = p.max(1).astype(float)
        gaps = sure - right
        gap, reach = float(gaps.mean()), Z_95 * float(gaps.std() / math.sqrt(len(gaps)))
        measured[f"confidence_{when}"] = float(sure.mean())
        measured[f"gap_{when}"], measured[f"gap_interval_{when}"] = gap, [gap - reach, gap + reach]
        measured[f"ece_{when}"] = expected_calibration_error(labels, p)
        measured[f"nll_{when}"] = negative_log_likelihood(labels, p)
        measured[f"brier_{when}"] = brier_score(labels, p)
    return measured


def calibrate(splits: dict[str, tuple[Labels, Probabilities]]) -> dict[str, Any]:
    """Fit the temperature on ``validation`` and return what ``metrics.json`` says of it.

    Args:
        splits: split name -> labels ``(N,)`` and probabilities ``(N, 7)``; one is ``validation``.
    """
    fitted = fit_temperature(*splits[FITTED_ON])
    by_split = {name: figures(*pair, fitted) for name, pair in splits.items()}
    return {
        "temperature": fitted if helps(by_split[FITTED_ON]) else None,
        "fitted_temperature": fitted,
        "fitted_on": FITTED_ON,
        "bins": BINS,
        **by_split,
    }


def helps(measured: Mapping[str, Any]) -> bool:
    """Return whether a temperature lowers both NLL and ECE; only then is it used.

    Args:
        measured: the figures of the split that it was fitted on, see `figures`.
    """
    return bool(
        measured["nll_after"] < measured["nll_before"]
        and measured["ece_after"] < measured["ece_before"]
    )


BY_CHANCE = ", which chance could explain"
"""Said of a gap whose interval holds 0."""


def leaning(measured: Mapping[str, Any], when: str = "before") -> str:
    """Return which way a network errs and by how much, such as "2.1 points surer than right".

    Where the interval of the gap holds 0 that is said: neither way is shown.

    Args:
        measured: one split's figures, see `figures`.
        when: ``before`` or ``after`` the temperature.
    """
    gap, (low, high) = measured[f"gap_{when}"], measured[f"gap_interval_{when}"]
    sentence = f"{100 * abs(gap):.1f} points {'surer' if gap > 0 else 'less sure'} than right"
    return f"{sentence}{BY_CHANCE}" if low <= 0 <= high else sentence


def read_temperature(folder: Path) -> float | None:
    """Return a checkpoint's temperature; None if it was never calibrated, or none helps.

    Raises:
        CheckpointError: the metrics are missing, or hold a temperature that is no positive number.
    """
    return temperature_in(read_metrics(folder), called(folder / METRICS))


def temperature_in(metrics: Mapping[str, Any], source: object) -> float | None:
    """Return the temperature that a checkpoint's metrics hold; None if none is to be used.

    None if it was never calibrated, and if the temperature does not help by the metrics' own
    figures (checkpoints of earlier versions hold such).

    Args:
        metrics: what ``metrics.json`` holds.
        source: where they are from, for an error's words.

    Raises:
        CheckpointError: the temperature is no number within TEMPERATURES.
    """
    calibration = metrics.get("calibration")
    if calibration is None:
        return None
    if (
        isinstance(calibration, dict)
        and "temperature" in calibration
        and calibration["temperature"] is None
    ):
        return None
    temperature = calibration.get("temperature") if isinstance(calibration, dict) else None
    low, high = TEMPERATURES
    if (
        not isinstance(temperature, int | float)
        or isinstance(temperature, bool)
        or not low <= round(temperature, 6) <= high
    ):
        raise CheckpointError(
            f"{source} has temperature {str(temperature)[:60]!r}: expected a number, {low} to "
            f"{high:g}; run python -m train.calibrate on the checkpoint"
        )
    if FITTED_ON in calibration:
        with complete(f"the calibration in {source}", "python -m train.calibrate"):
            if not helps(calibration[FITTED_ON]):
                return None
    return float(temperature)
