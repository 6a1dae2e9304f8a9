"""Strangers at the whole server: its names, its pages, slow lines, uploads to the rooms."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from studio.server_guard import ALL_BYTES, HEAD_SECONDS, MAX_VISITS, SESSION_BYTES, SESSION_FILES
from tests.attack.conftest import Served

STUDIOS = ("public", "private")
EVIL = ("evil.example", "evil.example:8501", "localhost.evil.example", "127.0.0.1.evil.example",
        "localhost@evil.example", "", "[::1", "a b")  # fmt: skip
OWN = ("localhost", "127.0.0.1", "[::1]:8501", "LOCALHOST:1", "192.168.1.7:8501", "x.localhost")


HANDSHAKE = (
    b"GET /_stcore/stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@pytest.fixture(scope="module", autouse=True)
def half_requests(servers: dict[str, Served]) -> dict[str, list[socket.socket]]:
    """400 lines to each server on which half a request was sent, when this module began."""
    lines: dict[str, list[socket.socket]] = {}
    for way, served in servers.items():
        address = ("127.0.0.1", int(served.root.rsplit(":", 1)[1]))
        lines[way] = []
        for number in range(400):
            line = socket.create_connection(address)
            if number % 4 == 1:
                line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half")
            elif number % 4 == 3 and way != "alone":  # a handshake that uvicorn cannot parse
                line.sendall(HANDSHAKE + b"X-Long: " + b"x" * 9_000 + b"\r\n\r\n")
            lines[way].append(line)
    return lines


@pytest.fixture(params=STUDIOS)
def studio(request: pytest.FixtureRequest, servers: dict[str, Served]) -> Served:
    return servers[request.param]


def test_a_name_that_is_not_its_own_gets_no_page(served: Served) -> None:
    """DNS rebinding: a page of evil.example, pointed at 127.0.0.1, reads one's own studio."""
    for path in ("/", "/gradio/", "/_stcore/health", "/gradio_api/info", "/config", "/saliency"):
        for host in EVIL:
            headers = {"host": host, "origin": f"http://{host.strip()}"}
            answer = served.client.get(served.root + path, headers=headers)
            wellformed = re.fullmatch(r"[a-z0-9.:]+", host)
            if served.way == "public" and wellformed:  # its address is not known to it
                assert answer.status_code in (200, 404)
            else:
                assert answer.status_code in (400, 421), (path, host)
                assert len(answer.text) < 200


@pytest.mark.parametrize("host", OWN)
def test_its_own_names_and_any_number_get_a_page(served: Served, host: str) -> None:
    assert served.client.get(served.root, headers={"host": host}).status_code == 200


@contextmanager
def visit(studio: Served, **headers: str) -> Iterator[tuple[ClientConnection, str]]:
    """Open a room as a browser does; give the connection and the visit's name."""
    address = studio.root.replace("http", "ws") + "/_stcore/stream"
    with connect(
        address, additional_headers=headers, subprotocols=["streamlit"], close_timeout=1
    ) as line:  # type: ignore[list-item]
        ask = BackMsg()
        ask.rerun_script.query_string = ""
        line.send(ask.SerializeToString())
        while True:
            said = line.recv(timeout=60)
            assert isinstance(said, bytes)
            message = ForwardMsg.FromString(said)
            if message.WhichOneof("type") == "new_session":
                yield line, message.new_session.initialize.session_id
                return


def test_a_foreign_page_opens_no_room(studio: Served) -> None:
    """And none is looked up: Streamlit asks an outside server, and all wait, what is its own."""
    begun = time.monotonic()
    for origin in ("http://evil.example", "http://localhost:3000", "null", "", "http://[::1"):
        with pytest.raises(InvalidStatus), visit(studio, Origin=origin):
            pass
    with pytest.raises(InvalidStatus), visit(studio, Origin="http://x.y", Host="evil.example"):
        pass
    assert time.monotonic() - begun < 3
    with visit(studio, Origin=studio.root) as (_, name):
        assert name


