"""How did the networks learn?"""

import math

import streamlit as st

from studio import models, records, widgets
from studio.figures import history as figures
from studio.theme import model_color

widgets.opening(
    "How did the networks learn?",
    "Loss should fall from ln 7 and accuracy rise from 1/7, the level of guessing. Look for where "
    "training and validation part: from there on a network learns its training faces by heart.",
)
names = widgets.pick_models()
colors = {name: model_color(names, name) for name in names}
histories = {name: models.history(name) for name in names}
steps = {name: history.steps for name, history in histories.items()}
epochs = {name: history.epochs for name, history in histories.items()}
best = {name: int(models.metrics(name)["best_epoch"]) for name in names}

st.subheader("Per iteration", anchor=False)
span = records.pick_smoothing()
left, right = st.columns(2, gap="large")
with left:
    loss = figures.per_step(steps, "loss", colors, span=span, reference=(math.log(7), "ln 7"))
    widgets.show(loss, "loss-per-iteration", "Minibatch loss over iterations (as in Figure 3)")
    st.caption("Loss, as in the paper's Figure 3: faint is raw, firm is smoothed.")
with right:
    accuracy = figures.per_step(steps, "accuracy", colors, span=span, reference=(1 / 7, "guessing"))
    widgets.show(accuracy, "accuracy-per-iteration", "Minibatch accuracy over iterations")
    st.caption(
        "Accuracy, as in Figures 5, 7 and 8: on minibatches as trained, so with "
        "augmentation and dropout."
    )

st.subheader("Per epoch", anchor=False)
left, right = st.columns(2, gap="large")
with left:
    losses = {"train_loss": "training", "validation_loss": "validation"}
    fig = figures.per_epoch(epochs, losses, colors, title="loss", percent=False, best=best)
    widgets.show(fig, "loss-per-epoch", "Training and validation loss per epoch")
with right:
    both = {"train_clean_accuracy": "training", "validation_accuracy": "validation"}
    fig = figures.per_epoch(epochs, both, colors, title="accuracy, %", percent=True, best=best)
    widgets.show(fig, "accuracy-per-epoch", "Training and validation accuracy per epoch")
st.caption(
    "Dots mark the epoch whose weights were kept, chosen on validation. Training accuracy "
    "is of fixed training faces in eval mode; training loss is the running one."
)

left, right = st.columns(2, gap="large")
with left:
    st.subheader("Generalisation gap", anchor=False)
    widgets.show(figures.gap(epochs, colors), "gap", "Training minus validation accuracy")
    st.caption("Training minus validation accuracy: what does not carry over to new faces.")
with right:
    st.subheader("Silent units", anchor=False)
    name = widgets.pick_model()
    layers = figures.layers(models.history(name).epochs, "sparsity", "share of zeros")
    widgets.show(layers, "sparsity", f"Share of zeros after ReLU per layer of {name}")
    st.caption("Share of exact zeros after each ReLU, on 64 validation faces.")

st.subheader("Sanity checks and provenance", anchor=False)
records.sanity(names)
records.provenance(names)

widgets.footer(
    "Whether another seed would rank these networks the same: each curve is one run. Minibatch "
    "curves are not comparable between recipes whose augmentation or dropout differ."
)
