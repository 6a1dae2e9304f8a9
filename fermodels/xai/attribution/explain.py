"""Which pixels made the model say that? `explain` asks any method of METHODS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import fermodels
from fermodels.errors import ConfigError, DataError
from fermodels.nets.fernet import to_pixels
from fermodels.xai.attribution.baselines import BASELINES as BASELINES
from fermodels.xai.attribution.baselines import BaselineLike, baseline_faces
from fermodels.xai.attribution.registry import METHODS, Method, Number
from fermodels.xai.attribution.request import ClassLike, Parts, ask, class_indices, directions_of
from fermodels.xai.model_access import check_layer, locked_copy, target_layer

CHUNK = 32
"""Faces explained at a time, which bounds memory."""

DOUBTFUL = 0.05
"""Completeness or path error above which a note warns."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Attributions of N faces and everything needed to make them again."""

    attribution: NDArray[np.float32]
    """``(N, 48, 48)``: what each pixel contributed, in the method's own unit; never rescaled."""
    target_class: NDArray[np.int64]
    """``(N,)``: the class that was explained."""
    contrast_class: NDArray[np.int64] | None
    """``(N,)``: the class it was contrasted with, if any."""
    logits: NDArray[np.float32]
    """``(N, 7)``: what the model answered."""
    completeness_error: NDArray[np.float32] | None
    """``(N,)``: |sum of attribution - drop| / |drop|, where drop = score(face) - score(baseline);
    None for methods that promise no such sum. Positive and negative misses cancel in it."""
    path_error: NDArray[np.float32] | None
    """``(N,)``: how far the map may be from the exact path integral: the sum of pixels' absolute
    errors over the map's absolute sum. An estimate with a margin, not a proof: twice the error
    expected of the differences between neighbouring points, see `path_integrals`.
    None for methods without a path."""
    parts: dict[str, NDArray[np.float32]]
    """For hybrids the branches ``conv`` and ``hog``, each ``(N, 48, 48)``; else empty."""
    method: str
    baseline: str | None
    """The baseline's name, ``"array"``, or None if the method looks at none."""
    layer: str | None
    """The weighed layer, for class-activation methods."""
    signed: bool
    """Whether values below zero mean "spoke against"."""
    options: dict[str, Number]
    """The method's settings, defaults included."""
    notes: tuple[str, ...]
    """What a person should know before believing it, in sentences."""
    versions: dict[str, str]
    """Versions of the libraries that computed it."""


def explain(
    model: nn.Module,
    faces: NDArray[np.uint8],
    method: str = "integrated-gradients",
    target_class: ClassLike | None = None,
    baseline: BaselineLike = "mean-face",
    contrast_class: ClassLike | None = None,
    layer: str | None = None,
    **options: Number,
) -> Explanation:
    """Attribute a logit, or the difference of two, to the pixels of each face.

    The model is not touched: methods work on a twin that shares its weights, in float32 and
    eval mode, and calls from several threads answer as if made one after the other.

    Args:
        model: a FERNet, or any module from ``(N, 1, 48, 48)`` in [0, 1] to ``(N, 7)`` logits.
        faces: uint8 ``(N, 48, 48)``, or one face ``(48, 48)``.
        method: a name in METHODS.
        target_class: index or name, one for all faces or one per face; None explains what the
            model predicts for each.
        baseline: a name in BASELINES, or faces (uint8, or float in [0, 1]) ``(48, 48)`` for all
            or ``(N, 48, 48)`` one each; gradient-shap and deep-lift-shap average over any number.
        contrast_class: explain ``logit[target] - logit[contrast]`` instead of ``logit[target]``.
        layer: dotted name from `layer_names`; None lets `target_layer` choose.
        **options: settings of the method, see ``METHODS[method].options``.

    Raises:
        ConfigError: unknown method, class, baseline, layer or option; the choices are listed.
        DataError: faces or baseline of another shape, type or range.
    """
    chosen = _pick(method)
    settings = chosen.settings(options)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    x = to_pixels(faces).to(device).float() / 255
    if layer is not None:
        check_layer(model, layer)
    if chosen.needs_layer:
        layer = layer or target_layer(model)
    task = _Task(
        method=chosen,
        settings=settings,
        layer=(layer or "") if chosen.needs_layer else "",
        target=_classes(target_class, len(x), "target"),
        contrast=_classes(contrast_class, len(x), "contrast"),
        name=baseline if isinstance(baseline, str) else "array",
    )
    with locked_copy(model) as net:
        if chosen.prepare:
            chosen.prepare(net, model)
        below = baseline_faces(net, x, baseline if chosen.uses_baseline else "black")
        answers = _answer_all(task, net, x, below)
    return _assemble(task, answers, bool(getattr(model, "has_hog", False)), below)


def _classes(wanted: ClassLike | None, count: int, role: str) -> NDArray[np.int64] | None:
    return None if wanted is None else class_indices(wanted, count, role)


def _pick(method: str) -> Method:
    if method not in METHODS:
        raise ConfigError(f"method {method!r} is unknown: expected one of {', '.join(METHODS)}")
    return METHODS[method]


def _check_pairing(method: Method, baselines: int, faces: int) -> bool:
    """Return whether each face has a baseline of its own; some methods may go without."""
    paired = baselines in (1, faces)
    if not paired and not method.averages:
        able = " and ".join(name for name, other in METHODS.items() if other.averages)
        raise DataError(
            f"{baselines} baselines for {faces} faces: expected 1 or {faces}; "
            f"only {able} average over several"
        )
    return paired


@dataclass(frozen=True, eq=False)
class _Task:
    """A call to `explain` with everything looked up."""

    method: Method
    settings: dict[str, Number]
    layer: str
    target: NDArray[np.int64] | None
    contrast: NDArray[np.int64] | None
    name: str


