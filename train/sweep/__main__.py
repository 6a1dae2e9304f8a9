"""Cross-validate a variant as the paper did: ``python -m train.sweep --variant NAME --data PATH``.

Learning rate, regularisation and hidden neurons (Tables 1 and 2) are searched by Optuna; the
paper's own choice is the first trial. A trial is what ``python -m train.run`` would train with
the same flags, judged after every epoch on the validation split or, with ``--folds K``, on K
stratified folds of the training faces trained in step. The test split is never looked at.

A killed or stopped sweep goes on with the same command: finished trials count, a broken one
resumes at its last epoch. Several processes, or machines through a shared database, work on one
sweep by running the same command with the same ``--storage``, such as
``postgresql+psycopg://user@host/name`` (``pip install 'psycopg[binary]'``).
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import torch

from fermodels.cli import add_flags, given
from fermodels.data.dataset import FaceDataset
from fermodels.data.readers.discover import read_faces
from fermodels.errors import ConfigError, exit_status
from fermodels.files import Objection
from fermodels.nets.variants import VARIANTS
from fermodels.results import provenance
from train.config import RECIPES, NetOverrides, TrainConfig
from train.device import start
from train.loop import TrainData
from train.run import build
from train.state import check_run_folder
from train.sweep.space import (
    PRUNERS,
    SeededTPE,
    SweepPlan,
    as_flags,
    described,
    paper_values,
    space_of,
)
from train.sweep.study import (
    counts,
    digits,
    join_study,
    not_a_study,
    open_storage,
    result,
    result_file,
    row,
    storage_errors,
)
from train.sweep.trial import OutOfTimeError, Sweep, not_a_trial, objective, parts_of

STUDY = "study.db"
SWEEP_FILES: dict[str, Objection | None] = {
    STUDY: not_a_study,
    f"{STUDY}-*": None,  # SQLite's own
    "trial-*": not_a_trial,
    "log.txt": None,
}
"""Name in a sweep's folder -> who objects to what is there; see `check_run_folder`."""
POLL_SECONDS = 1.0
"""How often a process with nothing left to begin looks whether the others are done."""


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser("train.sweep", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--variant", required=True, choices=list(VARIANTS), help="architecture")
    parser.add_argument("--data", required=True, help="FER-2013 in any form, 'samples', hub:ID")
    parser.add_argument(
        "--recipe", default="paper", choices=list(RECIPES), help="settings to start from"
    )
    parser.add_argument("--name", help="name of study and result; the variant's by default")
    parser.add_argument("--run-dir", type=Path, help="resumable state; runs/sweep-NAME by default")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for all cores")
    add_flags(parser, SweepPlan, "budget and judgement")
    add_flags(parser, TrainConfig, "settings of every trial")
    add_flags(parser, NetOverrides, "a network of one's own")
    return parser.parse_args(words)


def prepare(args: argparse.Namespace) -> Sweep:
    """Read the faces and put together what every trial needs.

    Raises:
        ConfigError: a searched value is also given as a flag, a setting does not fit the data, or
            something that is no sweep's is where its files should go.
    """
    _refuse(args)
    folder = args.run_dir or Path("runs") / f"sweep-{args.name or args.variant}"
    check_run_folder(folder, SWEEP_FILES, proof=STUDY)
    result_file(args.name or args.variant).check_free()
    plan, space = SweepPlan(**given(args, SweepPlan)), space_of(args.variant)
    net, config = build(args)
    faces, runtime = read_faces(args.data), start(config.precision)
    parts = [
        (part, TrainData.of(part, runtime.device))
        for part in parts_of(faces, plan.folds, plan.subset, config.seed)
    ]
    _check_batch(parts, config)
    shared = {key: value for key, value in config.to_dict().items() if key not in space}
    settings = {
        "variant": args.variant, "network": net.config.to_dict(), "training": shared,
        "space": described(space), "data_hash": faces.content_hash, "folds": plan.folds,
        "subset": plan.subset, "pruner": plan.pruner, "startup": plan.startup,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    origin = provenance(config.seed, faces.name, faces.content_hash)
    deadline = time.monotonic() + plan.hours * 3600 if plan.hours else math.inf
    return Sweep(args, plan, config, space, parts, runtime, folder, settings, origin, deadline)


def _refuse(args: argparse.Namespace) -> None:
    """Raise ConfigError for flags, or a launcher, that a sweep cannot go with."""
    fixed = sorted(set(as_flags(paper_values(args.variant))) & set(vars(args)))
    if fixed:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in fixed)
        raise ConfigError(f"{flags} is what the sweep searches: leave it out, or use train.run")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "a trial uses one process: instead of torchrun, start this command several times "
            "with one --storage"
        )


