"""Cross-validation: trials are training runs, folds are fair, and nothing done is lost."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.pruners import ThresholdPruner

from fermodels.data.dataset import FaceDataset
from fermodels.errors import ConfigError
from fermodels.evaluation.metrics import wilson_interval
from fermodels.nets.variants import VARIANTS
from tests.toys import ROOT, striped_faces, write_csv
from train.device import Runtime, start
from train.loop import TrainData, train
from train.run import build, subtract_mean_of
from train.run import parse as parse_run
from train.sweep.__main__ import main, parse, run
from train.sweep.space import PRUNERS, paper_values, space_of
from train.sweep.study import classes_of, digits
from train.sweep.trial import parts_of, stratified_folds, stratified_subset

TINY = (
    "--variant shallow --filters 4 --pools 4 --batch-size 32 --precision fp32 --threads 1 "
    "--epochs 3 --startup 2"
).split()


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "fer2013.csv", striped_faces(98))


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep results in this test's own folder."""
    monkeypatch.setenv("FER_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def words(csv: Path, folder: Path, *more: str) -> list[str]:
    return [*TINY, "--data", str(csv), "--run-dir", str(folder), *more]


def sweep(csv: Path, folder: Path, *more: str) -> list[dict[str, Any]]:
    """Run a sweep in this process and return its trials."""
    trials: list[dict[str, Any]] = run(parse(words(csv, folder, *more)))["trials"]
    return trials


def begin(csv: Path, folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start a sweep in a process of its own."""
    command = [sys.executable, "-m", "train.sweep", *words(csv, folder, *more)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def told(trials: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return what two sweeps must agree in."""
    return [(row["state"], row["parameters"], row["accuracies"]) for row in trials]


@pytest.mark.parametrize("folds", [0, 2])
def test_a_trial_is_the_training_run_of_the_same_flags(
    csv: Path, tmp_path: Path, results: Path, folds: int
) -> None:
    row = sweep(csv, tmp_path, "--trials", "1", "--folds", str(folds))[0]
    values = row["parameters"]
    assert row["is_paper"] and values["hidden"] == [512]
    flags = [*TINY[: TINY.index("--startup")], "--data", str(csv), "--hidden", "512"]
    runtime: Runtime = start("fp32")
    hits = np.zeros(3)
    parts = parts_of(striped_faces(98), folds, 0, 0)
    for number, part in enumerate(parts):
        net, config = build(parse_run(flags))
        subtract_mean_of(net, part)
        data = TrainData.of(part, runtime.device)
        progress = train(net, data, config, runtime, tmp_path / f"plain{number}", {})
        found = [epoch["validation_accuracy"] for epoch in progress.epochs]
        hits += np.array(found) * len(data.validation[0])
    n = sum(len(part.split("validation")) for part in parts)
    assert row["n"] == n
    np.testing.assert_allclose(np.array(row["accuracies"]) * n, hits, atol=1e-9)
    assert row["correct"] == max(hits.round())
    assert row["interval"] == list(wilson_interval(row["correct"], n))
    labels = np.concatenate([part.split("validation").labels for part in parts])
    stored = json.loads((results / "sweep-shallow.json").read_text())
    assert stored["labels"] == digits(labels)
    assert (classes_of(row["predicted"]) == labels).sum() == row["correct"]


def test_two_sittings_try_what_one_would(csv: Path, tmp_path: Path, results: Path) -> None:
    sweep(csv, tmp_path / "two", "--trials", "2")
    again = sweep(csv, tmp_path / "two", "--trials", "4")
    assert told(again) == told(sweep(csv, tmp_path / "one", "--trials", "4"))
    stored = json.loads((results / "sweep-shallow.json").read_text())
    assert stored["best_trial"] == max(again, key=lambda r: (r["correct"], -r["number"]))["number"]
    assert stored["paper_trial"] == 0 and stored["provenance"]["seed"] == 0


def test_a_killed_trial_resumes_at_its_last_epoch(csv: Path, tmp_path: Path, results: Path) -> None:
    flags = ("--trials", "1", "--epochs", "9")
    killed = begin(csv, tmp_path / "broken", *flags)
    while not (tmp_path / "broken" / "trial-0" / "state.pt").exists() and killed.poll() is None:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL, "it finished before it could be killed"
    stopped, resumed = sweep(csv, tmp_path / "broken", *flags, "--heartbeat", "1")
    (whole,) = sweep(csv, tmp_path / "whole", *flags)
    assert (stopped["state"], resumed["state"]) == ("stopped", "complete")
    assert resumed["first_number"] == 0 and 0 < stopped["epochs"] < 9
    assert stopped["accuracies"] == whole["accuracies"][: stopped["epochs"]]
    assert told([resumed]) == told([whole])
    assert resumed["seconds"] > stopped["seconds"]
    assert not list((tmp_path / "broken").glob("trial-*"))


def test_a_sitting_that_is_over_sets_its_trial_aside(
    csv: Path, tmp_path: Path, results: Path
) -> None:
    (aside, waiting) = sweep(csv, tmp_path, "--trials", "1", "--hours", "1e-9")
    assert (aside["state"], aside["epochs"], waiting["state"]) == ("stopped", 1, "waiting")
    rows = sweep(csv, tmp_path, "--trials", "1")
    assert [row["state"] for row in rows] == ["stopped", "complete"]
    assert rows[1]["epochs"] == 3 and rows[1]["accuracies"][:1] == aside["accuracies"]


def test_a_pruned_trial_is_recorded_with_the_epochs_it_had(
    csv: Path, tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRUNERS, "median", lambda: ThresholdPruner(lower=1.1, n_warmup_steps=2))
    assert main(words(csv, tmp_path, "--trials", "2")) == 0
    stored = json.loads((results / "sweep-shallow.json").read_text())
    assert [row["state"] for row in stored["trials"]] == ["pruned"] * 2
    assert [row["epochs"] for row in stored["trials"]] == [2, 2]
    assert stored["best_trial"] is None  # half a training is no candidate


def test_two_processes_share_one_storage(csv: Path, tmp_path: Path, results: Path) -> None:
    flags = ("--trials", "10", "--epochs", "2", "--pruner", "none")
    both = [begin(csv, tmp_path, *flags) for _ in range(2)]
    said = [process.communicate(timeout=500) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    ran = [set(re.findall(r"^trial (\d+) complete", out, re.MULTILINE)) for out, _ in said]
    assert all(ran) and not ran[0] & ran[1]
    rows = json.loads((results / "sweep-shallow.json").read_text())["trials"]
    assert {str(row["number"]) for row in rows} == ran[0] | ran[1]
    assert len({json.dumps(row["parameters"]) for row in rows}) == len(rows) >= 10


def with_copies() -> FaceDataset:
    """210 faces, 30 of them exact copies of others of the same split and class."""
    faces = striped_faces(210)
    images, rows = faces.images.copy(), np.flatnonzero(faces.splits == "train")
    images[rows[70:100]] = images[rows[:30]]
    return FaceDataset(images, faces.labels, faces.splits, "copies")


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_folds_are_stratified_and_keep_copies_together(folds: int) -> None:
    faces = with_copies().split("train")
    number = stratified_folds(faces, folds, seed=0)
    found = {
        (face.tobytes(), int(label), int(fold))
        for face, label, fold in zip(faces.images, faces.labels, number, strict=True)
    }
    assert len(found) == len({picture for picture, _, _ in found}) == len(faces) - 30
    cells = np.zeros((7, folds))
    for _, label, fold in found:
        cells[label, fold] += 1
    assert np.abs(cells - cells.mean(1, keepdims=True)).max() < 1
    assert np.ptp(cells.sum(0)) <= 1
    assert not np.array_equal(number, stratified_folds(faces, folds, seed=1))


def test_every_training_face_is_judged_once_and_no_test_face_is_seen() -> None:
    faces = striped_faces(210)
    test = {face.tobytes() for face in faces.split("test").images}
    for folds in (0, 3):
        parts = parts_of(faces, folds, 0, seed=0)
        assert all(set(part.splits.tolist()) == {"train", "validation"} for part in parts)
        assert all(face.tobytes() not in test for part in parts for face in part.images)
    judged = [face.tobytes() for part in parts for face in part.split("validation").images]
    assert sorted(judged) == sorted(face.tobytes() for face in faces.split("train").images)
    assert all(len(part) == len(faces.split("train")) for part in parts)


def test_a_subset_keeps_every_class_share_to_one_face() -> None:
    labels = np.repeat(np.arange(7), [40, 4, 41, 72, 48, 32, 50])
    for size in (29, 100, 287):
        rows = stratified_subset(labels, size, seed=1)
        assert len(set(rows.tolist())) == size
        kept, share = np.bincount(labels[rows], minlength=7), size / len(labels)
        assert np.abs(kept - np.bincount(labels) * share).max() <= 1
    assert not np.array_equal(stratified_subset(labels, 29, 1), stratified_subset(labels, 29, 2))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_space_holds_the_choice_of_the_paper(variant: str) -> None:
    space, paper = space_of(variant), paper_values(variant)
    assert set(space) == set(paper)
    for name, value in paper.items():
        spread: Any = space[name]
        assert spread.low <= value <= spread.high
        assert spread.step is None or (value - spread.low) % spread.step == 0


def failure(capsys: pytest.CaptureFixture[str], given: list[str]) -> str:
    """Return the one sentence with which a command fails."""
    assert main(given) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: ") and "\n" not in said
    return said


def test_what_cannot_be_swept_is_refused_in_a_sentence(
    csv: Path, tmp_path: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*more: str) -> str:
        return failure(capsys, words(csv, tmp_path / "bad", "--trials", "1", *more))

    assert "--hidden, --learning-rate is what the sweep searches" in said(
        "--learning-rate", "0.1", "--hidden", "9"
    )
    assert "batch_size is 64 but a trial has 35" in said("--batch-size", "64", "--folds", "2")
    assert "subset is 99 but there are 70" in said("--subset", "99")
    assert "folds is 1 " in said("--folds", "1")
    assert "pruner is 'best': expected one of median" in said("--pruner", "best")
    assert "cannot use the storage 'oracle" in said("--storage", "oracle+none://me:pw@host/x")
    assert "pw@" not in said("--storage", "postgresql+psycopg://me:pw@127.0.0.1:9/x")
    assert "sqlite:////no/such" in said("--storage", "sqlite:////no/such/folder/study.db")


def test_a_study_of_other_settings_is_not_joined(csv: Path, tmp_path: Path, results: Path) -> None:
    sweep(csv, tmp_path, "--trials", "1")
    with pytest.raises(ConfigError, match=r"begun with other settings \(folds: 0 then, 2 now\)"):
        sweep(csv, tmp_path, "--trials", "1", "--folds", "2")
