"""The paper's own figures, quoted; nothing here was measured by this project.

Source: "Convolutional Neural Networks for Facial Expression Recognition", IJTSRD 8(3), 2024
(ijtsrd64783); the study is Alizadeh & Fazel, arXiv 1704.06756.
"""

from __future__ import annotations

from dataclasses import dataclass

CITATION = (
    "Alizadeh & Fazel, *Convolutional Neural Networks for Facial Expression Recognition*, "
    "[arXiv 1704.06756](https://arxiv.org/abs/1704.06756) (also IJTSRD 8(3), 2024, ijtsrd64783)"
)


@dataclass(frozen=True)
class Reported:
    """What the paper reports for one network, as fractions; it gives no intervals."""

    validation: float
    """Validation accuracy (section 4)."""
    test: float
    """Test accuracy (section 4)."""
    per_expression: dict[str, float]
    """Table 3: accuracy per expression."""
    epochs: int
    """Training epochs."""


REPORTED: dict[str, Reported] = {
    "shallow": Reported(
        validation=0.55,
        test=0.54,
        per_expression={
            "angry": 0.41,
            "disgust": 0.32,
            "fear": 0.54,
            "happy": 0.75,
            "sad": 0.32,
            "surprise": 0.675,
            "neutral": 0.399,
        },
        epochs=30,
    ),
    "deep": Reported(
        validation=0.65,
        test=0.64,
        per_expression={
            "angry": 0.53,
            "disgust": 0.70,
            "fear": 0.46,
            "happy": 0.805,
            "sad": 0.63,
            "surprise": 0.625,
            "neutral": 0.515,
        },
        epochs=35,
    ),
}
"""Variant -> the paper's figures; of the others it says only that accuracy was about the same."""

DEPTH_GAIN = 0.1846
"""Relative gain in validation accuracy of deep over shallow that the paper states."""


def reported(model: str, split: str) -> float | None:
    """Return the paper's accuracy of a variant on ``validation`` or ``test``, None if not given."""
    quoted = REPORTED.get(model)
    if quoted is None or split not in ("validation", "test"):
        return None
    return quoted.validation if split == "validation" else quoted.test
