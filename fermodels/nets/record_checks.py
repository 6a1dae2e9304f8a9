"""What a checkpoint's records must say: checked once, where they are read, for every page.

A record that came with a stranger's network may hold anything. What passes here can be drawn; what
does not is one sentence. Keys and columns that no one reads are let through or left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fermodels.data.dataset import SPLITS
from fermodels.data.emotions import EMOTIONS, PROBABILITY_COLUMNS
from fermodels.errors import CheckpointError
from fermodels.files import REMEDY
from fermodels.nets.config import MAX_LAYERS, MAX_WIDTH

if TYPE_CHECKING:
    import pyarrow as pa

CLASSES = len(EMOTIONS)
LONGEST_TEXT = 200
MOST_EPOCHS = 10_000
LAYER_NAME = re.compile(r"[A-Za-z0-9_.]{1,60}")
LARGEST_WEIGHT = 1e6
SUM_TOLERANCE = 0.01
"""How far seven probabilities may be from a sum of 1."""
ROUNDING = 1e-3
"""How far a share may be outside of 0 to 1."""

Count = Annotated[int, Field(ge=0, le=10**15)]
Positive = Annotated[int, Field(ge=1, le=10**15)]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0, le=1e15)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
Interval = Annotated[list[Share], Field(min_length=2, max_length=2)]
_Row = Annotated[list[Count], Field(min_length=CLASSES, max_length=CLASSES)]


class _Strict(BaseModel):
    """No text for numbers, no numbers for booleans, nothing that is not finite."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Scored(_Strict):
    """Of `n` faces, so many right."""

    n: Count
    correct: Count
    accuracy: Share
    interval: Interval


class _PerClass(_Scored):
    precision: Share
    f1: Share


class _Split(_Scored):
    """See `fermodels.evaluation.metrics.score`."""

    n: Positive
    macro_f1: Share
    confusion_matrix: Annotated[list[_Row], Field(min_length=CLASSES, max_length=CLASSES)]
    per_class: dict[str, _PerClass]

    @model_validator(mode="after")
    def _adds_up(self) -> _Split:
        if missing := [name for name in EMOTIONS if name not in self.per_class]:
            raise ValueError(f"per_class lacks {', '.join(missing)}")
        total = sum(map(sum, self.confusion_matrix))
        if total != self.n or self.correct > self.n:
            raise ValueError(f"the confusion matrix holds {total:,} faces of {self.n:,}")
        return self


class _Views(_Strict):
    validation: _Scored
    test: _Scored


class _AllViews(_Strict):
    mirrored: _Views
    ten: _Views


class _Sanity(_Strict):
    initial_loss: Amount
    expected_initial_loss: Amount
    overfit_accuracy: Share
    overfit_faces: Count
    overfit_steps: Count


class _Provenance(_Strict):
    seed: int
    data_name: Text
    data_hash: Text
    git_revision: Text
    versions: Annotated[dict[Text, Text], Field(max_length=100)]
    created: Text


_ABSENT: Any = None


class _Metrics(_Strict):
    """See `train.export`; what is absent is not null, and missed only by who asks for it."""

    variant: Text = ""
    recipe: Text = ""
    parameters: Positive = 1
    best_epoch: Positive = 1
    epochs: Positive = 10**15
    training_seconds: Amount = 0
    images_per_second: Amount = 0
    sanity: _Sanity = _ABSENT
    provenance: _Provenance = _ABSENT
    validation: _Split = _ABSENT
    test: _Split = _ABSENT
    views: _AllViews = _ABSENT

    @model_validator(mode="after")
    def _best_epoch_exists(self) -> _Metrics:
        if self.best_epoch > self.epochs:
            raise ValueError(f"best_epoch is {self.best_epoch} of {self.epochs} epochs")
        return self


class Metrics(dict[str, Any]):
    """What ``metrics.json`` holds; an entry that it lacks is one sentence."""

    called = "metrics.json"

    def __missing__(self, key: str) -> Any:
        raise CheckpointError(f"{self.called} has no {key!r}: expected what train.run writes")


def check_metrics(metrics: Mapping[str, Any], called: str) -> Metrics:
    """Return what ``metrics.json`` says, each entry in the types and ranges of `train.export`.

    Args:
        metrics: what the file holds.
        called: what errors call it.

    Raises:
        CheckpointError: naming the entry and the value seen.
    """
    try:
        _Metrics.model_validate(dict(metrics))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        shown = "" if first["type"] in ("missing", "value_error") else f" (seen: {_shown(first)})"
        raise CheckpointError(
            f"{called}: {place[:80]}: {first['msg'][:120]}{shown}; {REMEDY}"
        ) from None
    checked = Metrics(metrics)
    checked.called = called
    return checked


def _shown(first: Mapping[str, Any]) -> str:
    return repr(first["input"])[:40]


