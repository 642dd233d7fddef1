// Zoom: draw a box, hold Ctrl and turn the wheel, or use buttons and keys; kept as zoom:FIGURE.
// Domains are kept, not pixels: "x0,x1" and "y0,y1", empty for an axis without a scale of numbers.
"use strict";
(({ get, set, list, setList, make, button, adjust, draw, tools, announce }) => {
  const STEP = 1.5;
  const LEAST = 8; // pixels of a box that is meant
  const axes = ["x", "y"];
  const key = (figure) => "zoom:" + figure.dataset.name;
  const numeric = (spec, axis) => [spec, ...(spec.layer || [])].some((part) => part.encoding?.[axis]?.type === "quantitative");
  const domains = (figure) => Object.fromEntries(list(key(figure)).map((text) => text.split(",").map(Number))
    .map((ends, i) => [axes[i], ends]).filter(([, ends]) => ends.length === 2 && ends.every(Number.isFinite) && ends[0] < ends[1]));

  const narrow = (spec, axis, domain) => {
    const channel = (spec.encoding || {})[axis];
    if (channel) {
      channel.scale = { ...channel.scale, domain, nice: false };
      if (channel.scale.type !== "log") channel.scale.zero = false;
      if (channel.axis) delete channel.axis.values;
    }
    if (spec.mark) spec.mark = { ...(spec.mark.type ? spec.mark : { type: spec.mark }), clip: true };
    (spec.layer || []).forEach((layer) => narrow(layer, axis, domain));
  };
  const lengths = (view) => ({ x: view.width(), y: view.height() });
  const place = (figure, event) => {
    const box = figure.querySelector(".chart svg").getBoundingClientRect();
    const [left, top] = figure.view.view.origin();
    return { x: event.clientX - box.left - left, y: event.clientY - box.top - top };
  };
  // Spans are in pixels of the plot, from the left and from the top.
  const show = (figure, spans) => {
    const { view } = figure.view;
    const ends = axes.map((axis) => {
      if (!figure.zooms.includes(axis)) return "";
      const pixels = axis === "x" ? spans.x : [spans.y[1], spans.y[0]];
      return pixels.map((pixel) => Number(view.scale(axis).invert(pixel).toPrecision(6))).join(",");
    });
    setList(key(figure), ends);
    return redraw(figure, "zoomed");
  };
  // It keeps the focus of who presses it by keys, as one that is disabled would not.
  const bound = (figure) => figure.reset.setAttribute("aria-disabled", String(!get(key(figure))));
  const redraw = (figure, said) => {
    bound(figure);
    announce(said);
    return draw(figure);
  };
  const reset = (figure) => { set(key(figure), ""); return redraw(figure, "whole chart"); };
  const about = (figure, factor, at) => {
    const size = lengths(figure.view.view);
    const span = (axis) => [at[axis] - at[axis] / factor, at[axis] + (size[axis] - at[axis]) / factor];
    return show(figure, { x: span("x"), y: span("y") });
  };
  const middle = (figure) => {
    const size = lengths(figure.view.view);
    return { x: size.x / 2, y: size.y / 2 };
  };
  const pan = (figure, right, down) => {
    const size = lengths(figure.view.view);
    return show(figure, { x: [right * size.x, (1 + right) * size.x], y: [down * size.y, (1 + down) * size.y] });
  };

  const KEYS = {
    "+": (figure) => about(figure, STEP, middle(figure)),
    "=": (figure) => about(figure, STEP, middle(figure)),
    "-": (figure) => about(figure, 1 / STEP, middle(figure)),
    "0": reset,
    Escape: reset,
    ArrowLeft: (figure) => pan(figure, -0.2, 0),
    ArrowRight: (figure) => pan(figure, 0.2, 0),
    ArrowUp: (figure) => pan(figure, 0, -0.2),
    ArrowDown: (figure) => pan(figure, 0, 0.2),
  };
  const onKey = (figure, event) => {
    const act = KEYS[event.key];
    if (!act || !figure.view || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(figure);
  };
  const onWheel = (figure, event) => {
    if (!(event.ctrlKey || event.metaKey) || !figure.view) return;
    event.preventDefault();
    figure.turned = (figure.turned || 1) * (event.deltaY < 0 ? 1.2 : 1 / 1.2);
    if (figure.busy) return;
    figure.busy = true;
    const at = place(figure, event);
    requestAnimationFrame(async () => {
      const factor = figure.turned;
      figure.turned = 1;
      await about(figure, factor, at);
      figure.busy = false;
    });
  };

  const clamp = (value, most) => Math.min(Math.max(value, 0), most);
  const span = (from, to, most) => {
    const ends = [clamp(from, most), clamp(to, most)].sort((a, b) => a - b);
    return ends[1] - ends[0] < LEAST ? [0, most] : ends;
  };
  const onDrag = (figure, start) => {
    // A finger scrolls the page; for it there are the buttons.
    if (start.button || start.pointerType === "touch" || !figure.view) return;
    const chart = figure.querySelector(".chart");
    const brush = make("div", { className: "brush" });
    const frame = chart.getBoundingClientRect();
    const move = (event) => Object.assign(brush.style, {
      left: Math.min(start.clientX, event.clientX) - frame.left + "px",
      top: Math.min(start.clientY, event.clientY) - frame.top + "px",
      width: Math.abs(event.clientX - start.clientX) + "px",
      height: Math.abs(event.clientY - start.clientY) + "px",
    });
    const end = (event) => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      brush.remove();
      const [a, b] = [place(figure, start), place(figure, event)];
      if (event.type === "pointercancel" || Math.max(Math.abs(a.x - b.x), Math.abs(a.y - b.y)) < LEAST) return;
      const size = lengths(figure.view.view);
      show(figure, { x: span(a.x, b.x, size.x), y: span(a.y, b.y, size.y) });
    };
    start.preventDefault(); // no text is selected
    chart.focus({ preventScroll: true });
    chart.append(brush);
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  };

  const setUp = (figure, spec) => {
    figure.zooms = axes.filter((axis) => numeric(spec, axis));
    if (!figure.zooms.length) return;
    const chart = figure.querySelector(".chart");
    Object.assign(chart, { tabIndex: 0, ariaLabel: figure.querySelector("h3").textContent + ": plus and minus zoom, arrows move, 0 shows all" });
    chart.setAttribute("role", "group");
    chart.addEventListener("keydown", (event) => onKey(figure, event));
    chart.addEventListener("wheel", (event) => onWheel(figure, event), { passive: false });
    chart.addEventListener("pointerdown", (event) => onDrag(figure, event));
    figure.reset = button("Reset zoom", () => { if (get(key(figure))) reset(figure); });
    bound(figure);
    const hint = { title: "Or draw a box, hold Ctrl and turn the wheel, or use + - 0 and the arrows in the chart." };
    tools(figure).prepend(
      button("Zoom in", () => KEYS["+"](figure), hint),
      button("Zoom out", () => KEYS["-"](figure), hint),
      figure.reset,
    );
  };
  // A figure gets its zoom when it is first drawn: its specification is not touched before.
  adjust.push((figure, spec) => {
    if (!figure.zooms) setUp(figure, spec);
    Object.entries(domains(figure)).filter(([axis]) => figure.zooms.includes(axis)).forEach(([axis, domain]) => narrow(spec, axis, domain));
  });
})(window.diffbench);
