"""The Paper room: the ledger of the paper's claims, and where its figures are made again."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from fermodels.nets import shelf
from studio import app_pages, records, widgets

VERDICTS: dict[str, tuple[str, str]] = {
    "reproduced": ("✓", "#0f8a5f"),
    "mixed": ("≈", "#b7791f"),
    "not reproduced": ("✗", "#b83227"),
    "not testable yet": ("…", "#6b7280"),
}
"""Verdict -> sign and colour; the word always stands beside them."""

FIGURES: tuple[tuple[str, str, str], ...] = (
    ("Figure 1", "One example of each expression", "dataset"),
    ("Figures 3, 5, 7, 8", "Loss and accuracy while training", "training"),
    ("Figures 4, 6; Table 3", "Confusion matrices, accuracy per expression", "compare"),
    ("Figure 9", "Activation maps of the layers", "activations"),
    ("Figure 10", "Weights of the first layer", "filters"),
    ("Figure 11", "DeepDream, one face per expression", "deepdream"),
)
"""What the paper draws, and the room that draws it from our networks."""

STYLE = """
<style>
.claims { display: grid; gap: 12px; }
.claim { border: 1px solid rgba(128,128,128,.32); border-left: 5px solid var(--tone);
         border-radius: 8px; padding: 12px 16px; }
.claim h3 { font-size: 1.02rem; font-weight: 600; margin: 0; padding: 0; }
.claim .said { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: baseline;
               font-size: .9rem; margin: 4px 0 6px; }
.claim .verdict { font-weight: 600; }
.claim p { margin: 0; font-size: .95rem; }
.claim details { margin-top: 8px; font-size: .9rem; }
.claim summary { cursor: pointer; opacity: .85; }
.claim table { border-collapse: collapse; margin: 8px 0; font-variant-numeric: tabular-nums; }
.claim th, .claim td { text-align: left; padding: 3px 14px 3px 0; vertical-align: top;
                       border-bottom: 1px solid rgba(128,128,128,.2); }
.claim .wide { overflow-x: auto; }
</style>
"""


def ledger() -> dict[str, Any]:
    """Return the claims as tested, and their provenance.

    Without a ledger the page says how to make one, and stops.
    """
    found = shelf.read_result("claims")
    if found is None:
        st.info(
            "**The claims have not been tested here yet.** One command tests them all:\n\n"
            "```\npython -m train.claims --data PATH\n```",
            icon=":material/fact_check:",
        )
        st.stop()
    return found


def tally(claims: list[dict[str, Any]]) -> None:
    """Say how many claims got which verdict."""
    counts = Counter(str(claim["verdict"]) for claim in claims)
    for place, verdict in zip(st.columns(len(VERDICTS)), VERDICTS, strict=True):
        place.metric(f"{VERDICTS[verdict][0]} {verdict}", counts[verdict])


def choose(claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the claims with the verdicts asked for; the choice lives in the URL."""
    wanted = st.pills(
        "Verdict", list(VERDICTS), selection_mode="multi", key="verdict", **widgets.BOUND
    )
    return [claim for claim in claims if not wanted or claim["verdict"] in wanted]


def cards(claims: list[dict[str, Any]]) -> str:
    """Return the claims as HTML, one card each, for ``st.html``."""
    return f'{STYLE}<div class="claims">{"".join(_card(claim) for claim in claims)}</div>'


def _card(claim: dict[str, Any]) -> str:
    sign, tone = VERDICTS[claim["verdict"]]
    measures = "".join(_measure(one) for one in claim["measures"])
    table = (
        '<div class="wide"><table><tr><th>measured</th><th>value</th><th>95% interval or p</th>'
        f"<th>n</th><th>meets the rule</th></tr>{measures}</table></div>"
        if measures
        else ""
    )
    sources = ", ".join(f"<code>{escape(str(source))}</code>" for source in claim["sources"])
    return (
        f'<section class="claim" style="--tone:{tone}">'
        f"<h3>{claim['number']}. {escape(claim['sentence'])}</h3>"
        f'<div class="said"><span class="verdict">{sign} {escape(claim["verdict"])}</span>'
        f"<span>{escape(claim['where'])}; the paper: {escape(claim['reported'])}</span></div>"
        f"<p>{escape(claim['why'])}</p>"
        f"<details><summary>How it was tested</summary><p>{escape(claim['statistic'])}. "
        f"<b>Rule:</b> {escape(claim['rule'])}</p>{table}"
        f"{f'<p>From {sources}</p>' if sources else ''}</details></section>"
    )


def _measure(one: dict[str, Any]) -> str:
    spread = "none"
    if one["interval"] is not None:
        low, high = one["interval"]
        spread = f"{low:.4g} to {high:.4g}"
    if one["p_value"] is not None:
        spread = (
            f"{spread}, p = {one['p_value']:.2g}"
            if one["interval"]
            else f"p = {one['p_value']:.2g}"
        )
    return (
        f"<tr><td>{escape(one['what'])}</td><td>{one['value']:.4g}</td><td>{spread}</td>"
        f"<td>{one['n']:,}</td><td>{'yes' if one['holds'] else 'no'}</td></tr>"
    )


def as_table(claims: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row per claim, for a download."""
    columns = ("number", "sentence", "where", "reported", "verdict", "why", "statistic", "value")
    more = ("n", "interval", "p_value", "rule", "sources")
    return pd.DataFrame([{key: claim[key] for key in (*columns, *more)} for claim in claims])


def figures() -> None:
    """Link each of the paper's figures to the room that makes it from our networks."""
    rooms = {room.file: room for group in app_pages.open_rooms().values() for room in group}
    with st.container(horizontal=True, gap="small"):
        for number, what, file in FIGURES:
            if file not in rooms:
                continue
            with st.container(border=True, width=264):
                room = rooms[file]
                st.page_link(app_pages.page(room), label=f"**{number}**", icon=room.icon)
                st.caption(what)


def provenance(origin: dict[str, Any]) -> None:
    """Show what the ledger was computed from."""
    with st.expander("Provenance: seed, data, code and versions", icon=":material/fingerprint:"):
        st.code(
            f"made      {origin['created']}, seed {origin['seed']}\n"
            f"{records.origin_lines(origin)}\n"
            "command   python -m train.claims --data PATH",
            language=None,
            wrap_lines=True,
        )
