"""What the paper's claims are tested on, and what a test hands back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fermodels.data.faces import FaceDataset
from fermodels.errors import DataError, FerError
from fermodels.nets import checkpoint, shelf
from fermodels.nets.networks import FERNet
from fermodels.nets.provenance import ROOT
from train.export import probability_columns

LEVEL = 0.05
"""Error rate of every test."""

Verdict = Literal["reproduced", "not reproduced", "mixed", "not testable yet"]


class MissingError(FerError):
    """Something that a claim is tested on and that is not there yet; says how to make it."""


@dataclass(frozen=True)
class Measure:
    """One quantity that a claim speaks of."""

    what: str
    """Its name, with network and split."""
    value: float
    n: int
    """How many faces, filters, epochs or dreams it was measured on."""
    holds: bool
    """Whether the claim's rule is met by it."""
    says: str
    """The measurement as a clause, with its numbers."""
    interval: tuple[float, float] | None = None
    p_value: float | None = None


@dataclass(frozen=True)
class Finding:
    """What the test of a claim found."""

    measures: tuple[Measure, ...]
    """The first stands for the claim where there is room for one number."""
    sources: tuple[str, ...]
    """The files it was computed from, relative to the repository."""
    why: str = ""
    """The reason in one sentence; all measures' clauses unless given."""

    @property
    def verdict(self) -> Verdict:
        """Every measure meets the rule, none does, or some do."""
        met = [measure.holds for measure in self.measures]
        if all(met):
            return "reproduced"
        return "mixed" if any(met) else "not reproduced"

    @property
    def reason(self) -> str:
        """One sentence with the numbers."""
        text = self.why or "; ".join(measure.says for measure in self.measures) + "."
        return text[:1].upper() + text[1:]


@dataclass(frozen=True)
class Claim:
    """One sentence of the paper, and how it is tested."""

    number: int
    sentence: str
    where: str
    """Table or figure, or ``text``."""
    reported: str
    """What the paper reports."""
    statistic: str
    """What is measured."""
    rule: str
    """When a measure supports the claim."""
    test: Callable[[Evidence], Finding]


@dataclass(frozen=True, eq=False)
class Run:
    """The records of a network trained by the paper's recipe."""

    name: str
    folder: Path

    @cached_property
    def metrics(self) -> dict[str, Any]:
        return shelf.read_metrics(self.folder)

    @cached_property
    def epochs(self) -> pd.DataFrame:
        return shelf.read_history(self.folder).epochs

    @cached_property
    def answers(self) -> pd.DataFrame:
        """split, label and predicted class by sample_id."""
        table = shelf.read_predictions(self.folder).set_index("sample_id")
        predicted = table[probability_columns()].to_numpy().argmax(1)
        return table[["split", "label"]].assign(predicted=predicted)

    def source(self, record: str) -> str:
        """Return the name of one of its files, for a claim's sources."""
        return relative(self.folder / record)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two networks' answers to the same faces."""

    labels: NDArray[np.int64]
    """``(N,)``."""
    first: NDArray[np.int64]
    """Classes that the first network named, ``(N,)``."""
    second: NDArray[np.int64]

    def of_class(self, label: int) -> Pair:
        """Return the faces of one class."""
        here = self.labels == label
        return Pair(self.labels[here], self.first[here], self.second[here])


@dataclass(eq=False)
class Evidence:
    """Everything there is to test claims on; asking for what is not there raises MissingError."""

    faces: FaceDataset | None = None
    """FER-2013, if at hand."""
    seed: int = 0
    """Fixes bootstraps, samples of faces and dreams."""
    _runs: dict[str, Run] = field(default_factory=dict)
    _models: dict[str, FERNet] = field(default_factory=dict)

    def runs(self, *names: str) -> list[Run]:
        """Return variants' runs by the paper's recipe.

        Raises:
            MissingError: one was not trained, or not filed; names all that are missing.
        """
        folders = {name: shelf.paper_run(name) for name in names}
        missing = [name for name, folder in folders.items() if folder is None]
        if missing:
            raise MissingError(
                f"a run of {' and one of '.join(missing)} by the paper's recipe is missing: "
                f"python -m train.run --variant {missing[0]} --recipe paper, then "
                "python -m train.records on its checkpoint"
            )
        return [
            self._runs.setdefault(name, Run(name, folder))
            for name, folder in folders.items()
            if folder is not None
        ]

    def run(self, name: str) -> Run:
        """Return a variant's run by the paper's recipe.

        Raises:
            MissingError: it was not trained, or not filed.
        """
        return self.runs(name)[0]

    def pair(self, first: str, second: str, split: str) -> Pair:
        """Return two runs' answers to one split, face by face.

        Raises:
            MissingError: one of the runs is.
            DataError: they were scored on different faces.
        """
        one, two = (_answers(run, split) for run in self.runs(first, second))
        if set(one.index) != set(two.index):
            raise DataError(
                f"{first} and {second} were scored on different {split} faces "
                f"({len(one)} and {len(two)}): train both on the same data"
            )
        two = two.loc[one.index]
        labels, a, b = one["label"], one["predicted"], two["predicted"]
        return Pair(*(np.asarray(column, np.int64) for column in (labels, a, b)))

    def model(self, name: str) -> FERNet:
        """Return a bundled network with its weights, whatever its recipe.

        Raises:
            MissingError: no such checkpoint is bundled.
        """
        if name not in self._models:
            if name not in shelf.available():
                raise MissingError(
                    f"a checkpoint of {name} is missing: python -m train.run --variant {name}"
                )
            self._models[name] = checkpoint.load(name)
        return self._models[name]

    def sample(self, split: str, n: int) -> FaceDataset:
        """Return up to n faces of a split, drawn without replacement.

        Raises:
            MissingError: no data was given.
        """
        if self.faces is None:
            raise MissingError("FER-2013 is missing: give it with --data PATH")
        part = self.faces.split(split)
        rows = np.random.default_rng(self.seed).permutation(len(part))[:n]
        return part.select(np.sort(rows))


def _answers(run: Run, split: str) -> pd.DataFrame:
    return run.answers[run.answers["split"] == split]


def relative(path: Path) -> str:
    """Return a path as seen from the repository, or its last two parts if it lies elsewhere."""
    if path.is_relative_to(ROOT):
        return path.relative_to(ROOT).as_posix()
    return "/".join(path.parts[-2:])


def mean_interval(values: NDArray[Any], seed: int, rounds: int = 4000) -> tuple[float, float]:
    """Return the 95% bootstrap interval of a mean (percentiles of resampled means)."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (rounds, len(values)))].mean(1)
    low, high = np.quantile(means, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def percent(share: float) -> str:
    """Write a share as a percentage."""
    return f"{share:.1%}"


def points(difference: float) -> str:
    """Write a difference of shares in percentage points, with its sign."""
    return f"{100 * difference:+.1f} points"


def p_text(p_value: float) -> str:
    """Write a p-value."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def span(interval: Sequence[float], write: Callable[[float], str] = percent) -> str:
    """Write an interval."""
    return f"95% {write(interval[0])} to {write(interval[1])}"
