"""What does the first layer look for? (the paper's Figure 10)"""

import streamlit as st

from studio import insides, widgets
from studio.figures import filters, maps, tiles
from studio.theme import DIVERGING

widgets.opening(
    "What does the first layer look for?",
    "Each square is one filter: the weights by which the first layer multiplies a patch of the "
    "face, amber where bright pixels excite it, blue where they silence it. Notice whether edges "
    "and bars grow out of the initial noise, and whether filters are dead or copies of each other.",
)
name = widgets.pick_model()
record = insides.filter_record(name)


def show(epoch: int) -> None:
    """Draw the filters after one epoch."""
    found = record.at(epoch)
    side = tiles.crisp_side(found.weights.shape[-1], 54)
    pictures = filters.filter_tiles(found.weights, record.limit, found.notes, found.dead)
    st.html(tiles.grid(pictures, side=side, label=f"Filters after epoch {epoch}", columns=5))


@st.fragment
def through_the_epochs() -> None:
    """One slider for the filters and the marks in the charts below."""
    first, last = record.epochs[0], record.epochs[-1]
    epoch = last
    if first < last:
        epoch = st.slider("Epoch", first, last, last, key="epoch", bind="query-params")
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(f"As they began (epoch {first})", anchor=False)
        show(first)
    with right:
        st.subheader(f"After epoch {epoch}", anchor=False)
        show(epoch)
    table = maps.colour_table(DIVERGING)
    unit = "weight, one scale for all filters and epochs of this model"
    st.html(maps.scale_bar(record.limit, table, signed=True, unit=unit))
    st.subheader("Did they become smooth?", anchor=False)
    left, right = st.columns(2, gap="large")
    with left:
        smooth = {"mean of all filters": record.smoothness}
        noise = (record.noise, "white noise")
        fig = filters.trend(
            record.epochs, smooth, epoch, title="low-frequency energy", percent=True,
            reference=noise,
        )  # fmt: skip
        widgets.show(fig, "filter-smoothness", "Smoothness of the first filters per epoch")
    with right:
        counts = {"dead": record.dead, "copies": record.copies}
        fig = filters.trend(record.epochs, counts, epoch, title="filters")
        widgets.show(fig, "filter-health", "Dead and copied filters per epoch")
    st.caption(
        "Smoothness: share of a filter's spectral energy in waves longer than 4 pixels. Dead: a "
        "norm below 1% of the largest. Copy: a cosine above 0.95 with an earlier filter, or "
        "below -0.95 with its inverse."
    )


through_the_epochs()
widgets.footer(
    "A tidy filter is no proof that the network uses it well, and a noisy one may still help: "
    "3 by 3 weights are too few to look like much. What a filter means for the decision is a "
    "question for Saliency."
)
