"""The Classify tab alone, over HTTP: ``python -m studio.gradio_app`` and its API."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import fermodels
from fermodels.data.emotions import EMOTIONS
from fermodels.data.photo import Face
from fermodels.data.samples import sample_photos
from fermodels.nets import checkpoint
from studio import gradio_answers, gradio_look, photo_view, photo_why
from studio.photo_reading import MAX_BYTES, Reading, as_json, read
from studio.theme import EXPRESSION_COLORS
from tests.toys import ROOT, tiny_net

NAMES = ("shallow", "deep")
HEAT = 2.0
"""The temperature of the toy `shallow`; the toy `deep` is uncalibrated."""


def jpeg(pixels: np.ndarray) -> bytes:
    """Encode a picture."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=92)
    return buffer.getvalue()


ASTRONAUT = jpeg(sample_photos()["astronaut"])
NOBODY = jpeg(np.full((300, 400, 3), 120, dtype=np.uint8))


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two untrained networks, bundled for this module's process and the served one."""
    folder = tmp_path_factory.mktemp("checkpoints")
    metrics: dict[str, Any] = {"test": {"accuracy": 0.625, "n": 3589}}
    heats = {"shallow": {"calibration": {"temperature": HEAT}}, "deep": {}}
    none = pd.DataFrame({"step": [1]})
    for seed, name in enumerate(NAMES):
        checkpoint.save(
            folder / name, tiny_net(seed), {"variant": name, "recipe": "toy"},
            metrics | heats[name],
            checkpoint.History(none, none), none, "card",
        )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_CHECKPOINTS", str(folder))
        yield folder


