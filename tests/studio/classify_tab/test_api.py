"""The Classify tab alone, over HTTP: ``python -m studio.classify_tab.app`` and its API."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import fermodels
from fermodels.data.emotions import EMOTIONS
from studio.classify_tab.reading import MAX_BYTES
from tests.studio.classify_tab.photo_toys import ASTRONAUT, HEAT, NAMES, NOBODY, jpeg
from tests.toys import ROOT, tiny_scores


@pytest.fixture(scope="module")
def served(checkpoints: Path) -> Iterator[str]:
    """The address of ``python -m studio.classify_tab.app``; it must clear up when told to stop."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "studio.classify_tab.app"], cwd=ROOT, env=environment
    )
    url = f"http://127.0.0.1:{port}"
    wait_for(url, process)
    uploaded = Path(upload(url, "x.jpg", NOBODY).json()[0])
    yield url
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert not uploaded.parents[2].exists()


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
    with pytest.raises(
        AppError, match="no network" if isinstance(model, str) else "model is given"
    ):
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


def test_the_api_lists_its_typed_endpoints(client: Client) -> None:
    listed = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(listed) == {"/classify", "/classify_many", "/explain", "/networks"}
    parameters = {p["parameter_name"]: p for p in listed["/classify"]["parameters"]}
    assert set(parameters) == {"photo", "model", "whole_picture"}
    assert parameters["whole_picture"]["python_type"]["type"] == "bool"
    accuracy = tiny_scores(0.625, 3589)["accuracy"]
    assert client.predict(api_name="/networks") == dict.fromkeys(NAMES, accuracy)


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


def test_too_large_an_upload_is_refused(served: str) -> None:
    assert upload(served, "big.jpg", bytes(MAX_BYTES + 1)).status_code == 413


def test_uploads_lie_in_a_folder_that_only_this_user_can_read(served: str) -> None:
    stored = Path(upload(served, "a.jpg", ASTRONAUT).json()[0])
    private = stored.parents[2]
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
