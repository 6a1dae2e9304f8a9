export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const canvas = parentElement.querySelector(".canvas"), side = data.side;
  const box = canvas.querySelector(".area");
  canvas.querySelector("img").src = data.face;
  let area = [...data.area];
  const draw = () => {
    const [top, bottom, left, right] = area.map((end) => end / side * 100 + "%");
    Object.assign(box.style, { top, left,
      height: (area[1] - area[0]) / side * 100 + "%",
      width: (area[3] - area[2]) / side * 100 + "%" });
  };
  const send = () => setTriggerValue("area", area);
  const at = (event) => {
    const frame = canvas.getBoundingClientRect();
    const place = (pos, length) => Math.min(side - 1, Math.max(0, Math.floor(pos / length * side)));
    return [place(event.clientY - frame.top, frame.height),
            place(event.clientX - frame.left, frame.width)];
  };
  let start = null;
  canvas.onpointerdown = (event) => {
    start = at(event);
    canvas.setPointerCapture(event.pointerId);
  };
  canvas.onpointermove = (event) => {
    if (!start) return;
    const [row, column] = at(event);
    area = [Math.min(start[0], row), Math.max(start[0], row) + 1,
            Math.min(start[1], column), Math.max(start[1], column) + 1];
    draw();
  };
  canvas.onpointerup = (event) => {
    if (!start) return;
    const [row, column] = at(event), [top, left] = start;
    start = null;
    if (row === top && column === left) {  // a click moves the rectangle there
      const high = data.area[1] - data.area[0], wide = data.area[3] - data.area[2];
      const first = (middle, size) =>
        Math.min(side - size, Math.max(0, middle - Math.floor(size / 2)));
      area = [first(row, high), first(row, high) + high,
              first(column, wide), first(column, wide) + wide];
      draw();
    }
    send();
  };
  canvas.onkeydown = (event) => {
    const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [2, -1], ArrowRight: [2, 1] };
    if (!(event.key in step)) return;
    event.preventDefault();
    const [axis, by] = step[event.key], next = [...area];
    if (!event.shiftKey) next[axis] += by;
    next[axis + 1] += by;
    if (next[axis] < 0 || next[axis + 1] > side || next[axis + 1] <= next[axis]) return;
    area = next;
    draw();
    clearTimeout(canvas.later);
    canvas.later = setTimeout(send, 350);
  };
  draw();
}
