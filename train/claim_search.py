"""The claim that the chosen hyper-parameters are the best."""

from __future__ import annotations

from typing import Any

from fermodels.nets import shelf
from fermodels.nets.evaluate import newcombe_interval
from train.claim_evidence import (
    LEVEL,
    Claim,
    Evidence,
    Finding,
    Measure,
    MissingError,
    percent,
    points,
    relative,
)
from train.claim_training import NETS


def chosen_are_best(_evidence: Evidence) -> Finding:
    """Claim 19: no tried setting beats the paper's beyond chance."""
    sweeps = {name: found for name in NETS if (found := shelf.read_result(f"sweep-{name}"))}
    tested = {name: found for name, found in sweeps.items() if found["paper_trial"] is not None}
    if not tested:
        raise MissingError(
            f"a sweep that includes the paper's own values is missing: python -m train.sweep "
            f"--variant {NETS[0]}"
        )
    measures = [_lead_of_best(name, found) for name, found in tested.items()]
    files = [shelf.results_dir() / f"sweep-{name}.json" for name in tested]
    return Finding(tuple(measures), tuple(relative(path) for path in files))


def _lead_of_best(name: str, sweep: dict[str, Any]) -> Measure:
    from scipy.stats import norm

    trials = {row["number"]: row for row in sweep["trials"] if row["state"] == "complete"}
    best, paper = trials[sweep["best_trial"]], trials[sweep["paper_trial"]]
    rivals = max(1, len(trials) - 1)
    z = float(norm.ppf(1 - LEVEL / (2 * rivals)))  # the best of many is flattered: Bonferroni
    interval = newcombe_interval((best["correct"], best["n"]), (paper["correct"], paper["n"]), z)
    lead = best["accuracy"] - paper["accuracy"]
    return Measure(
        what=f"{name}: validation accuracy of the best trial minus that of the paper's values",
        value=lead,
        n=best["n"],
        holds=interval[0] <= 0,
        says=f"of {len(trials)} complete trials of {name} the best has {percent(best['accuracy'])} "
        f"where the paper's values have {percent(paper['accuracy'])} ({points(lead)}, "
        f"{points(interval[0])} to {points(interval[1])} allowing for {rivals} rivals)",
        interval=interval,
    )


CLAIMS = (
    Claim(
        19,
        "The chosen hyper-parameters are the best.",
        where="Tables 1 and 2",
        reported="learning rate, regularisation and hidden neurons by cross-validation",
        statistic="validation accuracy of the sweep's best trial minus that of the paper's values",
        rule="the best trial is not above the paper's values: interval of the difference "
        "(Newcombe, Bonferroni over the trials, 5%) not above 0",
        test=chosen_are_best,
    ),
)
