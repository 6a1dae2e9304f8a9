"""Home's cards: accuracy with its interval, and by the paper's recipe beside the paper's."""

from __future__ import annotations

from html import escape
from typing import Any

from fermodels import results
from fermodels.evaluation.paper import CITATION as CITATION
from fermodels.evaluation.paper import reported
from fermodels.nets import catalog
from fermodels.nets.variants import VARIANTS
from studio import networks
from studio.theme import asset

SPLITS = ("validation", "test")
PAPERS = "paper"
"""The recipe that follows the paper."""
RECIPES = {
    "paper": ("paper's recipe", "As the paper describes it."),
    "strong": (
        "modern recipe",
        "The paper's layers, trained with more augmentation, label smoothing, warm-up and averaged "
        "weights (EMA), chosen on validation; --recipe strong in the commands.",
    ),
}
"""Recipe -> its name on a card, and what hovering explains."""

ETHICS = """
- **An expression is not an emotion.** A network names what a face looks like to the people who
  labelled the data, not what anybody feels.
- **The labels are noisy.** {raters} Some test faces are exact copies of training faces, and who is
  pictured (age, skin, culture) was neither balanced nor recorded.
- **Not for decisions about people.** Not for hiring, teaching, policing, diagnosis or safety.
  In the EU, inferring emotions from biometric data at work and in education is prohibited, except
  for medical or safety reasons (AI Act, Article 5(1)(f)); where it is not, the people exposed must
  be told (Article 50(3)). This is no legal advice.
"""


def ethics() -> str:
    """Return what to know before use, with how often FER+'s raters side with the labels."""
    votes = results.read_result("label_votes")
    raters = "Other raters dispute many of them."
    if votes is not None:
        with results.complete("results/label_votes.json", "python -m train.labels --data PATH"):
            test = votes["test"]
            raters = (
                f"Where more than half of FER+'s ten raters name one expression "
                f"({test['with_majority']:,} of {test['faces']:,} test faces), FER-2013's label "
                f"is that one on {test['labels']['share']:.1%}."
            )
    return ETHICS.format(raters=raters)


def cards(names: list[str]) -> str:
    """Return one card per checkpoint as HTML, for ``st.html``."""
    body = "".join(_card(name, networks.metrics(name)) for name in names)
    return f'<style>{asset("cards.css")}</style><div class="cards">{body}</div>'


def _card(name: str, metrics: dict[str, Any]) -> str:
    variant = VARIANTS.get(str(metrics["variant"]))
    summary = f"{variant.summary}; " if variant else ""
    best, epochs = metrics["best_epoch"], metrics["epochs"]
    weights = "the last kept" if best == epochs else f"epoch {best} kept"
    recipe, about = RECIPES.get(metrics["recipe"], (f"{metrics['recipe']} recipe", ""))
    theirs = metrics["recipe"] == PAPERS
    rows = "".join(_row(s, metrics[s], reported(name, s) if theirs else None) for s in SPLITS)
    if counted := metrics.get("without_copies"):
        rows += _row(
            "test without copies", counted["test"] | {"accuracy": counted["test"]["share"]}
        )
    return (
        f'<section class="card"><h3>{escape(name)}</h3>'
        f"<p>{escape(summary)}{metrics['parameters'] / 1e6:.2f} M parameters, "
        f'<span title="{escape(about)}">{escape(recipe)}</span>, {epochs} epochs, {weights}</p>'
        f"<table>{rows}{'' if theirs else _by_the_papers(name)}</table>"
        "</section>"
    )


def _by_the_papers(name: str) -> str:
    """Return the rows of the same network trained by the paper's recipe, beside the paper's."""
    folder = catalog.paper_run(name)
    if folder is None:
        return ""
    metrics = catalog.read_metrics(folder)
    rows = "".join(_row(split, metrics[split], reported(name, split)) for split in SPLITS)
    return f'<tr><th colspan="2"><b>By the paper\'s recipe</b></th></tr>{rows}'


def _row(title: str, scores: dict[str, Any], paper: float | None = None) -> str:
    low, high = (100 * end for end in scores["interval"])
    beside = f"<br><small>paper {paper:.0%}</small>" if paper is not None else ""
    mark = f'<u style="left:{paper * 100:.1f}%" title="paper"></u>' if paper is not None else ""
    return (
        f"<tr><th>{title}<br><small>n = {scores['n']:,}</small></th>"
        f"<td><b>{scores['accuracy']:.1%}</b> <small>[{low:.1f}, {high:.1f}]</small>{beside}"
        f'<div class="bar" aria-hidden="true"><i style="left:{low:.1f}%;'
        f'width:{high - low:.1f}%"></i>{mark}</div></td></tr>'
    )
