"""What is made of a model's weights is kept while they stay the same, and within a bound."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fermodels.xai.attribution.explain import explain
from fermodels.xai.fast_forward import convolution as module
from fermodels.xai.fast_forward.convolution import cached_per_weights
from tests.toys import tiny_net


def total() -> int:
    return sum(entry.size for entries in module._CACHE.values() for entry in entries.values())


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep nothing of other tests, and at most five tensors of a hundred bytes."""
    monkeypatch.setattr(module, "_CACHE", type(module._CACHE)())
    monkeypatch.setattr(module, "MOST_BYTES", 500)


def ask(model: nn.Linear, name: str, made: list[str]) -> Tensor:
    def make() -> Tensor:
        made.append(name)
        return torch.zeros(25)

    return cached_per_weights(model, name, [model.weight], make)


def test_what_was_not_asked_for_the_longest_is_let_go_whosever_it_is() -> None:
    one, other, made = nn.Linear(2, 2), nn.Linear(2, 2), list[str]()
    for name in "abc":
        ask(one, name, made)
    for name in "de":
        ask(other, name, made)
    ask(one, "a", made)
    assert made == list("abcde") and total() == 500
    ask(other, "f", made)
    assert total() == 500
    for model, name in ((one, "a"), (other, "d"), (other, "f")):
        ask(model, name, made)
    assert made == list("abcdef"), "b was the oldest"
    ask(one, "b", made)
    assert made == list("abcdefb")


def test_one_that_is_larger_than_the_bound_is_kept_alone() -> None:
    model, made = nn.Linear(2, 2), list[str]()
    ask(model, "a", made)
    cached_per_weights(model, "large", [model.weight], lambda: torch.zeros(1000))
    assert list(module._CACHE[model]) == ["large"]


def test_a_changed_weight_is_noticed_and_a_model_takes_its_own_along() -> None:
    model, made = nn.Linear(2, 2), list[str]()
    ask(model, "a", made)
    with torch.no_grad():
        model.weight.add_(1)
    ask(model, "a", made)
    assert made == ["a", "a"]
    del model
    gc.collect()
    assert total() == 0


def test_explanations_are_the_same_with_next_to_nothing_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8)
    nets = [tiny_net(seed) for seed in range(2)]

    def answers() -> list[np.ndarray]:
        return [explain(net, faces, "integrated-gradients").attribution for net in nets]

    scarce = [answers() for _ in range(2)]
    monkeypatch.setattr(module, "MOST_BYTES", 10**9)
    for found, plenty in zip(scarce, (answers(), answers()), strict=True):
        np.testing.assert_array_equal(found, plenty)


def test_threads_that_explain_with_many_models_find_the_books_in_order() -> None:
    def work(model: nn.Linear) -> int:
        return sum(len(ask(model, f"{turn % 5}", [])) for turn in range(300))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, [nn.Linear(2, 2) for _ in range(8)]))
    assert found == [300 * 25] * 8 and total() <= 500
