"""A small file of concept scores, as ``python -m fermodels.explain.concepts`` writes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fermodels.data.emotions import EMOTIONS
from fermodels.explain.concept_tests import judge
from fermodels.explain.concepts import as_json

HAPPY, SAD = EMOTIONS.index("happy"), EMOTIONS.index("sad")
ANGRY, FEAR = EMOTIONS.index("angry"), EMOTIONS.index("fear")


def content(**changed: Any) -> dict[str, Any]:
    """Return a file: AU12 is for happy and against sad, AU4 for nothing; fear has no face."""
    rng = np.random.default_rng(0)
    random, chance = rng.uniform(0.3, 0.7, (2, 8, 7))
    planted = chance.copy()
    planted[:, HAPPY], planted[:, SAD] = 1.0, 0.0
    for scores in (random, chance, planted):
        scores[:, FEAR] = np.nan
    accuracies = np.array([0.9, 0.8] * 4)
    found = judge([("AU12", accuracies, planted), ("AU4", 1 - accuracies, chance)], random, 0.05)
    return {
        "model": "shallow",
        "layer": "conv2.pool",
        "split": "validation",
        "settings": {"people": 31, "repeats": 8, "faces_per_class": 13, "alpha": 0.05},
        "notes": ["A note of the file."],
        "concepts": as_json(found),
        "provenance": {
            "seed": 0,
            "data_name": "toy faces",
            "git_revision": "0123456789abcdef",
            "created": "2026-01-02T03:04:05+00:00",
        },
    } | changed
