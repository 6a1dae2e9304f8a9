"""The Classify tab within a server: many photos' table, the studio's colours, a clean end."""

import base64
import subprocess
import sys
import tomllib

import pytest

from studio.classify_tab import answers, uploads
from studio.classify_tab import theme as classify_tab_theme
from tests.toys import ROOT

pytestmark = pytest.mark.usefixtures("checkpoints")


def test_the_csv_of_many_photos_is_in_the_link_and_runs_no_formula() -> None:
    bad = uploads.private_folder() / "examples" / "x"
    bad.write_bytes(b"no picture")
    table, link = answers.show_many([{"path": str(bad), "orig_name": "../=cmd()"}], "all", False)
    content = base64.b64decode(link.split("base64,")[1].split('"')[0]).decode()
    assert table[0][0] == "=cmd()"
    assert "\n'=cmd()," in content
    assert "1 could not be read" in link


def test_too_many_photos_at_once_are_refused() -> None:
    table, says = answers.show_many([{"path": "/nowhere"}] * 51, "all", False)
    assert table == []
    assert "51 photos were given: send 1 to 50" in says


def test_a_photo_swept_away_asks_for_it_again() -> None:
    html = answers.show({"path": "/nowhere/x.jpg"}, "all", False)
    assert "add it again" in html and "/nowhere" not in html


def test_the_private_folder_goes_when_a_server_that_mounts_the_tab_stops() -> None:
    code = """
import asyncio, gradio as gr
from fastapi import FastAPI
from studio.classify_tab import app, uploads
demo = app.build_demo()
host = gr.mount_gradio_app(FastAPI(), demo, path="/gradio", **app.mount_options(demo))
folder = uploads.private_folder()
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
from studio.classify_tab import app
thread.start()
app.build_demo()
with gradio.utils.MatplotlibBackendMananger():
    pass
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=400)


def test_the_tab_wears_the_studios_colours() -> None:
    theme = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["theme"]
    for mode, colours in (("light", classify_tab_theme.LIGHT), ("dark", classify_tab_theme.DARK)):
        wanted = theme[mode]
        assert colours == {
            "page": wanted["backgroundColor"],
            "panel": wanted["secondaryBackgroundColor"],
            "text": wanted["textColor"],
            "line": wanted["borderColor"],
        }
    assert theme["light"]["primaryColor"] == classify_tab_theme.ACCENT
    assert theme["dark"]["primaryColor"] == classify_tab_theme.ACCENT_DARK
