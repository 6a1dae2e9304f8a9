"""Attribution by covering a part of the face and watching the score."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from fermodels.errors import ConfigError
from fermodels.explain.question import Parts, Question, in_batches, logits_of
from fermodels.nets.networks import FACE_SIDE, FERNet

Evaluate = Callable[[Tensor, Tensor], list[Tensor]]
"""``(covered faces, face indices)`` -> score drops per branch."""


def occlusion(q: Question) -> Parts:
    """How much the score falls when a square of the face is replaced by the baseline.

    No gradients: the model is simply asked again, so it sees through any branch. A pixel's
    value is the average over the squares that cover it. Squares make the map blocky, and a
    covered face may look like none the model was trained on. In a hybrid the drop is shared
    out fairly (Shapley) between the branches, so their maps sum to the whole.
    """
    windows = windows_of(int(q.options["patch"]), int(q.options["stride"])).to(q.faces.device)
    with torch.no_grad():
        cover = windows.sum(0)
        area = windows.sum((1, 2))
        return q.parts([spread(drop * area, windows) / cover for drop in drops_of(q, windows)])


def drops_of(q: Question, masks: Tensor) -> list[Tensor]:
    """Return how much the score falls when what a mask covers is replaced by the baseline.

    Args:
        q: the faces, with paired baselines.
        masks: bool ``(W, 48, 48)``.

    Returns:
        ``(N, W)`` per branch; in a hybrid the fall is shared out (Shapley) between the two.
    """
    if len(q.inputs) == 2 and isinstance(q.net, FERNet):
        return _drops(q, masks, partial(_branch_drops, q, q.net))
    return _drops(q, masks, partial(_whole_drops, q))


def spread(values: Tensor, masks: Tensor) -> Tensor:
    """Spread values ``(N, W)`` evenly over their masks' pixels, which then sum to them.

    Args:
        values: one number per face and mask.
        masks: bool ``(W, 48, 48)``, none empty.

    Returns:
        ``(N, 1, 48, 48)``.
    """
    flat = masks.flatten(1).to(values)
    return ((values / flat.sum(1)) @ flat).view(-1, 1, FACE_SIDE, FACE_SIDE)


def windows_of(patch: int, stride: int) -> Tensor:
    """Return the squares as masks, bool ``(W, 48, 48)``; the last ones are cut at the border.

    Raises:
        ConfigError: the squares do not fit the face, or leave pixels between them uncovered.
    """
    if not 1 <= patch <= FACE_SIDE or not 1 <= stride <= patch:
        raise ConfigError(
            f"patch is {patch}, stride is {stride}: expected a patch of 1 to {FACE_SIDE} pixels "
            "and a stride of 1 to patch, so that no pixel stays uncovered"
        )
    at = torch.arange(FACE_SIDE)
    count = -(-(FACE_SIDE - patch) // stride) + 1
    starts = torch.arange(count) * stride
    spans = (at >= starts[:, None]) & (at < starts[:, None] + patch)  # (count, 48)
    return (spans[:, None, :, None] & spans[None, :, None, :]).flatten(0, 1)


def _drops(q: Question, windows: Tensor, evaluate: Evaluate) -> list[Tensor]:
    """Return the score's fall ``(N, W)`` for every face and square, per branch."""
    count = len(windows)
    found: list[list[Tensor]] = [[] for _ in q.inputs]
    for rows in in_batches(torch.arange(len(q.faces) * count, device=q.faces.device)):
        face, window = rows // count, rows % count
        covered = torch.where(windows[window, None], q.baselines[face], q.faces[face])
        for branch, values in zip(found, evaluate(covered, face), strict=True):
            branch.append(values)
    return [torch.cat(values).view(-1, count) for values in found]


def _whole_drops(q: Question, covered: Tensor, face: Tensor) -> list[Tensor]:
    directions = q.directions[face]
    return [(q.logits[face] * directions).sum(1) - q.score(covered, directions=directions)]


def _branch_drops(q: Question, net: FERNet, covered: Tensor, face: Tensor) -> list[Tensor]:
    """Share a drop between two branches: each one's fall, averaged over who is covered first."""
    directions = q.directions[face]
    whole = (q.logits[face] * directions).sum(1)
    logits = crossed_logits(net, covered, q.faces, face)
    conv, hog, both = ((part * directions).sum(1) for part in logits)
    conv_share = ((whole - conv) + (hog - both)) / 2
    hog_share = ((whole - hog) + (conv - both)) / 2
    return [conv_share, hog_share]


def crossed_logits(net: FERNet, covered: Tensor, plain: Tensor, face: Tensor) -> list[Tensor]:
    """Return logits ``(M, 7)`` of ``f(covered, plain)``, ``f(plain, covered)`` and both covered.

    Each branch runs once on each different input; only the small fully connected part runs
    three times. `net` is a hybrid's twin, since it is hooked: where the branches meet, rows are
    recombined. Row i of `covered` comes from ``plain[face[i]]``.
    """
    used, own = face.unique(return_inverse=True)

    def recombine(order: tuple[int, int, int]) -> Callable[[nn.Module, object, Tensor], Tensor]:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            either = output[: len(covered)], output[len(covered) :][own]
            return torch.cat([either[which] for which in order])

        return hook

    handles = [
        net.conv_norm.register_forward_hook(recombine((0, 1, 0))),
        net.hog_norm.register_forward_hook(recombine((1, 0, 0))),
    ]
    try:
        rows = torch.cat([covered, plain[used]])
        return list(logits_of(net, (rows, rows)).chunk(3))
    finally:
        for handle in handles:
            handle.remove()
