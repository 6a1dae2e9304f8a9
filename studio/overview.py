"""Home's cards: each network's accuracy with its interval, beside the paper's."""

from __future__ import annotations

from html import escape
from typing import Any

from fermodels.nets.paper import CITATION as CITATION
from fermodels.nets.paper import reported
from fermodels.nets.variants import VARIANTS
from studio import models

ETHICS = """
- **An expression is not an emotion.** A network names what a face looks like to the people who
  labelled the data, not what anybody feels.
- **The labels are noisy.** The ten raters of FER+ side with FER-2013's label on fewer than two
  faces in three, some test faces are exact copies of training faces, and who is pictured (age,
  skin, culture) was neither balanced nor recorded.
- **Not for decisions about people.** Not for hiring, teaching, policing, diagnosis or safety.
  In the EU, inferring emotions at work and in education is prohibited (AI Act, Article 5).
"""

STYLE = """
<style>
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 280px), 1fr));
         gap: 16px; }
.card { border: 1px solid rgba(128,128,128,.32); border-radius: 10px; padding: 16px 18px; }
.card h3 { font-size: 1.15rem; margin: 0; padding: 0; }
.card p { margin: 2px 0 12px; font-size: .9rem; opacity: .8; }
.card table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.card th { font-weight: 400; text-align: left; font-size: .9rem; opacity: .8; padding: 5px 0; }
.card td { text-align: right; padding: 5px 0; }
.card td b { font-size: 1.25rem; font-weight: 600; }
.card tr + tr > * { border-top: 1px solid rgba(128,128,128,.2); }
.card small { opacity: .8; font-size: .82rem; }
.bar { position: relative; height: 8px; border-radius: 4px; background: rgba(128,128,128,.18);
       margin: 2px 0 8px; }
.bar i { position: absolute; top: 0; bottom: 0; border-radius: 4px; background: #3b7dd8; }
.bar u { position: absolute; top: -3px; width: 2px; height: 14px; background: currentColor; }
</style>
"""


def cards(names: list[str]) -> str:
    """Return one card per checkpoint as HTML, for ``st.html``."""
    body = "".join(_card(name, models.metrics(name)) for name in names)
    return f'{STYLE}<div class="cards">{body}</div>'


def _card(name: str, metrics: dict[str, Any]) -> str:
    variant = VARIANTS.get(str(metrics["variant"]))
    summary = f"{variant.summary}; " if variant else ""
    learned = f"{metrics['recipe']} recipe, {metrics['epochs']} epochs"
    rows = "".join(_row(name, split, metrics[split]) for split in ("validation", "test"))
    return (
        f'<section class="card"><h3>{escape(name)}</h3>'
        f"<p>{escape(summary)}{metrics['parameters'] / 1e6:.2f} M parameters, "
        f"{escape(learned)}</p><table>{rows}</table></section>"
    )


def _row(name: str, split: str, scores: dict[str, Any]) -> str:
    low, high = (100 * end for end in scores["interval"])
    paper = reported(name, split)
    beside = f"<br><small>paper {paper:.0%}</small>" if paper is not None else ""
    mark = f'<u style="left:{paper * 100:.1f}%" title="paper"></u>' if paper is not None else ""
    return (
        f"<tr><th>{split}<br><small>n = {scores['n']:,}</small></th>"
        f"<td><b>{scores['accuracy']:.1%}</b> <small>[{low:.1f}, {high:.1f}]</small>{beside}"
        f'<div class="bar" aria-hidden="true"><i style="left:{low:.1f}%;'
        f'width:{high - low:.1f}%"></i>{mark}</div></td></tr>'
    )