def _counts(values: pd.Series) -> bool:
    """Whether these are whole numbers from 0, none missing."""
    numbers = values.to_numpy(float)
    return bool((np.isfinite(numbers) & (numbers >= 0) & (numbers == np.round(numbers))).all())


def _numbers(values: pd.Series) -> bool:
    """Whether these are numbers; one that was never finite is a fact about a training run."""
    return True


def _shares(values: pd.Series) -> bool:
    """Whether these are shares, or missing."""
    numbers = values.to_numpy(float)
    inside = (numbers >= -ROUNDING) & (numbers <= 1 + ROUNDING)
    return bool((inside | np.isnan(numbers)).all())


def _texts(values: pd.Series) -> bool:
    return not values.isna().any() and bool((values.str.len() <= LONGEST_TEXT).all())


def _probabilities(values: pd.Series) -> bool:
    return _shares(values) and not values.isna().any()


Check = Callable[[pd.Series], bool]
WORDS: dict[Check, str] = {
    _counts: "whole numbers from 0",
    _numbers: "numbers",
    _shares: "numbers from 0 to 1",
    _texts: f"text of at most {LONGEST_TEXT} characters",
    _probabilities: "numbers from 0 to 1",
}
"""What an error says was expected."""

PREDICTIONS: dict[str, Check] = {
    "split": _texts,
    "sample_id": _texts,
    "label": _counts,
    **dict.fromkeys(PROBABILITY_COLUMNS, _probabilities),
}
"""The columns of predictions."""

STEPS: dict[str, Check] = {"step": _counts, "epoch": _counts, "loss": _numbers, "accuracy": _shares}
"""Columns that each training step has."""
EPOCHS: dict[str, Check] = {
    "epoch": _counts,
    "train_loss": _numbers,
    "validation_loss": _numbers,
    "train_clean_accuracy": _shares,
    "validation_accuracy": _shares,
}
"""Columns that each epoch has, besides `LAYERS` and what is measured of each."""
MORE: dict[str, Check] = {
    "learning_rate": _numbers,
    "gradient_norm": _numbers,
    "train_accuracy": _shares,
}
"""Columns that either may have."""
LAYERS, NAMES = "layers", "weight_names"
PER_LAYER = ("sparsity", "entropy")
PER_WEIGHT = ("weight_norms", "gradient_norms")
CONFUSION, FILTERS, SHAPE = "confusion_matrix", "filters", "filters_shape"
LISTS = (LAYERS, *PER_LAYER, NAMES, *PER_WEIGHT, CONFUSION, FILTERS, SHAPE)
"""Columns whose cells are lists; those from NAMES on may be absent."""
KIND = "kind"
HISTORY = (KIND, *(STEPS | EPOCHS | MORE), *LISTS)
"""Every column of a history that is read."""


def check_schema(wanted: Sequence[str], schema: pa.Schema, called: str) -> list[str]:
    """Return the wanted columns that a table has, once each is of the right type.

    Args:
        wanted: columns of `HISTORY` or `PREDICTIONS`.
        schema: the table's.
        called: what the error calls the table.

    Raises:
        CheckpointError: text for numbers, nested lists, dates and the like.
    """
    import pyarrow.types as kinds

    present = [name for name in wanted if name in schema.names]
    for name in present:
        kind = schema.field(name).type
        one = kind
        if name in LISTS:
            listed = kinds.is_list(kind) or kinds.is_large_list(kind)
            one = kind.value_type if listed else None
        text = name in (KIND, "split", "sample_id", LAYERS, NAMES)
        if one is None or not (kinds.is_null(one) or _is_text(one) if text else _is_number(one)):
            what = f"{'lists of ' if name in LISTS else ''}{'text' if text else 'numbers'}"
            raise CheckpointError(
                f"{called}: column {name!r} is {str(kind)[:60]}: expected {what}; {REMEDY}"
            )
    return present


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_string(kind) or kinds.is_large_string(kind))


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow.types as kinds

    return bool(kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_null(kind))


def check_predictions(table: pd.DataFrame, called: str) -> None:
    """Raise unless every row is a face of a known split, once, with a label and probabilities.

    Args:
        table: of the columns `PREDICTIONS`.
        called: what the error calls it.

    Raises:
        CheckpointError: naming the column and a value seen.
    """
    _check_columns(table, PREDICTIONS, called)
    wrong = sorted(set(table["split"].unique()) - set(SPLITS))
    _require(not wrong, called, f"split is {str(wrong[:1])[:60]}: expected {', '.join(SPLITS)}")
    for split in ("validation", "test"):
        _require(bool((table["split"] == split).any()), called, f"it has no {split} face")
    most = int(table["label"].max())
    _require(most < CLASSES, called, f"label is {most}: expected 0 to {CLASSES - 1}")
    sums = table[PROBABILITY_COLUMNS].to_numpy(float).sum(1)
    furthest = float(sums[np.abs(sums - 1).argmax()])
    _require(
        abs(furthest - 1) <= SUM_TOLERANCE, called, f"a row's probabilities sum to {furthest:.3g}"
    )
    twice = table["sample_id"][table["sample_id"].duplicated()]
    _require(len(twice) == 0, called, f"{twice.head(1).tolist()} has several rows: expected one")


