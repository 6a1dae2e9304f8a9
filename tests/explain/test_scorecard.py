"""The badge's rule, case by case, and reading what was written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fermodels.errors import CheckpointError
from fermodels.explain.scorecard import main
from fermodels.explain.scorecard_record import FORMAT, Estimate, Sanity, Score, file_name, read


def about(mean: float, spread: float = 0.02) -> Estimate:
    return Estimate(mean, mean - spread, mean + spread, 20)


SANE = Sanity(
    ("classifier", "fc1", "conv1"), 1,
    (about(0.3), about(0.2), about(0.05)), (about(0.3), about(0.2), about(0.1)), about(0.0),
)  # fmt: skip
GOOD = Score(
    "toy", {"completeness-error": about(0.01)}, {},
    {"random": {"gap": about(0.5), "road": about(0.4)},
     "edge": {"gap": about(0.3), "road": about(0.2)}},
    SANE, 0.1, 50, {},
)  # fmt: skip


def against(control: str, metric: str, found: Estimate) -> Score:
    return replace(GOOD, beats=GOOD.beats | {control: GOOD.beats[control] | {metric: found}})


def test_a_map_that_passes_everything_is_trusted() -> None:
    assert GOOD.badge.level == "trusted"
    assert "0.05 kept" in GOOD.badge.why and "+0.50" in GOOD.badge.why and "+0.30" in GOOD.badge.why


@pytest.mark.parametrize(
    ("score", "level", "why"),
    [
        (against("random", "gap", about(0.01)), "fails", "no more to the class than random"),
        (against("edge", "gap", about(0.01)), "doubtful", "edges of the face"),
        (against("edge", "gap", about(-0.2)), "doubtful", "edges of the face"),
        (against("random", "road", about(0.0)), "doubtful", "ROAD"),
        (against("edge", "road", about(-0.3)), "trusted", "vanishes"),
        (replace(GOOD, metrics={"completeness-error": about(0.3)}), "doubtful", "by 30%"),
        (replace(GOOD, metrics={}), "trusted", "vanishes"),
    ],
)
def test_the_rule(score: Score, level: str, why: str) -> None:
    assert score.badge.level == level and why in score.badge.why


@pytest.mark.parametrize(
    ("spearman", "unrelated", "passes"),
    [
        ((about(0.9), about(0.4), about(0.2)), about(0.0), True),
        ((about(0.3), about(0.2), about(0.3)), about(0.0), False),
        ((about(0.3), about(0.2), about(0.3)), about(0.1), True),
        ((about(0.9), about(0.6), about(0.1)), about(0.0), False),
        ((about(1.0), about(1.0), about(1.0)), about(0.3), False),
        ((about(0.0), about(-0.6), about(-0.6)), about(-0.5), True),
        ((about(0.3), about(0.2), about(0.3, spread=0.5)), about(0.0), True),
    ],
    ids=["falls", "stays", "as unrelated do", "stays below the top", "blind", "opposite", "noise"],
)
def test_the_sanity_rule(spearman, unrelated: Estimate, passes: bool) -> None:
    found = replace(SANE, spearman=spearman, unrelated=unrelated)
    assert (found.failure is None) == passes
    assert replace(GOOD, sanity=found).badge.level == ("trusted" if passes else "fails")


def test_what_was_not_computed_is_none(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    assert read("shallow") is None


def test_damage_is_an_error_that_names_the_command(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FER_RESULTS", str(tmp_path))
    path = tmp_path / f"{file_name('shallow')}.json"
    path.write_text(json.dumps({"format": FORMAT + 1}))
    with pytest.raises(CheckpointError, match=r"python -m fermodels\.explain\.scorecard"):
        read("shallow")
    path.write_text(json.dumps({"format": FORMAT, "model": "shallow"}))
    with pytest.raises(CheckpointError, match=r"incomplete.*--fresh"):
        read("shallow")


def test_a_mistyped_command_is_one_sentence(capsys) -> None:
    assert main(["--model", "shallow", "--methods", "tea-leaves"]) == 2
    assert "'tea-leaves' is unknown: expected integrated-gradients" in capsys.readouterr().err
    assert main(["--model", "shallow", "--faces", "1"]) == 2
    assert "--faces is 1: expected 2 to 280" in capsys.readouterr().err
