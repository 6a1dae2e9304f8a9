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
    found = importlib.util.find_spec("streamlit")
    if found is None or found.origin is None:
        return {}
    media = Path(found.origin).parent / "static" / "static" / "media"
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


CSS = """
.gradio-container { width: 100%; max-width: 1180px !important; margin: 0 auto !important; }
.gradio-container, .gradio-container .main { padding: 8px !important; }
.gradio-container.fer-framed, .fer-framed .main {
  padding: 0 !important; max-width: none !important; }
.gradio-container .main { width: 100%; }
.gradio-container .html-container { padding: 0; }
footer .divider, .fer-framed .fer-alone { display: none; }
.fer-framed footer { margin: 8px 0 0 !important; }
.fer-head h1 { font: 600 2.1rem/1.2 "Source Serif", Georgia, serif; margin: .2em 0 .3em; }
.fer-head p, .fer-foot { color: var(--body-text-color-subdued); max-width: 70ch; }
.fer-foot { font-size: .86rem; }
.fer-foot span { color: inherit; }
.fer-empty { border: 1px dashed var(--border-color-primary); border-radius: 6px;
  padding: 3.2rem 1.5rem; text-align: center; }
.fer-empty p { margin: .3em auto; max-width: 46ch; color: var(--body-text-color-subdued); }
.fer-empty b { color: var(--body-text-color); }
.fer-found { display: flex; flex-wrap: wrap; gap: 18px 22px; align-items: flex-start; }
.fer-found figure { margin: 0; }
.fer-found figcaption { font-size: .84rem; color: var(--body-text-color-subdued);
  margin-top: 6px; max-width: 300px; }
.fer-photo > div { position: relative; height: 192px; max-width: 100%; }
.fer-photo img, .fer-photo svg { position: absolute; inset: 0; width: 100%; height: 100%;
  border-radius: 4px; }
.fer-photo rect { fill: none; vector-effect: non-scaling-stroke; rx: 1.5%; }
.fer-halo { stroke: #0009; stroke-width: 4.5px; }
.fer-first { stroke: #ffd24d; stroke-width: 2.5px; }
.fer-other { stroke: #fff; stroke-width: 1.5px; stroke-dasharray: 5 4; }
.fer-crop img { width: 192px; height: 192px; image-rendering: pixelated; border-radius: 4px; }
.fer-crop figcaption { max-width: 192px; }
.fer-verdict { flex: 1 1 150px; }
.fer-verdict p { margin: 0 0 .4em; max-width: 44ch; }
.fer-title { font: 600 1.9rem/1.2 "Source Serif", Georgia, serif;
  display: flex; gap: .4em; align-items: center; }
.fer-title i { width: .62em; height: .62em; border-radius: 50%; background: var(--c); flex: none; }
.fer-models { display: grid; align-items: start; gap: 20px 26px; margin-top: 22px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 250px), 1fr)); }
.fer-models table, .fer-models tbody, .fer-models tr { border: 0 !important; background: none; }
.fer-card { width: 100%; margin: 0 !important;
  border-collapse: collapse; font-variant-numeric: tabular-nums; }
.fer-card caption { text-align: left; padding: 0 0 6px; margin-bottom: 6px;
  border-bottom: 1px solid var(--border-color-primary); }
.fer-card small { float: right; color: var(--body-text-color-subdued); font-size: .82rem;
  padding-top: .15em; }
.fer-card th, .fer-card td { font-weight: 400; padding: 2.5px 0; border: 0; font-size: .93rem;
  color: var(--body-text-color-subdued); line-height: 1.25; }
.fer-card th { text-align: left; width: 76px; }
.fer-card td:last-child { width: 56px; padding-left: 10px; text-align: right; white-space: nowrap; }
.fer-card .fer-top > * { color: var(--body-text-color); font-weight: 650; }
.fer-track span { display: block; height: 13px; min-width: 2px; border-radius: 2px; }
.fer-track { background: linear-gradient(var(--border-color-primary), var(--border-color-primary))
  center / 100% 1px no-repeat; }
.fer-heat { display: block; font-style: normal; font-size: .82rem;
  color: var(--body-text-color-subdued); }
.fer-others { width: 100%; margin-top: 22px !important; font-size: .88rem;
  font-variant-numeric: tabular-nums; border-collapse: collapse; }
.fer-others caption, .fer-others th { text-align: left; font-weight: 600; }
.fer-others, .fer-others thead, .fer-others tbody, .fer-others tr { border: 0 !important; }
.fer-others td, .fer-others th { padding: 4px 10px 4px 0 !important; border: 0 !important;
  border-bottom: 1px solid var(--border-color-primary) !important; }
.fer-photo text { fill: #fff; font-weight: 700; paint-order: stroke; stroke: #000;
  stroke-width: .14em; }
.fer-others img { display: inline-block; vertical-align: middle; border-radius: 3px; }
.fer-why { margin-top: 10px; }
.fer-save { display: inline-block; margin-top: 8px; }
.fer-examples img { image-rendering: pixelated; }
.fer-examples .gallery-item, .fer-examples .gallery-item .container { width: 62px; height: 62px; }
@media (max-width: 720px) {
  .fer-row { flex-direction: column; }
  .fer-left { display: contents; }
  .fer-answer { order: 1; }
  .fer-examples { order: 2; }
  .fer-found { display: grid; grid-template-columns: 1fr 1fr; gap: 16px; }
  .fer-photo > div { height: auto; width: 100%; }
  .fer-crop img { width: 100%; height: auto; max-width: 192px; }
  .fer-verdict { grid-column: 1 / -1; }
}
"""