def check_history(steps: pd.DataFrame, epochs: pd.DataFrame, called: str) -> None:
    """Raise unless every step and epoch can be drawn.

    Args:
        steps: one row per training step.
        epochs: one row per epoch.
        called: what the error calls the history.

    Raises:
        CheckpointError: naming the column.
    """
    _check_columns(steps, STEPS, called)
    _check_columns(epochs, EPOCHS, called)
    for table in (steps, epochs):
        _check_columns(table, {name: MORE[name] for name in MORE if name in table}, called)
    numbers = epochs["epoch"].to_numpy(float)
    increasing = numbers[0] >= 1 and bool((np.diff(numbers) > 0).all())
    _require(increasing, called, "its epochs do not count upwards from 1")
    _require(len(epochs) <= MOST_EPOCHS, called, f"it has more than {MOST_EPOCHS:,} epochs")
    missing = [name for name in (LAYERS, *PER_LAYER) if name not in epochs]
    _require(not missing, called, f"its epochs lack {', '.join(missing)}")
    _check_layers(epochs, called)
    _check_matrices(epochs, called)
    _check_filters(epochs, called)


def _check_columns(table: pd.DataFrame, checks: Mapping[str, Check], called: str) -> None:
    missing = [name for name in checks if name not in table]
    _require(not missing, called, f"it lacks {', '.join(missing)}")
    _require(len(table) > 0, called, "it has no rows")
    for name, passes in checks.items():
        if not passes(table[name]):
            raise CheckpointError(
                f"{called}: column {name!r} holds other values than {WORDS[passes]}; {REMEDY}"
            )


def _require(ok: bool, called: str, fault: str) -> None:
    if not ok:
        raise CheckpointError(f"{called}: {fault}; {REMEDY}")


def _lists(epochs: pd.DataFrame, name: str, length: int | None, called: str) -> NDArray[Any]:
    """Return a column's cells as rows, once each is a list of that length (of one, if None)."""
    cells = epochs[name].tolist()
    lengths = {len(cell) if isinstance(cell, np.ndarray) else -1 for cell in cells}
    wanted = "as many in each epoch" if length is None else f"{length} in each epoch"
    fine = len(lengths) == 1 and -1 not in lengths and length in (None, *lengths)
    _require(fine, called, f"column {name!r} is no list of values, {wanted}")
    return np.stack(cells)


def _check_layers(epochs: pd.DataFrame, called: str) -> None:
    """See that what is measured of layers and weights has one value for each, all along."""
    for names, measured in ((LAYERS, PER_LAYER), (NAMES, PER_WEIGHT)):
        if names not in epochs:
            continue
        stored = _lists(epochs, names, None, called)
        most = MAX_LAYERS if names == LAYERS else 4 * MAX_LAYERS
        fine = 1 <= stored.shape[1] <= most and bool((stored == stored[0]).all())
        fine = fine and all(isinstance(n, str) and LAYER_NAME.fullmatch(n) for n in stored[0])
        _require(fine, called, f"column {names!r} is not the same 1 to {most} names throughout")
        for column in [name for name in measured if name in epochs]:
            values = _lists(epochs, column, stored.shape[1], called)
            fine = names == NAMES or _shares(pd.Series(values.ravel(), dtype=float))
            _require(fine, called, f"column {column!r} holds other values than numbers from 0 to 1")


def _check_matrices(epochs: pd.DataFrame, called: str) -> None:
    if CONFUSION in epochs:
        cells = pd.Series(_lists(epochs, CONFUSION, CLASSES**2, called).ravel(), dtype=float)
        _require(_counts(cells), called, f"column {CONFUSION!r} holds other values than counts")


def _check_filters(epochs: pd.DataFrame, called: str) -> None:
    """See that the first layer's kernels are finite and of one shape, (filters, 1, k, k)."""
    if FILTERS not in epochs and SHAPE not in epochs:
        return
    _require(FILTERS in epochs and SHAPE in epochs, called, f"{FILTERS} and {SHAPE} go together")
    shapes = _lists(epochs, SHAPE, 4, called).astype(float)
    count, channels, rows, columns = shapes[0]
    fine = bool((shapes == shapes[0]).all()) and _counts(pd.Series(shapes[0]))
    fine = fine and channels == 1 and 1 <= count <= MAX_WIDTH and 1 <= rows == columns <= 15
    _require(fine, called, f"column {SHAPE!r} is {shapes[0]}: expected (filters, 1, side, side)")
    kernels = _lists(epochs, FILTERS, int(shapes[0].prod()), called).astype(float)
    fine = bool((np.abs(kernels) <= LARGEST_WEIGHT).all())
    _require(fine, called, f"column {FILTERS!r} holds values that are not finite, or absurd")
