"""Small faces, networks and commands that tests share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from fermodels.data.faces import FaceDataset
from fermodels.nets.config import ConvSpec, FCSpec, NetConfig
from fermodels.nets.networks import FERNet

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
