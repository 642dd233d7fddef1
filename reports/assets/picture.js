// SVG and PNG of a figure as it is shown, with title, legend and caption, in the colours of the theme.
"use strict";
(({ button, slug, download, announce, figures, entries, tools }) => {
  const FONT = "system-ui, sans-serif";
  const MARGIN = 20;
  const pen = document.createElement("canvas").getContext("2d");
  const shape = (tag, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    element.append(...children);
    return element;
  };
  const measure = (text, font) => { pen.font = font; return pen.measureText(text).width; };
  const wrap = (text, font, width) => text.trim().split(/\s+/).reduce((lines, word) => {
    const longer = lines.length ? lines.at(-1) + " " + word : word;
    if (lines.length && measure(longer, font) <= width) return [...lines.slice(0, -1), longer];
    return [...lines, word];
  }, []);
  // A piece is {node, height}, or null where there is nothing to show.
  const lines = (text, size, weight, fill, width) => {
    const made = wrap(text, `${weight} ${size}px ${FONT}`, width);
    const step = Math.round(size * 1.45);
    const texts = made.map((line, i) => shape("text", { y: step * (i + 0.75), "font-size": size, "font-weight": weight, fill }, line));
    return { node: shape("g", {}, ...texts), height: step * made.length };
  };
  const legend = (figure, width) => {
    let [x, y] = [0, 0];
    const shown = entries(figure).map((item) => item.querySelector("button[aria-pressed=true]")).filter(Boolean);
    const placed = shown.map((entry) => {
      const label = entry.textContent.trim();
      const wide = 52 + measure(label, `15px ${FONT}`) + 18;
      if (x && x + wide > width) [x, y] = [0, y + 24];
      const swatch = entry.querySelector("svg").cloneNode(true);
      const group = shape("g", { transform: `translate(${x} ${y})` }, swatch, shape("text", { x: 50, y: 13, "font-size": 15, fill: "var(--ink)" }, label));
      x += wide;
      return group;
    });
    return { node: shape("g", {}, ...placed), height: placed.length ? y + 24 : 0 };
  };
  const chart = (figure) => {
    const shown = figure.querySelector(figure.matches(".on") ? ".chart svg" : ".static svg");
    const [, , width, height] = shown.getAttribute("viewBox").split(/[\s,]+/).map(Number);
    const node = shown.cloneNode(true);
    Object.entries({ x: 0, y: 0, width, height }).forEach(([name, value]) => node.setAttribute(name, value));
    return { node, width, height };
  };
  const plain = (text) => {
    const style = getComputedStyle(document.documentElement);
    return text.replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
  };
  const compose = (figure) => {
    const drawing = chart(figure);
    const width = Math.max(drawing.width, 420);
    const pieces = [
      lines(figure.querySelector("h3").textContent, 18, 600, "var(--ink)", width),
      drawing,
      legend(figure, width),
      lines(figure.querySelector("figcaption").textContent, 14, 400, "var(--soft)", width),
    ];
    let y = MARGIN;
    const placed = pieces.map(({ node, height }) => {
      const group = shape("g", { transform: `translate(${MARGIN} ${y})` }, node);
      y += height + 12;
      return group;
    });
    const size = { width: Math.ceil(width) + 2 * MARGIN, height: Math.ceil(y) + MARGIN - 12 };
    const paper = shape("rect", { width: "100%", height: "100%", fill: "var(--paper)" });
    const root = shape("svg", { ...size, viewBox: `0 0 ${size.width} ${size.height}`, "font-family": FONT }, paper, ...placed);
    return { ...size, text: plain(new XMLSerializer().serializeToString(root)) };
  };
  const png = async ({ text, width, height }) => {
    const image = new Image();
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: 2 * width, height: 2 * height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise((done) => { canvas.toBlob(done, "image/png"); });
  };
  const save = (figure, kind, blob) => {
    download(slug(figure.dataset.name) + "." + kind, blob);
    announce(kind.toUpperCase() + " of " + figure.querySelector("h3").textContent);
  };
  figures.forEach((figure) => {
    tools(figure).append(
      button("SVG", () => save(figure, "svg", new Blob([compose(figure).text], { type: "image/svg+xml" }))),
      button("PNG", async () => save(figure, "png", await png(compose(figure)))),
    );
    tools(figure).hidden = false;
  });
})(window.diffbench);
