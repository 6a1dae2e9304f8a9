"""The trainer's promises: it learns, resumes to the bit, and shares a batch fairly."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from fermodels.errors import ConfigError
from fermodels.nets import catalog
from tests.toys import ROOT, TINY_FLAGS, run_training, striped_faces, tiny_net, write_csv
from train.config import TrainConfig
from train.device import Runtime
from train.loop import Learner, TrainData, batches, learning_rate, make_learner, train

CPU = Runtime(torch.device("cpu"), bf16=False)


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "fer2013.csv", striped_faces(490))


def test_learning_rate_rises_then_falls_to_zero() -> None:
    config = TrainConfig(epochs=4, learning_rate=0.4, warmup_epochs=1, schedule="cosine")
    rates = [learning_rate(step, 10, config) for step in range(40)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[10] == pytest.approx(0.4)
    assert rates[-1] < 0.004
    flat = TrainConfig(epochs=4, learning_rate=0.4, warmup_epochs=0, schedule="constant")
    assert {learning_rate(step, 10, flat) for step in range(40)} == {0.4}


def test_an_epoch_sees_every_face_at_most_once() -> None:
    faces = torch.arange(50, dtype=torch.uint8).view(50, 1, 1, 1).expand(50, 1, 48, 48)
    data = TrainData((faces, torch.arange(50)), (faces, torch.arange(50)))
    generator = torch.Generator().manual_seed(0)
    seen = [
        int(v) for _, labels in batches(data, TrainConfig(batch_size=16), generator) for v in labels
    ]
    assert len(seen) == 48 == len(set(seen))


def test_weight_average_is_the_recurrence_of_its_definition() -> None:
    config = TrainConfig(ema_decay=0.75)
    learner: Learner = make_learner(tiny_net(), config, CPU)
    expected = learner.net.classifier.weight.detach().clone()
    for step, value, decay in ((0, 1.0, 1 / 10), (3, 2.0, 4 / 13), (90, 3.0, 0.75)):
        with torch.no_grad():
            learner.net.classifier.weight.fill_(value)
        learner.update_average(config.ema_decay, step)
        expected = decay * expected + (1 - decay) * value
    torch.testing.assert_close(learner.judged.classifier.weight.detach(), expected)


def test_a_young_average_has_forgotten_the_initial_variance() -> None:
    learner = make_learner(tiny_net(), TrainConfig(ema_decay=0.999), CPU)
    norm = next(m for m in learner.net.modules() if isinstance(m, torch.nn.BatchNorm2d))
    for step in range(200):  # less than an epoch of FER-2013
        with torch.no_grad():
            norm.running_var.fill_(0.01)
        learner.update_average(0.999, step)
    assert float(learner.judged.state_dict()["conv1.bn.running_var"].max()) < 0.02


def test_stripes_are_learned(tmp_path: Path) -> None:
    faces = striped_faces(490)
    config = TrainConfig(epochs=8, batch_size=32, learning_rate=0.05, flip=False)
    progress = train(tiny_net(), TrainData.of(faces, CPU.device), config, CPU, tmp_path, {"a": 1})
    assert progress.best_accuracy > 0.8
    assert progress.steps[-1]["loss"] < progress.steps[0]["loss"] / 2
    assert [row["epoch"] for row in progress.epochs] == list(range(1, 9))


def test_a_batch_larger_than_the_data_is_refused(tmp_path: Path) -> None:
    data = TrainData.of(striped_faces(49), CPU.device)
    with pytest.raises(ConfigError, match="batch_size is 128 but there are 35"):
        train(tiny_net(), data, TrainConfig(), CPU, tmp_path, {})


def test_kill_9_mid_epoch_then_resume_is_bit_identical(csv: Path, tmp_path: Path) -> None:
    words = (
        f"--data {csv} --epochs 6 --conv-dropout 0.2 --fc-dropout 0.3 --rotate 8 --erase 6 "
        "--brightness 0.2 --ema-decay 0.9"
    ).split()
    whole = run_training(*words, "--run-dir", str(tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr
    broken = [*words, "--run-dir", str(tmp_path / "broken")]
    process = subprocess.Popen(
        [sys.executable, "-m", "train.run", *TINY_FLAGS, *broken], cwd=ROOT,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    state = tmp_path / "broken" / "state.pt"
    while not state.exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it finished before it could be killed"
    resumed = run_training(*broken, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    for name in (catalog.WEIGHTS, catalog.HISTORY, catalog.PREDICTIONS):
        first = (tmp_path / "whole" / "checkpoint" / name).read_bytes()
        assert first == (tmp_path / "broken" / "checkpoint" / name).read_bytes(), name


def test_a_resume_under_other_settings_is_refused(csv: Path, tmp_path: Path) -> None:
    words = ["--data", str(csv), "--epochs", "1", "--run-dir", str(tmp_path / "r")]
    assert run_training(*words).returncode == 0
    assert "add --resume" in run_training(*words).stderr
    other = run_training(*words, "--resume", "--learning-rate", "0.5")
    assert other.returncode == 2
    assert "made with other settings (training:" in other.stderr


def test_two_processes_follow_one_at_the_same_global_batch(csv: Path, tmp_path: Path) -> None:
    words = f"--data {csv} --epochs 2 --conv-batch-norm 0 --fc-batch-norm 0 --momentum 0.5".split()
    losses = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        done = run_training(
            *words, "--fc-dropout", "0", "--conv-dropout", "0", "--run-dir", str(folder),
            processes=processes,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        losses.append(catalog.read_history(folder / "checkpoint").steps["loss"].to_numpy())
    assert len(losses[0]) == 20
    np.testing.assert_allclose(losses[0], losses[1], atol=2e-5)
