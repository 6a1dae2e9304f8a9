"""Small faces, networks and commands that tests share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from fermodels.evaluation.metrics import score
from fermodels.nets.catalog import History
from fermodels.nets.config import ConvSpec, FCSpec, NetConfig
from fermodels.nets.fernet import FERNet

ROOT = Path(__file__).resolve().parents[1]


def striped_faces(n: int = 210, seed: int = 0) -> FaceDataset:
    """Faces whose class is the period of their stripes: learnable in a few steps."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 7
    rows = np.arange(48)[None, :, None] + rng.integers(0, 9, n)[:, None, None]
    waves = 128 + 90 * np.sin(2 * np.pi * rows / (3 + 2 * labels[:, None, None]))
    noise = rng.normal(0, 12, (n, 48, 48))
    images = (waves + noise).clip(0, 255).astype(np.uint8)
    group = np.arange(n) // 7 % 7  # whole rounds of the seven classes go to one split
    splits = np.where(group < 5, "train", np.where(group == 5, "validation", "test"))
    order = np.argsort(splits, kind="stable")
    return FaceDataset(images[order], labels[order], splits[order], "stripes")


def tiny_config(**changes: object) -> NetConfig:
    """Two small conv layers and one FC layer."""
    conv = (ConvSpec(4, 3, pool=4), ConvSpec(6, 3, pool=2))
    return NetConfig(**{"conv": conv, "fc": (FCSpec(8),), **changes})  # type: ignore[arg-type]


def tiny_net(seed: int = 0, **changes: object) -> FERNet:
    """An untrained `tiny_config` net in eval mode, its mean face grey."""
    torch.manual_seed(seed)
    net = FERNet(tiny_config(**changes)).eval()
    net.mean_face.fill_(0.5)
    return net


def tiny_history(epochs: int = 1) -> History:
    """A record of two steps an epoch in two layers, as a training writes it."""
    steps = [
        {"step": n, "epoch": (n + 1) // 2, "loss": 2.0 - n / 10, "accuracy": n / 100}
        for n in range(1, 2 * epochs + 1)
    ]
    rows = [
        {
            "epoch": n, "train_loss": 2.0 - n / 5, "validation_loss": 2.0 - n / 6,
            "train_clean_accuracy": n / 50, "validation_accuracy": n / 60,
            "layers": ["conv1", "conv2"], "sparsity": [0.4, 0.5], "entropy": [0.9, 0.8],
        }
        for n in range(1, epochs + 1)
    ]  # fmt: skip
    return History(pd.DataFrame(steps), pd.DataFrame(rows))


def tiny_predictions() -> pd.DataFrame:
    """Answers to one validation and one test face, each equally sure of everything."""
    columns = {f"p_{name}": [1 / 7] * 2 for name in EMOTIONS}
    names = {"split": ["validation", "test"], "sample_id": ["x", "y"], "label": [3, 3]}
    return pd.DataFrame(names | columns)


def tiny_scores(right: float, n: int) -> dict[str, Any]:
    """Figures of a split of `n` faces, of which about that share was told right."""
    labels = np.arange(n) % 7
    guesses = np.where(np.arange(n) < right * n, labels, (labels + 1) % 7)
    return score(labels, np.eye(7)[guesses])


def write_csv(path: Path, faces: FaceDataset) -> Path:
    """Write faces as Kaggle's fer2013.csv."""
    usage = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
    lines = ["emotion,pixels,Usage"]
    for image, label, split in zip(faces.images, faces.labels, faces.splits, strict=True):
        lines.append(f"{label},{' '.join(map(str, image.ravel()))},{usage[str(split)]}")
    path.write_text("\n".join(lines) + "\n")
    return path


TINY_FLAGS = (
    "--variant shallow --filters 4 --pools 4 --hidden 8 --batch-size 32 --threads 1 "
    "--precision fp32"
).split()


def run_training(*words: str, processes: int = 1) -> subprocess.CompletedProcess[str]:
    """Run ``python -m train.run`` (under torchrun for several processes) from the root."""
    launcher = [sys.executable, "-m"]
    if processes > 1:
        launcher += ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    command = [*launcher, "train.run", *TINY_FLAGS, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
