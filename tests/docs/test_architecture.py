"""docs/architecture.md shows the tree that is there."""

from __future__ import annotations

from docs import architecture
from tests import house_size


def test_the_tree_is_todays() -> None:
    text = architecture.PAGE.read_text(encoding="utf-8")
    assert architecture.page() == text, "run python -m docs.architecture"


def test_every_module_says_what_it_is_in_one_line() -> None:
    for name, path in house_size.modules().items():
        line = architecture.first_line(path)
        assert 20 <= len(line) <= 100, f"{name}: {line!r}"
