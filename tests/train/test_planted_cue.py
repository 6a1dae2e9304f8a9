"""The network with the planted cue is trained by one command, the same way every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from fermodels.nets import catalog, checkpoint
from train.planted_cue import main, marked_dataset


def test_one_command_writes_a_whole_checkpoint_the_same_every_time(tmp_path: Path) -> None:
    states = []
    for name in ("one", "two"):
        words = ["--epochs", "1", "--out", str(tmp_path / name), "--threads", "1"]
        assert main(words) == 0
        net = checkpoint.load(tmp_path / name)
        states.append(net.state_dict())
        metrics = catalog.read_metrics(tmp_path / name)
        assert metrics["test"]["accuracy"] > 0.5 and metrics["test"]["n"] == 280
        assert "planted" in (tmp_path / name / "README.md").read_text()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_every_split_shows_other_people_with_marks_drawn_evenly() -> None:
    faces = marked_dataset(seed=0)
    counts = faces.counts()
    assert {name: sum(of) for name, of in counts.items()} == {
        "train": 4200, "validation": 280, "test": 280,
    }  # fmt: skip
    assert np.ptp(counts["train"]) < 0.15 * 600
