"""Which pixels explain the prediction?"""

import streamlit as st

from studio import explanations, networks, snippets
from studio.components import face_picker, widgets
from studio.rooms.saliency import comparison as saliency_comparison
from studio.rooms.saliency import edits, neighbours, report, trust
from studio.rooms.saliency import settings as saliency_settings

widgets.opening(
    "Which pixels explain the prediction?",
    "Each map shows, by one method, how much every pixel counts for the chosen expression: amber "
    "for, blue against. Notice where the methods agree, and how large each completeness gap is.",
)
chooser, settings = st.columns(2, gap="large")
with chooser:
    face = face_picker.pick_face()
if not networks.choices():
    widgets.no_checkpoint()
with settings:
    names = saliency_settings.pick_models()
    chosen = saliency_settings.pick_methods()
    target_class = saliency_settings.pick_target(
        int(networks.probabilities(names[0], face.image).argmax())
    )
options = saliency_settings.pick_options(names[0], chosen, target_class)

st.subheader(options.question, anchor=False)
comparison = saliency_comparison.compute(face, names, chosen, options)
saliency_comparison.draw(comparison)
saliency_comparison.explain_methods(comparison.every)
explanations.explain(comparison.badges, {m.method: m.title for m in comparison.every})
report.offer(comparison)

st.subheader("Predictions", anchor=False)
saliency_comparison.draw_probabilities(names, face, target_class)

if comparison.every:
    st.subheader("Where on the face?", anchor=False)
    code = snippets.attribution_code(names[0], face, options.request(comparison.every[0].method))
    trust.draw_regions(saliency_comparison.titled(comparison), code)


neighbours.section(face, names)
trust.section(comparison)
edits.edits_section(face, names, chosen, options)
widgets.footer(
    "A map shows what the method credits, not what the network thinks. Methods that disagree "
    "cannot all be right; a plausible map is not evidence that the network reasons well; and no "
    "map says anything about what the person felt."
)
