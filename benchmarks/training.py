"""Training throughput of our step against a plain loop, same net, same machine, same run.

``python -m benchmarks.training [--rounds 3] [--variants shallow deep]``. The plain loop is what
a tutorial shows: float32, eager, PNG decoded per image in a DataLoader with 2 workers, `.item()`
every step. Each measurement is a process of its own, so that neither inherits the other's
memory settings; rounds alternate and medians count.
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

from fermodels.data.faces import FaceDataset, read_faces
from fermodels.nets.config import NetConfig
from fermodels.nets.networks import FERNet
from fermodels.nets.variants import VARIANTS
from train.config import TrainConfig, recipe
from train.device import Runtime, keep_freed_memory, start
from train.loop import TrainData, make_learner, run_epoch

STEPS = 12
BATCH = 128


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


def plain_rate(variant: str) -> float:
    """Return faces per second of the plain loop."""
    config, faces = recipe("paper", variant), training_faces(STEPS * BATCH)
    net = network(variant, config).train()
    optimizer = torch.optim.SGD(
        net.parameters(), config.learning_rate, 0.9, nesterov=True, weight_decay=1e-6
    )
    loader = DataLoader(
        PngFaces(faces.images, faces.labels), BATCH, shuffle=True, num_workers=2, drop_last=True
    )
    times: list[float] = []
    last = None
    for images, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()
        if last is not None:
            times.append(time.perf_counter() - last)
        last = time.perf_counter()
    return BATCH / statistics.median(times[1:])


def our_rate(variant: str) -> float:
    """Return faces per second of `train.loop.run_epoch` on the same faces."""
    config = recipe("paper", variant)
    runtime: Runtime = start(config.precision)
    faces = training_faces(STEPS * BATCH)
    images = torch.from_numpy(faces.images)[:, None].to(runtime.device)
    labels = torch.from_numpy(faces.labels).to(runtime.device)
    learner = make_learner(network(variant, config), config, runtime)
    warm = TrainData((images[: 3 * BATCH], labels[: 3 * BATCH]), (images[:1], labels[:1]))
    run_epoch(learner, warm, config, runtime, 0)
    data = TrainData((images, labels), (images[:1], labels[:1]))
    started = time.perf_counter()
    run_epoch(learner, data, config, runtime, 1)
    return STEPS * BATCH / (time.perf_counter() - started)


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


ONE: dict[str, Callable[[str], float]] = {
    "plain": plain_rate,
    "ours": our_rate,
    "peak": lambda _variant: matmul_peak(),
}


def measure(what: str, variant: str) -> float:
    """Run one measurement in a fresh process and return its figure."""
    command = [sys.executable, "-m", "benchmarks.training", "--one", what, "--variants", variant]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def report(variants: list[str], rounds: int) -> None:
    """Print rates, ratios and the share of the matrix-product peak, medians over rounds."""
    peak = max(measure("peak", "shallow") for _ in range(rounds))
    print(f"bf16 matrix-product peak: {peak / 1e9:.0f} GFLOP/s, {torch.get_num_threads()} threads")
    for variant in variants:
        pairs = [(measure("plain", variant), measure("ours", variant)) for _ in range(rounds)]
        plain = statistics.median(pair[0] for pair in pairs)
        ours = statistics.median(pair[1] for pair in pairs)
        ratio = statistics.median(b / a for a, b in pairs)
        share = ours * flops_per_face(VARIANTS[variant].config) / peak
        print(
            f"training {variant}: ours {ours:.0f} faces/s, plain loop {plain:.0f}, "
            f"ratio {ratio:.1f}x, {share:.0%} of the peak"
        )


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--variants", nargs="+", default=["shallow", "deep"], choices=list(VARIANTS)
    )
    parser.add_argument("--one", choices=list(ONE), help="one measurement, in this process")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(ONE[args.one](args.variants[0])))
    else:
        report(args.variants, args.rounds)


if __name__ == "__main__":
    main()
