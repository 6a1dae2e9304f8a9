"""Which pixels made the model say that?"""

import streamlit as st

from fermodels import EMOTIONS
from studio import models, saliency_view, widgets

widgets.opening(
    "Which pixels made the model say that?",
    "Each map asks one method how much every pixel spoke for the chosen expression: amber for, "
    "blue against. Notice where the methods agree, and how much of the answer each leaves "
    "unexplained.",
)
chooser, settings = st.columns(2, gap="large")
with chooser:
    face = widgets.pick_face()
with settings:
    name = widgets.pick_model()
    chosen = saliency_view.pick_methods()
    target = st.selectbox(
        "Evidence for",
        ["the predicted expression", *EMOTIONS],
        key="target",
        bind="query-params",
    )
with st.expander("More settings", icon=":material/tune:"):
    options = saliency_view.pick_options(name)

probabilities = models.probabilities(name, face.image)
target_class = EMOTIONS.index(target) if target in EMOTIONS else int(probabilities.argmax())
rather = f" rather than {options.contrast}" if options.contrast else ""
st.subheader(f"What speaks for {EMOTIONS[target_class]}{rather}?", anchor=False)
found = saliency_view.compute(name, face.image, chosen, target_class, options)
saliency_view.draw(face.image, found, options)
saliency_view.explain_methods(found)
st.subheader(f"What {name} says", anchor=False)
saliency_view.draw_probabilities(probabilities, face.label, target_class, name)
widgets.footer(
    "A map shows what the method credits, not what the network thinks. Methods that disagree "
    "cannot all be right; a plausible map is not evidence that the model reasons well; and no "
    "map says anything about what the person felt."
)
