"""What the scorecard says of a method on a network: the badge that every map carries, and why.

The one place that knows how `fermodels.explain` states trust; a network that was not scored yet
gets a verdict of its own, in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from fermodels.errors import CheckpointError
from fermodels.nets import shelf
from studio import guests, models
from studio.plain import plain

if TYPE_CHECKING:
    from fermodels.explain.scorecard_record import Scorecard

SIGNS = {"trusted": "✓ trusted", "doubtful": "? doubtful", "fails": "✕ fails"}
UNSCORED = "○ not scored"


@dataclass(frozen=True)
class Verdict:
    """What the scorecard says of one method on one network."""

    words: str
    """Sign and word, for a badge."""
    why: str
    """One sentence."""
    fails: bool = False
    """Whether its maps are to be shown pale."""


def verdict(name: str, method: str) -> Verdict:
    """Return the scorecard's verdict on a method for a network; never a guess.

    Args:
        name: one of `models.choices()`.
        method: a name in METHODS.
    """
    if name in guests.mine():
        return Verdict(UNSCORED, f"{name} is yours; scorecards are made for bundled networks.")
    from fermodels.explain import scorecard_record

    command = f"`{scorecard_record.command(name)}`"
    try:
        card = _card(name)
    except CheckpointError as error:
        return Verdict("○ scorecard unreadable", str(error))
    if card is None:
        return Verdict(UNSCORED, f"{name} has no scorecard yet; {command} makes one.")
    if card.checkpoint_hash != models.weights_hash(name):
        why = f"{name}'s scorecard was made for other weights; {command} makes a new one."
        return Verdict(UNSCORED, why)
    if method not in card.methods:
        return Verdict(UNSCORED, f"{name}'s scorecard has no entry for {method} yet.")
    badge = card.badge(method)
    return Verdict(SIGNS[badge.level], badge.why, fails=badge.level == "fails")


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


def explain(names: Sequence[str], methods: Mapping[str, str]) -> None:
    """Say why each method got its verdict, once per network; `methods` is name -> title."""
    with st.expander("Which of these maps deserve belief?", icon=":material/verified:"):
        st.markdown(
            "Each method was put to the same tests on many faces: does the map add up, does it "
            "change when the network's weights are redrawn, and do the pixels it ranks first "
            "matter more to the network than random pixels or plain edges?"
        )
        for name in names:
            verdicts = {title: verdict(name, method) for method, title in methods.items()}
            st.markdown(f"**{plain(name)}**")
            if {v.words for v in verdicts.values()} == {UNSCORED}:
                st.caption(plain(next(iter(verdicts.values())).why))
                continue
            st.markdown(
                "\n".join(f"- {v.words}, **{t}**: {plain(v.why)}" for t, v in verdicts.items())
            )
