"""Attributions, faithfulness curves and scorecards, cached; torch comes with the first request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from fermodels import results
from fermodels.errors import CheckpointError, ConfigError
from studio import networks, public
from studio.components.text import plain

if TYPE_CHECKING:
    from fermodels.xai.attribution.baselines import Baseline
    from fermodels.xai.attribution.registry import Method
    from fermodels.xai.trust.faithfulness import Curves
    from fermodels.xai.trust.scorecard_record import Scorecard

MOST_PASSES = 1_500
"""Passes through a network that one map may take in a public studio: under a minute."""

Settings = tuple[tuple[str, int | float | bool], ...]
"""A method's options that differ from its defaults, by name."""


@dataclass(frozen=True, eq=False)
class MethodMap:
    """One method's map of one face, ready to draw."""

    method: str
    title: str
    """What people call the method."""
    signed: bool
    """Whether values below zero mean "spoke against"."""
    attribution: NDArray[np.float32]
    """``(48, 48)`` in the method's own unit."""
    parts: dict[str, NDArray[np.float32]]
    """``conv`` and ``hog`` for hybrids, each ``(48, 48)``; else empty."""
    completeness_error: float | None
    """Share of the logit difference that the map misses; None where no sum is promised."""
    notes: tuple[str, ...]
    """What a person should know before believing it."""
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of the libraries that computed it."""
    path_error: float | None = None
    """Estimated limit of the map's own error, as a share of its absolute sum; None without a
    path. See `fermodels.xai.attribution.explain.Explanation`."""

    def part_share(self, part: str) -> float:
        """Return a part's share of all parts' absolute evidence, 0..1."""
        total = sum(float(np.abs(values).sum()) for values in self.parts.values())
        return float(np.abs(self.parts[part]).sum()) / total if total > 0 else 0.0


@dataclass(frozen=True)
class MapRequest:
    """What one attribution method is asked for, except network and face."""

    method: str
    target_class: int
    baseline: str
    contrast_class: int | None = None
    layer: str | None = None
    """For methods that weigh a layer; None lets the model choose."""
    settings: Settings = ()
    """The method's options, as far as they differ from its defaults."""


def methods() -> dict[str, Method]:
    """Return the attribution methods by name; the first call imports torch."""
    from fermodels.xai.attribution.registry import METHODS

    return METHODS


def baselines() -> dict[str, Baseline]:
    """Return what can count as "nothing to see", by name; the first call imports torch."""
    from fermodels.xai.attribution.baselines import BASELINES

    return BASELINES


def attribution(name: str, face: NDArray[np.uint8], request: MapRequest) -> MethodMap:
    """Return one method's map of one face, computed once per network, face and request.

    Args:
        name: one of `networks.choices()`.
        face: uint8 ``(48, 48)``.
        request: method, class, baseline, contrast, layer and options.

    Raises:
        ConfigError: the request makes no sense, or takes too long for a public studio.
    """
    method = methods()[request.method]
    passes = method.passes(method.settings(dict[str, Any](request.settings)))
    if public.is_public() and passes > MOST_PASSES:
        raise ConfigError(
            f"{method.title} with these options takes up to {passes:,} passes through the network: "
            f"a public studio makes at most {MOST_PASSES:,}; choose fewer steps, samples or copies"
        )
    return _attribution(name, face, request)


@networks.cached_per_weights(max_entries=1024, copies=True)
def _attribution(name: str, face: NDArray[np.uint8], request: MapRequest) -> MethodMap:
    from fermodels.xai.attribution.explain import explain

    method, settings = methods()[request.method], dict[str, Any](request.settings)
    with networks.computing():
        explanation = explain(
            networks.shared(name),
            face,
            request.method,
            target_class=request.target_class,
            baseline=request.baseline,
            contrast_class=request.contrast_class,
            layer=request.layer if method.needs_layer else None,
            **settings,
        )
    error = explanation.completeness_error
    return MethodMap(
        request.method,
        method.title,
        explanation.signed,
        explanation.attribution[0],
        {part: values[0] for part, values in explanation.parts.items()},
        None if error is None else float(error[0]),
        explanation.notes,
        explanation.versions,
        None if explanation.path_error is None else float(explanation.path_error[0]),
    )


@networks.cached_per_weights(max_entries=256, copies=True)
def curves(
    name: str, face: NDArray[np.uint8], request: MapRequest, attribution: NDArray[np.float32]
) -> dict[str, Curves]:
    """Return a map's deletion and insertion curves and those of the controls.

    Args:
        name: one of `networks.choices()`.
        face: uint8 ``(48, 48)``.
        request: what `attribution` was computed for.
        attribution: ``(48, 48)``.
    """
    from fermodels.xai.trust.faithfulness import face_curves

    with networks.computing():
        return face_curves(
            networks.shared(name), face, attribution, request.target_class, request.method,
            request.baseline,
        )  # fmt: skip


def sees_hog(name: str) -> bool:
    """Return whether a network has a HOG branch."""
    with networks.locked_network(name) as net:
        return bool(net.has_hog)


def conv_layers(name: str) -> list[str]:
    """Return a model's conv blocks, first to last."""
    with networks.locked_network(name) as net:
        return net.conv_layers


