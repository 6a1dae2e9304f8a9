"""What does the first layer look for? (the paper's Figure 10)"""

import streamlit as st

from studio import filter_view, insides, parts, scrubber, widgets

widgets.opening(
    "What does the first layer look for?",
    "Each square is one filter: the weights by which the first layer multiplies a patch of the "
    "face, amber where bright pixels excite it, blue where they silence it. Notice whether edges "
    "and bars grow out of the initial noise, and whether filters are dead or copies of each other.",
)
name = widgets.pick_model()
record = insides.filter_record(name)


@parts.fragment
def through_the_epochs() -> None:
    """One slider for the filters and what else was recorded: only this part is drawn anew."""
    epoch = record.epochs[-1]
    if len(record.epochs) > 1:
        epoch = scrubber.pick_epoch(record.epochs)
    filter_view.draw_filters(name, record, epoch)
    if len(record.epochs) > 1:
        st.subheader(f"The network after epoch {epoch}", anchor=False)
        scrubber.draw(name, scrubber.record(name), epoch)


through_the_epochs()
if len(record.epochs) > 1:
    filter_view.draw_trends(name, record)
widgets.footer(
    "A tidy filter is no proof that the network uses it well, and a noisy one may still help: "
    "3 by 3 weights are too few to look like much. What a filter means for the decision is a "
    "question for Saliency."
)
