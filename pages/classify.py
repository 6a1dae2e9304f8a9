"""Classify: what do the networks see in your photo?"""

import streamlit as st

from studio.components import widgets

widgets.opening(
    "What do the networks see in your photo?",
    "Add a photo: its faces are found, the largest first, cut out as FER-2013 cuts its faces, and "
    "shown to the networks. Look at the 48 × 48 pixels first, they are all that the networks get.",
)
dark = st.context.theme.type == "dark"
with st.container(key="classifier"):
    st.iframe(f"/gradio/?__theme={'dark' if dark else 'light'}", height=660)
widgets.footer(
    "Who is shown, or how they feel. The networks must choose one of seven words, whatever the "
    "picture. Their calibration was checked on FER-2013's faces alone: on other pictures their "
    "percentages may differ a lot from their accuracy."
)
