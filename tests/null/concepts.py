"""How often is a concept that is none believed? Swap a real concept's labels by lot, and test.

    python -m tests.null.concepts --model deep --data fer2013/ --empty 200

prints false positives with 95% intervals, which must contain 5% or less. Each empty concept is an
action unit's pairs of which each person's two faces changed places by the toss of a coin.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fermodels.data.readers.discover import read_faces
from fermodels.data.synthetic.action_units import AU_NAMES
from fermodels.errors import exit_status
from fermodels.evaluation.metrics import wilson_interval
from fermodels.nets import catalog, checkpoint
from fermodels.xai.concepts.statistics import judge, score_concept
from fermodels.xai.concepts.tcav import (
    ConceptSettings,
    LogitGradients,
    class_gradients,
    layer_for_concepts,
    pair_differences,
    sample_per_class,
)
from fermodels.xai.trust.verdict import estimate


@dataclass(frozen=True, eq=False)
class Empty:
    """What the tests said of E concepts that are none."""

    people: NDArray[np.bool_]
    """``(E, 7)``: uncorrected p below alpha when labels are swapped within people, per class."""
    both: NDArray[np.bool_]
    """``(E, 7)``: uncorrected p below alpha in both tests."""
    family: NDArray[np.bool_]
    """``(E,)``: whether any class passes after Holm's correction over the seven."""


def judge_empty(
    differences: Mapping[str, NDArray[np.floating]],
    asked: LogitGradients,
    count: int,
    settings: ConceptSettings,
) -> Empty:
    """Test `count` empty concepts, made in turn of each unit's differences ``(P, D)``."""
    people, both, family = [], [], []
    units = list(differences)
    for number in range(count):
        found = differences[units[number % len(units)]]
        rng = np.random.default_rng([settings.seed, 12, number])
        swapped = found * rng.choice([-1.0, 1.0], len(found))[:, None]
        (scores,) = judge(
            [
                score_concept(
                    "none", swapped, asked.gradients, asked.labels,
                    permutations=settings.permutations, resamples=settings.resamples,
                    seed=settings.seed, alpha=settings.alpha,
                )
            ]
        )  # fmt: skip
        people.append(scores.p_people < settings.alpha)
        both.append(scores.p < settings.alpha)
        family.append(scores.significant.any())
    return Empty(np.array(people), np.array(both), np.array(family))


def run(options: argparse.Namespace) -> None:
    """Print how often empty concepts of a network are believed."""
    settings = ConceptSettings(seed=options.seed, permutations=options.permutations)
    net = checkpoint.load(catalog.find(options.model))
    layer = layer_for_concepts(net)
    faces = sample_per_class(read_faces(options.data).split(options.split), settings)
    asked = class_gradients(net, faces, layer)
    differences = {unit: pair_differences(net, unit, layer, settings) for unit in AU_NAMES}
    found = judge_empty(differences, asked, options.empty, settings)
    print(f"{options.empty} empty concepts of {options.model}, layer {layer}, {faces.name}")
    for words, rows in (("swaps within people", found.people), ("both tests", found.both)):
        rate = estimate(rows.mean(1))
        print(
            f"{words}, uncorrected: {int(rows.sum())} of {rows.size} below {settings.alpha:g}: "
            f"{rate.mean:.1%} (95% {rate.low:.1%} to {rate.high:.1%}, concepts drawn anew)"
        )
    wrong = int(found.family.sum())
    low, high = wilson_interval(wrong, options.empty)
    print(
        f"any class after Holm: {wrong} of {options.empty} concepts: {wrong / options.empty:.1%} "
        f"(95% {low:.1%} to {high:.1%})"
    )


def main(argv: list[str] | None = None) -> int:
    """Do it; an error of ours is one sentence and exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m tests.null.concepts")
    parser.add_argument("--model", default="deep", help="a bundled checkpoint's name, or a folder")
    parser.add_argument("--data", default="samples", help="whatever fermodels.read_faces reads")
    parser.add_argument("--split", default="test", help="whose faces are asked about")
    parser.add_argument("--empty", type=int, default=200, help="how many empty concepts")
    parser.add_argument("--permutations", type=int, default=ConceptSettings.permutations)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    return exit_status(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
