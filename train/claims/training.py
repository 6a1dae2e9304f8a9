"""Claims on how the networks learn: sanity checks, overfitting, speed of convergence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fermodels.data.dataset import FaceDataset
from fermodels.evaluation.metrics import Z_95, wilson_interval
from fermodels.nets import checkpoint
from fermodels.nets.catalog import HISTORY, METRICS
from fermodels.nets.config import NetConfig
from fermodels.nets.fernet import FERNet, to_pixels
from train.claims.evidence import (
    CONFIDENT,
    ENOUGH_SEEDS,
    Claim,
    ClaimEvidence,
    Finding,
    Measure,
    RecordedRun,
    percent,
    points,
    positive,
    span,
    unlike_training,
)
from train.loop import TRAIN_PROBE
from train.run import subtract_mean_of
from train.sanity import EXPECTED_LOSS
from train.sanity import initial_loss as loss_of

NETS = ("shallow", "deep")
"""The paper's two main networks."""

LOSS_TOLERANCE = 0.05
"""How far from ln 7 an initial loss may lie, in nats."""

DEFAULT_SEEDS = 8
"""Untrained networks whose last layer is left as torch makes it."""

BY_HEART = 0.98
"""Share of a small subset that counts as learned."""

NEARLY = 0.95
"""Share of the best training accuracy that counts as nearly there."""


def initial_loss(evidence: ClaimEvidence) -> Finding:
    """Claim 1: before training, without regularisation, the loss is about ln 7.

    Our networks start with a last layer near 0, which makes it so; what the claim says of
    networks as torch makes them is measured on new ones.
    """
    measures, untested = [], []
    for run in evidence.runs(*NETS):
        report = run.metrics["sanity"]
        loss, expected = report["initial_loss"], report["expected_initial_loss"]
        measures.append(
            Measure(
                part=f"{run.name} as initialised here",
                what=f"{run.name}: initial loss",
                value=loss,
                n=report["initial_loss_faces"],
                holds=abs(loss - expected) <= LOSS_TOLERANCE,
                says=f"{loss:.3f} where ln 7 = {expected:.3f}",
                split="train",
            )
        )
    for run in evidence.runs(*NETS):
        if evidence.faces is None:
            untested.append(f"{run.name} by torch's default (FER-2013 is needed: --data PATH)")
        else:
            faces = int(run.metrics["sanity"]["initial_loss_faces"])
            _, config = checkpoint.read_config(run.folder)
            losses = default_losses(config, evidence.faces, faces, evidence.seed)
            measures.append(_default_loss(run.name, losses, faces))
    return Finding(tuple(measures), _sources(evidence, METRICS), untested=tuple(untested))


def default_losses(config: NetConfig, faces: FaceDataset, n: int, seed: int) -> NDArray[np.float64]:
    """Return the initial losses of untrained networks whose last layer is torch's default.

    Args:
        config: their architecture.
        faces: FER-2013; the first `n` training faces are looked at, as by `train.sanity`.
        n: how many.
        seed: of the first network; each of the DEFAULT_SEEDS has its own.
    """
    training = faces.split("train")
    pixels, labels = to_pixels(training.images[:n]), torch.from_numpy(training.labels[:n])
    losses = []
    for one in range(seed, seed + DEFAULT_SEEDS):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(one)
            net = FERNet(config)
            net.classifier.reset_parameters()
        subtract_mean_of(net, training)
        losses.append(loss_of(net, pixels, labels))
    return np.array(losses)


def _default_loss(name: str, losses: NDArray[np.float64], faces: int) -> Measure:
    from scipy.stats import t

    mean, n = float(losses.mean()), len(losses)
    reach = float(t.ppf((1 + CONFIDENT) / 2, n - 1) * losses.std(ddof=1) / math.sqrt(n))
    interval = mean - reach, mean + reach
    far = [abs(end - EXPECTED_LOSS) for end in interval]
    apart = interval[0] > EXPECTED_LOSS + LOSS_TOLERANCE
    apart |= interval[1] < EXPECTED_LOSS - LOSS_TOLERANCE
    return Measure(
        part=f"{name} by torch's default",
        what=f"{name}: mean initial loss with torch's default last layer",
        value=mean,
        n=faces,
        holds=True if max(far) <= LOSS_TOLERANCE else False if apart else None,
        says=f"{mean:.3f} over {n} seeds ({span(interval, CONFIDENT, '{:.3f}'.format)}; single "
        f"ones {losses.min():.2f} to {losses.max():.2f})",
        split="train",
        recipe="untrained",
        seeds=n,
        interval=interval,
        level=CONFIDENT,
    )


def overfits_subset(evidence: ClaimEvidence) -> Finding:
    """Claim 2: each network can learn a small subset by heart."""
    measures = []
    for run in evidence.runs(*NETS):
        report = run.metrics["sanity"]
        share, n = report["overfit_accuracy"], report["overfit_faces"]
        measures.append(
            Measure(
                part=run.name,
                what=f"{run.name}: accuracy on a subset it was trained on",
                value=share,
                n=n,
                holds=share >= BY_HEART,
                says=f"{percent(share)} of {n} faces after {report['overfit_steps']} steps",
                split="train",
                interval=wilson_interval(round(share * n), n),
                level=CONFIDENT,
            )
        )
    return Finding(tuple(measures), _sources(evidence, METRICS))


