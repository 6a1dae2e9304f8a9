"""Does the network use what a facial muscle does? Concept vectors of action units.

After TCAV (Kim et al. 2018, ICML, arXiv 1711.11279). Here a concept is one action unit: the same
rendered person in the same pose and light, with the unit and without it. Its vector is the mean
difference of a layer's activations; asked is whether, and how far, the logit of a class moves
along it on that class's faces. `statistics` says how that is tested, and why so.

``python -m fermodels.xai.concepts.tcav --model NAME --data PATH`` writes
``results/concepts-NAME.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from fermodels.data.readers.discover import read_faces
from fermodels.data.samples import sample_faces
from fermodels.data.synthetic import FaceSpec, random_spec, render_image
from fermodels.data.synthetic.action_units import ACTION_UNITS, AU_NAMES, check_action_units
from fermodels.errors import ConfigError, exit_status
from fermodels.memory import keep_freed_memory
from fermodels.nets import catalog, checkpoint
from fermodels.nets.catalog import weights_hash
from fermodels.nets.fernet import FERNet
from fermodels.results import provenance
from fermodels.xai.concepts.record import result_file
from fermodels.xai.concepts.statistics import ConceptScores, judge, score_concept
from fermodels.xai.counterfactuals.response_curves import fernet_copy
from fermodels.xai.model_access import batches, check_layer, exact, layer_names, outputs_of
from fermodels.xai.trust.localisation import read_right

Matrix = NDArray[np.float32]
NOTES = (
    "The concepts are learned from rendered faces; the faces asked about need not be rendered.",
    "An effect differs if it is larger than labels swapped within people make it, and larger than "
    "its signs turned from face to face make it; both by permutation, corrected by Holm over all "
    "concepts and expressions of this layer.",
    "To differ is not to matter: a small effect can be a sure one. Its size is in logits, to first "
    "order; its interval draws people and faces anew and is not corrected.",
    "A network with random weights answers to a movement as well, surely if faintly: that an "
    "effect differs does not say that it was learned.",
    "The share of faces that rise has no test of its own: swapped labels, too, make a vector along "
    "which most faces of an expression rise, or few do.",
    "FER-2013 does not say who is on a photograph: the faces asked count as independent.",
)
"""What a person should know before believing a score."""


@dataclass(frozen=True)
class ConceptSettings:
    """How concepts are learned and tested."""

    people: int = 48
    """Rendered people per concept; each is one pair, seen with and without the unit."""
    permutations: int = 20_000
    """Swaps of labels within people, and sign flips of faces, behind each p-value."""
    resamples: int = 2000
    """Bootstrap resamples behind each interval."""
    faces_per_class: int = 60
    """Faces of each class whose logit is measured, at most."""
    alpha: float = 0.05
    """Family-wise error of all tests together (Holm 1979)."""
    seed: int = 0
    """Draws people, faces, permutations and resamples."""

    def __post_init__(self) -> None:
        least = {"people": 6, "permutations": 1, "resamples": 100, "faces_per_class": 1, "seed": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ConfigError(f"{name} is {getattr(self, name)}: expected {value} or more")
        if not 0 < self.alpha < 1:
            raise ConfigError(f"alpha is {self.alpha}: expected 0 < alpha < 1")

    def check(self, tests: int) -> None:
        """Refuse so few permutations that no effect, however large, could pass.

        Raises:
            ConfigError: the smallest p-value times the number of tests is not below alpha.
        """
        if tests >= self.alpha * (1 + self.permutations):
            raise ConfigError(
                f"permutations is {self.permutations}: with {tests} tests nothing could pass at "
                f"alpha {self.alpha}; expected {int(tests / self.alpha)} or more"
            )


@dataclass(frozen=True, eq=False)
class LogitGradients:
    """How the own-class logit of each measured face depends on the layer."""

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
        faces: labelled faces whose logits are measured.
        units: concepts, by name.
        layer: a layer with maps; None for `layer_for_concepts`.
        settings: see ConceptSettings.

    Raises:
        ConfigError: unknown layer.
        DataError: unknown unit.
    """
    chosen = settings or ConceptSettings()
    chosen.check(len(units) * len(EMOTIONS))
    net = fernet_copy(model)
    name = layer_for_concepts(net) if layer is None else check_layer(net, layer)
    logit_gradients = class_gradients(net, sample_per_class(faces, chosen), name)
    return judge(
        [
            score_concept(
                unit, pair_differences(net, unit, name, chosen),
                logit_gradients.gradients, logit_gradients.labels,
                permutations=chosen.permutations, resamples=chosen.resamples, seed=chosen.seed,
                alpha=chosen.alpha,
            )
            for unit in units
        ]
    )  # fmt: skip


def pair_differences(net: FERNet, unit: str, layer: str, settings: ConceptSettings) -> Matrix:
    """Return what a unit changes in the layer's activations, per person: ``(people, D)``.

    Raises:
        DataError: unknown unit.
    """
    pairs = render_pairs(unit, settings.people, settings.seed)
    return activations_at(net, pairs.with_unit, layer) - activations_at(net, pairs.without, layer)


def class_gradients(net: FERNet, faces: FaceDataset, layer: str) -> LogitGradients:
    """Return the gradient of each face's own class logit by the layer's activations, flat."""
    rows, labels = [], torch.from_numpy(faces.labels)
    with exact(net), outputs_of(net, [layer]) as outputs:
        done = 0
        for batch in batches(net, faces.images):
            logits = net(batch.requires_grad_())
            own = labels[done : done + len(batch)].to(logits.device)
            total = logits.gather(1, own[:, None]).sum()
            (gradient,) = torch.autograd.grad(total, outputs[layer])
            rows.append(gradient.flatten(1).float().cpu())
            done += len(batch)
    return LogitGradients(torch.cat(rows).numpy(), faces.labels)