@pytest.fixture(scope="module")
def served(checkpoints: Path) -> Iterator[str]:
    """The address of ``python -m studio.gradio_app``; it must clear up when told to stop."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "studio.gradio_app"], cwd=ROOT, env=environment
    )
    url = f"http://127.0.0.1:{port}"
    wait_for(url, process)
    uploaded = Path(upload(url, "x.jpg", NOBODY).json()[0])
    yield url
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert not uploaded.parents[1].exists()


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(1200):
        assert process.poll() is None, "the app ended before it served anything"
        try:
            httpx.get(url, timeout=1)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError(url)


@pytest.fixture(scope="module")
def client(served: str) -> Client:
    return Client(served, verbose=False, httpx_kwargs={"timeout": 120})  # a busy machine is slow


def upload(url: str, name: str, content: bytes) -> httpx.Response:
    return httpx.post(f"{url}/gradio_api/upload", files={"files": (name, content)}, timeout=60)


def classify(client: Client, path: Path, whole: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = client.predict(
        photo=handle_file(path), whole_picture=whole, api_name="/classify"
    )
    return found


@pytest.fixture
def astronaut(tmp_path: Path) -> Path:
    path = tmp_path / "astronaut.jpg"
    path.write_bytes(ASTRONAUT)
    return path


def test_the_api_says_what_python_says(client: Client, astronaut: Path, checkpoints: Path) -> None:
    (found,) = classify(client, astronaut)["faces"]
    face = fermodels.read_photo(ASTRONAUT)[0]
    assert tuple(found["box"]) == face.box
    assert found["score"] == face.score > 0.5
    assert list(found["models"]) == list(NAMES)
    for name in NAMES:
        told = found["models"][name]
        wanted = fermodels.load(checkpoints / name).predict(face.image[None].copy())[0]
        assert list(told["probabilities"]) == list(EMOTIONS)
        np.testing.assert_allclose(list(told["probabilities"].values()), wanted, rtol=1e-6)
        assert told["expression"] == EMOTIONS[int(wanted.argmax())]


def test_a_calibrated_network_tells_its_temperature_and_softer_odds(
    client: Client, astronaut: Path
) -> None:
    models = classify(client, astronaut)["faces"][0]["models"]
    assert models["deep"]["temperature"] is None
    assert models["deep"]["calibrated"] is None
    told = models["shallow"]
    own = np.array(list(told["probabilities"].values()))
    wanted = own ** (1 / HEAT) / (own ** (1 / HEAT)).sum()
    assert told["temperature"] == HEAT
    np.testing.assert_allclose(list(told["calibrated"].values()), wanted, rtol=1e-6)
    assert told["confidence"] == pytest.approx(wanted.max())


def test_one_network_can_be_asked_alone(client: Client, astronaut: Path) -> None:
    found = client.predict(photo=handle_file(astronaut), model="deep", api_name="/classify")
    assert list(found["faces"][0]["models"]) == ["deep"]


@pytest.mark.parametrize("model", ["../deep", "/etc", "hub:a/b", "", "all of them", 7, None])
def test_a_network_is_named_never_a_path(client: Client, astronaut: Path, model: object) -> None:
    with pytest.raises(AppError, match="no network"):
        client.predict(photo=handle_file(astronaut), model=model, api_name="/classify")


def test_the_api_says_why_and_why_not(client: Client, astronaut: Path, checkpoints: Path) -> None:
    told = client.predict(
        photo=handle_file(astronaut), model="deep", expression="sad", instead_of="fear",
        api_name="/explain",
    )  # fmt: skip
    face = fermodels.read_photo(ASTRONAUT)[0].image.copy()
    wanted = fermodels.explain(
        fermodels.load(checkpoints / "deep"), face, target_class="sad", contrast_class="fear"
    )
    np.testing.assert_allclose(told["attribution"], wanted.attribution[0], atol=1e-7)
    assert told["score"] == pytest.approx(told["logits"]["sad"] - told["logits"]["fear"])
    assert (told["expression"], told["instead_of"]) == ("sad", "fear")


def test_an_expression_against_itself_has_no_answer(client: Client, astronaut: Path) -> None:
    with pytest.raises(AppError, match="choose another"):
        client.predict(
            photo=handle_file(astronaut), model="deep", expression="sad", instead_of="sad",
            api_name="/explain",
        )  # fmt: skip


def test_many_photos_become_rows_and_a_bad_one_its_error(
    client: Client, astronaut: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "=bad.jpg"
    bad.write_bytes(b"no picture")
    rows = client.predict(
        photos=[handle_file(astronaut), handle_file(bad)], model="deep", api_name="/classify_many"
    )
    assert [row["file"] for row in rows] == ["astronaut.jpg", "=bad.jpg"]
    assert rows[0]["prediction"] in EMOTIONS
    assert rows[0]["error"] is None
    assert "not a picture" in rows[1]["error"]


def test_the_csv_of_many_photos_is_in_the_link_and_runs_no_formula(tmp_path: Path) -> None:
    bad = tmp_path / "x"
    bad.write_bytes(b"no picture")
    table, link = gradio_answers.show_many(
        [{"path": str(bad), "orig_name": "../=cmd()"}], "all", False
    )
    content = base64.b64decode(link.split("base64,")[1].split('"')[0]).decode()
    assert table[0][0] == "=cmd()"
    assert "\n'=cmd()," in content
    assert "1 could not be read" in link


def test_too_many_photos_at_once_are_refused() -> None:
    table, says = gradio_answers.show_many([{"path": "/nowhere"}] * 51, "all", False)
    assert table == []
    assert "51 photos were given: send 1 to 50" in says


def test_the_api_lists_its_typed_endpoints(client: Client) -> None:
    listed = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(listed) == {"/classify", "/classify_many", "/explain", "/networks"}
    parameters = {p["parameter_name"]: p for p in listed["/classify"]["parameters"]}
    assert set(parameters) == {"photo", "model", "whole_picture"}
    assert parameters["whole_picture"]["python_type"]["type"] == "bool"
    assert client.predict(api_name="/networks") == dict.fromkeys(NAMES, 0.625)


def test_without_a_face_nothing_is_classified_unless_taken_whole(
    client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "nobody.jpg"
    path.write_bytes(NOBODY)
    assert classify(client, path) == {"faces": []}
    (whole,) = classify(client, path, whole=True)["faces"]
    assert (whole["box"], whole["score"]) == ([50, 0, 350, 300], 0.0)
    assert whole["whole_picture"] is True
    assert set(whole["models"]) == set(NAMES)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("cut.jpg", ASTRONAUT[:5000], "damaged or cut short"),
        ("page.png", b"<html>not a picture</html>", "not a picture that can be read"),
        ("empty.jpg", b"", "empty"),
        ("tiny.png", jpeg(np.zeros((5, 5, 3), np.uint8)), "too small"),
    ],
)
def test_a_file_that_is_no_photo_gives_one_sentence(
    client: Client, tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AppError, match=sentence):
        classify(client, path)


@pytest.mark.parametrize("path", ["/etc/hostname", str(ROOT / "LICENSE"), "../../etc/hostname"])
def test_no_file_of_the_server_can_be_read(served: str, path: str) -> None:
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    for endpoint, data in (
        ("classify", [file, "all", True]),
        ("classify_many", [[file], "all", False]),
        ("explain", [file, "deep", "predicted", "none", "saliency", True]),
    ):
        asked = httpx.post(f"{served}/gradio_api/call/{endpoint}", json={"data": data})
        event = asked.json()["event_id"]
        answer = httpx.get(f"{served}/gradio_api/call/{endpoint}/{event}", timeout=60)
        assert "event: error" in answer.text
        assert Path("/etc/hostname").read_text().strip() not in answer.text


def test_too_large_an_upload_is_refused(served: str) -> None:
    assert upload(served, "big.jpg", bytes(MAX_BYTES + 1)).status_code == 413


def test_uploads_lie_in_a_folder_that_only_this_user_can_read(served: str) -> None:
    stored = Path(upload(served, "a.jpg", ASTRONAUT).json()[0])
    private = stored.parents[1]
    assert private.name.startswith("fer-studio-") and private.stat().st_mode & 0o777 == 0o700


def test_many_at_once_get_the_answer_of_one(client: Client, astronaut: Path) -> None:
    wanted, found = classify(client, astronaut), []
    threads = [
        threading.Thread(target=lambda: found.append(classify(client, astronaut))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 8


def test_nothing_is_sent_home_shared_or_recorded(served: str) -> None:
    config = httpx.get(f"{served}/config").json()
    assert config["analytics_enabled"] is False and config["run_history"] is False
    assert config["footer_links"] == ["api"]


class _Tags(HTMLParser):
    """Collects tags, and fails on one that does not close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def reading(boxes: list[tuple[int, int, int, int]], names: tuple[str, ...] = NAMES) -> Reading:
    faces = tuple(Face(np.zeros((48, 48), np.uint8), box, 1.0, False) for box in boxes)
    answer = np.array([0.001, 0.009, 0.04, 0.9, 0.02, 0.02, 0.01], dtype=np.float32)
    answers = dict.fromkeys(names, np.stack([answer] * len(faces))) if faces else {}
    return Reading(Image.new("RGB", (800, 600)), faces, answers)


