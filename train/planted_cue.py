"""Train the network with a planted cue: ``python -m train.planted_cue``; about a minute.

What it learns from and why: `fermodels.xai.trust.planted_cue`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fermodels import files
from fermodels.data.dataset import FaceDataset
from fermodels.errors import exit_status
from fermodels.files import check_output
from fermodels.nets import catalog, checkpoint
from fermodels.nets.config import ConvSpec, FCSpec, NetConfig
from fermodels.nets.fernet import FERNet
from fermodels.results import provenance
from fermodels.xai.trust.planted_cue import PATTERNS, SIDE, marked_faces
from fermodels.xai.trust.planted_cue_record import checkpoint_dir
from train.config import TrainConfig
from train.device import start
from train.export import export
from train.loop import TrainData, train
from train.run import subtract_mean_of

NETWORK = NetConfig((ConvSpec(8, 3), ConvSpec(16, 3, pool=4)), (FCSpec(32),))
"""The paper's family at its smallest: two conv layers, one FC layer."""
REPEATS = {"train": 10, "validation": 2, "test": 1}
"""Marks per sample face in each split."""
NAME = "sample faces with a planted mark"
KNOWN = "known-answer"
"""Variant, recipe and name of the checkpoint."""

_CARD = """---
license: mit
library_name: fermodels
---

# known-answer

A small network of the paper's family whose reason is known: it reads a {side}x{side}-pixel mark
planted in rendered faces, among decoys, whose pattern of bright and dark decides the label. The
labels carry the names of the expressions but have nothing to do with the faces. It exists to test
attribution methods, and recognises nothing else.

{parameters:,} parameters; {accuracy:.1%} of {n} held-out marked faces.

Made by `python -m train.planted_cue` (seed {seed}, code `{git_revision}`, torch {torch}, written
{created}). The code is under the MIT licence.
"""


def marked_dataset(seed: int) -> FaceDataset:
    """Return marked sample faces of all splits as a dataset."""
    parts = {name: marked_faces(name, count, seed) for name, count in REPEATS.items()}
    return FaceDataset(
        np.concatenate([part.images for part in parts.values()]),
        np.concatenate([part.labels for part in parts.values()]),
        np.concatenate([np.full(len(part.labels), name) for name, part in parts.items()]),
        NAME,
    )


def another_network(folder: Path) -> str | None:
    """Object to replacing all but an empty folder or an earlier network of this command's."""
    if (why := checkpoint.not_a_checkpoint(folder)) or not any(folder.iterdir()):
        return why
    known = files.read_json(folder / catalog.CONFIG).get("recipe") == KNOWN
    return None if known else "holds a checkpoint of another kind"


def run(args: argparse.Namespace) -> Path:
    """Train and export; return the checkpoint's folder.

    Raises:
        ConfigError: something else is where the checkpoint should go.
    """
    out: Path = args.out or checkpoint_dir()
    check_output(out, another_network)
    if args.threads:
        torch.set_num_threads(args.threads)
    config = TrainConfig(
        epochs=args.epochs, batch_size=64, learning_rate=0.05, flip=False, seed=args.seed,
        precision="fp32",
    )  # fmt: skip
    faces = marked_dataset(args.seed)
    torch.manual_seed(args.seed)
    net = FERNet(NETWORK)
    subtract_mean_of(net, faces)
    runtime = start(config.precision)
    with tempfile.TemporaryDirectory() as folder:
        data = TrainData.of(faces, runtime.device)
        progress = train(net, data, config, runtime, Path(folder), {})
    identity = {
        "variant": KNOWN, "name": KNOWN, "recipe": KNOWN,
        "training": config.to_dict(), "patterns": list(PATTERNS),
    }  # fmt: skip
    about = {"provenance": provenance(config.seed, faces.name, faces.content_hash)}
    metrics = export(out, net.cpu(), faces, progress, identity, about, _card, another_network)
    print(f"test: {metrics['test']['accuracy']:.2%} of {metrics['test']['n']}; {out}")
    return out


def _card(_identity: dict[str, Any], metrics: dict[str, Any]) -> str:
    origin = metrics["provenance"]
    return _CARD.format(
        side=SIDE, parameters=metrics["parameters"], accuracy=metrics["test"]["accuracy"],
        n=metrics["test"]["n"], seed=origin["seed"], git_revision=origin["git_revision"],
        torch=origin["versions"]["torch"], created=origin["created"],
    )  # fmt: skip


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser("train.planted_cue", description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10, help="passes over the marked faces")
    parser.add_argument("--seed", type=int, default=0, help="weights, marks and data order")
    parser.add_argument("--out", type=Path, help="checkpoint folder; under results/ by default")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for all cores")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Train; an error of ours is one sentence and exit status 2."""
    return exit_status(lambda: run(parse(words)))


if __name__ == "__main__":
    sys.exit(main())