def _check_batch(parts: list[tuple[FaceDataset, TrainData]], config: TrainConfig) -> None:
    fewest = min(len(data.train[0]) for _, data in parts)
    if fewest < config.batch_size:
        raise ConfigError(
            f"batch_size is {config.batch_size} but a trial has {fewest} training faces: choose a "
            "smaller --batch-size or a larger --subset"
        )


def work(sweep: Sweep, study: optuna.Study) -> None:
    """Run trials until enough are finished, by this process or others, or time is up.

    However short the sitting, it gets an epoch further.
    """
    while True:
        finished, running = counts(study)
        if finished >= sweep.plan.trials:
            return
        if finished + running < sweep.plan.trials:
            study.optimize(
                partial(objective, sweep),
                n_trials=1,
                catch=(OutOfTimeError,),
                callbacks=[partial(_after_trial, sweep)],
            )
        else:
            time.sleep(POLL_SECONDS)
        if time.monotonic() > sweep.deadline:
            return


def _after_trial(sweep: Sweep, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
    """Say how a trial went, and write the result as it stands."""
    print(_sentence(row(trial, sweep.n, paper_values(sweep.args.variant))), flush=True)
    write(sweep, study)


def _sentence(trial: dict[str, Any]) -> str:
    low, high = trial["interval"]
    values = " ".join(f"{name}={value}" for name, value in trial["parameters"].items())
    return (
        f"trial {trial['number']} {trial['state']} after {trial['epochs']} epochs: "
        f"{trial['accuracy']:.1%} of {trial['n']:,} (95% {low:.1%} to {high:.1%})  {values}  "
        f"{trial['seconds']:.0f} s"
    )


def write(sweep: Sweep, study: optuna.Study) -> dict[str, Any]:
    """Write the result as it stands, over what was there."""
    about = {
        "variant": sweep.args.variant,
        "recipe": sweep.args.recipe,
        **{key: value for key, value in sweep.settings.items() if key != "data_hash"},
        "sampler": f"TPE (optuna {optuna.__version__})",
        "judged_on": f"{sweep.plan.folds} folds of train" if sweep.plan.folds else "validation",
        "n": sweep.n,
        "labels": digits(sweep.labels),
        "training_faces": min(len(data.train[0]) for _, data in sweep.parts),
        "budget": {**asdict(sweep.plan), "storage": None, "epochs": sweep.config.epochs},
        "provenance": sweep.origin,
    }
    content = result(study, sweep.n, paper_values(sweep.args.variant), about)
    result_file(sweep.name).write(content)
    return content


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Do what the command line asks; return what was written."""
    if args.threads:
        torch.set_num_threads(args.threads)
    sweep = prepare(args)
    url = sweep.plan.storage or f"sqlite:///{sweep.folder / STUDY}"
    storage = open_storage(url, sweep.plan.heartbeat)
    with storage_errors(url):
        study = join_study(
            storage, sweep.name, sweep.settings, paper_values(args.variant),
            SeededTPE(sweep.config.seed, sweep.plan.startup), PRUNERS[sweep.plan.pruner](),
        )  # fmt: skip
        work(sweep, study)
        return write(sweep, study)


def report(args: argparse.Namespace, content: dict[str, Any]) -> None:
    """Print the best trial beside the paper's, and how to train it in full."""
    by_number = {trial["number"]: trial for trial in content["trials"]}
    for title, number in (("best", content["best_trial"]), ("paper's", content["paper_trial"])):
        print(f"{title}: {_sentence(by_number[number]) if number in by_number else 'not yet'}")
    if content["best_trial"] is not None:
        best = by_number[content["best_trial"]]["parameters"]
        print(
            f"train it: python -m train.run --variant {args.variant} --data {args.data} --recipe "
            f"{args.recipe} --learning-rate {best['learning_rate']:g} --weight-decay "
            f"{best['weight_decay']:g} --hidden {' '.join(map(str, best['hidden']))}"
        )


def main(words: Sequence[str] | None = None) -> int:
    """Sweep; see `exit_status`."""
    args = parse(words)
    to_go_on = "the same command goes on where this left off"
    return exit_status(lambda: report(args, run(args)), to_go_on)


if __name__ == "__main__":
    sys.exit(main())
