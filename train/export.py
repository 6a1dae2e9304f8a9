"""A finished run becomes a checkpoint: weights, figures, history, predictions and card."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fermodels.data.dataset import FaceDataset
from fermodels.data.emotions import EMOTIONS, PROBABILITY_COLUMNS
from fermodels.evaluation.calibration import FITTED_ON, calibrate, leaning
from fermodels.evaluation.metrics import score
from fermodels.files import Objection
from fermodels.nets import catalog, checkpoint
from fermodels.nets.fernet import FERNet
from train.state import Progress

# --- The model card that travels with every checkpoint


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
MARK = "<!-- train.export: {digest} -->\n"
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


def calibration_sentences(metrics: dict[str, Any]) -> str:
    """Return in sentences which way a network errs in sureness, and what a temperature does."""
    calibration = metrics.get("calibration", {})
    if "gap_before" not in calibration.get(FITTED_ON, {}):
        return "How sure it is was not measured yet: `python -m train.calibrate` does."
    sentences = []
    for split in ("validation", "test"):
        part = calibration[split]
        sentences.append(
            f"On {split} it is {leaning(part)} (mean probability of its answer "
            f"{part['confidence_before']:.1%}, right {part['accuracy']:.1%})."
        )
    measured, used = calibration[FITTED_ON], calibration["temperature"] is not None
    sentences.append(
        f"Temperature {calibration['fitted_temperature']:.2f}, fitted on {FITTED_ON}, is "
        f"{'used' if used else 'not used, as it does not lower both'}: "
        f"calibration error {measured['ece_before']:.1%} to {measured['ece_after']:.1%}, "
        f"NLL {measured['nll_before']:.3f} to {measured['nll_after']:.3f} there "
        f"(test {calibration['test']['ece_before']:.1%} to {calibration['test']['ece_after']:.1%}, "
        f"{calibration['test']['nll_before']:.3f} to {calibration['test']['nll_after']:.3f})."
    )
    return "\n".join(sentences)


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
        sureness=calibration_sentences(metrics),
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


SCORED = ("validation", "test")
Card = Callable[[dict[str, Any], dict[str, Any]], str]
"""``(identity, metrics)`` -> the text of a checkpoint's card."""


def predictions_of(net: FERNet, faces: FaceDataset) -> pd.DataFrame:
    """Return split, sample_id, label and seven probabilities for validation and test faces."""
    tables = []
    for name in SCORED:
        part = faces.split(name)
        table = pd.DataFrame({"split": name, "sample_id": part.ids, "label": part.labels})
        probabilities = pd.DataFrame(net.predict(part.images), columns=PROBABILITY_COLUMNS)
        tables.append(pd.concat([table, probabilities], axis=1))
    return pd.concat(tables, ignore_index=True)


def figures_of(predictions: pd.DataFrame) -> dict[str, Any]:
    """Return what the metrics say of stored predictions: each split's figures and calibration.

    Args:
        predictions: as `predictions_of` makes them.
    """
    pairs = {}
    for name in SCORED:
        rows = predictions[predictions["split"] == name]
        pairs[name] = rows["label"].to_numpy(), rows[PROBABILITY_COLUMNS].to_numpy()
    scores: dict[str, Any] = {name: score(*pair) for name, pair in pairs.items()}
    return {**scores, "calibration": calibrate(pairs)}


def half_precision_copy(net: FERNet, progress: Progress) -> FERNet:
    """Return the kept weights as a loaded checkpoint will have them: through float16 and back."""
    rounded_net = FERNet(net.config)
    rounded_net.load_state_dict(progress.best_weights)
    rounded = {
        k: v.to(rounded_net.state_dict()[k].dtype)
        for k, v in checkpoint.half_weights(rounded_net).items()
    }
    rounded_net.load_state_dict(rounded)
    return rounded_net.eval()


def export(
    folder: Path,
    net: FERNet,
    faces: FaceDataset,
    progress: Progress,
    identity: dict[str, Any],
    about: dict[str, Any],
    card: Card = model_card,
    objection: Objection = checkpoint.any_checkpoint,
) -> dict[str, Any]:
    """Score validation and test once, on the weights as stored, and write the checkpoint.

    Args:
        folder: where the checkpoint goes.
        net: the trained network (its config; the kept weights come from `progress`).
        faces: all splits.
        progress: the finished run.
        identity: variant, recipe name and settings, for ``config.json``.
        about: sanity checks and provenance, for ``metrics.json``.
        card: writes ``README.md`` from identity and metrics.
        objection: whether an earlier checkpoint may be replaced, see `checkpoint.save`.

    Returns:
        The metrics, as written.
    """
    shipped = half_precision_copy(net, progress)
    predictions = predictions_of(shipped, faces)
    metrics: dict[str, Any] = {
        "variant": identity["variant"],
        "recipe": identity["recipe"],
        "parameters": shipped.parameter_count,
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "training_seconds": progress.seconds,
        "images_per_second": _rate(progress, identity),
        **about,
    }
    metrics |= figures_of(predictions)
    history = catalog.History(pd.DataFrame(progress.steps), pd.DataFrame(progress.epochs))
    text = card(identity, metrics)
    checkpoint.save(folder, shipped, identity, metrics, history, predictions, text, objection)
    return metrics


def _rate(progress: Progress, identity: dict[str, Any]) -> float:
    faces = len(progress.steps) * int(identity["training"]["batch_size"])
    return faces / progress.step_seconds
