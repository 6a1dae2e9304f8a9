"""The claim that the chosen hyper-parameters are the best."""

from __future__ import annotations

from typing import Any

from fermodels.evaluation.metrics import newcombe_interval
from fermodels.evaluation.paired_tests import bootstrap_difference
from fermodels.results import read_result
from train.claims.evidence import (
    LEVEL,
    MARGIN,
    Claim,
    ClaimEvidence,
    Finding,
    Measure,
    MissingError,
    percent,
    points,
    relative,
    span,
)
from train.claims.training import NETS
from train.sweep.study import classes_of, result_file


def chosen_are_best(evidence: ClaimEvidence) -> Finding:
    """Claim 19: no tried setting beats the paper's beyond chance."""
    sweeps = {name: sweep for name in NETS if (sweep := read_result(f"sweep-{name}"))}
    tested = {name: s for name, s in sweeps.items() if s["paper_trial"] is not None and _rivals(s)}
    if not tested:
        raise MissingError(
            f"a sweep that includes the paper's own values is missing: python -m train.sweep "
            f"--variant {NETS[0]}"
        )
    measures = [_lead_of_best(name, sweep, evidence.seed) for name, sweep in tested.items()]
    files = [result_file(name).path for name in tested]
    untested = tuple(f"{name} (never swept)" for name in NETS if name not in tested)
    return Finding(tuple(measures), tuple(relative(path) for path in files), untested=untested)


def _rivals(sweep: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the complete trials of other values than the paper's."""
    return [
        row
        for row in sweep["trials"]
        if row["state"] == "complete" and row["number"] != sweep["paper_trial"]
    ]


def _lead_of_best(name: str, sweep: dict[str, Any], seed: int) -> Measure:
    rivals = _rivals(sweep)
    paper = next(row for row in sweep["trials"] if row["number"] == sweep["paper_trial"])
    best = max(rivals, key=lambda row: row["correct"])
    level = 1 - 2 * LEVEL / len(rivals)  # the best of many is flattered: Bonferroni
    interval, how = lead(best, paper, sweep.get("labels"), level, seed)
    rank = 1 + sum(row["correct"] > paper["correct"] for row in rivals)
    ahead = best["accuracy"] - paper["accuracy"]
    return Measure(
        part=name,
        what=f"{name}: accuracy of the best other trial minus that of the paper's values, {how}",
        value=ahead,
        n=best["n"],
        holds=True if interval[1] < MARGIN else False if interval[0] > 0 else None,
        says=f"the paper's values have rank {rank} of {len(rivals) + 1} complete trials, "
        f"{percent(paper['accuracy'])} where the best other has {percent(best['accuracy'])} "
        f"({points(ahead)}, {span(interval, level, points)}, {how}, allowing for {len(rivals)} "
        "rivals)",
        split="validation",
        recipe=str(sweep.get("recipe", "paper")),
        interval=interval,
        level=level,
    )


def lead(
    best: dict[str, Any],
    paper: dict[str, Any],
    labels: str | None,
    level: float,
    seed: int,
) -> tuple[tuple[float, float], str]:
    """Return the interval of a trial's accuracy minus another's, and how it was computed.

    Paired, face by face, where both stored what they predicted; else as if on different faces,
    which is wider.

    Args:
        best: one trial of a sweep's result.
        paper: the other.
        labels: the sweep's labels, one digit a face; None in a sweep that stored none.
        level: confidence.
        seed: of the bootstrap.
    """
    from scipy.stats import norm

    if labels and best.get("predicted") and paper.get("predicted"):
        predictions = (
            classes_of(labels),
            classes_of(best["predicted"]),
            classes_of(paper["predicted"]),
        )
        difference = bootstrap_difference(*predictions, level=level, seed=seed)
        return (difference.low, difference.high), "paired"
    z = float(norm.ppf((1 + level) / 2))
    counts = (best["correct"], best["n"]), (paper["correct"], paper["n"])
    return newcombe_interval(*counts, z), "not paired"


def _budget(evidence: ClaimEvidence) -> list[str]:
    del evidence
    confounds = []
    for name in NETS:
        sweep = read_result(f"sweep-{name}")
        if sweep is not None and "budget" in sweep:
            confounds.append(
                f"{name}'s trials are short: {sweep['budget']['epochs']} epochs on "
                f"{sweep['training_faces']:,} training faces; what is best there need not be best "
                "in a whole run."
            )
    return confounds


CLAIMS = (
    Claim(
        19,
        "The chosen hyper-parameters are the best.",
        where="Tables 1 and 2",
        reported="learning rate, regularisation and hidden neurons by cross-validation",
        statistic="accuracy of the sweep's best other trial minus that of the paper's values",
        rule=f"holds if no other trial is {100 * MARGIN:.0f} points better, fails if one is better "
        f"(one-sided at {LEVEL:.0%}, Bonferroni over the trials), for both networks",
        test=chosen_are_best,
        confounds=_budget,
    ),
)
