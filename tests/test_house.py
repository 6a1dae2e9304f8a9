"""The house's rules, read from the source: which way imports point, and what starts light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests import house_size
from tests.toys import ROOT

PACKAGES = {
    "fermodels": {"fermodels"},
    "train": {"train", "fermodels"},
    "studio": {"studio", "fermodels"},
    "pages": {"studio", "fermodels"},
}
"""Package -> what of ours it may import: ``pages -> studio -> fermodels <- train``."""
INSIDE = {
    "fermodels": {
        "data": set(),
        "nets": {"data"},
        "evaluation": {"nets", "data"},
        "xai": {"evaluation", "nets", "data"},
        "classify": {"nets", "data"},
    },
    "fermodels/xai": {
        "model_access": set(),
        "fast_forward": {"model_access"},
        "attribution": {"fast_forward", "model_access"},
        "dream": {"attribution", "model_access"},
        "counterfactuals": {"attribution", "model_access"},
        "trust": {"attribution", "fast_forward", "model_access"},
        "inspect": {"attribution", "counterfactuals", "dream", "model_access"},
        "concepts": {"attribution", "counterfactuals", "model_access", "trust"},
    },
    "studio": {
        "figures": {"theme"},
        "components": {
            "figures", "navigation", "networks", "predictions", "public", "snippets", "state",
            "theme", "explanations",
        },
    },
    "train": {"sweep": {"config", "device", "evidence", "loop", "run", "state"}},
}  # fmt: skip
"""Folder -> its part -> which other parts of the same folder that may import."""
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


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_arrows_point_one_way(package: str) -> None:
    assert sources(package)
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for name in imported(path)
        if name.split(".")[0] in PACKAGES.keys() - PACKAGES[package]
    ]
    assert wrong == []


PARTS = [(folder, part) for folder, parts in INSIDE.items() for part in parts]


@pytest.mark.parametrize(("folder", "part"), PARTS)
def test_arrows_inside_a_package_point_one_way(folder: str, part: str) -> None:
    place = ROOT / folder / part
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    assert files
    within = folder.replace("/", ".") + "."
    others = {path.stem for path in (ROOT / folder).iterdir() if path.name != "__init__.py"}
    free = others - set(INSIDE[folder]) if folder == "fermodels" else set()  # errors, files, ...
    allowed = INSIDE[folder][part] | free | {part}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imported(path)
        if name.startswith(within) and name.removeprefix(within).split(".")[0] in others - allowed
    ]
    assert wrong == []


def test_rooms_do_not_import_rooms() -> None:
    rooms = ROOT / "studio" / "rooms"
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("studio/rooms")
        for name in imported(path)
        if name.startswith("studio.rooms.")
        and name.split(".")[2] != path.relative_to(rooms).parts[0].removesuffix(".py")
    ]
    assert wrong == []


def test_no_circle_of_imports() -> None:
    """Nor one hidden in functions: a circle means that two files are one idea, or three."""
    files = house_size.modules()
    arrows = {name: house_size.imports(path, set(files)) for name, path in files.items()}
    assert TopologicalSorter(arrows).prepare() is None


def test_a_public_class_stands_for_one_thing() -> None:
    classes = Counter(
        node.name
        for path in house_size.modules().values()
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in classes.items() if count > 1] == []


def test_a_module_is_an_idea_and_a_folder_can_be_overlooked() -> None:
    house = house_size.size()
    assert house.small == (), f"merge these into what imports them: {house.small}"
    assert [name for name, count in house.per_folder.items() if count > 15] == []
    words = f"{house.modules} modules: merge two, or raise the limit with a reason"
    assert house.modules <= 195, words


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
