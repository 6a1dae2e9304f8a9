"""What is this, how good are its networks, and where does one go from here?"""

import streamlit as st

from fermodels.evaluation import paper
from studio import navigation, networks
from studio.components import widgets
from studio.rooms import home

st.title("What has a network learned about faces?", anchor=False)
st.markdown(
    "FER Studio trains the convolutional networks of one paper on FER-2013, seven expressions at "
    "48 × 48 grey pixels, and opens them up: what they see, where they look, where they err, and "
    "which explanations can be trusted. Every accuracy here comes from a checkpoint you "
    "can load, with its interval."
)

st.subheader("The networks", anchor=False)
names = networks.names()
if names:
    st.html(home.cards(names))
    st.caption(
        "Accuracy with its 95% Wilson interval, one network and one seed each. Validation chose "
        "the weights, so trust the test figures. The paper gives no intervals, and stands only "
        "beside networks of its own recipe."
    )
    st.markdown(f"The paper: {paper.CITATION}.")
else:
    widgets.no_checkpoint(stop=False)

st.subheader("Where to go", anchor=False)
for section, rooms in navigation.open_rooms().items():
    if not section:
        continue
    st.markdown(f"**{section}**")
    with st.container(horizontal=True, gap="small"):
        for room in rooms:
            with st.container(border=True, width=232, key=f"to-{room.file}"):
                st.page_link(navigation.page(room), label=f"**{room.title}**", icon=room.icon)
                st.caption(room.question)

st.subheader("Before you use it", anchor=False)
st.markdown(home.ethics())
