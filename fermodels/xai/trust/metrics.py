"""METRICS: what can be measured about a map, so that nobody need believe it on sight.

Each metric says what it is, which way is better and where it comes from; the modules `trust_*`
compute them, `fermodels.xai.trust.scorecard_record` reports them. Nothing heavy is imported here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One measurable property of attribution maps."""

    name: str
    title: str
    help: str
    """For a person who reads one line: what the figure means."""
    higher_is_better: bool
    unit: str
    """What the figure counts, and its range."""
    source: str
    """Who proposed it."""
    chance: float | None = None
    """What a map without any information scores on average, where that is known exactly."""
    proportion: bool = False
    """Whether each face counts as yes or no, so that the mean is a share of faces."""


_DELETION = "Petsiuk et al. 2018, arXiv 1806.07421, section 3.2"
_CLIPPED = "Probability of the explained class, averaged over the curve; 0 to 1."

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "gap",
            "Insertion minus deletion",
            "How much sooner the class appears when the map's best pixels are put in, than it "
            "goes when they are taken out. A map that knows nothing scores 0.",
            True,
            "Difference of two averaged probabilities; -1 to 1.",
            f"{_DELETION}; the difference cancels what scattered pixels do by themselves",
            0.0,
        ),
        Metric(
            "deletion-mean-face",
            "Deletion, mean face",
            "The class's probability while the map's best pixels give way to the average face. "
            "The sooner it falls, the better.",
            False,
            _CLIPPED,
            _DELETION,
        ),
        Metric(
            "insertion-mean-face",
            "Insertion, mean face",
            "The class's probability while the map's best pixels return to the average face. "
            "The sooner it rises, the better.",
            True,
            _CLIPPED,
            _DELETION,
        ),
        Metric(
            "deletion-blur",
            "Deletion, blur",
            "The class's probability while the map's best pixels are blurred. The sooner it "
            "falls, the better.",
            False,
            _CLIPPED,
            _DELETION,
        ),
        Metric(
            "insertion-blur",
            "Insertion, blur",
            "The class's probability while the map's best pixels come into focus. The sooner it "
            "rises, the better.",
            True,
            _CLIPPED,
            _DELETION,
        ),
        Metric(
            "road",
            "ROAD",
            "Pixels are filled in from their neighbours, so that holes give no hint: how much "
            "more the class suffers when the map's best pixels go first than when they go last.",
            True,
            "Difference of two averaged probabilities; -1 to 1.",
            "Rong et al. 2022, arXiv 2202.00449, section 4; least- minus most-relevant-first",
            0.0,
        ),
        Metric(
            "infidelity",
            "Infidelity",
            "Squares of the face are covered: the share of the score's changes that the map does "
            "not foretell. A blank map scores 1.",
            False,
            "Squared logits, best scale of the map, over a blank map's; 0 to 1.",
            "Yeh et al. 2019, arXiv 1901.09392, definition 2.1 and section 2.2",
        ),
        Metric(
            "max-sensitivity",
            "Max-sensitivity",
            "How much the map changes, at worst, when noise too faint to see is added to the face.",
            False,
            "Length of the change over length of the map; 0 upwards.",
            "Yeh et al. 2019, arXiv 1901.09392, definition 3.1",
        ),
        Metric(
            "pointing",
            "Pointing",
            "How often the map's peak lies where a muscle moved the skin, on rendered faces that "
            "the network reads right.",
            True,
            "Share of faces; 0 to 1.",
            "Zhang et al. 2016, arXiv 1608.00507, section 4.2 (the pointing game)",
            proportion=True,
        ),
        Metric(
            "relevance-mass",
            "Relevance mass",
            "How much of the map's positive evidence lies where a muscle moved the skin, on the "
            "same faces.",
            True,
            "Share of the positive attribution; 0 to 1.",
            "Arras et al. 2020, arXiv 2003.07258, equation 1 (relevance mass accuracy)",
        ),
        Metric(
            "other-face",
            "Other face",
            "How alike the maps of two faces are, of one expression: a map should depend on the "
            "face.",
            False,
            "Spearman correlation of signed maps; -1 to 1.",
            "after Sixt et al. 2020, arXiv 1912.09818, section 4; of faces, not classes",
        ),
        Metric(
            "randomisation-top",
            "Random decision",
            "How alike the map is after all layers above the convolutions were replaced by noise: "
            "such a network sees as before and decides by lot.",
            False,
            "Spearman correlation of signed maps; -1 to 1.",
            "Adebayo et al. 2018, arXiv 1810.03292, section 3.1 (cascading)",
        ),
        Metric(
            "randomisation",
            "Randomised network",
            "How alike the map is after the network's weights were replaced by noise. A map of "
            "what was learned cannot survive that.",
            False,
            "Spearman correlation of signed maps; -1 to 1.",
            "Adebayo et al. 2018, arXiv 1810.03292, section 3.1 (cascading)",
            0.0,
        ),
        Metric(
            "random-logit",
            "Other class",
            "How alike the maps of two classes are: a map should depend on what it is asked.",
            False,
            "Spearman correlation of signed maps; -1 to 1.",
            "Sixt et al. 2020, arXiv 1912.09818, section 4 (random logit test)",
        ),
        Metric(
            "completeness-error",
            "Completeness error",
            "By how much the map's sum misses the score's change from the baseline to the face.",
            False,
            "Share of the score's change; 0 upwards.",
            "Sundararajan et al. 2017, arXiv 1703.01365, proposition 1",
        ),
    )
}
"""Metrics by name, in the order a table shows them."""
