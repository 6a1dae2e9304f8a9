"""What is known of the methods on a model: its scorecard as stored, and the badge that follows.

`fermodels.explain.scorecard` computes it. Reading needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fermodels.errors import CheckpointError
from fermodels.nets.shelf import complete, read_result

FORMAT = 1
ALIKE = 0.25
"""Largest correlation that a map may keep with the one before its network was made random, above
that of unrelated maps. A map blind to the network keeps 1; 0.25 is 6% of shared variance."""
ALIKE_TOP = 0.5
"""The same once all layers above the convolutions are random, and with them every decision."""
INCOMPLETE = 0.05
"""Mean completeness error above which a map that promises a sum is doubted."""


@dataclass(frozen=True)
class Estimate:
    """A mean over faces with its 95% bootstrap interval."""

    mean: float
    low: float
    high: float
    n: int
    """Faces (or face and seed pairs) behind it."""

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval lies above zero."""
        return self.low > 0


@dataclass(frozen=True)
class Sanity:
    """How alike maps stay while the network is made random from the classifier down."""

    layers: tuple[str, ...]
    """The layer replaced last at each stage."""
    top: int
    """The stage at which all layers above the convolutions are random."""
    spearman: tuple[Estimate, ...]
    """Rank correlation of signed maps with the original, per stage."""
    ssim: tuple[Estimate, ...]
    """Structural similarity of signed maps to the original, per stage."""
    unrelated: Estimate
    """Rank correlation of maps that have neither weights nor face in common."""

    @property
    def failure(self) -> str | None:
        """Why a map fails the check, in a sentence; None if it passes.

        The rule: with all weights random a map may keep at most ALIKE more correlation than
        unrelated maps have, and with random layers above the convolutions at most ALIKE_TOP
        more. It fails where the mean is above that and the interval above unrelated maps': maps
        of a few large patches vary by chance.
        """
        floor = max(0.0, self.unrelated.mean)
        for stage, limit, what in (
            (len(self.layers) - 1, ALIKE, "all of the network's weights"),
            (self.top, ALIKE_TOP, "all layers above the convolutions"),
        ):
            kept = self.spearman[stage]
            if kept.mean > floor + limit and kept.low > floor:
                return (
                    f"The map stays much the same (correlation {kept.mean:.2f}) when {what} are "
                    "replaced by noise: it does not show what was learned."
                )
        return None


@dataclass(frozen=True)
class Badge:
    """What to think of a method's maps on this model, at a glance."""

    level: str
    """``trusted``, ``doubtful`` or ``fails``."""
    why: str
    """One sentence or two."""


@dataclass(frozen=True)
class Score:
    """What was measured about one method, or about a control."""

    name: str
    metrics: Mapping[str, Estimate]
    """By name in `fermodels.explain.trust.METRICS`; those that do not apply are left out."""
    ranks: Mapping[str, int]
    """Metric -> place among the methods, 1 for the best; empty for controls."""
    beats: Mapping[str, Mapping[str, Estimate]]
    """Control -> metric -> by how much the map beats it, face by face; ``gap`` and ``road``."""
    sanity: Sanity | None
    seconds_per_face: float
    """On the machine that computed it."""
    passes_per_face: int
    """Faces put through the network to explain one: the same on every machine."""
    options: Mapping[str, float]

    @property
    def badge(self) -> Badge:
        """Judge: the one place where the rule stands.

        ``fails``: the map survives a random network (`Sanity.failure`), or its best pixels
        matter no more than random ones (the gap's advantage is not surely above zero).
        ``trusted``: it also beats the edges of the face, beats random pixels under ROAD, and
        its sum comes out where it promises one. ``doubtful``: anything between.
        """
        if self.sanity is not None and self.sanity.failure:
            return Badge("fails", self.sanity.failure)
        over_random = self.beats["random"]["gap"]
        if not over_random.above_zero:
            return Badge(
                "fails",
                f"Its best pixels matter no more to the class than random ones "
                f"(advantage {over_random.mean:+.2f}, 95% {over_random.low:+.2f} to "
                f"{over_random.high:+.2f}).",
            )
        doubts = self._doubts()
        if doubts:
            return Badge("doubtful", " ".join(doubts))
        kept = "" if self.sanity is None else f" ({abs(self.sanity.spearman[-1].mean):.2f} kept)"
        return Badge(
            "trusted",
            f"It vanishes with what was learned{kept}, and its best pixels decide more than "
            f"random ones ({over_random.mean:+.2f}) and edges "
            f"({self.beats['edge']['gap'].mean:+.2f}).",
        )

    def _doubts(self) -> list[str]:
        doubts = []
        if not self.beats["edge"]["gap"].above_zero:
            doubts.append("Its best pixels decide no more than the edges of the face do.")
        if not self.beats["random"]["road"].above_zero:
            doubts.append("With holes filled in (ROAD) it is no better than random pixels.")
        error = self.metrics.get("completeness-error")
        if error is not None and error.mean > INCOMPLETE:
            doubts.append(f"Its sum misses the score's change by {error.mean:.0%} on average.")
        return doubts


