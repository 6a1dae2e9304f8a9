"""Which methods can be trusted on this model? Compute its scorecard.

    python -m fermodels.xai.trust.scorecard --model shallow --data fer2013/

writes ``results/scorecard-NAME.json`` and goes on where it stopped; `scorecard_record` reads it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fermodels.data.dataset import FaceDataset
from fermodels.data.readers.discover import read_faces
from fermodels.errors import ConfigError, exit_status
from fermodels.memory import keep_freed_memory
from fermodels.nets import catalog, checkpoint
from fermodels.nets.catalog import weights_hash
from fermodels.results import ResultFile, git_revision, provenance, read_result
from fermodels.xai.attribution.registry import METHODS
from fermodels.xai.trust.judge import PAIRS, Trial, predicted, what_was_learned
from fermodels.xai.trust.localisation import ENOUGH, KnownFaces, known_faces, pointing
from fermodels.xai.trust.maps import (
    CONTROLS,
    Explainer,
    Faces,
    explainer,
    importance,
    passes_per_face,
)
from fermodels.xai.trust.randomisation import RandomCopy, random_copies
from fermodels.xai.trust.robustness import NOISY, infidelity, max_sensitivity
from fermodels.xai.trust.scorecard_record import (
    FORMAT,
    Scorecard,
    file_name,
    result_file,
    scorecard_of,
    written,
)
from fermodels.xai.trust.verdict import Floats, ReadingScore


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's settings."""
    parser = argparse.ArgumentParser(
        "fermodels.xai.trust.scorecard", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--model", required=True, help="a bundled checkpoint's name, or a folder")
    parser.add_argument(
        "--data", default="samples", help="FER-2013 in any form; the sample faces by default"
    )
    parser.add_argument("--faces", type=int, default=48, help="test faces; slow methods get fewer")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="all by default")
    parser.add_argument("--seed", type=int, default=0, help="which faces, and all noise")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for all cores")
    parser.add_argument(
        "--fresh", action="store_true", help="measure again what the file already holds"
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Compute; an error of ours is one sentence and exit status 2."""
    args = parse(words)

    return exit_status(lambda: run(args))


# --- Measure a model's scorecard: one row per method, each written as soon as it is known


def run(args: argparse.Namespace) -> Path:
    """Do what the command line asks; return the file that holds the scorecard.

    Raises:
        ConfigError: no such method, too few or too many faces, or no scorecard in its place.
    """
    result = result_file(args.model)
    result.check_free()
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
                _store(result, card)
                print(f"{name:22} {card['methods'][name]['cpu_seconds']:.0f} s of CPU", flush=True)
    _store(result, card)
    for name in wanted:  # not before all are known: they are judged together
        _say(scorecard_of(card), name)
    return result.path


def _wanted(methods: list[str] | None) -> list[str]:
    unknown = sorted(set(methods or []) - set(METHODS))
    if unknown:
        raise ConfigError(f"method {unknown[0]!r} is unknown: expected {', '.join(METHODS)}")
    return [name for name in METHODS if not methods or name in methods]


def _begin(
    args: argparse.Namespace, chosen: FaceDataset, budget: Budget, wanted: list[str]
) -> dict[str, Any]:
    """Return the file's content to go on with, or an empty one if its conditions differ.

    Rows of methods whose default settings have changed since are measured again, and with
    ``--fresh`` those asked for.
    """
    conditions: dict[str, Any] = {
        "format": FORMAT,
        "model": Path(args.model).name,
        "checkpoint_hash": weights_hash(catalog.find(args.model)),
        "faces": chosen.ids.tolist(),
        "budget": asdict(budget),
    }
    empty = {
        **conditions,
        "provenance": provenance(args.seed, chosen.name, chosen.content_hash),
        "learned": {}, "controls": {}, "methods": {},
    }  # fmt: skip
    before = read_result(file_name(args.model))
    if before is None:
        return empty
    differing = [key for key, value in conditions.items() if before.get(key) != value]
    differing += ["seed"] * (before["provenance"].get("seed") != args.seed)
    if differing:
        print(f"the stored scorecard has other {', '.join(differing)}: starting anew")
        return empty
    again = wanted if args.fresh else []
    reusable = {
        name: row
        for name, row in before["methods"].items()
        if name in METHODS and row["options"] == METHODS[name].settings({}) and name not in again
    }
    return empty | {key: before[key] for key in ("learned", "controls")} | {"methods": reusable}


def _store(result: ResultFile, card: dict[str, Any]) -> None:
    """Write what is known so far, methods in the order of METHODS."""
    card["methods"] = {name: card["methods"][name] for name in METHODS if name in card["methods"]}
    result.write(card)


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


# --- Measure one attribution method on one model: all that its verdict needs, and more figures
#
# What the verdict needs is measured by `fermodels.xai.trust.judge`, the same for the scorecards as
# for anybody's own method.


Row = dict[str, Any]
"""One method's measurements as JSON types; `scorecard_record` reads it back."""


@dataclass(frozen=True)
class Budget:
    """Network passes that a method may spend per metric: slow methods get fewer faces."""

    explain: int = 6000
    """For the maps that are judged."""
    pointing: int = 1200
    """For maps of rendered faces."""
    sensitivity: int = 2400
    """For maps of noisy faces."""

    def faces(self, what: str, passes: int, low: int, high: int) -> int:
        """Return how many faces of so many passes each fit, at least `low`, at most `high`."""
        return int(np.clip(getattr(self, what) // max(1, passes), min(low, high), high))


@dataclass(frozen=True, eq=False)
class Bench:
    """One model and the faces on which every method is measured."""

    trial: Trial
    learned: ReadingScore
    known: KnownFaces
    """Rendered faces that the model reads right."""
    copies: tuple[RandomCopy, ...]
    """Random networks, one for each pair of faces."""
    blank: NDArray[np.float64]
    """``(N,)``: infidelity of a map of zeros, the unit in which infidelity is given."""
    budget: Budget

    @classmethod
    def of(cls, net: nn.Module, faces: Faces, seed: int, budget: Budget) -> Bench:
        """Predict the classes and make the random networks."""
        target = predicted(net, faces)
        zeros = np.zeros(faces.shape, np.float32)
        return cls(
            Trial(net, faces, target, seed), what_was_learned(net),
            known_faces(max(len(faces), ENOUGH), seed, net),
            tuple(random_copies(net, range(seed, seed + min(PAIRS, len(faces) // 2)))),
            infidelity(net, faces, zeros, target, "", seed=seed), budget,
        )  # fmt: skip


def measure(bench: Bench, name: str) -> Row:
    """Measure a method of METHODS with the settings it has unless told otherwise.

    Maps of the random networks and of other classes have the same settings as the faces: a coarser
    map is a noisier one, and noise makes maps look as if they differed.
    """
    trial, method = bench.trial, METHODS[name]
    maps_of = explainer(name)
    passes = passes_per_face(trial.net, maps_of)
    n = bench.budget.faces("explain", passes, 2 * PAIRS, len(trial.faces))
    started = time.process_time()
    measured, maps = trial.measure(maps_of, name, bench.copies, n)
    seconds = time.process_time() - started
    inputs = trial.net, trial.faces[:n], maps, trial.target_class[:n]
    errors = infidelity(*inputs, name, seed=trial.seed)
    values = measured.values | _pointing(bench, name, maps_of, passes)
    values["infidelity"] = errors / np.maximum(bench.blank[:n], 1e-12)
    values["max-sensitivity"] = _sensitivity(bench, maps_of, passes)
    return {
        "values": written(values),
        "template": written(measured.rivals["template"]),
        "cpu_seconds": round(seconds, 1),
        "passes_per_face": passes,
        "options": method.settings({}),
    }


def measure_control(bench: Bench, name: str) -> Row:
    """Measure maps that no model had a part in: what they score by altering faces, and pointing."""
    trial, maps_of = bench.trial, CONTROLS[name]
    maps = maps_of(trial.net, trial.faces, trial.target_class)
    return {"values": written(trial.faithfulness(maps) | _pointing(bench, name, maps_of, 1))}


def _pointing(bench: Bench, name: str, maps_of: Explainer, passes: int) -> dict[str, Floats]:
    """Return nothing where the model reads fewer than ENOUGH rendered faces right."""
    n = bench.budget.faces("pointing", passes, ENOUGH, len(bench.known.faces))
    if n < ENOUGH:
        return {}
    maps = maps_of(bench.trial.net, bench.known.faces[:n], bench.known.labels[:n])
    scores = pointing(importance(maps, name), bench.known.regions[:n], bench.trial.seed)
    return {"pointing": scores.hit, "relevance-mass": scores.mass}


def _sensitivity(bench: Bench, maps_of: Explainer, passes: int) -> Floats:
    """Return max-sensitivity of a dozen faces; no verdict needs it, so slow methods get fewer."""
    trial = bench.trial
    n = bench.budget.faces("sensitivity", (NOISY + 1) * passes, 2, min(12, len(trial.faces)))
    return max_sensitivity(
        trial.net, trial.faces[:n], maps_of, trial.target_class[:n], seed=trial.seed
    )


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
