const SVG = "http://www.w3.org/2000/svg";

function drawing(chart) {
  const { width, height } = chart.getBoundingClientRect();
  const whole = document.createElementNS(SVG, "svg");
  whole.setAttribute("xmlns", SVG);
  whole.setAttribute("xmlns:xlink", "http://www.w3.org/1999/xlink");
  whole.setAttribute("width", width);
  whole.setAttribute("height", height);
  const paper = document.createElementNS(SVG, "rect");
  paper.setAttribute("width", "100%");
  paper.setAttribute("height", "100%");
  const app = document.querySelector("[data-testid=stApp]");
  paper.setAttribute("fill", getComputedStyle(app).backgroundColor);
  whole.append(paper);
  for (const layer of chart.querySelectorAll(".main-svg"))
    whole.append(...[...layer.childNodes].map((node) => node.cloneNode(true)));
  return [new XMLSerializer().serializeToString(whole), width, height];
}

function keep(href, name) {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
}

export default function (component) {
  const { data, parentElement } = component;
  const chart = () => document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
  const link = (text) => "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
  parentElement.querySelector(".svg").onclick = () => {
    keep(link(drawing(chart())[0]), data.chart + ".svg");
  };
  parentElement.querySelector(".png").onclick = () => {
    const [text, width, height] = drawing(chart());
    const picture = new Image();
    picture.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = 2 * width;
      canvas.height = 2 * height;
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      keep(canvas.toDataURL("image/png"), data.chart + ".png");
    };
    picture.src = link(text);
  };
}
