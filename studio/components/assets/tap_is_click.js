if (!window.tapsAreClicks) {
  window.tapsAreClicks = true;
  document.addEventListener("touchstart", (event) => {
    const plot = event.target.closest?.(".nsewdrag")?.closest(".js-plotly-plot");
    const layout = plot?._fullLayout;
    if (layout?.clickmode.includes("select") && layout.dragmode === "pan")
      event.stopPropagation();
  }, { capture: true, passive: true });
}