@dataclass(frozen=True, eq=False)
class _Answer:
    """The result for a few faces: tensors on the CPU."""

    attribution: Tensor
    logits: Tensor
    target: NDArray[np.int64]
    error: Tensor | None
    path_error: Tensor | None
    parts: Parts


def _answer_all(task: _Task, net: nn.Module, faces: Tensor, below: Tensor) -> list[_Answer]:
    """Answer a few faces at a time: a method's paths and samples need many copies of each."""
    paired = _check_pairing(task.method, len(below), len(faces))
    answers = []
    for start in range(0, len(faces), CHUNK):
        rows = slice(start, start + CHUNK)
        here = below.expand(len(faces), -1, -1, -1)[rows] if paired else below
        answers.append(_answer(task, net, faces[rows], here, paired, start))
    return answers


def _answer(
    task: _Task, net: nn.Module, faces: Tensor, baselines: Tensor, paired: bool, start: int
) -> _Answer:
    rows = slice(start, start + len(faces))
    targets: list[NDArray[np.int64]] = []

    def aim(logits: Callable[[], Tensor]) -> Tensor:
        given = None if task.target is None else task.target[rows]
        targets.append(logits().argmax(1).cpu().numpy() if given is None else given)
        return directions_of(targets[0], None if task.contrast is None else task.contrast[rows])

    question = ask(net, faces, baselines, paired, task.layer, aim, task.settings)
    if not task.method.passes_faces:
        question.pass_faces()  # before the method changes the twin
    parts = task.method.run(question)
    attribution = sum(parts.values(), torch.zeros_like(faces))
    error = None
    if task.method.complete:
        drop = question.drop
        error = (attribution.sum((1, 2, 3)) - drop).abs() / drop.abs().clamp_min(1e-6)
    path_error = None
    if question.path_miss is not None:
        path_error = question.path_miss / attribution.abs().sum((1, 2, 3)).clamp_min(1e-6)
    if task.method.magnitude:
        attribution, parts = attribution.abs(), {name: p.abs() for name, p in parts.items()}
    return _Answer(
        attribution.squeeze(1).cpu(),
        question.logits.detach().cpu(),
        targets[0],
        None if error is None else error.cpu(),
        None if path_error is None else path_error.cpu(),
        {name: part.squeeze(1).cpu() for name, part in parts.items()},
    )


def _assemble(task: _Task, answers: list[_Answer], hybrid: bool, baselines: Tensor) -> Explanation:
    error = _joined([answer.error for answer in answers])
    path_error = _joined([answer.path_error for answer in answers])
    attribution = torch.cat([answer.attribution for answer in answers]).numpy()
    names = answers[0].parts if hybrid else {}
    parts = {n: torch.cat([answer.parts[n] for answer in answers]).numpy() for n in names}
    return Explanation(
        attribution=attribution,
        target_class=np.concatenate([answer.target for answer in answers]),
        contrast_class=task.contrast,
        logits=torch.cat([answer.logits for answer in answers]).numpy(),
        completeness_error=error,
        path_error=path_error,
        parts=parts,
        method=task.method.name,
        baseline=task.name if task.method.uses_baseline else None,
        layer=task.layer or None,
        signed=not task.settings["relu"] if "relu" in task.settings else task.method.signed,
        options=task.settings,
        notes=_notes(task, attribution, error, path_error, hybrid, baselines),
        versions=versions(),
    )


def _joined(values: list[Tensor | None]) -> NDArray[np.float32] | None:
    given = [value for value in values if value is not None]
    return torch.cat(given).numpy() if given else None


def _notes(
    task: _Task,
    attribution: NDArray[np.float32],
    error: NDArray[np.float32] | None,
    path_error: NDArray[np.float32] | None,
    hybrid: bool,
    baselines: Tensor,
) -> tuple[str, ...]:
    notes = []
    if hybrid and task.method.conv_only:
        notes.append("This method sees the conv branch only; what HOG contributed is not shown.")
    flat = bool((baselines.amax((1, 2, 3)) == baselines.amin((1, 2, 3))).any())
    if hybrid and flat and task.method.uses_baseline:
        notes.append(
            "The baseline is flat: HOG ignores contrast, so no gradient leads from it to the face."
        )
    if error is not None and task.settings.get("smooth"):
        notes.append("Averaged over noisy copies: it sums to their change, not to the face's own.")
    doubtful = 0 if error is None else int((error > DOUBTFUL).sum())
    if error is not None and doubtful:
        notes.append(
            f"Incomplete: for {doubtful} of {len(error)} faces the map misses the score's change "
            f"by more than {DOUBTFUL:.0%} (worst {float(error.max()):.0%})."
        )
    coarse = 0 if path_error is None else int((path_error > DOUBTFUL).sum())
    if path_error is not None and coarse:
        notes.append(
            f"Coarse: for {coarse} of {len(path_error)} faces too few points on the path may leave "
            f"more than {DOUBTFUL:.0%} of the map wrong (worst {float(path_error.max()):.0%}); "
            "try more steps."
        )
    blank = int((np.abs(attribution).max((1, 2)) == 0).sum())
    if blank:
        hint = "; try relu=False" if task.settings.get("relu") else ""
        notes.append(f"Blank for {blank} of {len(attribution)} faces: nothing spoke for it{hint}.")
    return tuple(notes)


@cache
def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def versions() -> dict[str, str]:
    """Return the versions that an explanation depends on."""
    own = {"fermodels": fermodels.__version__}
    return own | {name: _installed(name) for name in ("torch", "captum", "numpy")}
