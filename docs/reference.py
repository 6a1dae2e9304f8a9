"""The API reference as HTML, from docstrings, by pdoc: ``python -m docs.reference FOLDER``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fermodels.errors import ConfigError, exit_status
from fermodels.files import ROOT


def modules() -> list[str]:
    """Return every module of fermodels that can be imported, the package first."""
    files = sorted((ROOT / "fermodels").rglob("*.py"))
    dotted = (".".join(p.relative_to(ROOT).with_suffix("").parts) for p in files)
    return [name.removesuffix(".__init__") for name in dotted if not name.endswith("__main__")]


def write(folder: Path) -> int:
    """Write one page a module; return how many.

    Raises:
        ConfigError: the folder is there and is not empty.
    """
    import pdoc

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not an empty folder: name a new one")
    pdoc.render.configure(docformat="google", search=True)
    pdoc.pdoc(*modules(), output_directory=folder)
    return len(list(folder.rglob("*.html")))


def main(words: Sequence[str] | None = None) -> int:
    """Write the pages; an error of ours is one sentence and exit status 2."""
    parser = argparse.ArgumentParser("docs.reference", description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder")
    folder = parser.parse_args(words).folder
    return exit_status(lambda: print(f"{write(folder)} pages in {folder}"))


if __name__ == "__main__":
    sys.exit(main())