def message(kind: str) -> bytes:
    """Return what no page of ours sends."""
    ask = BackMsg()
    if kind == "files":
        ask.file_urls_request.file_names.extend([""] * 200_000)
    elif kind == "widgets":
        for number in range(5_000):
            ask.rerun_script.widget_states.widgets.add().id = str(number)
    elif kind == "skills":
        ask.backend_operation_request.install_skills.SetInParent()
    elif kind == "junk":
        return b"\xff" * 100
    elif kind != "nothing":
        setattr(ask, kind, True)
    return ask.SerializeToString()


@pytest.mark.parametrize(
    "kind",
    ["files", "widgets", "skills", "junk", "nothing", "clear_cache", "load_git_info",
     "set_run_on_save", "debug_disconnect_websocket", "debug_shutdown_runtime"],
)  # fmt: skip
def test_what_no_page_asks_is_not_done(studio: Served, kind: str) -> None:
    """Streamlit would stand still over the first, and write files for the third."""
    with visit(studio) as (line, _), pytest.raises(ConnectionClosed):
        line.send(message(kind))
        assert studio.lives()
        while True:
            line.recv(timeout=20)
    assert studio.lives()


def put(studio: Served, name: str, number: int, size: int) -> int:
    content = {"file": ("a.jpg", bytes(size))}
    host = studio.client.get(f"{studio.root}/_stcore/health")  # gives the XSRF cookie, once
    if told := re.search(r"_streamlit_xsrf=([^;]+)", host.headers.get("set-cookie", "")):
        studio.client.headers["X-Xsrftoken"] = told[1]
        studio.client.headers["Cookie"] = f"_streamlit_xsrf={told[1]}"
    answer = studio.client.put(f"{studio.root}/_stcore/upload_file/{name}/{number}", files=content)
    return answer.status_code


def test_one_visit_holds_a_bounded_number_of_uploads(studio: Served) -> None:
    with visit(studio) as (_, name):
        answers = [put(studio, name, number, 1000) for number in range(3 * SESSION_FILES)]
    assert answers == [204] * SESSION_FILES + [413] * 2 * SESSION_FILES


def test_uploads_are_bounded_in_bytes_and_never_reach_a_disk(studio: Served) -> None:
    """Those over 1 MB went through a file without a name in the temporary folder."""
    process = psutil.Process(studio.process.pid)
    written = process.io_counters().write_bytes
    with visit(studio) as (_, name):
        answers = [put(studio, name, number, 90_000_000) for number in range(3)]
        assert answers == [204, 204, 413]
    assert SESSION_BYTES < 3 * 90_000_000 and SESSION_BYTES < ALL_BYTES
    assert process.io_counters().write_bytes - written < 20_000_000
    assert put(studio, "nobody", 0, 10) == 400


def test_an_upload_to_a_room_tells_its_length(studio: Served) -> None:
    with visit(studio) as (_, name):
        answer = studio.client.put(
            f"{studio.root}/_stcore/upload_file/{name}/0", content=iter([b"x" * 100])
        )
        assert answer.status_code == 411


def test_a_message_to_a_room_is_bounded(studio: Served) -> None:
    with visit(studio) as (line, _), pytest.raises(ConnectionClosed):
        line.send(bytes(5_000_000))
        while True:
            line.recv(timeout=20)


def test_a_message_without_end_is_cut_off(studio: Served) -> None:
    """In frames, none of which is large: held whole before anybody looks at it."""

    def frames() -> Iterator[bytes]:
        for _ in range(400):
            yield bytes(100_000)

    with visit(studio) as (line, _), pytest.raises(ConnectionClosed):
        line.send(frames())
        while True:
            line.recv(timeout=20)


