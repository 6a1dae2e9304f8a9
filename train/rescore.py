"""Score a checkpoint on averages over views: ``python -m train.rescore deep --data PATH``.

Writes ``views`` into its ``metrics.json`` and its card: for each way to look at a face the
accuracy on validation and test, with interval and n. The figures of one view stay what they are:
no epoch and no setting is chosen by these.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fermodels.data.dataset import FaceDataset
from fermodels.data.readers.discover import read_faces
from fermodels.errors import DataError, exit_status
from fermodels.evaluation.metrics import score
from fermodels.evaluation.tta import VIEWS, predict_views
from fermodels.files import check_output, not_a_result, write_atomically, write_json
from fermodels.memory import keep_freed_memory
from fermodels.nets import catalog, checkpoint
from fermodels.nets.fernet import FERNet
from fermodels.results import provenance
from train.export import SCORED, model_card, not_the_card

AVERAGES = tuple(name for name in VIEWS if name != "one")


def accuracy(net: FERNet, faces: FaceDataset, views: str) -> dict[str, Any]:
    """Return n, how many are right, accuracy and its Wilson interval, as JSON types."""
    figures = score(faces.labels, predict_views(net, faces.images, views))
    return {key: figures[key] for key in ("n", "correct", "accuracy", "interval")}


def score_views(folder: Path, faces: FaceDataset) -> dict[str, Any]:
    """Add the averages' figures to a checkpoint's metrics and card, and return them.

    Raises:
        CheckpointError: the checkpoint is damaged.
        ConfigError: its metrics or card are none that we wrote, or links.
        DataError: these are not the faces it was trained with.
    """
    metrics = catalog.read_metrics(folder)
    check_output(folder / catalog.METRICS, not_a_result)
    identity, _ = checkpoint.read_config(folder)
    edited = not_the_card(identity, metrics)
    check_output(folder / catalog.CARD, edited)
    origin = metrics["provenance"]
    trained_on = origin["data_hash"]
    if faces.content_hash != trained_on:
        raise DataError(
            f"{faces.name} has hash {faces.content_hash[:12]}, {folder.name} was trained on data "
            f"of hash {trained_on[:12]}: pass the same data"
        )
    net = checkpoint.load(folder)
    averages: dict[str, Any] = {
        views: {split: accuracy(net, faces.split(split), views) for split in SCORED}
        for views in AVERAGES
    }
    averages["provenance"] = provenance(origin["seed"], faces.name, faces.content_hash)
    metrics["views"] = averages
    card = model_card(identity, metrics)
    write_json(folder / catalog.METRICS, metrics)
    write_atomically(folder / catalog.CARD, lambda path: path.write_text(card, "utf-8"), edited)
    return averages


def main(words: Sequence[str] | None = None) -> int:
    """Score the given checkpoints; an error of ours is one sentence and exit status 2."""
    parser = argparse.ArgumentParser("train.rescore", description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+", help="bundled names or folders")
    parser.add_argument("--data", required=True, help="the data they were trained on")
    args = parser.parse_args(words)

    def work() -> None:
        faces = read_faces(args.data)
        for name in args.checkpoints:
            averages = score_views(catalog.find(name), faces)
            accuracies = [
                f"{views} {averages[views]['test']['accuracy']:.1%}" for views in AVERAGES
            ]
            print(f"{name}: test {', '.join(accuracies)}")

    return exit_status(work)


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
