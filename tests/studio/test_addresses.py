"""What the address holds means one thing: a room finds its own choices in it, not another's."""

from __future__ import annotations

from collections import defaultdict

from streamlit.testing.v1 import AppTest

from studio.navigation import PAGES, SECTIONS

KINDS = ("selectbox", "multiselect", "pills", "segmented_control")
OPENED = {"more": True, "face-others": True}
"""Panels whose widgets are drawn once they are open."""


def questions(room: str) -> dict[str, tuple[str, ...]]:
    """Return the choices of a room at first sight, panels open: widget's key -> its options."""
    app = AppTest.from_file(str(PAGES.parent / "studio" / "Home.py"), default_timeout=120)
    for key, opened in OPENED.items():
        app.session_state[key] = opened
    app.switch_page(f"../pages/{room}.py").run()
    assert not app.exception, app.exception[0].message
    widgets = [widget for kind in KINDS for widget in getattr(app, kind)]
    return {widget.key: tuple(widget.options) for widget in widgets if widget.key}


def test_no_two_rooms_ask_different_questions_under_one_key() -> None:
    asked: dict[str, dict[tuple[str, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for room in (room.file for rooms in SECTIONS.values() for room in rooms):
        for key, options in questions(room).items():
            asked[key][options].append(room)
    assert {"view", "draw", "model", "methods"} <= set(asked)
    del asked["models"]  # rooms that need more of a network offer fewer of them
    assert not {key: dict(found) for key, found in asked.items() if len(found) > 1}


def test_options_of_an_older_address_are_chosen_by_their_present_names() -> None:
    app = AppTest.from_file(str(PAGES.parent / "studio" / "Home.py"), default_timeout=120)
    app.query_params["order"] = "as stored"
    app.query_params["slice"] = ["has a copy", "doubtful label"]
    app.switch_page("../pages/dataset.py").run()
    assert not app.exception, app.exception[0].message
    assert app.selectbox(key="order").value == "original"
    assert set(app.pills(key="slice").value) == {"duplicate", "label error"}
