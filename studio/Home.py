# ruff: noqa: N999  (Streamlit names the first page after its file)
"""FER Studio: run with `streamlit run studio/Home.py`.

Imported once as the server (Streamlit, and Gradio under ``/gradio``, on one port), then run as
the script of every visit.
"""

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[1])
if sys.path[0] != ROOT:
    sys.path.insert(0, ROOT)

import streamlit as st  # noqa: E402
from streamlit import runtime  # noqa: E402

if not runtime.exists():
    from studio.server import app_options

    app = st.App(__file__, **app_options())
else:
    from studio.navigation import run

    run()
