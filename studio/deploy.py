"""Put the studio on a Hugging Face Space: ``python -m studio.deploy --space owner/name``.

One commit with the files the studio runs on and a README whose front matter makes the Space; it is
made, private unless told otherwise. ``--sdk docker`` builds the Dockerfile; ``--sdk gradio``
starts ``app.py``. The Hub asks for a paid plan to create either. How to choose: docs/deploy.md.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fermodels.errors import ConfigError, HubError, exit_status, hub_errors
from fermodels.hub import TIMEOUT, check_repo_id

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ROOT = Path(__file__).resolve().parents[1]
PORT = 7860

FOLDERS = (".streamlit", "checkpoints", "fermodels", "pages", "results", "studio", "train")
FILES = ("LICENSE", "app.py", "requirements.txt")
"""What the studio needs; the same as .dockerignore lets into the image. Never what else lies about:
data, runs, tests."""

DOCKER_FILES = ("Dockerfile", ".dockerignore")
LEFT_OUT = ("__pycache__",)

ABOUT = {
    "title": "FER Studio",
    "emoji": "🔎",
    "colorFrom": "blue",
    "colorTo": "yellow",
    "license": "mit",
    "pinned": "false",
    "short_description": "See what a facial-expression network has learned",
    "suggested_hardware": "cpu-basic",
}
SDKS: dict[str, dict[str, str]] = {
    "docker": {"sdk": "docker", "app_port": str(PORT)},
    "gradio": {"sdk": "gradio", "app_file": "app.py", "python_version": '"3.11"'},
}
"""Kind of Space -> its own lines of front matter (hub-docs, "Spaces configuration reference")."""


def front_matter(sdk: str, root: Path = ROOT) -> str:
    """Return the YAML block that makes a README a Space's.

    Raises:
        ConfigError: no such kind of Space, or requirements.txt pins no Gradio.
    """
    if sdk not in SDKS:
        raise ConfigError(f"the SDK {sdk!r} is none of {', '.join(SDKS)}: choose one")
    lines = ABOUT | SDKS[sdk]
    if sdk == "gradio":
        lines["sdk_version"] = pinned("gradio", root)
    return "---\n" + "".join(f"{key}: {value}\n" for key, value in lines.items()) + "---\n"


def pinned(package: str, root: Path = ROOT) -> str:
    """Return the version that requirements.txt pins.

    Raises:
        ConfigError: none.
    """
    for line in (root / "requirements.txt").read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("==")
        if name == package and version:
            return version
    raise ConfigError(f"requirements.txt pins no {package}: add a line {package}==VERSION")


def readme(sdk: str, root: Path = ROOT) -> str:
    """Return the project's README with the Space's front matter instead of any of its own."""
    text = (root / "README.md").read_text(encoding="utf-8")
    if text.startswith("---\n"):
        text = text.split("---\n", 2)[2].lstrip("\n")
    return f"{front_matter(sdk, root)}\n{text}"


def files_of(sdk: str, root: Path = ROOT) -> dict[str, Path]:
    """Return what goes to the Space: path there -> file here; the README comes on top.

    Raises:
        ConfigError: a file is missing.
    """
    wanted = [*FILES, *(DOCKER_FILES if sdk == "docker" else ())]
    missing = [name for name in (*wanted, *FOLDERS) if not (root / name).exists()]
    if missing:
        raise ConfigError(f"{root} has no {', '.join(missing)}: run this in a whole checkout")
    content = {name: root / name for name in wanted}
    for folder in FOLDERS:
        content |= {str(p.relative_to(root).as_posix()): p for p in _inside(root / folder)}
    return content


def _inside(folder: Path) -> Iterator[Path]:
    """Yield a folder's files, without caches, hidden files and links that lead elsewhere."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part in LEFT_OUT for part in parts)
        if path.is_file() and not path.is_symlink() and not hidden:
            yield path


def requirements(root: Path = ROOT) -> str:
    """Return requirements.txt for a Space without our Dockerfile: torch from its CPU wheels."""
    text = (root / "requirements.txt").read_text(encoding="utf-8")
    return f"--extra-index-url https://download.pytorch.org/whl/cpu\ntorch==2.13.0+cpu\n{text}"


def deploy(
    space: str,
    sdk: str = "docker",
    private: bool = True,
    root: Path = ROOT,
    overwrite: bool = False,
) -> str:
    """Send the studio to a Space in one commit and return the Space's address.

    The Space is made if there is none; one that exists keeps its visibility, and must be empty or
    hold a studio already. Files that it has beyond ours stay, an unchanged studio makes no commit.

    Args:
        space: ``owner/name``.
        sdk: a key of SDKS.
        private: visibility of a Space made here.
        root: the checkout.
        overwrite: send it into a Space that holds something else.

    Raises:
        ConfigError: no such SDK, or the checkout is not whole.
        HubError: no token, no right, no network, or a Space that holds something else.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    check_repo_id(space)
    content: dict[str, str | bytes] = {name: str(p) for name, p in files_of(sdk, root).items()}
    content["README.md"] = readme(sdk, root).encode()
    if sdk == "gradio":
        content["requirements.txt"] = requirements(root).encode()
    if get_token() is None:
        raise HubError(
            "no token to reach a Space with: set HF_TOKEN to one with write access, or run "
            "hf auth login"
        )
    api = HfApi()
    with hub_errors(space), warnings.catch_warnings():
        # Histories and predictions belong to the checkpoints: no data set is meant by them.
        warnings.filterwarnings("ignore", message="It seems that you are about to commit a data")
        _make(api, space, sdk, private, overwrite)
        api.create_commit(
            space,
            [CommitOperationAdd(name, value) for name, value in content.items()],
            commit_message="FER Studio",
            repo_type="space",
        )
    return f"{api.endpoint}/spaces/{space}"


def _make(api: HfApi, space: str, sdk: str, private: bool, overwrite: bool) -> None:
    """Make the Space, or see that our files would hide nothing of the one that is there."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        present = {
            entry.rfilename for entry in api.space_info(space, timeout=TIMEOUT).siblings or []
        }
    except RepositoryNotFoundError:
        api.create_repo(space, repo_type="space", space_sdk=sdk, private=private, exist_ok=True)
        return
    is_studio = {name.split("/")[0] for name in present} >= {*FOLDERS, *FILES}
    strange = sorted(present - {".gitattributes"})
    if strange and not (is_studio or overwrite):
        raise HubError(
            f"the Space {space} holds {', '.join(strange)[:200]} but no studio: choose another "
            "Space, or add --overwrite to put the studio's files among them"
        )


def main(words: Sequence[str] | None = None) -> int:
    """Deploy; an error of ours is one sentence and exit status 2."""
    parser = argparse.ArgumentParser("studio.deploy", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--space", required=True, metavar="OWNER/NAME", help="where it goes")
    parser.add_argument("--sdk", choices=list(SDKS), default="docker", help="kind of Space")
    parser.add_argument("--public", action="store_true", help="make a new Space public")
    parser.add_argument(
        "--overwrite", action="store_true", help="send it even where something else is"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent")
    options = parser.parse_args(words)

    def work() -> None:
        if options.dry_run:
            files = files_of(options.sdk)
            size = sum(path.stat().st_size for path in files.values())
            print(*sorted([*files, "README.md"]), sep="\n")
            print(f"{len(files) + 1} files, {size / 1e6:.1f} MB")
        else:
            private, overwrite = not options.public, options.overwrite
            print(f"deployed: {deploy(options.space, options.sdk, private, overwrite=overwrite)}")

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
