export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const grid = parentElement.querySelector(".grid");
  grid.style.setProperty("--side", data.side + "px");
  const across = data.across, down = Math.ceil(data.cells.length / across);
  grid.replaceChildren(...data.cells.map((cell, i) => {
    const face = document.createElement("button");
    face.className = "face";
    face.type = "button";
    face.setAttribute("aria-label", cell.label);
    face.setAttribute("aria-pressed", String(cell.id === data.selected));
    face.title = cell.label;
    const pixels = document.createElement("div");
    pixels.className = "pixels";
    pixels.style.setProperty("--tone", cell.tone);
    pixels.style.backgroundImage = "url(" + data.sprite + ")";
    pixels.style.backgroundSize = across * 100 + "% " + down * 100 + "%";
    const x = across > 1 ? (i % across) / (across - 1) * 100 : 0;
    const y = down > 1 ? Math.floor(i / across) / (down - 1) * 100 : 0;
    pixels.style.backgroundPosition = x + "% " + y + "%";
    face.append(pixels);
    if (cell.note) {
      const note = document.createElement("span");
      note.className = "note";
      note.textContent = cell.note;
      face.append(note);
    }
    face.onclick = () => setTriggerValue("picked", cell.id);
    return face;
  }));
  grid.onkeydown = (event) => {
    const faces = [...grid.children], at = faces.indexOf(event.target.closest(".face"));
    const row = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row }[event.key];
    if (at < 0 || step === undefined || !faces[at + step]) return;
    event.preventDefault();
    faces[at + step].focus();
  };
}
