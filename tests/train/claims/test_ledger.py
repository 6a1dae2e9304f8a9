import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fermodels.data.emotions import EMOTIONS, PROBABILITY_COLUMNS
from fermodels.errors import DataError
from fermodels.evaluation.paper import REPORTED
from fermodels.nets import catalog
from fermodels.nets.fernet import FERNet
from tests.toys import striped_faces, tiny_config
from tests.train.claims.claim_toys import (
    CHECKERS,
    DEEP,
    DOWN,
    FAST,
    GOOD,
    SHALLOW,
    SLOW,
    UP,
    write_run,
    write_world,
)
from train.claims import training
from train.claims.__main__ import main
from train.claims.evidence import ClaimEvidence, mean_interval
from train.claims.expressions import FALLING, RISING
from train.claims.ledger import CLAIMS, ledger, row
from train.claims.maps import trend
from train.claims.search import lead
from train.sanity import initial_loss
from train.sweep.study import digits

Changes = dict[str, dict[str, Any]]

HIGH, LOW = (0.97,) * 7, (0.3,) * 7
SAD = (0.5, 0.5, 0.5, 0.3, 0.9, 0.5, 0.5)
"""Accuracy per expression of a network that finds sad the easiest."""
BROKEN: dict[int, Changes] = {
    2: {"shallow": {"overfit": 0.5}, "deep": {"overfit": 0.9}},
    3: {"shallow": {"recall": LOW}},
    4: {"deep": {"recall": LOW}},
    5: {"deep": {"recall": SHALLOW}},
    6: {"shallow": {"clean": SLOW * 0.7}, "deep": {"clean": SLOW * 1.1}},
    8: {"deep_5": {"recall": HIGH}, "deep_6": {"recall": HIGH}},
    9: {"shallow": {"recall": SAD}, "deep": {"recall": SAD}},
    10: {"deep": {"recall": LOW}},
    11: {"deep": {"recall": HIGH}},
    12: {"shallow": {"angry_for": ("neutral", "fear")}, "deep": {"angry_for": ("happy", "sad")}},
    13: {"hybrid_shallow": {"recall": DEEP}},
    14: {"hybrid_deep": {"recall": SHALLOW}},
    16: {
        "shallow": {"sparsity": DOWN, "entropy": UP},
        "deep": {"sparsity": DOWN, "entropy": UP},
    },
    17: {"shallow": {"kernel": CHECKERS}, "deep": {"kernel": CHECKERS}},
}
"""Claim -> changes to a world in which it holds, that make it fail."""


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty shelves of results and checkpoints."""
    monkeypatch.setenv("FER_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path / "results"


def test_the_ledger_holds_the_papers_nineteen_sentences_in_order() -> None:
    assert list(CLAIMS) == list(range(1, 20))
    assert RISING == ("angry", "disgust", "happy", "sad", "neutral")
    assert FALLING == ("fear", "surprise")


@pytest.mark.parametrize("number", BROKEN)
def test_claim_is_reproduced_where_it_holds(number: int, results: Path) -> None:
    write_world(results)
    found = row(CLAIMS[number], ClaimEvidence())
    assert found["verdict"] == "reproduced", found["why"]
    assert found["sources"]
    assert found["n"] > 0


@pytest.mark.parametrize("number", BROKEN)
def test_claim_is_not_reproduced_where_it_fails(number: int, results: Path) -> None:
    write_world(results, **BROKEN[number])
    found = row(CLAIMS[number], ClaimEvidence())
    assert found["verdict"] == "not reproduced", found["why"]


def test_claim_that_holds_for_one_network_only_is_mixed(results: Path) -> None:
    write_world(results, deep={"kernel": CHECKERS})
    found = row(CLAIMS[17], ClaimEvidence())
    assert found["verdict"] == "mixed"
    assert "Holds: shallow. Fails: deep." in found["why"]


def test_measures_carry_level_split_recipe_seeds_and_n(results: Path) -> None:
    write_world(results)
    rows = {n: row(CLAIMS[n], ClaimEvidence()) for n in CLAIMS}
    measures = [m for found in rows.values() for m in found["measures"]]
    assert measures
    for one in measures:
        assert (one["level"] is None) == (one["interval"] is None), one
        assert one["recipe"] == "paper" and one["seeds"] == 1 and one["n"] > 0
    for number in (3, 4, 5, 8, 9, 10, 11, 12, 13, 14):
        splits = {one["split"] for one in rows[number]["measures"]}
        assert splits == {"validation", "test"}, number
    levels = {n: {m["level"] for m in rows[n]["measures"] if m["interval"]} for n in rows}
    assert levels[8] == levels[13] == levels[14] == levels[3] == levels[5] == {0.9}
    assert levels[9] == levels[10] == {0.95}


def test_verdicts_on_one_seed_say_so(results: Path) -> None:
    write_world(results)
    for number in (2, 3, 5, 8, 14, 16, 17):
        assert "One seed; needs more" in row(CLAIMS[number], ClaimEvidence())["cautions"][-1]


@pytest.mark.parametrize("number", [5, 6, 7, 10, 11])
def test_networks_trained_differently_are_told_apart_in_the_claims_line(
    number: int, results: Path
) -> None:
    write_world(results, shallow={"optimizer": "adamw"})
    (told,) = [s for s in row(CLAIMS[number], ClaimEvidence())["cautions"] if "optimiser" in s]
    assert "shallow by optimiser adamw" in told and "deep by optimiser sgd" in told
    assert "learning rate" not in told  # in this they agree


def test_claim_that_holds_on_one_split_and_fails_on_the_other_is_inconclusive(
    results: Path,
) -> None:
    write_world(results)
    path = catalog.paper_runs_dir() / "deep-5"
    table = catalog.read_predictions(path)
    better = table["split"].eq("validation")
    columns = PROBABILITY_COLUMNS
    table.loc[better, columns] = np.eye(7)[table.loc[better, "label"]]
    table.to_parquet(path / catalog.PREDICTIONS)
    found = row(CLAIMS[8], ClaimEvidence())
    assert found["verdict"] == "inconclusive"
    assert "The splits disagree: deep-5 against deep." in found["why"]
    holds = {(m["part"][:6], m["split"]): m["holds"] for m in found["measures"]}
    assert holds["deep-5", "test"] is True and holds["deep-5", "validation"] is False


@pytest.mark.parametrize("recipe", ["paper", "strong"])
def test_shipped_pair_is_shown_and_not_judged(recipe: str, results: Path) -> None:
    write_world(results)
    for name in ("deep", "hybrid-deep"):
        recall = SHALLOW if name == "hybrid-deep" else DEEP
        write_run(results.parent / "checkpoints" / name, recall=recall, recipe=recipe)
    found = row(CLAIMS[14], ClaimEvidence())
    assert found["verdict"] == "reproduced"
    shown = [m for m in found["measures"] if not m["judged"]]
    assert len(shown) == (2 if recipe == "strong" else 0)
    assert all(m["holds"] is False and m["recipe"] == "strong" for m in shown)


@pytest.mark.parametrize(
    ("shallow", "deep", "verdict"),
    [(FAST, SLOW, "inconclusive"), (SLOW, FAST, "not reproduced"), (SLOW, SLOW, "not reproduced")],
)
def test_speed_of_convergence_is_not_shown_by_one_run_each(
    shallow: np.ndarray, deep: np.ndarray, verdict: str, results: Path
) -> None:
    write_world(results, shallow={"clean": shallow}, deep={"clean": deep})
    found = row(CLAIMS[7], ClaimEvidence())
    assert found["verdict"] == verdict
    assert any("cosine" in caution for caution in found["cautions"])


@pytest.mark.parametrize(
    ("spread", "verdict"),
    [(0.0, "reproduced"), (0.2, "mixed"), (0.06, "inconclusive")],
)
def test_initial_loss_is_also_that_of_torchs_own_initialisation(
    spread: float, verdict: str, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = np.log(7) + spread + np.linspace(-0.02, 0.02, 8)
    monkeypatch.setattr(training, "default_losses", lambda *_: losses)
    monkeypatch.setattr(training.checkpoint, "read_config", lambda _: ({}, None))
    write_world(results)
    found = row(CLAIMS[1], ClaimEvidence(striped_faces(49)))
    assert found["verdict"] == verdict
    assert [m["seeds"] for m in found["measures"]] == [1, 1, 8, 8]
    assert "Our own initialisation" in found["cautions"][0]
    without = row(CLAIMS[1], ClaimEvidence())
    assert without["verdict"] == "inconclusive" and "--data" in without["why"]


def test_initial_loss_that_is_far_off_fails(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "default_losses", lambda *_: np.linspace(2.5, 2.6, 8))
    monkeypatch.setattr(training.checkpoint, "read_config", lambda _: ({}, None))
    write_world(results, shallow={"initial_loss": 3.0}, deep={"initial_loss": 1.5})
    assert row(CLAIMS[1], ClaimEvidence(striped_faces(49)))["verdict"] == "not reproduced"


def test_default_losses_are_those_of_networks_as_torch_makes_them() -> None:
    faces = striped_faces(70)
    losses = training.default_losses(tiny_config(), faces, 32, 0)
    assert len(losses) == training.DEFAULT_SEEDS and losses.std() > 0
    again = training.default_losses(tiny_config(), faces, 32, 0)
    assert np.array_equal(losses, again)
    net = FERNet(tiny_config())  # as initialised here: the last layer near 0
    pixels = torch.from_numpy(faces.split("train").images[:32].copy())[:, None]
    ours = initial_loss(net, pixels, torch.from_numpy(faces.split("train").labels[:32]))
    assert abs(ours - np.log(7)) < np.abs(losses - np.log(7)).mean()


def test_claims_without_their_runs_say_what_is_missing(results: Path) -> None:
    write_run(results / "paper-runs" / "shallow", **GOOD["shallow"])
    rows = {claim["number"]: claim for claim in ledger(ClaimEvidence())["claims"]}
    assert rows[3]["verdict"] == "reproduced"
    untested = [n for n, claim in rows.items() if claim["verdict"] == "not testable yet"]
    assert untested == [n for n in CLAIMS if n != 3]
    assert "deep-5" in rows[8]["why"]
    assert "hybrid-deep and one of deep by" in rows[14]["why"]
    assert "train.sweep" in rows[19]["why"]
    assert all(rows[n]["value"] is None for n in untested)


def test_numbers_of_the_ledger_are_those_of_the_runs(results: Path) -> None:
    write_world(results)
    found = row(CLAIMS[5], ClaimEvidence())
    assert found["value"] == pytest.approx(sum(DEEP) / sum(SHALLOW) - 1)
    assert found["interval"][0] < found["value"] < found["interval"][1]
    gains = row(CLAIMS[10], ClaimEvidence())["measures"]
    for measure, name in zip(gains[::2], RISING, strict=True):
        k = EMOTIONS.index(name)
        assert measure["value"] == pytest.approx(DEEP[k] - SHALLOW[k])
        assert measure["n"] == 300
    reported = row(CLAIMS[4], ClaimEvidence())["reported"]
    assert f"{REPORTED['deep'].test:.0%}" in reported


def test_command_writes_the_same_ledger_twice(results: Path) -> None:
    write_world(results)
    tables = []
    for _ in range(2):
        assert main([]) == 0
        content = json.loads((results / "claims.json").read_text())
        tables.append(content["claims"])
        assert content["provenance"]["data_hash"] == "cafe"
    assert tables[0] == tables[1]
    assert len(tables[0]) == 19


def test_runs_on_different_faces_are_not_compared(results: Path) -> None:
    write_world(results)
    path = catalog.paper_runs_dir() / "deep" / catalog.PREDICTIONS
    table = catalog.read_predictions(path.parent)
    table.assign(sample_id=table["sample_id"] + "x").to_parquet(path)
    with pytest.raises(DataError, match="different"):
        row(CLAIMS[5], ClaimEvidence())


def sweep(best: int, paper: int, n: int = 1000) -> dict[str, Any]:
    trials = [
        {"number": k, "state": "complete", "correct": c, "n": n, "accuracy": c / n}
        for k, c in enumerate((paper, best, 300))
    ]
    return {"trials": trials, "paper_trial": 0, "best_trial": 1 if best > paper else 0}


@pytest.mark.parametrize(
    ("best", "verdict"),
    [(400, "reproduced"), (500, "inconclusive"), (520, "inconclusive"), (600, "not reproduced")],
)
def test_papers_settings_are_best_unless_one_beats_them_beyond_chance(
    best: int, verdict: str, results: Path
) -> None:
    results.mkdir()
    for name in ("shallow", "deep"):
        (results / f"sweep-{name}.json").write_text(json.dumps(sweep(best, 510)))
    found = row(CLAIMS[19], ClaimEvidence())
    assert found["verdict"] == verdict
    assert found["value"] == pytest.approx((best - 510) / 1000)
    assert found["level"] == pytest.approx(0.95)  # two rivals, one-sided


def test_network_that_was_never_swept_leaves_claim_19_open(results: Path) -> None:
    results.mkdir()
    (results / "sweep-shallow.json").write_text(json.dumps(sweep(300, 900)))
    found = row(CLAIMS[19], ClaimEvidence())
    assert found["verdict"] == "inconclusive"
    assert "deep (never swept)" in found["why"]


def test_trials_that_stored_their_answers_are_compared_face_by_face() -> None:
    labels = np.zeros(1000, int)
    paper = np.where(np.arange(1000) < 510, 0, 1)
    best = np.where(np.arange(1000) < 530, 0, 1)  # all that paper's has, and 20 more
    trials = [
        {"correct": int((a == 0).sum()), "n": 1000, "predicted": digits(a)} for a in (best, paper)
    ]
    paired, how = lead(trials[0], trials[1], digits(labels), 0.95, 0)
    assert how == "paired" and paired[0] > 0
    apart, how = lead(trials[0], trials[1], None, 0.95, 0)
    assert how == "not paired" and apart[0] < 0 < apart[1]


def test_claim_16_counts_the_layers_in_which_it_holds(results: Path) -> None:
    write_world(results, deep={"sparsity": DOWN})
    found = row(CLAIMS[16], ClaimEvidence())
    assert found["verdict"] == "mixed"
    assert "zeros increase in 2 and decrease in 0, entropy falls in 2" in found["why"]
    assert "zeros increase in 0 and decrease in 2, entropy falls in 2" in found["why"]


def test_trend_of_a_constant_or_of_nothing_is_none() -> None:
    flat = trend("conv1", "sparsity", [0.5] * 10)
    gone = trend("conv1", "entropy", [np.nan] * 10)
    assert flat.towards == flat.away == gone.towards == gone.away == 1.0


def test_interval_of_a_mean_agrees_with_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = mean_interval(values, 0)
    reach = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.03)