def test_every_face_is_boxed_where_it_was_found(checkpoints: Path) -> None:
    tags = _Tags(photo_view.reading_html(reading([(10, 20, 210, 220), (400, 50, 450, 100)]))).seen
    first = next(a for t, a in tags if t == "rect" and a["class"] == "fer-first")
    assert [first[k] for k in ("x", "y", "width", "height")] == ["10", "20", "200", "200"]
    assert sum(t == "rect" and a["class"] == "fer-other" for t, a in tags) == 1
    assert sum(t == "text" for t, _ in tags) == 2
    assert next(a for t, a in tags if t == "svg")["viewbox"] == "0 0 800 600"


def test_bars_are_as_long_as_the_probabilities_in_the_one_palette(checkpoints: Path) -> None:
    html = photo_view.reading_html(reading([(0, 0, 9, 9)], ("deep",)))
    for name, share in zip(EMOTIONS, (0.1, 0.9, 4, 90, 2, 2, 1), strict=True):
        assert html.count(f"width:{share:.2f}%;background:{EXPRESSION_COLORS[name]}") == 1
    assert "says deep: 90%" in html and html.count("&lt;1%") == 1
    assert "uncalibrated" in html


def test_a_calibrated_networks_bars_are_softer(checkpoints: Path) -> None:
    html = photo_view.reading_html(reading([(0, 0, 9, 9)], ("shallow",)))
    assert "calibrated, temperature 2.00" in html
    powers = np.sqrt([0.001, 0.009, 0.04, 0.9, 0.02, 0.02, 0.01])
    assert f"width:{100 * powers[3] / powers.sum():.2f}%" in html


