"""The house's rules, read from the source: which way imports point, and what starts light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.toys import ROOT

ALLOWED = {
    "fermodels": {"fermodels"},
    "train": {"train", "fermodels"},
    "studio": {"studio", "fermodels"},
    "pages": {"studio", "fermodels"},
    "fermodels/data": {"data"},
    "fermodels/nets": {"nets", "data"},
    "fermodels/explain": {"explain", "nets", "data"},
}
"""Folder -> what of ours it may import; inside fermodels the wings explain -> nets -> data."""
PACKAGES = {"fermodels", "train", "studio", "pages"}
WINGS = {"data", "nets", "explain"}
HEAVY = ("torch", "captum", "gradio", "skimage", "matplotlib", "cv2", "dlib")


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported(path: Path, *, everywhere: bool = True) -> Iterator[str]:
    """Yield the dotted names a file imports; at module level only, unless `everywhere`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree)) if everywhere else list(top_level(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def top_level(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield nodes that run at import: not those inside functions."""
    for child in ast.iter_child_nodes(tree):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
            yield from top_level(child)


@pytest.mark.parametrize("folder", sorted(PACKAGES))
def test_arrows_point_one_way(folder: str) -> None:
    assert sources(folder)
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        for name in imported(path)
        if name.split(".")[0] in PACKAGES - ALLOWED[folder]
    ]
    assert wrong == []


@pytest.mark.parametrize("wing", sorted(WINGS))
def test_wings_of_fermodels_point_one_way(wing: str) -> None:
    folder = f"fermodels/{wing}"
    assert sources(folder)
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        for name in imported(path)
        if name.startswith("fermodels.") and name.split(".")[1] in WINGS - ALLOWED[folder]
    ]
    assert wrong == []


def test_models_know_no_user_interface() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for folder in ("fermodels", "train")
        for path in sources(folder)
        for name in imported(path)
        if name.split(".")[0] in {"streamlit", "gradio", "plotly"}
    ]
    assert wrong == []


def test_pages_import_nothing_heavy() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("pages")
        for name in imported(path)
        if name.split(".")[0] in HEAVY
    ]
    assert wrong == []


def test_no_studio_module_shadows_a_dependency() -> None:
    """`streamlit run` puts studio/ first on the path: studio/captum.py would hide captum."""
    ours = {path.stem for path in (ROOT / "studio").glob("*.py")}
    assert ours.isdisjoint(sys.stdlib_module_names)
    assert ours.isdisjoint({*HEAVY, "numpy", "pandas", "plotly", "streamlit", "PIL", "scipy"})


HOME = """
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file(sys.argv[1], default_timeout=120).run()
assert not app.exception, app.exception[0].message
print(" ".join(name for name in sys.argv[2:] if name in sys.modules))
"""


def test_home_opens_without_any_heavy_import() -> None:
    command = [sys.executable, "-c", HOME, str(ROOT / "studio" / "Home.py"), *HEAVY]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_importing_fermodels_is_light() -> None:
    code = "import sys, fermodels; print([n for n in sys.argv[1:] if n in sys.modules])"
    command = [sys.executable, "-c", code, *HEAVY, "numpy", "pandas"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
