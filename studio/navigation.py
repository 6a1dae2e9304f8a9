"""The rooms: one table feeds the navigation and Home's links."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from PIL import Image, ImageDraw

from studio import public, server, state, visitor_networks
from studio.components import widgets
from studio.theme import asset

STYLE = f"<style>{asset('rooms.css')}</style>"
"""Streamlit writes a chart's axes in a grey too pale to read; they take the page's own ink. On a
phone Home's cards take the whole width. A frame whose page is still on its way is blank: it says
so instead."""
DARK_STYLE = f"<style>{asset('rooms_dark.css')}</style>"
"""Streamlit writes white on the primary colour, which is pale where the background is dark."""
PAGES = Path(__file__).resolve().parents[1] / "pages"


@dataclass(frozen=True)
class Room:
    """One page of the studio."""

    file: str
    """Name of the file in ``pages/``, without suffix; also its address."""
    title: str
    """In the navigation."""
    icon: str
    """A Material symbol."""
    question: str
    """What one learns there, one line for Home."""

    @property
    def path(self) -> Path:
        """The page's script."""
        return PAGES / f"{self.file}.py"


SECTIONS: dict[str, tuple[Room, ...]] = {
    "": (Room("home", "Home", ":material/home:", "What this is"),),
    "Results": (
        Room("dataset", "Dataset", ":material/grid_view:", "What do the faces look like?"),
        Room("compare", "Compare", ":material/compare:", "Which network errs where?"),
        Room("training", "Training", ":material/show_chart:", "How did the networks learn?"),
        Room("paper", "Paper", ":material/fact_check:", "Which of the paper's claims hold?"),
    ),
    "Inside a network": (
        Room("filters", "Filters", ":material/blur_on:", "What do the first filters look for?"),
        Room("activations", "Activations", ":material/layers:", "What does each layer keep?"),
        Room("saliency", "Saliency", ":material/center_focus_strong:", "Which pixels counted?"),
        Room(
            "deepdream", "DeepDream", ":material/auto_awesome:", "What picture maximises an answer?"
        ),
        Room("puppet", "Puppet", ":material/face:", "What happens when a muscle moves?"),
    ),
    "Your picture": (
        Room("classify", "Classify", ":material/add_a_photo:", "What do the networks see?"),
    ),
}
"""Section title -> rooms. A room is open when its page exists."""


def open_rooms() -> dict[str, list[Room]]:
    """Return the sections with the rooms whose page exists."""
    rooms_with_page = {
        section: [room for room in rooms if room.path.is_file()]
        for section, rooms in SECTIONS.items()
    }
    return {section: rooms for section, rooms in rooms_with_page.items() if rooms}


def page(room: Room) -> st.Page:
    """Return a room as Streamlit's page; Home is the default and has the address ``/``."""
    home = room.file == "home"
    return st.Page(
        room.path,
        title=room.title,
        icon=room.icon,
        url_path=None if home else room.file,
        default=home,
    )


def icon() -> Image.Image:
    """Draw the browser tab's icon: a face in one of the studio's colours, no download."""
    picture = Image.new("RGBA", (64, 64))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((2, 2, 61, 61), fill="#3b7dd8")
    for left in (19, 37):
        pen.ellipse((left, 22, left + 8, 30), fill="white")
    pen.line((20, 44, 44, 44), fill="white", width=5)
    return picture


def run() -> None:
    """Set the page up, draw the navigation and run the room asked for."""
    st.set_page_config(page_title="FER Studio", page_icon=icon(), layout="wide")
    pages = {title: [page(room) for room in rooms] for title, rooms in open_rooms().items()}
    chosen = st.navigation(pages, expanded=True)
    dark = st.context.theme.type == "dark"
    st.html(STYLE + DARK_STYLE if dark else STYLE)
    if not public.is_public():  # strangers see no traceback: .streamlit/config.toml
        st.set_option("client.showErrorDetails", "full")
    visitor_networks.sidebar()
    try:
        with widgets.errors_shown():
            state.open_old_address()
            chosen.run()
    finally:  # also where a room stops or starts anew
        server.spare_libraries()
        server.return_memory()
