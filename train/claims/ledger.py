"""The ledger of the paper's claims, each tested: ``python -m train.claims [--data PATH]``.

Reads the records of the runs by the paper's recipe, the bundled networks and, if given,
FER-2013; writes ``results/claims.json``. No verdict is typed: each claim is a function that
measures, and a rule that the measures meet or do not. See CLAIMS.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fermodels.results import ResultFile, provenance
from train.claims import accuracy, expressions, insides, maps, search, training
from train.claims.evidence import (
    ENOUGH_SEEDS,
    Claim,
    ClaimEvidence,
    Finding,
    Measure,
    MissingError,
    Verdict,
)

_HOMES = (
    training, accuracy, expressions, insides, maps, search,
)  # fmt: skip

CLAIMS: dict[int, Claim] = {
    claim.number: claim
    for claim in sorted((c for home in _HOMES for c in home.CLAIMS), key=lambda c: c.number)
}
"""Number -> claim, in the order in which the paper makes them."""

RESULT = ResultFile("claims", "python -m train.claims --data PATH")
UNTESTED: Verdict = "not testable yet"
HEADLINE = ("what", "value", "n", "split", "recipe", "seeds", "interval", "level", "p_value")
"""What a claim's line takes over from its first measure."""


def row(claim: Claim, evidence: ClaimEvidence) -> dict[str, Any]:
    """Test a claim and return its line of the ledger as JSON types.

    What is missing for a test is an answer too.
    """
    try:
        outcome = _tested(claim.test(evidence), list(claim.confounds(evidence)))
    except MissingError as missing:
        outcome = _untested(str(missing))
    return {
        "number": claim.number,
        "sentence": claim.sentence,
        "where": claim.where,
        "reported": claim.reported,
        "statistic": claim.statistic,
        "rule": claim.rule,
        **outcome,
    }


def _tested(finding: Finding, confounds: list[str]) -> dict[str, Any]:
    measures = [_measure(measure) for measure in finding.measures]
    headline = {key: measures[0][key] for key in HEADLINE}
    return {
        "verdict": finding.verdict,
        "why": finding.reason,
        "cautions": [*confounds, *_seeds(finding)],
        **headline,
        "measures": measures,
        "sources": list(finding.sources),
    }


def _seeds(finding: Finding) -> list[str]:
    """Return the caution that a verdict on few networks of a kind deserves."""
    fewest = min(measure.seeds for measure in finding.measures if measure.judged)
    if fewest >= ENOUGH_SEEDS:
        return []
    seeds = "One seed" if fewest == 1 else f"{fewest} seeds"
    return [f"{seeds}; needs more: another seed's networks can differ from these."]


def _untested(missing: str) -> dict[str, Any]:
    nothing = dict.fromkeys(HEADLINE)
    why = missing[:1].upper() + missing[1:] + "."
    none: dict[str, list[Any]] = {"cautions": [], "measures": [], "sources": []}
    return {"verdict": UNTESTED, "why": why, **nothing, **none}


def _measure(measure: Measure) -> dict[str, Any]:
    row = asdict(measure)
    return row | {"interval": None if measure.interval is None else list(measure.interval)}


def ledger(evidence: ClaimEvidence) -> dict[str, Any]:
    """Test every claim and return what goes into ``results/claims.json``.

    Raises:
        FerError: evidence that is there but damaged, or of different faces.
    """
    rows = []
    for claim in CLAIMS.values():
        rows.append(row(claim, evidence))
        text = " ".join([rows[-1]["why"], *rows[-1]["cautions"]])
        print(f"{claim.number:2} {rows[-1]['verdict']}: {text}", flush=True)
    return {"claims": rows, "provenance": provenance(evidence.seed, *_data(evidence))}


def _data(evidence: ClaimEvidence) -> tuple[str, str]:
    """Return name and hash of the data behind the figures: that given, or the runs'."""
    if evidence.faces is not None:
        return evidence.faces.name, evidence.faces.content_hash
    origin = evidence.run(training.NETS[0]).metrics["provenance"]
    return origin["data_name"], origin["data_hash"]
