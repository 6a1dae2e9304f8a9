"""Measure a model's scorecard: one row per method, each written as soon as it is known."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fermodels.data.faces import FaceDataset, read_faces
from fermodels.errors import ConfigError
from fermodels.explain.attribution import METHODS
from fermodels.explain.scorecard_measure import Bench, Budget, measure, measure_control
from fermodels.explain.scorecard_record import FORMAT, Scorecard, file_name, scorecard_of
from fermodels.explain.trust_maps import CONTROLS
from fermodels.nets import checkpoint
from fermodels.nets.files import check_output, not_a_result, write_json
from fermodels.nets.provenance import git_revision, provenance
from fermodels.nets.shelf import read_result, results_dir, weights_hash


def run(args: argparse.Namespace) -> Path:
    """Do what the command line asks; return the file that holds the scorecard.

    Raises:
        ConfigError: no such method, too few or too many faces, or no scorecard in its place.
    """
    path = results_dir() / f"{file_name(args.model)}.json"
    check_output(path, not_a_result)
    if args.threads:
        torch.set_num_threads(args.threads)
    wanted = _wanted(args.methods)
    budget = Budget()
    chosen = sample(read_faces(args.data), args.faces, args.seed)
    card = _begin(args, chosen, budget, wanted)
    if not all(name in card["methods"] for name in wanted):
        bench = Bench.of(checkpoint.load(args.model), chosen.images, args.seed, budget)
        card["learned"] = asdict(bench.learned)
        card["controls"] = {name: measure_control(bench, name) for name in CONTROLS}
        for name in wanted:
            if name not in card["methods"]:
                card["methods"][name] = measure(bench, name) | {"git_revision": git_revision()}
                _store(path, card)
                print(f"{name:22} {card['methods'][name]['cpu_seconds']:.0f} s of CPU", flush=True)
    _store(path, card)
    for name in wanted:  # not before all are known: they are judged together
        _say(scorecard_of(card), name)
    return path


def _wanted(methods: list[str] | None) -> list[str]:
    unknown = sorted(set(methods or []) - set(METHODS))
    if unknown:
        raise ConfigError(f"method {unknown[0]!r} is unknown: expected {', '.join(METHODS)}")
    return [name for name in METHODS if not methods or name in methods]


def _begin(
    args: argparse.Namespace, chosen: FaceDataset, budget: Budget, wanted: list[str]
) -> dict[str, Any]:
    """Return the file's content to go on with, or an empty one if it answers another question.

    Rows of methods whose default settings have changed since are measured again, and with
    ``--fresh`` those asked for.
    """
    question: dict[str, Any] = {
        "format": FORMAT,
        "model": Path(args.model).name,
        "checkpoint_hash": weights_hash(checkpoint.find(args.model)),
        "faces": chosen.ids.tolist(),
        "budget": asdict(budget),
    }
    empty = {
        **question,
        "provenance": provenance(args.seed, chosen.name, chosen.content_hash),
        "learned": {}, "controls": {}, "methods": {},
    }  # fmt: skip
    before = read_result(file_name(args.model))
    if before is None:
        return empty
    differing = [key for key, value in question.items() if before.get(key) != value]
    differing += ["seed"] * (before["provenance"].get("seed") != args.seed)
    if differing:
        print(f"the stored scorecard has other {', '.join(differing)}: starting anew")
        return empty
    again = wanted if args.fresh else []
    kept = {
        name: row
        for name, row in before["methods"].items()
        if name in METHODS and row["options"] == METHODS[name].settings({}) and name not in again
    }
    return empty | {key: before[key] for key in ("learned", "controls")} | {"methods": kept}


def _store(path: Path, card: dict[str, Any]) -> None:
    """Write what is known so far, methods in the order of METHODS."""
    card["methods"] = {name: card["methods"][name] for name in METHODS if name in card["methods"]}
    write_json(path, card)


def _say(card: Scorecard, name: str) -> None:
    verdict, score = card.verdict(name), card.methods[name]
    same = card.same_as(name)
    print(
        f"{name:22} {verdict.words:20} gap {score.metrics['gap']}  {verdict.reasons[0]}"
        + (f"  Its maps are those of {same}." if same else ""),
        flush=True,
    )


def sample(data: FaceDataset, n: int, seed: int) -> FaceDataset:
    """Return n test faces: the same for equal content and seed, whatever the rows' order.

    Raises:
        ConfigError: fewer than two, or more than there are.
    """
    test = data.split("test")
    if not 2 <= n <= len(test):
        raise ConfigError(f"--faces is {n}: expected 2 to {len(test)}, the test split's size")
    order = np.random.default_rng([seed, 8]).permutation(len(test))[:n]
    return test.select(np.argsort(test.ids, kind="stable")[order])
