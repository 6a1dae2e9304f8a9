import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fermodels.data.emotions import EMOTIONS
from fermodels.errors import DataError
from fermodels.nets import shelf
from fermodels.nets.paper import REPORTED
from tests.train.claim_toys import (
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
from train.claim_evidence import Evidence, mean_interval
from train.claim_expressions import FALLING, RISING
from train.claim_maps import trend
from train.claims import CLAIMS, ledger, main, row

Changes = dict[str, dict[str, Any]]

HIGH, LOW = (0.97,) * 7, (0.3,) * 7
BROKEN: dict[int, Changes] = {
    1: {"shallow": {"initial_loss": 3.0}, "deep": {"initial_loss": 1.5}},
    2: {"shallow": {"overfit": 0.5}, "deep": {"overfit": 0.9}},
    3: {"shallow": {"recall": LOW}},
    4: {"deep": {"recall": LOW}},
    5: {"deep": {"recall": SHALLOW}},
    6: {"shallow": {"clean": SLOW * 0.7}, "deep": {"clean": SLOW * 1.1}},
    7: {"shallow": {"clean": SLOW}, "deep": {"clean": FAST}},
    8: {"deep_5": {"recall": HIGH}, "deep_6": {"recall": HIGH}},
    9: {"shallow": {"recall": LOW}, "deep": {"recall": LOW}},
    10: {"deep": {"recall": SHALLOW}},
    11: {"deep": {"recall": SHALLOW}},
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
    found = row(CLAIMS[number], Evidence())
    assert found["verdict"] == "reproduced", found["why"]
    assert found["sources"]
    assert found["n"] > 0


@pytest.mark.parametrize("number", BROKEN)
def test_claim_is_not_reproduced_where_it_fails(number: int, results: Path) -> None:
    write_world(results, **BROKEN[number])
    found = row(CLAIMS[number], Evidence())
    assert found["verdict"] == "not reproduced", found["why"]


def test_claim_that_holds_for_one_network_only_is_mixed(results: Path) -> None:
    write_world(results, deep={"kernel": CHECKERS})
    assert row(CLAIMS[17], Evidence())["verdict"] == "mixed"


def test_claims_without_their_runs_say_what_is_missing(results: Path) -> None:
    write_run(results / "paper-runs" / "shallow", **GOOD["shallow"])
    rows = {claim["number"]: claim for claim in ledger(Evidence())["claims"]}
    assert rows[3]["verdict"] == "reproduced"
    untested = [n for n, claim in rows.items() if claim["verdict"] == "not testable yet"]
    assert untested == [n for n in CLAIMS if n != 3]
    assert "deep-5" in rows[8]["why"]
    assert "hybrid-deep and one of deep by" in rows[14]["why"]
    assert "train.sweep" in rows[19]["why"]
    assert all(rows[n]["value"] is None for n in untested)


def test_numbers_of_the_ledger_are_those_of_the_runs(results: Path) -> None:
    write_world(results)
    found = row(CLAIMS[5], Evidence())
    assert found["value"] == pytest.approx(sum(DEEP) / sum(SHALLOW) - 1)
    assert found["interval"][0] < found["value"] < found["interval"][1]
    gains = row(CLAIMS[10], Evidence())["measures"]
    for measure, name in zip(gains, RISING, strict=True):
        k = EMOTIONS.index(name)
        assert measure["value"] == pytest.approx(DEEP[k] - SHALLOW[k])
        assert measure["n"] == 300
    reported = row(CLAIMS[4], Evidence())["reported"]
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
    path = shelf.paper_runs_dir() / "deep" / shelf.PREDICTIONS
    table = shelf.read_predictions(path.parent)
    table.assign(sample_id=table["sample_id"] + "x").to_parquet(path)
    with pytest.raises(DataError, match="different"):
        row(CLAIMS[5], Evidence())


def sweep(best: int, paper: int) -> dict[str, Any]:
    trials = [
        {"number": k, "state": "complete", "correct": c, "n": 1000, "accuracy": c / 1000}
        for k, c in enumerate((paper, best, 300))
    ]
    return {"trials": trials, "paper_trial": 0, "best_trial": 1 if best > paper else 0}


@pytest.mark.parametrize(
    ("best", "verdict"),
    [(500, "reproduced"), (520, "reproduced"), (600, "not reproduced")],
)
def test_papers_settings_are_best_unless_one_beats_them_beyond_chance(
    best: int, verdict: str, results: Path
) -> None:
    results.mkdir()
    (results / "sweep-shallow.json").write_text(json.dumps(sweep(best, 510)))
    found = row(CLAIMS[19], Evidence())
    assert found["verdict"] == verdict
    assert found["value"] == pytest.approx(max(0, best - 510) / 1000)


def test_claim_16_counts_the_layers_in_which_it_holds(results: Path) -> None:
    write_world(results, deep={"sparsity": DOWN})
    found = row(CLAIMS[16], Evidence())
    assert found["verdict"] == "mixed"
    assert "zeros increase in 2 and entropy falls in 2 of shallow's 2" in found["why"]
    assert "zeros increase in 0 and entropy falls in 2 of deep's 2" in found["why"]


def test_trend_of_a_constant_or_of_nothing_is_none() -> None:
    assert trend("conv1", "sparsity", [0.5] * 5).p_value == 1.0
    gone = trend("conv1", "entropy", [np.nan] * 5)
    assert gone.p_value == 1.0
    assert not gone.towards


def test_interval_of_a_mean_agrees_with_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = mean_interval(values, 0)
    reach = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.03)
