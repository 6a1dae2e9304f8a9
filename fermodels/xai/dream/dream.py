"""Change a picture until the network sees more of something: DeepDream and its descendants.

A dream is an objective (`OBJECTIVES`) times a parameterisation (`PARAMETERISATIONS`) times what
keeps it natural: octaves, jitter, blur and total variation. Only detail is learned and added to
the start image, coarse octaves first, so the face keeps what the dream does not need to change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fermodels.data.dataset import FACE_SIDE
from fermodels.errors import ConfigError
from fermodels.nets.fernet import to_pixels
from fermodels.xai.attribution.baselines import gaussian_blur
from fermodels.xai.attribution.request import class_indices
from fermodels.xai.dream.objectives import OBJECTIVES as OBJECTIVES
from fermodels.xai.dream.objectives import DreamTarget, decide, evaluate, stretched
from fermodels.xai.dream.parameterisations import (
    PARAMETERISATIONS,
    Parameterisation,
    render,
    resize,
    rms,
    shift,
    to_frame,
    total_variation_gradient,
)
from fermodels.xai.dream.settings import DREAM_PRESETS, DreamSettings, settings_of
from fermodels.xai.model_access import exact, shared_weight_copy

STARTS = ("mean-face", "noise")
Start = NDArray[np.uint8] | str | None
"""A face uint8 ``(48, 48)``, or a name in STARTS; None is the mean face."""


@dataclass(frozen=True, eq=False)
class DreamStep:
    """One step of a dream, as it happens."""

    step: int
    """1 to `total`."""
    total: int
    side: int
    """Side in pixels of the detail being painted."""
    objective: float
    """Value before this step, of the shifted picture."""
    frame: NDArray[np.uint8]
    """``(s, s)``, s the canvas: the picture after this step."""


@dataclass(frozen=True, eq=False)
class Dream:
    """A finished dream."""

    frames: NDArray[np.uint8]
    """``(F, s, s)``, s the canvas (48 unless chosen): the start, every k-th step, the end."""
    frame_steps: NDArray[np.int64]
    """``(F,)``: after how many steps each frame was taken; the start is 0."""
    objective: NDArray[np.float32]
    """``(T,)``: value before each step, of the picture as shifted in that step."""
    before: float
    """Objective of the first frame, unshifted."""
    after: float
    """Objective of the last frame, unshifted."""
    start_probabilities: NDArray[np.float32]
    """``(7,)`` of the first frame, shrunk to 48 pixels where the canvas is larger."""
    probabilities: NDArray[np.float32]
    """``(7,)`` of the last frame, likewise."""
    dream_target: DreamTarget
    """What was maximised, with layer, channel and classes decided."""
    settings: DreamSettings
    notes: tuple[str, ...] = field(default=())
    """What a person should know, in sentences."""


def dream(
    model: nn.Module, face: Start = None, objective: str = "class", seed: int = 0, **settings: Any
) -> Dream:
    """Change a picture until the network sees more of something in it.

    Args:
        model: a FERNet, hybrid or not; it is not touched.
        face: where to start: uint8 ``(48, 48)``, ``"mean-face"`` (None) or ``"noise"``.
        objective: a name in OBJECTIVES.
        seed: fixes shifts and noise: the same call gives the same frames.
        **settings: fields of DreamSettings, or those of a preset:
            ``dream(model, **DREAM_PRESETS["portrait"].settings, target="happy")``.

    Raises:
        ConfigError: unknown or missing setting; the choices are listed.
        DataError: a face of another shape or type.
    """
    chosen = settings_of(objective, seed, settings)
    painter = _Painter.begin(model, face, chosen)
    first = painter.frame()
    before, start_probabilities = painter.judge(first)
    frames, marks, values = [first], [0], []
    for step in painter.steps():
        values.append(step.objective)
        if step.step == step.total or (chosen.every and step.step % chosen.every == 0):
            frames.append(step.frame)
            marks.append(step.step)
    after, probabilities = painter.judge(frames[-1])
    return Dream(
        frames=np.stack(frames),
        frame_steps=np.array(marks),
        objective=np.array(values, np.float32),
        before=before,
        after=after,
        start_probabilities=start_probabilities,
        probabilities=probabilities,
        dream_target=painter.dream_target,
        settings=chosen,
        notes=painter.notes(before, after),
    )


def dream_of_each(
    model: nn.Module, faces: Mapping[str, NDArray[np.uint8]], seed: int = 0, **settings: Any
) -> dict[str, Dream]:
    """Dream one face per expression towards its own label, as Figure 11 of the paper shows.

    Args:
        model: a FERNet.
        faces: expression -> face, uint8 ``(48, 48)``.
        seed: as for `dream`.
        **settings: changes to the preset ``figure-11``.

    Raises:
        ConfigError: an unknown expression or setting.
    """
    chosen = {**DREAM_PRESETS["figure-11"].settings, **settings}
    return {
        name: dream(model, face, seed=seed, **chosen, target=name) for name, face in faces.items()
    }


def dream_steps(
    model: nn.Module, face: Start = None, objective: str = "class", seed: int = 0, **settings: Any
) -> Iterator[DreamStep]:
    """Like `dream`, but hand out every step as it happens; stop iterating to stop dreaming.

    The arguments are checked at once, not at the first step. No lock is held between steps.
    """
    return _Painter.begin(model, face, settings_of(objective, seed, settings)).steps()


@dataclass(eq=False)
class _Painter:
    """A dream in progress: the start image and the detail added so far."""

    net: nn.Module
    start: Tensor
    detail: Tensor
    dream_target: DreamTarget
    settings: DreamSettings
    random: torch.Generator
    stuck: int = 0

    @classmethod
    def begin(cls, model: nn.Module, face: Start, settings: DreamSettings) -> _Painter:
        net = shared_weight_copy(model)
        random = torch.Generator().manual_seed(settings.seed)
        side = settings.canvas
        start = start_image(net, face, random, side)
        noise = torch.randn(start.shape, generator=random).to(start) * settings.noise
        with exact(net), stretched(net, side):
            dream_target = decide(
                net,
                start,
                settings.objective,
                settings.layer,
                settings.channel,
                settings.position,
                _class_or_none(settings.target, "target"),
                _class_or_none(settings.contrast, "contrast"),
            )
        return cls(net, start, noise, dream_target, settings, random)

    def frame(self) -> NDArray[np.uint8]:
        return to_frame(render(self.start, self.detail)).numpy()

    def judge(self, frame: NDArray[np.uint8]) -> tuple[float, NDArray[np.float32]]:
        """Return objective and probabilities of a frame, as anyone else would see it."""
        picture = torch.from_numpy(frame)[None, None].to(self.start.device).float() / 255
        with exact(self.net), torch.no_grad():
            with stretched(self.net, self.settings.canvas):
                value, logits = evaluate(self.net, picture, self.dream_target)
            if logits.numel() == 0:
                logits = self.net(resize(picture, FACE_SIDE))
        return float(value), logits[0].softmax(0).cpu().numpy()

    def steps(self) -> Iterator[DreamStep]:
        each, octaves = self.settings.steps, self.settings.octaves
        kind = PARAMETERISATIONS[self.settings.parameterisation]
        for octave, side in enumerate(octaves):
            self.detail = resize(self.detail, side)
            for step in range(each):
                with exact(self.net), stretched(self.net, self.settings.canvas):
                    value = self.step(kind, step / each)
                done = octave * each + step + 1
                yield DreamStep(done, each * len(octaves), side, value, self.frame())

    def step(self, kind: Parameterisation, progress: float) -> float:
        """Move the detail one step uphill and return the objective before it.

        The step is `step_size` of RMS grey change, whatever the gradient's size: gradients of
        units that barely respond would otherwise lead nowhere. Within an octave (`progress`
        from 0 to 1) steps get shorter and sharper, to settle what long soft ones sketched.
        """
        ease = 1 - 0.75 * progress
        parameters = kind.encode(self.detail).detach().requires_grad_()
        detail = kind.decode(parameters)
        leaf = detail.detach().requires_grad_()
        shifted = shift(render(self.start, leaf), self.settings.reach, self.random)
        value = evaluate(self.net, shifted, self.dream_target)[0].sum()
        (uphill,) = torch.autograd.grad(value, leaf, materialize_grads=True)
        if not bool(uphill.any()):
            self.stuck += 1
            return float(value.detach())
        if self.settings.smoothing > 0:  # coarse strokes first, finer towards the octave's end
            uphill = gaussian_blur(uphill, self.settings.smoothing * ease)
        direction = uphill / max(rms(uphill), 1e-12)
        direction = direction - self.settings.tv * total_variation_gradient(leaf)
        (move,) = torch.autograd.grad(detail, parameters, direction)
        change = kind.decode(move)
        length = self.settings.step_size * ease / max(rms(change), 1e-12)
        self.detail = self.within_range(detail.detach() + length * change)
        return float(value.detach())

    def within_range(self, detail: Tensor) -> Tensor:
        """Cut detail that would leave [0, 1]: beyond it the gradient is zero and cannot return."""
        start = resize(self.start, detail.shape[-1])
        return (start + detail).clamp(0, 1) - start

    def notes(self, before: float, after: float) -> tuple[str, ...]:
        notes = []
        if self.stuck:
            notes.append(
                f"No gradient in {self.stuck} steps: the unit is silent here; "
                "choose the layer before the ReLU, or start from another face."
            )
        if after <= before:
            notes.append(f"The objective did not rise: {before:.3g} before, {after:.3g} after.")
        return tuple(notes)


def _class_or_none(wanted: int | str | None, what: str) -> int | None:
    return None if wanted is None else int(class_indices(wanted, 1, what)[0])


def start_image(
    net: nn.Module, face: Start, random: torch.Generator, side: int = FACE_SIDE
) -> Tensor:
    """Return where a dream starts, ``(1, 1, side, side)`` in [0, 1]; faces are enlarged to it.

    Raises:
        ConfigError: unknown name, several faces, or a model without a mean face.
        DataError: an array that is no face.
    """
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    if face is None or (isinstance(face, str) and face == "mean-face"):
        mean = getattr(net, "mean_face", None)
        if not isinstance(mean, Tensor):
            raise ConfigError(
                f"{type(net).__name__} has no mean_face: start from a face or from 'noise'"
            )
        return resize(mean.detach().clone().reshape(1, 1, FACE_SIDE, FACE_SIDE), side)
    if isinstance(face, str):
        if face not in STARTS:
            raise ConfigError(f"start {face!r} is unknown: expected {', '.join(STARTS)} or a face")
        return (0.5 + 0.1 * torch.randn(1, 1, side, side, generator=random)).to(device)
    pixels = to_pixels(face)
    if len(pixels) != 1:
        raise ConfigError(f"{len(pixels)} faces given: a dream starts from one, uint8 (48, 48)")
    return resize(pixels.to(device).float() / 255, side)
