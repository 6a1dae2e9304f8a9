"""Training throughput of our step against a plain loop, same net, same machine, same run.

``python -m benchmarks.training [--rounds 3] [--steps 12] [--variants shallow deep | all]``. All six
variants at a glance: ``--variants all --rounds 1 --steps 6``. The plain loop is what a tutorial
shows: float32, eager, PNG decoded per image in a DataLoader with 2 workers, `.item()` every step;
network, dropout, optimiser and faces are the recipe's, as in ours (which also mirrors). Each
measurement is a process of its own, so that neither inherits the other's memory settings; rounds
alternate and medians count.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fermodels.data.dataset import FaceDataset
from fermodels.data.readers.discover import read_faces
from fermodels.memory import keep_freed_memory
from fermodels.nets.config import NetConfig
from fermodels.nets.fernet import FERNet
from fermodels.nets.variants import VARIANTS
from train.config import TrainConfig, recipe
from train.device import Runtime, start
from train.loop import TrainData, make_learner, run_epoch

BATCH = 128
WARM_STEPS = 2
"""Steps that are not timed: memory and kernels settle in them."""
ALL = "all"


class PngFaces(Dataset[tuple[Tensor, int]]):
    """Faces decoded from PNG one at a time, as tutorials read FER-2013."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        self.labels = labels
        self.files = []
        for image in images:
            stream = io.BytesIO()
            Image.fromarray(image).save(stream, "PNG")
            self.files.append(stream.getvalue())

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels = np.array(Image.open(io.BytesIO(self.files[index])), dtype=np.float32) / 255
        return torch.from_numpy(pixels)[None], int(self.labels[index])


def training_faces(n: int) -> FaceDataset:
    """Return n training faces: FER-2013 from ``FER2013_DIR``, or noise of the same size."""
    folder = os.environ.get("FER2013_DIR")
    if folder:
        return read_faces(folder).split("train").select(np.arange(n))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 48, 48), dtype=np.uint8)
    return FaceDataset(images, rng.integers(0, 7, n), np.array(["train"] * n), "noise")


def network(variant: str, config: TrainConfig) -> FERNet:
    """Return the recipe's untrained network."""
    torch.manual_seed(0)
    return FERNet(VARIANTS[variant].config.with_dropout(config.conv_dropout, config.fc_dropout))


def plain_optimizer(net: FERNet, config: TrainConfig) -> torch.optim.Optimizer:
    """Return the recipe's optimiser as a tutorial would make it: one group, nothing fused."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            net.parameters(), rate, config.momentum, nesterov=True, weight_decay=decay
        )
    return torch.optim.AdamW(net.parameters(), rate, (config.momentum, 0.999), weight_decay=decay)


def plain_rate(variant: str, steps: int) -> float:
    """Return faces per second of the plain loop."""
    config, faces = recipe("paper", variant), training_faces((WARM_STEPS + steps) * BATCH)
    net = network(variant, config).train()
    optimizer = plain_optimizer(net, config)
    loader = DataLoader(
        PngFaces(faces.images, faces.labels), BATCH, shuffle=True, num_workers=2, drop_last=True
    )
    started = ended = 0.0
    for number, (images, labels) in enumerate(loader):
        if number == WARM_STEPS:
            started = time.perf_counter()
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()
        ended = time.perf_counter()  # before the loader's workers are dismissed
    return steps * BATCH / (ended - started)


def our_rate(variant: str, steps: int) -> float:
    """Return faces per second of `train.loop.run_epoch` on the same faces."""
    config = recipe("paper", variant)
    runtime: Runtime = start(config.precision)
    faces = training_faces((WARM_STEPS + steps) * BATCH)
    images = torch.from_numpy(faces.images)[:, None].to(runtime.device)
    labels = torch.from_numpy(faces.labels).to(runtime.device)
    learner = make_learner(network(variant, config), config, runtime)
    first = slice(0, WARM_STEPS * BATCH)
    warm = TrainData((images[first], labels[first]), (images[:1], labels[:1]))
    run_epoch(learner, warm, config, runtime, 0)
    rest = slice(WARM_STEPS * BATCH, None)
    data = TrainData((images[rest], labels[rest]), (images[:1], labels[:1]))
    started = time.perf_counter()
    run_epoch(learner, data, config, runtime, 1)
    return steps * BATCH / (time.perf_counter() - started)


def flops_per_face(config: NetConfig) -> float:
    """Return the multiply-adds (2 each) of forward and backward of one face.

    Backward costs the forward twice (inputs and weights), but the first layer has no input
    gradient. Only convolutions and affine layers are counted.
    """
    total, channels, side, first = 0.0, 1, 48, True
    for spec in config.conv:
        before_pool = (side + 2 * spec.pixels_of_padding - spec.kernel) // spec.stride + 1
        one = 2.0 * before_pool**2 * spec.filters * spec.kernel**2 * channels
        total += one * (2 if first else 3)
        channels, side, first = spec.filters, spec.output_side(side), False
    inputs = config.conv_features + (900 if config.hog else 0)
    for units in [*(spec.units for spec in config.fc), 7]:
        total += 3 * 2.0 * inputs * units
        inputs = units
    return total


def matmul_peak() -> float:
    """Return the best bf16 matrix-product rate of this machine, in FLOP/s."""
    keep_freed_memory()
    n = 2048
    a, b = torch.randn(n, n, dtype=torch.bfloat16), torch.randn(n, n, dtype=torch.bfloat16)
    times = []
    for _ in range(12):
        started = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - started)
    return 2.0 * n**3 / min(times)


ONE: dict[str, Callable[[str, int], float]] = {
    "plain": plain_rate,
    "ours": our_rate,
    "peak": lambda _variant, _steps: matmul_peak(),
}


def measure(what: str, variant: str, steps: int) -> float:
    """Run one measurement in a fresh process and return its figure."""
    command = [sys.executable, "-m", "benchmarks.training", "--one", what, "--variants", variant]
    command += ["--steps", str(steps)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def report(variants: list[str], rounds: int, steps: int) -> None:
    """Print rates, ratios and the share of the matrix-product peak, medians over rounds."""
    source = "FER-2013" if os.environ.get("FER2013_DIR") else "noise (FER2013_DIR is not set)"
    print(
        f"training, {steps} steps of {BATCH} faces, {source}, median of {rounds} round(s), "
        f"{torch.get_num_threads()} threads"
    )
    for variant in variants:
        peaks, plain, ours = [], [], []
        for _ in range(rounds):
            peaks.append(measure("peak", variant, steps))
            plain.append(measure("plain", variant, steps))
            ours.append(measure("ours", variant, steps))
        rate, ratio = statistics.median(ours), statistics.median(np.divide(ours, plain).tolist())
        share = rate * flops_per_face(VARIANTS[variant].config) / max(peaks)
        print(
            f"  {variant:14}  ours {rate:4.0f} faces/s  plain loop {statistics.median(plain):4.0f}"
            f"  ratio {ratio:.1f}x  {share:.0%} of the {max(peaks) / 1e9:.0f} GFLOP/s bf16 peak",
            flush=True,
        )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12, help="timed steps of a measurement")
    parser.add_argument(
        "--variants", nargs="+", default=["shallow", "deep"], choices=[*VARIANTS, ALL]
    )
    parser.add_argument("--one", choices=list(ONE), help="one measurement, in this process")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(ONE[args.one](args.variants[0], args.steps)))
    else:
        chosen = list(VARIANTS) if ALL in args.variants else args.variants
        report(chosen, args.rounds, args.steps)


if __name__ == "__main__":
    main()
