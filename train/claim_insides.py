"""Claims that need the trained networks themselves: HOG's share, HOG in conv features, dreams."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fermodels.data.emotions import EMOTIONS
from fermodels.explain.attribution import explain
from fermodels.explain.dream import DREAM_PRESETS, Dream, dream
from fermodels.nets import shelf
from fermodels.nets.networks import FERNet
from fermodels.nets.paired import holm
from train.claim_evidence import (
    LEVEL,
    Claim,
    Evidence,
    Finding,
    Measure,
    MissingError,
    mean_interval,
    p_text,
    percent,
    relative,
    span,
)
from train.probe import conv_features, describe, hog_features, r2_interval, raw_pixels, ridge_probe

EXPLAINED = 24
"""Test faces whose prediction is attributed to the two branches."""

PROBED = {"train": 1200, "validation": 200, "test": 400}
"""Faces of each split that a linear probe sees."""

HALF = 0.5
"""A branch's share if both counted alike; the share of HOG's variance that is "most of it"."""

DREAMER = "deep"
"""The paper dreams with its best network."""


def hog_is_already_known(evidence: Evidence) -> Finding:
    """Claim 15: conv features hold what HOG holds."""
    hybrids = _bundled("hybrid-shallow", "hybrid-deep")
    plain = _bundled("shallow", "deep")
    evidence.sample("test", 1)  # asks for the data first: loading networks takes longer
    shares = [_hog_share(evidence, name) for name in hybrids]
    probes = _probes(evidence, plain)
    return Finding(tuple(shares + probes), _weights(*hybrids, *plain))


def _bundled(*names: str) -> list[str]:
    """Return those of the networks that are bundled.

    Raises:
        MissingError: none is.
    """
    found = [name for name in names if name in shelf.available()]
    if not found:
        raise MissingError(
            f"a checkpoint of {' or '.join(names)} is missing: "
            f"python -m train.run --variant {names[0]}"
        )
    return found


def branch_shares(net: FERNet, faces: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the HOG branch's share of each prediction's attribution, ``(N,)``, 0 to 1.

    Integrated gradients from the mean face split the change of the predicted class's logit into
    the two branches; the share is |HOG| / (|HOG| + |conv|) of the branches' sums.
    """
    parts = explain(net, faces, "integrated-gradients", baseline="mean-face").parts
    conv, hog = (np.abs(parts[name].sum((1, 2), dtype=float)) for name in ("conv", "hog"))
    return np.asarray(hog / np.maximum(hog + conv, 1e-12), float)


def _hog_share(evidence: Evidence, name: str) -> Measure:
    shares = branch_shares(evidence.model(name), evidence.sample("test", EXPLAINED).images)
    mean, interval = float(shares.mean()), mean_interval(shares, evidence.seed)
    return Measure(
        what=f"{name}: HOG branch's share of the attribution",
        value=mean,
        n=len(shares),
        holds=interval[1] < HALF,
        says=f"in {name} the HOG branch carries {percent(mean)} of the attribution "
        f"({span(interval)})",
        interval=interval,
    )


def _probes(evidence: Evidence, names: list[str]) -> list[Measure]:
    parts = [evidence.sample(split, n) for split, n in PROBED.items()]
    targets = describe(parts, hog_features())
    pixels = ridge_probe(describe(parts, raw_pixels), targets)
    measures = []
    for name in names:
        probe = ridge_probe(describe(parts, conv_features(evidence.model(name))), targets)
        interval = r2_interval(probe, evidence.seed)
        measures.append(
            Measure(
                what=f"{name}: share of HOG's variance that is linear in its conv features",
                value=probe.r2,
                n=len(probe.variance),
                holds=interval[0] > HALF,
                says=f"a linear probe of {name}'s conv features explains {percent(probe.r2)} of "
                f"HOG's variance on unseen faces ({span(interval)}; of raw pixels "
                f"{percent(pixels.r2)})",
                interval=interval,
            )
        )
    return measures


def dreams_show_expressions(evidence: Evidence) -> Finding:
    """Claim 18: dreaming raises an expression's probability, for other networks too."""
    net = evidence.model(DREAMER)
    judges = [name for name in shelf.available() if name != DREAMER]
    if not judges:
        raise MissingError(
            f"a second network to judge {DREAMER}'s dreams is missing: "
            "python -m train.run --variant shallow"
        )
    portrait = DREAM_PRESETS["portrait"].settings
    dreams = [dream(net, seed=evidence.seed, **portrait, target=name) for name in EMOTIONS]
    agreed = _agreement(evidence, judges, dreams)
    return Finding((_rise(dreams), *agreed), _weights(DREAMER, *judges))


def _rise(dreams: list[Dream]) -> Measure:
    from scipy.stats import binomtest

    before = np.array([d.start_probabilities[k] for k, d in enumerate(dreams)], float)
    after = np.array([d.probabilities[k] for k, d in enumerate(dreams)], float)
    rose = int((after > before).sum())
    p_value = float(binomtest(rose, len(dreams), alternative="greater").pvalue)
    return Measure(
        what=f"{DREAMER}: dreams that raise their expression's probability",
        value=rose / len(dreams),
        n=len(dreams),
        holds=p_value < LEVEL,
        says=f"the dreamed expression becomes more probable in {rose} of {len(dreams)} dreams, on "
        f"average from {percent(float(before.mean()))} to {percent(float(after.mean()))} "
        f"({p_text(p_value)})",
        p_value=p_value,
    )


def _agreement(evidence: Evidence, judges: list[str], dreams: list[Dream]) -> list[Measure]:
    """Return, for each other network, on how many dreams it names the dreamed expression."""
    from scipy.stats import binomtest

    frames = np.stack([d.frames[-1] for d in dreams])
    right = {
        name: int((evidence.model(name).predict(frames).argmax(1) == np.arange(len(dreams))).sum())
        for name in judges
    }
    chance = 1 / len(EMOTIONS)
    tests = [binomtest(k, len(dreams), chance, alternative="greater") for k in right.values()]
    corrected = holm([float(found.pvalue) for found in tests])
    return [
        Measure(
            what=f"{name}: dreams of {DREAMER} whose expression it names",
            value=k / len(dreams),
            n=len(dreams),
            holds=p_value < LEVEL,
            says=f"{name} names the dreamed expression in {k} of {len(dreams)} ({p_text(p_value)})",
            p_value=p_value,
        )
        for (name, k), p_value in zip(right.items(), corrected, strict=True)
    ]


def _weights(*names: str) -> tuple[str, ...]:
    return tuple(relative(shelf.available()[name] / shelf.WEIGHTS) for name in names)


CLAIMS = (
    Claim(
        15,
        "The network already extracts what HOG holds.",
        where="text, Figures 7 and 8",
        reported="an explanation, no figure",
        statistic="HOG branch's share of integrated gradients; R2 of a linear probe for HOG",
        rule="95% interval of the share below one half, where it starts; 95% interval of the "
        "probe's R2 above one half",
        test=hog_is_already_known,
    ),
    Claim(
        18,
        "DeepDream brings out the patterns of the expression.",
        where="Figure 11",
        reported="pictures only",
        statistic="dreams, one per expression from the mean face, that raise its probability; "
        "and that another network names",
        rule="more than chance (exact one-sided binomial tests, 5%, Holm over the judges)",
        test=dreams_show_expressions,
    ),
)
