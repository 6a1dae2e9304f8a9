"""Write the tree of docs/architecture.md from docstrings: ``python -m docs.architecture``.

What stands above and below the tree is written by hand and stays.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from fermodels.files import ROOT, write_atomically

PAGE = ROOT / "docs" / "architecture.md"
FOLDERS = ("fermodels", "train", "studio", "pages")
BEGIN, END = "<!-- tree: python -m docs.architecture -->\n", "<!-- end of tree -->"


def tree() -> str:
    """Return the tree as Markdown: a heading a folder, a line a module."""
    return "\n".join(line for folder in FOLDERS for line in _folder(ROOT / folder))


def _folder(folder: Path) -> Iterator[str]:
    files = [path for path in sorted(folder.glob("*.py")) if first_line(path)]
    if files:
        yield f"\n### `{folder.relative_to(ROOT)}/`\n"
        yield from (f"- `{path.name}` {first_line(path)}" for path in files)
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield from _folder(inner)


def first_line(path: Path) -> str:
    """Return the first line of a module's docstring; empty where there is none."""
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n")[0]


def page() -> str:
    """Return docs/architecture.md with its tree as the code has it today."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    return f"{before}{BEGIN}{tree()}\n\n{after}"


def main() -> int:
    """Write the page."""
    content = page()  # fails unless the file has our two marks
    write_atomically(PAGE, lambda path: path.write_text(content, encoding="utf-8"), lambda _: None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
