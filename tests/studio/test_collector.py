"""The garbage collector passes over what was loaded, and still takes away what a visit leaves."""

import gc
import sys
import weakref
from collections.abc import Iterator
from types import ModuleType

import pytest

from studio import server


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Leave the collector as it was."""
    yield
    gc.unfreeze()
    server._freeze.cache_clear()


class Knot:
    """An object that only the collector can take away."""

    def __init__(self) -> None:
        self.self = self


def test_a_loaded_library_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    server.spare_libraries()
    frozen = gc.get_freeze_count()
    assert frozen > 10_000
    kept = [[k] for k in range(1000)]
    server.spare_libraries()  # nothing was loaded since
    assert gc.get_freeze_count() <= frozen
    monkeypatch.setitem(sys.modules, "a_new_library", ModuleType("a_new_library"))
    server.spare_libraries()
    assert gc.get_freeze_count() >= frozen + len(kept) - 100


def test_garbage_of_before_and_after_is_collected() -> None:
    before = Knot()
    gone_before = weakref.ref(before)
    del before
    server.spare_libraries()
    assert gone_before() is None
    after = Knot()
    gone_after = weakref.ref(after)
    del after
    gc.collect()
    assert gone_after() is None


def test_memory_is_returned_after_a_run_but_not_after_every_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(server, "return_freed_memory", lambda: asked.append(1))
    monkeypatch.setattr(server, "_returned", -2 * server.PAUSE)
    for _ in range(5):
        server.return_memory()
    assert asked == [1]