def activations_at(net: FERNet, faces: NDArray[np.uint8], layer: str) -> Matrix:
    """Return the layer's activations of faces uint8 ``(N, 48, 48)``, flat: ``(N, D)``."""
    rows = []
    with exact(net), torch.no_grad(), outputs_of(net, [layer]) as outputs:
        for batch in batches(net, faces):
            net(batch)
            rows.append(outputs[layer].flatten(1).float().cpu())
    return torch.cat(rows).numpy()


def sample_per_class(faces: FaceDataset, settings: ConceptSettings) -> FaceDataset:
    """Return up to ``faces_per_class`` faces of each class, drawn at random."""
    rng = np.random.default_rng([settings.seed, 1])
    rows = [
        rng.permutation(np.flatnonzero(faces.labels == label))[: settings.faces_per_class]
        for label in range(len(EMOTIONS))
    ]
    return faces.select(np.sort(np.concatenate(rows)))


def rendered_recognition(net: FERNet) -> dict[str, dict[str, int]]:
    """Return how many rendered faces of each expression the network reads as meant.

    Of the sample faces' test split: what a result on rendered faces is worth to this network.

    Returns:
        Expression -> ``right`` and ``n``.
    """
    faces = sample_faces().split("test")
    right = read_right(net, faces.images, faces.labels)
    rows = {emotion: right[faces.labels == k] for k, emotion in enumerate(EMOTIONS)}
    return {emotion: {"right": int(row.sum()), "n": len(row)} for emotion, row in rows.items()}


def as_json(concepts: Sequence[ConceptScores]) -> list[dict[str, Any]]:
    """Return the scores as JSON types, one entry per action unit."""
    return [
        {"concept": f.concept, "title": ACTION_UNITS[f.concept].title, **f.figures()}
        for f in concepts
    ]


def command_line() -> argparse.ArgumentParser:
    """Return the parser of this module's command."""
    parser = argparse.ArgumentParser(prog="python -m fermodels.xai.concepts.tcav")
    parser.add_argument("--model", required=True, help="a bundled checkpoint's name, or a folder")
    parser.add_argument("--data", default="samples", help="whatever fermodels.read_faces reads")
    parser.add_argument("--split", default="test", help="whose faces are measured")
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
    result = result_file(options.model)
    result.check_free()
    folder, faces = catalog.find(options.model), read_faces(options.data)
    model = checkpoint.load(folder)
    layer = options.layer or layer_for_concepts(model)
    scores = concept_scores(model, faces.split(options.split), options.units, layer, settings)
    about = {
        "model": Path(options.model).name,
        "checkpoint_hash": weights_hash(folder),
        "layer": layer,
        "split": options.split,
    }
    rest = {
        "settings": asdict(settings),
        "notes": list(NOTES),
        "rendered": rendered_recognition(model),
        "concepts": as_json(scores),
        "provenance": provenance(settings.seed, faces.name, faces.content_hash),
    }
    result.write(about | rest)
    _say(scores)


def _say(scores: Sequence[ConceptScores]) -> None:
    for concept in scores:
        sure = [
            f"{EMOTIONS[k]} {concept.effect[k]:+.2f}" for k in np.flatnonzero(concept.significant)
        ]
        print(f"{concept.concept}: accuracy {concept.accuracy:.0%}; {', '.join(sure) or 'none'}")
    differ, tests = (sum(int(part.sum()) for part in parts) for parts in (
        [c.significant for c in scores], [c.faces > 0 for c in scores],
    ))  # fmt: skip
    print(f"{differ} of {tests} effects differ from those of swapped labels")


def main(argv: list[str] | None = None) -> int:
    """Do it; an error of ours is one sentence and exit status 2."""
    options = command_line().parse_args(argv)
    return exit_status(lambda: run(options))


# --- Rendered people with and without an action unit: what a concept is learned from


@dataclass(frozen=True, eq=False)
class ConceptPairs:
    """The same people twice; everything but the unit is equal within a pair."""

    without: NDArray[np.uint8]
    """``(N, 48, 48)``."""
    with_unit: NDArray[np.uint8]
    """``(N, 48, 48)``, the unit at full intensity."""


def person(number: int, seed: int) -> FaceSpec:
    """Return the specification of one of a set's people: expression, pose and light at random."""
    drawn = np.random.default_rng([seed, 4, number])
    return random_spec(int(drawn.integers(2**31)))


def render_pairs(unit: str, people: int, seed: int) -> ConceptPairs:
    """Render people with and without one action unit.

    Args:
        unit: a name in ACTION_UNITS.
        people: how many, each with an expression, pose and light of its own.
        seed: equal seeds give equal people, for every unit.

    Raises:
        DataError: an unknown unit.
    """
    check_action_units({unit: 1.0})
    faces = [[_render_with(n, seed, unit, level) for n in range(people)] for level in (0.0, 1.0)]
    return ConceptPairs(np.stack(faces[0]), np.stack(faces[1]))


def _render_with(number: int, seed: int, unit: str, level: float) -> NDArray[np.uint8]:
    spec = person(number, seed)
    if spec.action_units[unit] == level:
        return _render(number, seed)
    return render_image(replace(spec, action_units={**spec.action_units, unit: level}))


@lru_cache(maxsize=512)
def _render(number: int, seed: int) -> NDArray[np.uint8]:
    """Keep people as they were drawn: most lack most units, so one picture serves many pairs."""
    return render_image(person(number, seed))


if __name__ == "__main__":
    keep_freed_memory()
    sys.exit(main())
