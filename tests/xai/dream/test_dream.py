"""Dreams raise their objective, stay in range and repeat themselves."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from fermodels.data.emotions import EMOTIONS
from fermodels.errors import ConfigError, DataError
from fermodels.nets.fernet import FERNet
from fermodels.xai.dream.dream import dream, dream_of_each, dream_steps
from fermodels.xai.dream.objectives import OBJECTIVES
from fermodels.xai.dream.parameterisations import PARAMETERISATIONS
from fermodels.xai.dream.settings import DREAM_PRESETS

QUICK = {"steps": 8, "octaves": (32, 48)}


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("parameterisation", PARAMETERISATIONS)
def test_a_dream_raises_its_objective(
    name: str, parameterisation: str, net: FERNet, faces: np.ndarray
) -> None:
    classes = {"target": 3, "contrast": "sad"} if name == "difference" else {}
    found = dream(net, faces[0], name, parameterisation=parameterisation, **classes, **QUICK)
    assert found.after > found.before
    assert not found.notes
    assert found.frames.dtype == np.uint8 and found.frames.shape[1:] == (48, 48)
    assert found.objective.shape == (16,) and np.isfinite(found.objective).all()


def test_a_dream_through_both_branches_of_a_hybrid_raises_its_objective(hybrid: FERNet) -> None:
    for target in (1, 5):
        found = dream(hybrid, target=target, **QUICK)
        assert found.after > found.before
        shown = hybrid.predict(found.frames[-1])[0]
        np.testing.assert_allclose(shown, found.probabilities, rtol=1e-3, atol=1e-5)


def test_a_dream_repeats_by_its_seed(hybrid: FERNet) -> None:
    first, again, other = (dream(hybrid, "noise", target=0, seed=s, **QUICK) for s in (4, 4, 5))
    np.testing.assert_array_equal(first.frames, again.frames)
    np.testing.assert_array_equal(first.objective, again.objective)
    assert not np.array_equal(first.frames[-1], other.frames[-1])


def test_the_caller_s_random_numbers_are_left_alone(net: FERNet) -> None:
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)
    dream(net, target=0, **QUICK)
    torch.testing.assert_close(torch.rand(3), wanted)


def test_frames_are_the_start_every_kth_step_and_the_end(net: FERNet, faces: np.ndarray) -> None:
    found = dream(net, faces[0], target=0, every=5, noise=0.0, **QUICK)
    assert found.frame_steps.tolist() == [0, 5, 10, 15, 16]
    np.testing.assert_array_equal(found.frames[0], faces[0])
    assert len(dream(net, faces[0], target=0, every=0, **QUICK).frames) == 2


def test_steps_can_be_watched_and_stopped(net: FERNet, faces: np.ndarray) -> None:
    whole = dream(net, faces[0], target=2, every=1, **QUICK)
    watched = list(dream_steps(net, faces[0], target=2, **QUICK))
    np.testing.assert_array_equal(np.stack([s.frame for s in watched]), whole.frames[1:])
    assert [s.side for s in watched] == [32] * 8 + [48] * 8
    assert watched[-1].step == watched[-1].total == 16
    with torch.no_grad():
        assert len(list(islice(dream_steps(net, target=2, **QUICK), 3))) == 3
        assert not torch.is_grad_enabled()  # between steps the caller's mode holds


def test_arguments_are_checked_before_the_first_step(net: FERNet) -> None:
    with pytest.raises(ConfigError, match="objective 'beauty' is unknown"):
        dream_steps(net, objective="beauty")


def test_every_preset_is_valid_and_leaves_the_model_alone(net: FERNet, faces: np.ndarray) -> None:
    before = {key: value.clone() for key, value in net.state_dict().items()}
    for preset in DREAM_PRESETS.values():
        settings = {**preset.settings, "steps": 2}
        if settings["objective"] == "difference":
            settings |= {"target": 0, "contrast": 3}
        dream(net, faces[0], **settings)
        assert preset.title and preset.help
    assert not net.training and all(p.requires_grad for p in net.parameters())
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


def test_a_silent_unit_is_reported(net: FERNet, faces: np.ndarray) -> None:
    with torch.no_grad():
        net.get_parameter("conv2.bn.bias")[3] = -1e4
    found = dream(net, faces[0], "channel", channel=3, layer="conv2.relu", noise=0.0, **QUICK)
    assert any("No gradient in 16 steps" in note for note in found.notes)
    np.testing.assert_array_equal(found.frames[0], found.frames[-1])


def test_what_is_left_open_is_decided_by_the_start(net: FERNet, faces: np.ndarray) -> None:
    found = dream(net, faces[0], noise=0.0, **QUICK)
    assert found.dream_target.target == net.predict(faces[0]).argmax()
    assert dream(net, faces[0], "layer", **QUICK).dream_target.layer == "conv2.relu"
    unit = dream(net, faces[0], "neuron", **QUICK).dream_target
    assert (unit.layer, unit.position) == ("conv2.bn", (12, 12))


@pytest.mark.parametrize("objective", ["layer", "channel", "neuron"])
def test_conv_objectives_dream_on_a_larger_canvas(
    objective: str, net: FERNet, faces: np.ndarray
) -> None:
    before = net.mean_face.clone()
    found = dream(net, faces[0], objective, canvas=96, octaves=(48, 96), steps=4, every=0)
    assert found.frames.shape == (2, 96, 96)
    assert found.after > found.before
    np.testing.assert_allclose(found.probabilities.sum(), 1, rtol=1e-5)
    assert torch.equal(net.mean_face, before)


def test_a_hybrid_dreams_large_through_its_conv_layers(hybrid: FERNet) -> None:
    found = dream(hybrid, "noise", "channel", canvas=64, octaves=(64,), steps=4, every=0)
    assert found.after > found.before and found.frames.shape == (2, 64, 64)


def test_a_large_canvas_shows_the_unit_more_places_of_the_same_picture(
    net: FERNet, faces: np.ndarray
) -> None:
    near = dream(net, faces[0], "neuron", channel=1, steps=1, noise=0.0, every=0)
    far = dream(net, faces[0], "neuron", channel=1, steps=1, noise=0.0, every=0, canvas=192)
    assert near.dream_target.position == (12, 12) and far.dream_target.position == (48, 48)


def test_one_face_per_expression_is_dreamed_towards_its_label(
    net: FERNet, faces: np.ndarray
) -> None:
    found = dream_of_each(net, {"sad": faces[0], "fear": faces[1]}, steps=3, octaves=(48,))
    for (name, one), face in zip(found.items(), faces, strict=False):
        np.testing.assert_array_equal(one.frames[0], face)
        assert one.dream_target.target == EMOTIONS.index(name)
        assert one.after > one.before


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"objective": "beauty"}, "class, difference, layer"),
        ({"speed": 3}, "no setting 'speed'"),
        ({"octaves": (4, 48)}, "8 to 192"),
        ({"octaves": 48}, "wrong type"),
        ({"steps": 0}, "1 to 1000"),
        ({"objective": "layer", "canvas": 20}, "48 to 192"),
        ({"canvas": 96}, "choose layer, channel or neuron"),
        ({"jitter": 40}, "0 to 16"),
        ({"parameterisation": "wavelet"}, "pixel or fourier"),
        ({"target": "bored"}, "angry, disgust"),
        ({"objective": "difference", "target": 3}, "two different classes"),
        ({"objective": "difference", "target": 3, "contrast": 3}, "two different classes"),
        ({"objective": "channel", "channel": 8}, "channels 0 to 7"),
        ({"objective": "neuron", "position": (0, 24)}, "maps of 24x24"),
        ({"objective": "layer", "layer": "fc1"}, "expected one of"),
        ({"face": "cat"}, "mean-face, noise"),
    ],
)
def test_mistakes_are_named_with_the_choices(settings, says: str, net: FERNet) -> None:
    with pytest.raises(ConfigError, match=says):
        dream(net, **settings)


def test_wrong_faces_are_refused(net: FERNet, faces: np.ndarray) -> None:
    with pytest.raises(DataError, match="uint8"):
        dream(net, faces[0].astype(np.float32))
    with pytest.raises(ConfigError, match="3 faces given"):
        dream(net, faces)
