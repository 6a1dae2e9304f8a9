"""What data say of a claim: that it holds, that it fails, or nothing (None).

A claim that nothing was found against is not thereby shown: each rule asks for evidence on either
side, so that few faces, or shuffled labels, end in None. All tests are at `LEVEL`, one-sided where
the claim names a direction.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from train.claims.evidence import LEVEL

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
