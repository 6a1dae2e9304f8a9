"""What is known of the methods on a model: its scorecard as stored, and the verdicts that follow.

`fermodels.xai.trust.scorecard` measures. The file holds values face by face, so that verdicts are
computed from it anew by the rules of `fermodels.xai.trust.verdict`, without the network. Reading
needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fermodels.errors import CheckpointError
from fermodels.evaluation.paired_tests import holm
from fermodels.results import ResultFile
from fermodels.xai.trust.metrics import METRICS
from fermodels.xai.trust.verdict import (
    PAIRED,
    Estimate,
    Floats,
    ReadingScore,
    TrustEvidence,
    Verdict,
    estimate,
    proportion,
    verdict_of,
)

FORMAT = 2
"""1 held means, and verdicts by other rules."""


@dataclass(frozen=True, eq=False)
class Score:
    """What was measured about one method."""

    values: Mapping[str, Floats]
    """By name in `metrics.METRICS`, one per face, of the scorecard's first faces
    (of PAIRED: pair by pair); those that do not apply are left out."""
    template: Mapping[str, Floats]
    """``gap`` and ``road`` of the mean of the method's maps of the other faces."""
    cpu_seconds: float
    """What the values for its verdict took, on the machine that measured them."""
    passes_per_face: int
    """Faces put through the network to explain one: the same on every machine."""
    options: Mapping[str, float]

    @cached_property
    def metrics(self) -> dict[str, Estimate]:
        """The mean of every metric with its interval, in the order of METRICS."""
        return {name: _summary(name, self.values[name]) for name in METRICS if name in self.values}


def _summary(name: str, values: Floats) -> Estimate:
    if METRICS[name].proportion:
        return proportion(round(float(values.sum())), len(values))
    return estimate(values, 2 if name in PAIRED else 1)


@dataclass(frozen=True, eq=False)
class Scorecard:
    """All methods on one model."""

    model: str
    checkpoint_hash: str
    """SHA-256 of the weights."""
    faces: tuple[str, ...]
    """Sample ids of the faces, in the order they are used: n faces are the first n."""
    learned: ReadingScore
    """How the network reads the bundled sample faces."""
    methods: Mapping[str, Score]
    controls: Mapping[str, Mapping[str, Floats]]
    """``random`` and ``edge``, maps that no model had a part in: their values, by metric."""
    provenance: Mapping[str, Any]

    def evidence(self, method: str) -> TrustEvidence:
        """Return what a method's verdict rests on.

        Raises:
            CheckpointError: the method was not measured.
        """
        if method not in self.methods:
            raise CheckpointError(
                f"the scorecard of {self.model} has no method {method!r}: it holds "
                f"{', '.join(self.methods)}; run {command(self.model)} --methods {method}"
            )
        score = self.methods[method]
        return TrustEvidence(
            score.values, {**self.controls, "template": score.template}, self.learned
        )

    @cached_property
    def _luck(self) -> dict[str, float]:
        """The p-values of all methods, corrected together (Holm)."""
        corrected = holm([self.evidence(name).luck for name in self.methods])
        return dict(zip(self.methods, corrected, strict=True))

    def verdict(self, method: str) -> Verdict:
        """Return what to think of a method's maps on this model.

        Raises:
            CheckpointError: the method was not measured.
        """
        evidence = self.evidence(method)
        return verdict_of(evidence, self._luck[method], len(self.methods))

    def same_as(self, method: str) -> str | None:
        """Return the earlier method whose maps were the same on these settings, if any."""
        mine = self.methods[method].values
        for other, score in self.methods.items():
            if other == method:
                return None
            if all(
                name in score.values
                and len(values) == len(score.values[name])
                and np.abs(values - score.values[name]).max(initial=0) < SAME
                for name, values in mine.items()
            ):
                return other
        return None


SAME = 2e-3
"""Values of two methods whose maps are equal up to rounding differ by less."""


def written(values: Mapping[str, Floats]) -> dict[str, str]:
    """Return values as the file holds them: four decimals, one line a metric."""
    return {name: " ".join(f"{value:.4f}" for value in row) for name, row in values.items()}


def _values(raw: Mapping[str, str]) -> dict[str, Floats]:
    return {name: np.array(line.split(), np.float64) for name, line in raw.items()}


def file_name(model: str) -> str:
    """Return the result's name, without folder and ending, of a model's name or folder."""
    return f"scorecard-{Path(model).name}"


def command(model: str) -> str:
    """Return the command that makes a model's scorecard."""
    return f"python -m fermodels.xai.trust.scorecard --model {model}"


def result_file(model: str) -> ResultFile:
    """Return a model's result."""
    return ResultFile(file_name(model), f"{command(model)} --fresh", FORMAT)


def read(model: str) -> Scorecard | None:
    """Return a model's scorecard; None if it was not computed yet.

    Args:
        model: a bundled checkpoint's name.

    Raises:
        CheckpointError: the file is damaged or of another format.
    """
    return result_file(model).read(scorecard_of)


def scorecard_of(raw: Mapping[str, Any]) -> Scorecard:
    """Read back a file's content."""
    return Scorecard(
        raw["model"],
        raw["checkpoint_hash"],
        tuple(raw["faces"]),
        ReadingScore(**raw["learned"]),
        {name: score_of(row) for name, row in raw["methods"].items()},
        {name: _values(row["values"]) for name, row in raw["controls"].items()},
        raw["provenance"],
    )


def score_of(row: Mapping[str, Any]) -> Score:
    """Read back one method's row of the file."""
    return Score(
        _values(row["values"]), _values(row["template"]), row["cpu_seconds"],
        row["passes_per_face"], row["options"],
    )  # fmt: skip
