"""Which pixels made the model say that?"""

import streamlit as st

from fermodels import EMOTIONS
from studio import (
    edit_view,
    face_choice,
    models,
    neighbour_view,
    report_view,
    saliency_settings,
    saliency_view,
    snippets,
    trust_view,
    verdicts,
    widgets,
)

widgets.opening(
    "Which pixels made the model say that?",
    "Each map asks one method how much every pixel spoke for the chosen expression: amber for, "
    "blue against. Notice where the methods agree, and how much of the answer each leaves "
    "unexplained.",
)
chooser, settings = st.columns(2, gap="large")
with chooser:
    face = face_choice.pick_face()
if not models.choices():
    widgets.no_checkpoint()
with settings:
    names = saliency_settings.pick_models()
    chosen = saliency_settings.pick_methods()
    target_class = saliency_settings.pick_target(
        int(models.probabilities(names[0], face.image).argmax())
    )
options = saliency_settings.pick_options(names[0], chosen, target_class)

rather = f" rather than {options.contrast}" if options.contrast else ""
st.subheader(f"What speaks for {EMOTIONS[target_class]}{rather}?", anchor=False)
comparison = saliency_view.compute(face, names, chosen, options)
saliency_view.draw(comparison)
saliency_view.explain_methods(comparison.every)
verdicts.explain(comparison.badges, {m.method: m.title for m in comparison.every})
report_view.offer(comparison)

st.subheader("What the networks say", anchor=False)
saliency_view.draw_probabilities(names, face, target_class)

if comparison.every:
    st.subheader("Where on the face?", anchor=False)
    code = snippets.attribution(names[0], face, options.asked(comparison.every[0].method))
    trust_view.draw_regions(saliency_view.titled(comparison), code)


neighbour_view.section(face, names)
trust_view.section(comparison)
edit_view.section(face, names, chosen, options)
widgets.footer(
    "A map shows what the method credits, not what the network thinks. Methods that disagree "
    "cannot all be right; a plausible map is not evidence that the model reasons well; and no "
    "map says anything about what the person felt."
)
