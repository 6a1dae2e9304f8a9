"""How large the house is: ``python -m tests.house_size`` prints modules, lines and crowded folders.

An empty ``__init__.py`` is no module.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from tests.toys import ROOT

FOLDERS = ("fermodels", "studio", "pages", "train")
SMALL = 40
"""A module of fewer lines that only one other imports belongs into that one."""


@dataclass(frozen=True)
class HouseSize:
    """Figures of the whole code, tests and documentation aside."""

    modules: int
    lines: int
    per_folder: Counter[str]
    """Modules beside each other, by folder."""
    small: tuple[str, ...]
    """Modules of fewer than SMALL lines that only one other imports."""


def modules() -> dict[str, Path]:
    """Return every module with content: dotted name -> file."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.read_text(encoding="utf-8").strip():
                dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                found[dotted.removesuffix(".__init__")] = path
    return found


def imports(path: Path, names: set[str]) -> set[str]:
    """Return which of `names` a file imports, anywhere in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    dotted = {
        (f"{node.module}.{alias.name}", str(node.module)) for node in froms for alias in node.names
    }
    return {inner if inner in names else outer for inner, outer in dotted} & names


def size() -> HouseSize:
    """Measure the house as it stands."""
    files = modules()
    importers = defaultdict(set)
    for name, path in files.items():
        for imported in imports(path, set(files)):
            importers[imported].add(name)
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in files.items()}
    return HouseSize(
        modules=len(files),
        lines=sum(lines.values()),
        per_folder=Counter(str(path.parent.relative_to(ROOT)) for path in files.values()),
        small=tuple(n for n in files if lines[n] < SMALL and len(importers[n] - {n}) == 1),
    )


if __name__ == "__main__":
    house = size()
    print(f"{house.modules} modules, {house.lines:,} lines")
    for folder, count in house.per_folder.most_common(5):
        print(f"{count:3} modules in {folder}")
    print("under", SMALL, "lines with one importer:", ", ".join(house.small) or "none")
