"""Put any attribution method on trial: `judge` a method of METHODS, or a function of your own.

What is measured is here, what follows from it in `fermodels.xai.trust.verdict`. The scorecards
(`fermodels.xai.trust.scorecard`) are made of the same parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fermodels.data.emotions import EMOTIONS
from fermodels.data.samples import sample_faces
from fermodels.errors import ConfigError, DataError
from fermodels.nets.fernet import to_pixels
from fermodels.xai.attribution.registry import METHODS
from fermodels.xai.attribution.request import ClassLike, class_indices
from fermodels.xai.model_access import shared_weight_copy
from fermodels.xai.trust.faithfulness import deletion_insertion, road
from fermodels.xai.trust.maps import (
    CONTROLS,
    Classes,
    Explainer,
    Faces,
    Maps,
    completeness_error,
    explainer,
    forward_copy,
    logits,
    to_unit,
)
from fermodels.xai.trust.maps import importance as importance_of
from fermodels.xai.trust.randomisation import RandomCopy, random_copies
from fermodels.xai.trust.verdict import Floats, ReadingScore, TrustEvidence, Verdict, verdict_of

PAIRS = 12
"""Pairs of faces whose maps are compared with each other, and with those of a random network."""


def judge(
    model: nn.Module,
    attribution: str | Explainer,
    faces: Faces,
    *,
    target_class: ClassLike | None = None,
    labels: ClassLike | None = None,
    seed: int = 0,
) -> Verdict:
    """Say whether an attribution's maps of a network deserve belief, and why.

    The checks, each of which can fail: the network must have learned something; maps must differ
    between faces, between classes, and from those of networks with random weights; their best
    pixels must matter more to the class than random pixels, edges, and one fixed map (the mean of
    the method's own maps of the other faces), by insertion and deletion and, but for edges, by
    ROAD; and a method of METHODS that promises a sum must keep it. See `verdict`.

    It asks for the maps of all faces once, of the first 24 for another class, and of each of
    those by two networks of random weights: N + 72 maps for N faces or more than 24.

    Args:
        model: a FERNet, or any module from ``(N, 1, 48, 48)`` in [0, 1] to ``(N, 7)`` logits; it
            is not touched.
        attribution: a name in METHODS (with its default settings), or a function ``(model, faces
            uint8 (N, 48, 48), target_class int64 (N,)) -> float (N, 48, 48)`` whose larger values
            are evidence for the class.
        faces: uint8 ``(N, 48, 48)`` that the network was not trained on; at least 12, better 48.
        target_class: what to explain, one class for all or one per face; None for what the model
            predicts for each.
        labels: true classes of the faces, to test whether the network learned anything; None
            uses the bundled sample faces and their labels.
        seed: the random weights, and all noise.

    Raises:
        ConfigError: no such method or class.
        DataError: faces, or what the function returned, of another shape or type, or not finite.
    """
    method = attribution if isinstance(attribution, str) else ""
    if method and method not in METHODS:
        raise ConfigError(
            f"method {method!r} is unknown: expected a function or one of {', '.join(METHODS)}"
        )
    maps_of = explainer(method) if isinstance(attribution, str) else attribution
    images = to_pixels(faces).squeeze(1).numpy()
    n = len(images)
    if target_class is None:
        target = predicted(model, images)
    else:
        target = class_indices(target_class, n, "target_class")
    learned = (
        what_was_learned(model)
        if labels is None
        else learned_of(predicted(model, images), class_indices(labels, n, "labels"))
    )
    pairs = len(images[: 2 * PAIRS]) // 2
    trial = Trial(model, images, target, seed)
    measured = trial.measure(
        checked(maps_of), method, random_copies(model, range(seed, seed + pairs))
    )[0]  # fmt: skip
    return verdict_of(TrustEvidence(measured.values, trial.controls() | measured.rivals, learned))


def checked(attribution: Explainer) -> Explainer:
    """Return the same function, which sees to it that it gives one finite map per face."""

    def maps_of(model: nn.Module, faces: Faces, target_class: Classes) -> Maps:
        maps = attribution(model, faces.copy(), target_class.copy())
        wanted = f"expected float {faces.shape}, one map per face"
        if not isinstance(maps, np.ndarray):
            raise DataError(f"the attribution returned a {type(maps).__name__}: {wanted}")
        if maps.shape != faces.shape or not np.issubdtype(maps.dtype, np.floating):
            raise DataError(f"the attribution returned {maps.dtype} {maps.shape}: {wanted}")
        bad = int((~np.isfinite(maps)).any((1, 2)).sum())
        if bad:
            raise DataError(
                f"the attribution returned infinite or undefined values in {bad} of {len(maps)} "
                "maps: expected finite ones"
            )
        return np.asarray(maps, np.float32)

    return maps_of


def predicted(model: nn.Module, faces: Faces) -> Classes:
    """Return the class that a model predicts for each face."""
    with forward_copy(model) as net:
        return np.asarray(logits(net, to_unit(net, faces)).argmax(1).cpu().numpy())


def learned_of(predictions: Classes, labels: Classes) -> ReadingScore:
    """Compare a network's predictions with the true classes."""
    commonest = int(np.bincount(labels, minlength=len(EMOTIONS)).max())
    return ReadingScore(int((predictions == labels).sum()), len(labels), commonest / len(labels))


def what_was_learned(model: nn.Module) -> ReadingScore:
    """Test a network on the bundled sample faces of the test split."""
    known = sample_faces().split("test")
    return learned_of(predicted(model, known.images), np.asarray(known.labels, np.int64))


def pair_up(target_class: Classes, pairs: int) -> NDArray[np.int64]:
    """Return disjoint pairs ``(pairs, 2)`` of the first faces, of two classes where possible."""
    order = np.argsort(target_class[: 2 * pairs], kind="stable")
    return np.stack([order[:pairs], order[pairs:]], 1)


def template(importances: Maps) -> Maps:
    """Return for each face the mean of the others' maps, each of unit size: a fixed map.

    Of one face alone there are no others: its template is blank.
    """
    flat = importances.astype(np.float64)
    size = np.abs(flat).sum((1, 2), keepdims=True)
    shares = flat / np.where(size > 0, size, 1.0)
    others = (shares.sum(0) - shares) / max(1, len(shares) - 1)
    # rounded as float32, so that what is equal but for the order of summing stays equal
    return np.asarray(others, np.float32)


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of one attribution; see `fermodels.xai.trust.verdict.TrustEvidence`."""

    values: dict[str, Floats]
    rivals: dict[str, Mapping[str, Floats]]
    """``template`` only."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One network and the faces on which attributions are tried."""

    net: nn.Module
    faces: Faces
    target_class: Classes
    seed: int

    def faithfulness(self, importances: Maps) -> dict[str, Floats]:
        """Alter the first n faces by their maps: metric -> one value per face."""
        n = len(importances)
        inputs = self.net, self.faces[:n], importances, self.target_class[:n]
        values: dict[str, Floats] = {}
        gaps = []
        for baseline in ("mean-face", "blur"):
            curves = deletion_insertion(*inputs, baseline, seed=self.seed)
            values[f"deletion-{baseline}"] = curves.deletion_auc
            values[f"insertion-{baseline}"] = curves.insertion_auc
            gaps.append(curves.gap)
        values["gap"] = np.mean(gaps, axis=0)
        values["road"] = road(*inputs, seed=self.seed).score
        return values

    def controls(self) -> dict[str, Mapping[str, Floats]]:
        """What maps score that no model had a part in, on all faces."""
        scores = {
            name: self.faithfulness(control(self.net, self.faces, self.target_class))
            for name, control in CONTROLS.items()
        }
        return {name: {"gap": v["gap"], "road": v["road"]} for name, v in scores.items()}

    def measure(
        self, maps_of: Explainer, method: str, copies: Iterable[RandomCopy], n: int | None = None
    ) -> tuple[Measured, Maps]:
        """Measure an attribution.

        Args:
            maps_of: what draws the maps.
            method: its name in METHODS, or "" for a function whose larger values are evidence for
                the class and which promises no sum.
            copies: random networks, one for each pair of faces.
            n: how many faces to explain; all if None.

        Returns:
            What was measured, and the maps of the first n faces.
        """
        n = len(self.faces) if n is None else n
        maps = maps_of(self.net, self.faces[:n], self.target_class[:n])
        weights = importance_of(maps, method)
        values = self.faithfulness(weights) | self._similarities(maps_of, maps, copies)
        if method and METHODS[method].complete:
            values["completeness-error"] = completeness_error(
                self.net, self.faces[:n], maps, self.target_class[:n]
            )
        return Measured(values, {"template": self._template(weights)}), maps

    def _template(self, importances: Maps) -> dict[str, Floats]:
        """Return what the better of two fixed maps scores: by metric, one value per face.

        The mean of signed maps cancels, though the places may be the same for all faces; the
        mean of sizes takes evidence against the class for evidence for it.
        """
        sizes = np.abs(importances)
        scores = [self.faithfulness(template(sizes))]
        if (importances < 0).any():
            scores.append(self.faithfulness(template(importances)))
        return {
            metric: max((one[metric] for one in scores), key=lambda values: float(values.mean()))
            for metric in ("gap", "road")
        }

    def _similarities(
        self, maps_of: Explainer, maps: Maps, copies: Iterable[RandomCopy]
    ) -> dict[str, Floats]:
        """Compare maps of paired faces: with each other, another class's, random networks'.

        Each pair has random networks of its own, so that pairs are independent of one another.
        A face's other class is its partner's where they differ: the map that is needed to
        compare two faces of one class also compares two classes of one face.
        """
        pairs = pair_up(self.target_class[: len(maps)], min(PAIRS, len(maps) // 2))
        rows, partners = pairs.ravel(), pairs[:, ::-1].ravel()
        mine, theirs = self.target_class[rows], self.target_class[partners]
        step = np.random.default_rng([self.seed, 7]).integers(1, len(EMOTIONS), len(rows))
        other = np.where(mine == theirs, (mine + step) % len(EMOTIONS), theirs)
        if not len(rows):
            blank = np.zeros(0)
            return dict.fromkeys(("other-face", "random-logit", *_RANDOM), blank)
        of_other = maps_of(self.net, self.faces[rows], other)
        same_class = np.where((mine == theirs)[:, None, None], maps[rows], of_other)
        random: dict[str, list[Floats]] = {name: [] for name in _RANDOM}
        for pair, copy in zip(pairs, copies, strict=False):
            for name, net in zip(_RANDOM, (copy.top, copy.whole), strict=True):
                # of a copy, whose cache entries go with it
                drawn = maps_of(shared_weight_copy(net), self.faces[pair], self.target_class[pair])
                random[name].append(map_similarity(maps[pair], drawn))
        return {
            "other-face": map_similarity(same_class, maps[partners]),
            "random-logit": map_similarity(maps[rows], of_other),
            **{name: np.concatenate(similarities) for name, similarities in random.items()},
        }


_RANDOM = ("randomisation-top", "randomisation")


# --- Similarity of two maps


def spearman(first: Maps, second: Maps) -> NDArray[np.float64]:
    """Return the rank correlation of each pair of maps, ``(N,)``, -1 to 1.

    A map of one value throughout resembles nothing: 0.
    """
    from scipy.stats import rankdata

    a, b = (rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (first, second))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    length = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    correlations: NDArray[np.float64] = (a * b).sum(1) / np.where(length > 0, length, 1.0)
    return correlations


def map_similarity(first: Maps, second: Maps) -> NDArray[np.float64]:
    """Return the similarity of each pair of maps, ``(N,)``, -1 to 1: `spearman`; equal maps get 1.

    Two blank maps get 1, or a method that draws nothing would seem to depend on all it is
    given.
    """
    equal = (first == second).all((1, 2))
    return np.where(equal, 1.0, spearman(first, second))
