"""Reading what was written: verdicts anew from values, and files that cannot be used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fermodels.errors import CheckpointError
from fermodels.xai.trust.scorecard import main
from fermodels.xai.trust.scorecard_record import (
    FORMAT,
    Score,
    Scorecard,
    file_name,
    read,
    scorecard_of,
    written,
)
from fermodels.xai.trust.verdict import ReadingScore, TrustEvidence, verdict_of
from tests.xai.trust.test_verdict import around, evidence


def card(*rows: TrustEvidence) -> Scorecard:
    """A scorecard of methods m0, m1, ... with these measurements."""
    methods = {
        f"m{number}": Score(row.values, row.rivals["template"], 1.0, 1, {})
        for number, row in enumerate(rows)
    }
    controls = {name: rows[0].rivals[name] for name in ("random", "edge")}
    return Scorecard(
        "toy", "0" * 64, ("a",) * 24, ReadingScore(150, 280, 1 / 7), methods, controls, {}
    )


def test_a_verdict_is_that_of_the_same_evidence() -> None:
    assert card(evidence()).verdict("m0") == verdict_of(evidence())
    failing = evidence(randomisation=around(0.9))
    assert card(evidence(), failing).verdict("m1").words == "fails randomisation"


def test_methods_of_one_network_are_judged_together() -> None:
    """What is sure enough for one method alone is not for the luckiest of twenty-two."""
    close = evidence(gap=around(0.3, 0.3))
    others = [evidence(gap=around(0.2)) for _ in range(21)]
    assert card(close).verdict("m0").trusted is True
    assert card(close, *others).verdict("m0").trusted is None


def test_values_survive_the_file_to_four_decimals() -> None:
    row = evidence()
    raw = {
        "model": "toy", "checkpoint_hash": "", "faces": [], "provenance": {},
        "learned": {"correct": 150, "n": 280, "chance": 1 / 7},
        "controls": {name: {"values": written(row.rivals[name])} for name in ("random", "edge")},
        "methods": {"m0": {
            "values": written(row.values), "template": written(row.rivals["template"]),
            "cpu_seconds": 1.0, "passes_per_face": 1, "options": {},
        }},
    }  # fmt: skip
    back = scorecard_of(json.loads(json.dumps(raw)))
    for name, values in row.values.items():
        np.testing.assert_allclose(back.methods["m0"].values[name], values, atol=5e-5)
    assert back.verdict("m0").trusted is True
    figures = back.verdict("m0").figures
    for name, one in verdict_of(row).figures.items():
        assert figures[name].mean == pytest.approx(one.mean, abs=1e-4), name


def test_a_method_whose_values_are_anothers_is_told_from_one_of_its_own() -> None:
    one, other = evidence(), evidence(gap=around(0.6, 0.1))
    found = card(one, other, replace(one))
    assert [found.same_as(name) for name in ("m0", "m1", "m2")] == [None, None, "m0"]


def test_a_share_of_faces_gets_wilsons_interval() -> None:
    score = Score({"pointing": np.ones(8)}, {}, 1.0, 1, {})
    found = score.metrics["pointing"]
    assert found.mean == 1 and 0.6 < found.low < 0.7 and found.n == 8


def test_what_was_not_measured_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"has no method 'lime': it holds m0; run"):
        card(evidence()).verdict("lime")


def test_what_was_not_computed_is_none(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    assert read("shallow") is None


@pytest.mark.parametrize("older", [1, FORMAT + 1, None])
def test_another_format_is_an_error_that_names_the_command(older, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    (tmp_path / f"{file_name('shallow')}.json").write_text(json.dumps({"format": older}))
    with pytest.raises(CheckpointError, match=r"python -m fermodels\.xai\.trust\.scorecard"):
        read("shallow")


@pytest.mark.parametrize("content", [{}, {"model": "shallow", "checkpoint_hash": 3, "faces": 4}])
def test_damage_is_an_error_that_names_the_command(content, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    path = tmp_path / f"{file_name('shallow')}.json"
    path.write_text(json.dumps({"format": FORMAT, **content}))
    with pytest.raises(CheckpointError, match=r"incomplete.*--fresh"):
        read("shallow")


def test_a_mistyped_command_is_one_sentence(capsys) -> None:
    assert main(["--model", "shallow", "--methods", "tea-leaves"]) == 2
    assert "'tea-leaves' is unknown: expected integrated-gradients" in capsys.readouterr().err
    assert main(["--model", "shallow", "--faces", "1"]) == 2
    assert "--faces is 1: expected 2 to 280" in capsys.readouterr().err
