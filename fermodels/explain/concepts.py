"""Does the network use what a facial muscle does? Concept vectors of action units.

TCAV (Kim et al. 2018, arXiv 1711.11279): a linear classifier tells a layer's activations with a
concept from those without; its normal is the concept's vector. The score of a class is the share
of its faces whose logit rises when the activations move along that vector. Here a concept is one
action unit: the same rendered person in the same pose and light, with the unit and without it.

``python -m fermodels.explain.concepts --model NAME --data PATH`` writes
``results/concepts-NAME.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fermodels.data.emotions import EMOTIONS
from fermodels.data.faces import FaceDataset, read_faces
from fermodels.data.synthetic.action_units import ACTION_UNITS, AU_NAMES
from fermodels.errors import ConfigError, exit_status
from fermodels.explain.concept_faces import Pairs, render_pairs, render_people
from fermodels.explain.concept_record import file_name
from fermodels.explain.concept_tests import ConceptScores, judge, ridge_direction, sign_scores
from fermodels.explain.guard import exact, outputs_of
from fermodels.explain.layers import check_layer, layer_names
from fermodels.explain.puppet import private
from fermodels.explain.representation import batches
from fermodels.memory import keep_freed_memory
from fermodels.nets import checkpoint
from fermodels.nets.files import check_output, not_a_result, write_json
from fermodels.nets.networks import FERNet
from fermodels.nets.provenance import provenance
from fermodels.nets.shelf import results_dir, weights_hash

Matrix = NDArray[np.float32]
NOTES = (
    "The concepts are learned from rendered faces; the faces asked about need not be rendered.",
    "The vectors of one concept share most of their people, so its test is kinder than independent "
    "samples would make it (as in Kim et al. 2018); Holm's correction is over all tests.",
    "A score says which way the logit moves along the vector, not how far.",
)
"""What a person should know before believing a score."""


@dataclass(frozen=True)
class ConceptSettings:
    """How concepts are learned and tested."""

    people: int = 48
    """Rendered people per concept; each is seen with and without the unit."""
    repeats: int = 20
    """Concept vectors per concept, each from another random two thirds of the people; and random
    vectors to compare with."""
    faces_per_class: int = 60
    """Faces of each class whose logit is asked about, at most."""
    ridge: float = 0.1
    """Penalty of the linear classifier, as a share of the activations' mean squared length."""
    alpha: float = 0.05
    """Family-wise error of all tests together (Holm 1979)."""
    seed: int = 0
    """Draws people, halves and random concepts."""

    def __post_init__(self) -> None:
        for name, least in (("people", 6), ("repeats", 2), ("faces_per_class", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}: expected {least} or more")
        if not 0 < self.alpha < 1 or self.ridge <= 0:
            raise ConfigError(
                f"alpha is {self.alpha}, ridge {self.ridge}: expected 0 < alpha < 1 and ridge > 0"
            )


@dataclass(frozen=True, eq=False)
class Asked:
    """The faces that are asked about: how each one's own logit depends on the layer."""

    gradients: Matrix
    """``(M, D)``: gradient of the logit of a face's class by the layer's activations."""
    labels: NDArray[np.int64]
    """``(M,)``."""


def layer_for_concepts(model: nn.Module) -> str:
    """Return the layer used unless told otherwise: what the last conv block hands on.

    Later, at the penultimate features, every face has the same gradient, and a score can only be
    0 or 1.
    """
    return layer_names(model)[-1]


def concept_scores(
    model: nn.Module,
    faces: FaceDataset,
    units: Sequence[str] = AU_NAMES,
    layer: str | None = None,
    settings: ConceptSettings | None = None,
) -> tuple[ConceptScores, ...]:
    """Score every action unit for every class.

    Args:
        model: a FERNet; of a hybrid, only what flows through the conv layers is looked at.
        faces: labelled faces whose logits are asked about.
        units: concepts, by name.
        layer: a layer with maps; None for `layer_for_concepts`.
        settings: see ConceptSettings.

    Raises:
        ConfigError: unknown layer.
        DataError: unknown unit.
    """
    chosen = settings or ConceptSettings()
    net = private(model)
    name = layer_for_concepts(net) if layer is None else check_layer(net, layer)
    asked = class_gradients(net, _some_of_each(faces, chosen), name)
    pool = activations_at(net, render_people(chosen.people, chosen.seed), name)
    random = _random_scores(pool, asked, chosen)
    found = []
    for unit in units:
        pairs = render_pairs(unit, chosen.people, chosen.seed)
        accuracies, signs = _unit_scores(net, pairs, asked, name, chosen)
        found.append((unit, accuracies, signs))
    return judge(found, random, chosen.alpha)


def class_gradients(net: FERNet, faces: FaceDataset, layer: str) -> Asked:
    """Return the gradient of each face's own class logit by the layer's activations, flat."""
    rows, labels = [], torch.from_numpy(faces.labels)
    with exact(net), outputs_of(net, [layer]) as seen:
        done = 0
        for batch in batches(net, faces.images):
            logits = net(batch.requires_grad_())
            own = labels[done : done + len(batch)].to(logits.device)
            total = logits.gather(1, own[:, None]).sum()
            (gradient,) = torch.autograd.grad(total, seen[layer])
            rows.append(gradient.flatten(1).float().cpu())
            done += len(batch)
    return Asked(torch.cat(rows).numpy(), faces.labels)


def activations_at(net: FERNet, faces: NDArray[np.uint8], layer: str) -> Matrix:
    """Return the layer's activations of faces uint8 ``(N, 48, 48)``, flat: ``(N, D)``."""
    rows = []
    with exact(net), torch.no_grad(), outputs_of(net, [layer]) as seen:
        for batch in batches(net, faces):
            net(batch)
            rows.append(seen[layer].flatten(1).float().cpu())
    return torch.cat(rows).numpy()


def _some_of_each(faces: FaceDataset, settings: ConceptSettings) -> FaceDataset:
    rng = np.random.default_rng([settings.seed, 1])
    rows = [
        rng.permutation(np.flatnonzero(faces.labels == label))[: settings.faces_per_class]
        for label in range(len(EMOTIONS))
    ]
    return faces.select(np.sort(np.concatenate(rows)))


def _unit_scores(
    net: FERNet, pairs: Pairs, asked: Asked, layer: str, settings: ConceptSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return held-out accuracies ``(R,)`` and sign scores ``(R, 7)`` of one concept.

    A direction is a weighted sum of activations, so the products of activations with each other
    and with the gradients are all that is needed: no vector of the layer's width is ever solved.
    """
    x = activations_at(net, np.concatenate([pairs.with_unit, pairs.without]), layer)
    gram, slopes = x @ x.T, asked.gradients @ x.T
    people = len(pairs.without)
    rng = np.random.default_rng([settings.seed, 2])
    accuracies, scores = [], []
    for _ in range(settings.repeats):
        learned, held = np.split(rng.permutation(people), [2 * people // 3])
        weights, border = ridge_direction(gram, learned, learned + people, settings.ridge)
        side = gram @ weights - border
        right = np.concatenate([side[held] > 0, side[held + people] < 0])
        accuracies.append(float(right.mean()))
        scores.append(sign_scores(slopes @ weights, asked.labels))
    return np.array(accuracies), np.array(scores)


def _random_scores(x: Matrix, asked: Asked, settings: ConceptSettings) -> NDArray[np.float64]:
    """Return sign scores ``(R, 7)`` of concepts that are none: people parted by lot."""
    gram, slopes = x @ x.T, asked.gradients @ x.T
    rng = np.random.default_rng([settings.seed, 3])
    scores = []
    for _ in range(settings.repeats):
        first, second = np.array_split(rng.permutation(len(x)), 2)
        weights, _border = ridge_direction(gram, first, second, settings.ridge)
        scores.append(sign_scores(slopes @ weights, asked.labels))
    return np.array(scores)


def as_json(found: Sequence[ConceptScores]) -> list[dict[str, Any]]:
    """Return the scores as JSON types, one entry per action unit."""
    return [
        {"concept": f.concept, "title": ACTION_UNITS[f.concept].title, **f.figures()} for f in found
    ]


def command_line() -> argparse.ArgumentParser:
    """Return the parser of this module's command."""
    parser = argparse.ArgumentParser(prog="python -m fermodels.explain.concepts")
    parser.add_argument("--model", required=True, help="a bundled checkpoint's name, or a folder")
    parser.add_argument("--data", default="samples", help="whatever fermodels.read_faces reads")
    parser.add_argument("--split", default="test", help="whose faces are asked about")
    parser.add_argument("--layer", help="a layer with maps; the last one unless given")
    parser.add_argument("--units", nargs="+", choices=AU_NAMES, default=AU_NAMES, metavar="AU")
    for setting in fields(ConceptSettings):
        flag = "--" + setting.name.replace("_", "-")
        parser.add_argument(flag, type=type(setting.default), default=setting.default)
    return parser


def run(options: argparse.Namespace) -> None:
    """Write a model's concept scores.

    Raises:
        FerError: data or model that cannot be read, or a setting outside its range.
    """
    chosen = {field.name: getattr(options, field.name) for field in fields(ConceptSettings)}
    settings = ConceptSettings(**chosen)
    place = results_dir() / f"{file_name(options.model)}.json"
    check_output(place, not_a_result)
    folder, faces = checkpoint.find(options.model), read_faces(options.data)
    model = checkpoint.load(folder)
    layer = options.layer or layer_for_concepts(model)
    found = concept_scores(model, faces.split(options.split), options.units, layer, settings)
    about = {
        "model": Path(options.model).name,
        "checkpoint_hash": weights_hash(folder),
        "layer": layer,
        "split": options.split,
    }
    rest = {
        "settings": asdict(settings),
        "notes": list(NOTES),
        "concepts": as_json(found),
        "provenance": provenance(settings.seed, faces.name, faces.content_hash),
    }
    write_json(place, about | rest)
    _say(found)


def _say(found: Sequence[ConceptScores]) -> None:
    for concept in found:
        told = [EMOTIONS[k] for k in np.flatnonzero(concept.significant)]
        print(f"{concept.concept}: accuracy {concept.accuracy:.0%}; {', '.join(told) or 'none'}")


def main(argv: list[str] | None = None) -> int:
    """Do it; an error of ours is one sentence and exit status 2."""
    options = command_line().parse_args(argv)
    return exit_status(lambda: run(options))


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
