"""A class activation map without gradients: each channel is weighed by what it lets through."""

from __future__ import annotations

import torch
from torch import Tensor

from fermodels.explain.cams import enlarge, require_maps, weighted
from fermodels.explain.question import Parts, Question, in_batches


def score_cam(q: Question) -> Parts:
    """Where the chosen layer responded, each channel weighed by the score it keeps alone.

    The face is shown only where a channel is active, the rest being the baseline; the better
    the score survives, the more the channel counts. No gradients, so no noise from them, but
    one pass for every channel: only those that vary most over the face are asked. Of a hybrid it
    shows the conv branch only: HOG sees the whole face throughout.
    """
    with torch.no_grad():
        maps = require_maps(q).detach()
        chosen = maps.var((2, 3)).topk(min(int(q.options["channels"]), maps.shape[1])).indices
        maps = maps.gather(1, chosen[:, :, None, None].expand(-1, -1, *maps.shape[2:]))
        cam = weighted(maps, _increases(q, maps).softmax(1)[:, :, None, None])
        return {"conv": enlarge(cam.relu() if q.options["relu"] else cam)}


def _increases(q: Question, maps: Tensor) -> Tensor:
    """Return the score ``(N, C)`` of each face seen through each of its maps.

    The paper subtracts the baseline's score, which softmax does not notice. A map without any
    variation lets nothing through.
    """
    low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    veils = (maps - low) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)
    count, found = maps.shape[1], []
    for rows in in_batches(torch.arange(maps.shape[0] * count, device=maps.device)):
        face, channel = rows // count, rows % count
        veil = enlarge(veils[face, channel].unsqueeze(1))
        seen = torch.lerp(q.baselines[face], q.faces[face], veil)
        inputs = (seen, *[q.faces[face]] * (len(q.inputs) - 1))
        found.append(q.score(*inputs, directions=q.directions[face]))
    return torch.cat(found).view(-1, count)
