"""Compute a model's scorecard: one row per method, each written as soon as it is known."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fermodels.data.faces import FaceDataset, read_faces
from fermodels.errors import ConfigError
from fermodels.explain.attribution import METHODS
from fermodels.explain.scorecard_measure import Bench, Budget, Row, against_controls, measure
from fermodels.explain.scorecard_record import FORMAT, file_name, score_of
from fermodels.explain.trust import METRICS
from fermodels.explain.trust_maps import CONTROLS, Maps, explainer, importance
from fermodels.explain.trust_statistics import spearman, top_overlap
from fermodels.nets import checkpoint
from fermodels.nets.files import check_output, not_a_result, write_json
from fermodels.nets.provenance import git_revision, provenance
from fermodels.nets.shelf import read_result, results_dir, weights_hash

COMPARED = 8
"""Faces whose maps are compared between methods."""


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
    card = _begin(args, chosen, budget)
    bench = Bench.of(checkpoint.load(args.model), chosen.images, args.seed, budget)
    controls = {name: measure(bench, name) for name in CONTROLS}
    values = {name: found[1] for name, found in controls.items()}
    for name, (row, mine, _maps) in controls.items():
        card["controls"][name] = row | {"beats": against_controls(mine, values)}
    maps: dict[str, Maps] = {}
    for name in wanted:
        if name not in card["methods"]:
            row, mine, found = measure(bench, name)
            maps[name] = found[:COMPARED]
            beats = against_controls(mine, values)
            card["methods"][name] = row | {"beats": beats, "git_revision": git_revision()}
            _store(path, card)
        _say(name, card["methods"][name])
    card["agreement"] = _agreement(bench, card["methods"], maps)
    _store(path, card)
    return path


def _wanted(methods: list[str] | None) -> list[str]:
    unknown = sorted(set(methods or []) - set(METHODS))
    if unknown:
        raise ConfigError(f"method {unknown[0]!r} is unknown: expected {', '.join(METHODS)}")
    return [name for name in METHODS if not methods or name in methods]


def _begin(args: argparse.Namespace, chosen: FaceDataset, budget: Budget) -> dict[str, Any]:
    """Return the file's content to go on with, or an empty one if it answers another question."""
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
        "controls": {}, "methods": {}, "agreement": {},
    }  # fmt: skip
    before = read_result(file_name(args.model))
    if before is None or args.fresh:
        return empty
    differing = [key for key, value in question.items() if before.get(key) != value]
    if differing:
        print(f"the stored scorecard has other {', '.join(differing)}: starting anew")
        return empty
    kept = {name: row for name, row in before["methods"].items() if name in METHODS}
    return empty | {"methods": kept, "agreement": before["agreement"]}


def _store(path: Path, card: dict[str, Any]) -> None:
    """Write what is known so far, methods in the order of METHODS, with their ranks."""
    rows = {name: card["methods"][name] for name in METHODS if name in card["methods"]}
    places = ranks_of(rows)
    card["methods"] = {name: row | {"ranks": places[name]} for name, row in rows.items()}
    write_json(path, card)


def _say(name: str, row: Row) -> None:
    badge = score_of(name, row).badge
    gap = row["metrics"]["gap"]
    print(
        f"{name:22} {badge.level:9} gap {gap['mean']:+.2f} (n {gap['n']})  "
        f"{row['seconds_per_face']:.3f} s a face  {badge.why}",
        flush=True,
    )


def _agreement(
    bench: Bench, rows: Mapping[str, Row], known: Mapping[str, Maps]
) -> dict[str, dict[str, dict[str, float]]]:
    """Compare all methods; maps of rows that an earlier sitting measured are drawn again."""
    n = min(COMPARED, len(bench.faces))
    maps = {}
    for name, row in rows.items():
        if name in known:
            drawn = known[name]
        else:
            drawn = explainer(name, row["options"])(
                bench.net, bench.faces[:n], bench.target_class[:n]
            )
        maps[name] = importance(drawn, name)
    return agreement(maps)


def ranks_of(rows: Mapping[str, Row]) -> dict[str, dict[str, int]]:
    """Return method -> metric -> place, 1 for the best; equal means share a place."""
    places: dict[str, dict[str, int]] = {name: {} for name in rows}
    for metric, about in METRICS.items():
        sign = 1 if about.higher_is_better else -1
        means = {
            name: sign * row["metrics"][metric]["mean"]
            for name, row in rows.items()
            if metric in row["metrics"]
        }
        for name, mean in means.items():
            places[name][metric] = 1 + sum(other > mean for other in means.values())
    return places


def agreement(maps: Mapping[str, Maps]) -> dict[str, dict[str, dict[str, float]]]:
    """Return how alike the methods' importances are, averaged over the faces they share."""
    found: dict[str, dict[str, dict[str, float]]] = {"spearman": {}, "top-overlap": {}}
    for name, mine in maps.items():
        for kind, alike in (("spearman", spearman), ("top-overlap", top_overlap)):
            found[kind][name] = {
                other: float(alike(*_shared(mine, theirs)).mean()) for other, theirs in maps.items()
            }
    return found


def _shared(first: Maps, second: Maps) -> tuple[Maps, Maps]:
    n = min(len(first), len(second))
    return first[:n], second[:n]


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
