"""A small file of concept scores, as ``python -m fermodels.xai.concepts.tcav`` writes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fermodels.data.emotions import EMOTIONS
from fermodels.xai.concepts.record import FORMAT
from fermodels.xai.concepts.statistics import judge, score_concept
from fermodels.xai.concepts.tcav import as_json

HAPPY, SAD = EMOTIONS.index("happy"), EMOTIONS.index("sad")
ANGRY, FEAR = EMOTIONS.index("angry"), EMOTIONS.index("fear")


def content(**changed: Any) -> dict[str, Any]:
    """Return a file: AU12 is for happy and against sad, AU4 for nothing; fear has no face."""
    rng = np.random.default_rng(0)
    labels = np.repeat([k for k in range(7) if k != FEAR], 12)
    gradients = np.stack([(labels == HAPPY) * 1.0 - (labels == SAD), rng.normal(size=72)], axis=1)
    people = {
        "AU12": np.stack([rng.uniform(1, 2, 31), rng.normal(0, 0.1, 31)], axis=1),
        "AU4": rng.normal(size=(31, 2)),
    }
    settings = {"permutations": 4999, "resamples": 200, "seed": 0, "alpha": 0.05}
    found = judge(
        [score_concept(unit, rows, gradients, labels, **settings) for unit, rows in people.items()]
    )
    return {
        "format": FORMAT,
        "model": "shallow",
        "layer": "conv2.pool",
        "split": "validation",
        "settings": {"people": 31, "faces_per_class": 13, **settings},
        "notes": ["A note of the file."],
        "rendered": {name: {"right": 5 * k, "n": 40} for k, name in enumerate(EMOTIONS)},
        "concepts": as_json(found),
        "provenance": {
            "seed": 0,
            "data_name": "toy faces",
            "git_revision": "0123456789abcdef",
            "created": "2026-01-02T03:04:05+00:00",
        },
    } | changed
