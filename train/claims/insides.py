"""Claims that need the trained networks themselves: HOG's share, HOG in conv features, dreams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS
from fermodels.evaluation.metrics import wilson_interval
from fermodels.evaluation.paired_tests import holm
from fermodels.nets import catalog
from fermodels.nets.fernet import FERNet, to_pixels
from fermodels.nets.hog import HOG
from fermodels.xai.attribution.explain import explain
from fermodels.xai.dream.dream import Dream, dream
from fermodels.xai.dream.settings import DREAM_PRESETS
from train.claims.evidence import (
    CONFIDENT,
    LEVEL,
    SPLITS,
    Claim,
    ClaimEvidence,
    Finding,
    Measure,
    MissingError,
    RecordedRun,
    mean_interval,
    p_text,
    percent,
    positive,
    relative,
    span,
)

EXPLAINED = 64
"""Faces of each split whose prediction is attributed to the two branches."""

FITTED, RESAMPLES = 2200, 2
"""Training faces that a linear probe is fitted on, and how many such sets without common faces."""

HELD_OUT = {"train": 2200, "validation": 800, "test": 800}
"""Faces that a probe's strength is chosen on (train), and that it is judged on."""

HALF = 0.5
"""A branch's share if both counted alike; the share of HOG's variance that is "most of it"."""

DREAMER = "deep"
"""The paper dreams with its best network."""


def hog_is_already_known(evidence: ClaimEvidence) -> Finding:
    """Claim 15: conv features hold what HOG holds."""
    hybrids = _bundled("hybrid-shallow", "hybrid-deep")
    plain = _bundled("shallow", "deep")
    evidence.sample("test", 1)  # asks for the data first: loading networks takes longer
    shares = [_hog_share(evidence, name, split) for name in hybrids for split in SPLITS]
    probes = _probes(evidence, plain)
    return Finding(tuple(shares + probes), _weights(*hybrids, *plain))


def _bundled(*names: str) -> list[str]:
    """Return those of the networks that are bundled.

    Raises:
        MissingError: none is.
    """
    bundled = [name for name in names if name in catalog.available()]
    if not bundled:
        raise MissingError(
            f"a checkpoint of {' or '.join(names)} is missing: "
            f"python -m train.run --variant {names[0]}"
        )
    return bundled


