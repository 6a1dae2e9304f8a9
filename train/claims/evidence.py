"""What the paper's claims are tested on, and what a test hands back."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fermodels import files
from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import PROBABILITY_COLUMNS
from fermodels.errors import DataError, FerError
from fermodels.files import ROOT
from fermodels.nets import catalog, checkpoint
from fermodels.nets.fernet import FERNet

# --- What data say of a claim: that it holds, that it fails, or nothing (None)
#
# A claim that nothing was found against is not thereby shown: each rule asks for evidence on either
# side, so that few faces, or shuffled labels, end in None. All tests are at `LEVEL`, one-sided
# where the claim names a direction.


MARGIN = 0.02
"""Accuracies closer than this count as about the same; the paper gives its own in whole percent,
and one standard error of an accuracy on 3,589 faces is 0.008."""

BLOCKS = 6
"""Blocks of epochs whose changes a trend is judged by: few enough to be nearly independent."""


def reaches(interval: tuple[float, float], wanted: float, margin: float = MARGIN) -> bool | None:
    """Judge "at least `wanted`" to within a margin.

    Args:
        interval: of the quantity; each end a one-sided test (see `ONE_SIDED`).
        wanted: the paper's figure.
        margin: how far below still counts as reached.
    """
    if interval[0] > wanted - margin:
        return True
    return False if interval[1] < wanted else None


def same(interval: tuple[float, float], differs: float, margin: float = MARGIN) -> bool | None:
    """Judge "no difference": two one-sided tests (Schuirmann 1987) against a margin.

    Args:
        interval: of the difference, at `ONE_SIDED`.
        differs: p-value of the test that there is a difference.
        margin: differences within it do not matter.
    """
    if -margin < interval[0] and interval[1] < margin:
        return True
    return False if differs < LEVEL else None


def no_better(interval: tuple[float, float], better: float, margin: float = MARGIN) -> bool | None:
    """Judge "no gain": the upper one of the two tests of `same`.

    Args:
        interval: of the gain, at `ONE_SIDED`.
        better: p-value of the one-sided test that there is a gain.
        margin: gains within it do not matter.
    """
    if interval[1] < margin:
        return True
    return False if better < LEVEL else None


def positive(interval: tuple[float, float]) -> bool | None:
    """Judge "above 0" by an interval."""
    if interval[0] > 0:
        return True
    return False if interval[1] < 0 else None


def shown(supports: float, opposes: float) -> bool | None:
    """Judge by the p-values of the tests in the claim's direction and in the other."""
    if supports < LEVEL:
        return True
    return False if opposes < LEVEL else None


def rising(values: Sequence[float]) -> tuple[float, float]:
    """Return the p-values that a series rises, and that it falls, over its whole length.

    Neighbouring epochs of one run are not independent, so not they are counted but the changes
    over BLOCKS consecutive stretches: were there no trend, each would be as likely up as down
    (exact sign-flip test of their sum). A random walk passes in 5 of 100 cases, as it should.

    Args:
        values: one per epoch; at least BLOCKS + 1 of them finite, else nothing can be told.
    """
    finite = np.array([value for value in values if np.isfinite(value)], float)
    if len(finite) <= BLOCKS:
        return 1.0, 1.0
    changes = np.array([part.sum() for part in np.array_split(np.diff(finite), BLOCKS)])
    signs = np.array(list(itertools.product((1, -1), repeat=BLOCKS)))
    sums, slack = signs @ np.abs(changes), 1e-12 * float(np.abs(changes).sum())
    total = float(changes.sum())
    return float((sums >= total - slack).mean()), float((sums <= total + slack).mean())


LEVEL = 0.05
"""Error rate of every test."""

CONFIDENT, ONE_SIDED = 1 - LEVEL, 1 - 2 * LEVEL
"""Confidence of an interval: two-sided; and one whose every end is a one-sided test at LEVEL."""

ENOUGH_SEEDS = 3
"""Networks trained from this many seeds say something of a recipe; fewer, of themselves."""

SPLITS = ("validation", "test")
"""What stored predictions answer for."""

Verdict = Literal["reproduced", "not reproduced", "mixed", "inconclusive", "not testable yet"]


class MissingError(FerError):
    """Something that a claim is tested on and that is not there yet; says how to make it."""


@dataclass(frozen=True)
class Measure:
    """One quantity that a claim speaks of."""

    part: str
    """What of the claim it speaks of; measures of one part (its splits) must agree."""
    what: str
    """The quantity's name."""
    value: float
    n: int
    """How many faces, filters, epochs or dreams it was measured on."""
    holds: bool | None
    """Whether the claim's rule is met by it; None where the data cannot tell."""
    says: str
    """The measurement as a clause, with its numbers."""
    split: str = ""
    """Whose faces; empty where none were looked at."""
    recipe: str = "paper"
    """What the weights were trained by."""
    seeds: int = 1
    """Networks of one kind that it was measured on, each from a seed of its own."""
    judged: bool = True
    """Whether it counts for the verdict, or is shown beside it."""
    interval: tuple[float, float] | None = None
    level: float | None = None
    """Confidence of the interval."""
    p_value: float | None = None