# --- What the scorecard says of a method on a network: the badge that every map carries, and why
#
# The one place that knows how `fermodels.explain` states trust; a network that was not scored yet
# gets a verdict of its own, in words.


SIGNS = {True: "✓", None: "?", False: "✕"}
"""Trusted, not enough evidence, not to be trusted."""
UNSCORED = "○ not scored"
USUAL_BASELINE = "mean-face"
"""The baseline with which scorecards ask, as `fermodels.explain` does by default."""


@dataclass(frozen=True)
class Badge:
    """What the scorecard says of one method on one network."""

    words: str
    """Sign and three words at most."""
    reasons: tuple[str, ...]
    """Sentences with figures, the weightiest first."""
    fails: bool = False
    """Whether its maps are to be shown pale."""

    @property
    def why(self) -> str:
        """The weightiest reason."""
        return self.reasons[0]


def badge(name: str, request: MapRequest) -> Badge:
    """Return the scorecard's verdict on a method for a network; never a guess.

    Args:
        name: one of `networks.choices()`.
        request: method, baseline, layer and options of the map that carries the badge.
    """
    if name in networks.mine():
        return _unscored(f"{name} is yours: `fermodels.judge` tries a method on it.")
    from fermodels.xai.trust import scorecard_record

    command = f"`{scorecard_record.command(name)}`"
    try:
        card = _card(name)
    except CheckpointError as error:
        return _unscored(str(error))
    if card is None:
        return _unscored(f"{name} has no scorecard yet; {command} makes one.")
    if card.checkpoint_hash != networks.weights_hash(name):
        return _unscored(
            f"{name}'s scorecard was made for other weights; {command} makes a new one."
        )
    if request.method not in card.methods:
        return _unscored(f"{name}'s scorecard has no entry for {request.method} yet.")
    if not _as_scored(request):
        return _unscored(
            f"Scorecards judge usual settings; this map of {request.method} was made with others, "
            "or with a contrast, a layer or a baseline of your choice."
        )
    verdict, same = card.verdict(request.method), card.same_as(request.method)
    reasons = verdict.reasons
    if same:
        reasons += (f"With one baseline its maps are those of {same}: no second opinion.",)
    return Badge(f"{SIGNS[verdict.trusted]} {verdict.words}", reasons, verdict.trusted is False)


def _unscored(why: str) -> Badge:
    return Badge(UNSCORED, (why,))


def _as_scored(request: MapRequest) -> bool:
    """Whether a map was asked for in the way that the scorecards judge; any class may be asked."""
    method = methods()[request.method]
    usual = not method.uses_baseline or request.baseline == USUAL_BASELINE
    return usual and request.contrast_class is None and not request.layer and not request.settings


def _card_file(name: str) -> Path:
    from fermodels.xai.trust import scorecard_record

    return results.results_dir() / f"{scorecard_record.file_name(name)}.json"


@networks.cached_per_weights(max_entries=16, reads=_card_file)
def _card(name: str) -> Scorecard | None:
    from fermodels.xai.trust import scorecard_record

    return scorecard_record.read(name)


def explain(badges: Mapping[tuple[str, str], Badge], titles: Mapping[str, str]) -> None:
    """Say why each method got its badge, network by network.

    Args:
        badges: by network and method.
        titles: method -> what people call it.
    """
    with st.expander("Which maps are faithful? (scorecard)", icon=":material/verified:"):
        st.markdown(
            "Every method passed through the same checks on many faces. Its maps must differ "
            "between "
            "faces, between expressions and from those of a network with randomised weights, and "
            "removing their top pixels must hurt more than removing random pixels, edges, or those "
            "of one fixed map for all faces. A method passes or fails only where a figure's "
            "interval is "
            "clear."
        )
        for name in dict.fromkeys(name for name, _ in badges):
            of_name = {method: b for (other, method), b in badges.items() if other == name}
            st.markdown(f"**{plain(name)}**")
            if {b.words for b in of_name.values()} == {UNSCORED}:
                for why in dict.fromkeys(b.why for b in of_name.values()):
                    st.caption(plain(why))
                continue
            lines = []
            for method, badge in of_name.items():
                lines.append(f"- {badge.words}, **{titles[method]}**")
                lines += [f"    - {plain(reason, 600)}" for reason in badge.reasons]
            st.markdown("\n".join(lines))


def planted_cue(methods: Mapping[str, str]) -> str:
    """Say which methods found the mark that decides a network made for the purpose.

    Args:
        methods: name -> title.

    Returns:
        A sentence or two; empty where the question was never put to any of them.
    """
    from fermodels.xai.trust import planted_cue_record

    try:
        known = planted_cue_record.read()
    except CheckpointError as error:
        return str(error)
    scores = {} if known is None else {m: known.methods[m] for m in methods if m in known.methods}
    if not scores:
        return ""
    sentences = [
        f"{methods[name]} {CUE[one.verdict]} ({one.near.mean:.0%}, 95% {one.near.low:.0%} to "
        f"{one.near.high:.0%})"
        for name, one in scores.items()
    ]
    n = next(iter(scores.values())).near.n
    return (
        f"Planted cue: in a network that a small mark alone decides, the peak lies at the mark on "
        f"more than half of {n} faces? " + "; ".join(sentences) + "."
    )


CUE = {"finds": "yes", "misses": "no", "unclear": "unclear"}