def branch_shares(net: FERNet, faces: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the HOG branch's share of each prediction's attribution, ``(N,)``, 0 to 1.

    Integrated gradients from the mean face split the change of the predicted class's logit into
    the two branches; the share is |HOG| / (|HOG| + |conv|) of the branches' sums.
    """
    parts = explain(net, faces, "integrated-gradients", baseline="mean-face").parts
    conv, hog = (np.abs(parts[name].sum((1, 2), dtype=float)) for name in ("conv", "hog"))
    return np.asarray(hog / np.maximum(hog + conv, 1e-12), float)


def _recipe(name: str) -> str:
    return RecordedRun(name, catalog.available()[name]).recipe


def _hog_share(evidence: ClaimEvidence, name: str, split: str) -> Measure:
    shares = branch_shares(evidence.model(name), evidence.sample(split, EXPLAINED).images)
    mean, interval = float(shares.mean()), mean_interval(shares, evidence.seed)
    return Measure(
        part=f"{name}'s HOG branch",
        what=f"{name}: HOG branch's share of the attribution",
        value=mean,
        n=len(shares),
        holds=positive((HALF - interval[1], HALF - interval[0])),
        says=f"{percent(mean)} of the attribution on {len(shares)} {split} faces "
        f"({span(interval)})",
        split=split,
        recipe=_recipe(name),
        interval=interval,
        level=CONFIDENT,
    )


def _probes(evidence: ClaimEvidence, names: list[str]) -> list[Measure]:
    """Return how much of HOG is linear in each network's conv features, on either split.

    Beside them, not judged: in the pixels, and in an untrained network of the same build.
    """
    training = evidence.sample("train", RESAMPLES * FITTED + HELD_OUT["train"])
    judged = {split: evidence.sample(split, HELD_OUT[split]) for split in SPLITS}
    size = min(FITTED, len(training) // (RESAMPLES + 1))  # small data: equal parts
    rows = np.random.default_rng(evidence.seed).permutation(len(training))
    sets = [training.select(rows[k * size : (k + 1) * size]) for k in range(RESAMPLES)]
    parts = [*sets, training.select(rows[RESAMPLES * size :]), *judged.values()]
    hog = describe(parts, hog_features())
    measures = []
    for name in names:
        net = evidence.model(name)
        for title, how in ((name, net), (f"{name}, untrained", untrained(net, evidence.seed))):
            probes = _fitted(describe(parts, conv_features(how)), hog)
            recipe = _recipe(name) if title == name else "untrained"
            measures += [_r2(title, recipe, s, probes[s], size, evidence.seed) for s in SPLITS]
    pixels = _fitted(describe(parts, raw_pixels), hog)
    return measures + [_r2("raw pixels", "none", s, pixels[s], size, evidence.seed) for s in SPLITS]


def untrained(net: FERNet, seed: int) -> FERNet:
    """Return a network of the same build, with the same mean face, before training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = FERNet(net.config)
    fresh.mean_face.copy_(net.mean_face)
    return fresh.eval()


def _fitted(inputs: list[Table], targets: list[Table]) -> dict[str, list[Probe]]:
    """Fit one probe per training set and judge it on either split.

    Args:
        inputs: features of the training sets, of the faces the strength is chosen on, and of
            validation and test faces.
        targets: HOG of the same faces.
    """
    chosen, validation, test = (k - 3 for k in range(3))
    middle = len(inputs[validation])
    scored = np.concatenate([inputs[validation], inputs[test]])
    truth = np.concatenate([targets[validation], targets[test]])
    probes = [
        ridge_probe((inputs[k], inputs[chosen], scored), (targets[k], targets[chosen], truth))
        for k in range(RESAMPLES)
    ]
    return {
        "validation": [probe.on(slice(middle)) for probe in probes],
        "test": [probe.on(slice(middle, None)) for probe in probes],
    }


def _r2(
    title: str, recipe: str, split: str, probes: list[Probe], fitted: int, seed: int
) -> Measure:
    interval = r2_interval(probes, seed)
    value = float(np.mean([probe.r2 for probe in probes]))
    return Measure(
        part=f"HOG from {title}",
        what=f"{title}: share of HOG's variance that is linear in its features",
        value=value,
        n=len(probes[0].variance),
        holds=positive((interval[0] - HALF, interval[1] - HALF)),
        says=f"{percent(value)} of its variance on {split} faces ({span(interval)}; "
        f"{len(probes)} probes, each fitted on {fitted:,} faces)",
        split=split,
        recipe=recipe,
        judged=recipe not in ("untrained", "none"),
        interval=interval,
        level=CONFIDENT,
    )


def dreams_show_expressions(evidence: ClaimEvidence) -> Finding:
    """Claim 18: dreaming raises an expression's probability, for other networks too."""
    net = evidence.model(DREAMER)
    judges = [name for name in catalog.available() if name != DREAMER]
    if not judges:
        raise MissingError(
            f"a second network to judge {DREAMER}'s dreams is missing: "
            "python -m train.run --variant shallow"
        )
    portrait = DREAM_PRESETS["portrait"].settings
    dreams = [dream(net, seed=evidence.seed, **portrait, target=name) for name in EMOTIONS]
    agreed = _agreement(evidence, judges, dreams)
    return Finding((*agreed, _rise(dreams)), _weights(DREAMER, *judges))


def _rise(dreams: list[Dream]) -> Measure:
    """Return what a dream's own network says; not judged, as dreaming raises just that."""
    before = np.array([d.start_probabilities[k] for k, d in enumerate(dreams)], float)
    after = np.array([d.probabilities[k] for k, d in enumerate(dreams)], float)
    rose = int((after > before).sum())
    return Measure(
        part=f"{DREAMER} itself, which dreaming asks to",
        what=f"{DREAMER}: dreams that raise their expression's probability",
        value=rose / len(dreams),
        n=len(dreams),
        holds=None,
        says=f"the dreamed expression becomes more probable in {rose} of {len(dreams)} dreams, on "
        f"average from {percent(float(before.mean()))} to {percent(float(after.mean()))}",
        recipe=_recipe(DREAMER),
        judged=False,
    )


def _agreement(evidence: ClaimEvidence, judges: list[str], dreams: list[Dream]) -> list[Measure]:
    """Return, for each other network, on how many dreams it names the dreamed expression."""
    frames = np.stack([d.frames[-1] for d in dreams])
    right = {
        name: int((evidence.model(name).predict(frames).argmax(1) == np.arange(len(dreams))).sum())
        for name in judges
    }
    verdicts = dict(zip(judges, named(list(right.values()), len(dreams)), strict=True))
    return [
        Measure(
            part=name,
            what=f"{name}: dreams of {DREAMER} whose expression it names",
            value=k / len(dreams),
            n=len(dreams),
            holds=verdicts[name][0],
            says=f"names the dreamed expression in {k} of {len(dreams)} "
            f"({p_text(verdicts[name][1])})",
            recipe=_recipe(name),
            interval=wilson_interval(k, len(dreams)),
            level=CONFIDENT,
            p_value=verdicts[name][1],
        )
        for name, k in right.items()
    ]


def named(right: list[int], dreams: int) -> list[tuple[bool | None, float]]:
    """Judge each network that names `right` of the dreams.

    More than chance holds (exact binomial test, Holm over the networks); shown to be under half
    fails. A network that says the same of every dream is right in one of seven, as by chance.

    Args:
        right: how many each network names.
        dreams: of how many, one an expression.
    """
    from scipy.stats import binomtest

    chance = 1 / len(EMOTIONS)
    tests = [float(binomtest(k, dreams, chance, alternative="greater").pvalue) for k in right]
    judged: list[tuple[bool | None, float]] = []
    for k, p_value in zip(right, holm(tests), strict=True):
        under_half = wilson_interval(k, dreams)[1] < HALF
        judged.append((True if p_value < LEVEL else False if under_half else None, p_value))
    return judged


def _weights(*names: str) -> tuple[str, ...]:
    return tuple(relative(catalog.available()[name] / catalog.WEIGHTS) for name in names)


CLAIMS = (
    Claim(
        15,
        "The network already extracts what HOG holds.",
        where="text, Figures 7 and 8",
        reported="an explanation, no figure",
        statistic="HOG branch's share of integrated gradients; R2 of a linear probe for HOG",
        rule="holds if the interval of the share lies below one half, where it starts, fails if "
        "above; holds if the interval of the probe's R2 (over faces and training sets) lies above "
        "one half, fails if below",
        test=hog_is_already_known,
        confounds=lambda _: (
            "One half is our choice: the paper names no figure. A probe explains more the more "
            "faces it is fitted on.",
        ),
    ),
    Claim(
        18,
        "DeepDream brings out the patterns of the expression.",
        where="Figure 11",
        reported="pictures only",
        statistic="dreams, one per expression from the mean face, whose expression another "
        "network names",
        rule="holds if more than chance (exact one-sided binomial tests, "
        f"{LEVEL:.0%}, Holm over the networks), fails if shown to be under half",
        test=dreams_show_expressions,
        confounds=lambda _: (
            "The networks that judge were taught on the same faces as the one that dreams.",
        ),
    ),
)


# --- How much of HOG can be read, linearly, from what a network makes of a face
#
# Linear probes: Alain & Bengio, Understanding intermediate layers using linear classifier probes,
# arXiv 1610.01644. The probe is a ridge regression in its dual form, as there are more features
# than faces; its strength is chosen on validation faces.


Table = NDArray[np.floating]
Parts = tuple[Table, Table, Table]
"""Training, validation and test faces, each ``(N, columns)``."""
Describe = Callable[[torch.Tensor], torch.Tensor]

STRENGTHS = tuple(float(10.0**power) for power in range(-5, 3))
"""Ridge penalties tried, as multiples of the mean eigenvalue of the Gram matrix."""

BATCH = 64


@dataclass(frozen=True, eq=False)
class Probe:
    """How well a linear map predicts targets on faces it was not fitted on."""

    r2: float
    """Share of the targets' variance explained on the test faces; 1 is perfect, 0 the mean."""
    unexplained: NDArray[np.float64]
    """Squared error per test face, ``(N,)``."""
    variance: NDArray[np.float64]
    """Squared distance from the training mean per test face, ``(N,)``."""
    strength: float
    """The chosen entry of STRENGTHS."""

    def on(self, faces: slice) -> Probe:
        """Return the same for some of the test faces."""
        unexplained, variance = self.unexplained[faces], self.variance[faces]
        r2 = 1 - float(unexplained.sum() / variance.sum())
        return Probe(r2, unexplained, variance, self.strength)


def describe(parts: Sequence[FaceDataset], how: Describe) -> list[Table]:
    """Return a flat float32 row per face of what `how` makes of pixels in [0, 1].

    Args:
        parts: faces, such as those of each split.
        how: from ``(N, 1, 48, 48)`` to ``(N, ...)``.
    """
    return [_rows(part, how) for part in parts]


def _rows(faces: FaceDataset, how: Describe) -> Table:
    batches = to_pixels(faces.images).split(BATCH)
    with torch.no_grad():
        rows = [how(batch.float() / 255).flatten(1) for batch in batches]
    return np.asarray(torch.cat(rows).numpy())


def conv_features(net: FERNet) -> Describe:
    """Return a function from faces to the maps of the last conv block."""
    return net.conv_maps


def hog_features() -> Describe:
    """Return a function from faces to the HOG features that hybrid networks use."""
    hog = HOG()
    return lambda faces: hog(faces)


def raw_pixels(faces: torch.Tensor) -> torch.Tensor:
    """Return faces as they are."""
    return faces


def ridge_probe(inputs: Parts, targets: Parts) -> Probe:
    """Fit on the first part, choose the strength on the second, judge on the third.

    Args:
        inputs: features.
        targets: what to predict.
    """
    middle, goal = inputs[0].mean(0), targets[0].mean(0)
    fitted, *held_out = (part - middle for part in inputs)
    values, vectors = np.linalg.eigh((fitted @ fitted.T).astype(float))
    inner = vectors.T @ (targets[0] - goal)
    scale = float(values.clip(0).mean()) or 1.0
    # one eigendecomposition serves all strengths: (K + s I)^-1 = V (L + s)^-1 V'
    near_validation, near_test = ((part @ fitted.T) @ vectors for part in held_out)

    def left_over(near: Table, truth: Table, strength: float) -> NDArray[np.float64]:
        damped = (values.clip(0) + strength * scale)[:, None]
        predicted = near @ (inner / damped)
        return np.asarray(((truth - goal - predicted) ** 2).sum(1), float)

    strength = min(STRENGTHS, key=lambda s: left_over(near_validation, targets[1], s).sum())
    unexplained = left_over(near_test, targets[2], strength)
    variance = ((targets[2] - goal) ** 2).sum(1)
    r2 = 1 - float(unexplained.sum() / variance.sum())
    return Probe(r2, unexplained, variance, strength)


def r2_interval(probes: Sequence[Probe], seed: int, rounds: int = 4000) -> tuple[float, float]:
    """Return the 95% bootstrap interval of R2 over test faces and the sets probes were fitted on.

    Args:
        probes: judged on the same faces, each fitted on faces of its own; each round draws one.
        seed: of the draws.
        rounds: how many.
    """
    rng = np.random.default_rng(seed)
    unexplained = np.stack([probe.unexplained for probe in probes])
    variance = np.stack([probe.variance for probe in probes])
    which = rng.integers(0, len(probes), (rounds, 1))
    rows = rng.integers(0, variance.shape[1], (rounds, variance.shape[1]))
    values = 1 - unexplained[which, rows].sum(1) / variance[which, rows].sum(1)
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