def test_pages_open_at_a_time_are_bounded(studio: Served) -> None:
    address = studio.root.replace("http", "ws") + "/_stcore/stream"
    held: list[ClientConnection] = []
    try:
        with pytest.raises(InvalidStatus):
            while len(held) <= MAX_VISITS:
                held.append(connect(address, subprotocols=["streamlit"], close_timeout=0))  # type: ignore[list-item]
        assert len(held) == MAX_VISITS
    finally:
        for line in held:
            line.close()
    for _ in range(50):
        try:
            with visit(studio) as (_, name):
                assert name
            return
        except InvalidStatus:  # the last of them is on its way out
            time.sleep(0.1)
    raise AssertionError("no place became free")


def test_a_page_of_another_site_reads_nothing_of_ones_own_studio(served: Served) -> None:
    """Not by a name that leads to this machine, nor by saying that it was forwarded."""
    if served.way == "public":
        return
    port = served.root.rsplit(":", 1)[1]
    for origin in ("http://evil.example", "http://localhost:1", "null"):
        for host in (f"x.localhost:{port}", f"127.0.0.1:{port}"):
            headers = {"host": host, "origin": origin,
                       "x-forwarded-host": origin.rpartition("/")[2]}  # fmt: skip
            for path in (f"{served.gradio}/config", f"{served.api}/info", served.root):
                answer = served.client.get(path, headers=headers)
                assert answer.status_code == 403 and len(answer.text) < 200
            answer = served.client.post(
                f"{served.api}/upload", files={"files": ("a.png", b"x")}, headers=headers
            )
            assert answer.status_code == 403


def test_a_frame_of_another_site_shows_no_studio_of_ones_own(servers: dict[str, Served]) -> None:
    for way, framed in (("private", False), ("alone", False), ("public", True)):
        policy = servers[way].client.get(servers[way].root).headers["content-security-policy"]
        assert ("frame-ancestors 'self'" not in policy) is framed


def test_a_page_may_load_nothing_from_elsewhere(served: Served) -> None:
    paths = ["/"] if served.way == "alone" else ["/", "/saliency", "/gradio/"]
    for path in paths:
        headers = served.client.get(served.root + path).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'self'" and policy["object-src"] == "'none'"
        allowed = {word for words in policy.values() for word in words.split()}
        assert allowed <= {
            "'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:"
        }  # fmt: skip
        assert headers["x-content-type-options"] == "nosniff"


def test_strangers_learn_no_figures_of_the_server(servers: dict[str, Served]) -> None:
    """How many visit, what is held, which functions there are."""
    served = servers["public"]
    assert served.client.get(f"{served.root}/_stcore/metrics").status_code == 404


def test_no_file_is_served_by_a_path(served: Served) -> None:
    for path in ("/static/../../../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "//etc/passwd",
                 "/media/../../../etc/passwd", "/component/x/../../../etc/passwd",
                 "/app/static/../../secret.txt", "/assets/..%2f..%2f..%2fREADME.md",
                 "/_stcore/bidi-components/x/..%2f..%2fetc/passwd"):  # fmt: skip
        line = socket.create_connection(("127.0.0.1", int(served.root.rsplit(":", 1)[1])))
        with line:
            line.sendall(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            )
            said = line.makefile("rb").read()
        assert b"root:" not in said and served.secret.encode() not in said, path


def test_half_requests_are_closed(
    served: Served, half_requests: dict[str, list[socket.socket]]
) -> None:
    """All 400, within the time for a request's head; it was none of 400."""
    until = time.monotonic() + HEAD_SECONDS + 5
    for line in half_requests[served.way]:
        line.settimeout(max(0.1, until - time.monotonic()))
        assert line.recv(10) == b""
        line.close()
    assert served.lives()


def test_a_body_that_stops_is_given_up(served: Served) -> None:
    """It is unit-tested with a short time in tests/studio; here that the server goes on beside."""
    address = ("127.0.0.1", int(served.root.rsplit(":", 1)[1]))
    path = served.api.removeprefix(served.root) + "/upload"
    head = (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000000\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n")  # fmt: skip
    lines = [socket.create_connection(address) for _ in range(50)]
    for line in lines:
        line.sendall(head.encode())
    assert served.lives()
    assert served.upload(b"x" * 100).status_code == 200
    for line in lines:
        line.close()
