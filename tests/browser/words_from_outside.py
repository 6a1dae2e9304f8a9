"""A page of hostile words in every kind of element that renders Markdown; see test_outside."""

import json
import os

import pandas as pd
import streamlit as st

from studio.components.text import code, plain, say_error

WORDS = json.loads(os.environ["WORDS"])
"""What strangers would write."""

with st.container(key="control"):
    st.markdown("[a link](http://evil.example/control)")
for number, word in enumerate(WORDS):
    with st.container(key=f"word-{number}"):
        st.markdown(plain(word))
    with st.container(key=f"code-{number}"):
        st.markdown(f"Code: {code(word)}.")
    with st.container(key=f"bold-{number}"):
        st.markdown(f"Its name is **{plain(word)}**: so it is")
    with st.container(key=f"error-{number}"):
        say_error(ValueError(word))
    with st.container(key=f"list-{number}"):
        st.markdown(f"- {plain(word)}")
    st.caption(plain(word))
    st.button(f"Ask {plain(word)}", key=f"b{number}", help=plain(word))
    st.progress(0.5, f"Asking {plain(word)}…")
    st.subheader(f"{plain(word)} dreams", anchor=False)
st.pills("Names", WORDS, format_func=plain)
st.selectbox("Names", WORDS)
st.multiselect("Names", WORDS, default=WORDS)
st.table(pd.DataFrame({"model": [plain(word) for word in WORDS]}).set_index("model"))
st.text("all drawn")