@dataclass(frozen=True)
class Scorecard:
    """All methods on one model."""

    model: str
    checkpoint_hash: str
    """SHA-256 of the weights."""
    faces: tuple[str, ...]
    """Sample ids of the faces, in the order they are used: n faces are the first n."""
    methods: Mapping[str, Score]
    controls: Mapping[str, Score]
    """``random`` and ``edge``: maps that no model had a part in."""
    agreement: Mapping[str, Mapping[str, Mapping[str, float]]]
    """``spearman`` or ``top-overlap`` -> method -> method -> mean over faces."""
    provenance: Mapping[str, Any]

    def badge(self, method: str) -> Badge:
        """Return what to think of a method's maps on this model.

        Raises:
            CheckpointError: the method was not measured.
        """
        if method not in self.methods:
            raise CheckpointError(
                f"the scorecard of {self.model} has no method {method!r}: it holds "
                f"{', '.join(self.methods)}; run {command(self.model)} --methods {method}"
            )
        return self.methods[method].badge


def file_name(model: str) -> str:
    """Return the result's name, without folder and ending, of a model's name or folder."""
    return f"scorecard-{Path(model).name}"


def command(model: str) -> str:
    """Return the command that makes a model's scorecard."""
    return f"python -m fermodels.explain.scorecard --model {model}"


def read(model: str) -> Scorecard | None:
    """Return a model's scorecard; None if it was not computed yet.

    Args:
        model: a bundled checkpoint's name.

    Raises:
        CheckpointError: the file is damaged or of another format.
    """
    raw = read_result(file_name(model))
    if raw is None:
        return None
    if raw.get("format") != FORMAT:
        raise CheckpointError(
            f"{file_name(model)}.json has format {raw.get('format')!r}: expected {FORMAT}; run "
            f"{command(model)}"
        )
    with complete(f"{file_name(model)}.json", f"{command(model)} --fresh"):
        return _scorecard(raw)


def _scorecard(raw: Mapping[str, Any]) -> Scorecard:
    return Scorecard(
        raw["model"],
        raw["checkpoint_hash"],
        tuple(raw["faces"]),
        {name: score_of(name, row) for name, row in raw["methods"].items()},
        {name: score_of(name, row) for name, row in raw["controls"].items()},
        raw["agreement"],
        raw["provenance"],
    )


def score_of(name: str, row: Mapping[str, Any]) -> Score:
    """Read back one method's row of the file."""
    return Score(
        name,
        {metric: Estimate(**value) for metric, value in row["metrics"].items()},
        row.get("ranks", {}),
        {
            control: {metric: Estimate(**value) for metric, value in found.items()}
            for control, found in row["beats"].items()
        },
        None if row["sanity"] is None else _sanity(row["sanity"]),
        row["seconds_per_face"],
        row["passes_per_face"],
        row["options"],
    )


def _sanity(raw: Mapping[str, Any]) -> Sanity:
    return Sanity(
        tuple(raw["layers"]),
        raw["top"],
        tuple(Estimate(**value) for value in raw["spearman"]),
        tuple(Estimate(**value) for value in raw["ssim"]),
        Estimate(**raw["unrelated"]),
    )