@dataclass(frozen=True)
class Finding:
    """What the test of a claim found."""

    measures: tuple[Measure, ...]
    """The first stands for the claim where there is room for one number."""
    sources: tuple[str, ...]
    """The files it was computed from, relative to the repository."""
    why: str = ""
    """The reason in short; all measures' clauses unless given."""
    untested: tuple[str, ...] = ()
    """Parts of the claim that nothing was measured on, each with the reason."""

    @property
    def parts(self) -> dict[str, bool | None]:
        """Return for each part of the claim whether it holds; None where that is not clear.

        It holds, or fails, only where all its measures say so: splits that disagree decide
        nothing.
        """
        by_part: dict[str, set[bool | None]] = {}
        for measure in self._judged:
            by_part.setdefault(measure.part, set()).add(measure.holds)
        clear = {
            part: verdicts.pop() if len(verdicts) == 1 else None
            for part, verdicts in by_part.items()
        }
        return clear | dict.fromkeys(self.untested)

    @property
    def verdict(self) -> Verdict:
        """The claim is the conjunction of its parts: all must hold, and one failure refutes it.

        Where some clearly hold and some clearly fail it is mixed; where nothing fails but not all
        is clear, inconclusive.
        """
        met = set(self.parts.values())
        if met == {True}:
            return "reproduced"
        if {True, False} <= met:
            return "mixed"
        return "not reproduced" if False in met else "inconclusive"

    @property
    def _judged(self) -> list[Measure]:
        return [measure for measure in self.measures if measure.judged]

    @property
    def reason(self) -> str:
        """What was measured, with the numbers; then, unless all parts agree, which of them do."""
        text = self.why or "; ".join(self._clauses(self._judged))
        shown = [measure for measure in self.measures if not measure.judged]
        sentences = [text, "" if self.why else self._in_parts()]
        if shown:
            sentences.append("Shown, not judged: " + "; ".join(self._clauses(shown)))
        return " ".join(f"{s[:1].upper()}{s[1:]}." for s in sentences if s)

    @staticmethod
    def _clauses(measures: Sequence[Measure]) -> list[str]:
        """Return one clause a part, its splits beside each other."""
        clauses: dict[str, list[str]] = {}
        for measure in measures:
            clauses.setdefault(measure.part, []).append(measure.says)
        return [f"{part}: {', '.join(says)}" for part, says in clauses.items()]

    def _in_parts(self) -> str:
        """Return which parts hold, fail or are unclear, and whether splits disagree."""
        parts = self.parts
        if len(set(parts.values())) == 1 and None not in parts.values():
            return ""
        by_split: dict[str, set[bool | None]] = {}
        for measure in self._judged:
            by_split.setdefault(measure.part, set()).add(measure.holds)
        torn = [part for part, verdicts in by_split.items() if {True, False} <= verdicts]
        kinds = (
            ("holds", [part for part, met in parts.items() if met]),
            ("fails", [part for part, met in parts.items() if met is False]),
            ("the splits disagree", torn),
            ("cannot be told", [p for p, met in parts.items() if met is None and p not in torn]),
        )
        return ". ".join(
            f"{kind[:1].upper()}{kind[1:]}: {', '.join(names)}" for kind, names in kinds if names
        )


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
    """When a measure supports the claim, when it refutes it; else it cannot tell."""
    test: Callable[[ClaimEvidence], Finding]
    confounds: Callable[[ClaimEvidence], Sequence[str]] = lambda _: ()
    """What else could make it hold or fail, each a sentence; from the records where it can be."""


@dataclass(frozen=True, eq=False)
class RecordedRun:
    """The records of a trained network."""

    name: str
    folder: Path

    @cached_property
    def metrics(self) -> dict[str, Any]:
        return catalog.read_metrics(self.folder)

    @cached_property
    def recipe(self) -> str:
        """The name of the settings that it was trained by."""
        return str(files.read_json(self.folder / catalog.CONFIG)["recipe"])

    @cached_property
    def training(self) -> dict[str, Any]:
        """The settings that it was trained by."""
        training: dict[str, Any] = files.read_json(self.folder / catalog.CONFIG)["training"]
        return training

    @cached_property
    def epochs(self) -> pd.DataFrame:
        return catalog.read_history(self.folder).epochs

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """split, label and predicted class by sample_id."""
        table = catalog.read_predictions(self.folder).set_index("sample_id")
        predicted = table[PROBABILITY_COLUMNS].to_numpy().argmax(1)
        return table[["split", "label"]].assign(predicted=predicted)

    def source(self, record: str) -> str:
        """Return the name of one of its files, for a claim's sources."""
        return relative(self.folder / record)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two networks' predictions for the same faces."""

    labels: NDArray[np.int64]
    """``(N,)``."""
    first: NDArray[np.int64]
    """Classes that the first network predicts, ``(N,)``."""
    second: NDArray[np.int64]

    @property
    def right(self) -> tuple[int, int]:
        """How many faces each network classifies correctly."""
        return int((self.first == self.labels).sum()), int((self.second == self.labels).sum())

    def of_class(self, label: int) -> Pair:
        """Return the faces of one class."""
        of_class = self.labels == label
        return Pair(self.labels[of_class], self.first[of_class], self.second[of_class])


