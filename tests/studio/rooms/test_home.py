"""What Home and the Classify tab say of the networks is what their records say."""

import json
import re
import shutil
from pathlib import Path

import pytest

from fermodels import results
from fermodels.evaluation.calibration import leaning
from fermodels.nets import catalog
from studio import networks
from studio.classify_tab import app, reading
from studio.rooms import home
from studio.rooms.compare import tables


def card_of(name: str) -> str:
    """Return one network's card."""
    return home._card(name, catalog.read_metrics(catalog.available()[name]))


def test_the_papers_figure_stands_beside_its_recipe_and_not_beside_ours() -> None:
    ours, theirs = card_of("deep").split("By the paper's recipe")
    assert "paper 6" not in ours and 'title="paper"' not in ours
    run = catalog.read_metrics(catalog.paper_runs_dir() / "deep")
    for split, quoted in (("validation", "65%"), ("test", "64%")):
        assert f"{run[split]['accuracy']:.1%}" in theirs and f"paper {quoted}" in theirs
    assert "By the paper's recipe" not in card_of("deep-5"), "its own recipe is the paper's"


def test_a_card_counts_without_copies_and_says_which_epoch_was_kept() -> None:
    for name, folder in catalog.available().items():
        metrics = catalog.read_metrics(folder)
        card = card_of(name)
        unseen = metrics["without_copies"]["test"]
        assert f"test without copies<br><small>n = {unseen['n']:,}" in card
        assert f"{unseen['share']:.1%}" in card
        last = metrics["best_epoch"] == metrics["epochs"]
        assert ("the last kept" in card) is last


def test_noise_in_the_labels_is_told_with_its_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    votes = results.read_result("label_votes")
    assert votes is not None
    told = home.ethics()
    assert "more than half of FER+'s ten raters" in told
    assert f"{votes['test']['labels']['share']:.1%}" in told
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    assert not re.search(r"\d%", home.ethics()), "nothing counted, no figure"


def test_the_law_is_told_with_its_exception_and_the_duty_to_inform() -> None:
    told = " ".join(home.ethics().split())
    for words in ("from biometric data", "medical or safety", "5(1)(f)", "50(3)"):
        assert words in told


@pytest.fixture
def one_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shelf that holds a copy of deep's records alone."""
    source = catalog.find("deep")
    folder = tmp_path / "checkpoints" / "deep"
    folder.mkdir(parents=True)
    for name in catalog.RECORDS:
        shutil.copy(source / name, folder)
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return folder


@pytest.mark.parametrize(("gap", "words"), [(0.04, "surer than right"), (-0.04, "less sure")])
@pytest.mark.parametrize("used", [True, False])
def test_the_foot_says_which_way_a_network_errs_by_its_own_record(
    gap: float, words: str, used: bool, one_network: Path
) -> None:
    metrics = catalog.read_metrics(one_network)
    found = metrics["calibration"]
    found["temperature"] = 1.5 if used else None
    measured = found["validation"]
    for when, value in (("before", gap), ("after", -gap)):
        measured[f"gap_{when}"] = value
        measured[f"gap_interval_{when}"] = [value - 0.01, value + 0.01]
    measured |= {"ece_before": 0.2, "ece_after": 0.1, "nll_before": 2.0, "nll_after": 1.0}
    (one_network / catalog.METRICS).write_text(json.dumps(metrics))
    opposite = "less sure" if words.startswith("surer") else "surer than right"
    assert f"deep 4.0 points {opposite if used else words}" in app.calibration_text()


def test_the_foot_promises_nothing_of_networks_without_a_record(one_network: Path) -> None:
    metrics = catalog.read_metrics(one_network)
    del metrics["calibration"]
    (one_network / catalog.METRICS).write_text(json.dumps(metrics))
    assert app.calibration_text() == ""
    assert reading.calibration("deep") == "uncalibrated"


def test_a_temperature_that_does_not_help_is_said_not_to() -> None:
    unused = [n for n, f in catalog.available().items() if reading.temperature(n) is None]
    assert unused, "deep's does not"
    for name in unused:
        assert "no temperature helped" in reading.calibration(name)
        measured = networks.metrics(name)["calibration"]["validation"]
        assert reading.calibration_line(name) == leaning(measured)
    assert "confident" not in app.FOOT


def test_a_temperature_that_does_not_help_is_shown_in_compare_and_not_used() -> None:
    table = tables.calibration_table(["deep", "deep-5"], "validation").set_index("model")
    assert table["used"].to_dict() == {"deep": "no", "deep-5": "yes"}
    assert table.loc["deep", "ECE with temperature, %"] > table.loc["deep", "ECE, %"]
    assert "less sure than right" in table.loc["deep", "errs"]
    assert "surer than right" in table.loc["deep-5", "errs"]
    for name, changes in (("deep", False), ("deep-5", True)):
        plain, cooled = (
            tables.reliability_of([name], "validation", cooled=c)[name] for c in (False, True)
        )
        assert ([row.n for row in plain] != [row.n for row in cooled]) is changes
