"""Two processes against one at the same global batch: ``python -m benchmarks.ddp --data PATH``.

Trains a variant by the trainer's own `run_epoch` alone and under ``torchrun --nproc-per-node 2``
(gloo on CPU), on the same faces in the same order, and compares the loss of every step. By
default that is an epoch; ``--steps N`` stops after N.

What makes the two agree: both draw order and mirroring from one seed and take their rows of the
same global batch; batch norm counts over both processes (`train.device`); gradients and
losses are means over both. What cannot agree is dropout, whose masks every process draws for
itself; so it is off here unless ``--dropout`` asks for the recipe's. Then only rounding is left,
which training magnifies with every step; it is small in float32 and large in bfloat16. The
yardstick is how far the loss moves from one step to the next in the single process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from fermodels.data.readers.discover import read_faces
from fermodels.files import anything, write_json
from fermodels.nets.fernet import FERNet
from fermodels.nets.variants import VARIANTS
from train.config import PRECISIONS, recipe
from train.device import start
from train.loop import TrainData, make_learner, run_epoch
from train.run import subtract_mean_of

PROCESSES = (1, 2)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser("benchmarks.ddp", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", required=True, help="FER-2013 in any form, or 'samples'")
    parser.add_argument("--variant", default="shallow", choices=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=0, help="steps to compare; 0 for an epoch")
    parser.add_argument("--precision", default="fp32", choices=PRECISIONS)
    parser.add_argument("--dropout", action="store_true", help="keep the recipe's dropout")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads, over all processes")
    parser.add_argument("--one", type=Path, help="train in this process, write its losses here")
    return parser.parse_args(words)


def train_once(args: argparse.Namespace) -> None:
    """Train in this process (one of those that torchrun started, or alone) and write the losses."""
    config = replace(recipe("paper", args.variant), precision=args.precision)
    if not args.dropout:
        config = replace(config, conv_dropout=0.0, fc_dropout=0.0)
    runtime = start(config.precision)
    torch.set_num_threads(max(1, args.threads // runtime.world))
    faces = read_faces(args.data)
    torch.manual_seed(config.seed)
    net = FERNet(VARIANTS[args.variant].config.with_dropout(config.conv_dropout, config.fc_dropout))
    subtract_mean_of(net, faces)
    whole = TrainData.of(faces, runtime.device)
    rows = args.steps * config.batch_size or len(whole.train[0])
    data = TrainData((whole.train[0][:rows], whole.train[1][:rows]), whole.validation)
    learner = make_learner(net, config, runtime)
    started = time.perf_counter()
    steps = run_epoch(learner, data, config, runtime, 0)
    seconds = time.perf_counter() - started
    if runtime.leads:
        measured = {
            "losses": [row["loss"] for row in steps],
            "faces_per_second": len(steps) * config.batch_size / seconds,
            "precision": "bf16" if runtime.bf16 else "fp32",
        }
        write_json(args.one, measured, anything)
    if runtime.world > 1:
        dist.destroy_process_group()


def measure(processes: int, words: Sequence[str]) -> dict[str, Any]:
    """Train in this many fresh processes; return losses per step, faces per second, precision."""
    launcher = [sys.executable, "-m"]
    if processes > 1:
        launcher += ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "losses.json"
        command = [*launcher, "benchmarks.ddp", *words, "--one", str(out)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(f"ddp: {processes} process(es) failed:\n{done.stdout[-3000:]}")
        measured: dict[str, Any] = json.loads(out.read_text())
    return measured


def differences(one: NDArray[np.float64], two: NDArray[np.float64]) -> dict[str, float]:
    """Return how far two loss curves ``(steps,)`` are apart, in nats, and the yardstick.

    Args:
        one: losses of the single process.
        two: losses of several.
    """
    apart = np.abs(one - two)
    return {
        "largest": float(apart.max()),
        "largest_step": int(apart.argmax()) + 1,
        "mean": float(apart.mean()),
        "first": float(apart[0]),
        "last": float(apart[-1]),
        "movement": float(np.abs(np.diff(one)).mean()) if len(one) > 1 else 0.0,
    }


def main(words: Sequence[str] | None = None) -> None:
    """Compare and print."""
    given = list(sys.argv[1:] if words is None else words)
    args = parse(given)
    if args.one:
        train_once(args)
        return
    runs = [measure(processes, given) for processes in PROCESSES]
    curves = [np.array(run["losses"]) for run in runs]
    apart = differences(curves[0], curves[1])
    print(
        f"{args.variant}, {len(curves[0])} steps of one global batch, {runs[0]['precision']}, "
        f"dropout {'as in the recipe' if args.dropout else 'off'}"
    )
    for processes, run, losses in zip(PROCESSES, runs, curves, strict=True):
        print(
            f"  {processes} process(es): loss {losses[0]:.4f} to {losses[-1]:.4f}, "
            f"{run['faces_per_second']:.0f} faces/s"
        )
    print(
        f"  difference per step: mean {apart['mean']:.1e}, largest {apart['largest']:.1e} (step "
        f"{apart['largest_step']}), first {apart['first']:.1e}, last {apart['last']:.1e}; the loss "
        f"itself moves {apart['movement']:.1e} a step"
    )


if __name__ == "__main__":
    main()
