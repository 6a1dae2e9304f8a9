"""Strangers at the Classify tab's API: no file of the machine, no standstill, no lasting memory."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

from studio.classify_tab.uploads import KEEP_SECONDS, MAX_UPLOAD
from tests.attack.conftest import PNG, Served, start, stop, wait_for
from tests.toys import ROOT

META = {"meta": {"_type": "gradio.FileData"}}
USUAL: dict[str, list[object]] = {
    "classify": [None, "deep", True],
    "classify_many": [None, "deep", True],
    "explain": [None, "deep", "predicted", "none", "saliency", True],
}
"""Endpoint -> its arguments, the photo first."""


def say(served: Served, route: str, body: Any, **headers: str) -> tuple[int, str]:
    """Post a body, follow an event to its end; return the status and all that was said."""
    posted = served.client.post(
        f"{served.api}/{route}", headers={"content-type": "application/json"} | headers,
        content=body if isinstance(body, bytes) else json.dumps(body).encode(),
    )  # fmt: skip
    said, event = posted.text, None
    if posted.status_code == 200:
        event = posted.json().get("event_id")
    if event and route.startswith("call/"):
        said += served.client.get(f"{served.api}/{route}/{event}").text
    if event and route == "queue/join":
        session = {"session_hash": body["session_hash"]}
        said += served.client.get(f"{served.api}/queue/data", params=session).text
    return posted.status_code, said


def with_value(endpoint: str, where: int, value: object) -> list[object]:
    data = list(USUAL[endpoint])
    data[where] = value
    return data


@pytest.fixture(scope="session")
def fifo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipe that nobody writes to: whoever opens it waits."""
    path = tmp_path_factory.mktemp("pipe") / "pipe.png"
    os.mkfifo(path)
    return path


def targets(served: Served, fifo: Path) -> list[str]:
    """Return what a stranger would like the server to open."""
    held = Path(served.upload(PNG).json()[0])
    link = fifo.parent / f"link-{served.way}.png"
    if not link.exists():
        link.symlink_to(served.secret_picture)
    return [
        str(served.secret_picture), str(served.secret_file), str(link), str(fifo),
        "/etc/passwd", "/proc/self/environ", f"/proc/{served.process.pid}/environ", "/dev/zero",
        "/dev/stdin", str(ROOT / "LICENSE"), "../LICENSE", "LICENSE", "", "\0", "/", ".",
        f"{held.parent}/../../../../../{served.secret_picture}", f"{held}/../{held.name}",
        f"{held.parent}/../{held.parent.name}/{held.name}", str(held.parent), f"{held}\0.png",
        str(held.parents[2] / ".lock"), f"file://{served.secret_file}", "~/.bashrc",
        "http://127.0.0.1/x.png", " HTTPS://example.org/x.png",
        f"{held.parent}//{held.name}", f"{held.parent}/./{held.name}", f"{held}/",
    ]  # fmt: skip


