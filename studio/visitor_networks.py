"""The sidebar's place for a network of one's own."""

from __future__ import annotations

import streamlit as st

from fermodels.errors import FerError
from fermodels.nets import catalog
from studio import networks, public
from studio.components.text import plain, say_error

MOST_MEGABYTES = 100
HELP = (
    "A checkpoint of this project: a folder on the machine that runs the studio, or "
    "`hub:owner/name` on the Hub."
)


def sidebar() -> None:
    """Draw the place and let in whoever is named there; called once per run, before the room."""
    with st.sidebar.expander("Your own network", icon=":material/add_circle:"):
        _by_source(_named())
        _by_upload()
        for name in list(networks.mine()):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{plain(name)}**")
                st.button(
                    ":material/close:", key=f"dismiss-{name}", help=f"Remove {plain(name)}",
                    on_click=_let_go, args=(name,), type="tertiary",
                )  # fmt: skip


def _named() -> str:
    """Return the folder or Hub id typed or linked; a public studio only has links to refuse."""
    if public.is_public():
        return st.query_params.get("own", "").strip()
    source = st.text_input(
        "Folder or Hub id", key="own", placeholder="hub:owner/name", help=HELP,
        bind="query-params", persist_state="session",
    )  # fmt: skip
    return (source or "").strip()


def _let_go(name: str) -> None:
    visitor = networks.mine().get(name)
    if visitor is not None and visitor.source == st.session_state.get("own"):
        st.session_state["own"] = ""
    networks.dismiss(name)


def _by_source(source: str) -> None:
    """Load what is typed or linked once; a failure is said again, not tried again, on reruns."""
    if not source or any(visitor.source == source for visitor in networks.mine().values()):
        return
    trouble: dict[str, str] = st.session_state.setdefault("network-trouble", {})
    if source not in trouble:
        try:
            with st.spinner("Loading the network…"):
                networks.invite(source)
            return
        except FerError as error:
            trouble.clear()
            trouble[source] = str(error)
    say_error(trouble[source])


def _by_upload() -> None:
    """Take the two files of a checkpoint; they leave the uploader once the network is loaded."""
    turn = st.session_state.setdefault("upload-turn", 0)
    upload = "Upload" if public.is_public() else "Or upload"
    files = st.file_uploader(
        f"{upload} {catalog.WEIGHTS} and {catalog.CONFIG}", type=["safetensors", "json"],
        accept_multiple_files=True, key=f"own-files-{turn}", max_upload_size=MOST_MEGABYTES,
        help="Kept in memory for this visit only; nobody else sees it.",
    )  # fmt: skip
    parts = {file.name.rpartition(".")[2]: file for file in files}
    if len(parts) < 2:
        if files:
            lacking = catalog.CONFIG if "safetensors" in parts else catalog.WEIGHTS
            st.caption(f"Now add {lacking}.")
        return
    upload_id = ":".join(file.file_id for file in parts.values())
    trouble: dict[str, str] = st.session_state.setdefault("upload-trouble", {})
    if upload_id not in trouble:
        try:
            with st.spinner("Loading the network…"):
                networks.invite_upload(parts["json"].getvalue(), parts["safetensors"].getvalue())
        except FerError as error:
            trouble.clear()
            trouble[upload_id] = str(error)
        else:
            st.session_state["upload-turn"] = turn + 1
            st.rerun()
    say_error(trouble[upload_id])
