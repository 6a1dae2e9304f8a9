"""`explain`: attribute a network's answer to the pixels of a face, by any method of METHODS."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import fermodels
from fermodels.errors import ConfigError, DataError
from fermodels.nets.fernet import to_pixels
from fermodels.xai.attribution.baselines import BaselineLike, baseline_faces
from fermodels.xai.attribution.registry import METHODS, Method, Number
from fermodels.xai.attribution.request import AttributionRequest, ClassLike, class_indices
from fermodels.xai.model_access import check_layer, locked_copy, target_layer

CHUNK = 32
"""Faces explained at a time, which bounds memory."""

TOLERABLE = 0.05
"""Completeness or path error above which a note warns."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Attributions of N faces and everything needed to compute them again."""

    attribution: NDArray[np.float32]
    """``(N, 48, 48)``: what each pixel contributed, in the method's own unit; never rescaled."""
    target_class: NDArray[np.int64]
    """``(N,)``: the class that was explained."""
    contrast_class: NDArray[np.int64] | None
    """``(N,)``: the class it was contrasted with, if any."""
    logits: NDArray[np.float32]
    """``(N, 7)``: the model's output."""
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
    """The baseline's name, ``"array"``, or None if the method uses none."""
    layer: str | None
    """The layer whose maps were weighed, for methods with one."""
    signed: bool
    """Whether values below zero are evidence against the class."""
    options: dict[str, Number]
    """The method's settings, defaults included."""
    notes: tuple[str, ...]
    """What a reader should know before trusting the map, in sentences."""
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

    The model is not changed: methods work on a copy that shares its weights, in float32 and eval
    mode. Calls from several threads run one after the other.

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
    if method not in METHODS:
        raise ConfigError(f"method {method!r} is unknown: expected one of {', '.join(METHODS)}")
    entry = METHODS[method]
    settings = entry.settings(options)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    x = to_pixels(faces).to(device).float() / 255
    if layer is not None:
        check_layer(model, layer)
    layer = (layer or target_layer(model)) if entry.needs_layer else None
    target = None if target_class is None else class_indices(target_class, len(x), "target")
    contrast = None if contrast_class is None else class_indices(contrast_class, len(x), "contrast")

    chunks: list[dict[str, Tensor]] = []
    with locked_copy(model) as net:
        if entry.prepare:
            entry.prepare(net, model)
        baselines = baseline_faces(net, x, baseline if entry.uses_baseline else "black")
        paired = len(baselines) in (1, len(x))
        if not paired and not entry.averages:
            able = " and ".join(name for name, other in METHODS.items() if other.averages)
            raise DataError(
                f"{len(baselines)} baselines for {len(x)} faces: expected 1 or {len(x)}; "
                f"only {able} average over several"
            )
        per_face = baselines.expand(len(x), -1, -1, -1) if paired else None
        for start in range(0, len(x), CHUNK):
            rows = slice(start, start + CHUNK)
            request = AttributionRequest(
                net,
                x[rows],
                baselines if per_face is None else per_face[rows],
                paired,
                settings,
                layer or "",
                None if target is None else target[rows],
                None if contrast is None else contrast[rows],
                entry.complete,
            )
            logits = request.logits.detach()  # before the method changes the copy
            parts = entry.run(request)
            attribution = sum(parts.values(), torch.zeros_like(x[rows]))
            chunk = {"logits": logits, "target": torch.from_numpy(request.target_class)}
            if entry.complete:
                missing = attribution.sum((1, 2, 3)) - request.drop
                chunk["completeness"] = missing.abs() / request.drop.abs().clamp_min(1e-6)
            if request.path_error is not None:
                size = attribution.abs().sum((1, 2, 3)).clamp_min(1e-6)
                chunk["path"] = request.path_error / size
            maps = {"attribution": attribution, **parts}
            for name, values in maps.items():
                chunk[name] = (values.abs() if entry.magnitude else values).squeeze(1)
            chunks.append(chunk)

    columns = {k: torch.cat([chunk[k].cpu() for chunk in chunks]).numpy() for k in chunks[0]}
    hybrid = bool(getattr(model, "has_hog", False))
    return Explanation(
        attribution=columns["attribution"],
        target_class=columns["target"],
        contrast_class=contrast,
        logits=columns["logits"],
        completeness_error=columns.get("completeness"),
        path_error=columns.get("path"),
        parts={name: columns[name] for name in parts} if hybrid else {},
        method=method,
        baseline=(baseline if isinstance(baseline, str) else "array")
        if entry.uses_baseline
        else None,
        layer=layer,
        signed=not settings["relu"] if "relu" in settings else entry.signed,
        options=settings,
        notes=_notes(entry, settings, columns, hybrid, baselines),
        versions=versions(),
    )


def _notes(
    entry: Method,
    settings: dict[str, Number],
    columns: dict[str, NDArray[Any]],
    hybrid: bool,
    baselines: Tensor,
) -> tuple[str, ...]:
    """Return the warnings that a map of these figures needs."""
    attribution, error = columns["attribution"], columns.get("completeness")
    path_error = columns.get("path")
    notes = []
    if hybrid and entry.conv_only:
        notes.append("This method sees the conv branch only; what HOG contributed is not shown.")
    flat = bool((baselines.amax((1, 2, 3)) == baselines.amin((1, 2, 3))).any())
    if hybrid and flat and entry.uses_baseline:
        notes.append(
            "The baseline is flat: HOG ignores contrast, so no gradient leads from it to the face."
        )
    if error is not None and settings.get("smooth"):
        notes.append("Averaged over noisy copies: it sums to their change, not to the face's own.")
    incomplete = 0 if error is None else int((error > TOLERABLE).sum())
    if error is not None and incomplete:
        notes.append(
            f"Incomplete: for {incomplete} of {len(error)} faces the map misses the score's change "
            f"by more than {TOLERABLE:.0%} (worst {float(error.max()):.0%})."
        )
    coarse = 0 if path_error is None else int((path_error > TOLERABLE).sum())
    if path_error is not None and coarse:
        notes.append(
            f"Coarse: for {coarse} of {len(path_error)} faces too few points on the path may leave "
            f"more than {TOLERABLE:.0%} of the map wrong (worst {float(path_error.max()):.0%}); "
            "try more steps."
        )
    blank = int((np.abs(attribution).max((1, 2)) == 0).sum())
    if blank:
        hint = "; try relu=False" if settings.get("relu") else ""
        notes.append(f"Blank for {blank} of {len(attribution)} faces: nothing spoke for it{hint}.")
    return tuple(notes)


@cache
def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def versions() -> dict[str, str]:
    """Return the versions of the libraries that an explanation depends on."""
    own = {"fermodels": fermodels.__version__}
    return own | {name: _installed(name) for name in ("torch", "captum", "numpy")}
