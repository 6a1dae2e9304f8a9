"""The Gradio tab's dress: the studio's colours and fonts, on light and dark."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import gradio as gr

LIGHT = {"page": "#fcfbf8", "panel": "#f1efe9", "text": "#101216", "line": "#dcd8cf"}
DARK = {"page": "#14171c", "panel": "#1d2128", "text": "#e8e6e1", "line": "#343a44"}
ACCENT, ACCENT_DARK = "#2563a8", "#6aa9e9"
"""The colours of .streamlit/config.toml; a test keeps the two alike."""

QUIET, QUIET_DARK = "#5d6168", "#a7abb3"
FONT = ("Source Sans", "Source Sans Pro", "system-ui", "sans-serif")


def _streamlit_fonts() -> dict[str, Path]:
    """Return the two faces that Streamlit serves itself: family -> file in its installation."""
    package = importlib.util.find_spec("streamlit")
    if package is None or package.origin is None:
        return {}
    media = Path(package.origin).parent / "static" / "static" / "media"
    patterns = {"Source Sans": "SourceSansVF-Upright*", "Source Serif": "SourceSerif*-Roman*"}
    return {name: file for name, glob in patterns.items() for file in media.glob(glob)}


def font_faces(folder: Path) -> str:
    """Copy the studio's two fonts into a folder and return CSS that loads them from there.

    Without them the system's are used.
    """
    faces = []
    for name, file in _streamlit_fonts().items():
        copied = shutil.copyfile(file, folder / file.name)
        faces.append(
            f'@font-face {{ font-family: "{name}"; font-weight: 200 900; font-display: swap;\n'
            f'  src: url("gradio_api/file={copied}") format("woff2"); }}\n'
        )
    return "".join(faces)


def theme() -> gr.themes.Base:
    """Return the theme; no font is fetched from anywhere."""
    return gr.themes.Base(font=FONT, font_mono=("ui-monospace", "monospace")).set(
        body_background_fill=LIGHT["page"],
        body_background_fill_dark=DARK["page"],
        body_text_color=LIGHT["text"],
        body_text_color_dark=DARK["text"],
        body_text_color_subdued=QUIET,
        body_text_color_subdued_dark=QUIET_DARK,
        background_fill_primary=LIGHT["page"],
        background_fill_primary_dark=DARK["page"],
        background_fill_secondary=LIGHT["panel"],
        background_fill_secondary_dark=DARK["panel"],
        block_background_fill=LIGHT["panel"],
        block_background_fill_dark=DARK["panel"],
        block_label_background_fill=LIGHT["panel"],
        block_label_background_fill_dark=DARK["panel"],
        block_label_text_color=QUIET,
        block_label_text_color_dark=QUIET_DARK,
        block_border_color=LIGHT["line"],
        block_border_color_dark=DARK["line"],
        border_color_primary=LIGHT["line"],
        border_color_primary_dark=DARK["line"],
        block_shadow="none",
        block_radius="6px",
        input_background_fill=LIGHT["page"],
        input_background_fill_dark=DARK["page"],
        color_accent=ACCENT,
        checkbox_background_color_selected=ACCENT,
        checkbox_background_color_selected_dark=ACCENT,
        checkbox_border_color_selected=ACCENT,
        checkbox_border_color_selected_dark=ACCENT_DARK,
        button_primary_background_fill=ACCENT,
        button_primary_background_fill_hover=ACCENT,
        loader_color=ACCENT,
        loader_color_dark=ACCENT_DARK,
    )