@dataclass(eq=False)
class ClaimEvidence:
    """Everything there is to test claims on; asking for what is not there raises MissingError."""

    faces: FaceDataset | None = None
    """FER-2013, if at hand."""
    seed: int = 0
    """Fixes bootstraps, samples of faces and dreams."""
    _runs: dict[str, RecordedRun] = field(default_factory=dict)
    _models: dict[str, FERNet] = field(default_factory=dict)

    def runs(self, *names: str) -> list[RecordedRun]:
        """Return variants' runs by the paper's recipe.

        Raises:
            MissingError: one was not trained, or not filed; names all that are missing.
        """
        folders = {name: catalog.paper_run(name) for name in names}
        missing = [name for name, folder in folders.items() if folder is None]
        if missing:
            raise MissingError(
                f"a run of {' and one of '.join(missing)} by the paper's recipe is missing: "
                f"python -m train.run --variant {missing[0]} --recipe paper, then "
                "python -m train.records on its checkpoint"
            )
        return [
            self._runs.setdefault(name, RecordedRun(name, folder))
            for name, folder in folders.items()
            if folder is not None
        ]

    def run(self, name: str) -> RecordedRun:
        """Return a variant's run by the paper's recipe.

        Raises:
            MissingError: it was not trained, or not filed.
        """
        return self.runs(name)[0]

    def pair(self, first: str, second: str, split: str) -> Pair:
        """Return two runs' predictions for one split, face by face.

        Raises:
            MissingError: one of the runs is.
            DataError: they were scored on different faces.
        """
        one, two = self.runs(first, second)
        return self.pair_of(one, two, split)

    @staticmethod
    def pair_of(first: RecordedRun, second: RecordedRun, split: str) -> Pair:
        """Return two given runs' predictions for one split, face by face.

        Raises:
            DataError: they were scored on different faces.
        """
        tables = [run.predictions for run in (first, second)]
        one, two = (table[table["split"] == split] for table in tables)
        if set(one.index) != set(two.index):
            raise DataError(
                f"{first.name} and {second.name} were scored on different {split} faces "
                f"({len(one)} and {len(two)}): train both on the same data"
            )
        two = two.loc[one.index]
        labels, a, b = one["label"], one["predicted"], two["predicted"]
        return Pair(*(np.asarray(column, np.int64) for column in (labels, a, b)))

    @staticmethod
    def shipped_runs(*names: str) -> list[RecordedRun]:
        """Return the bundled networks of these variants if all are there and of another recipe."""
        bundled = catalog.available()
        runs = [RecordedRun(name, bundled[name]) for name in names if name in bundled]
        unlike = len(runs) == len(names) and all(run.recipe != "paper" for run in runs)
        return runs if unlike else []

    def model(self, name: str) -> FERNet:
        """Return a bundled network with its weights, whatever its recipe.

        Raises:
            MissingError: no such checkpoint is bundled.
        """
        if name not in self._models:
            if name not in catalog.available():
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


def relative(path: Path) -> str:
    """Return a path as seen from the repository, or its last two parts if it lies elsewhere."""
    if path.is_relative_to(ROOT):
        return path.relative_to(ROOT).as_posix()
    return "/".join(path.parts[-2:])


UNLIKE = {
    "optimizer": "optimiser {}",
    "learning_rate": "learning rate {:g}",
    "weight_decay": "weight decay {:g}",
    "epochs": "{} epochs",
}
"""Training setting -> how it is written, where networks that are compared differ in it."""


def unlike_training(*names: str) -> Callable[[ClaimEvidence], list[str]]:
    """Return what says, from the runs' records, how networks that are compared were trained."""

    def differences(evidence: ClaimEvidence) -> list[str]:
        runs = evidence.runs(*names)
        differing = [key for key in UNLIKE if len({run.training[key] for run in runs}) > 1]
        if not differing:
            return []
        how = "; ".join(
            f"{run.name} by {', '.join(UNLIKE[k].format(run.training[k]) for k in differing)}"
            for run in runs
        )
        return [f"The networks were trained differently ({how}), which may be what differs."]

    return differences


def mean_interval(values: NDArray[Any], seed: int, rounds: int = 4000) -> tuple[float, float]:
    """Return the CONFIDENT bootstrap interval of a mean (percentiles of resampled means)."""
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


def span(
    interval: Sequence[float], level: float = CONFIDENT, write: Callable[[float], str] = percent
) -> str:
    """Write an interval with its level."""
    return f"{100 * level:.3g}% {write(interval[0])} to {write(interval[1])}"
