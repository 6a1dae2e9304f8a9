"""Nothing an explainer does may stay behind in a model that others use."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import ref

import numpy as np
import pytest
import torch
from torch import nn

from fermodels.errors import ConfigError, FerError
from fermodels.xai.attribution.explain import explain
from fermodels.xai.attribution.registry import METHODS
from fermodels.xai.model_access import (
    HOOK_TABLES,
    lock_of,
    locked_copy,
    outputs_of,
    preserved,
    shared_weight_copy,
)


def state_of(model: nn.Module) -> dict[str, Any]:
    """Everything `preserved` promises to restore, and the weights."""
    return {
        "hooks": [dict(getattr(m, t)) for m in model.modules() for t in HOOK_TABLES],
        "modes": [m.training for m in model.modules()],
        "requires": [p.requires_grad for p in model.parameters()],
        "grads": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "weights": [p.detach().clone() for p in model.state_dict().values()],
    }


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    for key in ("hooks", "modes", "requires"):
        assert before[key] == after[key], key
    for key in ("grads", "weights"):
        for old, new in zip(before[key], after[key], strict=True):
            assert (old is None) == (new is None), key
            assert old is None or torch.equal(old, new), key


def make_untidy(net: nn.Module) -> None:
    """Mixed modes, a frozen weight, gradients on some parameters, a hook of the user's own."""
    net.train()
    net.get_submodule("conv1").eval()
    net(torch.rand(4, 1, 48, 48)).sum().backward()
    weight = net.get_parameter("classifier.weight")
    weight.requires_grad_(False)
    weight.grad = None
    net.get_submodule("conv2.relu").register_forward_hook(lambda *_: None)


def test_preserved_restores_everything_after_an_exception(net: nn.Module) -> None:
    make_untidy(net)
    before = state_of(net)
    with pytest.raises(ZeroDivisionError), preserved(net) as lent:
        assert lent is net and not any(m.training for m in net.modules())
        net.get_submodule("conv1").register_full_backward_hook(lambda *_: None)
        net.requires_grad_(True)
        faces = torch.rand(2, 1, 48, 48, requires_grad=True)
        net(faces).sum().backward()  # adds to the gradients in place
        net.train()
        1 / 0  # noqa: B018
    assert_same(before, state_of(net))


def test_preserved_turns_autocast_off_and_autograd_on(net: nn.Module) -> None:
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16), preserved(net):
        logits = net(torch.rand(1, 1, 48, 48))
    assert logits.dtype == torch.float32 and logits.requires_grad


@pytest.mark.parametrize("method", METHODS)
def test_no_method_leaves_a_trace_and_training_mode_does_not_matter(
    method: str, net: nn.Module, faces: np.ndarray
) -> None:
    calm = explain(net, faces, method)
    make_untidy(net)
    state = net.state_dict()
    fresh = explain(net, faces, method)  # batch statistics moved: only traces are compared
    assert np.isfinite(fresh.attribution).all() and calm.attribution.shape == (3, 48, 48)
    before = state_of(net)
    with torch.inference_mode():
        again = explain(net, faces, method)
    assert_same(before, state_of(net))
    assert state.keys() == net.state_dict().keys()
    np.testing.assert_allclose(again.attribution, fresh.attribution, rtol=1e-4, atol=1e-5)


def test_a_failing_explanation_leaves_no_trace(net: nn.Module, faces: np.ndarray) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a layer fails")

    net.get_submodule("classifier").register_forward_hook(fail)
    before = state_of(net)
    for method in ("integrated-gradients", "deep-lift", "grad-cam", "occlusion"):
        with pytest.raises(RuntimeError, match="a layer fails"):
            explain(net, faces, method)
    assert_same(before, state_of(net))
    assert lock_of(net).acquire(blocking=False)
    lock_of(net).release()


def test_a_twin_shares_weights_but_not_hooks(net: nn.Module) -> None:
    copy = shared_weight_copy(net)
    assert all(
        mine.data_ptr() == theirs.data_ptr() and not mine.requires_grad
        for mine, theirs in zip(copy.parameters(), net.parameters(), strict=True)
    )
    seen: list[str] = []
    copy.get_submodule("conv1").register_forward_hook(lambda *_: seen.append("twin"))
    net(torch.rand(1, 1, 48, 48))
    assert seen == []


def test_a_twin_never_works_in_place(cnn: nn.Module) -> None:
    relu = cnn.get_submodule("conv1.relu")
    relu.inplace = True
    assert shared_weight_copy(cnn).get_submodule("conv1.relu").inplace is False
    assert relu.inplace is True


def test_a_graph_that_starts_at_a_layer_gives_the_gradient_of_the_whole_graph(
    net: nn.Module,
) -> None:
    x = torch.rand(2, 1, 48, 48)
    found = []
    for begins, faces in ((False, x.clone().requires_grad_()), (True, x)):
        with (
            locked_copy(net) as copy,
            outputs_of(copy, ["conv1.relu"], graph_starts=begins) as seen,
        ):
            logits = copy(faces)
            maps = seen["conv1.relu"]
            assert maps.is_leaf == begins
            found.append(torch.autograd.grad(logits[:, 3].sum(), maps)[0])
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)


def test_a_module_that_switches_modes_its_own_way_is_asked_to(cnn: nn.Module) -> None:
    class Switch(nn.Identity):
        def train(self, mode: bool = True) -> Switch:
            self.seen = mode
            return super().train(mode)

    cnn.add_module("switch", Switch())
    assert shared_weight_copy(cnn.train()).get_submodule("switch").seen is False
    assert cnn.get_submodule("switch").seen is True


def test_half_precision_weights_are_refused(net: nn.Module, faces: np.ndarray) -> None:
    with pytest.raises(ConfigError, match=r"model\.float\(\)"):
        explain(net.half(), faces)


def test_a_lock_dies_with_its_model(cnn: nn.Module) -> None:
    model = nn.Linear(1, 1)
    assert lock_of(model) is lock_of(model) is not lock_of(cnn)
    watch = ref(model)
    del model
    gc.collect()
    assert watch() is None


def test_eight_threads_get_the_serial_answers_while_others_predict(
    hybrid: nn.Module, faces: np.ndarray
) -> None:
    methods = ["deep-lift", "guided-backprop", "grad-cam", "integrated-gradients", "occlusion"]
    options: dict[str, dict[str, Any]] = {
        "integrated-gradients": {"steps": 8, "refine": 0.0},
        "occlusion": {"patch": 16, "stride": 16},
    }

    def one(job: int) -> tuple[np.ndarray, np.ndarray]:
        method = methods[job % len(methods)]
        found = explain(hybrid, faces, method, job % 7, **options.get(method, {}))
        return found.attribution, hybrid.predict(faces)  # type: ignore[operator]

    serial = [one(job) for job in range(40)]
    with ThreadPoolExecutor(8) as pool:
        threaded = list(pool.map(one, range(40)))
    for (attribution, probabilities), (wanted, wanted_probabilities) in zip(
        threaded, serial, strict=True
    ):
        np.testing.assert_allclose(attribution, wanted, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(probabilities, wanted_probabilities, rtol=1e-5, atol=1e-6)


def test_explain_is_a_function_whatever_was_imported_before(
    net: nn.Module, faces: np.ndarray
) -> None:
    import fermodels.xai.attribution.explain

    found = fermodels.explain(net, faces, "saliency")
    assert found.attribution.shape == (3, 48, 48)
    with pytest.raises(FerError):
        fermodels.explain(net, faces, "no such method")
