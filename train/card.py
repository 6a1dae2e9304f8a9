"""The model card that travels with every checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fermodels.data.emotions import EMOTIONS
from fermodels.nets.calibration import FITTED_ON, leaning
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

{chosen}
The test split was scored once, with these weights, on one view of each face unless the row says
otherwise. Intervals are Wilson's. One network, one seed: another seed's can differ by
more than the intervals, which are over faces.

{sureness}

| expression | n (test) | accuracy | 95% interval |
|---|---|---|---|
{classes}

```python
import fermodels

model = fermodels.load("{variant}")          # or a folder, or "hub:owner/repo"
probabilities = model.predict(faces)         # uint8 (N, 48, 48) -> float32 (N, 7)
```

## What it is not

An expression is not an emotion, and other raters dispute many of FER-2013's labels. Not for
decisions about people.

## Provenance

Seed {seed}, data hash `{data_hash}`, code `{git_revision}`, torch {torch}, written {created}.
The code is under the MIT licence. FER-2013 was collected for research (Goodfellow et al. 2013);
its pictures are not part of this repository, and its terms apply to what you build from it.
"""


VIEWED = {"mirrored": "face and mirror image", "ten": "ten views"}
"""What averages over views are called."""
MARK = "<!-- train.card: {digest} -->\n"
"""Last line of a card: the hash of what stands above, so that an edited card is known as one."""


def _row(name: str, figures: dict[str, Any], tail: str = "") -> str:
    low, high = figures["interval"]
    accuracy = figures["accuracy"] if "accuracy" in figures else figures["share"]
    return f"| {name} | {figures['n']:,} | {accuracy:.1%} | {low:.1%} to {high:.1%} |{tail}"


def _rows(metrics: dict[str, Any]) -> Iterator[str]:
    for split in ("validation", "test"):
        yield _row(split, metrics[split], f" {metrics[split]['macro_f1']:.3f} |")
        if counted := metrics.get("without_copies"):
            yield _row(f"{split}, without copies of training faces", counted[split], " |")
        if viewed := metrics.get("views"):
            for key, title in VIEWED.items():
                yield _row(f"{split}, {title}", viewed[key][split], " |")


def chosen(metrics: dict[str, Any]) -> str:
    """Return in a sentence which epoch's weights were kept."""
    best, epochs = metrics["best_epoch"], metrics["epochs"]
    last = ", its last" if best == epochs else ""
    return f"The epoch kept ({best} of {epochs}{last}) was chosen on the validation split."


def sureness(metrics: dict[str, Any]) -> str:
    """Return in sentences which way a network errs in sureness, and what a temperature does."""
    found = metrics.get("calibration", {})
    if "gap_before" not in found.get(FITTED_ON, {}):
        return "How sure it is was not measured yet: `python -m train.calibrate` does."
    told = []
    for split in ("validation", "test"):
        part = found[split]
        told.append(
            f"On {split} it is {leaning(part)} (mean probability of its answer "
            f"{part['confidence_before']:.1%}, right {part['accuracy']:.1%})."
        )
    measured, used = found[FITTED_ON], found["temperature"] is not None
    told.append(
        f"Temperature {found['fitted_temperature']:.2f}, fitted on {FITTED_ON}, is "
        f"{'used' if used else 'not used, as it does not lower both'}: "
        f"calibration error {measured['ece_before']:.1%} to {measured['ece_after']:.1%}, "
        f"NLL {measured['nll_before']:.3f} to {measured['nll_after']:.3f} there "
        f"(test {found['test']['ece_before']:.1%} to {found['test']['ece_after']:.1%}, "
        f"{found['test']['nll_before']:.3f} to {found['test']['nll_after']:.3f})."
    )
    return "\n".join(told)


def model_card(identity: dict[str, Any], metrics: dict[str, Any]) -> str:
    """Return the card of a checkpoint as Markdown, every figure taken from its metrics."""
    origin = metrics["provenance"]
    text = _CARD.format(
        variant=identity["variant"],
        recipe=identity["recipe"],
        parameters=metrics["parameters"],
        rows="\n".join(_rows(metrics)),
        classes="\n".join(_row(name, metrics["test"]["per_class"][name]) for name in EMOTIONS),
        chosen=chosen(metrics),
        sureness=sureness(metrics),
        torch=origin["versions"]["torch"],
        **{
            key: origin[key]
            for key in ("data_name", "seed", "data_hash", "git_revision", "created")
        },
    )
    return text + MARK.format(digest=_digest(text))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def as_written(text: str) -> bool:
    """Return whether a card ends with the mark of what stands above it: nobody edited it."""
    above, mark, _ = text.rpartition(MARK.split("{", maxsplit=1)[0])
    return bool(mark) and text == above + MARK.format(digest=_digest(above))


def not_the_card(identity: dict[str, Any], metrics: dict[str, Any]) -> Objection:
    """Object to all but a card as `model_card` writes it, now or in another version."""
    written = model_card(identity, metrics)  # now: the metrics may gain figures later

    def objection(path: Path) -> str | None:
        text = path.read_text("utf-8", "replace") if path.is_file() else ""
        return None if as_written(text) or text == written else "is not as we wrote it"

    return objection
