"""What the scorecard says of a method on a network: the badge that every map carries, and why.

The one place that knows how `fermodels.explain` states trust; a network that was not scored yet
gets a verdict of its own, in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from fermodels.errors import CheckpointError
from fermodels.nets import shelf
from studio import explanations, guests, models
from studio.explanations import Asked
from studio.plain import plain

if TYPE_CHECKING:
    from fermodels.explain.scorecard_record import Scorecard

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


def badge(name: str, asked: Asked) -> Badge:
    """Return the scorecard's verdict on a method for a network; never a guess.

    Args:
        name: one of `models.choices()`.
        asked: method, baseline, layer and options of the map that carries the badge.
    """
    if name in guests.mine():
        return _unscored(f"{name} is yours: `fermodels.judge` tries a method on it.")
    from fermodels.explain import scorecard_record

    command = f"`{scorecard_record.command(name)}`"
    try:
        card = _card(name)
    except CheckpointError as error:
        return _unscored(str(error))
    if card is None:
        return _unscored(f"{name} has no scorecard yet; {command} makes one.")
    if card.checkpoint_hash != models.weights_hash(name):
        return _unscored(
            f"{name}'s scorecard was made for other weights; {command} makes a new one."
        )
    if asked.method not in card.methods:
        return _unscored(f"{name}'s scorecard has no entry for {asked.method} yet.")
    if not _as_scored(asked):
        return _unscored(
            f"Scorecards judge usual settings; {asked.method} was asked with others, or with a "
            "contrast, a layer or a baseline of your choice."
        )
    found, same = card.verdict(asked.method), card.same_as(asked.method)
    reasons = found.reasons
    if same:
        reasons += (f"With one baseline its maps are those of {same}: no second opinion.",)
    return Badge(f"{SIGNS[found.trusted]} {found.words}", reasons, found.trusted is False)


def _unscored(why: str) -> Badge:
    return Badge(UNSCORED, (why,))


def _as_scored(asked: Asked) -> bool:
    """Whether a map was asked for in the way that the scorecards judge; any class may be asked."""
    method = explanations.methods()[asked.method]
    usual = not method.uses_baseline or asked.baseline == USUAL_BASELINE
    return usual and asked.contrast_class is None and not asked.layer and not asked.settings


def _card(name: str) -> Scorecard | None:
    """Return a network's scorecard, read again when its file changes."""
    from fermodels.explain import scorecard_record

    path = shelf.results_dir() / f"{scorecard_record.file_name(name)}.json"
    if not path.is_file():
        return scorecard_record.read(name)
    return _card_of(name, str(path), path.stat().st_mtime_ns)


@st.cache_resource(max_entries=16, show_spinner=False)
def _card_of(name: str, path: str, changed: int) -> Scorecard | None:
    from fermodels.explain import scorecard_record

    return scorecard_record.read(name)


def explain(badges: Mapping[tuple[str, str], Badge], titles: Mapping[str, str]) -> None:
    """Say why each method got its badge, network by network.

    Args:
        badges: by network and method.
        titles: method -> what people call it.
    """
    with st.expander("Which of these maps deserve belief?", icon=":material/verified:"):
        st.markdown(
            "Each method was put to the same checks on many faces. Its maps must differ between "
            "faces, between expressions and from those of networks with random weights, and their "
            "best pixels must matter more to the network than random pixels, than edges, and than "
            "one fixed map for all faces. It passes or fails only where a figure's interval "
            "leaves no doubt."
        )
        for name in dict.fromkeys(name for name, _ in badges):
            of_name = {method: b for (other, method), b in badges.items() if other == name}
            st.markdown(f"**{plain(name)}**")
            if {b.words for b in of_name.values()} == {UNSCORED}:
                for why in dict.fromkeys(b.why for b in of_name.values()):
                    st.caption(plain(why))
                continue
            lines = []
            for method, found in of_name.items():
                lines.append(f"- {found.words}, **{titles[method]}**")
                lines += [f"    - {plain(reason, 600)}" for reason in found.reasons]
            st.markdown("\n".join(lines))


def planted_cue(methods: Mapping[str, str]) -> str:
    """Say which methods found the mark that decides a network made for the purpose.

    Args:
        methods: name -> title.

    Returns:
        A sentence or two; empty where the question was never put to any of them.
    """
    from fermodels.explain import known_answer_record

    try:
        known = known_answer_record.read()
    except CheckpointError as error:
        return str(error)
    found = {} if known is None else {m: known.methods[m] for m in methods if m in known.methods}
    if not found:
        return ""
    said = [
        f"{methods[name]} {CUE[one.verdict]} ({one.near.mean:.0%}, 95% {one.near.low:.0%} to "
        f"{one.near.high:.0%})"
        for name, one in found.items()
    ]
    n = next(iter(found.values())).near.n
    return (
        f"Planted cue: in a network that a small mark alone decides, the peak lies at the mark on "
        f"more than half of {n} faces? " + "; ".join(said) + "."
    )


CUE = {"finds": "yes", "misses": "no", "unclear": "unclear"}
