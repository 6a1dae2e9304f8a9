"""Train one variant: ``python -m train.run --variant deep --data PATH``.

The run's folder holds its resumable state; the finished network becomes a checkpoint.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from fermodels import files
from fermodels.cli import add_flags, given
from fermodels.data.dataset import FaceDataset
from fermodels.data.readers.discover import read_faces
from fermodels.errors import CheckpointError, ConfigError, exit_status
from fermodels.files import Objection, check_output, not_a_table_with, not_json_with, write_json
from fermodels.nets import catalog, checkpoint, training_runs
from fermodels.nets.fernet import FERNet
from fermodels.nets.variants import VARIANTS
from fermodels.results import provenance
from train import push as hub_push
from train.config import RECIPES, NetOverrides, TrainConfig, apply_overrides, recipe
from train.device import Runtime, start
from train.export import export, not_the_card
from train.loop import TrainData, train
from train.sanity import sanity_checks
from train.state import STATE_FILE, Progress, check_run_folder, not_a_state

SANITY_FILE, ORIGIN_FILE, CHECKPOINT = "sanity.json", "provenance.json", "checkpoint"
NOT_SANITY = not_json_with("initial_loss", "overfit_accuracy")
NOT_ORIGIN = not_json_with("seed", "git_revision", "versions")
RUN_FILES: dict[str, Objection | None] = {
    STATE_FILE: not_a_state,
    SANITY_FILE: NOT_SANITY,
    ORIGIN_FILE: NOT_ORIGIN,
    catalog.HISTORY: not_a_table_with("kind"),
    training_runs.PROGRESS: not_json_with(*training_runs.KEYS),
    CHECKPOINT: None,  # judged by `out_objection`
    "log.txt": None,  # train/queue.sh appends to it
}
"""Name in a run's folder -> who objects to replacing a file of that name."""


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser("train.run", description=__doc__.splitlines()[0])
    parser.add_argument("--variant", required=True, choices=list(VARIANTS), help="architecture")
    parser.add_argument("--data", required=True, help="FER-2013 in any form, 'samples', hub:ID")
    parser.add_argument(
        "--recipe", default="paper", choices=list(RECIPES), help="settings to start from"
    )
    parser.add_argument("--name", help="name of the checkpoint; the variant's by default")
    parser.add_argument(
        "--run-dir", type=Path, help="resumable state; runs/NAME-RECIPE-sSEED by default"
    )
    parser.add_argument("--out", type=Path, help="checkpoint folder; RUN_DIR/checkpoint by default")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the checkpoint of another run in --out"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the state in the run's folder"
    )
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for all cores")
    parser.add_argument(
        "--push", metavar="OWNER/REPO", help="push the checkpoint to the Hub at the end"
    )
    add_flags(parser, TrainConfig, "recipe settings")
    add_flags(parser, NetOverrides, "a network of one's own")
    return parser.parse_args(words)


def build(args: argparse.Namespace) -> tuple[FERNet, TrainConfig]:
    """Return the untrained network and the recipe that the command line describes."""
    config = replace(recipe(args.recipe, args.variant), **given(args, TrainConfig))
    layers = apply_overrides(VARIANTS[args.variant].config, given(args, NetOverrides))
    torch.manual_seed(config.seed)
    return FERNet(layers.with_dropout(config.conv_dropout, config.fc_dropout)), config


def prepare_folder(args: argparse.Namespace, config: TrainConfig) -> Path:
    """Return the run's folder; an existing state must be resumed or cleared on purpose.

    Raises:
        ConfigError: a state is there without --resume, or --resume without a state; or the folder,
            or that of the checkpoint, holds something that is no run's.
    """
    default = Path("runs") / f"{args.name or args.variant}-{args.recipe}-s{config.seed}"
    folder: Path = args.run_dir or default
    has_state = (folder / STATE_FILE).exists()
    if has_state and not args.resume:
        raise ConfigError(
            f"{folder} holds an earlier run: add --resume, or choose another --run-dir"
        )
    if args.resume and not has_state and args.run_dir:
        raise ConfigError(f"nothing to resume in {folder}: leave out --resume to start")
    out, home = out_of(args, folder).resolve(), folder.resolve()
    if home.is_relative_to(out):
        raise ConfigError(
            f"--out {out} would replace the run's own folder {folder}: choose another --out"
        )
    inside = {out.relative_to(home).parts[0]: None} if out.is_relative_to(home) else {}
    check_run_folder(folder, RUN_FILES | inside, proof=STATE_FILE)
    check_output(out_of(args, folder), out_objection(args, folder))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def out_of(args: argparse.Namespace, folder: Path) -> Path:
    """Return where the checkpoint goes."""
    out: Path = args.out or folder / CHECKPOINT
    return out


