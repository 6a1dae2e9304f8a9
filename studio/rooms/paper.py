"""The Paper room: the ledger of the paper's claims, and where its figures are made again."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from fermodels import files, results
from fermodels.nets import catalog
from studio import navigation, networks, state
from studio.components import widgets
from studio.theme import asset

VERDICTS: dict[str, tuple[str, str]] = {
    "reproduced": ("✓", "#0f8a5f"),
    "mixed": ("≈", "#b7791f"),
    "not reproduced": ("✗", "#b83227"),
    "inconclusive": ("?", "#4a6fa5"),
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


def ledger() -> dict[str, Any]:
    """Return the claims as tested, and their provenance.

    Without a ledger the page says how to make one, and stops.
    """
    record = results.read_result("claims")
    if record is None:
        st.info(
            "**The claims have not been tested here yet.** One command tests them all:\n\n"
            "```\npython -m train.claims --data PATH\n```",
            icon=":material/fact_check:",
        )
        st.stop()
    if any("cautions" not in claim for claim in record["claims"]):
        st.info(
            "**The claims were tested by an earlier version,** whose verdicts were not what they "
            "are now. Test them again:\n\n```\npython -m train.claims --data PATH\n```",
            icon=":material/fact_check:",
        )
        st.stop()
    return record


def tally(claims: list[dict[str, Any]]) -> None:
    """Say how many claims got which verdict."""
    counts = Counter(str(claim["verdict"]) for claim in claims)
    for place, verdict in zip(st.columns(len(VERDICTS)), VERDICTS, strict=True):
        place.metric(f"{VERDICTS[verdict][0]} {verdict}", counts[verdict])


def choose(claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the claims with the verdicts asked for; the choice lives in the URL."""
    wanted = st.pills(
        "Verdict", list(VERDICTS), selection_mode="multi", key="verdict", **state.BOUND
    )
    return [claim for claim in claims if not wanted or claim["verdict"] in wanted]


def cards(claims: list[dict[str, Any]]) -> str:
    """Return the claims as HTML, one card each, for ``st.html``."""
    body = "".join(_card(claim) for claim in claims)
    return f'<style>{asset("claims.css")}</style><div class="claims">{body}</div>'


def _card(claim: dict[str, Any]) -> str:
    sign, tone = VERDICTS[claim["verdict"]]
    measures = "".join(_measure(one) for one in claim["measures"])
    heads = "".join(f"<th>{head}</th>" for head in HEADS)
    table = f'<div class="wide"><table><tr>{heads}</tr>{measures}</table></div>' if measures else ""
    sources = ", ".join(f"<code>{escape(str(source))}</code>" for source in claim["sources"])
    cautions = "".join(f"<li>{escape(caution)}</li>" for caution in claim["cautions"])
    return (
        f'<section class="claim" style="--tone:{tone}">'
        f"<h3>{claim['number']}. {escape(claim['sentence'])}</h3>"
        f'<div class="said"><span class="verdict">{sign} {escape(claim["verdict"])}</span>'
        f"<span>{escape(claim['where'])}; the paper: {escape(claim['reported'])}</span></div>"
        f"<p>{escape(claim['why'])}</p>{f'<ul>{cautions}</ul>' if cautions else ''}"
        f"<details><summary>How it was tested</summary><p>{escape(claim['statistic'])}. "
        f"<b>Rule:</b> {escape(claim['rule'])}</p>{table}"
        f"{f'<p>From {sources}</p>' if sources else ''}</details></section>"
    )


HEADS = ("measured", "split", "recipe", "seeds", "value", "interval or p", "n", "meets the rule")
"""What the table of a claim's measures shows of each."""

MET = {True: "yes", False: "no", None: "cannot be told"}


def _measure(one: dict[str, Any]) -> str:
    spread = []
    if one["interval"] is not None:
        low, high = one["interval"]
        spread.append(f"{100 * one['level']:.3g}%: {low:.4g} to {high:.4g}")
    if one["p_value"] is not None:
        spread.append(f"p = {one['p_value']:.2g}")
    cells = (
        escape(one["what"]), escape(one["split"] or "none"), escape(one["recipe"]),
        str(one["seeds"]), f"{one['value']:.4g}", ", ".join(spread) or "none", f"{one['n']:,}",
        MET[one["holds"]] if one["judged"] else "not judged",
    )  # fmt: skip
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def judged_recipes(claims: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Return recipe -> the claims whose verdict rests on networks trained by it."""
    by_recipe: dict[str, list[int]] = {}
    for claim in claims:
        for recipe in sorted({m["recipe"] for m in claim["measures"] if m["judged"]}):
            by_recipe.setdefault(recipe, []).append(claim["number"])
    return by_recipe


def by_recipe(claims: list[dict[str, Any]]) -> str:
    """Return in a sentence which claims were not judged on networks of the paper's recipe."""
    others = {r: numbers for r, numbers in judged_recipes(claims).items() if r != "paper"}
    if not others:
        return "The networks were trained here by the paper's recipe."
    exceptions = "; ".join(
        f"{_claims(numbers)} also or only on {recipe} networks"
        if recipe == "untrained"
        else f"{_claims(numbers)} on networks of the {recipe} recipe"
        for recipe, numbers in sorted(others.items())
    )
    return f"The networks were trained here by the paper's recipe, but for {exceptions}."


def _claims(numbers: list[int]) -> str:
    return f"claim{'s' if len(numbers) > 1 else ''} {' and '.join(map(str, numbers))}"


def as_table(claims: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row per claim, for a download."""
    columns = ("number", "sentence", "where", "reported", "verdict", "why", "statistic", "value")
    more = ("n", "split", "recipe", "seeds", "interval", "level", "p_value", "cautions")
    last = ("rule", "sources")
    return pd.DataFrame([{key: claim[key] for key in (*columns, *more, *last)} for claim in claims])


FILTERS = 17
"""The claim on what Figure 10 draws."""


def _drawn(claims: list[dict[str, Any]]) -> str:
    """Return whose weights the Filters room opens with, if the claim was judged on others'."""
    judged = [r for r, numbers in judged_recipes(claims).items() if FILTERS in numbers]
    name = networks.usual() if networks.names() else None
    if name is None or not judged:
        return ""
    recipe = str(files.read_json(catalog.find(name) / catalog.CONFIG)["recipe"])
    if recipe in judged:
        return ""
    return (
        f". The room opens with {name} of the {recipe} recipe; claim {FILTERS} judges filters of "
        f"the {' and '.join(judged)} recipe"
    )


def figures(claims: list[dict[str, Any]]) -> None:
    """Link each of the paper's figures to the room that makes it from our networks."""
    rooms = {room.file: room for group in navigation.open_rooms().values() for room in group}
    with st.container(horizontal=True, gap="small"):
        for number, what, file in FIGURES:
            if file not in rooms:
                continue
            with st.container(border=True, width=264):
                room = rooms[file]
                st.page_link(navigation.page(room), label=f"**{number}**", icon=room.icon)
                st.caption(what + (_drawn(claims) if number == "Figure 10" else ""))


def provenance(origin: dict[str, Any]) -> None:
    """Show what the ledger was computed from."""
    with st.expander("Provenance: seed, data, code and versions", icon=":material/fingerprint:"):
        st.code(
            f"made      {origin['created']}, seed {origin['seed']}\n"
            f"{widgets.origin_lines(origin)}\n"
            "command   python -m train.claims --data PATH",
            language=None,
            wrap_lines=True,
        )