def test_other_faces_are_told_in_a_table_and_numbered(checkpoints: Path) -> None:
    html = photo_view.reading_html(reading([(0, 0, 9, 9), (1, 2, 3, 4)]))
    _Tags(html)
    assert "The other faces" in html and "1, 2, 3, 4" in html
    assert html.count("happy 90%") == 1, "deep is uncalibrated, shallow is not"


def test_an_explanation_reads_aloud_and_closes_its_tags(checkpoints: Path) -> None:
    why = photo_why.ask_why(ASTRONAUT, "deep", "sad", "fear")
    html = photo_why.why_html(why)
    _Tags(html)
    assert "Why sad, not fear?" in html and "amber spoke for sad" in html
    assert "adds up to the change from the baseline within" in html


def test_without_a_face_the_page_offers_the_whole_picture() -> None:
    html = photo_view.reading_html(reading([]))
    assert "No face found" in html and "Take the whole picture" in html
    _Tags(html)


def test_errors_and_names_cannot_inject_html(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "<script" not in photo_view.problem_html("<script>alert(1)</script>")
    evil = "a<img src=x onerror=1>"
    (tmp_path / evil).mkdir()
    for file in (checkpoint.CONFIG, checkpoint.METRICS):
        (tmp_path / evil / file).write_bytes((checkpoints / NAMES[0] / file).read_bytes())
    monkeypatch.setenv("FER_CHECKPOINTS", str(tmp_path))
    assert "onerror=1>" not in photo_view.reading_html(reading([(0, 0, 9, 9)], (evil,)))


def test_a_replaced_checkpoint_answers_at_the_next_photo(checkpoints: Path) -> None:
    before = read(ASTRONAUT).answers["deep"]
    assert before.shape == (1, 7)
    checkpoint.save(
        checkpoints / "deep", tiny_net(5), {"variant": "deep", "recipe": "toy"}, {"test": {}},
        checkpoint.History(pd.DataFrame({"step": [1]}), pd.DataFrame({"step": [1]})),
        pd.DataFrame({"step": [1]}), "card",
    )  # fmt: skip
    assert not np.array_equal(before, read(ASTRONAUT).answers["deep"])


def test_the_answer_is_json_that_survives_a_round_trip() -> None:
    told = as_json(reading([(0, 0, 9, 9)]))
    assert json.loads(json.dumps(told)) == told


def test_a_photo_swept_away_asks_for_it_again() -> None:
    html = gradio_answers.show({"path": "/nowhere/x.jpg"}, "all", False)
    assert "add it again" in html and "/nowhere" not in html


def test_the_private_folder_goes_when_a_server_that_mounts_the_tab_stops() -> None:
    code = """
import asyncio, gradio as gr
from fastapi import FastAPI
from studio import gradio_app, gradio_files
host = gr.mount_gradio_app(
    FastAPI(), gradio_app.build_demo(), path="/gradio", **gradio_app.mount_options()
)
folder = gradio_files.private_folder()
async def serve():
    async with host.router.lifespan_context(host):
        assert folder.is_dir()
asyncio.run(serve())
assert not folder.exists()
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=400)


def test_gradio_finds_matplotlib_settled_while_another_thread_imports_it() -> None:
    code = """
import sys, threading
thread = threading.Thread(target=lambda: __import__("matplotlib.pyplot"))
import gradio.utils
from studio import gradio_app
thread.start()
gradio_app.build_demo()
with gradio.utils.MatplotlibBackendMananger():
    pass
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=400)


def test_the_tab_wears_the_studios_colours() -> None:
    theme = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["theme"]
    for mode, colours in (("light", gradio_look.LIGHT), ("dark", gradio_look.DARK)):
        wanted = theme[mode]
        assert colours == {
            "page": wanted["backgroundColor"],
            "panel": wanted["secondaryBackgroundColor"],
            "text": wanted["textColor"],
            "line": wanted["borderColor"],
        }
    assert theme["light"]["primaryColor"] == gradio_look.ACCENT
    assert theme["dark"]["primaryColor"] == gradio_look.ACCENT_DARK
