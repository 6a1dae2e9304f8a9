"""A Space gets what the studio needs and nothing else, in one commit, private; over real HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.requests import Request
from starlette.responses import Response

from fermodels.errors import ConfigError, HubError
from studio import deploy
from tests.hub_server import OWNER, STRANGER, HubServer
from tests.toys import ROOT

SPACE = "alice/studio"


class SpaceServer(HubServer):
    """The Hub's routes for Spaces: those for models under another prefix."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []

    def _app(self) -> Any:
        inner = super()._app()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            path = scope.get("path", "").replace("/api/spaces/", "/api/models/", 1)
            path = path.removeprefix("/spaces") if path.startswith("/spaces/") else path
            await inner({**scope, "path": path}, receive, send)

        return app

    async def create(self, request: Request) -> Response:
        self.asked.append(await request.json())
        return await super().create(request)


@pytest.fixture(scope="module")
def server() -> Iterator[SpaceServer]:
    with SpaceServer() as running:
        yield running


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small checkout with what must go, and much that must not."""
    for folder in deploy.FOLDERS:
        (tmp_path / folder / "inner").mkdir(parents=True)
        (tmp_path / folder / "inner" / "a.py").write_text(folder)
    for name in (*deploy.FILES, *deploy.DOCKER_FILES):
        (tmp_path / name).write_text("gradio==6.31.0\n")
    (tmp_path / "checkpoints" / "model.safetensors").write_bytes(bytes(1000))
    (tmp_path / "README.md").write_text("# FER Studio\n")
    for stray in ("runs/state.pt", "tests/test_x.py", ".env", "studio/__pycache__/a.pyc",
                  "studio/.secret", "data.csv"):  # fmt: skip
        (tmp_path / stray).parent.mkdir(exist_ok=True)
        (tmp_path / stray).write_text("secret")
    (tmp_path / "pages" / "link").symlink_to("/etc/hostname")
    return tmp_path


def send(server: SpaceServer, root: Path, token: str = OWNER, sdk: str = "docker") -> str:
    """Deploy in a process of its own: huggingface_hub reads its endpoint at import."""
    code = (
        "import sys; from pathlib import Path; from studio.deploy import deploy\n"
        "from fermodels.errors import FerError\n"
        "try: print(deploy(sys.argv[1], sys.argv[2], True, Path(sys.argv[3])))\n"
        "except FerError as error: print('refused:', error)"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    own = {"HF_ENDPOINT": server.endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(root / ".hf"),
           "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}  # fmt: skip
    own |= {"HF_TOKEN": token} if token else {}
    done = subprocess.run(
        [sys.executable, "-c", code, SPACE, sdk, str(root)],
        cwd=ROOT, env=kept | own, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_one_private_commit_holds_exactly_the_files_needed(
    server: SpaceServer, checkout: Path
) -> None:
    server.repos.clear()
    assert send(server, checkout) == f"{server.endpoint}/spaces/{SPACE}"
    repo = server.repos[SPACE]
    assert repo.private
    assert server.asked[-1]["type"] == "space" and server.asked[-1]["sdk"] == "docker"
    assert len(repo.commits) == 1
    (files,) = repo.commits.values()
    wanted = {f"{folder}/inner/a.py" for folder in deploy.FOLDERS}
    wanted |= {*deploy.FILES, *deploy.DOCKER_FILES, "README.md", "checkpoints/model.safetensors"}
    assert set(files) == wanted
    assert not any(b"secret" in content for content in files.values())
    assert files["README.md"].startswith(b"---\ntitle: FER Studio\n")
    assert send(server, checkout) == f"{server.endpoint}/spaces/{SPACE}"
    assert len(repo.commits) == 1, "nothing changed, nothing is committed"


def test_refusals_are_one_sentence(server: SpaceServer, checkout: Path) -> None:
    server.repos.clear()
    assert "no token" in send(server, checkout, token="")
    said = send(server, checkout, token=STRANGER)
    assert said.startswith("refused: ") and "403" in said and "\n" not in said
    assert server.repos == {}


@pytest.mark.parametrize("sdk", deploy.SDKS)
def test_front_matter_is_yaml_that_a_space_understands(sdk: str) -> None:
    text = deploy.readme(sdk)
    block = yaml.safe_load(text.split("---\n")[1])
    assert block["sdk"] == sdk and block["title"] == "FER Studio"
    assert len(block["short_description"]) <= 60, "the Hub refuses longer ones"
    if sdk == "docker":
        assert block["app_port"] == 7860
    else:
        assert block["app_file"] == "app.py"
        assert block["sdk_version"] == deploy.pinned("gradio")
    assert text.count("# FER Studio\n") == 1


def test_a_readme_that_has_front_matter_gets_ours_instead(checkout: Path) -> None:
    (checkout / "README.md").write_text("---\nsdk: static\n---\n\n# FER Studio\n")
    assert deploy.readme("docker", checkout).count("sdk: ") == 1


def test_what_goes_to_a_space_is_what_goes_into_the_image() -> None:
    let_in = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert let_in == {*deploy.FOLDERS, *deploy.FILES}


def test_the_image_is_built_from_what_is_let_into_it() -> None:
    """The CPU torch and uid 1000 of the Dockerfile, and the port of the front matter."""
    text = (ROOT / "Dockerfile").read_text()
    assert "USER 1000" in text and f"EXPOSE {deploy.PORT}" in text
    assert f"--server.port={deploy.PORT}" in text
    assert "ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu" in text


@pytest.mark.parametrize("name", ["studio", "../x", "a/b/c", "https://huggingface.co/a/b"])
def test_a_space_is_named_as_the_hub_names_it(name: str) -> None:
    with pytest.raises(HubError, match="owner/name"):
        deploy.deploy(name)


def test_half_a_checkout_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="whole checkout"):
        deploy.files_of("docker", tmp_path)


def test_a_dry_run_sends_nothing_and_lists_no_test_and_no_data(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert deploy.main(["--space", SPACE, "--dry-run"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert "studio/Home.py" in listed and "app.py" in listed
    assert not [name for name in listed if name.startswith(("tests", "runs", "data", "."))
                and not name.startswith((".streamlit", ".dockerignore"))]  # fmt: skip


def test_the_gradio_spaces_entry_serves_the_studio_on_its_port() -> None:
    """`app.py` becomes ``streamlit run``; what it would run is asked of it, not started."""
    code = (
        "import json, os, app\n"
        "os.execv = lambda path, words: print(json.dumps([path, *words]))\n"
        "app.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        env={k: v for k, v in os.environ.items() if k != "PORT"},
    )  # fmt: skip
    words = json.loads(done.stdout)
    assert words[0] == words[1] == sys.executable
    assert words[2:5] == ["-m", "streamlit", "run"] and Path(words[5]).name == "Home.py"
    assert "--server.port=7860" in words
