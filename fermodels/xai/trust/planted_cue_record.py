"""Which methods found the planted mark, as stored; `fermodels.xai.trust.planted_cue` computes it.

Reading needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fermodels.results import ResultFile, results_dir
from fermodels.xai.trust.verdict import Estimate, proportion

NEAR_SHARE = 0.5
"""Share of peaks near the mark that a method must surely exceed to have found it."""
FIGURES = ("hit", "near", "mass", "fooled")
"""What is measured of each method; see `CueResult`."""
RESULT = ResultFile("known-answer/results", "python -m fermodels.xai.trust.planted_cue")


@dataclass(frozen=True)
class CueResult:
    """How well one method's maps point at the mark."""

    hit: Estimate
    """Share of faces on which the map's peak lies on the mark."""
    near: Estimate
    """The same with `planted_cue.MARGIN` pixels around the mark."""
    mass: Estimate
    """Share of the positive attribution that lies on the mark."""
    fooled: Estimate
    """Share of faces on which the peak lies on a decoy, or as near to one."""
    seconds_per_face: float

    @property
    def verdict(self) -> str:
        """Judge: ``finds`` or ``misses``, or ``unclear`` where the interval spans NEAR_SHARE."""
        if self.near.low > NEAR_SHARE:
            return "finds"
        return "misses" if self.near.high < NEAR_SHARE else "unclear"


@dataclass(frozen=True)
class KnownAnswer:
    """What is known about the network, and which methods found it out."""

    accuracy: Mapping[str, Mapping[str, Any]]
    """``marked``, ``unmarked`` and ``swapped``: n, correct, accuracy, interval (Wilson).

    Unmarked faces have the decoys only; ``swapped``: how often the answer follows when the mark
    is replaced by another.
    """
    chance: Mapping[str, float]
    """What a random map scores on ``hit``, ``near``, ``mass`` and ``fooled``."""
    methods: Mapping[str, CueResult]
    controls: Mapping[str, CueResult]
    """``random`` and ``edge``: maps that no model had a part in."""
    provenance: Mapping[str, Any]


def checkpoint_dir() -> Path:
    """Return the folder of the trained network, in the form of every other checkpoint."""
    return results_dir() / "known-answer" / "checkpoint"


def read() -> KnownAnswer | None:
    """Return the stored findings; None if they were not computed yet.

    Raises:
        CheckpointError: the file is damaged.
    """
    return RESULT.read(
        lambda raw: KnownAnswer(
            raw["accuracy"],
            raw["chance"],
            {name: _finding(row) for name, row in raw["methods"].items()},
            {name: _finding(row) for name, row in raw["controls"].items()},
            raw["provenance"],
        )
    )


def _finding(row: Mapping[str, Any]) -> CueResult:
    # shares get Wilson's interval: a bootstrap of 100 hits in 100 faces has no width
    hit, near, fooled = (
        proportion(round(row[name]["mean"] * row[name]["n"]), row[name]["n"])
        for name in ("hit", "near", "fooled")
    )
    return CueResult(hit, near, Estimate(**row["mass"]), fooled, row["seconds_per_face"])
