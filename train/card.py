"""The model card that travels with every checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fermodels.data.emotions import EMOTIONS
from fermodels.nets.files import Objection

_CARD = """---
license: mit
library_name: fermodels
pipeline_tag: image-classification
tags: [facial-expression-recognition, fer2013, {variant}]
---

# {variant} ({recipe} recipe)

A convolutional network that names one of seven facial expressions on a 48x48 grey face.
{parameters:,} parameters, trained from scratch on {data_name}.

| split | n | accuracy | 95% interval | macro-F1 |
|---|---|---|---|---|
{rows}

The epoch ({best_epoch} of {epochs}) was chosen on the validation split; the test split was
scored once, with these weights, on one view of each face unless the row says otherwise. Intervals
are Wilson's.

| expression | n (test) | accuracy | 95% interval |
|---|---|---|---|
{classes}

```python
import fermodels

model = fermodels.load("{variant}")          # or a folder, or "hub:owner/repo"
probabilities = model.predict(faces)         # uint8 (N, 48, 48) -> float32 (N, 7)
```

## What it is not

An expression is not an emotion, and FER-2013's labels are disputed by other raters on more than
a third of its faces. Not for decisions about people.

## Provenance

Seed {seed}, data hash `{data_hash}`, code `{git_revision}`, torch {torch}, written {created}.
The code is under the MIT licence. FER-2013 was collected for research (Goodfellow et al. 2013);
its pictures are not part of this repository, and its terms apply to what you build from it.
"""


VIEWED = {"mirrored": "test, face and mirror image", "ten": "test, ten views"}
"""What averages over views are called."""


def _row(name: str, figures: dict[str, Any], tail: str = "") -> str:
    low, high = figures["interval"]
    return (
        f"| {name} | {figures['n']:,} | {figures['accuracy']:.1%} | {low:.1%} to {high:.1%} |{tail}"
    )


def model_card(identity: dict[str, Any], metrics: dict[str, Any]) -> str:
    """Return the card of a checkpoint as Markdown, every figure taken from its metrics."""
    origin = metrics["provenance"]
    rows = [
        _row(name, metrics[name], f" {metrics[name]['macro_f1']:.3f} |")
        for name in ("validation", "test")
    ]
    if viewed := metrics.get("views"):
        rows += [_row(title, viewed[key]["test"], " |") for key, title in VIEWED.items()]
    classes = [_row(name, metrics["test"]["per_class"][name]) for name in EMOTIONS]
    return _CARD.format(
        variant=identity["variant"],
        recipe=identity["recipe"],
        parameters=metrics["parameters"],
        rows="\n".join(rows),
        classes="\n".join(classes),
        best_epoch=metrics["best_epoch"],
        epochs=metrics["epochs"],
        torch=origin["versions"]["torch"],
        **{
            key: origin[key]
            for key in ("data_name", "seed", "data_hash", "git_revision", "created")
        },
    )


def not_the_card(identity: dict[str, Any], metrics: dict[str, Any]) -> Objection:
    """Object to all but the card as `model_card` writes it: another was edited by somebody."""
    written = model_card(identity, metrics)  # now: the metrics may gain figures later

    def objection(path: Path) -> str | None:
        same = path.is_file() and path.read_text("utf-8", "replace") == written
        return None if same else "is not as we wrote it"

    return objection
