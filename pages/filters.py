"""What does the first layer look for? (the paper's Figure 10)"""

import streamlit as st

from studio.components import epoch_slider, widgets
from studio.rooms import filters

widgets.opening(
    "What does the first layer look for?",
    "Each square is one filter: the weights by which the first layer multiplies a patch of the "
    "face, amber where bright pixels excite it, blue where they silence it. Notice whether edges "
    "and bars grow out of the initial noise, and whether filters are dead or copies of each other.",
)
name = widgets.pick_model()
record = filters.filter_record(name)


@widgets.fragment
def through_the_epochs() -> None:
    """One slider for the filters and what else was recorded: only this part is drawn anew."""
    epoch = record.epochs[-1]
    if len(record.epochs) > 1:
        epoch = epoch_slider.pick_epoch(record.epochs)
    filters.draw_filters(name, record, epoch)
    if len(record.epochs) > 1:
        st.subheader(f"The network after epoch {epoch}", anchor=False)
        epoch_slider.draw(name, epoch_slider.record(name), epoch)


through_the_epochs()
if len(record.epochs) > 1:
    filters.draw_trends(name, record)
widgets.footer(
    "A tidy filter is no proof that the network uses it well, and a noisy one may still help: "
    "3 by 3 weights are too few to look like much. What a filter means for the decision is a "
    "question for Saliency."
)