def out_objection(args: argparse.Namespace, folder: Path) -> Objection:
    """Return who objects to replacing a checkpoint: another run's took as long as this one's."""

    def of_another_run(out: Path) -> str | None:
        if (why := checkpoint.not_a_checkpoint(out)) or not any(out.iterdir()):
            return why
        try:
            origin = files.read_json(folder / ORIGIN_FILE)
            metrics, (identity, _) = catalog.read_metrics(out), checkpoint.read_config(out)
            ours = metrics.get("provenance") == origin
        except CheckpointError:  # no run here yet, or figures that nobody can read
            ours = False
        if not ours:
            return "holds a checkpoint of another run (--overwrite replaces it)"
        edited = not_the_card(identity, metrics)(out / catalog.CARD)
        return f"holds a README.md that {edited} (--overwrite replaces it)" if edited else None

    return checkpoint.not_a_checkpoint if args.overwrite else of_another_run


def subtract_mean_of(net: FERNet, faces: FaceDataset) -> None:
    """Put the training faces' mean, in [0, 1], into the network."""
    mean = faces.split("train").images.mean(axis=0, dtype="float64") / 255
    net.mean_face.copy_(torch.from_numpy(mean))


def first_things(
    folder: Path, net: FERNet, data: TrainData, runtime: Runtime, origin: dict[str, Any]
) -> None:
    """Run the sanity checks and note where the run came from, once, before its first step."""
    if (folder / STATE_FILE).exists() or not runtime.leads:
        return
    report = sanity_checks(runtime.place(net), *data.train, runtime)
    print("sanity:", report, flush=True)
    write_json(folder / SANITY_FILE, report, NOT_SANITY)
    write_json(folder / ORIGIN_FILE, origin, NOT_ORIGIN)


def run(args: argparse.Namespace) -> None:
    """Do what the command line asks, first face to checkpoint."""
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.push:
        hub_push.check_target(args.push)
    net, config = build(args)
    folder = prepare_folder(args, config)
    runtime = start(config.precision)
    faces = read_faces(args.data)
    subtract_mean_of(net, faces)
    data = TrainData.of(faces, runtime.device)
    settings = {
        "network": net.config.to_dict(), "training": config.to_dict(),
        "data_hash": faces.content_hash, "processes": runtime.world,
    }  # fmt: skip
    origin = provenance(config.seed, faces.name, faces.content_hash)
    first_things(folder, net, data, runtime, origin)
    progress: Progress = train(net, data, config, runtime, folder, settings)
    if runtime.leads:
        identity = {
            "variant": args.variant, "name": args.name or args.variant, "recipe": args.recipe,
            "training": config.to_dict(),
        }  # fmt: skip
        about = {
            "sanity": json.loads((folder / SANITY_FILE).read_text()),
            "provenance": json.loads((folder / ORIGIN_FILE).read_text()),
        }
        out = out_of(args, folder)
        metrics = export(
            out, net.cpu(), faces, progress, identity, about, objection=out_objection(args, folder)
        )
        _report(metrics, out)
        if args.push:
            hub_push.push(out, args.push)
    if runtime.world > 1:
        dist.destroy_process_group()


def _report(metrics: dict[str, Any], out: Path) -> None:
    for split in ("validation", "test"):
        low, high = metrics[split]["interval"]
        accuracy, n = metrics[split]["accuracy"], metrics[split]["n"]
        print(f"{split}: {accuracy:.2%} of {n} (95% {low:.1%} to {high:.1%})")
    print(f"checkpoint: {out}")


def main() -> int:
    """Run; see `exit_status`."""
    return exit_status(lambda: run(parse()), "the same command with --resume goes on")


if __name__ == "__main__":
    sys.exit(main())
