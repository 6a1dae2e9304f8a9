import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from fermodels.errors import CheckpointError, DataError
from fermodels.evaluation.calibration import (
    TEMPERATURES,
    at_temperature,
    brier_score,
    calibrate,
    expected_calibration_error,
    fit_temperature,
    helps,
    leaning,
    negative_log_likelihood,
    read_temperature,
    reliability,
)
from fermodels.evaluation.metrics import wilson_interval
from fermodels.nets import catalog


def sure_by(factor: float, n: int = 4000, seed: int = 0) -> tuple[NDArray, NDArray, NDArray]:
    """Labels drawn from honest probabilities, logits `factor` times too large, probabilities."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, 1.5, (n, 7))
    p = at_temperature(np.exp(honest) / np.exp(honest).sum(1, keepdims=True), 1.0)
    labels = (rng.random((n, 1)) > p.cumsum(1)).sum(1).clip(0, 6)
    logits = factor * honest
    return labels, logits, torch.from_numpy(logits).softmax(1).numpy().astype(np.float32)


def test_losses_equal_torchs_and_the_definition() -> None:
    labels, logits, p = sure_by(1.5, 200)
    theirs = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    assert negative_log_likelihood(labels, p) == pytest.approx(float(theirs), abs=1e-5)
    slow = np.mean(
        [sum((row[k] - (k == y)) ** 2 for k in range(7)) for row, y in zip(p, labels, strict=True)]
    )
    assert brier_score(labels, p) == pytest.approx(slow)
    assert negative_log_likelihood(labels, np.full((200, 7), 1 / 7)) == pytest.approx(np.log(7))


def test_temperature_from_probabilities_is_that_of_the_logits() -> None:
    _, logits, p = sure_by(1.0, 50)
    for temperature in (0.5, 1.0, 3.0):
        theirs = torch.from_numpy(logits / temperature).softmax(1).numpy()
        np.testing.assert_allclose(at_temperature(p, temperature), theirs, atol=1e-5)
    assert np.array_equal(at_temperature(p, 2.5).argmax(1), p.argmax(1))


@pytest.mark.parametrize("factor", [0.6, 1.0, 2.0])
def test_fitted_temperature_is_the_factor_by_which_logits_are_too_large(factor: float) -> None:
    labels, _, p = sure_by(factor)
    temperature = fit_temperature(labels, p)
    assert temperature == pytest.approx(factor, rel=0.06)
    grid = np.linspace(0.7, 1.4, 29) * temperature
    losses = [negative_log_likelihood(labels, at_temperature(p, t)) for t in grid]
    assert negative_log_likelihood(labels, at_temperature(p, temperature)) <= min(losses) + 1e-9


def test_probabilities_that_underflowed_to_0_do_not_break_the_fit() -> None:
    labels = np.array([0, 1, 2, 3])
    p = np.eye(7, dtype=np.float32)[[0, 1, 2, 4]]
    assert np.isfinite(negative_log_likelihood(labels, p))
    assert TEMPERATURES[0] <= fit_temperature(labels, p) <= TEMPERATURES[1]


def test_reliability_equals_a_slow_count_and_ece_its_mean_gap() -> None:
    labels, _, p = sure_by(2.0, 500)
    gap = 0.0
    for row in reliability(labels, p, bins=10):
        rows = [k for k in range(500) if row.low < p[k].max() <= row.high]
        hits = sum(p[k].argmax() == labels[k] for k in rows)
        assert row.n == len(rows)
        assert row.interval == wilson_interval(hits, len(rows))
        if rows:
            confidence = np.mean([float(p[k].max()) for k in rows])
            assert row.confidence == pytest.approx(confidence)
            assert row.accuracy == hits / len(rows)
            gap += len(rows) / 500 * abs(hits / len(rows) - confidence)
    assert expected_calibration_error(labels, p, bins=10) == pytest.approx(gap)


def test_calibrating_an_overconfident_model_mends_both_splits() -> None:
    splits = {}
    for seed, name in enumerate(("validation", "test")):
        labels, _, p = sure_by(2.0, seed=seed)
        splits[name] = labels, p
    found = json.loads(json.dumps(calibrate(splits), allow_nan=False))
    assert found["temperature"] == pytest.approx(2.0, rel=0.06)
    for name in splits:
        assert found[name]["ece_after"] < 0.03 < found[name]["ece_before"]
        assert found[name]["nll_after"] < found[name]["nll_before"]
        assert found[name]["brier_after"] < found[name]["brier_before"]


def two_thirds_unsure(n: int = 1000) -> tuple[NDArray, NDArray]:
    """As sure as right, but blind to where else the truth may lie: NLL wants it sharper.

    The answer has 50% and is right in half of the cases, the next best 30% and is right in all
    others, the rest 20% and never.
    """
    p = np.full((n, 7), 0.04)
    p[:, 0], p[:, 1] = 0.5, 0.3
    return np.arange(n) % 2, p


@pytest.mark.parametrize(
    ("factor", "words", "above"), [(2.0, "surer than right", True), (0.6, "less sure", False)]
)
def test_a_temperature_that_helps_is_used_and_the_record_says_which_way_it_erred(
    factor: float, words: str, above: bool
) -> None:
    labels, _, p = sure_by(factor)
    found = calibrate({"validation": (labels, p)})
    assert found["temperature"] == found["fitted_temperature"]
    assert (found["temperature"] > 1) is above
    measured = found["validation"]
    assert words in leaning(measured) and "chance" not in leaning(measured)
    assert measured["gap_before"] == pytest.approx(
        measured["confidence_before"] - measured["accuracy"]
    )
    assert "chance could explain" in leaning(measured, "after")


def test_a_temperature_that_lowers_only_the_loss_is_not_used(tmp_path: Path) -> None:
    labels, p = two_thirds_unsure()
    found = calibrate({"validation": (labels, p), "test": (labels, p)})
    measured = found["validation"]
    assert measured["ece_before"] == pytest.approx(0) and measured["ece_after"] > 0.05
    assert measured["nll_after"] < measured["nll_before"]
    assert found["temperature"] is None and found["fitted_temperature"] < 1
    (tmp_path / "metrics.json").write_text(json.dumps({"calibration": found}))
    assert read_temperature(tmp_path) is None


def test_a_temperature_stored_by_an_earlier_version_is_judged_by_its_own_figures(
    tmp_path: Path,
) -> None:
    metrics = tmp_path / "metrics.json"
    measured = {"nll_before": 0.90, "nll_after": 0.89, "ece_before": 0.025, "ece_after": 0.035}
    metrics.write_text(json.dumps({"calibration": {"temperature": 0.93, "validation": measured}}))
    assert read_temperature(tmp_path) is None
    measured["ece_after"] = 0.02
    metrics.write_text(json.dumps({"calibration": {"temperature": 0.93, "validation": measured}}))
    assert read_temperature(tmp_path) == 0.93
    metrics.write_text('{"calibration": {"temperature": 0.93, "validation": {}}}')
    with pytest.raises(CheckpointError, match=r"train\.calibrate"):
        read_temperature(tmp_path)


def test_bundled_networks_use_a_temperature_only_where_it_lowers_both() -> None:
    seen = set()
    for folder in catalog.available().values():
        found = catalog.read_metrics(folder)["calibration"]
        measured = found["validation"]
        lower = all(measured[f"{k}_after"] < measured[f"{k}_before"] for k in ("nll", "ece"))
        assert (found["temperature"] is not None) is lower is helps(measured), folder.name
        assert read_temperature(folder) == found["temperature"]
        seen.add(lower)
    assert seen == {True, False}, "both cases are shipped"


def test_temperature_is_read_back_or_known_to_be_absent(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.json"
    metrics.write_text("{}")
    assert read_temperature(tmp_path) is None
    metrics.write_text('{"calibration": {"temperature": 1.5}}')
    assert read_temperature(tmp_path) == 1.5
    metrics.write_text('{"calibration": {"temperature": -1}}')
    with pytest.raises(CheckpointError, match="-1"):
        read_temperature(tmp_path)


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(DataError, match="above 0"):
        at_temperature(np.full((1, 7), 1 / 7), 0.0)
    with pytest.raises(DataError, match="no faces"):
        fit_temperature(np.zeros(0, int), np.zeros((0, 7)))