def _gap(run: RecordedRun, epoch: int, split: str) -> tuple[float, float]:
    """Return training minus held-out accuracy after an epoch, and its variance."""
    row = run.epochs.iloc[epoch - 1]
    train = float(row["train_clean_accuracy"])
    held_out = float(
        row["validation_accuracy"] if split == "validation" else run.metrics[split]["accuracy"]
    )
    variance = train * (1 - train) / TRAIN_PROBE
    variance += held_out * (1 - held_out) / run.metrics[split]["n"]
    return train - held_out, variance


def deep_overfits_less(evidence: ClaimEvidence) -> Finding:
    """Claim 6: the gap between training and held-out accuracy is smaller for the deep net.

    The test split was answered by the kept weights alone.
    """
    shallow, deep = evidence.runs(*NETS)
    measures = []
    for when, split in (("kept", "validation"), ("kept", "test"), ("last", "validation")):
        key = "best_epoch" if when == "kept" else "epochs"
        (wide, one), (narrow, two) = (_gap(run, run.metrics[key], split) for run in (shallow, deep))
        difference, reach = wide - narrow, Z_95 * math.sqrt(one + two)
        interval = difference - reach, difference + reach
        measures.append(
            Measure(
                part=f"{when} epoch",
                what=f"gap of shallow minus gap of deep, {when} epoch",
                value=difference,
                n=TRAIN_PROBE + shallow.metrics[split]["n"],
                holds=positive(interval),
                says=f"to {split} {points(wide)} for shallow and {points(narrow)} for deep "
                f"(difference {span(interval, CONFIDENT, points)})",
                split=split,
                interval=interval,
                level=CONFIDENT,
            )
        )
    return Finding(tuple(measures), _sources(evidence, HISTORY))


def shallow_converges_faster(evidence: ClaimEvidence) -> Finding:
    """Claim 7: the shallow net reaches its best training accuracy in fewer epochs.

    The learning rate falls to 0 over each run, so the best comes at the end of whatever was
    planned: what is compared is the share of the run. One run each has no spread to judge by.
    """
    curves = {
        run.name: np.asarray(run.epochs["train_clean_accuracy"], float)
        for run in evidence.runs(*NETS)
    }
    measures = []
    for share in (1.0, NEARLY):
        epochs = {
            name: int(np.argmax(curve >= share * curve.max())) + 1 for name, curve in curves.items()
        }
        goal = "its best" if share == 1.0 else f"{share:.0%} of its best"
        parts = {name: epochs[name] / len(curves[name]) for name in NETS}
        measures.append(
            Measure(
                part=goal,
                what=f"share of the run to {goal} training accuracy, deep minus shallow",
                value=parts["deep"] - parts["shallow"],
                n=len(curves),
                holds=None if parts["shallow"] < parts["deep"] else False,
                says=f"shallow after {epochs['shallow']} of {len(curves['shallow'])} epochs "
                f"({parts['shallow']:.0%}), deep after {epochs['deep']} of "
                f"{len(curves['deep'])} ({parts['deep']:.0%})",
                split="train",
            )
        )
    return Finding(tuple(measures), _sources(evidence, HISTORY))


def _schedule(evidence: ClaimEvidence) -> list[str]:
    """Return what decides when a run is at its best, whatever the network."""
    schedules = {str(run.training["schedule"]) for run in evidence.runs(*NETS)}
    return [
        *unlike_training(*NETS)(evidence),
        f"The learning rate follows a {' and a '.join(sorted(schedules))} schedule to the planned "
        "last epoch, so a run is at its best near its end.",
    ]


def _sources(evidence: ClaimEvidence, record: str) -> tuple[str, ...]:
    return tuple(run.source(record) for run in evidence.runs(*NETS))


_COMMON: dict[str, Any] = {"where": "text (sanity checks)"}
CLAIMS = (
    Claim(
        1,
        "Without regularisation the initial loss is about 1.95, as seven unknown classes predict.",
        reported="about 1.95",
        statistic="cross-entropy of the untrained network, dropout off",
        rule=f"holds within {LOSS_TOLERANCE} of ln 7; for several seeds: if the interval of their "
        "mean lies within, fails if it lies outside",
        test=initial_loss,
        confounds=lambda _: (
            "Our own initialisation makes it so: the last layer starts near 0, every logit with "
            "it.",
        ),
        **_COMMON,
    ),
    Claim(
        2,
        "Each network can overfit a small subset of the training set.",
        reported="yes, no figure",
        statistic="accuracy on the subset it was trained on",
        rule=f"at least {BY_HEART:.0%} of the subset",
        test=overfits_subset,
        **_COMMON,
    ),
    Claim(
        6,
        "The deep network overfits less than the shallow one.",
        where="Figures 3 and 5",
        reported="curves only",
        statistic="gap of training and held-out accuracy, shallow minus deep",
        rule="holds if the interval of the difference lies above 0, fails if below (faces taken "
        "as independent)",
        test=deep_overfits_less,
        confounds=unlike_training(*NETS),
    ),
    Claim(
        7,
        "The shallow network converges faster.",
        where="Figure 5",
        reported="curves only",
        statistic="share of the run to the best training accuracy (training faces, evaluation "
        "mode)",
        rule=f"fails if shallow needs no smaller share than deep; to hold it would have to do so "
        f"in {ENOUGH_SEEDS} runs or more",
        test=shallow_converges_faster,
        confounds=_schedule,
    ),
)