def requests(served: Served, fifo: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ways to name a file: every target as a photo, one target in every place and form."""
    paths = targets(served, fifo)
    for path in paths:
        for endpoint in USUAL:
            file = {"path": path, **META}
            photo = [file] if endpoint == "classify_many" else file
            yield f"call/{endpoint}", {"data": with_value(endpoint, 0, photo)}
    for extra in (META, {}, {"meta": {"_type": "other"}}, {"meta": None}, {"url": paths[0]}):
        file = {"path": paths[0], **extra}
        for value in (file, [file], {"a": [file]}, [[file]], {"value": file}):
            for endpoint, usual in USUAL.items():
                for where in range(len(usual)):
                    yield f"call/{endpoint}", {"data": with_value(endpoint, where, value)}
    named = {"photo": {"path": paths[0], **META}, "model": {"path": paths[1], **META}}
    yield "call/v2/classify", named
    for number, dependency in enumerate(served.config()["dependencies"]):
        if not dependency["inputs"]:
            continue
        data = [{"path": paths[0], **META}] * len(dependency["inputs"])
        body = {"data": data, "fn_index": number, "session_hash": "stranger", "event_data": file}
        for route in ("queue/join", "run/predict", "run/show", "api/show", "api/predict"):
            yield route, body


def test_no_path_of_the_machine_is_opened(served: Served, fifo: Path) -> None:
    """By none of the paths, in none of the places, with or without what marks a file."""
    count = 0
    for route, body in requests(served, fifo):
        status, said = say(served, route, body)
        assert 400 <= status < 500, (route, body, said[:200])
        assert served.secret not in said and str(served.secret_file.parent) not in said
        assert len(said) < 300, said
        count += 1
    assert count > 200
    assert served.lives()


def test_a_photo_uploaded_here_is_still_answered(served: Served) -> None:
    """The same requests with a photo of one's own: what is refused above is the path alone."""
    file = {"path": served.upload(PNG).json()[0], **META}
    for endpoint in USUAL:
        photo = [file] if endpoint == "classify_many" else file
        status, said = say(served, f"call/{endpoint}", {"data": with_value(endpoint, 0, photo)})
        assert status == 200 and "event: complete" in said, said
    status, said = say(
        served, "call/v2/classify", {"photo": file, "model": "deep", "whole_picture": True}
    )
    assert status == 200 and "event: complete" in said, said


def test_an_error_never_prints_what_is_no_short_word(served: Served) -> None:
    file = {"path": served.upload(PNG).json()[0], **META}
    for where, usual in enumerate(USUAL["explain"][1:], start=1):
        for value in (file, [file], 7, None, 1.5, "x" * 150):
            data = with_value("explain", where, value)
            data[0] = file
            status, said = say(served, "call/explain", {"data": data})
            assert status == 422 or "event: error" in said, (usual, value, said)
            assert file["path"] not in said and "x" * 120 not in said
            assert len(said) < 400


def test_only_uploads_examples_and_fonts_are_served(served: Served, fifo: Path) -> None:
    for path in targets(served, fifo):
        dots = quote(path).replace("/.", "/%2e")  # a client would resolve them itself
        answer = served.client.get(f"{served.api}/file={dots}")
        assert answer.status_code in (403, 404), path
        assert served.secret not in answer.text
    photo = served.upload(PNG).json()[0]
    assert served.client.get(f"{served.api}/file={photo}").content == PNG


@pytest.mark.parametrize("name", ["show", "show_why", "show_many", "load_example", "predict"])
def test_the_pages_own_events_are_not_called_by_name(served: Served, name: str) -> None:
    for route in (f"call/{name}", f"call/v2/{name}", f"run/{name}", f"api/{name}"):
        status, said = say(served, route, {"data": [None, "deep", True]})
        assert status == 404, said


def test_the_pages_own_events_answer_no_program_and_no_other_page(served: Served) -> None:
    private = [
        (number, dependency)
        for number, dependency in enumerate(served.config()["dependencies"])
        if dependency["api_visibility"] != "public"
    ]
    assert len(private) >= 4
    for number, dependency in private:
        body = {"data": [None] * len(dependency["inputs"]), "fn_index": number,
                "session_hash": "stranger"}  # fmt: skip
        for route in ("queue/join", "run/predict"):
            assert say(served, route, body)[0] in (403, 404)
            foreign = say(served, route, body, origin="http://evil.example")
            assert foreign[0] in (403, 404)


def test_a_program_that_poses_as_the_page_gets_no_more_than_others(
    served: Served, fifo: Path
) -> None:
    """It may state the page's origin: the page's events open no path either, and do not fail."""
    paths = targets(served, fifo)[:8]
    for number, dependency in enumerate(served.config()["dependencies"]):
        count = len(dependency["inputs"])
        values: list[object] = [{"path": path, **META} for path in paths]
        for value in [*values, None, 10**9, -1, 1.5, True, "x", [], {}]:
            body = {"data": [value] * count, "fn_index": number, "session_hash": "posing"}
            for route in ("queue/join", "run/predict"):
                status, said = say(served, route, body, origin=served.root)
                assert status < 500, (dependency["api_name"], value, said[:300])
                assert served.secret not in said and str(served.secret_file.parent) not in said


def test_no_event_goes_past_the_queue(served: Served) -> None:
    for number, dependency in enumerate(served.config()["dependencies"]):
        if dependency["queue"] is not False and dependency["backend_fn"]:
            body = {"data": [None] * len(dependency["inputs"]), "fn_index": number,
                    "session_hash": "hurry"}  # fmt: skip
            assert say(served, "run/predict", body, origin=served.root)[0] == 404


def test_another_sites_page_asks_nothing_of_ones_own_studio(served: Served) -> None:
    for kind in ("text/plain", "application/json"):  # a page may send the first without asking
        status, said = say(
            served, "call/networks", {"data": []},
            **{"origin": "http://evil.example", "content-type": kind},
        )  # fmt: skip
        assert (status == 200) is (served.way == "public"), said


def test_a_photo_named_many_times_takes_no_place(served: Served) -> None:
    file = {"path": served.upload(PNG).json()[0], **META}
    begun = time.monotonic()
    status, said = say(served, "call/classify_many", {"data": [[file] * 50, "all", True]})
    assert status == 400 and "twice" in said
    status, said = say(served, "call/classify_many", {"data": [[file] * 51, "all", True]})
    assert status == 400 and "51 photos" in said
    assert time.monotonic() - begun < 2


def test_a_photo_is_named_in_one_spelling_alone(served: Served) -> None:
    """Else 50 spellings of one would be 50 photos."""
    path = Path(served.upload(PNG).json()[0])
    spellings = [f"{path.parent}{'/.' * number}/{path.name}" for number in range(1, 50)]
    photos = [{"path": spelling, **META} for spelling in [str(path), *spellings]]
    status, said = say(served, "call/classify_many", {"data": [photos, "all", True]})
    assert status == 400, said


def test_a_name_that_cannot_be_encoded_is_shown_and_not_logged(served: Served) -> None:
    file = {"path": served.upload(b"no picture").json()[0], "orig_name": "\ud800\x00x.jpg", **META}
    status, said = say(served, "call/classify_many", {"data": [[file], "deep", True]})
    assert status == 200 and "event: complete" in said and "x.jpg" in said


@pytest.mark.parametrize("name", ["\U0001f600" * 80 + ".jpg", "x" * 5000, "..", "", "a/b\\c.jpg"])
def test_a_photo_may_have_any_name(served: Served, name: str) -> None:
    assert served.upload(PNG, name).status_code in (200, 400)


@pytest.mark.parametrize("charset", ["undefined", "punycode", "nonsense", "utf-7", "idna"])
def test_a_form_of_any_charset_is_no_fault(served: Served, charset: str) -> None:
    body = (b'--x\r\nContent-Disposition: form-data; name="files"; filename="\xff\xfe.jpg"\r\n\r\n'
            + PNG + b"\r\n--x--\r\n")  # fmt: skip
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    answer = served.client.post(
        f"{served.api}/upload", content=body, headers={"content-type": kind}
    )
    assert answer.status_code in (200, 400), answer.text


def test_the_page_tells_no_path_of_the_installation(served: Served) -> None:
    for path in ("/config", "/gradio_api/info", "/"):
        said = served.client.get(f"{served.gradio}{path}").text
        assert str(ROOT) not in said and "site-packages" not in said


def test_cut_uploads_hold_nothing(served: Served) -> None:
    """20 uploads that stop after 5 of 90 MB: no file of theirs, and the next photo is taken."""
    folder = Path(served.upload(PNG).json()[0]).parents[1]
    before = {path for path in folder.rglob("*") if path.is_file()}
    host, port = served.root.removeprefix("http://").split(":")
    path = served.api.removeprefix(served.root) + "/upload"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 90000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        'Content-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    )
    for _ in range(20):
        with socket.create_connection((host, int(port))) as line:
            line.sendall(head.encode() + bytes(5_000_000))
    assert served.upload(PNG).status_code == 200
    after = {path for path in folder.rglob("*") if path.is_file()} - before
    assert [path.read_bytes() for path in after] == [PNG]


def test_an_upload_says_its_length_and_keeps_to_it(served: Served) -> None:
    host, port = served.root.removeprefix("http://").split(":")
    path = served.api.removeprefix(served.root) + "/upload"

    def status(*headers: str) -> int:
        lines = [f"POST {path} HTTP/1.1", f"Host: {host}:{port}", *headers, "", ""]
        with socket.create_connection((host, int(port)), timeout=10) as line:
            line.sendall("\r\n".join(lines).encode())
            return int(line.recv(100).split()[1])

    assert status("Transfer-Encoding: chunked") == 411
    assert status(f"Content-Length: {MAX_UPLOAD + 1}") == 413
    assert status("Content-Length: 99999999999999999999") in (411, 413, 400)
    assert status("Content-Length: -1") in (400, 411)


JUNK = [b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff\xfe", b"[" * 60_000, b"{}", b"NaN",
        b'{"data":NaN}', b'{"data":[1e999]}', b'{"data":' + b"9" * 6000 + b"}",
        b'{"data":[],"fn_index":-1,"session_hash":"a"}', b'{"data":{},"fn_index":1}',
        b'{"data":[],"fn_index":true,"session_hash":"a"}', b'{"data":[null,null,null]}',
        b'{"data":[null,"\\ud800",true]}', b'{"data":[[],"deep",true]}',
        b'{"data":[{"path":7},"deep",true]}', b'{"data":[{},"deep",true]}',
        b'{"data":[null,"deep",true],"session_hash":["a"]}', b'{"event_id":1}',
        b'{"session_hash":"a","fn_index":99,"event_id":"b"}', b'{"data":[],"fn_index":1e400}',
        b'{"photo":null}', b'{"\\u0000":1}', b"x" * 70_000]  # fmt: skip


def test_junk_is_never_a_fault(served: Served) -> None:
    """No answer of 500, and (checked when the servers stop) no traceback in the log."""
    dice = random.Random(0)
    routes = ["queue/join", "run/predict", "cancel", "reset", "upload", "component_server",
              "process_recording", "stream/x", "vibe-edit", "",
              *(f"call/{name}" for name in USUAL), "call/networks", "call/v2/classify"]  # fmt: skip
    whole = json.dumps({"data": [None, "deep", True], "fn_index": 5, "session_hash": "a"}).encode()
    bodies = JUNK + [bytes(dice.choices(whole, k=40)) for _ in range(20)]
    client = served.client
    for route in routes:
        for kind in ("application/json", "multipart/form-data; boundary=x", "x"):
            for body in bodies if kind == "application/json" else bodies[:4]:
                headers = {"content-type": kind}
                answer = client.post(f"{served.api}/{route}", content=body, headers=headers)
                assert answer.status_code < 500, (route, body[:80], answer.text[:200])
    for path in ("queue/data", "queue/data?session_hash=none", "call/classify/none",
                 "call/v2/x/y", "heartbeat/%00", "upload_progress", "stream/a/b/1/playlist.m3u8",
                 "deep_link", "../config", "info?all_endpoints=true"):  # fmt: skip
        answer = client.get(f"{served.api}/{path}")
        assert answer.status_code < 500, (path, answer.text[:200])
    for long in ("svelte/", "assets/", "static/", "gradio_api/file=/"):
        assert client.get(f"{served.gradio}/{long}{'a' * 5000}").status_code in (403, 404, 414)
    assert client.get(f"{served.gradio}/?deep_link=../../../etc/passwd").status_code == 200
    for origin in ("null", "http://[::1", "x", "http://a:99999"):
        body = {"data": [], "session_hash": "a", "fn_index": 0}
        assert say(served, "queue/join", body, origin=origin)[0] in (403, 404, 422), origin
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "BREW"):
        assert 400 <= client.request(method, f"{served.api}/upload").status_code < 500
    assert served.lives()


def test_calls_without_a_session_keep_little_memory(served: Served) -> None:
    """200 calls; what is kept of each was 70 to 190 KB."""

    def calls(number: int) -> None:
        for _ in range(number):
            assert say(served, "call/networks", {"data": []})[0] == 200

    calls(120)  # more than the visits remembered
    process = psutil.Process(served.process.pid)
    before = process.memory_info().rss
    calls(200)
    assert process.memory_info().rss - before < 200 * 20_000


def test_an_uploads_address_tells_nothing_of_who_else_sent_it(served: Served) -> None:
    """Its name is random, so that having a photo is not enough to ask whether others sent it."""
    first, second = served.upload(PNG).json()[0], served.upload(PNG).json()[0]
    assert Path(first).parent != Path(second).parent
    assert re.fullmatch(r"[A-Za-z0-9_-]{24}", Path(first).parent.name)


def test_photos_of_a_killed_server_go_when_the_next_one_starts(
    toy_networks: Path, tmp_path: Path
) -> None:
    killed = wait_for(start("alone", tmp_path, toy_networks))
    left = Path(killed.upload(PNG).json()[0])
    killed.process.send_signal(signal.SIGKILL)
    killed.process.wait(timeout=10)
    assert left.is_file()
    (tmp_path / "alone").rename(tmp_path / "before")
    second = wait_for(start("alone", tmp_path, toy_networks))
    try:
        assert not left.parents[2].exists()
    finally:
        stop(second)


def test_what_is_said_of_the_time_that_photos_are_kept_is_so() -> None:
    assert KEEP_SECONDS == 600
    assert "ten minutes" in (ROOT / "SECURITY.md").read_text()
